"""The search for lanes: what is covered, where measures start, and what improves them in turn."""

from dataclasses import replace

import numpy as np

from seawall.arrays import Bools, Floats, Ints
from seawall.margin.adversary import worst_books
from seawall.margin.frank_wolfe import Measures, greedy_choice, improved
from seawall.margin.polish import polished
from seawall.margin.settings import LaneSettings
from seawall.margin.shortfall import book_shortfall, leg_shortfall, worst_rows
from seawall.margin.targets import Books, coverable, priced_books, reduced_rows

__all__ = ["LaneSearch", "all_but_dust"]

# Books whose larger legs exceed their expected shortfall by more, such as options of no value, are left to floors.
_LARGEST_LEGS = 1e9
# After these parts of the steps an adversary's books join those to cover; the first bring lanes of their own.
_JOINED = (0.3, 0.75)

# Books of a kind, at most about so many, tell which scenarios matter.
_SOUNDED = 400

# What an adversary holds presses as a live book does that is so much better covered; where there is none, as a design
# book: then nothing is taken from a book that is there.
_ADVERSARY_EASE, _EASE_WITHOUT_LIVE = 0.58, 0.25

# The last of so many parts of the linear programs is for live books: by so much do design books press less.
_LAST_PROGRAMS, _LAST_EASE = 3, 4.0

# Once lanes are done an adversary starts from so many books: what it finds is only told.
_LAST_STARTS = 2

# Live books count once more with this sharpness, as hard where they are covered as well as lanes could: of what is left
# by the worst, the many have their part.
_MIDDLE_SHARPNESS = 16.0

# How well lanes could cover live books is found by so many steps; more than this is more than they need.
_LEVEL_STEPS, _LEVEL_ENOUGH = 30, 0.92


