"""Positions of an account, in the order in which the contract stores them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from seawall.page.layout import (
    ACCOUNT,
    MAX_LOTS,
    MAX_PAGES,
    MAX_SCALED_LOTS,
    POSITION,
    pack,
    pack_entries,
    pack_positions,
    unpack_entries,
)
from seawall.page.merkle import book_words
from seawall.reference.rejection import require

__all__ = ["Book", "Position", "account_word", "in_range"]

_POSITION = {entry.name: entry for entry in POSITION}


class Position(NamedTuple):
    """Hold signed lots of the instrument (slot, generation) of some page."""

    slot: int
    generation: int
    lots: int

    @property
    def key(self) -> tuple[int, int]:
        """Return slot and generation."""
        return self.slot, self.generation

    @property
    def packed(self) -> int:
        """Return the 64 bits in which a certificate carries the position."""
        return pack(POSITION, self._asdict(), where=f"position in slot {self.slot}")

    @classmethod
    def unpack(cls, entry: int) -> "Position":
        """Return the position that 64 bits hold."""
        return cls(**{name: place.get(entry) for name, place in _POSITION.items()})


def in_range(lots: int, shift: int) -> bool:
    """Say whether ``|lots| < 2^28``, as stored, and ``|lots| << shift < 2^39``: sums over any book are exact."""
    return abs(lots) < MAX_LOTS and abs(lots) << shift < MAX_SCALED_LOTS


@dataclass(slots=True)
class Book:
    """Hold an account's pages in the order of its page list, and on each its positions as stored."""

    pages: dict[int, list[Position]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Say whether there is any position."""
        return bool(self.pages)

    def __iter__(self) -> Iterator[tuple[int, Position]]:
        """Yield page and position, all of them."""
        return ((page, position) for page, positions in self.pages.items() for position in positions)

    def __len__(self) -> int:
        """Return the number of positions."""
        return sum(map(len, self.pages.values()))

    def copy(self) -> "Book":
        """Return a book that can be changed alone."""
        return Book({page: list(positions) for page, positions in self.pages.items()})

    def lots(self, page: int, key: tuple[int, int]) -> int:
        """Return the signed lots held of an instrument."""
        return next((p.lots for p in self.pages.get(page, ()) if p.key == key), 0)

    def add(self, page: int, key: tuple[int, int], lots: int, *, account: object = None) -> tuple[int, int]:
        """Add lots to a position and return what it was and is; opened at the end, closed by swap and pop.

        Raises
        ------
        Rejected
            If a seventh page would be needed, or the lots do not fit.
        """
        old = self.lots(page, key)
        new = old + lots
        require(in_range(new, 0), "LotsOutOfRange", new, 0)
        positions = self.pages.get(page, [])
        index = next((i for i, p in enumerate(positions) if p.key == key), len(positions))
        if new:
            require(page in self.pages or len(self.pages) < MAX_PAGES, "TooManyPages", account)
            positions[index : index + 1] = [Position(*key, new)]
            self.pages[page] = positions
        elif index < len(positions):
            positions[index] = positions[-1]
            positions.pop()
            if not positions:
                self._drop(page)
        return old, new

    def put(self, page: int, positions: list[Position]) -> None:
        """Replace a page's positions; without any, the page leaves the list."""
        if positions:
            self.pages[page] = positions
        elif page in self.pages:
            self._drop(page)

    def _drop(self, page: int) -> None:
        """Remove a page from the list; the last one takes its place."""
        listed = list(self.pages.items())
        index = list(self.pages).index(page)
        listed[index] = listed[-1]
        listed.pop()
        self.pages = dict(listed)

    def position_words(self, page: int) -> tuple[int, ...]:
        """Return a page's positions as stored, five a word."""
        return pack_positions(position.packed for position in self.pages.get(page, ()))

    def words(self) -> tuple[int, ...]:
        """Return the book as a certificate carries it and as its leaf is hashed."""
        entries = {page: pack_entries(one.packed for one in held) for page, held in self.pages.items()}
        return book_words([(page, len(held), entries[page]) for page, held in self.pages.items()])

    @classmethod
    def from_words(cls, words: tuple[int, ...]) -> "Book":
        """Return the book that a certificate carries.

        Raises
        ------
        Rejected
            `BadCertificate`, if a word is missing.
        """
        pages: dict[int, list[Position]] = {}
        at = 0
        while at < len(words):
            page, count = words[at] & 0xFF, words[at] >> 8
            used = -(-count // 4)
            require(at + used < len(words), "BadCertificate")
            entries = unpack_entries(words[at + 1 : at + 1 + used])[:count]
            pages.setdefault(page, []).extend(Position.unpack(entry) for entry in entries)
            at += 1 + used
        return cls(pages)


def account_word(book: Book, *, cash: int, last_check_block: int = 0, flags: int = 0) -> int:
    """Return the word in which the contract keeps an account."""
    values = {"cash": cash, "last_check_block": last_check_block, "flags": flags}
    for entry, (page, positions) in enumerate(book.pages.items()):
        values |= {f"page_{entry}": page, f"count_{entry}": len(positions)}
    return pack(ACCOUNT, values, where="account")
