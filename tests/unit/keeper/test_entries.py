"""The positions of many books at once are those of each."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from seawall.keeper.accounts import book_entries, lots_of
from seawall.keeper.entries import entries_of
from seawall.reference import Book

positions = st.dictionaries(
    st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, 16_383)),
    st.integers(-(2**28) + 1, 2**28 - 1).filter(bool),
    max_size=20,
)


def words_of(lots: dict[tuple[int, int, int], int]) -> tuple[int, ...]:
    book = Book()
    for (page, slot, generation), held in lots.items():
        if page in book.pages or len(book.pages) < 6:
            book.add(page, (slot, generation), held)
    return book.words()


@given(held=st.lists(positions, max_size=6))
def test_all_positions_of_all_books_come_in_their_order(held: list[dict[tuple[int, int, int], int]]) -> None:
    books = [words_of(lots) for lots in held]
    found = entries_of(books)
    rows = zip(
        *(array.tolist() for array in (found.row, found.page, found.slot, found.generation, found.lots)),
        strict=True,
    )
    expected = [
        (row, *instrument, lots)
        for row, words in enumerate(books)
        for instrument, lots in book_entries(words)
    ]
    assert list(rows) == expected
    assert found.books == len(books)


@given(
    held=positions,
    listed=st.sets(st.tuples(st.integers(0, 255), st.integers(0, 255), st.just(1)), max_size=5),
)
def test_what_is_listed_has_its_column_and_nothing_else_has_one(
    held: dict[tuple[int, int, int], int], listed: set[tuple[int, int, int]]
) -> None:
    words = words_of(held)
    taken = [instrument for instrument, _ in book_entries(words)][::2]
    columns = {instrument: i for i, instrument in enumerate(sorted({*listed, *taken}))}
    found = entries_of([words]).columns(columns)
    assert found.tolist() == [columns.get(instrument, -1) for instrument, _ in book_entries(words)]
    (row,) = lots_of([words], columns).tolist()
    lots = dict(book_entries(words))
    assert row == [float(lots.get(instrument, 0)) for instrument in columns]
