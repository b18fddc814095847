"""Books as nine kinds of traders hold them, on any venue of two underlyings with options."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from tests.support.published import Floats, Lots, Published

from seawall.arrays import Bools
from seawall.page.layout import MAX_LOTS, Kind

__all__ = ["DENSE", "FAMILIES", "Traders"]

FAMILIES = (
    "single",
    "delta hedged",
    "vertical",
    "calendar",
    "straddle",
    "across",
    "dense maker",
    "sparse",
    "linear",
)
DENSE = FAMILIES.index("dense maker")
# Books whose tail risk is less than this part of their legs are charged by floors.
_LEAST_OF_GROSS = 0.02


class Traders:
    """Draw books and changes of books on what is published; lots are sized by what legs cost.

    Parameters
    ----------
    gross_ticks
        Legs of every book add up to this.
    seed
        The same seed gives the same books.
    """

    def __init__(self, published: Published, *, gross_ticks: float = 1e10, seed: int) -> None:
        self.published, self.gross_ticks = published, gross_ticks
        self.rng = np.random.default_rng([seed, 79])
        records = published.records
        self.owner = np.array([published.pages[page].head.underlying for page, _ in published.keys])
        self.kind = np.array([record.kind for record in records])
        self.delta = np.array([record.delta_x22 / 2**22 for record in records])
        spots = [published.pages[page].head.reference_spot for page, _ in published.keys]
        self.strike = np.array([record.strike / spot for record, spot in zip(records, spots, strict=True)])
        self.expiry = np.array([record.expiry_hour for record in records])
        self.options, self.straight, self.perpetual = [], [], []
        for u in range(2):
            mine = self.owner == u
            self.options.append(np.flatnonzero(mine & np.isin(self.kind, (Kind.CALL, Kind.PUT))))
            self.straight.append(np.flatnonzero(mine & np.isin(self.kind, (Kind.PERPETUAL, Kind.FUTURE))))
            self.perpetual.append(int(np.flatnonzero(mine & (self.kind == Kind.PERPETUAL))[0]))
        self._draws: tuple[Callable[[Floats], None], ...] = (
            *(self._single, self._hedged, self._vertical, self._calendar, self._straddle),
            *(self._across, self._dense, self._sparse, self._linear),
        )

    def books(self, count: int, *, families: Sequence[int] = range(len(FAMILIES))) -> tuple[Lots, Lots]:
        """Return books, (N, I), and the family of each, (N,); those that floors charge, and
        those with more lots than a position holds, are left out.
        """
        family = self.rng.choice(np.array(families), size=count)
        drawn = np.zeros((count, len(self.kind)))
        for book, kind in zip(drawn, family, strict=True):
            self._draws[kind](book)
        lots = np.round(drawn * (self.gross_ticks / self._gross(drawn))[:, None]).astype(np.int64)
        held = _held(lots)
        lots, family = lots[held], family[held]
        kept = self.published.shortfall(lots) >= _LEAST_OF_GROSS * self.published.gross(lots)
        return lots[kept], family[kept]

    def changed(self, book: Lots, *, share: float) -> Lots:
        """Return a book after a delta-hedged change of one to four legs, of this share of its gross legs."""
        gross = float(self.published.gross(book[None])[0])
        for _ in range(100):
            change = np.zeros(len(book))
            legs = self.rng.choice(len(book), self.rng.integers(1, 5), replace=False)
            change[legs] = self.rng.normal(size=len(legs))
            self._hedge(change, (0, 1), exactly=True)
            size = float(self._gross(change[None])[0])
            if size <= 1e-9 * float(self.published.legs.max()):
                continue  # the hedge took all of it back
            found: Lots = book + np.round(change * (share * gross / size)).astype(np.int64)
            legs_after = float(self.published.gross(found[None])[0])
            if (
                _held(found[None])[0]
                and float(self.published.shortfall(found[None])[0]) >= _LEAST_OF_GROSS * legs_after
            ):
                return found
        return book

    def _gross(self, books: Floats) -> Floats:
        found: Floats = (
            np.maximum(books, 0) @ self.published.legs[0] + np.maximum(-books, 0) @ self.published.legs[1]
        )
        return found

    def _hedge(self, book: Floats, underlyings: Sequence[int], *, exactly: bool = False) -> None:
        """Offset most of the delta, or all of it, by the perpetual."""
        for u in underlyings:
            part = 1.0 if exactly else self.rng.uniform(0.8, 1.2)
            book[self.perpetual[u]] -= part * float((book * self.delta)[self.owner == u].sum())

    def _expiry_of(self, u: int) -> Lots:
        """Return the options of one expiry of an underlying."""
        options = self.options[u]
        hour = self.rng.choice(np.unique(self.expiry[options]))
        found: Lots = options[self.expiry[options] == hour]
        return found

    def _side(self) -> float:
        return float(self.rng.choice((-1.0, 1.0)))

    def _single(self, book: Floats) -> None:
        book[self.rng.integers(len(book))] = self._side()

    def _hedged(self, book: Floats) -> None:
        u, side = int(self.rng.integers(2)), self._side()
        for option in self.rng.choice(self.options[u], self.rng.integers(1, 4), replace=False):
            book[option] += side * self.rng.lognormal(0, 0.5)
        self._hedge(book, (u,))

    def _vertical(self, book: Floats) -> None:
        u = int(self.rng.integers(2))
        for _ in range(self.rng.integers(1, 3)):
            low, high = self.rng.choice(self._expiry_of(u), 2, replace=False)
            size = self._side() * self.rng.lognormal(0, 0.4)
            book[low] += size
            book[high] -= size * self.rng.choice((1, 1, 1, 2, 0.5))

    def _calendar(self, book: Floats) -> None:
        u, side = int(self.rng.integers(2)), self._side()
        options = self.options[u]
        near, far = self.rng.choice(np.unique(self.expiry[options]), 2, replace=False)
        first = self.rng.choice(options[self.expiry[options] == near])
        others = options[(self.expiry[options] == far) & (self.kind[options] == self.kind[first])]
        second = others[np.abs(self.strike[others] - self.strike[first]).argmin()]
        book[first] += side
        book[second] -= side * self.rng.choice((1, 1, 0.7, 1.5))
        if self.rng.random() < 0.4:
            self._hedge(book, (u,))

    def _straddle(self, book: Floats) -> None:
        u, side = int(self.rng.integers(2)), self._side()
        options = self._expiry_of(u)
        book[self.rng.choice(options[self.kind[options] == Kind.CALL])] += side
        book[self.rng.choice(options[self.kind[options] == Kind.PUT])] += side * self.rng.uniform(0.8, 1.2)
        if self.rng.random() < 0.3:
            self._hedge(book, (u,))

    def _across(self, book: Floats) -> None:
        side = self._side()
        for u, size in ((0, 1.0), (1, -0.7)):
            np.add.at(book, self.rng.choice(self.options[u], 2), side * size * self.rng.lognormal(0, 0.3, 2))
        self._hedge(book, (0, 1))

    def _dense(self, book: Floats) -> None:
        for u in ((0,), (1,), (0, 1))[self.rng.integers(3)]:
            options = self.options[u]
            held = self.rng.choice(
                options, self.rng.integers(len(options) // 3, len(options) + 1), replace=False
            )
            sizes = self.rng.normal(size=len(held)) * self.rng.lognormal(0, 0.5, len(held))
            book[held] += sizes + 0.3 * self.rng.normal()
            self._hedge(book, (u,))

    def _sparse(self, book: Floats) -> None:
        held = self.rng.choice(len(book), self.rng.integers(2, 12), replace=False)
        book[held] += self.rng.normal(size=len(held))

    def _linear(self, book: Floats) -> None:
        for u in ((0,), (1,), (0, 1), (0, 1))[self.rng.integers(4)]:
            book[self.rng.choice(self.straight[u])] += self._side() * self.rng.lognormal(0, 0.6)


def _held(books: Lots) -> Bools:
    """Say of books, (N, I), whether positions hold so many lots, (N,)."""
    found: Bools = (np.abs(books) < MAX_LOTS).all(axis=1)
    return found
