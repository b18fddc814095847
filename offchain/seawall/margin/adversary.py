"""The book for which given lanes are worst, found by a sequence of linear programs."""

import numpy as np

from seawall.arrays import Floats
from seawall.margin.dense_programs import solve_dense
from seawall.margin.shortfall import book_shortfall, worst_rows

__all__ = ["worst_book", "worst_books"]


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
    found, ratios = worst_books(
        pnl,
        weights,
        lanes,
        alpha=alpha,
        starts=starts,
        long_es=long_es,
        short_es=short_es,
        maximum_gross=maximum_gross,
        rounds=rounds,
    )
    best = int(ratios.argmin())
    return found[best], float(ratios[best])


def worst_books(
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
) -> tuple[Floats, Floats]:
    """Return for every start a book of high expected shortfall per unit of lane bound, (N, M), and its `L / ES`, (N,).

    Where no program finds one the ratio is infinite. Parameters as for `worst_book`.
    """
    instruments = pnl.shape[1]
    legs = np.concatenate([long_es, short_es])
    limits = np.concatenate([np.concatenate([-lanes, lanes], axis=1), legs[None]])
    bounds = np.concatenate([np.ones(len(lanes)), [maximum_gross]])
    _, means = book_shortfall(pnl, weights, starts, alpha=alpha)
    turned = np.ascontiguousarray(pnl.T)
    found, ratios = starts.copy(), np.full(len(starts), np.inf)
    for i, mean in enumerate(means):
        direction, last = mean, np.inf
        for _ in range(rounds):
            # Scaled to unit size: the objective's scale is free, and the solver's tolerances are absolute.
            scaled = direction / np.abs(direction).max()
            solved = solve_dense(
                np.concatenate([scaled, -scaled]),
                limits,
                lower=np.full(len(bounds), -np.inf),
                upper=bounds,
                least=np.zeros(2 * instruments),
                most=np.full(2 * instruments, np.inf),
            )
            if solved is None:
                break
            book: Floats = solved[:instruments] - solved[instruments:]
            rows, masses = worst_rows((book @ turned)[None], weights, tail=1.0 - alpha)
            tail_mean = masses[0] @ pnl[rows[0]]
            shortfall = -float(tail_mean @ book)
            if shortfall <= 0:
                break
            ratio = float((-(lanes @ book)).max() / shortfall)
            if ratio < ratios[i]:
                found[i], ratios[i] = book / shortfall, ratio
            if ratio > last - 1e-4:
                break
            direction, last = tail_mean, ratio
    return found, ratios
