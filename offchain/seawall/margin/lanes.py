"""The choice of K test measures whose worst case covers the books that exist, and those that might."""

from dataclasses import dataclass

import numpy as np

from seawall.arrays import Bools, Floats, Ints, checked
from seawall.errors import DataError
from seawall.margin.adversary import worst_book
from seawall.margin.design import design_books
from seawall.margin.settings import LaneSettings
from seawall.margin.shortfall import Tails, book_shortfall, checked_weights, tails

__all__ = ["Coverage", "Lanes", "choose_lanes", "coverable", "lane_bound", "lane_coverage"]

# Steps a lane may take towards its new measure.
_STEPS = (0.01, 0.03, 0.07, 0.15, 0.3, 0.6, 1.0)

# How sharply books that several lanes cover are shared out among them.
_SHARING = 30.0

# Worst covered books considered as a new start for a useless lane, and lanes moved at once.
_RESEED_CANDIDATES, _RESEED_MOVES = 60, 3


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

    Any measure in C bounds the expected shortfall from below, so whatever the search does is sound. Greedy
    choice among the books' own tail measures; then each lane takes Frank-Wolfe steps on the soft minimum of
    coverage over the books it serves (the oracle is the tail measure of their weighted sum), and lanes of
    little use restart at the worst covered books; last come the tail measures of books an adversary would
    hold. Live books count by their expected shortfall.

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
    search.add_books(live, share=1.0, minimum=settings.minimum_book_es)
    design = design_books(cube, probabilities, random_books=settings.random_design_books, seed=seed)
    if structures is not None:
        design = np.concatenate([design, checked(structures, name="structures", shape=(None, cube.shape[1]))])
    search.add_books(design, share=settings.design_share, minimum=0.0)
    search.start(settings.lanes - settings.adversarial_lanes)
    search.improve()
    return search.finish()


