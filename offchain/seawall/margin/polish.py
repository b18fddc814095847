"""The last touch on lanes: linear programs, one lane at a time, for the books that press hardest."""

import numpy as np

from seawall.arrays import Floats, Ints
from seawall.margin.dense_programs import solve_dense
from seawall.margin.frank_wolfe import Measures
from seawall.margin.shortfall import single_pnl, single_precision, worst_rows
from seawall.margin.targets import Books, Singles, pressure, total_pressure

__all__ = ["polished"]

# Least relative fall of the cost that is taken, and how many lanes a book is tried on.
_GAIN, _LANES_A_BOOK = 1e-3, 3

# Books covered so well are left alone.
_ENOUGH = 0.99

# A program minds at most so many books: those a lane serves that would press hardest without it.
_MINDED = 32

# Scenarios that a program may use: so many times a tail's depth of the worst of each of its books.
_DEPTH = 2.0

# Costs are compared squared: what presses hardest counts more at the end than in the steps before.
_EMPHASIS = 2.0

# How far to go from a lane to what a program found.
_STEPS = (0.25, 0.5, 0.75, 1.0)


def polished(
    start: Measures, books: Books, cube: Floats, weights: Floats, *, tail: float, programs: int
) -> Measures:
    """Return measures of lower cost, found lane by lane from the book that presses hardest.

    A lane that serves this book moves towards the test measure under which the hardest pressed of the book and of
    those that need the lane is pressed least, which a linear program finds, as far as the cost over all books falls.

    Parameters
    ----------
    start
        Measures on the scenarios of `cube`; not changed.
    books
        To be covered.
    cube, weights
        P&L of one unit, (R, M), and probabilities, (R,), of scenarios that may be part of all.
    tail
        `1 - alpha`.
    programs
        At most so many.
    """
    found = Measures(masses=start.masses.copy(), values=start.values.copy())
    turned = single_precision(books.units.T)
    covered = _coverage(found.values, turned)
    given_up, solved = np.zeros(len(books.units), dtype=np.bool_), 0
    while solved < programs and not given_up.all():
        pressed = _pressed(covered.max(axis=0), books)
        worst = int(np.where(given_up, -np.inf, pressed).argmax())
        if covered[:, worst].max() > _ENOUGH:
            break
        given_up[worst] = True
        for lane in np.argsort(-covered[:, worst], kind="stable")[:_LANES_A_BOOK].tolist():
            others = np.delete(covered, lane, axis=0).max(axis=0, initial=-1.0)
            minded = _minded(covered[lane], others, books, worst)
            masses = _best_measure(books, minded, cube, weights, tail=tail)
            solved += 1
            offered = _coverage((masses @ cube)[None], turned)[0]
            size = _best_step(covered[lane], offered, others, books)
            if size > 0.0:
                found.masses[lane] = (1.0 - size) * found.masses[lane] + size * masses
                found.values[lane] = found.masses[lane] @ cube
                covered[lane] = _coverage(found.values[lane : lane + 1], turned)[0]
                given_up[worst] = False
                given_up &= books.sharpness < books.sharpness.max()  # the sharpest have another chance
                break
            if solved >= programs:
                break
    return found


def _coverage(values: Floats, turned: Singles) -> Floats:
    """Return `-v_k . w` of measures and books in single precision, as double, (K, N)."""
    return -single_pnl(values, turned).astype(np.float64)


def _pressed(covered: Floats, books: Books) -> Floats:
    """Return how hard books press, (N,)."""
    return np.asarray(pressure(covered, books.log_weight, books.sharpness), dtype=np.float64)


def _minded(covered: Floats, others: Floats, books: Books, worst: int) -> Ints:
    """Return the worst book and those served by a lane that would press hardest without it, (n,)."""
    without = np.where(covered > others, _pressed(others, books), -np.inf)
    without[worst] = np.inf
    first: Ints = np.argsort(-without, kind="stable")[:_MINDED]
    found: Ints = first[without[first] > -np.inf]
    return found


def _best_step(
    covered: Floats,
    offered: Floats,
    others: Floats,
    books: Books,
) -> float:
    """Return the step from a lane to another of least cost over all books; zero if none is worth it."""

    def cost(size: float) -> float:
        mixed = (1.0 - size) * covered + size * offered
        return total_pressure(_EMPHASIS * _pressed(np.maximum(mixed, others), books))

    costs = [cost(size) for size in _STEPS]
    best = int(np.argmin(costs))
    return _STEPS[best] if costs[best] < cost(0.0) - _GAIN else 0.0


def _best_measure(books: Books, minded: Ints, cube: Floats, weights: Floats, *, tail: float) -> Floats:
    """Return the test measure of least t with `pressure <= t` of every book minded, (R,)."""
    pnl = books.units[minded] @ cube.T
    rows: Ints = np.unique(worst_rows(pnl, weights, tail=min(_DEPTH * tail, float(weights.sum())))[0])
    most = weights[rows] / tail
    sharpness = books.sharpness[minded]
    unit = float(sharpness.max())
    # Columns: the mass of each scenario, and t; rows: the books, and the sum of masses.
    press = np.hstack([(sharpness / unit)[:, None] * pnl[:, rows], np.full((len(minded), 1), -1.0)])
    reach = -(_pressed(np.zeros(len(books.units)), books)[minded]) / unit
    solved = solve_dense(
        np.append(np.zeros(len(rows)), 1.0),
        np.vstack([press, np.append(np.ones(len(rows)), 0.0)]),
        lower=np.append(np.full(len(minded), -np.inf), 1.0),
        upper=np.append(reach, 1.0),
        least=np.append(np.zeros(len(rows)), -np.inf),
        most=np.append(most, np.inf),
    )
    masses = np.zeros(len(weights))
    if solved is None:
        return _within(masses, weights / tail)
    masses[rows] = solved[:-1]
    return _within(masses, weights / tail)


def _within(masses: Floats, most: Floats) -> Floats:
    """Return what a solver calls a measure as one: between zero and the limits, summing to one."""
    inside: Floats = np.clip(masses, 0.0, most)
    short = 1.0 - float(inside.sum())
    if short > 0:
        room = most - inside
        return inside + room * (short / float(room.sum()))
    return inside / float(inside.sum())
