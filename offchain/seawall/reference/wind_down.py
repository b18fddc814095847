"""Closing the vault when no manifest comes any more: last part of section 4 of the specification.

Start, a day later the final prices, then every account's positions into cash; withdrawals follow once no account has
positions. Whoever calls, and it cannot be undone.
"""

from dataclasses import replace

from seawall.page.layout import Kind
from seawall.reference.book import Position
from seawall.reference.ledger import Vault, WindDown
from seawall.reference.marks import SETTLED_X16, payoff
from seawall.reference.rejection import require
from seawall.reference.settlement import store_flat
from seawall.reference.state import Price, Settling, Terms, Total
from seawall.reference.trading import find_instrument, tally

__all__ = [
    "WIND_DOWN_AFTER_S",
    "WIND_DOWN_AVERAGE_S",
    "price_wind_down",
    "settle_wind_down",
    "start_wind_down",
]

WIND_DOWN_AFTER_S = 3 * 24 * 3600
WIND_DOWN_AVERAGE_S = 24 * 3600


def start_wind_down(vault: Vault) -> None:
    """Begin, three days after the last activation in force and the deployment of the vault.

    Raises
    ------
    Rejected
        `WoundDown`, `WindDownTooEarly`
    """
    vault.require_open()
    world = vault.world
    activated_at = world.current.activated_at if world.current else 0
    ready_at = max(activated_at, vault.deployed_at) + WIND_DOWN_AFTER_S
    require(world.now >= ready_at, "WindDownTooEarly", ready_at)
    opening = {u: world.totals.get(u, Total()) for u in range(world.listing.underlyings)}
    vault.wind_down = WindDown(started_at=world.now, opening=opening)


def price_wind_down(vault: Vault) -> None:
    """Fix the final prices: the average over live time since the start, rounded down, or the last price.

    Raises
    ------
    Rejected
        `NotWoundDown`, `WoundDown` (they stand), `WindDownTooEarly`
    """
    state, world = vault.wind_down, vault.world
    require(state.started_at != 0, "NotWoundDown")
    require(not state.priced, "WoundDown")
    ready_at = state.started_at + WIND_DOWN_AVERAGE_S
    require(world.now >= ready_at, "WindDownTooEarly", ready_at)
    final = {underlying: _average(vault, underlying) for underlying in range(world.listing.underlyings)}
    vault.wind_down = replace(state, priced=True, final_ticks=final)


def settle_wind_down(vault: Vault, key: bytes) -> None:
    """Turn an account's positions but spot into cash; what it lacks is deficit, for which reserve and fund are asked.

    Raises
    ------
    Rejected
        `WindDownNotPriced`
    """
    with vault.atomic():
        require(vault.wind_down.priced, "WindDownNotPriced")
        account, listing = vault.account(key), vault.world.listing
        worth = 0
        for page, held in tuple(account.book.pages.items()):
            kept = []
            for position in held:
                if _terms(vault, page, position).kind == Kind.SPOT:
                    kept.append(position)
                    continue
                worth += position.lots * _final_value(vault, page, position) * listing.tick
                tally(vault, listing.underlying(page), position.lots, 0)
            account.book.put(page, kept)
        hole = store_flat(vault, key, worth)
        account.leave_auction()
        if account.book:
            account.settled = True
            account.debt += hole


def _average(vault: Vault, underlying: int) -> int:
    """Return the average price since the start, ticks; the last price of an underlying that had none since."""
    before = vault.wind_down.opening.get(underlying, Total())
    after = vault.world.totals.get(underlying, Total())
    seconds = after.seconds - before.seconds
    if seconds > 0:
        return (after.price_seconds - before.price_seconds) // seconds
    return vault.world.prices.get(underlying, Price()).ticks


def _terms(vault: Vault, page: int, position: Position) -> Terms:
    return vault.world.listing.terms_of(page, position.slot, position.generation)


def _final_value(vault: Vault, page: int, position: Position) -> int:
    """Return the value of one lot, ticks, as the first account that held it was settled at.

    A perpetual is worth the price less the funding that the manifest in force says; what has expired its payoff at its
    settlement price.
    """
    state, instrument = vault.wind_down, (page, *position.key)
    if instrument not in state.values:
        terms, underlying = _terms(vault, page, position), vault.world.listing.underlying(page)
        price = state.final_ticks.get(underlying, 0)
        if terms.kind == Kind.PERPETUAL:
            last = find_instrument(vault, page, position.key)
            value = price - (last.funding if last is not None else 0)
        else:
            settling = vault.world.settlements.get((underlying, terms.expiry_hour), Settling())
            value = payoff(terms, settling.average if settling.weight_x16 == SETTLED_X16 else price)
        vault.wind_down = replace(state, values={**state.values, instrument: value})
    return vault.wind_down.values[instrument]