class LaneSearch:
    """Carry the books, normalised to an expected shortfall of one, and what measures of them stand on."""

    def __init__(self, cube: Floats, weights: Floats, alpha: float, settings: LaneSettings) -> None:
        self.cube, self.weights, self.alpha, self.settings = cube, weights, alpha, settings
        self.legs = np.stack(leg_shortfall(cube, weights, alpha=alpha))
        self.rows, self.part = np.arange(len(cube), dtype=np.int64), (cube, weights)
        self.parts: list[Books] = []
        self.candidates: list[Ints] = []

    def reduce(self, *groups: Floats) -> None:
        """Keep the scenarios that are among the worst for some of the books."""
        some = [books[:: max(len(books) // _SOUNDED, 1)] for books in groups]
        self.rows = reduced_rows(self.cube, np.concatenate(some), self.weights, tail=1.0 - self.alpha)
        self.part = np.ascontiguousarray(self.cube[self.rows]), self.weights[self.rows]

    def add_live(self, live: Floats) -> Floats:
        """Add the live books that count, by their expected shortfall, and return them; the largest may be starts.

        Those that do not count change nothing, not a bit.
        """
        settings = self.settings
        size, means = priced_books(self.cube, self.weights, live, tail=1.0 - self.alpha)
        keep = self._coverable(live, size, settings.minimum_book_es)
        keep[keep] = all_but_dust(size[keep], share=settings.dust_share)
        if not keep.all():
            # what else is priced at once shows in the last digits
            live = live[keep]
            size, means = priced_books(self.cube, self.weights, live, tail=1.0 - self.alpha)
        starts = np.argsort(-size, kind="stable")[: settings.candidate_books // 2]
        log_weight = np.log(size / max(size.sum(), 1e-300))
        self._add(live / size[:, None], means, log_weight, settings.sharpness_end, starts)
        return live

    def add_design(self, design: Floats) -> None:
        """Add design books, all alike; starts are spread evenly over their kinds."""
        settings = self.settings
        shortfall, means = priced_books(*self.part, design, tail=1.0 - self.alpha)
        keep = self._coverable(design, shortfall, 0.0)
        count = int(keep.sum())
        starts = np.arange(min(settings.candidate_books // 2, count))
        starts = starts * count // max(len(starts), 1)
        sharpest, level = settings.sharpness_end, self._live_level()
        self._add_middle(level)
        offset = sharpest * (1.0 - level) - settings.design_sharpness * (1.0 - settings.design_level)
        units = design[keep] / shortfall[keep, None]
        self._add(
            units, means[keep], np.full(count, self._typical() + offset), settings.design_sharpness, starts
        )

    def _coverable(self, books: Floats, shortfall: Floats, minimum: float) -> Bools:
        most = self.settings.maximum_gross_over_es
        keep: Bools = coverable(shortfall, books, self.legs, minimum=minimum, maximum_gross=most)
        keep &= (shortfall > 0) & (np.abs(books) @ self.legs.max(axis=0) <= _LARGEST_LEGS * shortfall)
        return keep

    def _add(self, units: Floats, means: Floats, log_weight: Floats, sharpness: float, starts: Ints) -> None:
        """Add normalised books, and which of them may be starts."""
        self.candidates.append(sum(len(part.units) for part in self.parts) + starts.astype(np.int64))
        sharp = np.full(len(units), sharpness)
        self.parts.append(Books(units=units, means=means, log_weight=log_weight, sharpness=sharp))

    def _add_middle(self, level: float) -> None:
        """Add live books once more, less sharp, pressing as hard as before where they are covered at this level."""
        live, sharpest = self.parts[0], self.settings.sharpness_end
        blunt = min(_MIDDLE_SHARPNESS, sharpest)
        log_weight = live.log_weight + (sharpest - blunt) * (1.0 - level)
        self._add(live.units, live.means, log_weight, blunt, np.empty(0, dtype=np.int64))

    def _typical(self) -> float:
        """Return the logarithm of what a live book counts on average; of one book if there is none."""
        return -float(np.log(max(len(self.parts[0].units), 1)))

    def _live_level(self) -> float:
        """Return how well lanes cover 99% of live books after some steps for them alone."""
        live, settings = self.parts[0], self.settings
        if not len(live.units):
            return _LEVEL_ENOUGH
        start = self._starts(live, count=settings.lanes)
        found = self._improved(start, live, steps=min(_LEVEL_STEPS, settings.iterations), span=(0.0, 1.0))
        covered = (-(live.units @ found.values.T)).max(axis=1)
        return float(min(np.quantile(covered, 0.01), _LEVEL_ENOUGH))

    def run(self) -> tuple[Floats, float]:
        """Choose lanes, an adversary's last, improve them; return measures, (K, S), and the adversary's ratio."""
        settings, steps = self.settings, self.settings.iterations
        first, second = (round(part * steps) for part in _JOINED)
        books = Books.joined(self.parts)
        found = self._starts(books, count=settings.lanes - settings.adversarial_lanes)
        found = self._improved(found, books, steps=first, span=(0.0, _JOINED[0]))
        hostile = self._hostile(found.values, books, wanted=settings.adversarial_lanes)
        added = self._tail_measures(hostile.units)
        books = Books.joined([books, hostile])
        found = Measures(
            masses=np.concatenate([found.masses, added.masses]),
            values=np.concatenate([found.values, added.values]),
        )
        found = self._improved(found, books, steps=second - first, span=_JOINED)
        late = self._hostile(found.values, books, wanted=settings.adversarial_lanes // 2)
        books = Books.joined([books, late])
        found = self._improved(found, books, steps=steps - second, span=(_JOINED[1], 1.0))
        programs = min(settings.polish_programs, steps)
        last = programs // _LAST_PROGRAMS
        found = polished(found, books, *self.part, tail=1.0 - self.alpha, programs=programs - last)
        eased = np.where(books.sharpness < books.sharpness.max(), _LAST_EASE, 0.0)
        books = replace(books, log_weight=books.log_weight - eased)
        found = polished(found, books, *self.part, tail=1.0 - self.alpha, programs=last)
        measures = np.zeros((settings.lanes, len(self.cube)))
        measures[:, self.rows] = found.masses
        _, ratios = self._worst(
            measures @ self.cube, books, count=min(settings.adversary_starts, _LAST_STARTS)
        )
        return measures, float(ratios.min())

    def _starts(self, books: Books, *, count: int) -> Measures:
        """Return tail measures of books, chosen greedily among the candidates so far."""
        candidates = np.concatenate(self.candidates)
        first = greedy_choice(books, candidates, count=count, sharpness=self.settings.greedy_sharpness)
        return self._tail_measures(books.units[first])

    def _tail_measures(self, books: Floats) -> Measures:
        """Return the tail measures of some books on the scenarios that are kept."""
        cube, weights = self.part
        worst, masses = worst_rows(books @ cube.T, weights, tail=1.0 - self.alpha)
        dense = np.zeros((len(books), len(cube)))
        np.put_along_axis(dense, worst, masses, axis=1)
        return Measures(masses=dense, values=dense @ cube)

    def _improved(self, start: Measures, books: Books, *, steps: int, span: tuple[float, float]) -> Measures:
        settings = self.settings
        return improved(
            start,
            books,
            *self.part,
            tail=1.0 - self.alpha,
            steps=steps,
            softest=settings.sharpness_start,
            reseed_every=settings.reseed_every,
            span=span,
        )

    def _hostile(self, values: Floats, books: Books, *, wanted: int) -> Books:
        """Return books an adversary would hold, each search against what those before it found."""
        found = books.units[:0]
        while len(found) < wanted:
            held, ratios = self._worst(
                values, books, count=min(self.settings.adversary_starts, wanted - len(found))
            )
            held = held[np.argsort(ratios, kind="stable")]
            _, means = book_shortfall(self.cube, self.weights, held, alpha=self.alpha)
            found, values = np.concatenate([found, held]), np.concatenate([values, means])
        _, means = book_shortfall(self.cube, self.weights, found, alpha=self.alpha)
        sharpness = float(books.sharpness.max())
        ease = _ADVERSARY_EASE if len(self.parts[0].units) else _EASE_WITHOUT_LIVE
        typical = float(np.median(books.log_weight[books.sharpness == sharpness]))
        return Books(
            units=found,
            means=means,
            log_weight=np.full(wanted, typical - ease * sharpness),
            sharpness=np.full(wanted, sharpness),
        )

    def _worst(self, values: Floats, books: Books, *, count: int) -> tuple[Floats, Floats]:
        """Return the adversary's books against lanes, from the worst covered books, and their ratios."""
        top = (-(values @ books.units.T)).max(axis=0)
        worst = books.units[np.argsort(top, kind="stable")[: 2 * count]]
        _, first = np.unique(worst, axis=0, return_index=True)  # live books are there twice
        floor = 1e-12 * self.legs.max()
        return worst_books(
            self.cube,
            self.weights,
            values,
            alpha=self.alpha,
            starts=worst[np.sort(first)[:count]],
            long_es=np.maximum(self.legs[0], floor),
            short_es=np.maximum(self.legs[1], floor),
            maximum_gross=self.settings.maximum_gross_over_es,
        )


def all_but_dust(shortfall: Floats, *, share: float) -> Bools:
    """Return which books count: all but the smallest that together have this share of the expected shortfall.

    Of books of about one size none is dust: what does not count is also less than a tenth of the mean.
    """
    order = np.argsort(shortfall, kind="stable")
    below = np.cumsum(shortfall[order]) <= share * shortfall.sum()
    keep = np.empty(len(shortfall), dtype=np.bool_)
    keep[order] = ~below
    counts: Bools = keep | (10.0 * len(shortfall) * shortfall >= shortfall.sum())
    return counts
