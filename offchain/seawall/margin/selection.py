"""The selection of atoms over many books: done when listings or deltas have moved, then repriced every epoch.

Which of a hundred thousand hedges to post is a linear program a book. Column generation finds a pool of those that
matter; then hedges are exchanged, every time for other books, so that what is kept is of use to books not yet seen: out
go those without which the books' charges would rise least, in come those that pay most at the books' prices.
"""

from collections.abc import Callable, Collection, Sequence

import numpy as np
from scipy.sparse import csr_array

from seawall.arrays import Bools, Floats, Ints, checked
from seawall.margin.atoms import first_hedges, structure_books
from seawall.margin.hedge_programs import Certified, HedgePrograms
from seawall.margin.settings import AtomSettings
from seawall.margin.shortfall import shortfall_alone, single_pnl, single_precision, sparse_tails, worst_rows
from seawall.margin.structures import Legs

__all__ = ["select_hedges"]

# Hedges evaluated at once, and books whose gains are.
_BATCH, _BOOKS = 256, 32

# New hedges in a book's program in a round of entering, and of certifying, how many such rounds, and the least that
# one more may pay, of its legs.
_ENTERING, _TRIED, _ROUNDS, _LEAST = 30, 60, 4, 1e-4

# A hedge without risk is always kept.
_RISKLESS = 1e-9

# Books whose tail risk is less than this part of their legs are charged by floors.
_LEAST_OF_GROSS = 0.02

# Hedges an instrument at which a selection is to be good; what is kept of the first is what the second chooses from.
_SIZES = (32, 16)

# How a rise of a book's charge counts: most for books charged little, and somewhat for those charged very much.
_CONCAVITY, _WORST = 3.0, 0.015


def select_hedges(
    pnl: Floats,
    weights: Floats,
    legs: Floats,
    library: Sequence[Legs],
    live: Floats,
    drawn: Floats,
    *,
    alpha: float,
    settings: AtomSettings,
    spots: int,
    always: Collection[Legs] = (),
    progress: Callable[[int, int], None] | None = None,
) -> list[Legs]:
    """Return hedges that certify books at least cost, the last to be given up first, so that any prefix is a selection.

    First the best hedge of everything dated with its spot, on either side, what has no risk, and what is asked for. The
    others by how much more books would be charged without them, in units of their tail risk, remembered over several
    draws of books: more if the book is charged little, so that the middle of all books counts, or very much.

    Parameters
    ----------
    pnl, weights
        P&L of one lot, the spots first, (S, C), and scenario probabilities, (S,).
    legs
        Expected shortfall of one lot held long and short, (2, C), not negative.
    library
        `hedge_library`; tried on both sides.
    live, drawn
        Books to certify in lots, (N, C): live ones and others as people hold them, the more the better. Every round
        tries some, half of them live if there are so many. Those that floors charge, of next to no tail risk, are left
        out.
    alpha
        Level of the expected shortfall.
    settings
        Least saving and effort.
    spots
        How many of the columns, the first ones, are spots.
    always
        Hedges to keep on both sides, however little they save.
    progress
        Called with how many books have been tried so far, and will have been, those of every round anew.
    """
    cube = checked(pnl, name="pnl", shape=(None, None))
    held = [
        checked(books, name=name, shape=(None, cube.shape[1]))
        for name, books in (("live", live), ("drawn", drawn))
    ]
    if not library:
        return []
    candidates = structure_books(library, columns=cube.shape[1])
    shortfall = _priced(cube, weights, candidates, tail=1.0 - alpha)
    gross: Floats = candidates.maximum(0.0) @ legs[0] + (-candidates).maximum(0.0) @ legs[1]
    asked = np.tile(np.array([one in always for one in library], dtype=np.bool_), 2)
    saves = shortfall <= (1.0 - settings.minimum_saving) * gross
    kept = np.flatnonzero((gross > 0) & (saves | (asked & (shortfall < gross))))
    if not len(kept):
        return []
    must = asked[kept] | (shortfall[kept] <= _RISKLESS * gross[kept])
    must[sorted(first_hedges(candidates[kept], 1.0 - shortfall[kept] / gross[kept], spots))] = True
    tried = [_of_tail_risk_one(cube, weights, legs, books, alpha=alpha) for books in held]
    chosen = _Selection(candidates[kept], shortfall[kept], legs, (tried[0], tried[1]), must, settings, spots)
    order = kept[chosen.ranked(progress or (lambda done, most: None))]
    sides = np.where(order < len(library), 1, -1).tolist()
    return [
        tuple((column, side * lots) for column, lots in library[k % len(library)])
        for k, side in zip(order.tolist(), sides, strict=True)
    ]


