"""Frank-Wolfe steps of many test measures at once towards covering many books: how lanes are improved."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seawall.arrays import Floats, Ints
from seawall.margin.shortfall import single_pnl, single_precision, sparse_tails, worst_rows
from seawall.margin.targets import Books, Singles, pressure, total_pressure

__all__ = ["Measures", "greedy_choice", "improved"]

# Steps a measure may take towards its new one.
_STEPS = (0.01, 0.03, 0.07, 0.15, 0.3, 0.6, 1.0)

# How sharply books that several measures cover are shared out among them.
_SHARING = 15.0

# So much of what a measure served before stays in its next direction: otherwise it swings between the same few books.
_MOMENTUM = 0.6

# Worst covered books considered as a new start for a useless measure, and measures moved at once.
_RESEED_CANDIDATES, _RESEED_MOVES = 120, 3

# The last part of the steps moves no measure to another place.
_SETTLING = 0.1

# Steps look at so many books, chosen anew every few steps: more and more of them, after half the steps this part, the
# ones that press hardest; the others are spread evenly. Greedy choice looks at fewer, spread evenly.
_LOOKED_AT, _LOOK_EVERY, _ALL_PRESSING = 1_800, 8, 0.5
_MOST_PRESSING = 0.8
_GREEDY = 1_500


@dataclass(slots=True, kw_only=True)
class Measures:
    """Hold K test measures on some scenarios: probabilities, (K, R), and the P&L they expect, (K, M)."""

    masses: Floats
    values: Floats


def greedy_choice(books: Books, candidates: Ints, *, count: int, sharpness: float) -> Ints:
    """Return the candidates whose tail measures, one by one, are the best addition to those before, (count,)."""
    some = _spread(len(books.units), _GREEDY)
    log_weight = books.log_weight[some]
    most = float(log_weight.max()) + 2.0 * sharpness
    cost = _costs(-(books.means[candidates] @ books.units[some].T), log_weight, sharpness, most)
    current = _costs(np.full(len(some), -1.0), log_weight, sharpness, most)
    chosen = np.empty(count, dtype=np.int64)
    for k in range(count):
        chosen[k] = int(np.minimum(cost, current).sum(axis=1, dtype=np.float64).argmin())
        current = np.minimum(current, cost[chosen[k]])
    picked: Ints = candidates[chosen]
    return picked


def _costs(
    coverage: Floats | Singles, log_weight: Floats | Singles, sharpness: Floats | Singles | float, most: float
) -> Singles:
    """Return `exp(pressure - most)` in single precision; next to nothing is zero."""
    pressed = np.asarray(pressure(coverage, log_weight, np.asarray(sharpness)) - most, dtype=np.float32)
    with np.errstate(under="ignore"):
        found: Singles = np.exp(np.minimum(pressed, np.float32(80.0)))
    return found


def _spread(total: int, count: int) -> Ints:
    """Return so many indices below a total, or all, evenly spaced."""
    count = min(total, count)
    found: Ints = np.arange(count, dtype=np.int64) * total // max(count, 1)
    return found


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
    the cost most; sums are averaged over steps, as in stochastic versions of the method (Mokhtari, Hassani, Karbasi
    2020); and measures of little use restart at badly covered books. Sharpness grows from `softest` to each book's
    own, as temperature falls in deterministic annealing (Rose 1998): soft first, so that books find their measure,
    hard in the end, so that the worst covered count. Of many books a step looks at some, which change: those that press
    hardest, and a sample that counts for all the others.

    All this is in single precision: how good a measure is may hang on it, but not that it is a test measure.

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
    best_cost, best = np.inf, start.masses
    for step in range(steps + 1):
        part = step / max(steps, 1)
        sharpness = first + (last - first) * part
        if step % _LOOK_EVERY == 0 or step == steps:
            covered = search.coverage(search.single).max(axis=0)
            cost = total_pressure(pressure(covered, books.log_weight, last))
            if cost < best_cost:
                best_cost, best = cost, search.masses.copy()
            if step == steps:
                break
            search.look(covered, sharpness, span[0] + (span[1] - span[0]) * part)
        search.step(sharpness)
        if (step + 1) % reseed_every == 0 and step < (1.0 - _SETTLING) * steps:
            search.reseed(sharpness)
    return Measures(masses=best, values=best @ cube)


class _Steps:
    """Carry the measures from step to step, and which books are looked at."""

    def __init__(self, start: Measures, books: Books, cube: Floats, weights: Floats, tail: float) -> None:
        self.masses, self.values = start.masses.copy(), single_precision(start.values)
        self.books, self.cube, self.weights, self.tail = books, cube, weights, tail
        self.turned, self.straight = single_precision(cube.T), single_precision(cube)
        self.single = single_precision(books.units)
        self.means = single_precision(books.means)
        self.steps, self.served = 0, np.zeros_like(self.values)
        self.looks = 0
        self.chosen = np.arange(len(books.units), dtype=np.int64)
        self.units, self.log_weight = self.single, single_precision(books.log_weight)

    def coverage(self, units: Singles) -> Singles:
        """Return `-v_k . w` for every measure and some books, (K, n)."""
        return -single_pnl(self.values, units.T)

    def look(self, covered: Singles, sharpness: Floats, part: float) -> None:
        """Choose the books that steps look at next, by how well each is covered now, (N,)."""
        total = len(self.single)
        if total <= _LOOKED_AT:
            return
        pressed = pressure(covered, self.books.log_weight, sharpness)
        order = np.argsort(-np.asarray(pressed), kind="stable")
        pressing = int(_LOOKED_AT * _MOST_PRESSING * min(part / _ALL_PRESSING, 1.0))
        others = np.sort(order[pressing:])
        # Others that were not looked at before have their turn.
        some = np.roll(others, -self.looks * 7)[_spread(len(others), _LOOKED_AT - pressing)]
        self.looks += 1
        self.chosen = np.concatenate([order[:pressing], some])
        self.units = np.ascontiguousarray(self.single[self.chosen])
        counts = self.books.log_weight[self.chosen]
        counts[pressing:] += np.log(len(others) / len(some))  # each stands for those not looked at
        self.log_weight = single_precision(counts)

    def tails(self, books: Singles) -> tuple[npt.NDArray[np.intp], Floats, Singles]:
        """Return the tails of books (n, M): scenarios and masses, (n, m), and the P&L they expect, (n, M)."""
        rows, masses = worst_rows(single_pnl(books, self.turned), self.weights, tail=self.tail)
        means: Singles = sparse_tails(rows, single_precision(masses), len(self.weights)) @ self.straight
        return rows, masses, means

    @np.errstate(under="ignore")
    def step(self, sharpness: Floats) -> None:
        """Move every measure towards the tail measure of the sum of the books it serves."""
        covered, log_weight = self.coverage(self.units), self.log_weight
        sharp, lanes = single_precision(sharpness[self.chosen]), len(self.values)
        serves, every = covered.argmax(axis=0), np.arange(covered.shape[1])
        before = covered[serves, every]
        most = float(pressure(before, log_weight, sharp).max())
        current = _costs(before, log_weight, sharp, most)
        share = np.exp(np.maximum(np.float32(_SHARING) * (covered - before), np.float32(-50.0)))
        share *= current / share.sum(axis=0)
        share /= np.maximum(share.sum(axis=1, keepdims=True), np.float32(1e-30))
        kept = np.float32(_MOMENTUM if self.steps else 0.0)
        self.served = kept * self.served + (np.float32(1.0) - kept) * single_pnl(share, self.units)
        self.steps += 1
        rows, masses, means = self.tails(self.served)
        after = -np.einsum("nm,nm->n", means[serves], self.units)

        sizes = np.zeros(lanes)
        best = np.bincount(serves, current, lanes)
        for size in _STEPS:
            reached = np.float32(1.0 - size) * before + np.float32(size) * after
            cost = np.bincount(serves, _costs(reached, log_weight, sharp, most), lanes)
            better = cost < best
            sizes[better], best = size, np.minimum(best, cost)
        self.masses *= (1.0 - sizes)[:, None]
        self.masses[np.arange(lanes)[:, None], rows] += sizes[:, None] * masses
        move = single_precision(sizes)[:, None]
        self.values = (np.float32(1.0) - move) * self.values + move * means

    @np.errstate(under="ignore")
    def reseed(self, sharpness: Floats) -> None:
        """Restart measures whose loss costs least at the books whose own tail measure gains most."""
        covered, log_weight = self.coverage(self.units), self.log_weight
        sharp = single_precision(sharpness[self.chosen])
        serves, every = covered.argmax(axis=0), np.arange(covered.shape[1])
        best = covered[serves, every]
        most = float(pressure(best, log_weight, sharp).max())
        current = _costs(best, log_weight, sharp, most)
        covered[serves, every] = -np.inf
        without = _costs(covered.max(axis=0), log_weight, sharp, most)
        loss = np.bincount(serves, without - current, len(covered))
        worst = np.argsort(-current, kind="stable")[:_RESEED_CANDIDATES]
        means = self.means[self.chosen[worst]]
        offered = _costs(-single_pnl(means, self.units.T), log_weight, sharp, most)
        for _ in range(_RESEED_MOVES):
            gain = np.maximum(current - offered, 0.0).sum(axis=1)
            pick, lane = int(gain.argmax()), int(loss.argmin())
            if gain[pick] <= 0.7 * loss[lane]:
                return
            rows, masses, means = self.tails(self.units[worst[pick : pick + 1]])
            self.masses[lane] = 0.0
            self.masses[lane, rows[0]] = masses[0]
            self.values[lane] = means[0]
            current = np.minimum(current, offered[pick])
            loss[lane] = np.inf
