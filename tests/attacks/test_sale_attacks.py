"""The one call in which a purchase is judged and stored: who makes it, with whose proof, and when it is seen."""

from __future__ import annotations

import pytest
from tests.attacks.moves import ANY_PRICE, ATTACKER, WAD, tick
from tests.differential.test_auction_proofs import (
    Proofs,
    borrower,
    buyer,
    deployed,
    leaf_of,
    running,
    words_of,
)
from tests.support.evm import Revert, artifact
from tests.support.market import SPOT
from tests.support.option_bench import OptionBench
from tests.support.system import System

from seawall.page.layout import MAX_POSITIONS
from seawall.page.merkle import book_leaf
from seawall.reference import Certificate

__all__ = ["borrower", "buyer", "deployed"]

TAIL = 400 * 10**6


def fallen(system: System, account: bytes, permille: int = 925) -> list[tuple[object, ...]]:
    """Let the price fall, and start an auction by a proof of the account's book; return the proofs."""
    proofs = Proofs.published(system, [leaf_of(system, account)])
    system.move(0, SPOT * permille // 1_000)
    tick(system)
    shown = proofs.show(account)
    system.liquidator.start(account, shown)
    tick(system)
    return shown


def test_nobody_sells_past_the_liquidator_and_it_sells_nothing_to_the_seller(
    system: System, borrower: bytes
) -> None:
    shown = fallen(system, borrower)
    own = system.open(ATTACKER, 100_000)
    with pytest.raises(Revert, match="NotLiquidator"):
        system.vault.sellSlice((borrower, own, WAD, WAD, False), ATTACKER, (), shown, sender=ATTACKER)
    mine = system.owner(borrower)
    with pytest.raises(Revert, match="SameAccount"):
        system.liquidator.buy(borrower, borrower, WAD, ANY_PRICE, (), shown, sender=mine)
    assert running(system, borrower)


def test_INV_23_a_buyer_shows_no_book_but_one_that_is_under_the_root(system: System, borrower: bytes) -> None:
    """Without words its own after the purchase is meant, which no keeper knows; with words it is a basket."""
    shown = fallen(system, borrower)
    own = system.open(ATTACKER, 100_000)
    before = system.vault.accountWord(own), system.vault.accountWord(borrower)
    words, shortfall, book, proof = shown[0][0], shown[0][1], shown[0][2], shown[0][3]
    stored = (words, shortfall, (), proof)
    cheaper = (words, 1, book, proof)
    for false in (stored, cheaper):
        with pytest.raises(Revert, match="BadCertificate"):
            system.liquidator.buy(borrower, own, WAD, ANY_PRICE, (false,), shown, sender=ATTACKER)
    assert (system.vault.accountWord(own), system.vault.accountWord(borrower)) == before
    poor = system.open(ATTACKER, 30, index=1)
    with pytest.raises(Revert, match="InitialMargin"):
        system.liquidator.buy(borrower, poor, WAD, ANY_PRICE, (shown[0],), shown, sender=ATTACKER)
    system.liquidator.buy(borrower, own, WAD, ANY_PRICE, (shown[0],), shown, sender=ATTACKER)
    margin = system.vault.margin(own, Certificate().as_tuple(), False)
    assert margin.equity >= margin.maintenance


def test_the_leaf_of_a_seller_does_not_stand_for_a_buyer_that_holds_as_much(
    system: System, borrower: bytes
) -> None:
    """Certified is a basket, not an account: who buys all of it may show it as stored, and is charged its tail risk."""
    proofs = Proofs.published(system, [leaf_of(system, borrower)])
    words = words_of(system, borrower)
    system.move(0, SPOT * 86 // 100)
    tick(system)
    system.liquidator.start(borrower, ())
    tick(system)
    own = system.open(ATTACKER, 100_000)
    leaf = book_leaf(TAIL, words)
    stored = Certificate(book_shortfall=TAIL, proof=proofs.trees[1].proof(leaf)).as_tuple()
    system.liquidator.buy(borrower, own, WAD, ANY_PRICE, (stored,), (), sender=ATTACKER)
    assert words_of(system, own) == words
    assert system.vault.margin(own, stored, False).initial >= TAIL


def test_whoever_is_called_while_the_fund_pays_sees_the_purchase_done(
    system: System, borrower: bytes, buyer: bytes
) -> None:
    """Words of both accounts are final before a token moves."""
    system.move(0, SPOT * 84 // 100)
    tick(system)
    system.liquidator.start(borrower, ())
    tick(system)
    code = bytes.fromhex(artifact("CallbackToken")["deployedBytecode"]["object"].removeprefix("0x"))
    system.evm.put_code(system.token.address, code)
    token = system.evm.at("CallbackToken", system.token.address)
    for account in (borrower, buyer):
        with system.isolated():
            token.arm(system.vault, system.vault.calldata("accountWord", account))
            system.liquidator.buy(borrower, buyer, WAD, ANY_PRICE, (), (), sender=system.owner(buyer))
            assert token.called()
            seen = int.from_bytes(token.answer()[:32], "big")
            assert seen == system.vault.accountWord(account)


def test_INV_23_more_positions_than_purchases_may_reach_are_not_sold_at_once() -> None:
    with pytest.raises(Revert, match="TooManyPositions"):
        OptionBench().purchase(MAX_POSITIONS + 2)
