"""What dated positions require on their way into the settlement: continuous, and never below what is still at risk.

The measure of every step is how much of the average became fixed in it: between two moments the feed's weight grows by
dw, and no requirement may move by more than dw times what the position and its hedge could require in all, and a lot.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from typing import Any

import pytest
from tests.support.market import SPOT, TICK, Instrument
from tests.support.system import GRACE_S, TOKEN, VENUE
from tests.support.twin import Twin, differences
from tests.support.twin_world import address

from seawall.page import decode_page
from seawall.page.layout import Kind
from seawall.reference import Fill, Flag, certificate_words, find_instrument, payoff, settle

HOUR_S, WINDOW_S = 3_600, 1_800
PERPETUAL, FUTURE, CALL, PUT = 0, 2, 3, 4
LOTS = 20
# Atoms of page 0 that hedge one lot of an instrument, bought or sold, by slot and sign; after the two of the twin.
HEDGES = {(FUTURE, 1): 2, (FUTURE, -1): 3, (CALL, 1): 4, (CALL, -1): 5, (PUT, 1): 6, (PUT, -1): 7}
FULL = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Held:
    """An account with a dated position, alone or beside a perpetual that hedges it."""

    key: bytes
    slot: int
    sign: int
    hedged: bool

    def certificate(self, theta: int) -> Any:
        """Return a certificate for so many hedges."""
        words = certificate_words([(0, HEDGES[self.slot, self.sign], theta)]) if theta else ()
        return (words, 0, (), ())

    @property
    def perpetual(self) -> int:
        """Return the lots of the perpetual."""
        return (self.sign if self.slot == PUT else -self.sign) * LOTS if self.hedged else 0


class Window:
    """Accounts of every kind, and the half hour before they expire."""

    def __init__(self, twin: Twin, expiry: int) -> None:
        self.twin, self.system, self.expiry, self.begin = twin, twin.system, expiry, expiry - WINDOW_S
        maker, self.accounts = twin.open("maker", 4_000_000), []
        for slot, sign in HEDGES:
            for hedged in (False, True):
                name = f"{slot} {sign} {hedged}"
                held = Held(key=twin.open(name, 20_000), slot=slot, sign=sign, hedged=hedged)
                self.accounts.append(held)
                self.trade(held.key, maker, slot, sign * LOTS)
                if hedged:
                    self.trade(held.key, maker, PERPETUAL, held.perpetual)

    def trade(self, taker: bytes, maker: bytes, slot: int, lots: int) -> None:
        """Trade at the mark, on both sides."""
        self.twin.sync()
        found = find_instrument(self.twin.vault, 0, (slot, 1))
        assert found is not None
        fill = Fill(
            taker=taker, maker=maker, page=0, slot=slot, generation=1, lots=lots, price_ticks=found.mark
        )
        _, refusal = self.twin.both(
            lambda: self.system.vault.settle(astuple(fill), (), (), sender=VENUE),
            lambda: settle(self.twin.vault, fill, sender=address(VENUE)),
        )
        assert refusal is None

    def to(self, moment: int, *, every: int = 10) -> None:
        self.system.advance(moment - self.system.evm.timestamp, every=every, dead=sorted(self.twin.dead))

    @property
    def weight(self) -> int:
        """Return how much of the average is fixed, X16, as the feed says."""
        found: int = self.system.feed.contract.settlement(0, self.expiry // HOUR_S)[1]
        return found

    def margin(self, held: Held, theta: int = 0) -> Any:
        return self.system.vault.margin(held.key, held.certificate(theta), False)

    def publish(self) -> None:
        assert self.twin.publish() is None
        payload = self.system.payloads(self.system.evm.timestamp)[0]
        self.published = decode_page(payload).records

    def worst(self, held: Held) -> tuple[float, float]:
        """Return the loss of the worst scenario with what is still open of the dated position, and of rounded lanes."""
        dated, perpetual = self.published[held.slot], self.published[PERPETUAL]
        open_ = held.sign * LOTS * (FULL - self.weight) / FULL
        books = ((open_, dated), (held.perpetual, perpetual))
        pnl = [sum(q * r.lanes[k] * (1 << r.shift) for q, r in books) for k in range(len(dated.lanes))]
        return max(0.0, -min(pnl)), sum((abs(q) + 2) * (1 << r.shift) for q, r in books if q)

    def time_value(self, held: Held) -> int:
        """Return what an expiry ends: what the mark has beyond what would be paid now, and rounding; token units."""
        listed = self.system.markets[0].instruments[held.slot]
        return (self.published[held.slot].mark - payoff(listed, SPOT) + 3) * LOTS * TICK  # type: ignore[arg-type]

    def reach(self, held: Held) -> tuple[int, int]:
        """Return what a position and its hedge could require in all, and of one lot; token units."""
        dated, perpetual = self.published[held.slot], self.published[PERPETUAL]
        legs = dated.leg_long + dated.leg_short + max(perpetual.leg_long, perpetual.leg_short)
        lot = (legs + SPOT * 25 // 1_000) * TICK  # floors, and what leaving costs
        return LOTS * lot, lot


@pytest.fixture(scope="module")
def deployed() -> Twin:
    twin = Twin.deploy()
    hour = twin.system.evm.timestamp // HOUR_S + 4
    for instrument in (
        Instrument(kind=Kind.FUTURE, expiry_hour=hour),
        Instrument(kind=Kind.CALL, strike=SPOT * 99 // 100, expiry_hour=hour),
        Instrument(kind=Kind.PUT, strike=SPOT * 99 // 100, expiry_hour=hour),
    ):
        twin.system.list_instrument(0, instrument)
    twin.system.markets[0].atoms += [
        ((PERPETUAL, sign if slot == PUT else -sign), (slot, sign)) for slot, sign in HEDGES
    ]
    for seconds in (12, GRACE_S):
        twin.advance(seconds)
        assert twin.publish() is None
    twin.advance(12)
    return twin


@pytest.fixture
def window(deployed: Twin) -> Iterator[Window]:
    with deployed.system.isolated():
        expiry = deployed.system.markets[0].instruments[FUTURE].expiry_hour * HOUR_S
        made = Window(deployed.fresh(), expiry)
        made.to(made.begin - 12, every=100)
        made.publish()
        yield made


def measures(window: Window) -> dict[tuple[bytes, int], Any]:
    """Return the margin of every account, without a certificate and with one for its hedge."""
    return {(held.key, theta): window.margin(held, theta) for held in window.accounts for theta in (0, LOTS)}


def require_continuous(window: Window, before: Any, after: Any, moved: int) -> None:
    """Hold the change of every requirement against what became fixed meanwhile, X16."""
    for held in window.accounts:
        reach, lot = window.reach(held)
        for theta in (0, LOTS):
            old, new = before[held.key, theta], after[held.key, theta]
            bound = reach * moved // FULL + 2 * lot
            assert abs(new.initial - old.initial) <= bound, (held, theta, "initial")
            assert abs(new.maintenance - old.maintenance) <= bound, (held, theta, "maintenance")


def test_requirements_and_equity_are_continuous_from_before_the_window_into_the_settlement(
    window: Window,
) -> None:
    before, weight = measures(window), window.weight
    assert weight == 0
    moments = (-1, 0, 1, 11, *range(60, WINDOW_S, 97), WINDOW_S - 11, WINDOW_S - 1, WINDOW_S, WINDOW_S + 10)
    for moment in moments:
        window.to(window.begin + moment)
        after, now = measures(window), window.weight
        require_continuous(window, before, after, now - weight)
        for held in window.accounts:
            moved = after[held.key, 0].equity - before[held.key, 0].equity
            assert abs(moved) <= window.time_value(held), (moment, held)
        before, weight = after, now
    assert weight == FULL
    for held in window.accounts:
        settled = window.margin(held)
        assert settled.maintenance == 0 or held.hedged
        assert settled.initial == TOKEN or held.hedged


@pytest.mark.parametrize("dies", [600, 900, 1_500])
def test_with_a_dead_feed_nothing_moves_until_the_settlement_stands_and_then_by_what_was_open(
    window: Window, dies: int
) -> None:
    """Enough of the window was live; the rest of the weight comes at once."""
    window.to(window.begin + dies)
    weight = window.weight
    window.twin.dead = set(window.system.spots)
    window.system.evm.timestamp = window.begin + dies + 121
    before = measures(window)
    for moment in (window.begin + dies + 200, window.expiry - 1, window.expiry, window.expiry + 239):
        window.system.evm.timestamp = max(moment, window.system.evm.timestamp)
        assert measures(window) == before
    window.system.evm.timestamp = window.expiry + 241
    assert window.weight == FULL
    after = measures(window)
    require_continuous(window, before, after, FULL - weight)
    for held in window.accounts:
        old, new = before[held.key, 0], after[held.key, 0]
        assert old.flags & Flag.STALE
        record, open_ = window.published[held.slot], FULL - weight
        leg = (record.leg_long if held.sign > 0 else record.leg_short) * LOTS * TICK
        # What a position without a price counts less comes back, and nothing else changes.
        spare = window.time_value(held)
        assert abs(new.equity - old.equity - 2 * leg * open_ // FULL) <= spare, held
        assert new.equity >= old.equity - spare
        assert new.maintenance <= old.maintenance


def test_INV_06_no_certificate_credits_a_hedge_that_is_fixed_already(window: Window) -> None:
    """In the window L <= ES <= U holds with what is still open of every dated position, whatever is shown."""
    for moment in (60, 450, 900, 1_350, 1_700, WINDOW_S - 1, WINDOW_S + 10):
        window.to(window.begin + moment)
        for held in window.accounts:
            worst, rounding = window.worst(held)
            for theta in (0, 1, LOTS // 2, LOTS - 1, LOTS, 2 * LOTS):
                margin = window.margin(held, theta)
                assert margin.initial >= (worst - rounding) * TICK, (moment, held, theta)
            gross = (LOTS + abs(held.perpetual)) * SPOT * TICK
            floor = 0.01 * gross + 0.0005 * gross
            bound = max(0.8 * (worst + rounding) * TICK, floor)
            assert window.margin(held).maintenance <= bound, (moment, held)


def test_INV_10_margins_in_the_window_equal_the_reference_whatever_page_is_in_force(window: Window) -> None:
    """Pages of before the window and of within it, and one of after the expiry; certificates shown."""
    twin, keys = window.twin, [held.key for held in window.accounts]
    for moment in (400, 1_000, 1_400, WINDOW_S + 200):
        window.to(window.begin + moment)
        assert not differences(twin.on_chain(keys), twin.expected(keys))
        for held in window.accounts:
            for theta in (LOTS // 2, LOTS):
                shown = window.margin(held, theta)
                assert shown.initial <= window.margin(held).initial
        window.twin.publish()
