"""The search for hedges of a book: a linear program with fractions, then whole lots.

Which hedges to take off a book is a linear program of some hundred rows and columns, ill suited to hand-written
search: one option often belongs to several hedges. HiGHS, through scipy, which this package needs anyway, solves it
in milliseconds; its dual simplex is deterministic, and a basic solution uses no more atoms than the book has
instruments. Everything after the program is done in the contract's integers.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array

from seawall.page.decode import Page
from seawall.page.layout import CERTIFICATE_ENTRY, Kind
from seawall.reference.certificate import charge

__all__ = ["Hedge", "HedgeSearch", "Key", "Lots"]

Key = tuple[int, int]
Lots = dict[Key, int]

_LOTS_END = next(1 << field.width for field in CERTIFICATE_ENTRY if field.name == "lots")
_SWEEPS = 50


@dataclass(frozen=True, slots=True)
class Hedge:
    """Hold an atom as the program sees it: where it stands, lots a lot by instrument, its tail risk in ticks."""

    page: int
    index: int
    legs: tuple[tuple[Key, int], ...]
    shortfall: int


class HedgeSearch:
    """Carry the hedges that may be used, the lots they are taken off, and what a leg costs."""

    def __init__(self, pages: Mapping[int, Page], lots: Lots) -> None:
        self.pages = pages
        self.lots = {key: count for key, count in lots.items() if count}
        self.hedges = [hedge for hedge in _usable(pages) if hedge.shortfall < self._alone(hedge)]

    def leg(self, key: Key, lots: int) -> int:
        """Return what some lots of an instrument cost alone, ticks."""
        return charge(self.pages[key[0]].records[key[1]], lots)

    def _alone(self, hedge: Hedge) -> int:
        """Return what the legs of a hedge cost one by one; one that costs no less is of no use."""
        return sum(self.leg(key, ratio) for key, ratio in hedge.legs)

    def relax(self) -> tuple[list[float], float]:
        """Return theta with fractions, and U in ticks; zeros and the gross charge if no program is solved.

        Every variable is scaled by what it would cost alone, over the gross charge, so that all coefficients lie
        within one, whatever the sizes of lots and ticks.
        """
        gross = float(sum(self.leg(key, lots) for key, lots in self.lots.items()))
        nothing = [0.0] * len(self.hedges)
        if not self.hedges or not gross:
            return nothing, gross
        keys = sorted({key for hedge in self.hedges for key, _ in hedge.legs} | set(self.lots))
        sides = np.array([[self.leg(key, 1), self.leg(key, -1)] for key in keys], dtype=np.float64)
        scale = sides.max(axis=1)
        rows = {key: row for row, key in enumerate(k for k, s in zip(keys, scale, strict=True) if s)}
        sides, scale = sides[scale > 0], scale[scale > 0]
        sizes = np.array([sum(abs(q) * scale[rows[k]] for k, q in h.legs if k in rows) for h in self.hedges])
        cells = [
            (rows[key], column, ratio * scale[rows[key]] / sizes[column])
            for column, hedge in enumerate(self.hedges)
            for key, ratio in hedge.legs
            if key in rows
        ]
        count, columns = len(rows), len(self.hedges)
        cells += [(row, columns + row, 1.0) for row in range(count)]
        cells += [(row, columns + count + row, -1.0) for row in range(count)]
        row_of, column_of, value_of = zip(*cells, strict=True)
        shape = (count, columns + 2 * count)
        tails = np.array([float(hedge.shortfall) for hedge in self.hedges])
        costs = np.concatenate([tails / sizes, sides[:, 0] / scale, sides[:, 1] / scale])
        target = np.array([float(self.lots.get(key, 0)) for key in rows]) * scale / gross
        most = np.concatenate([(_LOTS_END - 1) * sizes / gross, np.full(2 * count, np.inf)])
        solved = linprog(  # type: ignore[call-overload]  # the stubs know no sparse matrix here
            costs,
            A_eq=coo_array((value_of, (row_of, column_of)), shape=shape).tocsr(),
            b_eq=target,
            bounds=np.stack([np.zeros(len(most)), most], axis=1),
            method="highs-ds",
        )
        if solved.status != 0:
            return nothing, gross
        return list(solved.x[:columns] * gross / sizes), min(float(solved.fun), 1.0) * gross

    def whole(self, relaxed: Sequence[float], *, max_atoms: int) -> dict[int, int]:
        """Return whole lots by hedge, the better of both roundings, at most `max_atoms` of them.

        Where neither saves anything, as with few lots, hedges are set one after the other beginning with none.
        """
        down = {a: int(theta) for a, theta in enumerate(relaxed) if theta >= 1}
        near = {a: round(theta) for a, theta in enumerate(relaxed) if theta >= 0.5}
        best = min((self._improved(theta, max_atoms) for theta in (down, near)), key=self.cost)
        return best if self.cost(best) < self.cost({}) else self._improved({}, max_atoms)

    def _improved(self, theta: Mapping[int, int], max_atoms: int) -> dict[int, int]:
        """Return whole lots improved hedge by hedge, of at most so many hedges, those that save most."""
        found = self.improve(theta, range(len(self.hedges)))
        if len(found) <= max_atoms:
            return found
        saving = {a: self.cost({**found, a: 0}) - self.cost(found) for a in found}
        chosen = sorted(found, key=lambda a: (-saving[a], a))[:max_atoms]
        return self.improve({a: found[a] for a in chosen}, chosen)

    def rest(self, theta: Mapping[int, int]) -> Lots:
        """Return the lots left by instrument."""
        rest = dict(self.lots)
        for a, count in theta.items():
            for key, ratio in self.hedges[a].legs:
                rest[key] = rest.get(key, 0) - ratio * count
        return rest

    def cost(self, theta: Mapping[int, int]) -> int:
        """Return U, ticks."""
        certified = sum(count * self.hedges[a].shortfall for a, count in theta.items())
        return certified + sum(self.leg(key, lots) for key, lots in self.rest(theta).items())

    def improve(self, theta: Mapping[int, int], among: Iterable[int]) -> dict[int, int]:
        """Set one hedge after the other to its best whole number of lots until none changes."""
        best, rest, order = dict(theta), self.rest(theta), list(among)
        for _ in range(_SWEEPS):
            changed = False
            for a in order:
                old = best.get(a, 0)
                if not old and not any(rest.get(key) for key, _ in self.hedges[a].legs):
                    continue
                new = self._best_lots(a, old, rest)
                if new == old:
                    continue
                changed, best[a] = True, new
                for key, ratio in self.hedges[a].legs:
                    rest[key] = rest.get(key, 0) - ratio * (new - old)
            if not changed:
                break
        return {a: count for a, count in best.items() if count}

    def _best_lots(self, a: int, old: int, rest: Lots) -> int:
        """Return the best lots of one hedge, others fixed: U is convex and bends where a leg is used up."""
        hedge = self.hedges[a]
        total = [(key, ratio, rest.get(key, 0) + ratio * old) for key, ratio in hedge.legs]
        bends = {old, 0}
        for _, ratio, lots in total:
            bends |= {lots // ratio, -(-lots // ratio)}

        def cost(count: int) -> int:
            return count * hedge.shortfall + sum(
                self.leg(k, lots - ratio * count) for k, ratio, lots in total
            )

        return min((count for count in bends if 0 <= count < _LOTS_END), key=lambda c: (cost(c), c != old, c))


def _usable(pages: Mapping[int, Page]) -> list[Hedge]:
    """Return the atoms whose legs all stand on the given pages, legs of one instrument added up."""
    found = []
    for page, posted in sorted(pages.items()):
        for index, atom in enumerate(posted.atoms):
            legs: Lots = {}
            for leg in atom.legs:
                key = (page if leg.page is None else leg.page, leg.slot)
                legs[key] = legs.get(key, 0) + leg.ratio
            if all(
                p in pages and slot < len(pages[p].records) and pages[p].records[slot].kind != Kind.NONE
                for p, slot in legs
            ):
                net = tuple((key, ratio) for key, ratio in legs.items() if ratio)
                found.append(Hedge(page, index, net, atom.shortfall))
    return found
