"""Attacks on collateral: on the desk, on who owes, on who holds. Each is played on the real contracts, and fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.attacks.moves import ATTACKER, BORROWER, KEEPER, MAKER, WAD, forge, refused, start, tick
from tests.support.desk import Desk
from tests.support.evm import Revert
from tests.support.market import SPOT, TICK
from tests.support.system import EMPTY, GOVERNOR, TOKEN, System

HOUR_S = 3_600
LOT = SPOT * TICK
PLENTY = 10**30


@pytest.fixture(scope="module")
def deployed() -> Desk:
    desk = Desk.open(System.deploy(instruments=1))
    desk.system.endow_fund(10_000)
    for who in (ATTACKER, KEEPER):
        desk.funded(who, 10**6)
    return desk


@pytest.fixture
def desk(deployed: Desk) -> Iterator[Desk]:
    with deployed.system.isolated():
        yield replace(deployed)


@pytest.fixture
def maker(desk: Desk) -> bytes:
    return desk.system.open(MAKER, 1_000_000)


def open_with(desk: Desk, owner: str, lots: int, tokens: int = 0, index: int = 0) -> bytes:
    account = desk.system.open(owner, tokens, index=index)
    if lots:
        desk.deposit(account, lots)
    return account


def convert(desk: Desk, account: bytes, by: str, lots: int = 10**9) -> tuple[int, int]:
    return tuple(desk.contract.convert(account, desk.page, desk.slot, lots, PLENTY, sender=by))  # type: ignore[return-value]


def worth(desk: Desk, owner: str, *accounts: bytes) -> int:
    """Return what somebody has, at the present price: accounts, tokens of both kinds."""
    lots = desk.token.balanceOf(owner) * desk.system.spots[0] * TICK // desk.units_per_lot
    return int(sum(map(desk.system.equity, accounts)) + desk.system.token.balanceOf(owner) + lots)


# Converting


@given(percent=st.integers(80, 99), waited=st.sampled_from((0, 1_800, 3_600)), bite=st.integers(1, 40))
@settings(max_examples=25)
def test_INV_26_converting_ones_own_failing_account_does_not_save_what_an_auction_takes(
    deployed: Desk, percent: int, waited: int, bite: int
) -> None:
    """The owner of a failing account buys its own collateral cheaply: E/M must not fall, so no creditor loses."""
    with deployed.system.isolated():
        desk = replace(deployed)
        maker = desk.system.open(MAKER, 1_000_000)
        account = open_with(desk, ATTACKER, 30)
        desk.system.trade(account, maker, lots=150)
        desk.system.evm.advance(12)
        desk.system.move(0, SPOT * percent // 100)
        if waited:
            desk.contract.flagDebt(account)
            desk.system.advance(waited)
        tick(desk.system)
        before = desk.system.vault.margin(account, EMPTY, False)
        names = {"ConversionRaisesRisk", "NoDebt"}
        if refused(names, lambda: convert(desk, account, ATTACKER, bite)):
            return
        after = desk.system.vault.margin(account, EMPTY, False)
        helps = after.equity * before.maintenance >= before.equity * after.maintenance
        assert after.equity >= after.maintenance or (helps and after.maintenance <= before.maintenance)
        if before.equity < 0:
            pytest.fail("an insolvent account gave its collateral away at a discount")


def test_a_conversion_in_the_same_block_stops_no_auction(desk: Desk, maker: bytes) -> None:
    """One lot a block converted by the owner: if it marked the account as checked, no auction could ever start."""
    account = open_with(desk, ATTACKER, 30)
    desk.system.trade(account, maker, lots=150)
    desk.system.evm.advance(12)
    desk.system.move(0, SPOT * 86 // 100)
    tick(desk.system)
    refused({"ConversionRaisesRisk"}, lambda: convert(desk, account, ATTACKER, 1))
    assert desk.system.vault.health(account).liquidatable
    desk.system.liquidator.start(account, ())


def test_a_flag_of_long_ago_makes_no_new_debt_dear(desk: Desk, maker: bytes) -> None:
    """Flag a debt, wait till its owner pays in cash and forgets about it, strike when there is a new one."""
    victim = open_with(desk, BORROWER, 50)
    desk.system.trade(maker, victim, lots=30)
    desk.system.move(0, SPOT * 104 // 100)
    desk.contract.flagDebt(victim, sender=ATTACKER)
    desk.system.deposit(victim, 200 * TOKEN)
    desk.system.advance(5 * HOUR_S)
    desk.system.move(0, SPOT * 108 // 100)
    desk.system.publish()
    assert desk.contract.quoteOf(victim) < 0
    lots, paid = convert(desk, victim, ATTACKER)
    assert paid * 1_000 >= lots * desk.system.spots[0] * TICK * 995


def test_an_attacker_neither_names_the_price_nor_the_size_of_a_conversion(desk: Desk, maker: bytes) -> None:
    """A debt of a little over nothing costs one lot at 0.5%, however much is asked for and given to the contracts."""
    victim = open_with(desk, BORROWER, 50)
    desk.system.trade(maker, victim, lots=30)
    desk.system.move(0, SPOT + 1)
    desk.token.mint(desk.contract, 10**30)
    desk.system.token.mint(desk.contract, 10**15)
    before = desk.system.equity(victim)
    assert convert(desk, victim, ATTACKER)[0] == 1
    assert before - desk.system.equity(victim) <= LOT * 51 // 10_000


def test_looking_at_the_worst_moment_charges_nothing_for_the_good_ones(desk: Desk, maker: bytes) -> None:
    """Interest for a year on a debt of an hour, by whoever calls at its peak."""
    desk.contract.setInterestRate(10_000, sender=GOVERNOR)
    victim = open_with(desk, BORROWER, 50)
    desk.system.trade(maker, victim, lots=30)
    desk.contract.accrueInterest(victim, sender=ATTACKER)
    desk.system.advance(40 * HOUR_S, every=HOUR_S)
    desk.system.publish()
    desk.system.move(0, SPOT * 104 // 100)
    cash = desk.system.cash(victim)
    for _ in range(2):
        desk.contract.accrueInterest(victim, sender=ATTACKER)
    assert desk.system.cash(victim) == cash


# Draining


def test_what_the_settlement_token_is_owed_cannot_be_borrowed_out_of_the_vault(
    desk: Desk, maker: bytes
) -> None:
    """Collateral in one account, cash out of another: a short that loses to oneself, at any price one names."""
    first = open_with(desk, ATTACKER, 100)
    second = desk.system.open(ATTACKER, 2_000, index=1)
    before = worth(desk, ATTACKER, first, second)
    tokens = desk.system.token.balanceOf(desk.system.vault)
    for lots, price in ((10, SPOT * 2), (40, SPOT * 101 // 100), (1, SPOT * 50)):
        refused(
            {"QuoteDebt", "InitialMargin"},
            lambda lots=lots, price=price: desk.system.trade(second, first, lots=-lots, price=price),
        )
        refused(
            {"QuoteDebt", "InitialMargin"},
            lambda lots=lots, price=price: desk.system.trade(second, first, lots=lots, price=SPOT // 2),
        )
    for account in (first, second):
        desk.system.vault.requestWithdrawal(account, 2_001 * TOKEN, sender=ATTACKER)
    desk.system.advance(HOUR_S)
    desk.system.publish()
    for account in (first, second):
        with pytest.raises(Revert):
            desk.system.vault.claimWithdrawal(account, ATTACKER, (), sender=ATTACKER)
    assert worth(desk, ATTACKER, first, second) <= before
    assert desk.system.token.balanceOf(desk.system.vault) == tokens


def test_collateral_is_not_counted_twice_on_its_way_out(desk: Desk, maker: bytes) -> None:
    """Request all of it, open positions against it, claim: what is claimed is judged without it."""
    account = open_with(desk, ATTACKER, 20)
    for _ in range(2):
        desk.contract.requestWithdrawal(account, desk.page, desk.slot, 20, sender=ATTACKER)
    desk.system.trade(account, maker, lots=100)
    desk.system.advance(HOUR_S)
    desk.system.publish()
    open_with(desk, BORROWER, 10_000)  # the bucket is not what stops it
    with pytest.raises(Revert, match=r"InitialMargin|QuoteDebt"):
        desk.contract.claimWithdrawal(account, ATTACKER, (), sender=ATTACKER)
    assert desk.lots(account) == 20


def test_a_forged_mark_lets_no_collateral_out_of_either_side(desk: Desk, maker: bytes) -> None:
    """A colluding quorum moves a mark by a leg; both sides of a trade try to leave with what it says they won."""
    desk.contract.setDepositCap(desk.page, desk.slot, 10**6, sender=GOVERNOR)
    open_with(desk, BORROWER, 50_000)
    sides = [open_with(desk, ATTACKER, 40, index=index) for index in (0, 1)]
    desk.system.trade(*sides, lots=100)
    for account in sides:
        desk.contract.requestWithdrawal(account, desk.page, desk.slot, 40, sender=ATTACKER)
    desk.system.advance(12)
    forge(desk.system, {(0, 0): 190})
    for account in sides:
        names = {"InitialMargin", "QuoteDebt", "WithdrawalNotYet"}
        assert refused(
            names, lambda key=account: desk.contract.claimWithdrawal(key, ATTACKER, (), sender=ATTACKER)
        )


# In the way


def test_a_victims_pages_cannot_be_filled_with_dust(desk: Desk) -> None:
    victim = desk.system.open(BORROWER, 10)
    desk.mint(ATTACKER, 1)
    with pytest.raises(Revert, match="NotAuthorised"):
        desk.contract.deposit(victim, desk.page, desk.slot, 1, sender=ATTACKER)
    assert not desk.system.vault.accountWord(victim) & (2**96 - 1)
    assert desk.system.vault.withdraw(victim, 10 * TOKEN, BORROWER, sender=BORROWER) == 10 * TOKEN


def test_an_auction_cannot_be_dodged_by_changing_what_is_for_sale(desk: Desk, maker: bytes) -> None:
    """Deposits, withdrawals and conversions all wait while the account is for sale."""
    account = open_with(desk, ATTACKER, 10)
    desk.system.trade(account, maker, lots=60)
    desk.contract.requestWithdrawal(account, desk.page, desk.slot, 1, sender=ATTACKER)
    desk.system.evm.advance(12)
    desk.system.move(0, SPOT * 87 // 100)
    start(desk.system, account)
    desk.mint(ATTACKER, 100)
    at = (desk.page, desk.slot)
    tick(desk.system)
    for call in (
        lambda: desk.contract.deposit(account, *at, 1, sender=ATTACKER),
        lambda: desk.contract.withdraw(account, *at, 1, ATTACKER, sender=ATTACKER),
        lambda: desk.contract.claimWithdrawal(account, ATTACKER, (), sender=ATTACKER),
        lambda: convert(desk, account, ATTACKER, 1),
    ):
        with pytest.raises(Revert):
            call()
    buyer = desk.system.open(KEEPER, 100_000)
    desk.system.liquidator.buy(account, buyer, WAD, 1 << 200, (), (), sender=KEEPER)
    lots, held, units = desk.held([account, buyer])
    assert (lots, units) == (held, held * desk.units_per_lot)


def borrowed_out(desk: Desk, tokens: int, *others: bytes) -> bytes:
    """Return an account that owes so much, within the cap, for 90 days at 50% a year; its tokens left the vault."""
    system = desk.system
    desk.contract.setDebtCap(10**6 * TOKEN, sender=GOVERNOR)
    desk.contract.setInterestRate(5_000, sender=GOVERNOR)
    account = open_with(desk, ATTACKER, 300)
    other = system.open(ATTACKER, 100, index=1)
    system.trade(account, other, lots=10, price=SPOT + tokens * TOKEN // TICK // 10)
    system.trade(account, other, lots=-10)
    system.vault.withdraw(other, (tokens + 100) * TOKEN, ATTACKER, sender=ATTACKER)
    for failing in others:
        system.trade(failing, account, lots=12)
    desk.contract.accrueInterest(account)
    system.evm.advance(90 * 24 * HOUR_S)
    system.push()
    system.publish()
    system.advance(400)
    desk.contract.accrueInterest(account)
    assert system.vault.reserve() > system.token.balanceOf(system.vault)
    return account


def test_INV_04_interest_that_is_charged_and_not_paid_locks_nobody_in(desk: Desk) -> None:
    """Collateral borrows nearly all settlement tokens, within the cap, so nobody can convert it; what it is charged is
    more than what is left of them. The fund waits for its interest, those who leave do not."""
    vault, token = desk.system.vault, desk.system.token
    saver = desk.system.open(KEEPER, 10_000)
    account = borrowed_out(desk, 9_000)
    left = token.balanceOf(vault)
    for part in (1, left // 2, left - left // 2 - 2):
        assert vault.withdraw(saver, part, KEEPER, sender=KEEPER) == part
    vault.distributeFees(MAKER)
    assert token.balanceOf(vault) == 1
    desk.system.deposit(account, 10_000 * TOKEN)
    assert vault.withdraw(saver, 9_000 * TOKEN, KEEPER, sender=KEEPER) == 9_000 * TOKEN
    interest = vault.reserve()
    desk.system.deposit(account, 200 * TOKEN)
    vault.distributeFees(MAKER)
    assert vault.reserve() == 0 < interest <= token.balanceOf(desk.system.fund) - 10_000 * TOKEN


def test_INV_04_nor_while_a_loss_is_booked(desk: Desk) -> None:
    """Then the reserve stays where it is, and what exits are measured by is not less than nothing."""
    system, vault = desk.system, desk.system.vault
    saver, failing = system.open(KEEPER, 10_000), system.open(BORROWER, 200)
    borrowed_out(desk, 9_900, failing)
    system.move(0, SPOT * 80 // 100)
    start(system, failing)
    assert vault.reserve() > system.token.balanceOf(vault) + vault.deficit()
    assert 0 < vault.bookedLosses() < vault.reserve()
    assert vault.exitHaircutWad() == 0
    assert vault.withdraw(saver, 100 * TOKEN, KEEPER, sender=KEEPER) == 100 * TOKEN
