"""How long keepers take over the books of a hundred thousand accounts, stage by stage."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np
from tests.support.listings import QUICK, chain_terms, listed_view, price_bars, with_shifts

from seawall.keeper.accounts import AccountBook, lots_of
from seawall.keeper.books import book_tree, check_books
from seawall.keeper.check import check_proposal
from seawall.keeper.compute import compute, propose
from seawall.keeper.leaves import LeafStore
from seawall.keeper.mailbox import Mailbox
from seawall.page.layout import POSITION, pack, pack_entries
from seawall.page.merkle import book_words

__all__ = ["ACCOUNTS", "POSITIONS", "book_seconds"]

ACCOUNTS = 100_000
POSITIONS = 8
_TERMS = chain_terms()
_T = TypeVar("_T")


def _books(count: int) -> list[AccountBook]:
    """Return books of eight options each, on one of two pages."""
    rng = np.random.default_rng(1)
    made = []
    for i in range(count):
        entries = [
            pack(POSITION, {"slot": int(slot), "generation": 1, "lots": int(lots)}, where="bench")
            for slot, lots in zip(
                rng.choice(len(_TERMS), POSITIONS, replace=False),
                rng.integers(1, 1_000, POSITIONS) * rng.choice([-1, 1], POSITIONS),
                strict=True,
            )
        ]
        words = book_words([(i % 2, POSITIONS, pack_entries(entries))])
        made.append(AccountBook(account=i.to_bytes(32, "big"), words=words))
    return made


def book_seconds(count: int = ACCOUNTS) -> Iterator[tuple[str, float, int | None]]:
    """Yield stage, seconds and, where something is written, bytes; on a venue of 64 instruments."""
    bars = price_bars(days=365)
    bare, _ = with_shifts(listed_view([(0, _TERMS), (1, _TERMS)]), bars)
    books = _books(count)
    lots, taken = _timed(lambda: lots_of((book.words for book in books), bare.columns))
    yield "positions read from words", taken, None
    view = replace(bare, books=tuple(books), lots=lots, accounts=tuple(book.account for book in books))
    own, taken = _timed(lambda: compute(view, bars, settings=QUICK))
    yield "legs, atoms and lanes", taken, None
    proposal, taken = _timed(lambda: propose(view, own, bars, epoch=1, settings=QUICK))
    yield "leader: tail risks, leaves and root", taken, None
    with TemporaryDirectory() as folder:
        box = Mailbox(Path(folder), oracle=view.oracle)
        _, taken = _timed(lambda: box.put_proposal(proposal))
        written = next(Path(folder).rglob("*.bin")).stat().st_size
        yield "leader: proposal written", taken, written
        received, taken = _timed(lambda: box.proposal(1))
        yield "follower: proposal read", taken, None
        if received is None:
            raise RuntimeError("the proposal did not arrive")
        _, taken = _timed(lambda: check_proposal(received, own, view, settings=QUICK))
        yield "follower: pages, lanes against every book", taken, None
        tree, taken = _timed(lambda: check_books(received, own, view, books, settings=QUICK))
        yield "follower: tail risks and root", taken, None
        store = LeafStore(Path(folder) / "books.sqlite")
        _, taken = _timed(lambda: store.put(tree, received.books, books, epoch=1, block=1, as_of=1))
        yield "either: proofs stored", taken, (Path(folder) / "books.sqlite").stat().st_size
        shown, taken = _timed(lambda: store.find(tree.root, books[-1].account))
        yield "an account finds its proof", taken, None
        if shown is None or book_tree(received.books).root != tree.root:
            raise RuntimeError("a proof is missing")


def _timed(work: Callable[[], _T]) -> tuple[_T, float]:
    begin = time.perf_counter()
    found = work()
    return found, time.perf_counter() - begin
