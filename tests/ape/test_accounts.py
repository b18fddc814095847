"""Deposits and withdrawals through Ape: what goes in comes out, to its owner and to nobody else."""

from __future__ import annotations

import ape
import pytest
from ape.api import AccountAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.ape.world import TOKEN, World

EXAMPLES = min(60, settings().max_examples)  # one takes some 200 ms here; pyrevm's suites do the bulk
PURSE = 10**15


@pytest.fixture
def account(world: World, trader: AccountAPI) -> bytes:
    return world.open(trader, 100)


def test_deposit__credits_cash_and_moves_tokens(world: World, account: bytes) -> None:
    assert world.margin(account).equity == 100 * TOKEN
    assert world.token.balanceOf(world.vault) == 100 * TOKEN


def test_deposit__names_who_paid(world: World, account: bytes, attacker: AccountAPI) -> None:
    world.token.mint(attacker, TOKEN, sender=attacker)
    world.token.approve(world.vault, TOKEN, sender=attacker)
    receipt = world.vault.deposit(account, TOKEN, sender=attacker)
    event = next(iter(receipt.decode_logs(world.vault.Deposited)))
    assert (event["account"], event["from"], event["value"]) == (account, attacker.address, TOKEN)
    assert world.margin(account).equity == 101 * TOKEN


def test_deposit__of_nothing__reverts(world: World, account: bytes, trader: AccountAPI) -> None:
    with ape.reverts(world.vault.ZeroAmount):
        world.vault.deposit(account, 0, sender=trader)


def test_INV_04_withdraw__without_positions__needs_no_oracle(
    world: World, account: bytes, trader: AccountAPI, bidder: AccountAPI
) -> None:
    world.chain.mine(timestamp=world.now + 10 * 86_400)  # no price, no manifest for ten days
    world.vault.withdraw(account, 100 * TOKEN, bidder, sender=trader)
    assert world.token.balanceOf(bidder) == 100 * TOKEN
    assert world.margin(account).equity == 0


def test_withdraw__more_than_the_cash__reverts(world: World, account: bytes, trader: AccountAPI) -> None:
    with ape.reverts(world.vault.InsufficientCash, account=account, cash=100 * TOKEN, wanted=100 * TOKEN + 1):
        world.vault.withdraw(account, 100 * TOKEN + 1, trader, sender=trader)


def test_withdraw__by_a_stranger__reverts(world: World, account: bytes, attacker: AccountAPI) -> None:
    with ape.reverts(world.vault.NotAuthorised, account=account, caller=attacker.address):
        world.vault.withdraw(account, TOKEN, attacker, sender=attacker)


def test_withdraw__by_an_operator__does_what_the_owner_may(
    world: World, account: bytes, trader: AccountAPI, bidder: AccountAPI
) -> None:
    world.vault.setOperator(account, bidder, True, sender=trader)
    world.vault.withdraw(account, TOKEN, trader, sender=bidder)
    world.vault.setOperator(account, bidder, False, sender=trader)
    with ape.reverts(world.vault.NotAuthorised):
        world.vault.withdraw(account, TOKEN, trader, sender=bidder)


def test_claim__with_positions__waits_for_news_and_keeps_the_margin(
    world: World, trader: AccountAPI, maker: AccountAPI
) -> None:
    account = world.open(trader, 2_000)
    world.open(maker, 100_000)
    world.trade(trader, maker, 10)
    with ape.reverts(world.vault.PositionsOpen):
        world.vault.withdraw(account, TOKEN, trader, sender=trader)
    world.vault.requestWithdrawal(account, 1_000 * TOKEN, sender=trader)
    with ape.reverts(world.vault.RequestTooYoung):
        world.vault.claimWithdrawal(account, trader, (), sender=trader)
    world.advance(60)
    world.publish()
    world.push()
    world.vault.claimWithdrawal(account, trader, (), sender=trader)
    assert world.token.balanceOf(trader) == 1_000 * TOKEN
    world.vault.requestWithdrawal(account, 950 * TOKEN, sender=trader)
    world.advance(60)
    world.publish()
    world.push()
    with ape.reverts(world.vault.InitialMargin):
        world.vault.claimWithdrawal(account, trader, (), sender=trader)


@pytest.fixture
def purse(world: World, trader: AccountAPI) -> int:
    """Give the trader tokens, and the vault leave to take them."""
    world.token.mint(trader, PURSE, sender=trader)
    world.token.approve(world.vault, PURSE, sender=trader)
    return PURSE


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deposited=st.integers(1, PURSE), kept_back=st.integers(0, PURSE))
def test_what_is_deposited_can_be_withdrawn_to_the_wei_and_no_more(
    world: World, trader: AccountAPI, purse: int, deposited: int, kept_back: int
) -> None:
    account = bytes.fromhex(trader.address[2:]) + (7).to_bytes(12, "big")
    withdrawn = max(deposited - kept_back, 1)
    with world.isolated():
        world.vault.deposit(account, deposited, sender=trader)
        world.vault.withdraw(account, withdrawn, trader, sender=trader)
        assert world.token.balanceOf(trader) == purse - deposited + withdrawn
        left = deposited - withdrawn
        assert world.margin(account).equity == left == world.token.balanceOf(world.vault)
        with ape.reverts(world.vault.InsufficientCash, cash=left, wanted=left + 1):
            world.vault.withdraw(account, left + 1, trader, sender=trader)
