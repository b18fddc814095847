"""Which column of the model's arrays stands for which listed instrument."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seawall.arrays import Floats, Ints
from seawall.errors import DataError
from seawall.keeper.listed_pages import InstrumentTerms
from seawall.keeper.view import ChainView
from seawall.margin.instruments import Dated, Payoff
from seawall.page.layout import Kind

__all__ = ["Listing", "list_columns"]

_HOUR_S = 3600
_PAYOFFS = {Kind.FUTURE: Payoff.FUTURE, Kind.CALL: Payoff.CALL, Kind.PUT: Payoff.PUT}


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """Hold the columns of everything listed: perpetuals of the M underlyings, dated instruments, tokens.

    Attributes
    ----------
    dated
        Of the columns from M on, of different terms.
    tokens
        Underlyings of the last columns, each once.
    columns
        Column of every instrument in order of page and slot, (I,).
    underlying
        Of every column, (C,).
    places
        Page and slot that stand for a column in atoms, by column; a perpetual's is the probe, missing if there is none.
    twins
        Further instruments with the risk of a column, as (column, page, slot).
    """

    dated: tuple[Dated, ...]
    tokens: tuple[int, ...]
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
    probes = {
        u.index: (u.probe_page, u.probe_slot) for u in view.underlyings if u.probe_page < len(view.pages)
    }
    known: dict[tuple[int, ...], int] = {}
    dated: list[Dated] = []
    tokens: list[int] = []
    found: list[tuple[bool, int, tuple[int, int]]] = []
    for page in view.pages:
        u = page.underlying
        for slot, terms in enumerate(page.instruments):
            is_token, index = terms.kind == Kind.SPOT, u
            if is_token:
                index = known.setdefault((u,), len(tokens))
                tokens += [u] if index == len(tokens) else []
            elif terms.kind in _PAYOFFS:
                key = (u, terms.kind, terms.strike, terms.expiry_hour)
                index = known.setdefault(key, m + len(dated))
                if index == m + len(dated):
                    dated.append(_dated(terms, u, spot=float(spots[u]), as_of=as_of))
            elif terms.kind != Kind.PERPETUAL:
                raise DataError(
                    f"slot {slot} of page {page.page_id} is of kind {terms.kind}, which has no price"
                )
            found.append((is_token, index, (page.page_id, slot)))
    first_token = m + len(dated)
    columns = [first_token + index if is_token else index for is_token, index, _ in found]
    places = dict(probes)
    for column, (_, _, place) in zip(columns, found, strict=True):
        if column >= m:
            places.setdefault(column, place)
    return Listing(
        dated=tuple(dated),
        tokens=tuple(tokens),
        columns=np.array(columns, dtype=np.int64),
        underlying=np.array([*range(m), *(d.underlying for d in dated), *tokens], dtype=np.int64),
        places=places,
        twins=tuple(
            (column, *place)
            for column, (_, _, place) in zip(columns, found, strict=True)
            if column in places and places[column] != place
        ),
    )


def _dated(terms: InstrumentTerms, underlying: int, *, spot: float, as_of: int) -> Dated:
    return Dated(
        underlying=underlying,
        payoff=_PAYOFFS[Kind(terms.kind)],
        strike=terms.strike / spot,
        hours=terms.expiry_hour - as_of / _HOUR_S,
    )
