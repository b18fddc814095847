"""Which column of the model's arrays stands for which listed instrument."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seawall.arrays import Floats, Ints
from seawall.errors import DataError
from seawall.keeper.view import ChainView, InstrumentTerms
from seawall.margin.instruments import Dated, Payoff
from seawall.page.layout import Kind

__all__ = ["Listing", "list_columns"]

_HOUR_S = 3600
_PAYOFFS = {Kind.FUTURE: Payoff.FUTURE, Kind.CALL: Payoff.CALL, Kind.PUT: Payoff.PUT}
_LINEAR = (Kind.PERPETUAL, Kind.SPOT)


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """Hold the columns of everything listed: the M underlyings, then dated instruments of different terms.

    Attributes
    ----------
    dated
        Of the columns from M on.
    columns
        Column of every instrument in order of page and slot, (I,).
    underlying
        Of every column, (C,).
    places
        Page and slot that stand for a column in atoms, by column; a spot's is the probe, and missing if there is none.
    twins
        Further instruments with the risk of a column, as (column, page, slot).
    """

    dated: tuple[Dated, ...]
    columns: Ints
    underlying: Ints
    places: dict[int, tuple[int, int]]
    twins: tuple[tuple[int, int, int], ...]

    def by_column(self, lots: Floats) -> Floats:
        """Return books in lots by column, (N, C), from books by instrument, (N, I)."""
        summed = np.zeros((len(lots), len(self.underlying)))
        for instrument, column in enumerate(self.columns):
            summed[:, column] += lots[:, instrument]
        return summed


def list_columns(view: ChainView, *, spots: Floats, as_of: int) -> Listing:
    """Return the columns of a chain's instruments.

    Parameters
    ----------
    view
        The chain.
    spots
        Reference spots that pages will carry, whole ticks, (M,).
    as_of
        Time of the numbers, seconds.

    Raises
    ------
    DataError
        If a slot holds a kind that has no price.
    """
    m = len(view.underlyings)
    places = {
        u.index: (u.probe_page, u.probe_slot) for u in view.underlyings if u.probe_page < len(view.pages)
    }
    known: dict[tuple[int, int, int, int], int] = {}
    dated: list[Dated] = []
    columns, twins = [], []
    for page in view.pages:
        for slot, terms in enumerate(page.instruments):
            place = (page.page_id, slot)
            if terms.kind in _LINEAR:
                column = page.underlying
            elif terms.kind in _PAYOFFS:
                key = (page.underlying, terms.kind, terms.strike, terms.expiry_hour)
                column = known.setdefault(key, m + len(dated))
                if column == m + len(dated):
                    dated.append(
                        _dated(terms, page.underlying, spot=float(spots[page.underlying]), as_of=as_of)
                    )
                    places[column] = place
            else:
                raise DataError(
                    f"slot {slot} of page {page.page_id} is of kind {terms.kind}, which has no price"
                )
            columns.append(column)
            if column in places and places[column] != place:
                twins.append((column, *place))
    return Listing(
        dated=tuple(dated),
        columns=np.array(columns, dtype=np.int64),
        underlying=np.array([*range(m), *(d.underlying for d in dated)], dtype=np.int64),
        places=places,
        twins=tuple(twins),
    )


def _dated(terms: InstrumentTerms, underlying: int, *, spot: float, as_of: int) -> Dated:
    return Dated(
        underlying=underlying,
        payoff=_PAYOFFS[Kind(terms.kind)],
        strike=terms.strike / spot,
        hours=terms.expiry_hour - as_of / _HOUR_S,
    )
