"""Who holds what: the accounts that may hold something, their books as stored, and their lots as numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seawall.chain.contracts import System
from seawall.keeper.entries import entries_of
from seawall.page.layout import BOOK_PAGE, ENTRIES_PER_WORD, POSITION, unpack, unpack_entries

__all__ = ["AccountBook", "book_entries", "find_holders", "lots_of", "read_books"]

Floats = npt.NDArray[np.float64]
Instrument = tuple[int, int, int]  # page, slot, generation

# Events after which an account may hold something, and the arguments that name it.
_HOLDERS = {
    "Deposited": ("account",),
    "CollateralAdjusted": ("account",),
    "Traded": ("taker", "maker"),
    "SliceMoved": ("to",),
}
# Books asked for in one call, so that a node's limits on calls hold.
_BOOKS_A_CALL = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountBook:
    """Hold an account's book: the words that a certificate carries and whose leaf is hashed."""

    account: bytes
    words: tuple[int, ...]


def find_holders(system: System, *, from_block: int, to_block: int) -> tuple[bytes, ...]:
    """Return accounts that had a deposit or a position for the first time in some blocks, oldest first."""
    found: dict[bytes, None] = {}
    for event in system.vault.logs(*_HOLDERS, from_block=from_block, to_block=to_block):
        found.update({bytes(event.args[name]): None for name in _HOLDERS[event.name]})
    return tuple(found)


def read_books(system: System, accounts: Sequence[bytes], *, block: int) -> tuple[AccountBook, ...]:
    """Return the books of those accounts that held positions at the end of a block, in their order."""
    found = []
    for start in range(0, len(accounts), _BOOKS_A_CALL):
        some = list(accounts[start : start + _BOOKS_A_CALL])
        for account, words in zip(some, system.lens.call("books", some, block=block), strict=True):
            if words:
                found.append(AccountBook(account=account, words=tuple(int(word) for word in words)))
    return tuple(found)


def book_entries(words: Sequence[int]) -> Iterator[tuple[Instrument, int]]:
    """Yield instrument and signed lots of a book's words."""
    at = 0
    while at < len(words):
        head = unpack(BOOK_PAGE, words[at], where="book")
        count = head["count"]
        length = -(-count // ENTRIES_PER_WORD)
        for entry in unpack_entries(words[at + 1 : at + 1 + length])[:count]:
            fields = unpack(POSITION, entry, where="position")
            yield (head["page"], fields["slot"], fields["generation"]), fields["lots"]
        at += 1 + length


def lots_of(books: Iterable[Sequence[int]], columns: Mapping[Instrument, int]) -> Floats:
    """Return signed lots by book and column, (N, I); instruments without a column are left out."""
    entries = entries_of(list(books))
    column = entries.columns(columns)
    lots, known = np.zeros((entries.books, len(columns))), column >= 0
    lots[entries.row[known], column[known]] = entries.lots[known]
    return lots
