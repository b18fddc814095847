"""Auctions as a source of money: buying from oneself, racing start and end, hiding in a block, overfilling holes."""

from __future__ import annotations

from functools import partial

import pytest
from tests.attacks.moves import (
    ANY_PRICE,
    ATTACKER,
    KEEPER,
    MINUTE_S,
    WAD,
    backing,
    margin,
    refused,
    start,
    tick,
    wealth,
)
from tests.support.evm import Revert
from tests.support.market import SPOT, Market, perpetual
from tests.support.system import TOKEN, System


@pytest.fixture(scope="module")
def deployed() -> System:
    system = System.deploy(underlyings=2, instruments=2)
    system.endow_fund(10_000)
    return system


@pytest.fixture
def account(system: System, maker: bytes) -> bytes:
    """100 lots long with 1,500 tokens."""
    opened = system.open(ATTACKER, 1_500)
    system.trade(opened, maker, lots=100)
    tick(system)
    return opened


@pytest.mark.parametrize("percent", [92, 91, 88])
@pytest.mark.parametrize("slices", [[WAD], [WAD // 10] * 12, [1] * 5 + [WAD]])
def test_a_solvent_account_that_is_bought_by_its_owner_costs_the_fund_nothing_at_once(
    system: System, account: bytes, percent: int, slices: list[int]
) -> None:
    accomplice = system.open(ATTACKER, 50_000, index=1)
    system.move(0, SPOT * percent // 100)
    start(system, account)
    before, fund = wealth(system, [account, accomplice]), system.fund.totalAssets()
    for fraction in slices:
        purchase = partial(
            system.liquidator.buy, account, accomplice, fraction, ANY_PRICE, (), (), sender=ATTACKER
        )
        refused({"NotInAuction", "AccountHealthy"}, purchase)
    assert wealth(system, [account, accomplice]) <= before
    assert system.fund.totalAssets() == fund
    assert system.vault.deficit() == 0


def test_one_cannot_buy_ones_account_into_itself_or_from_a_stranger_for_a_stranger(
    system: System, account: bytes, maker: bytes
) -> None:
    system.move(0, SPOT * 90 // 100)
    start(system, account)
    with pytest.raises(Revert, match="SameAccount"):
        system.liquidator.buy(account, account, WAD, ANY_PRICE, (), (), sender=ATTACKER)
    with pytest.raises(Revert, match="NotAuthorised"):
        system.liquidator.buy(account, maker, WAD, ANY_PRICE, (), (), sender=ATTACKER)


def test_an_auctioned_account_neither_trades_nor_withdraws_nor_buys(
    system: System, account: bytes, maker: bytes
) -> None:
    other = system.open(KEEPER, 1_500)
    system.trade(other, maker, lots=100)
    system.vault.requestWithdrawal(account, TOKEN, sender=ATTACKER)
    system.move(0, SPOT * 92 // 100)
    start(system, account)
    start(system, other)
    tick(system)
    system.publish()
    tick(system)
    with pytest.raises(Revert, match="InAuction"):
        system.vault.claimWithdrawal(account, ATTACKER, (), sender=ATTACKER)
    with pytest.raises(Revert, match="InAuction"):
        system.trade(account, maker, lots=-100, price=system.spots[0])
    with pytest.raises(Revert, match="InAuction"):
        system.liquidator.buy(other, account, WAD, ANY_PRICE, (), (), sender=ATTACKER)
    system.deposit(account, 1)


def test_an_auction_of_a_healthy_account_ends_by_anyone_and_starts_again_from_the_first_premium(
    system: System, account: bytes
) -> None:
    system.move(0, SPOT * 92 // 100)
    start(system, account)
    system.advance(30 * MINUTE_S)
    with pytest.raises(Revert, match="AccountUnhealthy"):
        system.liquidator.end(account, ())
    late = system.liquidator.premiumFactorWad(account)
    system.deposit(account, 1_000 * TOKEN)
    system.liquidator.end(account, (), sender=KEEPER)
    system.move(0, SPOT * 82 // 100)
    start(system, account)
    assert system.liquidator.premiumFactorWad(account) < late


def test_a_check_protects_for_its_block_and_no_longer(system: System, maker: bytes) -> None:
    opened = system.open(ATTACKER, 1_100)
    system.trade(opened, maker, lots=100)
    # The price of the next second falls in the same block as far as numbers go.
    number = system.evm.number
    system.move(0, SPOT * 96 // 100)
    system.evm.number = number
    with pytest.raises(Revert, match="CheckedThisBlock"):
        system.liquidator.start(opened, ())
    # Trading to be checked again takes the initial requirement, which the account no longer meets.
    with pytest.raises(Revert, match="InitialMargin"):
        system.trade(opened, maker, lots=1, price=system.spots[0])
    system.evm.number = number + 1
    system.liquidator.start(opened, ())


def test_a_hole_is_filled_once_however_it_is_cut(system: System, account: bytes, maker: bytes) -> None:
    accomplice = system.open(ATTACKER, 50_000, index=1)
    system.move(0, SPOT * 84 // 100)
    start(system, account)
    everybody, fund = [account, accomplice, maker], system.fund.totalAssets()
    hole = -system.equity(account)
    own = system.equity(accomplice)
    for fraction in (WAD // 3, 1, WAD // 2, WAD):
        system.liquidator.buy(account, accomplice, fraction, ANY_PRICE, (), (), sender=ATTACKER)
    assert hole <= fund - system.fund.totalAssets() <= hole + 10
    assert system.equity(accomplice) == own
    assert backing(system, everybody) >= 0


def test_nobody_redeems_or_exits_ahead_of_a_booked_loss(system: System, account: bytes, maker: bytes) -> None:
    underwriter = system.open(KEEPER, 10)
    system.token.mint(KEEPER, 500 * TOKEN)
    system.token.approve(system.fund, 500 * TOKEN, sender=KEEPER)
    shares = system.fund.deposit(500 * TOKEN, KEEPER, sender=KEEPER)
    system.fund.requestRedemption(shares, sender=KEEPER)
    system.advance(86_400, every=110)
    system.publish()
    tick(system)
    assert system.fund.maxRedeem(KEEPER) == shares
    system.move(0, SPOT * 84 // 100)
    start(system, account)
    with pytest.raises(Revert, match="LossPending"):
        system.fund.redeem(shares, KEEPER, KEEPER, sender=KEEPER)
    assert system.fund.maxWithdraw(KEEPER) == 0
    # What the fund covers is not withheld from an exit.
    assert system.vault.withdraw(underwriter, TOKEN, KEEPER, sender=KEEPER) == TOKEN


def test_the_smallest_position_takes_a_whole_token_of_margin(system: System, maker: bytes) -> None:
    """So that accounts cannot be littered over the vault for nothing."""
    system.list_underlying(Market(underlying=2, page=2, spot=50, instruments=[perpetual(shift=0)]))
    system.push()
    system.publish()
    tick(system)
    poor = system.open(ATTACKER)
    system.deposit(poor, TOKEN - 1)
    with pytest.raises(Revert, match="InitialMargin"):
        system.trade(poor, maker, lots=1, page=2)
    system.deposit(poor, 1)
    system.trade(poor, maker, lots=1, page=2)
    assert margin(system, poor)[1] == TOKEN
