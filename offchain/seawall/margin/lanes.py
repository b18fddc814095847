"""The choice of K test measures whose worst case covers the books that exist, and those that might."""

from dataclasses import dataclass

import numpy as np

from seawall.arrays import Bools, Floats, Ints, checked
from seawall.errors import DataError
from seawall.margin.adversary import worst_books
from seawall.margin.design import design_books
from seawall.margin.frank_wolfe import Measures, greedy_choice, improved
from seawall.margin.polish import polished
from seawall.margin.settings import LaneSettings
from seawall.margin.shortfall import book_shortfall, checked_weights, worst_rows
from seawall.margin.targets import Books, priced_books, reduced_rows

__all__ = ["Coverage", "Lanes", "choose_lanes", "coverable", "lane_bound", "lane_coverage"]

# Books whose larger legs exceed their expected shortfall by more, such as options of no value, are left to floors.
_LARGEST_LEGS = 1e9
# For this part of the steps lanes are alone; then an adversary's books join those to cover.
_ALONE = 0.75

# Books of a kind, at most about so many, tell which scenarios matter.
_SOUNDED = 700

# What an adversary holds presses as a live book does that is so much better covered.
_ADVERSARY_EASE = 0.25


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


def coverable(
    shortfall: Floats, books: Floats, legs: Floats, *, minimum: float, maximum_gross: float
) -> Bools:
    """Return which books lanes are meant to cover: not dust, and not so hedged that a floor decides.

    Parameters
    ----------
    shortfall, books
        Expected shortfall, (N,), of books, (N, M).
    legs
        Expected shortfall of one unit long and short, (2, M).
    minimum
        Least expected shortfall.
    maximum_gross
        Largest sum of legs over expected shortfall.
    """
    gross = np.maximum(books, 0.0) @ legs[0] + np.maximum(-books, 0.0) @ legs[1]
    keep: Bools = (shortfall >= minimum) & (gross <= maximum_gross * shortfall)
    return keep


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
    search = _Search(cube, probabilities, alpha, settings)
    if search.legs.max() <= 0:
        raise DataError(
            "no instrument has a positive expected shortfall: the scenarios hold no loss to cover"
        )
    design = design_books(cube, probabilities, random_books=settings.random_design_books, seed=seed)
    if structures is not None:
        design = np.concatenate([design, checked(structures, name="structures", shape=(None, cube.shape[1]))])
    search.reduce(live, design)
    search.add_live(live)
    search.add_design(design)
    return search.run()


