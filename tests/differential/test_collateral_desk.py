"""Rules of the collateral desk: who may move lots and when, what a debt leads to, what a wind-down leaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from eth_utils.abi import function_abi_to_4byte_selector
from hypothesis import given
from hypothesis import strategies as st
from tests.attacks.moves import forge, refused
from tests.support.desk import CAP_LOTS, Desk
from tests.support.evm import Revert, role
from tests.support.market import SPOT, TICK
from tests.support.system import (
    EMPTY,
    GOVERNOR,
    GOVERNOR_ROLE,
    GRACE_S,
    GUARDIAN,
    TOKEN,
    System,
    account_id,
    signer,
)

from seawall.reference.debt import conversion

BORROWER, MAKER, CONVERTER = (signer(name).address for name in ("borrower", "maker", "converter"))
OPERATOR, STRANGER = role("operator"), role("stranger")
HOUR, DAY, YEAR = 3_600, 86_400, 365 * 86_400
LOT = SPOT * TICK  # settlement token units
PLENTY = 10**30
WAD = 10**18


@pytest.fixture(scope="module")
def deployed() -> Desk:
    system = System.deploy(instruments=1)
    desk = Desk.open(system)
    desk.funded(CONVERTER, 10**7)
    system.endow_fund(1_000)
    return desk


@pytest.fixture
def desk(deployed: Desk) -> Iterator[Desk]:
    with deployed.system.isolated():
        yield replace(deployed)


@pytest.fixture
def maker(desk: Desk) -> bytes:
    return desk.system.open(signer("maker"), 1_000_000)


@pytest.fixture
def hedged(desk: Desk, maker: bytes) -> bytes:
    """50 lots of collateral, 30 short, no cash at all."""
    account = desk.account("borrower", lots=50)
    desk.system.trade(maker, account, lots=30)
    return account


@pytest.fixture
def leveraged(desk: Desk, maker: bytes) -> bytes:
    """Ten lots of collateral under 60 lots long, after the price fell by 13%."""
    account = desk.account("borrower", lots=10)
    desk.system.trade(account, maker, lots=60)
    desk.system.evm.advance(12)
    desk.system.move(0, SPOT * 87 // 100)
    desk.system.evm.advance(12)
    desk.system.push()
    return account


@pytest.fixture
def indebted(desk: Desk, hedged: bytes) -> bytes:
    """The same after the price rose by 4%: 120 tokens are owed, worth more than a lot."""
    desk.system.move(0, SPOT * 104 // 100)
    return hedged


def renew(desk: Desk) -> None:
    """Let keepers and price signers observe everything again."""
    desk.system.advance(12)
    desk.system.publish()


def ask(desk: Desk, account: bytes, lots: int) -> None:
    desk.contract.requestWithdrawal(account, desk.page, desk.slot, lots, sender=BORROWER)


def claim(desk: Desk, account: bytes) -> None:
    desk.contract.claimWithdrawal(account, BORROWER, (), sender=BORROWER)


def convert(desk: Desk, account: bytes, lots: int = 10**9, pay: int = PLENTY) -> tuple[int, int]:
    found = desk.contract.convert(account, desk.page, desk.slot, lots, pay, sender=CONVERTER)
    return found.lots, found.paid


# Deposits


def test_INV_25_only_the_owner_and_operators_deposit_so_nobody_fills_the_book_of_another(desk: Desk) -> None:
    account = desk.account("borrower")
    for who in (OPERATOR, STRANGER):
        desk.mint(who, 1)
    desk.system.vault.setOperator(account, OPERATOR, True, sender=BORROWER)
    desk.contract.deposit(account, desk.page, desk.slot, 1, sender=OPERATOR)
    for who in (STRANGER, GOVERNOR, CONVERTER):
        with pytest.raises(Revert, match="NotAuthorised"):
            desk.contract.deposit(account, desk.page, desk.slot, 1, sender=who)
    assert desk.lots(account) == 1


def test_deposits_stop_at_the_cap_and_when_the_guardian_says_so(desk: Desk) -> None:
    account = desk.account("borrower", lots=7)
    desk.contract.setDepositCap(desk.page, desk.slot, 10, sender=GOVERNOR)
    with pytest.raises(Revert, match=r"DepositCap\(0, 1, 11, 10\)"):
        desk.deposit(account, 4)
    desk.deposit(account, 3)
    desk.contract.stopDeposits(desk.page, desk.slot, sender=GUARDIAN)
    with pytest.raises(Revert, match="DepositCap"):
        desk.deposit(account, 1)
    desk.contract.withdraw(account, desk.page, desk.slot, 10, BORROWER, sender=BORROWER)


def test_nothing_is_taken_before_governance_sets_a_cap(desk: Desk) -> None:
    desk.list(desk.system.evm.deploy("CollateralToken", 6), cap=0)
    with pytest.raises(Revert, match="DepositCap"):
        desk.account("borrower", lots=1)


@pytest.mark.parametrize("count", [0, 2**40, 2**255, 2**256 - 1])
def test_numbers_of_lots_that_make_no_sense_are_refused(desk: Desk, count: int) -> None:
    account, at = desk.account("borrower", lots=5), (desk.page, desk.slot)
    for call in (
        lambda: desk.contract.deposit(account, *at, count, sender=BORROWER),
        lambda: desk.contract.withdraw(account, *at, count, BORROWER, sender=BORROWER),
        lambda: desk.contract.requestWithdrawal(account, *at, count, sender=BORROWER),
    ):
        with pytest.raises(Revert, match=r"ZeroLots|CapTooLarge"):
            call()
    assert desk.held([account])[:2] == (5, 5)


def test_a_perpetual_is_no_collateral(desk: Desk) -> None:
    account = desk.account("borrower", lots=1)
    for call in (
        lambda: desk.contract.deposit(account, 0, 0, 1, sender=BORROWER),
        lambda: desk.contract.requestWithdrawal(account, 0, 0, 1, sender=BORROWER),
        lambda: desk.contract.setDepositCap(0, 0, 1, sender=GOVERNOR),
        lambda: desk.contract.withdraw(account, 0, 0, 1, BORROWER, sender=BORROWER),
    ):
        with pytest.raises(Revert, match=r"NotCollateral\(0, 0\)"):
            call()


def test_only_the_desk_moves_spot_positions_and_charges_interest(desk: Desk) -> None:
    account = desk.account("borrower", lots=1)
    vault = desk.system.vault
    for who in (BORROWER, GOVERNOR, CONVERTER):
        with pytest.raises(Revert, match="NotCollateralDesk"):
            vault.adjustCollateral(account, desk.page, desk.slot, 1, False, sender=who)
        with pytest.raises(Revert, match="NotCollateralDesk"):
            vault.chargeInterest(account, 1, sender=who)
    with pytest.raises(Revert, match="AlreadySet"):
        vault.setCollateralDesk(STRANGER, sender=GOVERNOR)


def test_a_desk_moves_nothing_but_spot_and_nothing_below_zero() -> None:
    """A role stands for the desk, so that no rule of the desk comes first."""
    system = System.deploy(mature=False)
    token = system.evm.deploy("CollateralToken", 8)
    slot = system.registry.listCollateral(0, 31, token, sender=GOVERNOR)
    selector = function_abi_to_4byte_selector(system.vault.function("setCollateralDesk", 1))
    system.manager.setTargetFunctionRole(system.vault, [selector], GOVERNOR_ROLE)
    system.vault.setCollateralDesk(STRANGER, sender=GOVERNOR)
    account, vault = account_id(BORROWER), system.vault
    with pytest.raises(Revert, match="UnknownInstrument"):
        vault.adjustCollateral(account, 0, 0, 1, False, sender=STRANGER)
    with pytest.raises(Revert, match=r"LotsOutOfRange\(-1, 31\)"):
        vault.adjustCollateral(account, 0, slot, -1, False, sender=STRANGER)
    with pytest.raises(Revert, match=r"LotsOutOfRange\(256, 31\)"):
        vault.adjustCollateral(account, 0, slot, 256, False, sender=STRANGER)
    vault.adjustCollateral(account, 0, slot, 255, False, sender=STRANGER)


@pytest.mark.parametrize(
    ("name", "args"),
    [("setDepositCap", (0, 1, 1)), ("stopDeposits", (0, 1)), ("setDebtCap", (1,)), ("setInterestRate", (1,))],
)
def test_governance_of_the_desk_is_closed_to_strangers(desk: Desk, name: str, args: tuple[int, ...]) -> None:
    for sender in (STRANGER, GOVERNOR if name == "stopDeposits" else GUARDIAN):
        with pytest.raises(Revert, match="AccessManagedUnauthorized"):
            getattr(desk.contract, name)(*args, sender=sender)


# Withdrawals


def test_collateral_alone_leaves_at_once_without_any_oracle(desk: Desk) -> None:
    account = desk.account("borrower", tokens=3, lots=20)
    desk.system.evm.advance(2 * DAY)  # no price, no manifest of use
    desk.contract.withdraw(account, desk.page, desk.slot, 15, STRANGER, sender=BORROWER)
    assert desk.token.balanceOf(STRANGER) == 15 * desk.units_per_lot
    ask(desk, account, 5)
    claim(desk, account)
    assert desk.held([account]) == (0, 0, 0)
    assert not desk.system.vault.accountsWithPositions()


def test_with_another_position_or_with_less_than_no_cash_it_does_not(
    desk: Desk, hedged: bytes, maker: bytes
) -> None:
    with pytest.raises(Revert, match="PositionsOpen"):
        desk.contract.withdraw(hedged, desk.page, desk.slot, 1, BORROWER, sender=BORROWER)
    buyer = desk.account("keeper", tokens=99)
    desk.system.deposit(buyer, TOKEN)
    desk.system.trade(buyer, hedged, lots=1, slot=desk.slot, price=SPOT, fees=(0, 0))
    assert desk.system.cash(buyer) == 0
    desk.contract.withdraw(
        buyer, desk.page, desk.slot, 1, desk.system.owner(buyer), sender=desk.system.owner(buyer)
    )


def test_an_operator_withdraws_to_the_owner_only(desk: Desk) -> None:
    account = desk.account("borrower", lots=2)
    desk.system.vault.setOperator(account, OPERATOR, True, sender=BORROWER)
    for who, to in ((OPERATOR, OPERATOR), (STRANGER, BORROWER)):
        with pytest.raises(Revert, match="NotAuthorised"):
            desk.contract.withdraw(account, desk.page, desk.slot, 1, to, sender=who)
    desk.contract.withdraw(account, desk.page, desk.slot, 1, BORROWER, sender=OPERATOR)


def test_a_claim_waits_for_a_price_and_a_manifest_observed_after_the_request(
    desk: Desk, hedged: bytes
) -> None:
    ask(desk, hedged, 5)
    with pytest.raises(Revert, match="RequestTooYoung"):
        claim(desk, hedged)
    desk.system.advance(12)
    with pytest.raises(Revert, match="RequestTooYoung"):
        claim(desk, hedged)
    desk.system.publish()
    claim(desk, hedged)
    assert desk.held([hedged]) == (45, 45, 45 * desk.units_per_lot)
    assert tuple(desk.contract.withdrawalRequest(hedged)) == (0, 0, 0, 0)
    with pytest.raises(Revert, match="NoRequest"):
        claim(desk, hedged)


def test_INV_26_a_claim_leaves_the_initial_requirement(desk: Desk, hedged: bytes) -> None:
    desk.contract.setDepositCap(0, desk.slot, CAP_LOTS, sender=GOVERNOR)
    other = desk.account("keeper", lots=10_000)  # so that the bucket does not bind
    ask(desk, hedged, 47)
    renew(desk)
    with pytest.raises(Revert, match="InitialMargin"):
        claim(desk, hedged)
    ask(desk, hedged, 30)
    renew(desk)
    claim(desk, hedged)
    assert desk.lots(other) == 10_000


def test_INV_26_a_mark_of_the_newest_manifest_alone_lets_no_collateral_out(desk: Desk, hedged: bytes) -> None:
    """The perpetual's mark falls by 1.5% in a young manifest: the short seems to have won what it asks for."""
    desk.account("keeper", lots=10_000)  # so that the bucket does not bind
    ask(desk, hedged, 47)
    desk.system.advance(12)
    forge(desk.system, {(0, 0): -150})
    assert desk.system.vault.margin(hedged, EMPTY, False).quote == 45 * TOKEN
    with pytest.raises(Revert, match="InitialMargin"):
        claim(desk, hedged)