class _Search:
    """Carry the books, normalised to an expected shortfall of one, and the lanes so far."""

    def __init__(self, cube: Floats, weights: Floats, alpha: float, settings: LaneSettings) -> None:
        self.cube, self.weights, self.alpha, self.settings = cube, weights, alpha, settings
        instruments = cube.shape[1]
        self.books = np.empty((0, instruments))
        self.means = np.empty((0, instruments))
        self.importance = np.empty(0)
        self.candidates = np.empty(0, dtype=np.int64)
        eye = np.eye(instruments)
        legs, _ = book_shortfall(cube, weights, np.concatenate([eye, -eye]), alpha=alpha)
        self.legs = np.maximum(legs, 0.0).reshape(2, instruments)
        self.measures = np.empty((0, len(cube)))
        self.values = np.empty((0, instruments))

    def add_books(self, books: Floats, *, share: float, minimum: float) -> None:
        """Add books that together weigh `share`, each by its expected shortfall if live, equally if not."""
        shortfall, means = book_shortfall(self.cube, self.weights, books, alpha=self.alpha)
        limit = self.settings.maximum_gross_over_es
        keep = coverable(shortfall, books, self.legs, minimum=minimum, maximum_gross=limit) & (shortfall > 0)
        if not keep.any():
            return
        size = shortfall[keep] if minimum > 0 else np.ones(int(keep.sum()))
        ranked = np.argsort(-size, kind="stable")
        room = min(self.settings.candidate_books // 2, len(ranked))
        # Design books weigh the same and come sorted by kind: a cut-off would drop whole kinds.
        picks = ranked[:room] if minimum > 0 else ranked[np.arange(room) * len(ranked) // room]
        self.candidates = np.concatenate([self.candidates, len(self.books) + picks])
        self.books = np.concatenate([self.books, books[keep] / shortfall[keep, None]])
        self.means = np.concatenate([self.means, means[keep]])
        self.importance = np.concatenate([self.importance, share * size / size.sum()])

    def tails(self, books: Floats) -> Tails:
        """Return the tails of some books (n, M)."""
        return tails(books @ self.cube.T, self.weights, alpha=self.alpha)

    def dense(self, worst: Tails) -> Floats:
        """Return tails as measures, (n, S)."""
        measures = np.zeros((len(worst.rows), len(self.cube)))
        np.put_along_axis(measures, worst.rows, worst.masses, axis=1)
        return measures

    def set_lanes(self, measures: Floats) -> None:
        """Replace the lanes."""
        self.measures, self.values = measures, measures @ self.cube

    def covered(self) -> Floats:
        """Return `-v_k . w` for every lane and normalised book, (K, N)."""
        return -(self.values @ self.books.T)

    def start(self, count: int) -> None:
        """Choose `count` tail measures of books one by one, each the best addition to those before."""
        sharpness = self.settings.sharpness_start
        cost = _urgency(-(self.means[self.candidates] @ self.books.T), sharpness)
        current = _urgency(np.full(len(self.books), -1.0), sharpness)
        chosen = np.empty(count, dtype=np.int64)
        for k in range(count):
            chosen[k] = int((np.minimum(cost, current) @ self.importance).argmin())
            current = np.minimum(current, cost[chosen[k]])
        self.set_lanes(self.dense(self.tails(self.books[self.candidates[chosen]])))

    def improve(self) -> None:
        """Run the Frank-Wolfe steps and keep the best lanes seen."""
        rounds, last = self.settings.iterations, self.settings.sharpness_end
        best_cost, best = np.inf, self.measures
        for step in range(rounds + 1):
            covered = self.covered()
            cost = float(_urgency(covered.max(axis=0), last) @ self.importance)
            if cost < best_cost:
                best_cost, best = cost, self.measures.copy()
            if step == rounds:
                break
            first = self.settings.sharpness_start
            sharpness = first + (last - first) * step / rounds
            self.step(covered, sharpness)
            if (step + 1) % self.settings.reseed_every == 0 and step < 0.9 * rounds:
                self.reseed(sharpness)
        self.set_lanes(best)

    def step(self, covered: Floats, sharpness: float) -> None:
        """Move every lane towards the tail measure of the sum of the books it serves."""
        lanes, everyone = len(covered), np.arange(len(self.books))
        top = covered.max(axis=0)
        share = np.exp(np.maximum(_SHARING * (covered - top), -50.0))
        pull = self.importance * _urgency(top, sharpness) * share / share.sum(axis=0)
        worst = self.tails((pull / pull.max(axis=1, keepdims=True)) @ self.books)
        targets = np.einsum("km,kmj->kj", worst.masses, self.cube[worst.rows])
        serves = covered.argmax(axis=0)
        before, after = top, -(targets @ self.books.T)[serves, everyone]

        sizes = np.zeros(lanes)
        best = np.bincount(serves, self.importance * _urgency(before, sharpness), lanes)
        for size in _STEPS:
            reached = _urgency((1.0 - size) * before + size * after, sharpness)
            cost = np.bincount(serves, self.importance * reached, lanes)
            better = cost < best
            sizes[better], best = size, np.minimum(best, cost)
        self.measures *= (1.0 - sizes)[:, None]
        self.measures[np.arange(lanes)[:, None], worst.rows] += sizes[:, None] * worst.masses
        self.values = (1.0 - sizes)[:, None] * self.values + sizes[:, None] * targets

    def reseed(self, sharpness: float) -> None:
        """Restart lanes whose loss costs least at the books whose own tail measure gains most."""
        covered = self.covered()
        ranked = np.sort(covered, axis=0)[-2:]
        top, serves = ranked[1], covered.argmax(axis=0)
        urgency = self.importance * _urgency(top, sharpness)
        loss = np.bincount(serves, self.importance * _urgency(ranked[0], sharpness) - urgency, len(covered))
        worst: Ints = np.argsort(-urgency, kind="stable")[:_RESEED_CANDIDATES].astype(np.int64)
        offered = _urgency(-(self.means[worst] @ self.books.T), sharpness)
        current = _urgency(top, sharpness)
        for _ in range(_RESEED_MOVES):
            gain = np.maximum(current - offered, 0.0) @ self.importance
            pick, lane = int(gain.argmax()), int(loss.argmin())
            if gain[pick] <= 0.7 * loss[lane]:
                return
            self.measures[lane] = self.dense(self.tails(self.books[worst[pick]][None]))[0]
            self.values[lane] = self.measures[lane] @ self.cube
            current = np.minimum(current, offered[pick])
            loss[lane] = np.inf

    def finish(self) -> Lanes:
        """Add the adversary's books one by one and return the lanes."""
        floor = 1e-12 * self.legs.max()
        for _ in range(self.settings.adversarial_lanes):
            book, _ = self.adversary(floor)
            self.set_lanes(np.concatenate([self.measures, self.dense(self.tails(book[None]))]))
        _, ratio = self.adversary(floor)
        return Lanes(values=self.values, measures=self.measures, adversarial_ratio=ratio)

    def adversary(self, floor: float) -> tuple[Floats, float]:
        """Return the adversary's book against the lanes so far and its ratio."""
        top = self.covered().max(axis=0)
        return worst_book(
            self.cube,
            self.weights,
            self.values,
            alpha=self.alpha,
            starts=self.books[np.argsort(top, kind="stable")[: self.settings.adversary_starts]],
            long_es=np.maximum(self.legs[0], floor),
            short_es=np.maximum(self.legs[1], floor),
            maximum_gross=self.settings.maximum_gross_over_es,
        )


def _urgency(coverage: Floats, sharpness: float) -> Floats:
    """Return `exp(sharpness (1 - c))`, the cost of covering a book at c; c counts from -1 up."""
    cost: Floats = np.exp(sharpness * (1.0 - np.maximum(coverage, -1.0)))
    return cost
