"""Lanes by simpler searches, which the model's is compared with.

Greedy choice among the books' own tail measures; and from there the alternation of Lloyd with Frank-Wolfe steps: every
book belongs, mostly, to the lane that covers it best, every lane goes part of the way to the tail measure of its books,
those that are covered badly counting most, and now and then lanes that cover least begin again at the books worst off.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from tests.support.real_chain import ALPHA, RealChain

from seawall.arrays import Floats
from seawall.margin.shortfall import single_pnl, single_precision, sparse_tails, worst_rows

__all__ = ["SimpleLanes", "simple_lanes"]

_STEPS = (0.0, 0.01, 0.03, 0.07, 0.15, 0.3, 0.6, 1.0)
_CLOSENESS = 30.0  # how much a book belongs to its best lane alone
_WORST = 60  # books that lanes may begin again at, of which so many may at once:
_RESTARTS, _EVERY, _SETTLED = 3, 4, 25
_BATCH = 500
_UNLIKE_LIVE = 0.25  # what a book that nobody holds counts


def simple_lanes(
    found: RealChain, live: Floats, others: Floats, *, count: int
) -> Iterator[tuple[str, Floats, float]]:
    """Yield what was searched, lanes of one lot (count, C) and seconds: for live books, then for them and others.

    All books, (N, C) and (M, C), have an expected shortfall of one.
    """
    both = np.concatenate([live, others]), np.repeat([1.0, _UNLIKE_LIVE], [len(live), len(others)])
    for name, (books, counts), sharpness in (
        ("live", (live, np.ones(len(live))), 8.0),
        ("both", both, 20.0),
    ):
        start = time.perf_counter()
        search = SimpleLanes(found, books, counts)
        lanes = search.greedy(count, sharpness=sharpness)
        yield f"greedy, {name}", lanes, time.perf_counter() - start
        lanes = search.improved(lanes)
        yield f"Frank-Wolfe, {name}", lanes, time.perf_counter() - start


class SimpleLanes:
    """Search lanes for books of expected shortfall one.

    Parameters
    ----------
    found
        Instruments and their joint P&L, C of them.
    books
        Lots, (N, C), of expected shortfall one each.
    counts
        What each book counts, (N,).
    """

    def __init__(self, found: RealChain, books: Floats, counts: Floats) -> None:
        self.books, self.counts = books, counts
        self._pnl, self._weights = found.pnl, found.weights
        turned = single_precision(found.pnl.T)
        self._pnl_of = np.concatenate(
            [single_pnl(books[i : i + _BATCH], turned) for i in range(0, len(books), _BATCH)]
        )
        self._tails = self._values(self._pnl_of)

    def _values(self, pnl: np.typing.NDArray[np.float32]) -> Floats:
        """Return what one lot of each instrument loses or gains in the tails of books, (K, C), from P&L (K, S)."""
        rows, masses = worst_rows(pnl, self._weights, tail=1.0 - ALPHA)
        values: Floats = sparse_tails(rows, masses, len(self._weights)) @ self._pnl
        return values

    def _coverage(self, lanes: Floats) -> Floats:
        covered: Floats = -(lanes @ self.books.T)
        return covered

    def greedy(self, count: int, *, sharpness: float) -> Floats:
        """Return lanes (count, C), each the tail measure of a book that lowers sum exp(-sharpness c) most."""
        candidates = np.maximum(self._coverage(self._tails), 0.0).astype(np.float32)
        best = np.zeros(len(self.books), dtype=np.float32)
        chosen = []
        for _ in range(count):
            cost = np.exp(-sharpness * np.maximum(candidates, best)) @ self.counts
            chosen.append(int(cost.argmin()))
            best = np.maximum(best, candidates[chosen[-1]])
        return self._tails[chosen]

    def improved(
        self, lanes: Floats, *, rounds: int = 150, sharpness: tuple[float, float] = (25.0, 60.0)
    ) -> Floats:
        """Return the best lanes (K, C) of so many rounds from these, while the worst books count more and more."""
        best, best_cost = lanes, np.inf
        for done in range(rounds):
            covered = self._coverage(lanes)
            if (cost := float(self._cost(covered.max(axis=0), sharpness[1]).sum())) < best_cost:
                best, best_cost = lanes, cost
            eta = sharpness[0] + (sharpness[1] - sharpness[0]) * done / rounds
            lanes = self._stepped(lanes, covered, eta)
            if done % _EVERY == _EVERY - 1 and done < rounds - _SETTLED:
                lanes = self._restarted(lanes, eta)
        return best

    def _cost(self, covered: Floats, eta: float) -> Floats:
        cost: Floats = self.counts * np.exp(eta * (1.0 - covered))
        return cost

    def _stepped(self, lanes: Floats, covered: Floats, eta: float) -> Floats:
        """Let every lane go as far to the tail measure of its books as is best for them."""
        owner, least = covered.argmax(axis=0), covered.max(axis=0)
        share = np.exp(_CLOSENESS * (covered - least))
        share *= self._cost(least, eta) / share.sum(axis=0)
        share /= share.max(axis=1, keepdims=True) + 1e-300
        targets = self._values(single_precision(share) @ self._pnl_of)
        aimed = self._coverage(targets)[owner, np.arange(len(owner))]
        costs = [
            np.bincount(owner, self._cost((1.0 - g) * least + g * aimed, eta), len(lanes)) for g in _STEPS
        ]
        step = np.array(_STEPS)[np.argmin(costs, axis=0)][:, None]
        stepped: Floats = (1.0 - step) * lanes + step * targets
        return stepped

    def _restarted(self, lanes: Floats, eta: float) -> Floats:
        """Let lanes that are missed least begin again at books that are covered worst, where that gains more."""
        lanes, covered = lanes.copy(), self._coverage(lanes)
        second, first = np.sort(covered, axis=0)[-2:]
        missed = np.bincount(
            covered.argmax(axis=0), self._cost(second, eta) - self._cost(first, eta), len(lanes)
        )
        starts = self._tails[np.argsort(-self._cost(first, eta))[:_WORST]]
        offered = self._coverage(starts)
        for _ in range(_RESTARTS):
            gains = (self._cost(first, eta) - self._cost(np.maximum(first, offered), eta)).sum(axis=1)
            start, lane = int(gains.argmax()), int(missed.argmin())
            if gains[start] <= missed[lane]:
                break
            lanes[lane], missed[lane] = starts[start], np.inf
            first = np.maximum(first, offered[start])
        return lanes