def test_INV_26_a_claim_leaves_no_larger_debt_than_the_cap(desk: Desk, indebted: bytes) -> None:
    ask(desk, indebted, 1)
    renew(desk)
    with pytest.raises(Revert, match="QuoteDebt"):
        claim(desk, indebted)
    desk.contract.setDebtCap(121 * TOKEN, sender=GOVERNOR)
    claim(desk, indebted)


def test_a_tenth_of_a_holding_leaves_in_an_hour_and_at_least_one_lot(desk: Desk, hedged: bytes) -> None:
    ask(desk, hedged, 6)
    renew(desk)
    with pytest.raises(Revert, match=r"OutflowLimit\(6, 5\)"):
        claim(desk, hedged)
    for lots in (5, 4, 1):
        ask(desk, hedged, lots)
        renew(desk)
        if lots == 5:
            claim(desk, hedged)
            continue
        with pytest.raises(Revert, match="OutflowLimit"):
            claim(desk, hedged)
    desk.system.advance(HOUR // 2)
    desk.system.publish()
    claim(desk, hedged)


def test_under_an_old_manifest_a_claim_leaves_one_and_a_half_times_the_requirement(
    desk: Desk, hedged: bytes
) -> None:
    desk.account("keeper", lots=10_000)
    ask(desk, hedged, 46)
    desk.system.advance(2_000)
    with pytest.raises(Revert, match="WithdrawalNotYet"):
        claim(desk, hedged)
    desk.system.advance(2 * HOUR)
    with pytest.raises(Revert, match="InitialMargin"):  # what a new manifest would let out
        claim(desk, hedged)
    ask(desk, hedged, 44)
    with pytest.raises(Revert, match="RequestTooYoung"):
        claim(desk, hedged)
    desk.system.advance(12)
    claim(desk, hedged)


# Debt


def test_added_risk_and_cash_exits_need_a_quote_that_is_not_owed(
    desk: Desk, indebted: bytes, maker: bytes
) -> None:
    renew(desk)
    with pytest.raises(Revert, match="QuoteDebt"):
        desk.system.trade(maker, indebted, lots=1)
    desk.system.trade(indebted, maker, lots=1)  # a reduction is free
    vault = desk.system.vault
    vault.requestWithdrawal(indebted, 1, sender=BORROWER)
    renew(desk)
    desk.system.advance(GRACE_S)
    renew(desk)
    with pytest.raises(Revert, match="InsufficientCash"):
        vault.claimWithdrawal(indebted, BORROWER, (), sender=BORROWER)
    desk.contract.setDebtCap(200 * TOKEN, sender=GOVERNOR)
    desk.system.trade(maker, indebted, lots=1)
    with pytest.raises(Revert, match="InsufficientCash"):
        vault.claimWithdrawal(indebted, BORROWER, (), sender=BORROWER)


@given(
    st.integers(1, 10**6),
    st.integers(1, 10**15),
    st.integers(1, 10**12),
    st.integers(50, 9_000),
)
def test_INV_26_a_conversion_takes_no_lot_more_than_the_debt_and_pays_at_least_the_discounted_price(
    most: int, owed: int, lot_value: int, discount: int
) -> None:
    lots, paid = conversion(most, owed, lot_value, discount)
    assert paid * 10_000 >= lots * lot_value * (10_000 - discount)
    assert lots <= most
    less_one = (lots - 1) * lot_value * (10_000 - discount)
    assert less_one < owed * 10_000


def test_a_conversion_brings_the_quote_to_zero_up_to_a_lot_and_ends_the_flag(
    desk: Desk, indebted: bytes
) -> None:
    assert desk.contract.quoteOf(indebted) == -120 * TOKEN
    desk.contract.flagDebt(indebted)
    lots, paid = convert(desk, indebted)
    assert (lots, paid) == (2, 2 * LOT * 104 * 995 // 100_000)
    assert 0 <= desk.contract.quoteOf(indebted) < LOT * 2
    assert desk.contract.flaggedAt(indebted) == 0
    assert desk.token.balanceOf(CONVERTER) == 2 * desk.units_per_lot
    with pytest.raises(Revert, match="NoDebt"):
        convert(desk, indebted)


def test_INV_26_within_the_cap_nobody_may_convert(desk: Desk, indebted: bytes) -> None:
    desk.contract.setDebtCap(120 * TOKEN, sender=GOVERNOR)
    for call in (desk.contract.flagDebt, lambda account: convert(desk, account)):
        with pytest.raises(Revert, match=r"NoDebt\(.*-120000000\)"):
            call(indebted)


def test_the_payer_names_the_most_that_it_pays(desk: Desk, indebted: bytes) -> None:
    with pytest.raises(Revert, match="PaysMoreThan"):
        convert(desk, indebted, pay=LOT)
    assert convert(desk, indebted, lots=1, pay=LOT * 104 * 995 // 100_000)[0] == 1


@pytest.mark.parametrize(("waited", "bps"), [(0, 50), (1_800, 275), (3_600, 500), (14_000, 500)])
def test_the_discount_grows_with_live_time(desk: Desk, indebted: bytes, waited: int, bps: int) -> None:
    desk.contract.flagDebt(indebted)
    desk.system.advance(waited)
    assert desk.contract.discountBps(indebted) == bps
    desk.system.evm.advance(DAY)  # nothing is live
    assert desk.contract.discountBps(indebted) == bps


def test_an_old_flag_neither_counts_nor_stands_in_the_way(desk: Desk, indebted: bytes) -> None:
    desk.contract.flagDebt(indebted)
    with pytest.raises(Revert, match="AlreadyFlagged"):
        desk.contract.flagDebt(indebted)
    desk.system.advance(4 * HOUR + 100)
    assert (desk.contract.flaggedAt(indebted), desk.contract.discountBps(indebted)) == (0, 50)
    desk.contract.flagDebt(indebted)
    assert desk.contract.flaggedAt(indebted) == desk.system.evm.timestamp


def test_a_debt_that_was_paid_can_be_cleared_by_anyone_and_counts_no_more(
    desk: Desk, indebted: bytes
) -> None:
    desk.contract.flagDebt(indebted)
    with pytest.raises(Revert, match="InDebt"):
        desk.contract.clearDebt(indebted)
    desk.system.advance(HOUR)
    desk.system.deposit(indebted, 150 * TOKEN)
    desk.contract.clearDebt(indebted, sender=STRANGER)
    desk.system.move(0, SPOT * 106 // 100)
    assert desk.contract.quoteOf(indebted) < 0
    assert desk.contract.discountBps(indebted) == 50


def test_INV_26_a_young_manifest_alone_puts_nobody_in_debt(desk: Desk, hedged: bytes) -> None:
    """The perpetual's mark rises by 1.5% in a young manifest; the feed says nothing of the kind."""
    desk.system.advance(12)
    forge(desk.system, {(0, 0): 150})
    assert desk.system.vault.margin(hedged, EMPTY, False).quote < 0
    assert desk.contract.quoteOf(hedged) == 0
    with pytest.raises(Revert, match="NoDebt"):
        convert(desk, hedged)


def test_conversions_need_fresh_prices(desk: Desk, indebted: bytes) -> None:
    desk.system.evm.advance(31)
    for call in (
        desk.contract.flagDebt,
        desk.contract.accrueInterest,
        lambda account: convert(desk, account),
    ):
        with pytest.raises(Revert, match="PriceNotFresh"):
            call(indebted)


def test_INV_26_a_conversion_leaves_the_account_healthy_or_helps(desk: Desk, maker: bytes) -> None:
    """Collateral hedges a short that lost far more than the equity: without it the requirement would exceed that."""
    account = desk.account("borrower", lots=50)
    desk.contract.setDebtCap(10**6 * TOKEN, sender=GOVERNOR)
    desk.system.trade(maker, account, lots=50, price=SPOT * 3 // 10)
    desk.contract.setDebtCap(0, sender=GOVERNOR)
    for _ in range(2):
        desk.system.move(0, SPOT * 5)
        desk.system.publish()
        desk.system.advance(GRACE_S)
    found = desk.system.vault.margin(account, EMPTY, False)
    assert found.quote < -10 * found.equity < 0 <= found.equity - found.maintenance
    with pytest.raises(Revert, match="ConversionRaisesRisk"):
        convert(desk, account)
    taken = 0
    while not refused({"ConversionRaisesRisk"}, lambda: convert(desk, account, lots=5)):
        taken += 5
    assert 5 <= taken <= 40
    found = desk.system.vault.margin(account, EMPTY, False)
    assert found.quote < 0
    assert found.equity >= found.maintenance


# Interest


def test_interest_is_charged_on_what_was_owed_at_both_ends_and_goes_to_the_fund(
    desk: Desk, indebted: bytes
) -> None:
    desk.contract.setInterestRate(1_000, sender=GOVERNOR)
    desk.contract.accrueInterest(indebted)
    cash, owed = desk.system.cash(indebted), -desk.contract.quoteOf(indebted)
    desk.system.evm.advance(YEAR // 100)
    desk.system.push()
    desk.contract.accrueInterest(indebted)
    elapsed = YEAR // 100
    assert cash - desk.system.cash(indebted) == owed * elapsed // (10 * YEAR)
    assert desk.system.vault.reserve() == owed * elapsed // (10 * YEAR)
    charged, assets = desk.system.vault.reserve(), desk.system.fund.totalAssets()
    saver = desk.system.open(signer("saver"), 1)
    desk.system.vault.withdraw(saver, 1, desk.system.owner(saver), sender=desk.system.owner(saver))
    assert desk.system.fund.totalAssets() == assets + charged


def test_an_account_first_seen_in_debt_pays_nothing_for_the_time_before(desk: Desk, indebted: bytes) -> None:
    desk.contract.setInterestRate(10_000, sender=GOVERNOR)
    desk.system.evm.advance(YEAR // 10)
    desk.system.push()
    cash = desk.system.cash(indebted)
    desk.contract.accrueInterest(indebted)
    assert desk.system.cash(indebted) == cash


def test_a_rate_is_not_charged_for_the_time_before_it_was_set(desk: Desk, indebted: bytes) -> None:
    desk.contract.accrueInterest(indebted)
    desk.system.evm.advance(YEAR // 10)
    desk.contract.setInterestRate(10_000, sender=GOVERNOR)
    desk.system.push()
    cash = desk.system.cash(indebted)
    desk.contract.accrueInterest(indebted)
    assert desk.system.cash(indebted) - cash in (0, -1)


def test_looking_often_does_not_round_interest_away(desk: Desk, indebted: bytes) -> None:
    desk.contract.setInterestRate(1, sender=GOVERNOR)
    desk.contract.accrueInterest(indebted)
    cash, owed = desk.system.cash(indebted), -desk.contract.quoteOf(indebted)
    for _ in range(100):
        desk.system.evm.advance(12)
        desk.system.push()
        desk.contract.accrueInterest(indebted)
    assert abs(cash - desk.system.cash(indebted) - owed * 1_200 // (10_000 * YEAR)) <= 1


# Auctions and wind-down


def test_collateral_is_auctioned_even_if_its_token_blocks_everybody(desk: Desk, leveraged: bytes) -> None:
    system = desk.system
    buyer = system.open(signer("keeper"), 100_000)
    owner = system.owner(buyer)
    for who in (BORROWER, owner, system.vault.address, desk.contract.address):
        desk.token.setBlocked(who, True)
    system.liquidator.start(leveraged, ())
    system.advance(600)
    system.liquidator.buy(leveraged, buyer, WAD, 1 << 200, (), (), sender=owner)
    lots, held, units = desk.held([leveraged, buyer])
    assert lots == held == 10
    assert desk.lots(buyer) > 0
    assert units == held * desk.units_per_lot


def test_an_account_in_auction_keeps_its_collateral_and_gets_no_more(desk: Desk, leveraged: bytes) -> None:
    ask(desk, leveraged, 1)
    desk.system.liquidator.start(leveraged, ())
    renew(desk)
    desk.mint(BORROWER, 1)
    for call in (
        lambda: desk.contract.deposit(leveraged, desk.page, desk.slot, 1, sender=BORROWER),
        lambda: claim(desk, leveraged),
        lambda: convert(desk, leveraged, lots=1),
    ):
        with pytest.raises(Revert, match="InAuction"):
            call()


def close(desk: Desk, spot: int) -> None:
    """Wind the vault down at a price."""
    system = desk.system
    system.evm.advance(3 * DAY)
    system.push()
    system.vault.startWindDown()
    system.move(0, spot)
    system.advance(600)
    system.evm.advance(DAY)
    system.vault.priceWindDown()


def test_a_wind_down_gives_collateral_back_in_kind_and_waits_for_nobody(
    desk: Desk, hedged: bytes, maker: bytes
) -> None:
    vault = desk.system.vault
    close(desk, SPOT * 9 // 10)
    for account in (hedged, maker):
        vault.settleWindDown(account)
        vault.settleWindDown(account)  # twice is once
    assert vault.accountsWithPositions() == 0
    assert desk.system.cash(hedged) == 30 * (SPOT - vault.windDownPriceTicks(0)) * TICK > 299 * TOKEN
    desk.contract.withdraw(hedged, desk.page, desk.slot, 50, BORROWER, sender=BORROWER)
    assert desk.held([hedged]) == (0, 0, 0)
    assert vault.withdraw(hedged, 299 * TOKEN, BORROWER, sender=BORROWER) == 299 * TOKEN
    assert vault.accountsWithPositions() == 0


def test_in_a_wind_down_what_is_owed_is_converted_first(desk: Desk, hedged: bytes, maker: bytes) -> None:
    vault = desk.system.vault
    close(desk, SPOT * 11 // 10)
    final = vault.windDownPriceTicks(0)
    owed = 30 * (final - SPOT) * TICK
    for account in (maker, hedged):
        vault.settleWindDown(account)
    assert vault.windDownDebt(hedged) == owed
    assert (desk.system.cash(hedged), desk.contract.quoteOf(hedged)) == (0, -owed)
    with pytest.raises(Revert, match="PositionsOpen"):
        desk.contract.withdraw(hedged, desk.page, desk.slot, 1, BORROWER, sender=BORROWER)
    assert vault.deficit() == 0  # the fund lent it
    desk.contract.flagDebt(hedged)
    desk.system.evm.advance(HOUR)
    assert desk.contract.discountBps(hedged) == 500
    lots, paid = convert(desk, hedged)
    assert (lots, paid) == (3, -(-3 * final * TICK * 95 // 100))
    assert vault.windDownDebt(hedged) == 0
    assert (desk.system.cash(hedged), vault.reserve()) == (paid - owed, owed)
    desk.contract.withdraw(hedged, desk.page, desk.slot, 47, BORROWER, sender=BORROWER)
    assert vault.withdraw(hedged, paid - owed, BORROWER, sender=BORROWER) == paid - owed


def test_the_discount_of_a_wind_down_goes_on_growing_by_the_day(
    desk: Desk, hedged: bytes, maker: bytes
) -> None:
    close(desk, SPOT * 11 // 10)
    desk.system.vault.settleWindDown(hedged)
    desk.contract.flagDebt(hedged)
    for waited, bps in ((HOUR, 500), (2 * DAY, 1_500), (60 * DAY, 9_000)):
        desk.system.evm.advance(waited)
        assert desk.contract.discountBps(hedged) == bps


def test_the_owner_repays_in_a_wind_down_by_a_deposit(desk: Desk, hedged: bytes, maker: bytes) -> None:
    close(desk, SPOT * 11 // 10)
    vault = desk.system.vault
    vault.settleWindDown(hedged)
    owed = vault.windDownDebt(hedged)
    desk.system.deposit(hedged, 100 * TOKEN)
    assert vault.windDownDebt(hedged) == owed - 100 * TOKEN > 0
    desk.system.deposit(hedged, owed - 99 * TOKEN)
    assert (vault.windDownDebt(hedged), desk.system.cash(hedged)) == (0, TOKEN)
    with pytest.raises(Revert, match="WoundDown"):
        desk.system.deposit(hedged, 1)
    with pytest.raises(Revert, match="WoundDown"):
        desk.system.deposit(account_id(STRANGER), 1)
    desk.contract.withdraw(hedged, desk.page, desk.slot, 50, BORROWER, sender=BORROWER)


def test_in_a_wind_down_no_collateral_comes_in(desk: Desk, hedged: bytes) -> None:
    close(desk, SPOT)
    with pytest.raises(Revert, match="WoundDown"):
        desk.deposit(hedged, 1)
