"""A bound on what any lanes can do: books of which no two can share a lane need one each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from tests.support.real_chain import ALPHA, RealChain

from seawall.arrays import Bools, Floats
from seawall.margin.shortfall import single_precision, worst_rows

__all__ = ["clique", "midpoints"]


def midpoints(found: RealChain, books: Floats, step: Callable[[int, int], None]) -> Floats:
    """Return the expected shortfall of the midpoint of any two books of tail risk one, (N, N)."""
    pnl = single_precision(books @ found.pnl.T)
    risk = np.ones((len(books), len(books)))
    for i in range(len(books) - 1):
        both = 0.5 * (pnl[i] + pnl[i + 1 :])
        rows, masses = worst_rows(both, found.weights, tail=1.0 - ALPHA)
        losses = -np.take_along_axis(both, rows, axis=1).astype(np.float64)
        risk[i, i + 1 :] = risk[i + 1 :, i] = np.einsum("nm,nm->n", masses, losses)
        step(i + 2, len(books))
    return risk


def clique(apart: Bools, *, tries: int = 200) -> int:
    """Return the size of a large set of books no two of which can share a lane: so many lanes are needed at least."""
    rng, best = np.random.default_rng(0), 0
    for attempt in range(tries):
        left, size = np.arange(len(apart)), 0
        while len(left):
            noise = 3 * rng.random(len(left)) if attempt else 0.0
            pick = left[(apart[np.ix_(left, left)].sum(axis=1) + noise).argmax()]
            left, size = left[apart[pick, left]], size + 1
        best = max(best, size)
    return best
