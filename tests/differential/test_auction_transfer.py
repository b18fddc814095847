"""Slices of random books, moved by compiled code and by the reference."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st
from tests.support.engine_world import ACCOUNT, EngineWorld, Scene, positions, scenes
from tests.support.evm import Contract, Revert

from seawall.page.layout import MAX_PAGES, MAX_POSITIONS
from seawall.reference.account import Account
from seawall.reference.authority import Authority
from seawall.reference.book import Book, account_word
from seawall.reference.ledger import Vault
from seawall.reference.rejection import Rejected
from seawall.reference.slices import move_slice, slice_value
from seawall.reference.state import World

WAD = 10**18
BUYER = bytes.fromhex("bb" * 32)
WORDS = 26  # what 128 positions take
CROWD_GENERATION = 9  # of which no page has a record
MANY_LOTS = 1 << 50  # at least the long lots that any scene holds

fractions = st.integers(1, WAD) | st.integers(1, 10**6) | st.sampled_from((WAD, WAD // 2, WAD // 3))


class TransferWorld(EngineWorld):
    """A ledger in which slices move."""

    def __init__(self) -> None:
        super().__init__()
        self.harness: Contract = self.evm.deploy("AuctionHarness")

    def put(self, key: bytes, account: Account) -> None:
        word = account_word(account.book, cash=account.cash, last_check_block=account.last_check_block)
        self.harness.setAccount(key, word)
        for page in account.book.pages:
            self.harness.setBook(key, page, account.book.position_words(page))

    def move(self, fraction_wad: int) -> int:
        moved: int = self.harness.move(ACCOUNT, BUYER, fraction_wad, self.oracle, self.feed)
        return moved

    def worth(self, fraction_wad: int) -> int:
        value: int = self.harness.worth(ACCOUNT, fraction_wad, self.oracle, self.feed)
        return value

    def assert_holds(self, key: bytes, account: Account, pages: set[int]) -> None:
        assert self.harness.accountWord(key) == account_word(
            account.book, cash=account.cash, last_check_block=account.last_check_block
        )
        for page in pages:
            stored = list(self.harness.bookWords(key, page))
            wanted = list(account.book.position_words(page))
            assert stored == wanted + [0] * (WORDS - len(wanted)), "and nothing behind the last position"


@pytest.fixture(scope="module")
def world() -> TransferWorld:
    return TransferWorld()


def buyer_book(rng: random.Random, scene: Scene) -> Book:
    """Return a book that often holds what the seller holds, the other way round or not, and often nothing of a page."""
    book = Book()
    for page in scene.current.pages if scene.current else ():
        if rng.random() < 0.6 and scene.current:
            held = positions(rng, scene.current.pages[page], rng.randint(1, 12))
            book.put(page, [p._replace(lots=p.lots // rng.choice((1, 2, 1000)) or 1) for p in held])
    for page, position in scene.book:
        if (
            rng.random() < 0.3
            and book.lots(page, position.key) == 0
            and (page in book.pages or len(book.pages) < MAX_PAGES)
        ):
            book.add(
                page, position.key, rng.choice((-position.lots, position.lots, -position.lots // 2 or 1))
            )
    return book


def crowded_book(rng: random.Random, scene: Scene, page: int) -> Book:
    """Return a book that fills a page, some of it what the seller holds the other way round."""
    book = Book()
    for position in scene.book.pages[page]:
        if rng.random() < 0.6:
            book.add(page, position.key, -position.lots)
    for slot in range(MAX_POSITIONS - len(book)):
        book.add(page, (slot, CROWD_GENERATION), 1)
    return book


def twin(scene: Scene, buyer: Account) -> Vault:
    state = World(
        now=scene.now,
        current=scene.current,
        baseline=scene.baseline,
        prices=dict(scene.prices),
        settlements=scene.settlements,
    )
    authority = Authority(liquidator=b"liquidator")
    vault = Vault(world=state, open_interest=dict(scene.open_interest), authority=authority)
    vault.accounts = {ACCOUNT: Account(cash=scene.cash, book=scene.book.copy()), BUYER: buyer}
    return vault


def attempt(call: Any) -> tuple[str, Any]:
    try:
        return "done", call()
    except Rejected as rejected:
        return rejected.name, None
    except Revert as revert:
        return revert.name, None


@given(scene=scenes(largest=24), fraction=fractions, seed=st.integers(0, 2**32))
def test_INV_19_slices_equal_the_reference(
    world: TransferWorld, scene: Scene, fraction: int, seed: int
) -> None:
    rng = random.Random(seed)
    scene = replace(scene, open_interest={u: MANY_LOTS + rng.getrandbits(20) for u in range(3)})
    buyer = Account(
        cash=rng.randint(-(2**80), 2**80),
        book=buyer_book(rng, scene),
        last_check_block=rng.randint(0, 2**40 - 1),
    )
    compare(world, scene, buyer, fraction)


@given(scene=scenes(largest=24), seed=st.integers(0, 2**32))
def test_INV_10_a_buyer_that_closes_as_many_positions_as_it_opens_may_be_full(
    world: TransferWorld, scene: Scene, seed: int
) -> None:
    """What counts is what is left, not what there was on the way."""
    assume(scene.book.pages)
    rng = random.Random(seed)
    scene = replace(scene, open_interest=dict.fromkeys(range(3), MANY_LOTS))
    page = rng.choice(tuple(scene.book.pages))
    compare(world, scene, Account(cash=0, book=crowded_book(rng, scene, page)), WAD)


def compare(world: TransferWorld, scene: Scene, buyer: Account, fraction: int) -> None:
    """Move a slice on both sides."""
    vault = twin(scene, buyer)
    pages = set(vault.account(ACCOUNT).book.pages) | set(buyer.book.pages)
    with world.evm.isolated():
        world.stage(scene)
        world.put(BUYER, buyer)
        assert world.worth(fraction) == slice_value(vault, ACCOUNT, fraction)
        before = vault.account(ACCOUNT).book.copy()
        wanted, value = attempt(lambda: move_slice(vault, ACCOUNT, BUYER, fraction, sender=b"liquidator"))
        found, moved = attempt(lambda: world.move(fraction))
        event(wanted)
        if wanted == "done" and list(vault.account(ACCOUNT).book) == list(before):
            assert found == "ZeroLots"
            return
        assert found == wanted
        if wanted != "done":
            return
        assert moved == value
        world.assert_holds(ACCOUNT, vault.account(ACCOUNT), pages)
        world.assert_holds(BUYER, vault.account(BUYER), pages)
        for underlying in range(3):
            assert world.harness.openInterest(underlying) == vault.open_interest.get(underlying, 0)
