"""Many books at once: the positions of all of them as arrays, for a hundred thousand accounts an epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seawall.page.layout import BOOK_PAGE, ENTRIES_PER_WORD, POSITION, Field, join_words

__all__ = ["Entries", "entries_of"]

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Instrument = tuple[int, int, int]  # page, slot, generation

_PAGE = BOOK_PAGE[0]  # the count stands above it
_FIELDS = {field.name: field for field in POSITION}
_KEY_PAGE, _KEY_SLOT = 1 << 22, 1 << 14  # in a number that stands for an instrument


@dataclass(frozen=True, kw_only=True, slots=True)
class Entries:
    """Hold the positions of N books one after another, (E,) each.

    Attributes
    ----------
    books
        N.
    row
        Which book.
    page, slot, generation, lots
        Of the position.
    """

    books: int
    row: Ints
    page: Ints
    slot: Ints
    generation: Ints
    lots: Ints

    def columns(self, columns: Mapping[Instrument, int]) -> Ints:
        """Return the column of every position, (E,), -1 where its instrument has none."""
        if not columns:
            return np.full(len(self.row), -1, dtype=np.int64)
        listed = sorted(
            (page * _KEY_PAGE + slot * _KEY_SLOT + generation, column)
            for (page, slot, generation), column in columns.items()
        )
        keys, places = np.array(listed, dtype=np.int64).T
        wanted = self.page * _KEY_PAGE + self.slot * _KEY_SLOT + self.generation
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(keys[at] == wanted, places[at], -1)


def entries_of(books: Sequence[Sequence[int]]) -> Entries:
    """Return the positions of books, given by their words, in order of book, page and place."""
    lengths = np.array([len(words) for words in books], dtype=np.int64)
    payload = b"".join([join_words(words) for words in books])
    words = np.frombuffer(payload, dtype=">u8").astype(np.uint64).reshape(-1, ENTRIES_PER_WORD)
    end = np.cumsum(lengths)
    at, row = end - lengths, np.arange(len(lengths), dtype=np.int64)
    found: list[tuple[Ints, Ints, Ints, Words]] = []
    rank = 0
    while len(live := np.flatnonzero(at < end)):  # one page of every book that has one more
        at, end, row = at[live], end[live], row[live]
        head = words[at, ENTRIES_PER_WORD - 1]
        page, count = _get(_PAGE, head), (head >> np.uint64(_PAGE.width)).astype(np.int64)
        owner = np.repeat(np.arange(len(at)), count)
        place = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
        entry = words[at[owner] + 1 + place // ENTRIES_PER_WORD, place % ENTRIES_PER_WORD]
        found.append((row[owner], np.full(len(owner), rank), page[owner], entry))
        at = at + 1 - (-count // ENTRIES_PER_WORD)
        rank += 1
    if not found:
        none = np.zeros(0, dtype=np.int64)
        return Entries(books=len(books), row=none, page=none, slot=none, generation=none, lots=none)
    rows, ranks, pages = (np.concatenate([part[i] for part in found]) for i in range(3))
    entries = np.concatenate([part[3] for part in found])
    order = np.lexsort((ranks, rows))
    entries = entries[order]
    return Entries(
        books=len(books),
        row=rows[order],
        page=pages[order],
        slot=_get(_FIELDS["slot"], entries),
        generation=_get(_FIELDS["generation"], entries),
        lots=_get(_FIELDS["lots"], entries),
    )


def _get(field: Field, entries: Words) -> Ints:
    """Return a field of 64-bit entries."""
    value = entries << np.uint64(64 - field.low - field.width)
    if field.signed:
        return value.view(np.int64) >> np.int64(64 - field.width)
    return (value >> np.uint64(64 - field.width)).astype(np.int64)