class _Search:
    """Carry the books, normalised to an expected shortfall of one, and what measures of them stand on."""

    def __init__(self, cube: Floats, weights: Floats, alpha: float, settings: LaneSettings) -> None:
        self.cube, self.weights, self.alpha, self.settings = cube, weights, alpha, settings
        instruments = cube.shape[1]
        eye = np.eye(instruments)
        legs, _ = book_shortfall(cube, weights, np.concatenate([eye, -eye]), alpha=alpha)
        self.legs = np.maximum(legs, 0.0).reshape(2, instruments)
        self.rows = np.arange(len(cube), dtype=np.int64)
        self.parts: list[Books] = []
        self.candidates: list[Ints] = []

    def reduce(self, *groups: Floats) -> None:
        """Keep the scenarios that are among the worst for some of the books."""
        some = [books[:: max(len(books) // _SOUNDED, 1)] for books in groups]
        self.rows = reduced_rows(self.cube, np.concatenate(some), self.weights, tail=1.0 - self.alpha)

    def add_live(self, live: Floats) -> None:
        """Add the live books that count, by their expected shortfall; the largest may be starts."""
        settings = self.settings
        shortfall, means = priced_books(self.cube, self.weights, live, tail=1.0 - self.alpha)
        keep = self._coverable(live, shortfall, settings.minimum_book_es)
        keep[keep] = _all_but_dust(shortfall[keep], share=settings.dust_share)
        size = shortfall[keep]
        starts = np.argsort(-size, kind="stable")[: settings.candidate_books // 2]
        weight = size / max(size.sum(), 1e-300)
        self._add(live[keep] / size[:, None], means[keep], weight, settings.sharpness_end, starts)

    def add_design(self, design: Floats) -> None:
        """Add design books, all alike; starts are spread evenly over their kinds."""
        settings = self.settings
        shortfall, means = priced_books(
            self.cube[self.rows], self.weights[self.rows], design, tail=1.0 - self.alpha
        )
        keep = self._coverable(design, shortfall, 0.0)
        count = int(keep.sum())
        starts = np.arange(min(settings.candidate_books // 2, count))
        starts = starts * count // max(len(starts), 1)
        weight = np.full(count, settings.design_share / max(count, 1))
        units = design[keep] / shortfall[keep, None]
        self._add(units, means[keep], weight, settings.design_sharpness, starts)

    def _coverable(self, books: Floats, shortfall: Floats, minimum: float) -> Bools:
        most = self.settings.maximum_gross_over_es
        keep: Bools = coverable(shortfall, books, self.legs, minimum=minimum, maximum_gross=most)
        keep &= (shortfall > 0) & (np.abs(books) @ self.legs.max(axis=0) <= _LARGEST_LEGS * shortfall)
        return keep

    def _add(self, units: Floats, means: Floats, weight: Floats, sharpness: float, starts: Ints) -> None:
        """Add normalised books, and which of them may be starts."""
        self.candidates.append(sum(len(part.units) for part in self.parts) + starts.astype(np.int64))
        sharp = np.full(len(units), sharpness)
        self.parts.append(Books(units=units, means=means, log_weight=np.log(weight), sharpness=sharp))

    def run(self) -> Lanes:
        """Choose lanes, add an adversary's, improve all of them together."""
        settings = self.settings
        books = Books.joined(self.parts)
        rows = self.rows
        first = greedy_choice(
            books,
            np.concatenate(self.candidates),
            count=settings.lanes - settings.adversarial_lanes,
            sharpness=settings.greedy_sharpness,
        )
        found = self._improved(self._tail_measures(books.units[first], rows), books, rows, (0.0, _ALONE))
        hostile = self._hostile(found.values, books)
        added = self._tail_measures(hostile.units, rows)
        books = Books.joined([books, hostile])
        start = Measures(
            masses=np.concatenate([found.masses, added.masses]),
            values=np.concatenate([found.values, added.values]),
        )
        found = self._improved(start, books, rows, (_ALONE, 1.0))
        found = polished(
            found,
            books,
            self.cube[rows],
            self.weights[rows],
            tail=1.0 - self.alpha,
            programs=min(settings.polish_programs, settings.iterations),
        )
        measures = np.zeros((settings.lanes, len(self.cube)))
        measures[:, rows] = found.masses
        values = measures @ self.cube
        _, ratios = self._worst(values, books, count=settings.adversary_starts)
        return Lanes(values=values, measures=measures, adversarial_ratio=float(ratios.min()))

    def _tail_measures(self, books: Floats, rows: Ints) -> Measures:
        """Return the tail measures of some books on part of the scenarios."""
        cube = self.cube[rows]
        worst, masses = worst_rows(books @ cube.T, self.weights[rows], tail=1.0 - self.alpha)
        dense = np.zeros((len(books), len(rows)))
        np.put_along_axis(dense, worst, masses, axis=1)
        return Measures(masses=dense, values=dense @ cube)

    def _improved(self, start: Measures, books: Books, rows: Ints, span: tuple[float, float]) -> Measures:
        settings = self.settings
        low, high = (round(part * settings.iterations) for part in span)
        return improved(
            start,
            books,
            self.cube[rows],
            self.weights[rows],
            tail=1.0 - self.alpha,
            steps=high - low,
            softest=settings.sharpness_start,
            reseed_every=settings.reseed_every,
            span=span,
        )

    def _hostile(self, values: Floats, books: Books) -> Books:
        """Return books an adversary would hold, each search against what those before it found."""
        wanted, found = self.settings.adversarial_lanes, books.units[:0]
        while len(found) < wanted:
            held, ratios = self._worst(
                values, books, count=min(self.settings.adversary_starts, wanted - len(found))
            )
            held = held[np.argsort(ratios, kind="stable")]
            _, means = book_shortfall(self.cube, self.weights, held, alpha=self.alpha)
            found, values = np.concatenate([found, held]), np.concatenate([values, means])
        _, means = book_shortfall(self.cube, self.weights, found, alpha=self.alpha)
        sharpness = float(books.sharpness.max())
        typical = float(np.median(books.log_weight[books.sharpness == sharpness]))
        return Books(
            units=found,
            means=means,
            log_weight=np.full(wanted, typical - _ADVERSARY_EASE * sharpness),
            sharpness=np.full(wanted, sharpness),
        )

    def _worst(self, values: Floats, books: Books, *, count: int) -> tuple[Floats, Floats]:
        """Return the adversary's books against lanes, from the worst covered books, and their ratios."""
        top = (-(values @ books.units.T)).max(axis=0)
        floor = 1e-12 * self.legs.max()
        return worst_books(
            self.cube,
            self.weights,
            values,
            alpha=self.alpha,
            starts=books.units[np.argsort(top, kind="stable")[:count]],
            long_es=np.maximum(self.legs[0], floor),
            short_es=np.maximum(self.legs[1], floor),
            maximum_gross=self.settings.maximum_gross_over_es,
        )


def _all_but_dust(shortfall: Floats, *, share: float) -> Bools:
    """Return which books count: all but the smallest that together have this share of the expected shortfall."""
    order = np.argsort(shortfall, kind="stable")
    below = np.cumsum(shortfall[order]) <= share * shortfall.sum()
    keep = np.empty(len(shortfall), dtype=np.bool_)
    keep[order] = ~below
    return keep
