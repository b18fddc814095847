"""The book for which given lanes are worst, found by a sequence of linear programs."""

import numpy as np
from scipy.optimize import linprog

from seawall.arrays import Floats
from seawall.margin.shortfall import book_shortfall

__all__ = ["worst_book"]


def worst_book(
    pnl: Floats,
    weights: Floats,
    lanes: Floats,
    *,
    alpha: float,
    starts: Floats,
    long_es: Floats,
    short_es: Floats,
    maximum_gross: float,
    rounds: int = 5,
) -> tuple[Floats, float]:
    """Return a book of high expected shortfall per unit of lane bound, and its `L / ES`.

    Maximises ES over `{w: -v_k . w <= 1 for all k, gross legs <= maximum_gross}`. ES is convex, so each
    round maximises its linear minorant at the last book, `-v_Q . w` with Q that book's tail measure; the
    value never falls.

    Parameters
    ----------
    pnl, weights
        P&L of one unit of each instrument, (S, M), and scenario probabilities, (S,).
    lanes
        Lane P&L, (K, M).
    alpha
        Level of the expected shortfall.
    starts
        Books to start from, (N, M).
    long_es, short_es
        Positive expected shortfall of one unit held long and short, (M,).
    maximum_gross
        Limit on the legs' sum for a book whose lane bound is one.
    rounds
        Linear programs per start.
    """
    instruments = pnl.shape[1]
    legs = np.concatenate([long_es, short_es])
    limits = np.concatenate([np.concatenate([-lanes, lanes], axis=1), legs[None]])
    bounds = np.concatenate([np.ones(len(lanes)), [maximum_gross]])
    _, means = book_shortfall(pnl, weights, starts, alpha=alpha)
    best, best_ratio = starts[0], np.inf
    for mean in means:
        direction, last = mean, np.inf
        for _ in range(rounds):
            # Scaled to unit size: the objective's scale is free, and the solver's tolerances are absolute.
            scaled = direction / np.abs(direction).max()
            solved = linprog(np.concatenate([scaled, -scaled]), A_ub=limits, b_ub=bounds, method="highs")
            if solved.x is None:
                break
            book: Floats = solved.x[:instruments] - solved.x[instruments:]
            shortfall, tail_mean = book_shortfall(pnl, weights, book[None], alpha=alpha)
            if shortfall[0] <= 0:
                break
            ratio = float((-(lanes @ book)).max() / shortfall[0])
            if ratio < best_ratio:
                best, best_ratio = book / shortfall[0], ratio
            if ratio > last - 1e-4:
                break
            direction, last = tail_mean[0], ratio
    return best, best_ratio
