"""A fall, an auction, a purchase and a recovery through Ape."""

from __future__ import annotations

from typing import Any

import ape
import pytest
from ape.api import AccountAPI
from tests.ape.world import TOKEN, World

WAD = 10**18
ANY_PRICE = 1 << 200


@pytest.fixture
def borrower(world: World, trader: AccountAPI, maker: AccountAPI) -> bytes:
    """An account 100 lots long with 1,500 tokens; a lot costs 100."""
    account = world.open(trader, 1_500)
    world.open(maker, 100_000)
    world.trade(trader, maker, 100)
    return account


@pytest.fixture
def buyer(world: World, bidder: AccountAPI) -> bytes:
    return world.open(bidder, 50_000)


@pytest.fixture
def in_auction(world: World, borrower: bytes, attacker: AccountAPI) -> bytes:
    """The borrower after a fall of eight tokens a lot, put up by a passer-by."""
    world.move(0, world.markets[0].spot - 80_000)
    world.push()
    world.liquidator.start(borrower, (), sender=attacker)
    return borrower


def ratio(margin: Any) -> float:
    return float(margin.equity / margin.maintenance)


def test_start__of_a_healthy_account__reverts(world: World, borrower: bytes, attacker: AccountAPI) -> None:
    with ape.reverts(world.liquidator.AccountHealthy, account=borrower):
        world.liquidator.start(borrower, (), sender=attacker)


def test_start__right_after_a_gap_in_prices__reverts(
    world: World, borrower: bytes, attacker: AccountAPI
) -> None:
    world.chain.mine(timestamp=world.now + 400)
    world.move(0, world.markets[0].spot - 80_000)
    with ape.reverts(world.liquidator.PriceGapTooRecent, account=borrower):
        world.liquidator.start(borrower, (), sender=attacker)
    world.advance(301)
    world.liquidator.start(borrower, (), sender=attacker)


def test_INV_19_a_purchase_moves_a_slice_and_raises_the_health(
    world: World, in_auction: bytes, buyer: bytes, bidder: AccountAPI
) -> None:
    before = world.margin(in_auction)
    receipt = world.liquidator.buy(in_auction, buyer, WAD, ANY_PRICE, (), (), sender=bidder)
    event = next(iter(receipt.decode_logs(world.liquidator.SliceSold)))
    after, bought = world.margin(in_auction), world.margin(buyer)
    assert 0 < event.fractionWad < WAD
    moved = world.vault.positionLots(buyer, 0, 0, 1)
    assert moved + world.vault.positionLots(in_auction, 0, 0, 1) == 100
    assert moved > 0
    assert ratio(after) > ratio(before)
    assert after.equity >= 1.19 * after.maintenance
    assert bought.equity >= bought.initial > 0


def test_INV_22_the_premium_rises_with_live_time(world: World, in_auction: bytes) -> None:
    factors = []
    for _ in range(3):
        factors.append(world.liquidator.premiumFactorWad(in_auction))
        world.advance(300)
    world.chain.mine(timestamp=world.now + 3_600)  # a dead feed
    factors.append(world.liquidator.premiumFactorWad(in_auction))
    assert factors == sorted(factors)
    assert factors[0] < factors[1] < factors[2]
    assert factors[3] < factors[2] + WAD // 10


def test_buy__dearer_than_the_limit__reverts(
    world: World, in_auction: bytes, buyer: bytes, bidder: AccountAPI
) -> None:
    with ape.reverts(world.liquidator.PaysMoreThan):
        world.liquidator.buy(in_auction, buyer, WAD, -(10**12), (), (), sender=bidder)


def test_buy__for_an_account_of_somebody_else__reverts(
    world: World, in_auction: bytes, buyer: bytes, attacker: AccountAPI
) -> None:
    with ape.reverts(world.liquidator.NotAuthorised, account=buyer, caller=attacker.address):
        world.liquidator.buy(in_auction, buyer, WAD, ANY_PRICE, (), (), sender=attacker)


def test_INV_23_buy__by_whom_cannot_carry_it__reverts(
    world: World, in_auction: bytes, attacker: AccountAPI
) -> None:
    poor = world.open(attacker, 1)
    with ape.reverts(world.vault.InitialMargin):
        world.liquidator.buy(in_auction, poor, WAD, ANY_PRICE, (), (), sender=attacker)


def test_an_account_in_auction_neither_trades_nor_withdraws(
    world: World, in_auction: bytes, trader: AccountAPI, maker: AccountAPI
) -> None:
    with ape.reverts(world.vault.InAuction, account=in_auction):
        world.trade(trader, maker, -1)
    world.vault.requestWithdrawal(in_auction, TOKEN, sender=trader)
    world.advance(60)
    world.publish()
    world.push()
    with ape.reverts(world.vault.InAuction, account=in_auction):
        world.vault.claimWithdrawal(in_auction, trader, (), sender=trader)


def test_a_deposit_ends_the_auction(
    world: World, in_auction: bytes, buyer: bytes, trader: AccountAPI, bidder: AccountAPI
) -> None:
    with ape.reverts(world.liquidator.AccountUnhealthy):
        world.liquidator.end(in_auction, (), sender=bidder)
    world.token.mint(trader, 2_000 * TOKEN, sender=trader)
    world.token.approve(world.vault, 2_000 * TOKEN, sender=trader)
    world.vault.deposit(in_auction, 2_000 * TOKEN, sender=trader)
    with ape.reverts(world.liquidator.AccountHealthy):
        world.liquidator.buy(in_auction, buyer, WAD, ANY_PRICE, (), (), sender=bidder)
    world.liquidator.end(in_auction, (), sender=bidder)
    assert world.liquidator.auction(in_auction)[0] == 0
