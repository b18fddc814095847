"""Tokens as collateral: what may be listed, and what those that misbehave can do to others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from eth_utils.crypto import keccak
from tests.support.desk import Desk
from tests.support.evm import Revert, role
from tests.support.system import GOVERNOR, System, account_id, signer

BORROWER, ATTACKER = signer("borrower").address, role("attacker")
STRANGER = role("stranger")


@pytest.fixture(scope="module")
def deployed() -> Desk:
    return Desk.open(System.deploy(), decimals=8)


@pytest.fixture
def desk(deployed: Desk) -> Iterator[Desk]:
    with deployed.system.isolated():
        yield replace(deployed)


# Listing


def test_the_settlement_token_is_no_collateral(desk: Desk) -> None:
    with pytest.raises(Revert, match="SettlementToken"):
        desk.list(desk.system.token)


# Decimals


@pytest.mark.parametrize("decimals", [0, 6, 8, 18])
def test_INV_25_lots_come_and_go_exactly_whatever_the_decimals(desk: Desk, decimals: int) -> None:
    desk.list(desk.system.evm.deploy("CollateralToken", decimals))
    desk.mature()
    assert desk.units_per_lot == 10**decimals
    account = desk.account("borrower", lots=37)
    assert desk.held([account]) == (37, 37, 37 * 10**decimals)
    assert desk.system.equity(account) == 37 * desk.system.markets[0].spot * 100
    desk.contract.withdraw(account, desk.page, desk.slot, 36, BORROWER, sender=BORROWER)
    assert desk.token.balanceOf(BORROWER) == 36 * 10**decimals
    assert desk.held([account]) == (1, 1, 10**decimals)


# Tokens that misbehave


def test_a_fee_on_transfer_is_refused_both_ways(desk: Desk) -> None:
    account = desk.account("borrower", lots=10)
    desk.token.setFeeBps(100)
    with pytest.raises(Revert, match="TransferFee"):
        desk.deposit(account, 1)
    desk.token.setFeeBps(0)
    desk.token.setSurcharge(1)
    with pytest.raises(Revert, match="TransferFee"):
        desk.contract.withdraw(account, desk.page, desk.slot, 1, BORROWER, sender=BORROWER)
    desk.token.setSurcharge(0)
    desk.contract.withdraw(account, desk.page, desk.slot, 10, BORROWER, sender=BORROWER)


def test_a_token_that_answers_false_moves_no_position(desk: Desk) -> None:
    account = desk.account("borrower", lots=10)
    desk.token.setAnswersFalse(True)
    with pytest.raises(Revert, match="SafeERC20FailedOperation"):
        desk.deposit(account, 1)
    with pytest.raises(Revert, match="SafeERC20FailedOperation"):
        desk.contract.withdraw(account, desk.page, desk.slot, 1, BORROWER, sender=BORROWER)
    assert desk.held([account])[:2] == (10, 10)


def test_a_blocked_recipient_keeps_its_position_and_may_name_another(desk: Desk) -> None:
    account = desk.account("borrower", lots=10)
    desk.token.setBlocked(BORROWER, True)
    with pytest.raises(Revert, match="Blocked"):
        desk.contract.withdraw(account, desk.page, desk.slot, 10, BORROWER, sender=BORROWER)
    assert desk.lots(account) == 10
    desk.contract.withdraw(account, desk.page, desk.slot, 10, STRANGER, sender=BORROWER)


def test_INV_25_gifts_belong_to_nobody(desk: Desk) -> None:
    account = desk.account("borrower", lots=10)
    before = (desk.system.equity(account), desk.contract.holding(desk.page, desk.slot))
    desk.token.mint(desk.contract, 10**12)
    desk.system.token.mint(desk.contract, 10**12)
    assert (desk.system.equity(account), desk.contract.holding(desk.page, desk.slot)) == before
    with pytest.raises(Revert, match="LotsOutOfRange"):
        desk.contract.withdraw(account, desk.page, desk.slot, 11, BORROWER, sender=BORROWER)


# Tokens that call back


@pytest.mark.parametrize("entry", ["deposit", "withdraw", "claimWithdrawal", "convert", "accrueInterest"])
@pytest.mark.parametrize("leaving", [False, True])
def test_a_token_that_calls_back_finds_the_desk_closed(desk: Desk, entry: str, leaving: bool) -> None:
    """The token calls as itself, an operator of the account that is being served."""
    token = desk.system.evm.deploy("CallbackToken")
    desk.list(token)
    desk.mature()
    account = desk.account("borrower", lots=10)
    desk.system.vault.setOperator(account, token, True, sender=BORROWER)
    at = (desk.page, desk.slot)
    desk.contract.requestWithdrawal(account, *at, 1, sender=BORROWER)
    arguments = {
        "deposit": (account, *at, 1),
        "withdraw": (account, *at, 5, BORROWER),
        "claimWithdrawal": (account, BORROWER, ()),
        "convert": (account, *at, 1, 10**30),
        "accrueInterest": (account,),
    }
    desk.mint(BORROWER, 1)
    token.arm(desk.contract, desk.contract.calldata(entry, *arguments[entry]))
    if leaving:
        desk.contract.withdraw(account, *at, 1, BORROWER, sender=BORROWER)
    else:
        desk.contract.deposit(account, *at, 1, sender=BORROWER)
    assert token.called()
    assert token.answer()[:4] == keccak(text="ReentrancyGuardReentrantCall()")[:4]
    lots, held, units = desk.held([account])
    assert lots == held == (9 if leaving else 11)
    assert units == held * desk.units_per_lot


def test_a_callback_in_a_deposit_finds_no_lots_to_use_yet(desk: Desk) -> None:
    """It trades in the vault instead, which is open: the lots that are on their way count for nothing."""
    token = desk.system.evm.deploy("CallbackToken")
    desk.list(token)
    desk.mature()
    account = desk.account("borrower")
    maker = desk.system.open(signer("maker"), 100_000)
    for key in (account, maker):
        desk.system.vault.approveVenue(key, token, True, sender=desk.system.owner(key))
    desk.system.vault.listVenue(token, True, sender=GOVERNOR)
    fill = (account, maker, 0, 0, 1, 10, desk.system.markets[0].spot, 0, 0)
    desk.mint(BORROWER, 100)
    token.arm(desk.system.vault, desk.system.vault.calldata("settle", fill, (), ()))
    desk.contract.deposit(account, desk.page, desk.slot, 100, sender=BORROWER)
    assert token.called()
    assert token.answer()[:4] == keccak(text="InitialMargin(bytes32,int256,uint256)")[:4]
    assert (desk.lots(account), desk.system.lots(account)) == (100, 0)


def test_nobody_deposits_for_the_accounts_of_address_zero(desk: Desk) -> None:
    desk.mint(ATTACKER, 1)
    with pytest.raises(Revert, match="NotAuthorised"):
        desk.contract.deposit(account_id("0x" + "00" * 20), desk.page, desk.slot, 1, sender=ATTACKER)
