"""The insurance fund: what it pays, who may leave it and when, and what a share is worth."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.evm import Contract, Evm, Revert, role
from tests.support.system import GOVERNOR, TOKEN, System

DAY_S = 24 * 3_600
UNDERWRITER, ATTACKER = map(role, ("underwriter", "attacker"))


@pytest.fixture(scope="module")
def deployed() -> System:
    return System.deploy(liquidator_role=role("liquidator"))


@pytest.fixture
def system(deployed: System) -> Iterator[System]:
    with deployed.isolated() as isolated:
        isolated.endow_fund(1_000)
        yield isolated


@pytest.fixture
def fund(system: System) -> Contract:
    return system.fund


def cover(system: System, wanted: int) -> int:
    """Let the vault ask, and return what arrived."""
    held: int = system.token.balanceOf(system.vault)
    system.vault.coverLoss(bytes(32), wanted, sender=role("liquidator"))
    arrived: int = system.token.balanceOf(system.vault)
    return arrived - held


def deposit(system: System, owner: str, units: int) -> int:
    system.token.mint(owner, units)
    system.token.approve(system.fund, units, sender=owner)
    shares: int = system.fund.deposit(units, owner, sender=owner)
    return shares


def book_loss(system: System, loss: int) -> None:
    system.vault.bookLoss(bytes(32), loss, sender=role("liquidator"))


# Covering


def test_cover__by_anyone_but_the_vault__reverts(fund: Contract) -> None:
    for caller in (ATTACKER, GOVERNOR, UNDERWRITER):
        with pytest.raises(Revert, match="NotVault"):
            fund.cover(1, sender=caller)


def test_INV_24_one_call_pays_at_most_its_cap(system: System) -> None:
    assert system.fund.coverable() == 300 * TOKEN
    assert cover(system, 10**6 * TOKEN) == 300 * TOKEN
    assert system.token.balanceOf(system.vault) == 300 * TOKEN


def test_INV_24_many_calls_pay_at_most_the_cap_of_the_window(system: System) -> None:
    paid = sum(cover(system, 10**6 * TOKEN) for _ in range(30))
    assert 599 * TOKEN < paid <= 600 * TOKEN
    assert system.fund.coverable() == 0
    system.evm.advance(DAY_S // 2)
    assert 0 < system.fund.coverable() <= 120 * TOKEN
    system.evm.advance(DAY_S)
    assert system.fund.coverable() == 120 * TOKEN


@given(
    wants=st.lists(
        st.tuples(st.integers(0, 400 * TOKEN), st.integers(0, DAY_S // 4)), min_size=1, max_size=20
    ),
    event_bps=st.integers(0, 10_000),
    window_bps=st.integers(0, 10_000),
)
def test_INV_24_whatever_is_asked_the_caps_hold(
    deployed: System, wants: list[tuple[int, int]], event_bps: int, window_bps: int
) -> None:
    with deployed.isolated() as system:
        system.endow_fund(1_000)
        system.fund.setCaps(event_bps, window_bps, sender=GOVERNOR)
        start, total = system.fund.totalAssets(), 0
        began = system.evm.timestamp
        for wanted, pause in wants:
            assets, room = system.fund.totalAssets(), system.fund.coverable()
            paid = cover(system, wanted)
            total += paid
            assert paid == min(wanted, room)
            assert paid <= assets * event_bps // 10_000
            # The bucket's own size, and what it refilled since.
            elapsed = system.evm.timestamp - began
            assert total * 10_000 * DAY_S <= start * window_bps * (DAY_S + elapsed) + 10_000 * DAY_S
            system.evm.advance(pause)


@given(
    pauses=st.lists(st.integers(0, 600), max_size=20),
)
def test_asking_often_for_dust_does_not_change_what_is_left(deployed: System, pauses: list[int]) -> None:
    with deployed.isolated() as system:
        system.endow_fund(1_000)
        cover(system, 250 * TOKEN)
        cover(system, 250 * TOKEN)
        with system.isolated():
            system.evm.advance(sum(pauses))
            once = system.fund.coverable()
        for pause in pauses:
            system.evm.advance(pause)
            cover(system, 1)
        assert once * 99 // 100 - 2 * len(pauses) <= system.fund.coverable() <= once


def test_the_governor_alone_sets_caps_up_to_all(fund: Contract) -> None:
    with pytest.raises(Revert, match="AccessManagedUnauthorized"):
        fund.setCaps(1, 1, sender=ATTACKER)
    for caps in ((10_001, 0), (0, 10_001)):
        with pytest.raises(Revert, match=r"CapTooLarge\(10001\)"):
            fund.setCaps(*caps, sender=GOVERNOR)
    fund.setCaps(10_000, 10_000, sender=GOVERNOR)
    assert fund.capsBps() == (10_000, 10_000)
    assert fund.coverable() == 1_000 * TOKEN


# Leaving


def test_shares_leave_only_through_the_queue(system: System, fund: Contract) -> None:
    shares = fund.balanceOf(UNDERWRITER)
    assert fund.maxRedeem(UNDERWRITER) == fund.maxWithdraw(UNDERWRITER) == 0
    for leave in (fund.redeem, fund.withdraw):
        with pytest.raises(Revert, match="RedemptionNotReady"):
            leave(1, UNDERWRITER, UNDERWRITER, sender=UNDERWRITER)
    fund.requestRedemption(shares // 2, sender=UNDERWRITER)
    assert fund.balanceOf(UNDERWRITER) == shares - shares // 2
    system.evm.advance(DAY_S - 1)
    with pytest.raises(Revert, match="RedemptionNotReady"):
        fund.redeem(1, UNDERWRITER, UNDERWRITER, sender=UNDERWRITER)
    system.evm.advance(1)
    assert fund.maxRedeem(UNDERWRITER) == shares // 2
    assert fund.maxWithdraw(UNDERWRITER) == 500 * TOKEN
    with pytest.raises(Revert, match="ERC4626ExceededMaxRedeem"):
        fund.redeem(shares // 2 + 1, UNDERWRITER, UNDERWRITER, sender=UNDERWRITER)
    fund.withdraw(200 * TOKEN, UNDERWRITER, UNDERWRITER, sender=UNDERWRITER)
    fund.redeem(fund.maxRedeem(UNDERWRITER), UNDERWRITER, UNDERWRITER, sender=UNDERWRITER)
    assert system.token.balanceOf(UNDERWRITER) == 500 * TOKEN
    assert fund.totalAssets() == 500 * TOKEN
    assert fund.balanceOf(fund.address) == 0


def test_a_request_lapses_so_that_none_can_stand_ready_ahead_of_a_loss(
    system: System, fund: Contract
) -> None:
    fund.requestRedemption(fund.balanceOf(UNDERWRITER), sender=UNDERWRITER)
    system.evm.advance(3 * DAY_S)
    assert fund.maxRedeem(UNDERWRITER) > 0
    system.evm.advance(1)
    assert fund.maxRedeem(UNDERWRITER) == 0
    fund.requestRedemption(0, sender=UNDERWRITER)
    assert fund.redemptionOf(UNDERWRITER).readyAt == system.evm.timestamp + DAY_S


def test_more_shares_in_the_queue_restart_the_clock(system: System, fund: Contract) -> None:
    fund.requestRedemption(5, sender=UNDERWRITER)
    system.evm.advance(DAY_S - 1)
    fund.requestRedemption(7, sender=UNDERWRITER)
    assert fund.redemptionOf(UNDERWRITER) == (12, system.evm.timestamp + DAY_S)
    with pytest.raises(Revert, match="ZeroShares"):
        fund.requestRedemption(0, sender=ATTACKER)


def test_INV_24_nobody_redeems_while_a_loss_is_booked_or_a_deficit_stands(
    system: System, fund: Contract
) -> None:
    fund.requestRedemption(fund.balanceOf(UNDERWRITER), sender=UNDERWRITER)
    system.evm.advance(DAY_S)
    book_loss(system, 1)
    assert fund.maxRedeem(UNDERWRITER) == fund.maxWithdraw(UNDERWRITER) == 0
    for leave in (fund.redeem, fund.withdraw):
        with pytest.raises(Revert, match="LossPending"):
            leave(1, UNDERWRITER, UNDERWRITER, sender=UNDERWRITER)
    book_loss(system, 0)
    assert fund.maxRedeem(UNDERWRITER) > 0
    system.vault.coverLoss(bytes(32), 301 * TOKEN, sender=role("liquidator"))
    assert system.vault.deficit() == TOKEN
    with pytest.raises(Revert, match="LossPending"):
        fund.redeem(1, UNDERWRITER, UNDERWRITER, sender=UNDERWRITER)


def test_queued_shares_go_on_bearing_losses(system: System, fund: Contract) -> None:
    fund.requestRedemption(fund.balanceOf(UNDERWRITER), sender=UNDERWRITER)
    cover(system, 200 * TOKEN)
    system.evm.advance(DAY_S)
    fund.redeem(fund.maxRedeem(UNDERWRITER), UNDERWRITER, UNDERWRITER, sender=UNDERWRITER)
    assert 800 * TOKEN - 1 <= system.token.balanceOf(UNDERWRITER) <= 800 * TOKEN


def test_a_cancelled_request_gives_the_shares_back(system: System, fund: Contract) -> None:
    shares = fund.balanceOf(UNDERWRITER)
    fund.requestRedemption(shares, sender=UNDERWRITER)
    with pytest.raises(Revert, match="ERC20InsufficientBalance"):
        fund.transfer(ATTACKER, 1, sender=UNDERWRITER)
    fund.cancelRedemption(sender=UNDERWRITER)
    assert fund.balanceOf(UNDERWRITER) == shares
    assert fund.redemptionOf(UNDERWRITER).shares == 0
    with pytest.raises(Revert, match="ZeroShares"):
        fund.cancelRedemption(sender=UNDERWRITER)


def test_others_redeem_only_with_an_allowance(system: System, fund: Contract) -> None:
    fund.requestRedemption(10**9, sender=UNDERWRITER)
    system.evm.advance(DAY_S)
    with pytest.raises(Revert, match="ERC20InsufficientAllowance"):
        fund.redeem(10**9, ATTACKER, UNDERWRITER, sender=ATTACKER)
    fund.approve(ATTACKER, 10**9, sender=UNDERWRITER)
    fund.redeem(10**9, ATTACKER, UNDERWRITER, sender=ATTACKER)
    assert system.token.balanceOf(ATTACKER) == fund.previewRedeem(10**9)


# Shares


@given(first=st.integers(1, 10**6), gift=st.integers(0, 10**12), second=st.integers(1, 10**12))
def test_a_gift_before_a_deposit_robs_nobody(deployed: System, first: int, gift: int, second: int) -> None:
    with deployed.isolated() as system:
        deposit(system, ATTACKER, first)
        system.token.mint(system.fund, gift)
        shares = deposit(system, UNDERWRITER, second)
        kept = system.fund.previewRedeem(shares)
        robbed = second - kept
        assert robbed <= 1 + (first + gift) // 10**6
        # And the attacker has lost more than it took: what the virtual shares hold of the gift.
        assert system.fund.previewRedeem(system.fund.balanceOf(ATTACKER)) <= first + gift


@given(deposits=st.lists(st.integers(1, 10**9), min_size=1, max_size=6), lost=st.integers(0, 10**10))
def test_shares_are_worth_no_more_than_the_assets(deployed: System, deposits: list[int], lost: int) -> None:
    with deployed.isolated() as system:
        owners = [role(f"underwriter {i}") for i in range(len(deposits))]
        for owner, units in zip(owners, deposits, strict=True):
            deposit(system, owner, units)
            cover(system, lost // len(deposits))
        worth = sum(system.fund.previewRedeem(system.fund.balanceOf(owner)) for owner in owners)
        assert worth <= system.fund.totalAssets()


def test_the_fund_says_what_it_is(fund: Contract, system: System) -> None:
    evm: Evm = system.evm
    assert (fund.asset(), fund.VAULT(), fund.decimals()) == (system.token.address, system.vault.address, 12)
    assert evm.at("InsuranceFund", fund.address).totalSupply() == 1_000 * TOKEN * 10**6
