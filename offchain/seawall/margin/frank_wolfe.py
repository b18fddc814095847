"""Frank-Wolfe steps of many test measures at once towards covering many books: how lanes are improved."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from seawall.arrays import Floats, Ints
from seawall.margin.shortfall import single_pnl, single_precision, worst_rows

__all__ = ["Books", "Measures", "greedy_choice", "improved", "priced_books", "reduced_rows", "urgency"]

# Steps a measure may take towards its new one.
_STEPS = (0.01, 0.03, 0.07, 0.15, 0.3, 0.6, 1.0)

# How sharply books that several measures cover are shared out among them.
_SHARING = 15.0

# Worst covered books considered as a new start for a useless measure, and measures moved at once.
_RESEED_CANDIDATES, _RESEED_MOVES = 60, 3

# The last part of the steps moves no measure to another place.
_SETTLING = 0.1

# A scenario counts if it is among so many times a tail's depth of the worst, for more than one in so many books.
_DEPTH, _BOOKS_A_ROW = 1.5, 800

# Books evaluated at once.
_BATCH = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Hold books to cover, each of expected shortfall one.

    Attributes
    ----------
    units
        (N, M).
    means
        P&L of every instrument under each book's own tail measure, (N, M).
    log_weight
        Logarithm of what a book counts, (N,).
    sharpness
        Exponent of its soft minimum at the last step, (N,).
    """

    units: Floats
    means: Floats
    log_weight: Floats
    sharpness: Floats

    @classmethod
    def joined(cls, parts: "list[Books]") -> "Books":
        """Return books of several lists as one."""
        return cls(
            units=np.concatenate([part.units for part in parts]),
            means=np.concatenate([part.means for part in parts]),
            log_weight=np.concatenate([part.log_weight for part in parts]),
            sharpness=np.concatenate([part.sharpness for part in parts]),
        )


@dataclass(slots=True, kw_only=True)
class Measures:
    """Hold K test measures on some scenarios: probabilities, (K, R), and the P&L they expect, (K, M)."""

    masses: Floats
    values: Floats


def urgency(coverage: Floats, log_weight: Floats, sharpness: Floats) -> Floats:
    """Return `weight exp(sharpness (1 - c))`, the cost of covering a book at c; c counts from -1 up."""
    cost: Floats = np.exp(log_weight + sharpness * (1.0 - np.maximum(coverage, -1.0)))
    return cost


