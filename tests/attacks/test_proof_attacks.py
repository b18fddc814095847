"""Proofs of other baskets against an account in auction, and proofs where a manifest lacks a page."""

from __future__ import annotations

import pytest
from tests.attacks.moves import ANY_PRICE, ATTACKER, WAD, refused, tick
from tests.differential.test_auction_proofs import (
    Proofs,
    borrower,
    buyer,
    deployed,
    leaf_of,
    running,
)
from tests.support.evm import Revert
from tests.support.market import SPOT, Market, perpetual
from tests.support.system import EMPTY, GRACE_S, TOKEN, System

from seawall.page.merkle import MerkleTree, book_leaf
from seawall.reference import Certificate
from seawall.reference.book import Book, Position

__all__ = ["borrower", "buyer", "deployed"]


def basket(long: int, short: int) -> Book:
    lots = ((0, long), (1, -short))
    return Book({0: [Position(slot=slot, generation=1, lots=held) for slot, held in lots]})


def certificates_of(proofs: Proofs, book: Book, tail: int) -> list[tuple[object, ...]]:
    """Return certificates of a basket under both roots."""
    leaf = book_leaf(tail, book.words())
    return [
        Certificate(book_shortfall=tail, book=book.words(), proof=tree.proof(leaf)).as_tuple()
        for tree in reversed(proofs.trees)
    ]


def fall(system: System, permille: int) -> None:
    """Let the price fall to this share of itself."""
    system.move(0, SPOT * permille // 1_000)
    tick(system)


def test_INV_27_a_basket_that_proves_less_ends_an_auction_by_a_sixth_of_the_book_at_least(
    system: System, borrower: bytes
) -> None:
    """Of a weaker proof f* is smaller, and less than that ends nothing; what is left can be proven again."""
    weak = basket(90, 54)
    tail = 360 * TOKEN
    proofs = Proofs.published(system, [leaf_of(system, borrower), book_leaf(tail, weak.words())])
    fall(system, 925)
    own, others = proofs.show(borrower), certificates_of(proofs, weak, tail)
    system.liquidator.start(borrower, own)
    tick(system)
    needed = system.liquidator.quote(borrower, WAD, own).fractionWad
    less = system.liquidator.quote(borrower, WAD, others).fractionWad
    assert WAD // 6 < less < needed
    accomplice = system.open(ATTACKER, 100_000)
    for fraction in (less // 2, less - 1):
        with pytest.raises(Revert, match=r"ProofSpent|HealthFell"):
            system.liquidator.buy(borrower, accomplice, fraction, ANY_PRICE, (), others, sender=ATTACKER)
    system.liquidator.buy(borrower, accomplice, WAD, ANY_PRICE, (), others, sender=ATTACKER)
    assert not running(system, borrower)
    rest = 400 * TOKEN * (WAD - less) // WAD
    again = Proofs.published(system, [leaf_of(system, borrower, rest)])
    system.liquidator.start(borrower, again.show(borrower, rest))
    assert running(system, borrower)


def test_INV_20_a_basket_that_proves_more_of_what_is_left_does_not_sell_the_whole_book(
    system: System, maker: bytes
) -> None:
    """A slice must not raise what the same basket proves; where it does, the buyer of all gets the slice or nothing."""
    account = system.open(ATTACKER, 450)
    system.trade(account, maker, lots=40)
    left = Book({0: [Position(slot=0, generation=1, lots=33)]})
    proofs = Proofs.published(system, [leaf_of(system, account), book_leaf(330 * TOKEN, left.words())])
    fall(system, 938)
    own, others = proofs.show(account), certificates_of(proofs, left, 330 * TOKEN)
    system.liquidator.start(account, own)
    tick(system)
    hunter = system.open(ATTACKER, 100_000, index=1)
    with pytest.raises(Revert, match="HealthFell"):
        system.liquidator.buy(account, hunter, WAD, ANY_PRICE, (), others, sender=ATTACKER)
    fraction, _ = system.liquidator.buy(account, hunter, WAD, ANY_PRICE, (), own, sender=ATTACKER)
    assert fraction < WAD


@pytest.mark.parametrize("rows", [1, 100])
def test_a_book_that_is_under_a_root_whose_manifest_lacks_its_page_is_no_proof(rows: int) -> None:
    """Whoever lists a page later: signers may have certified a book on it before."""
    system = System.deploy()
    held = Position(slot=0, generation=1, lots=5)
    book = Book({0: [held], 1: [held]})
    leaf, tail = book_leaf(77 * TOKEN, book.words()), 77 * TOKEN
    tree = MerkleTree([leaf, book_leaf(1, Book({0: [held]}).words())])
    system.publish(book_root=tree.root)
    system.advance(GRACE_S)
    system.list_underlying(Market(underlying=1, page=1, spot=SPOT, instruments=[perpetual()] * rows))
    system.push()
    system.publish()
    account, other = system.open(ATTACKER, 800), system.open(ATTACKER, 100_000, index=1)
    for page in (0, 1):
        system.trade(account, other, lots=5, page=page)
    system.move(0, SPOT // 4)
    system.move(1, SPOT // 4)
    assert system.vault.health(account).liquidatable
    for words in ((), book.words()):
        shown = ((), tail, words, tree.proof(leaf))
        assert refused({"BadCertificate"}, lambda shown=shown: system.vault.margin(account, shown, True))
        assert refused(
            {"BadCertificate"}, lambda shown=shown: system.vault.provenHealth(account, (EMPTY, shown))
        )
