"""An account made so that a bidder is kept from others."""

from __future__ import annotations

import pytest
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


@pytest.fixture
def other(system: System, maker: bytes, hedged: bytes) -> bytes:
    """Another account that fails maintenance, behind the hedged one, of which every slice is refused."""
    other = system.open(role("other"), 1_500)
    system.trade(other, maker, lots=100, price=system.spots[0])
    system.evm.advance(1)
    crash(system, 8)
    return other


def bidder(system: System, tokens: int, slice_fraction: float) -> Bidder:
    settings = LiquidatorSettings(least_premium=0.03, slice_fraction=slice_fraction)
    return Bidder(session_of(system), Caller(BUYER), system.open(BUYER, tokens), settings=settings)  # type: ignore[arg-type]


def test_an_account_of_which_no_part_is_sold_keeps_nobody_else_from_being_bought(
    system: System, maker: bytes, hedged: bytes, other: bytes
) -> None:
    """Of the hedged one the bidder could only buy all, for which it has too little."""
    bot = bidder(system, 20, 0.02)
    assert bot.work([hedged, other]) == []
    system.advance(10 * MINUTE_S, every=100)
    (bought,) = bot.work([hedged, other])
    assert bought.account == other
    assert has_auction(system, hedged)


@pytest.mark.parametrize("slice_fraction", [0.1, 1.0])
def test_an_account_of_which_no_part_is_sold_is_bought_whole(
    system: System, hedged: bytes, slice_fraction: float
) -> None:
    """Whether the bidder asks for a part, which is refused, or for all, which costs more than the part quoted."""
    bot = bidder(system, 100_000, slice_fraction)
    assert bot.work([hedged]) == []
    system.advance(10 * MINUTE_S, every=100)
    (bought,) = bot.work([hedged])
    assert (bought.fraction, bought.ended) == (1.0, True)
    assert bought.paid <= bought.value
    assert not has_auction(system, hedged)
