"""Certificates of least cost from very many hedges: a linear program a book, solved on the few that matter to it.

Column generation (Gilmore, Gomory 1961): the prices of a book's program say which hedges outside it would lower the
charge. What a book would lose without one of its hedges is the same program once more from where it ended, a few steps
of the dual simplex: HiGHS (Huangfu, Hall 2018), asked directly, starts from any basis.
"""

from dataclasses import dataclass

import highspy
import numpy as np
from scipy.sparse import csr_array

from seawall.arrays import Bools, Floats, Ints

__all__ = ["Certified", "HedgePrograms"]

# Books priced at once.
_BATCH = 64

# Least share of a program's book that a hedge in use covers.
_USED = 1e-12


@dataclass(slots=True)
class Certified:
    """Hold what the programs of N books found.

    Attributes
    ----------
    books
        Lots, (N, C).
    charge
        U of each, (N,).
    prices
        What a lot of each instrument is charged, in units of its leg, (N, C).
    tried
        The hedges in the program of each book.
    used
        Those of them that are used.
    """

    books: Floats
    charge: Floats
    prices: Floats
    tried: list[Ints]
    used: list[Ints]


class HedgePrograms:
    """Carry hedges, what they cost, and the solver.

    Parameters
    ----------
    candidates
        Lots of each hedge, (A, C).
    shortfall
        Tail risk of each, (A,).
    legs
        Of one lot held long and short, (2, C).
    """

    def __init__(self, candidates: csr_array, shortfall: Floats, legs: Floats) -> None:
        # In units of a leg, and of a hedge's legs, so that the solver's absolute tolerances mean something.
        self.unit = np.maximum(legs.max(axis=0), 1e-12 * max(float(legs.max()), 1e-300))
        self.size = np.maximum(abs(candidates) @ self.unit, 1e-300)
        scaled = candidates.multiply(self.unit[None, :]).multiply((1.0 / self.size)[:, None])
        self.scaled, self.legs = csr_array(scaled), legs
        self.cost = shortfall / self.size
        self.alone = np.concatenate([legs[0] / self.unit, legs[1] / self.unit])
        self.solver = highspy.Highs()  # type: ignore[no-untyped-call]
        for option, value in (("output_flag", False), ("presolve", "off"), ("threads", 1)):
            self.solver.setOptionValue(option, value)

    def certified(self, books: Floats) -> Certified:
        """Return books, (N, C), none of them empty, as charged by legs alone."""
        long, short = self.legs
        return Certified(
            books=books,
            charge=np.maximum(books, 0.0) @ long + np.maximum(-books, 0.0) @ short,
            prices=np.where(books > 0, long, np.where(books < 0, -short, 0.0)) / self.unit,
            tried=[np.empty(0, dtype=np.int64)] * len(books),
            used=[np.empty(0, dtype=np.int64)] * len(books),
        )

    def improve(self, found: Certified, pool: Ints, *, rounds: int, entering: int, least: float) -> None:
        """Certify books from a pool alone: in every round the hedges that pay most at a book's prices join its program.

        Parameters
        ----------
        found
            From `certified`; what books use of the pool already stays in their programs.
        pool
            Hedges that may be used, ascending.
        rounds
            At most so many times.
        entering
            Hedges that join a program in a round.
        least
            A book to which no hedge pays so much of its legs is done.
        """
        inside = np.zeros(len(self.size), dtype=np.bool_)
        inside[pool] = True
        found.tried = [used[inside[used]] for used in found.used]
        left = np.arange(len(found.books))
        for turn in range(rounds if len(pool) else 0):
            open_ = []
            for i in range(0, len(left), _BATCH):
                some = left[i : i + _BATCH]
                pays = self.scaled[pool] @ found.prices[some].T - self.cost[pool][:, None]
                most = min(entering, len(pool))
                best = np.argpartition(-pays, most - 1, axis=0)[:most]
                worth = pays.max(axis=0, initial=-np.inf) > least
                for book, joins, unsettled in zip(some.tolist(), pool[best].T, worth, strict=True):
                    if unsettled or not turn:
                        found.tried[book] = np.union1d(found.tried[book], joins)
                        open_.append(book)
            left = np.array(open_, dtype=np.int64)
            for book in left.tolist():
                self._solve(found, book)

    def rises(self, found: Certified, spared: Bools) -> tuple[Ints, Ints, Floats]:
        """Return what books are charged more without one hedge they use, the others at hand: (book, hedge, rise).

        Parameters
        ----------
        found
            After `improve`.
        spared
            Hedges that stay whatever they save, (A,): these are left out.
        """
        rows: list[tuple[int, int, float]] = []
        for book, tried in enumerate(found.tried):
            total = self._solve(found, book)
            charge, basis = found.charge[book], self.solver.getBasis()
            used = found.used[book]
            for place in np.searchsorted(tried, used[~spared[used]]).tolist():
                self.solver.changeColBounds(place, 0.0, 0.0)
                self.solver.setBasis(basis)
                self.solver.run()
                rise = self.solver.getObjectiveValue() * total - charge
                rows.append((book, int(tried[place]), max(rise, 0.0)))
                self.solver.changeColBounds(place, 0.0, highspy.kHighsInf)
        books, hedges, values = zip(*rows, strict=True) if rows else ((), (), ())
        return np.array(books, np.int64), np.array(hedges, np.int64), np.array(values, np.float64)

    def _solve(self, found: Certified, book: int) -> float:
        """Solve the program of one book, and return the sum of its legs, which its charges are a fraction of."""
        tried, count = found.tried[book], len(self.unit)
        some = self.scaled[tried]
        held = found.books[book] * self.unit
        total = float(np.abs(held).sum())
        program = highspy.HighsLp()
        program.num_col_, program.num_row_ = len(tried) + 2 * count, count
        program.col_cost_ = np.concatenate([self.cost[tried], self.alone])
        program.col_lower_ = np.zeros(len(tried) + 2 * count)
        program.col_upper_ = np.full(len(tried) + 2 * count, highspy.kHighsInf)
        program.row_lower_ = program.row_upper_ = held / total
        matrix = program.a_matrix_
        matrix.format_ = highspy.MatrixFormat.kColwise
        # Rows of hedges are columns of the program; behind them one column for each leg held long, and held short.
        eye = np.tile(np.arange(count), 2)
        matrix.start_ = np.concatenate([some.indptr, some.indptr[-1] + 1 + np.arange(2 * count)]).astype(
            np.int32
        )
        matrix.index_ = np.concatenate([some.indices, eye]).astype(np.int32)
        matrix.value_ = np.concatenate([some.data, np.repeat([1.0, -1.0], count)])
        self.solver.passModel(program)
        self.solver.run()
        solution = self.solver.getSolution()
        found.prices[book] = solution.row_dual
        found.used[book] = tried[np.array(solution.col_value[: len(tried)]) > _USED]
        found.charge[book] = self.solver.getObjectiveValue() * total
        return total
