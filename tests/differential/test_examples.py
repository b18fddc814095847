"""The examples for integrators: a venue of posted quotes, and a lending market that reads margin ratios."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.evm import Contract, Revert, role
from tests.support.market import SPOT, TICK
from tests.support.system import GOVERNOR, TOKEN, System

MAKER, TAKER, STRANGER = role("maker"), role("taker"), role("stranger")
LENDER, BORROWER, LIQUIDATOR = role("lender"), role("borrower"), role("liquidator")
PERPETUAL = 1 << 8  # page 0, slot 0, generation 1
WHOLE = 10**18
HOUR_S = 3_600
OK = 0


# A venue


@dataclass(frozen=True)
class Venue:
    system: System
    contract: Contract
    maker: bytes
    taker: bytes

    def post(self, lots: int, price: int = SPOT, *, expiry_s: int = 600, sender: str = MAKER) -> None:
        expiry = self.system.evm.timestamp + expiry_s
        self.contract.post(self.maker, PERPETUAL, lots, price, expiry, sender=sender)

    def take(self, lots: int, worst: int = SPOT, *, sender: str = TAKER) -> None:
        self.contract.take(self.taker, self.maker, PERPETUAL, lots, worst, (), (), sender=sender)

    def lots(self, account: bytes) -> int:
        held: int = self.system.vault.positionLots(account, 0, 0, 1)
        return held


@pytest.fixture(scope="module")
def listed() -> Venue:
    system = System.deploy()
    venue = system.evm.deploy("QuoteVenue", system.vault)
    system.vault.listVenue(venue, True, sender=GOVERNOR)
    accounts = [system.open(owner, 10_000) for owner in (MAKER, TAKER)]
    for account, owner in zip(accounts, (MAKER, TAKER), strict=True):
        system.vault.approveVenue(account, venue, True, sender=owner)
    return Venue(system, venue, *accounts)


@pytest.fixture
def venue(listed: Venue) -> Iterator[Venue]:
    with listed.system.isolated():
        yield listed


@given(quoted=st.integers(-40, 40), taken=st.integers(-40, 40))
def test_a_quote_is_taken_up_to_its_size_and_from_its_side_only(
    listed: Venue, quoted: int, taken: int
) -> None:
    with listed.system.isolated():
        listed.post(quoted)
        if taken == 0 or taken * quoted >= 0 or abs(taken) > abs(quoted):
            with pytest.raises(Revert, match=r"ZeroLots|QuoteTooSmall"):
                listed.take(taken)
            return
        listed.take(taken)
        assert (listed.lots(listed.taker), listed.lots(listed.maker)) == (taken, -taken)
        assert listed.contract.quotes(listed.maker, PERPETUAL)[0] == quoted + taken


def test_take__twice_beyond_the_quote__reverts(venue: Venue) -> None:
    venue.post(-10)
    venue.take(6)
    with pytest.raises(Revert, match="QuoteTooSmall"):
        venue.take(5)
    venue.take(4)


@pytest.mark.parametrize(("quoted", "lots", "worst"), [(-5, 5, SPOT - 1), (5, -5, SPOT + 1)])
def test_take__at_a_worse_price__reverts(venue: Venue, quoted: int, lots: int, worst: int) -> None:
    venue.post(quoted)
    with pytest.raises(Revert, match="PriceWorse"):
        venue.take(lots, worst)


def test_take__after_its_expiry__reverts(venue: Venue) -> None:
    venue.post(-5, expiry_s=10)
    venue.system.advance(11)
    with pytest.raises(Revert, match="QuoteExpired"):
        venue.take(5)


def test_only_who_may_act_for_an_account_posts_and_takes_for_it(venue: Venue) -> None:
    with pytest.raises(Revert, match="NotAuthorised"):
        venue.post(-5, sender=STRANGER)
    venue.post(-5)
    with pytest.raises(Revert, match="NotAuthorised"):
        venue.take(5, sender=STRANGER)
    venue.system.vault.setOperator(venue.taker, STRANGER, True, sender=TAKER)
    venue.take(5, sender=STRANGER)


def test_take__of_more_than_the_account_can_bear__is_refused_by_the_vault(venue: Venue) -> None:
    venue.post(-100_000)
    with pytest.raises(Revert, match="InitialMargin"):
        venue.take(100_000)
    assert venue.contract.quotes(venue.maker, PERPETUAL)[0] == -100_000


def test_take__without_the_approval_of_the_maker__reverts(venue: Venue) -> None:
    venue.post(-5)
    venue.system.vault.approveVenue(venue.maker, venue.contract, False, sender=MAKER)
    with pytest.raises(Revert, match="VenueNotApproved"):
        venue.take(5)


# A lending market


@dataclass(frozen=True)
class Lending:
    system: System
    market: Contract
    collateral: Contract

    def borrow(self, units: int) -> None:
        self.market.borrow(units, sender=BORROWER)

    def liquidate(self, units: int) -> int:
        self.system.token.mint(LIQUIDATOR, units)
        self.system.token.approve(self.market, units, sender=LIQUIDATOR)
        seized: int = self.market.liquidate(BORROWER, units, sender=LIQUIDATOR)
        return seized

    def ratios(self) -> tuple[int, int]:
        _, initial, maintenance, _ = self.system.oracle.tryRatio(0)
        return initial, maintenance

    def limit(self, ratio_wad: int, spot: int = SPOT) -> int:
        return 10 * spot * TICK * (WHOLE - ratio_wad) // WHOLE


@pytest.fixture(scope="module")
def opened() -> Lending:
    system = System.deploy()
    evm = system.evm
    collateral = evm.deploy("TestToken")
    arguments = (system.oracle, system.feed.contract, 0, collateral, system.token, TICK, WHOLE)
    market = evm.deploy("RatioLendingMarket", *arguments, sender=LENDER)
    system.token.mint(market, 1_000_000 * TOKEN)
    collateral.mint(BORROWER, 10 * WHOLE)
    collateral.approve(market, 10 * WHOLE, sender=BORROWER)
    market.pledge(BORROWER, 10 * WHOLE, sender=BORROWER)
    return Lending(system, market, collateral)


@pytest.fixture
def lending(opened: Lending) -> Iterator[Lending]:
    with opened.system.isolated():
        yield opened


def test_a_loan_reaches_one_less_the_initial_ratio_and_not_a_unit_more(lending: Lending) -> None:
    initial, _ = lending.ratios()
    assert 0 < initial < WHOLE
    limit = lending.limit(initial)
    assert lending.market.capacity(BORROWER) == limit
    with pytest.raises(Revert, match="LoanTooLarge"):
        lending.borrow(limit + 1)
    lending.borrow(limit)
    with pytest.raises(Revert, match="LoanTooLarge"):
        lending.market.release(WHOLE // 1_000, sender=BORROWER)


def test_a_riskier_manifest_stops_new_loans_at_once_and_liquidates_only_after_the_grace_period(
    lending: Lending,
) -> None:
    system = lending.system
    initial, maintenance = lending.ratios()
    lending.borrow(lending.limit(initial))
    system.markets[0].risk_scale *= 1.4
    system.publish()
    system.advance(HOUR_S // 4)
    raised, still = lending.ratios()
    assert raised > initial
    assert still == maintenance  # held back by what was public before
    with pytest.raises(Revert, match="LoanTooLarge"):
        lending.borrow(1)
    system.advance(HOUR_S)
    system.publish()
    assert lending.ratios()[1] > still


def test_a_fall_of_the_price_liquidates_and_the_liquidator_gains_the_bonus(lending: Lending) -> None:
    initial, maintenance = lending.ratios()
    debt = lending.limit(initial)
    lending.borrow(debt)
    with pytest.raises(Revert, match="LoanHealthy"):
        lending.liquidate(debt)
    spot = SPOT * 96 // 100
    assert lending.limit(maintenance, spot) < debt
    lending.system.move(0, spot)
    with pytest.raises(Revert, match="RepaysTooMuch"):
        lending.liquidate(debt + 1)
    seized = lending.liquidate(debt // 2)
    assert lending.collateral.balanceOf(LIQUIDATOR) == seized
    worth = seized * spot * TICK / WHOLE
    assert worth == pytest.approx((debt // 2) * (1 + maintenance / WHOLE / 2), abs=1)


def test_without_a_price_nothing_is_lent_or_sold_and_repaying_goes_on(lending: Lending) -> None:
    initial, _ = lending.ratios()
    lending.borrow(lending.limit(initial) // 2)
    lending.system.evm.advance(121)
    assert lending.system.oracle.tryRatio(0)[0] != OK
    for call in (lambda: lending.borrow(1), lambda: lending.liquidate(1)):
        with pytest.raises(Revert, match="RatioNotOk"):
            call()
    assert lending.market.capacity(BORROWER) == 0
    debt = lending.limit(initial) // 2
    lending.system.token.mint(BORROWER, debt)
    lending.system.token.approve(lending.market, debt, sender=BORROWER)
    lending.market.repay(BORROWER, debt, sender=BORROWER)
    lending.market.release(10 * WHOLE, sender=BORROWER)
    assert lending.collateral.balanceOf(BORROWER) == 10 * WHOLE


def test_on_an_old_manifest_nothing_new_is_lent_and_bad_loans_are_still_sold(lending: Lending) -> None:
    initial, _ = lending.ratios()
    lending.borrow(lending.limit(initial))
    lending.system.advance(HOUR_S)
    lending.system.move(0, SPOT * 9 // 10)
    with pytest.raises(Revert, match="RatioNotOk"):
        lending.borrow(1)
    assert lending.liquidate(1_000) > 0


def test_only_the_lender_takes_back_what_is_not_lent(lending: Lending) -> None:
    with pytest.raises(Revert, match="NotLender"):
        lending.market.redeem(1, sender=STRANGER)
    lending.market.redeem(1_000_000 * TOKEN, sender=LENDER)
