"""One epoch as a keeper posts it, beside the scenarios it was made from: both sides of the sandwich as arrays.

Bounds are whole numbers, computed by numpy from what the pages say and nothing else; tail risk comes from the keeper's
own scenarios and from no page. Neither knows how the contract or its reference do it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from seawall.keeper.books import lot_pnl
from seawall.keeper.compute import Computed
from seawall.keeper.view import ChainView
from seawall.margin.shortfall import book_shortfall
from seawall.page import Page, Record, book_leaf, decode_page
from seawall.page.units import shortfall_units
from seawall.reference import Book

__all__ = ["Floats", "Lots", "Published"]

Floats = npt.NDArray[np.float64]
Lots = npt.NDArray[np.int64]

# What sums of double precision may err by, as a part of all they add up.
_NOISE = 1e-12


class Published:
    """Pages of one manifest and the P&L of one lot of every instrument in every scenario.

    Attributes
    ----------
    pages, keys, records
        The decoded pages, (page, slot) of every instrument, and its record, I of them.
    pnl, weights
        Ticks, (S, I), and probabilities, (S,).
    factor
        Lambda: legs, lanes and atoms stand for this part of the tail risk.
    legs
        Of one lot long and short, ticks, (2, I).
    places, atoms, tails, reach
        (page, index) of every atom; its lots, (A, I); its certified tail risk, ticks, (A,); the pages it needs as
        bits, (A,).
    """

    def __init__(self, view: ChainView, computed: Computed, *, alpha: float = 0.99) -> None:
        self.view, self.computed, self.alpha = view, computed, alpha
        self.pages: dict[int, Page] = {i: decode_page(raw) for i, raw in enumerate(computed.payloads)}
        self.keys = [(i, slot) for i, page in self.pages.items() for slot in range(len(page.records))]
        self.records: list[Record] = [self.pages[page].records[slot] for page, slot in self.keys]
        self.pnl, self.weights = lot_pnl(view, computed), computed.risk.scenarios.weights
        self.factor = computed.posted.lambda_bps / 10_000
        self.legs: Lots = np.array(
            [[r.leg_long for r in self.records], [r.leg_short for r in self.records]], dtype=np.int64
        )
        self.units: Lots = np.array([1 << r.shift for r in self.records], dtype=np.int64)
        self.lanes: Lots = np.array([r.lanes for r in self.records], dtype=np.int64) * self.units[:, None]
        column = {key: at for at, key in enumerate(self.keys)}
        self.places = [(i, at) for i, page in self.pages.items() for at in range(len(page.atoms))]
        self.atoms: Lots = np.zeros((len(self.places), len(self.keys)), dtype=np.int64)
        self.reach: Lots = np.zeros(len(self.places), dtype=np.int64)
        for row, (home, at) in enumerate(self.places):
            self.reach[row] |= 1 << home
            for leg in self.pages[home].atoms[at].legs:
                page = home if leg.page is None else leg.page
                self.atoms[row, column[page, leg.slot]] += leg.ratio
                self.reach[row] |= 1 << page
        self.tails: Lots = np.array(
            [self.pages[home].atoms[at].shortfall for home, at in self.places], dtype=np.int64
        )

    def shortfall(self, lots: Lots | Floats) -> Floats:
        """Return lambda times the expected shortfall of books (N, I), ticks, (N,)."""
        found, _ = book_shortfall(self.pnl, self.weights, lots.astype(np.float64), alpha=self.alpha)
        return found * self.factor

    def noise(self, lots: Lots | Floats) -> Floats:
        """Return what the tail risk of books (N, I) may err by for being computed in floating point, ticks, (N,)."""
        found: Floats = _NOISE * (np.abs(lots) @ np.abs(self.pnl).max(axis=0))
        return found

    def lower(self, lots: Lots) -> Lots:
        """Return ``L = max(0, -min_k sum q lane_k - ceil(sum |q| 2^shift / 2))`` of books (N, I), ticks, (N,)."""
        halves = -(-(np.abs(lots) @ self.units) // 2)
        found: Lots = np.maximum(-(lots @ self.lanes).min(axis=1) - halves, 0)
        return found

    def gross(self, lots: Lots) -> Lots:
        """Return ``sum |q| leg(sign q)`` of books (N, I), ticks, (N,)."""
        found: Lots = np.maximum(lots, 0) @ self.legs[0] + np.maximum(-lots, 0) @ self.legs[1]
        return found

    def upper(self, lots: Lots, theta: Lots) -> Lots:
        """Return ``sum theta ES(b) + sum |r| leg(sign r)`` with so many lots of each atom, (N, A), ticks, (N,)."""
        used = csr_array(theta)
        found: Lots = used @ self.tails + self.gross(lots - used @ self.atoms)
        return found

    def reached(self, lots: Lots) -> Lots:
        """Return the pages of books (N, I) as bits, (N,)."""
        bits = np.array([1 << page for page, _ in self.keys], dtype=np.int64)
        found: Lots = np.bitwise_or.reduce(np.where(lots != 0, bits, 0), axis=1)
        return found

    def book(self, lots: Lots | Sequence[int]) -> Book:
        """Return one book, (I,), as the contract stores it."""
        book = Book()
        for (page, slot), record, q in zip(self.keys, self.records, lots, strict=True):
            if q:
                book.add(page, (slot, record.generation), int(q))
        return book

    def leaf(self, lots: Lots) -> tuple[int, bytes]:
        """Return the tail risk at which keepers certify one basket, (I,), token units, and its leaf."""
        ticks = float(self.shortfall(lots[None])[0]) / self.factor
        shown = shortfall_units(ticks, tick=self.view.tick, lambda_bps=self.computed.posted.lambda_bps)
        return shown, book_leaf(shown, self.book(lots).words())
