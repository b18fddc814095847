"""The last touch on lanes: linear programs that raise the worst covered of the books that matter most."""

import numpy as np
from scipy.optimize import linprog

from seawall.arrays import Bools, Floats, Ints
from seawall.margin.frank_wolfe import Books, Measures
from seawall.margin.shortfall import worst_rows

__all__ = ["polished"]

# Least gain of a program that is taken, and how many lanes a book is tried on.
_GAIN, _LANES_A_BOOK = 1e-3, 3

# Books covered so well are left alone.
_ENOUGH = 0.99

# Books this close above the worst covered one are raised with it; the others may lose so much.
_MARGIN, _SLACK = 0.02, 0.05

# Scenarios that a program may use: so many times a tail's depth of the worst of each of its books.
_DEPTH = 2.0


def polished(
    start: Measures, books: Books, cube: Floats, weights: Floats, *, tail: float, programs: int
) -> Measures:
    """Return measures under which the worst covered of the sharpest books are covered better, found one by one.

    A lane that serves the worst covered book is replaced by the test measure that covers best, in the minimum, this
    book and those that need the lane about as badly, while others that it serves lose little: a linear program.

    Parameters
    ----------
    start
        Measures on the scenarios of `cube`; not changed.
    books
        To be covered; those of the largest sharpness are raised.
    cube, weights
        P&L of one unit, (R, M), and probabilities, (R,), of scenarios that may be part of all.
    tail
        `1 - alpha`.
    programs
        At most so many.
    """
    found = Measures(masses=start.masses.copy(), values=start.values.copy())
    covered = -(found.values @ books.units.T)
    sharp: Bools = books.sharpness == books.sharpness.max()
    given_up, solved = np.zeros(len(sharp), dtype=np.bool_), 0
    while solved < programs and (sharp & ~given_up).any():
        top = covered.max(axis=0)
        worst = int(np.where(sharp & ~given_up, top, np.inf).argmin())
        if top[worst] > _ENOUGH:
            break
        given_up[worst] = True
        for lane in np.argsort(-covered[:, worst], kind="stable")[:_LANES_A_BOOK].tolist():
            others = np.delete(covered, lane, axis=0).max(axis=0, initial=-1.0)
            served = covered[lane] >= top
            raised = sharp & served & (others < top[worst] + _MARGIN)
            raised[worst] = True
            kept = ~raised & served & (others < top - _SLACK)
            least = np.where(raised, 0.0, top - _SLACK - top[worst])
            chosen = np.flatnonzero(raised | kept)
            solved += 1
            masses = _best_measure(books.units[chosen], least[chosen], cube, weights, tail=tail)
            values = masses @ cube
            if float(-(books.units[raised] @ values).max()) > top[worst] + _GAIN:
                found.masses[lane], found.values[lane] = masses, values
                covered[lane] = -(books.units @ values)
                given_up[worst] = False
                break
            if solved >= programs:
                break
    return found


def _best_measure(units: Floats, least: Floats, cube: Floats, weights: Floats, *, tail: float) -> Floats:
    """Return the test measure of largest t with `coverage >= t + least` of every book, (R,)."""
    pnl = units @ cube.T
    rows: Ints = np.unique(worst_rows(pnl, weights, tail=min(_DEPTH * tail, float(weights.sum())))[0])
    most = weights[rows] / tail
    solved = linprog(
        np.append(np.zeros(len(rows)), -1.0),
        A_ub=np.hstack([pnl[:, rows], np.ones((len(units), 1))]),
        b_ub=-least,
        A_eq=np.append(np.ones(len(rows)), 0.0)[None],
        b_eq=[1.0],
        bounds=np.concatenate([np.stack([np.zeros(len(rows)), most], axis=1), [[-10.0, 10.0]]]),
        method="highs",
    )
    masses = np.zeros(len(weights))
    if solved.x is None:
        return _within(masses, weights / tail)
    masses[rows] = solved.x[:-1]
    return _within(masses, weights / tail)


def _within(masses: Floats, most: Floats) -> Floats:
    """Return what a solver calls a measure as one: between zero and the limits, summing to one."""
    inside: Floats = np.clip(masses, 0.0, most)
    short = 1.0 - float(inside.sum())
    if short > 0:
        room = most - inside
        return inside + room * (short / float(room.sum()))
    return inside / float(inside.sum())