def _priced(cube: Floats, weights: Floats, books: csr_array, *, tail: float) -> Floats:
    """Return the tail risk of very many sparse books, (N,), at least zero; tails are found in single precision."""
    turned = single_precision(cube.T)
    found = np.empty(books.shape[0])
    for i in range(0, len(found), _BATCH):
        some = books[i : i + _BATCH]
        rows, masses = worst_rows(single_pnl(some.toarray(), turned), weights, tail=tail)
        found[i : i + _BATCH] = -(some.multiply(sparse_tails(rows, masses, len(cube)) @ cube)).sum(axis=1)
    return np.maximum(found, 0.0)


def _of_tail_risk_one(cube: Floats, weights: Floats, legs: Floats, books: Floats, *, alpha: float) -> Floats:
    """Return books scaled to a tail risk of one, less those that floors charge."""
    exact = shortfall_alone(cube, weights, books, alpha=alpha)
    total = np.maximum(books, 0.0) @ legs[0] + np.maximum(-books, 0.0) @ legs[1]
    charged = (exact >= _LEAST_OF_GROSS * total) & (exact > 0)
    found: Floats = books[charged] / exact[charged, None]
    return found


def _weights(charge: Floats) -> Floats:
    """Return what a rise of charges, over tail risk, counts."""
    counts: Floats = charge**-_CONCAVITY + _WORST * charge**2
    return counts


