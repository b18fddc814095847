"""The selection of atoms over many books: done when listings or deltas have moved, then repriced every epoch.

Which of a hundred thousand hedges to post is a linear program a book. Column generation (Gilmore, Gomory 1961) finds
those that matter: the prices of a book's program on a small pool say which hedges outside it would lower the charge.
Then the pool is thinned out step by step: reweighting (Candes, Wakin, Boyd 2008) lets books share what others use.
"""

from collections.abc import Callable, Collection, Sequence

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array, hstack, identity

from seawall.arrays import Bools, Floats, Ints, checked
from seawall.margin.atoms import first_hedges, structure_books
from seawall.margin.settings import AtomSettings
from seawall.margin.shortfall import shortfall_alone, single_pnl, single_precision, sparse_tails, worst_rows
from seawall.margin.structures import Legs

__all__ = ["select_hedges"]

# Hedges evaluated at once.
_BATCH = 256

# New hedges a book may bring into the pool in a round, if they lower its charge by so much of their legs.
_ENTERING, _LEAST_VIOLATION = 15, 1e-4

# A hedge without risk is always kept.
_RISKLESS = 1e-9

# Books whose tail risk is less than this part of their legs are charged by floors.
_LEAST_OF_GROSS = 0.02


def select_hedges(
    pnl: Floats,
    weights: Floats,
    legs: Floats,
    library: Sequence[Legs],
    books: Floats,
    *,
    alpha: float,
    settings: AtomSettings,
    spots: int,
    always: Collection[Legs] = (),
    progress: Callable[[int, int], None] | None = None,
) -> list[Legs]:
    """Return hedges that certify books at least cost, the last to be given up first, so that any prefix is a selection.

    First the best hedge of everything dated with its spot, on either side, what has no risk, and what is asked for. The
    others are ranked by how long they stay while the pool is thinned out to a fraction at a time by what they save,
    over the tail risk of the books that use them; books charged more count more.

    Parameters
    ----------
    pnl, weights
        P&L of one lot, the spots first, (S, C), and scenario probabilities, (S,).
    legs
        Expected shortfall of one lot held long and short, (2, C), not negative.
    library
        `hedge_library`; tried on both sides.
    books
        Books to certify in lots, (N, C): live ones and others as people hold them. Those that floors charge, of next to
        no tail risk, are left out.
    alpha
        Level of the expected shortfall.
    settings
        Least saving and effort.
    spots
        How many of the columns, the first ones, are spots.
    always
        Hedges to keep on both sides, however little they save.
    progress
        Called with linear programs solved so far, and how many there will be at most.
    """
    cube = checked(pnl, name="pnl", shape=(None, None))
    held = checked(books, name="books", shape=(None, cube.shape[1]))
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
    exact = shortfall_alone(cube, weights, held, alpha=alpha)
    total = np.maximum(held, 0.0) @ legs[0] + np.maximum(-held, 0.0) @ legs[1]
    tried = (exact >= _LEAST_OF_GROSS * total) & (exact > 0)
    must = asked[kept] | (shortfall[kept] <= _RISKLESS * gross[kept])
    must[sorted(first_hedges(candidates[kept], 1.0 - shortfall[kept] / gross[kept], spots))] = True
    chosen = _Selection(
        candidates[kept], shortfall[kept], gross[kept], legs, held[tried] / exact[tried, None], must, settings
    )
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


class _Program:
    """The certificate of least cost from a pool of hedges: one matrix, many books."""

    def __init__(self, pool: csr_array, cost: Floats, legs: Floats) -> None:
        # In units of a leg, and of a hedge's legs, so that the solver's absolute tolerances mean something.
        self.unit = np.maximum(legs.max(axis=0), 1e-12 * max(float(legs.max()), 1e-300))
        self.size = np.maximum(abs(pool) @ self.unit, 1e-300)
        scaled = pool.multiply(self.unit[None, :]).multiply((1.0 / self.size)[:, None]).T
        eye = identity(len(self.unit), format="csc")
        self.matrix = hstack([scaled.tocsc(), eye, -eye], format="csc")
        self.costs = np.concatenate([cost / self.size, legs[0] / self.unit, legs[1] / self.unit])

    def solve(self, book: Floats) -> tuple[Floats, Floats]:
        """Return how much of each hedge is used, (A,), and what a lot of each instrument is charged, (C,)."""
        held = book * self.unit
        total = float(np.abs(held).sum())
        # Of so small a program nothing is worth removing first: presolving takes longer than it saves.
        solved = linprog(
            self.costs,
            A_eq=self.matrix,
            b_eq=held / total,
            method="highs-ds",
            options={"presolve": False},
        )
        if solved.x is None:
            return np.zeros(len(self.size)), np.zeros(len(self.unit))
        used: Floats = np.maximum(solved.x[: len(self.size)], 0.0) * total / self.size
        return used, solved.eqlin.marginals * self.unit


