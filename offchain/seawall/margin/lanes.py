"""The choice of K test measures whose worst case covers the books that exist, and those that might."""

from dataclasses import dataclass

import numpy as np

from seawall.arrays import Floats, checked
from seawall.errors import DataError
from seawall.margin.design import design_books
from seawall.margin.lane_search import LaneSearch
from seawall.margin.settings import LaneSettings
from seawall.margin.shortfall import checked_weights
from seawall.margin.targets import coverable

__all__ = ["Coverage", "Lanes", "choose_lanes", "coverable", "lane_bound", "lane_coverage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Summarise `L / ES` over books: how many, the least, the first percentile, the median."""

    books: int
    minimum: float
    first_percentile: float
    median: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lanes:
    """Hold the chosen lanes.

    Attributes
    ----------
    values
        `v_k = E_(Q_k)[pnl]`, (K, M).
    measures
        Q_k, (K, S), each in `C = {0 <= q <= w / (1 - alpha), sum q = 1}`.
    adversarial_ratio
        `L / ES` of the worst book an adversary found against the finished lanes.
    """

    values: Floats
    measures: Floats
    adversarial_ratio: float


def lane_bound(values: Floats, books: Floats) -> Floats:
    """Return `L(w) = max_k -v_k . w` of every book, (N,), for lanes (K, M) and books (N, M)."""
    bound: Floats = (-(books @ values.T)).max(axis=1)
    return bound


def lane_coverage(values: Floats, *, books: Floats, shortfall: Floats) -> Coverage:
    """Return the distribution of `L / ES` over books (N, M) of positive expected shortfall (N,)."""
    if not len(books):
        return Coverage(books=0, minimum=float("nan"), first_percentile=float("nan"), median=float("nan"))
    ratios = lane_bound(values, books) / shortfall
    low, first, median = np.quantile(ratios, [0.0, 0.01, 0.5])
    return Coverage(books=len(books), minimum=float(low), first_percentile=float(first), median=float(median))


def choose_lanes(
    pnl: Floats,
    weights: Floats,
    books: Floats,
    *,
    alpha: float,
    settings: LaneSettings,
    seed: int,
    structures: Floats | None = None,
) -> Lanes:
    """Return K measures in C that cover live books, design books and an adversary's.

    Any measure in C bounds the expected shortfall from below, so whatever the search does is sound. Greedy choice
    among the books' own tail measures, then Frank-Wolfe steps (`frank_wolfe.improved`); then lanes at the tail
    measures of books an adversary would hold are added, and all take steps again. Live books count by their expected
    shortfall; the smallest that together hold next to nothing do not count, however many they are.

    Parameters
    ----------
    pnl
        P&L of one unit of each instrument, (S, M).
    weights
        Scenario probabilities, (S,), positive, summing to 1.
    books
        Live books in units, (N, M); may have no row.
    alpha
        Level of the expected shortfall.
    settings
        Number of lanes and search effort.
    seed
        Seed of the random design books; the same inputs give the same lanes.
    structures
        Further design books, (D, M).

    Raises
    ------
    DataError
        If an array is malformed, or no instrument has a positive expected shortfall.
    """
    cube = checked(pnl, name="pnl", shape=(None, None))
    probabilities = checked_weights(weights, scenarios=len(cube))
    live = checked(books, name="books", shape=(None, cube.shape[1]))
    search = LaneSearch(cube, probabilities, alpha, settings)
    if search.legs.max() <= 0:
        raise DataError(
            "no instrument has a positive expected shortfall: the scenarios hold no loss to cover"
        )
    design = design_books(cube, probabilities, random_books=settings.random_design_books, seed=seed)
    if structures is not None:
        design = np.concatenate([design, checked(structures, name="structures", shape=(None, cube.shape[1]))])
    search.reduce(search.add_live(live), design)
    search.add_design(design)
    measures, ratio = search.run()
    return Lanes(values=measures @ cube, measures=measures, adversarial_ratio=ratio)