class _Selection:
    """Carry the candidates and the books, of tail risk one, that they are tried on."""

    def __init__(
        self,
        candidates: csr_array,
        shortfall: Floats,
        legs: Floats,
        books: tuple[Floats, Floats],
        must: Bools,
        settings: AtomSettings,
        spots: int,
    ) -> None:
        self.programs = HedgePrograms(candidates, shortfall, legs)
        self.books, self.must, self.settings = books, must, settings
        self.columns, self.lots = _binding(candidates, spots)
        self.worth = np.zeros(len(must))
        self.rng = np.random.Generator(np.random.PCG64([0, 7]))

    def ranked(self, progress: Callable[[int, int], None]) -> Ints:
        """Return candidates, the last to be given up first; those that no book uses are left out."""
        live, drawn = (len(books) for books in self.books)
        self.of_drawn = min(drawn, self.settings.tried_books - min(live, self.settings.tried_books // 2))
        self.of_live = min(live, self.settings.tried_books - self.of_drawn)
        each = self.of_live + self.of_drawn
        if not each:
            return np.flatnonzero(self.must)
        done, most = 0, each * (1 + len(_SIZES) * max(3 * self.settings.exchange_rounds - 1, 0))

        def tried() -> None:
            nonlocal done
            done += each
            progress(done, most)

        pool = self._entered()
        tried()
        among = np.ones(len(self.must), dtype=np.bool_)
        for size in _SIZES:
            kept = self._exchanged(np.sort(pool), size * self.programs.unit.size, among, tried)
            among = np.zeros(len(self.must), dtype=np.bool_)
            among[kept] = True
            # Of the pool before, what is not kept follows in its own order.
            pool = kept if size == _SIZES[0] else np.concatenate([kept, pool[~among[pool]]])
        return pool

    def _draw(self) -> Certified:
        """Return other books every time."""
        rows = [
            self.rng.choice(len(books), size=count, replace=False)
            for books, count in zip(self.books, (self.of_live, self.of_drawn), strict=True)
        ]
        return self.programs.certified(
            np.concatenate([books[some] for books, some in zip(self.books, rows, strict=True)])
        )

    def _entered(self) -> Ints:
        """Return what must be kept and what the programs of some books use when all may be used."""
        found, inside = self._draw(), self.must.copy()
        everything = np.arange(len(self.must))
        self.programs.improve(
            found, everything, rounds=self.settings.entering_rounds, entering=_ENTERING, least=_LEAST
        )
        for used in found.used:
            inside[used] = True
        return np.flatnonzero(inside)

    def _exchanged(self, pool: Ints, most: int, among: Bools, tried: Callable[[], None]) -> Ints:
        """Return so many of a pool or of what else may be used, the most useful first."""
        rounds, start = self.settings.exchange_rounds, max(len(pool), 1)
        joining, fixed = int(self.settings.exchanged * most), int(self.must.sum())
        for turn in range(rounds):
            found = self._draw()
            self.programs.improve(found, pool, rounds=_ROUNDS, entering=_TRIED, least=_LEAST)
            tried()
            if turn:
                pool = np.union1d(pool, self._joining(found, pool, among, joining))
                self.programs.improve(found, pool, rounds=_ROUNDS, entering=_TRIED, least=_LEAST)
                tried()
            book, hedge, rise = self.programs.rises(found, self.must)
            tried()
            counts = _weights(found.charge)[book] * rise / len(found.charge)
            self.worth *= self.settings.remembered
            self.worth += np.bincount(hedge, weights=counts, minlength=len(self.worth))
            ranked = pool[np.lexsort((pool, -np.round(self.worth[pool], 12), ~self.must[pool]))]
            part = (turn + 1) / max(rounds - 1, 1)
            pool = np.sort(ranked[: max(int(start * (most / start) ** part), most, fixed)])
        return ranked[: len(pool)] if rounds else pool

    def _joining(self, found: Certified, pool: Ints, among: Bools, most: int) -> Ints:
        """Return hedges outside a pool that would lower charges most.

        What a hedge pays at a book's prices, times as much of it as the book holds of its dated legs; at most what the
        book is charged over its tail risk.
        """
        outside = among.copy()
        outside[pool] = False
        rows = np.flatnonzero(outside)
        columns, lots = self.columns[rows], self.lots[rows]
        scaled, cost = self.programs.scaled[rows], self.programs.cost[rows]
        size, gain = self.programs.size[rows], np.zeros(len(rows))
        weights = _weights(found.charge)
        for i in range(0, len(found.books), _BOOKS):
            some = slice(i, i + _BOOKS)
            pays = (scaled @ found.prices[some].T - cost[:, None]) * size[:, None]
            held = found.books[some].T
            fits = np.full(pays.shape, np.inf)
            for leg in range(columns.shape[1]):
                np.minimum(
                    fits, held[columns[:, leg]] * lots[:, leg, None], out=fits, where=lots[:, leg, None] != 0
                )
            over = np.maximum(found.charge[some] - 1.0, 0.0)
            gain += np.minimum(np.maximum(fits, 0.0) * np.maximum(pays, 0.0), over) @ weights[some]
        best: Ints = rows[np.argsort(-np.round(gain, 12), kind="stable")[: min(most, int((gain > 0).sum()))]]
        return best


def _binding(candidates: csr_array, spots: int) -> tuple[Ints, Floats]:
    """Return the legs that say how much of a hedge a book holds, dated ones if there are: column, and one over lots.

    Both (A, most legs); a leg that says nothing has 0 for one over lots.
    """
    count = np.diff(candidates.indptr)
    columns = np.zeros((len(count), int(count.max())), dtype=np.int64)
    inverse = np.zeros(columns.shape)
    for leg in range(columns.shape[1]):
        has = count > leg
        at = candidates.indptr[:-1][has] + leg
        columns[has, leg], inverse[has, leg] = candidates.indices[at], 1.0 / candidates.data[at]
    dated = (columns >= spots) & (inverse != 0)
    inverse[dated.any(axis=1)[:, None] & ~dated] = 0.0
    return columns, inverse