def reduced_rows(cube: Floats, books: Floats, weights: Floats, *, tail: float) -> Ints:
    """Return the scenarios that are among the worst for some of the books, increasing, (R,).

    A measure on part of the scenarios is one on all of them, so leaving some out costs quality at most.

    Parameters
    ----------
    cube
        P&L of one unit, (S, M).
    books
        (N, M).
    weights
        Probabilities, (S,).
    tail
        Probability of a tail.
    """
    deep = int(np.searchsorted(np.cumsum(np.sort(weights)), tail)) + 1
    count = min(int(_DEPTH * deep) + 1, len(cube))
    turned = single_precision(cube.T)
    seen = np.zeros(len(cube), dtype=np.int64)
    for i in range(0, len(books), _BATCH):
        pnl = single_pnl(books[i : i + _BATCH], turned)
        seen += (pnl <= np.partition(pnl, count - 1, axis=1)[:, count - 1 : count]).sum(axis=0)
    rows: Ints = np.flatnonzero(seen > len(books) // _BOOKS_A_ROW).astype(np.int64)
    return rows if weights[rows].sum() > 3.0 * tail else np.arange(len(cube), dtype=np.int64)


def priced_books(cube: Floats, weights: Floats, books: Floats, *, tail: float) -> tuple[Floats, Floats]:
    """Return the expected shortfall of books and the P&L of every instrument in their tails, (N,) and (N, M).

    The scenarios of a tail are found in single precision: where two are as bad to seven digits, the wrong one may be
    taken. The tail is a test measure all the same, so the shortfall errs, if at all, to below.
    """
    shortfall, means = np.empty(len(books)), np.empty(books.shape)
    turned = single_precision(cube.T)
    for i in range(0, len(books), _BATCH):
        batch = books[i : i + _BATCH]
        rows, masses = worst_rows(single_pnl(batch, turned), weights, tail=tail)
        means[i : i + _BATCH] = _sparse(rows, masses, len(cube)) @ cube
        shortfall[i : i + _BATCH] = -np.einsum("nm,nm->n", means[i : i + _BATCH], batch)
    return shortfall, means


def _sparse(rows: npt.NDArray[np.intp], masses: Floats, scenarios: int) -> csr_array:
    """Return tails as sparse measures, (n, S)."""
    ends = np.arange(len(rows) + 1) * rows.shape[1]
    return csr_array((masses.ravel(), rows.ravel(), ends), shape=(len(rows), scenarios))


def greedy_choice(books: Books, candidates: Ints, *, count: int, sharpness: float) -> Ints:
    """Return the candidates whose tail measures, one by one, are the best addition to those before, (count,)."""
    cost = urgency(-(books.means[candidates] @ books.units.T), books.log_weight, np.array(sharpness))
    current = urgency(np.full(len(books.units), -1.0), books.log_weight, np.array(sharpness))
    chosen = np.empty(count, dtype=np.int64)
    for k in range(count):
        chosen[k] = int(np.minimum(cost, current).sum(axis=1).argmin())
        current = np.minimum(current, cost[chosen[k]])
    picked: Ints = candidates[chosen]
    return picked


def improved(
    start: Measures,
    books: Books,
    cube: Floats,
    weights: Floats,
    *,
    tail: float,
    steps: int,
    softest: float,
    reseed_every: int,
    span: tuple[float, float] = (0.0, 1.0),
) -> Measures:
    """Return measures that cover the books better, the best that were seen.

    Minimises `sum over books of weight exp(sharpness (1 - max_k c_k))`, c_k the coverage by measure k. Every book is
    shared out softly among the measures that cover it; every measure moves towards the tail measure of the weighted
    sum of its books, which is the linear oracle over all test measures (Frank, Wolfe 1956), by the step that lowers
    the cost most; and measures of little use restart at badly covered books. Sharpness grows from `softest` to each
    book's own, as temperature falls in deterministic annealing (Rose 1998): soft first, so that books find their
    measure, hard in the end, so that the worst covered count.

    Sums of books are priced in single precision: which scenarios are worst may hang on that, and with them how good a
    measure is, but not that it is a test measure.

    Parameters
    ----------
    start
        On the scenarios of `cube`; not changed.
    books
        To be covered.
    cube, weights
        P&L of one unit, (R, M), and probabilities, (R,), of scenarios that may be part of all.
    tail
        `1 - alpha`.
    steps
        How many.
    softest
        Sharpness at the start of annealing.
    reseed_every
        Steps between restarts.
    span
        Which part of the way from there to each book's own sharpness to go.
    """
    first, last = (softest + (books.sharpness - softest) * part for part in span)
    search = _Steps(start, books, cube, weights, tail)
    best_cost, best = np.inf, (start.masses, start.values)
    for step in range(steps + 1):
        covered = search.covered()
        cost = float(urgency(covered.max(axis=0), books.log_weight, last).sum())
        if cost < best_cost:
            best_cost, best = cost, (search.masses.copy(), search.values.copy())
        if step == steps:
            break
        sharpness = first + (last - first) * step / steps
        search.step(covered, sharpness)
        if (step + 1) % reseed_every == 0 and step < (1.0 - _SETTLING) * steps:
            search.reseed(sharpness)
    return Measures(masses=best[0], values=best[1])


class _Steps:
    """Carry the measures from step to step."""

    def __init__(self, start: Measures, books: Books, cube: Floats, weights: Floats, tail: float) -> None:
        self.masses, self.values = start.masses.copy(), start.values.copy()
        self.books, self.cube, self.weights, self.tail = books, cube, weights, tail
        self.turned = single_precision(cube.T)
        self.single = single_precision(books.units)

    def covered(self) -> Floats:
        """Return `-v_k . w` for every measure and book, (K, N)."""
        return -(self.values @ self.books.units.T)

    def tails(self, books: npt.NDArray[np.float32]) -> csr_array:
        """Return the tail measures of books in single precision, (n, M), as sparse rows, (n, R)."""
        rows, masses = worst_rows(single_pnl(books, self.turned), self.weights, tail=self.tail)
        return _sparse(rows, masses, len(self.weights))

    def step(self, covered: Floats, sharpness: Floats) -> None:
        """Move every measure towards the tail measure of the sum of the books it serves."""
        lanes, log_weight = len(covered), self.books.log_weight
        serves = covered.argmax(axis=0)
        before = np.take_along_axis(covered, serves[None], axis=0)[0]
        share = np.exp(np.maximum(_SHARING * (covered - before), -50.0))
        share *= urgency(before, log_weight, sharpness) / share.sum(axis=0)
        share /= share.max(axis=1, keepdims=True)
        targets = self.tails(single_pnl(share, self.single))
        means = targets @ self.cube
        after = -np.einsum("nm,nm->n", means[serves], self.books.units)

        sizes = np.zeros(lanes)
        best = np.bincount(serves, urgency(before, log_weight, sharpness), lanes)
        for size in _STEPS:
            reached = urgency((1.0 - size) * before + size * after, log_weight, sharpness)
            cost = np.bincount(serves, reached, lanes)
            better = cost < best
            sizes[better], best = size, np.minimum(best, cost)
        self.masses *= (1.0 - sizes)[:, None]
        for k, (low, high) in enumerate(pairwise(targets.indptr)):
            self.masses[k, targets.indices[low:high]] += sizes[k] * targets.data[low:high]
        self.values = (1.0 - sizes)[:, None] * self.values + sizes[:, None] * means

    def reseed(self, sharpness: Floats) -> None:
        """Restart measures whose loss costs least at the books whose own tail measure gains most."""
        covered, log_weight = self.covered(), self.books.log_weight
        ranked = np.partition(covered, len(covered) - 2, axis=0)[-2:]
        serves = covered.argmax(axis=0)
        current = urgency(ranked[1], log_weight, sharpness)
        loss = np.bincount(serves, urgency(ranked[0], log_weight, sharpness) - current, len(covered))
        worst = np.argsort(-current, kind="stable")[:_RESEED_CANDIDATES]
        offered = urgency(-(self.books.means[worst] @ self.books.units.T), log_weight, sharpness)
        for _ in range(_RESEED_MOVES):
            gain = np.maximum(current - offered, 0.0).sum(axis=1)
            pick, lane = int(gain.argmax()), int(loss.argmin())
            if gain[pick] <= 0.7 * loss[lane]:
                return
            seed = self.tails(self.single[worst[pick : pick + 1]])
            self.masses[lane] = seed.toarray()[0]
            self.values[lane] = (seed @ self.cube)[0]
            current = np.minimum(current, offered[pick])
            loss[lane] = np.inf
