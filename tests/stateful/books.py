"""What the positions of all accounts in every instrument that was ever listed must add up to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tests.stateful.claims import INV_02
from tests.support.market import TICK, Instrument
from tests.support.twin import Twin

from seawall.page.layout import Kind
from seawall.reference import payoff

__all__ = ["check_positions", "ever_listed"]

Key = tuple[int, int, int]  # page, slot, generation


def ever_listed(twin: Twin) -> Iterator[tuple[Key, Instrument]]:
    """Yield every instrument, also those whose slot another one took."""
    for page, market in twin.system.markets.items():
        for slot, instrument in enumerate(market.instruments):
            yield (page, slot, instrument.generation), instrument
        for (slot, generation), instrument in market.past.items():
            yield (page, slot, generation), instrument


def final_value(twin: Twin, key: Key, instrument: Instrument) -> int | None:
    """Return what one lot became or becomes cash at, ticks; None while that is open."""
    page, slot, generation = key
    if (value := twin.vault.wind_down.values.get(key)) is not None:
        return value
    fixed = twin.feed.averages[twin.system.markets[page].underlying].fixed.get(instrument.expiry_hour)
    if fixed is None:
        return None
    return payoff(twin.vault.world.listing.terms_of(page, slot, generation), fixed)


def check_positions(
    twin: Twin, accounts: Sequence[bytes], settled: Mapping[Key, int]
) -> tuple[int, dict[int, int]]:
    """Check that positions and what became cash sum to zero but for spot; return their worth and all long lots.

    The worth, settlement token units, is that of positions whose opposite became cash already. `settled` are the lots
    that expired into cash; a wind-down keeps no count of its own.
    """
    opened, longs = 0, dict.fromkeys(twin.system.spots, 0)
    for key, instrument in ever_listed(twin):
        if instrument.kind == Kind.SPOT:
            continue
        lots = [twin.system.vault.positionLots(account, *key) for account in accounts]
        closing = key in twin.vault.wind_down.values
        assert sum(lots) + settled.get(key, 0) == 0 or closing, INV_02
        if sum(lots):
            value = final_value(twin, key, instrument)
            assert value is not None, INV_02
            opened += sum(lots) * TICK * value
        longs[twin.system.markets[key[0]].underlying] += sum(held for held in lots if held > 0)
    return opened, longs
