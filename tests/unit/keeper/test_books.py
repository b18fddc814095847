"""Tail risks of books, the factor they are scaled by, and the file in which accounts find their proofs."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from tests.property.strategies import Cube, scenario_cubes, shortfall_of
from tests.support.golden_pages import extreme_page

from seawall.errors import PageError, StoreError
from seawall.keeper.accounts import AccountBook, book_entries, lots_of
from seawall.keeper.books import BookLeaf, book_tree, shortfall_of_books
from seawall.keeper.certify import unexpired
from seawall.keeper.leaves import LeafStore
from seawall.page.merkle import book_leaf, verify_proof
from seawall.page.units import shortfall_units
from seawall.reference import Book

M = 4
Lots = st.lists(st.integers(-5000, 5000), min_size=M, max_size=M)


def book_of(lots: list[int]) -> Book:
    book = Book()
    for slot, q in enumerate(lots):
        book.add(slot % 3, (slot, 1), q)
    return book


@given(cube=scenario_cubes(instruments=M), lots=Lots)
def test_a_books_shortfall_is_that_of_its_profit_and_loss(cube: Cube, lots: list[int]) -> None:
    weights = np.full(len(cube), 1 / len(cube))
    columns = {(slot % 3, slot, 1): slot for slot in range(M)}
    words = book_of(lots).words()
    rows = lots_of([words], columns)
    assert rows.tolist() == [[float(q) for q in lots]]
    (found,) = shortfall_of_books(cube.astype(np.float64), weights, rows, alpha=0.75)
    exact = shortfall_of(cube @ np.array(lots), tail=4)
    assert found == pytest.approx(float(exact), abs=1e-3)


@given(lots=Lots)
def test_entries_are_what_the_reference_reads(lots: list[int]) -> None:
    words = book_of(lots).words()
    expected = [((page, p.slot, p.generation), p.lots) for page, p in Book.from_words(words)]
    assert list(book_entries(words)) == expected


def test_no_books_have_no_shortfall() -> None:
    assert shortfall_of_books(np.ones((4, 2)), np.full(4, 0.25), np.zeros((0, 2)), alpha=0.5).tolist() == []


@given(ticks=st.floats(-1e15, 1e30), tick=st.integers(1, 10**9), lambda_bps=st.integers(1, 10_000))
def test_a_leaf_rounds_up_the_scaled_tail_risk_and_is_never_negative(
    ticks: float, tick: int, lambda_bps: int
) -> None:
    exact = max(Fraction(ticks) * tick * lambda_bps / 10_000, Fraction(0))
    found = shortfall_units(ticks, tick=tick, lambda_bps=lambda_bps)
    assert exact <= found < exact + 1


@pytest.mark.parametrize("ticks", [float("nan"), float("inf"), float("-inf")])
def test_a_tail_risk_that_is_no_number_is_refused(ticks: float) -> None:
    with pytest.raises(PageError, match="not a number"):
        shortfall_units(ticks, tick=1, lambda_bps=10_000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "books.sqlite"


def books_of(count: int, *, seed: int = 0) -> list[AccountBook]:
    """Return accounts of which every tenth holds what the one before holds."""
    rng = random.Random(seed)
    made: list[AccountBook] = []
    for i in range(count):
        words = (
            made[-1].words if i % 10 == 9 else book_of([rng.randint(-99, 99) or 1 for _ in range(M)]).words()
        )
        made.append(AccountBook(account=i.to_bytes(32, "big"), words=words))
    return made


def leaves_of(books: list[AccountBook]) -> list[BookLeaf]:
    return [
        BookLeaf(words=words, shortfall=(1 << 199) + i)
        for i, words in enumerate(dict.fromkeys(book.words for book in books))
    ]


def test_every_account_finds_a_proof_of_its_book_and_nobody_else_does(path: Path) -> None:
    books = books_of(97)
    leaves = leaves_of(books)
    tree = book_tree(leaves)
    store = LeafStore(path)
    store.put(tree, leaves, books, epoch=5, block=9, as_of=0)
    shortfalls = {leaf.words: leaf.shortfall for leaf in leaves}
    for book in books:
        shown = store.find(tree.root, book.account)
        assert shown is not None
        assert (shown.words, shown.shortfall) == (book.words, shortfalls[book.words])
        assert verify_proof(shown.proof, root=tree.root, leaf=book_leaf(shown.shortfall, shown.words))
    assert store.find(tree.root, b"\xff" * 32) is None
    assert store.find(b"\1" * 32, books[0].account) is None


def test_an_account_without_a_leaf_is_left_out(path: Path) -> None:
    books = books_of(3)
    leaves = leaves_of(books[:2])
    LeafStore(path).put(book_tree(leaves), leaves, books, epoch=1, block=1, as_of=0)
    assert LeafStore(path).find(book_tree(leaves).root, books[1].account) is not None
    assert LeafStore(path).find(book_tree(leaves).root, books[2].account) is None


HOUR_S = 3_600


def put_hourly(store: LeafStore, hours: Sequence[int], *, in_force: Sequence[int] = ()) -> list[bytes]:
    """Put a tree at each of these hours, the last while trees of these places are in force; return the roots."""
    roots: list[bytes] = []
    for epoch, hour in enumerate(hours):
        books = books_of(5, seed=epoch + 1)
        leaves = leaves_of(books)
        tree = book_tree(leaves)
        roots.append(tree.root)
        kept = [roots[place] for place in in_force if place < len(roots)]
        for _ in range(2):
            store.put(tree, leaves, books, epoch=epoch, block=epoch, as_of=hour * HOUR_S, in_force=kept)
    return roots


def test_proofs_outlive_every_manifest_that_may_be_the_baseline_and_putting_twice_changes_nothing(
    path: Path,
) -> None:
    store = LeafStore(path)
    roots = put_hourly(store, range(8))
    account = (0).to_bytes(32, "big")
    assert [store.find(root, account) is not None for root in roots] == [False] * 4 + [True] * 4
    with closing(sqlite3.connect(path)) as connection:
        counts = [
            connection.execute(f"SELECT COUNT(*) FROM {t}").fetchone()[0] for t in ("manifests", "books")
        ]
    assert counts == [4, 20]


def test_proofs_under_a_manifest_in_force_are_kept_however_long_no_other_came(path: Path) -> None:
    store = LeafStore(path)
    roots = put_hourly(store, [0, 1, 90, 91], in_force=[1])
    account = (0).to_bytes(32, "big")
    assert [store.find(root, account) is not None for root in roots] == [False, True, True, True]


def test_no_file_means_no_book_and_a_broken_one_is_said_to_be(path: Path) -> None:
    assert LeafStore(path).find(b"\1" * 32, b"\2" * 32) is None
    path.parent.mkdir()
    path.write_text("no database " * 100)
    with pytest.raises(StoreError, match=r"keeper\.books"):
        LeafStore(path).find(b"\1" * 32, b"\2" * 32)
    with pytest.raises(StoreError, match=r"keeper\.books"):
        LeafStore(path).put(book_tree([]), [], [], epoch=1, block=1, as_of=0)


def test_an_expired_position_takes_no_part_in_hedges() -> None:
    page = extreme_page(largest=False)
    records = [replace(page.records[0], kind=1, expiry_hour=hours) for hours in (0, 10, 11)]
    pages = {0: replace(page, records=tuple(records))}
    book = Book()
    for slot in range(4):
        book.add(0, (slot, 0), 5)
    book.add(9, (1, 0), 5)
    kept = [(page, position.slot) for page, position in unexpired(book, pages, now_s=10 * 3600)]
    assert kept == [(0, 0), (0, 2), (0, 3), (9, 1)]
    only = Book()
    only.add(0, (1, 0), 5)
    assert not unexpired(only, pages, now_s=10 * 3600)
    assert len(unexpired(only, pages, now_s=10 * 3600 - 1)) == 1
