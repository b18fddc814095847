"""The bidder finds proofs where keepers keep them, starts and buys by them, and shows its own certificate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.differential.test_auction_proofs import (
    BORROWER,
    BUYER,
    MAKER,
    MINUTE_S,
    OTHERS,
    PROVEN,
    SHORT,
    TAIL,
    Proofs,
    deployed,
    leave,
    pairs,
    running,
    tick,
    words_of,
)
from tests.support.session import Caller, session_of
from tests.support.system import TOKEN, System

from seawall.keeper.accounts import AccountBook
from seawall.keeper.books import BookLeaf
from seawall.keeper.leaves import LeafStore
from seawall.keeper.proofs import proofs_of
from seawall.liquidator import Bidder, LiquidatorSettings
from seawall.page.merkle import MerkleTree, book_leaf

__all__ = ["deployed"]

PREMIUM = LiquidatorSettings(least_premium=0.03)


@pytest.fixture
def system(deployed: System) -> Iterator[System]:
    with deployed.isolated() as isolated:
        yield isolated


@pytest.fixture
def borrower(system: System) -> bytes:
    maker, account = system.open(MAKER, 1_000_000), system.open(BORROWER, 450)
    for slot, lots in ((0, 20), (1, -20)) * 3:
        held = abs(system.lots(account, slot=slot))
        cover = (pairs(held + 20 * slot),)
        system.trade(account, maker, lots=lots, slot=slot, certificates=(cover, ()))
    system.trade(account, maker, lots=40, certificates=((pairs(SHORT),), ()))
    system.evm.advance(1)
    return account


@pytest.fixture
def leaves(system: System, borrower: bytes, tmp_path: Path) -> LeafStore:
    """What a keeper wrote of two manifests; both are in force."""
    store, words = LeafStore(tmp_path / "books.sqlite"), words_of(system, borrower)
    leaf = BookLeaf(words=words, shortfall=TAIL)
    proofs = Proofs.published(system, [book_leaf(TAIL, words)])
    for epoch, tree in enumerate(proofs.trees):
        store.put(
            tree, [leaf], [AccountBook(account=borrower, words=words)], epoch=epoch, block=epoch, as_of=epoch
        )
    return store


def bidder(system: System, session: Any, leaves: LeafStore | None, *, tokens: int = 100_000) -> Bidder:
    account = system.open(BUYER, tokens)
    return Bidder(session, Caller(BUYER), account, settings=PREMIUM, leaves=leaves)  # type: ignore[arg-type]


def test_an_account_that_fails_by_its_proof_alone_is_started_and_bought_at_once(
    system: System, borrower: bytes, leaves: LeafStore
) -> None:
    leave(system, borrower, 300 * TOKEN)
    session = session_of(system)
    without, bot = bidder(system, session, None), bidder(system, session, leaves)
    assert without.work([borrower]) == []
    assert not running(system, borrower)
    assert bot.work([borrower]) == []  # started; the premium is too small yet
    assert running(system, borrower)
    assert bot.health(borrower).maintenance == PROVEN
    system.advance(20 * MINUTE_S, every=100)
    assert without.work([borrower]) == []
    assert running(system, borrower)
    (bought,) = bot.work([borrower])
    assert bought.ended
    assert 0.2 < bought.fraction < 0.3
    assert not running(system, borrower)


def test_the_bidder_carries_a_slice_with_its_own_certificate(
    system: System, borrower: bytes, leaves: LeafStore
) -> None:
    """150 tokens do not carry 23 lots against 14 leg by leg."""
    leave(system, borrower, 300 * TOKEN)
    bot = bidder(system, session_of(system), leaves, tokens=150)
    assert bot.start(borrower)
    system.advance(10 * MINUTE_S, every=100)
    (bought,) = bot.work([borrower])
    assert bought.ended


def test_an_auction_by_proof_is_closed_at_the_initial_requirement_and_not_before(
    system: System, borrower: bytes, leaves: LeafStore
) -> None:
    leave(system, borrower, 300 * TOKEN)
    bot = bidder(system, session_of(system), leaves)
    assert bot.start(borrower)
    system.deposit(borrower, 25 * TOKEN)  # the proof no longer fails it
    tick(system)
    assert bot.work([borrower]) == []
    assert running(system, borrower)
    system.deposit(borrower, 200 * TOKEN)
    tick(system)
    assert bot.work([borrower]) == []
    assert not running(system, borrower)


def test_proofs_are_found_under_both_roots_and_dropped_where_one_is_gone(
    system: System, borrower: bytes, leaves: LeafStore
) -> None:
    session, words = session_of(system), words_of(system, borrower)
    found = proofs_of(session, borrower, leaves)
    assert [one.book for one in found] == [words, words]
    health = system.vault.provenHealth(borrower, [one.as_tuple() for one in found])
    assert health.maintenance < PROVEN or not health.liquidatable
    other = system.open(BUYER, 1)
    assert proofs_of(session, other, leaves) == ()
    system.publish(book_root=MerkleTree(OTHERS).root)
    assert proofs_of(session, borrower, leaves) == ()
