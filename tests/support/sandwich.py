"""Books, certificates and their bounds on one epoch, thousands at a time: what the sandwich is proven on.

Books come in groups of four: two drawn, their sum, and twice the first. A certificate goes with each, or none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from tests.support.market import FACTORS
from tests.support.published import Floats, Lots, Published

from seawall.page import MerkleTree, Page
from seawall.page.layout import Kind
from seawall.reference import Book, Certificate, certificate_words

__all__ = ["FIRST", "GROUP", "MERGED", "SECOND", "TWICE", "Sample", "only_tail_risk", "with_factors"]

GROUP = 4
FIRST, SECOND, MERGED, TWICE = range(GROUP)
_BASKETS = 16
_LARGEST_LOTS = 10**7
_KINDS = 4  # of books: few legs, all legs, hedges, a change of a certified basket


def only_tail_risk(page: Page) -> Page:
    """Return a page under which the requirements are U and L and nothing else: no floors, no charges, all of L."""
    zero = ("half_spread_x32", "y_volatility_x32", "vega_charge")
    floors = [name for name in page.head.__dataclass_fields__ if name.endswith("_floor_bps")]
    head = replace(page.head, maintenance_factor_bps=10_000, **dict.fromkeys([*zero, *floors], 0))
    return replace(page, head=head)


def with_factors(page: Page) -> Page:
    """Return a page with floors and a maintenance factor as they are in force."""
    names = [name for name in page.head.__dataclass_fields__ if name.endswith("_floor_bps")]
    factors = {name: getattr(FACTORS, name) for name in ("maintenance_factor_bps", *names)}
    return replace(page, head=replace(page.head, **factors))


@dataclass(frozen=True)
class Sample:
    """Hold N books, a multiple of four, with certificates, and their bounds in settlement token units.

    Attributes
    ----------
    lots, theta
        Of every instrument, (N, I); of every atom in the certificate, (N, A).
    shown
        Place of the basket that the certificate shows, -1 for none, (N,).
    whole
        Whether all atoms that the certificate is meant to have may be used: a book whose lots on a page net to nothing
        cannot name what stands there, (N,).
    baskets
        Certified under `tree`, (B, I), with what their leaves say, (B,).
    """

    published: Published
    lots: Lots
    theta: Lots
    shown: Lots
    whole: npt.NDArray[np.bool_]
    baskets: Lots
    leaves: tuple[tuple[int, bytes], ...]
    tree: MerkleTree

    @classmethod
    def draw(cls, published: Published, *, groups: int, seed: int) -> Sample:
        """Return so many groups of four; the same seed gives the same."""
        draw = _Draw(published, np.random.default_rng([seed, 78]))
        baskets = np.array([draw.book(i % 3)[0] for i in range(_BASKETS)])
        baskets = baskets[(baskets != 0).any(axis=1)]
        leaves = tuple(published.leaf(basket) for basket in baskets)
        lots = np.zeros((GROUP * groups, len(published.keys)), dtype=np.int64)
        theta = np.zeros((GROUP * groups, len(published.places)), dtype=np.int64)
        shown = np.full(GROUP * groups, -1, dtype=np.int64)
        for row in range(0, len(lots), GROUP):
            kind = int(draw.rng.integers(_KINDS))
            if kind == _KINDS - 1:
                shown[row] = int(draw.rng.integers(len(baskets)))
                lots[row] = draw.changed(baskets[shown[row]])
                theta[row] = draw.some_atoms(lots[row] - baskets[shown[row]])
            else:
                lots[row], theta[row] = draw.book(kind)
            lots[row + SECOND], theta[row + SECOND] = draw.book(int(draw.rng.integers(_KINDS - 1)))
        tree = MerkleTree([leaf for _, leaf in leaves])
        found = cls(published, lots, theta, shown, np.ones(len(lots), dtype=np.bool_), baskets, leaves, tree)
        found._combine()
        return found

    def _combine(self) -> None:
        """Fill in what follows from the books drawn: certificates that may be used, sums, doubles."""
        first, second = self.lots[FIRST::GROUP], self.lots[SECOND::GROUP]
        self.lots[MERGED::GROUP], self.lots[TWICE::GROUP] = first + second, 2 * first
        self.shown[MERGED::GROUP] = self.shown[FIRST::GROUP]
        barred = self._barred
        self.theta[barred] = 0
        # A certificate that does not help is left out by who knows it: both together may only do better.
        helps = np.where((self._with_atoms < self._without)[:, None], self.theta, 0)
        self.theta[MERGED::GROUP] = helps[FIRST::GROUP] + helps[SECOND::GROUP]
        alone = self.shown[FIRST::GROUP] < 0
        self.theta[TWICE::GROUP] = np.where(alone[:, None], 2 * self.theta[FIRST::GROUP], 0)
        self.whole[:] = ~(barred & (self.theta != 0)).any(axis=1)
        self.theta[barred] = 0

    @property
    def _barred(self) -> npt.NDArray[np.bool_]:
        """Say which atoms need a page that neither the book nor the basket shown is on, (N, A)."""
        reached = self.published.reached(self.lots)
        known = self.shown >= 0
        reached[known] |= self.published.reached(self.baskets)[self.shown[known]]
        found: npt.NDArray[np.bool_] = (self.published.reach[None] & ~reached[:, None]) != 0
        return found

    @property
    def tick(self) -> int:
        """Return token units a tick."""
        return self.published.view.tick

    @property
    def _rest(self) -> Lots:
        """Return lots that the basket shown leaves, (N, I)."""
        taken = np.where((self.shown >= 0)[:, None], self.baskets[self.shown], 0)
        found: Lots = self.lots - taken
        return found

    @property
    def _certified(self) -> Lots:
        """Return what the basket shown is certified at, (N,)."""
        tails = np.array([shortfall for shortfall, _ in self.leaves], dtype=np.int64)
        found: Lots = np.where(self.shown >= 0, tails[self.shown], 0)
        return found

    @property
    def _without(self) -> Lots:
        return self._certified + self.tick * self.published.gross(self._rest)

    @property
    def _with_atoms(self) -> Lots:
        return self._certified + self.tick * self.published.upper(self._rest, self.theta)

    @cached_property
    def bounds(self) -> tuple[Lots, Lots]:
        """Return L and U of every book with its certificate, (N,) each."""
        proven = np.where(
            self.shown >= 0, self._certified - 1 - self.tick * self.published.gross(-self._rest), 0
        )
        lower = np.maximum(self.tick * self.published.lower(self.lots), proven)
        return lower, np.minimum(self._without, self._with_atoms)

    @cached_property
    def exact(self) -> Floats:
        """Return lambda times the expected shortfall of every book, (N,)."""
        return self.tick * self.published.shortfall(self.lots)

    @cached_property
    def noise(self) -> Floats:
        """Return what `exact` may err by, (N,)."""
        return self.tick * self.published.noise(self.lots)

    def book(self, row: int) -> Book:
        """Return one book as the contract stores it."""
        return self.published.book(self.lots[row])

    def certificate(self, row: int) -> Certificate:
        """Return its certificate; a basket that is the book as stored is shown without words."""
        used = np.flatnonzero(self.theta[row])
        entries = [(*self.published.places[atom], int(self.theta[row, atom])) for atom in used]
        atoms = certificate_words(entries)
        if self.shown[row] < 0:
            return Certificate(atoms=atoms)
        shortfall, leaf = self.leaves[self.shown[row]]
        words = self.published.book(self.baskets[self.shown[row]]).words()
        stored = words == self.book(row).words()
        proof = self.tree.proof(leaf)
        return Certificate(
            atoms=atoms, book_shortfall=shortfall, book=() if stored and proof else words, proof=proof
        )


class _Draw:
    """Draw books in lots, from tiny ones to large ones."""

    def __init__(self, published: Published, rng: np.random.Generator) -> None:
        self.published, self.rng = published, rng
        self.unit = np.maximum(published.legs.max(axis=0), 1).astype(np.float64)
        self.held_only = np.array([record.kind == Kind.SPOT for record in published.records])

    def book(self, kind: int) -> tuple[Lots, Lots]:
        """Return a book, (I,), and lots of atoms for it, (A,)."""
        nothing = np.zeros(len(self.published.places), dtype=np.int64)
        if kind == 2:
            theta = self._theta(int(self.rng.integers(1, 5)))
            extra = self._legs(int(self.rng.integers(0, 3)), scale=float(self.rng.choice((1e4, 1e7))))
            return self._long(theta @ self.published.atoms + extra), theta
        columns = len(self.unit)
        legs = columns if kind == 1 else int(self.rng.integers(1, min(12, columns) + 1))
        lots = self._legs(legs, scale=10 ** self.rng.uniform(5, 11))
        return lots, self.some_atoms(lots) if self.rng.random() < 0.5 else nothing

    def changed(self, basket: Lots) -> Lots:
        """Return a basket after a change of a few legs, or none."""
        legs = int(self.rng.integers(0, 4))
        size = float(np.abs(basket) @ self.unit) * 10 ** self.rng.uniform(-4, 0)
        return self._long(basket + self._legs(legs, scale=size))

    def some_atoms(self, lots: Lots) -> Lots:
        """Return lots of a few atoms that have a leg in common with a book, about as large."""
        common = np.flatnonzero((self.published.atoms[:, lots != 0] != 0).any(axis=1))
        theta = np.zeros(len(self.published.places), dtype=np.int64)
        if len(common):
            size = float(np.abs(lots).max())
            chosen = self.rng.choice(common, size=min(4, len(common)), replace=False)
            theta[chosen] = np.round(
                size * self.rng.uniform(0, 1, len(chosen)) / self.rng.choice((1, 10, 100))
            )
        return np.minimum(theta, _LARGEST_LOTS)

    def _theta(self, count: int) -> Lots:
        theta = np.zeros(len(self.published.places), dtype=np.int64)
        if len(theta):
            chosen = self.rng.integers(0, len(theta), count)
            theta[chosen] = np.ceil(10 ** self.rng.uniform(0, 4, count))
        return theta

    def _legs(self, count: int, *, scale: float) -> Lots:
        lots = np.zeros(len(self.unit), dtype=np.int64)
        chosen = self.rng.choice(len(lots), size=count, replace=False)
        drawn = np.round(scale * self.rng.standard_normal(count) / self.unit[chosen])
        lots[chosen] = np.clip(drawn, -_LARGEST_LOTS, _LARGEST_LOTS)
        return self._long(lots)

    def _long(self, lots: Lots) -> Lots:
        found: Lots = np.where(self.held_only, np.abs(lots), lots)
        return found
