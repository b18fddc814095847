"""An account made so that a bidder is kept from others."""

from __future__ import annotations

from tests.differential.test_auction_liquidator import (
    BUYER,
    MINUTE_S,
    crash,
    deployed,
    has_auction,
    hedged,
    maker,
    system,
)
from tests.support.evm import role
from tests.support.session import Caller, session_of
from tests.support.system import System

from seawall.liquidator import Bidder, LiquidatorSettings

__all__ = ["deployed", "hedged", "maker", "system"]


def test_an_account_of_which_no_part_is_sold_keeps_nobody_else_from_being_bought(
    system: System, maker: bytes, hedged: bytes
) -> None:
    """Its hedge breaks in parts, and every slice of it is refused; it comes first."""
    other = system.open(role("other"), 1_500)
    system.trade(other, maker, lots=100, price=system.spots[0])
    system.evm.advance(1)
    crash(system, 8)
    settings = LiquidatorSettings(least_premium=0.03, slice_fraction=0.1)
    bot = Bidder(session_of(system), Caller(BUYER), system.open(BUYER, 100_000), settings=settings)  # type: ignore[arg-type]
    assert bot.work([hedged, other]) == []
    system.advance(10 * MINUTE_S, every=100)
    (bought,) = bot.work([hedged, other])
    assert bought.account == other
    assert has_auction(system, hedged)