class _Selection:
    """Carry the candidates and the books, of tail risk one, that they are tried on."""

    def __init__(
        self,
        candidates: csr_array,
        shortfall: Floats,
        gross: Floats,
        legs: Floats,
        books: Floats,
        must: Bools,
        settings: AtomSettings,
    ) -> None:
        self.candidates, self.shortfall, self.gross = candidates, shortfall, gross
        self.legs, self.books, self.must, self.settings = legs, books, must, settings

    def ranked(self, progress: Callable[[int, int], None]) -> Ints:
        """Return candidates, the last to be given up first; those that no book uses are left out."""
        passes = self.settings.entering_rounds + self.settings.thinning_rounds
        done = 0

        def solved() -> None:
            nonlocal done
            done += 1
            progress(done, passes * len(self.books))

        pool = self._entered(solved)
        given_up: list[Ints] = []
        penalty = np.zeros(len(pool))
        for _ in range(self.settings.thinning_rounds):
            score = self._score(pool, penalty, solved)
            used = score > 0
            if used.any():
                penalty = self.settings.sharing / (1.0 + score / float(np.median(score[used])))
            order = np.lexsort((pool, -score, ~self.must[pool]))
            room = max(int(self.settings.thinning * len(pool)), int(self.must[pool].sum()))
            given_up.append(pool[order[room:]])
            stays = np.sort(order[:room])
            pool, penalty, last = pool[stays], penalty[stays], pool[order[:room]]
        ranks = [last if self.settings.thinning_rounds else pool, *reversed(given_up)]
        found: Ints = np.concatenate(ranks).astype(np.int64)
        return found

    def _entered(self, solved: Callable[[], None]) -> Ints:
        """Return the candidates that programs use when nearly all may be, found by their prices."""
        inside = self.must.copy()
        for turn in range(self.settings.entering_rounds):
            pool = np.flatnonzero(inside)
            program = _Program(self.candidates[pool], self.shortfall[pool], self.legs)
            used, charged = np.zeros(len(pool)), np.empty(self.books.shape)
            for i, book in enumerate(self.books):
                lots, charged[i] = program.solve(book)
                used += lots > 0
                solved()
            inside = self.must.copy()
            inside[pool[used > 0]] = True
            if turn == self.settings.entering_rounds - 1:
                break
            for i in range(0, len(charged), _BATCH):
                some = charged[i : i + _BATCH]
                excess = (self.candidates @ some.T - self.shortfall[:, None]) / self.gross[:, None]
                most = min(_ENTERING, len(excess))
                best = np.argpartition(-excess, most - 1, axis=0)[:most]
                inside[best[np.take_along_axis(excess, best, axis=0) > _LEAST_VIOLATION]] = True
        return np.flatnonzero(inside).astype(np.int64)

    def _score(self, pool: Ints, penalty: Floats, solved: Callable[[], None]) -> Floats:
        """Return what each of a pool saves over all books, (P,), those charged more counting more."""
        some, shortfall = self.candidates[pool], self.shortfall[pool]
        program = _Program(some, shortfall * (1.0 + penalty), self.legs)
        saving, score = self.gross[pool] - shortfall, np.zeros(len(pool))
        turned = some.T.tocsr()
        for book in self.books:
            used, _ = program.solve(book)
            rest = book - turned @ used
            charge = (
                used @ shortfall + np.maximum(rest, 0) @ self.legs[0] + np.maximum(-rest, 0) @ self.legs[1]
            )
            score += used * saving * charge**2
            solved()
        return np.round(score, 9)
