"""Marks that the oracle accepts: no further from the compared page's, at one spot, than that page's larger leg.

An option's honest mark can be further off, after a jump that the page it is compared with did not foresee. A manifest
with it would be refused, and with it the marks of all other instruments. So a mark is posted at the edge of what is
accepted, and the rest of the way is margin: tail risk is counted from the mark that is posted. By then the baseline has
such a page, and its legs, now those of where the spot is, let the honest mark through.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from seawall.arrays import Floats
from seawall.keeper.listing import Listing
from seawall.keeper.view import ChainView
from seawall.page.decode import Page, Record
from seawall.page.layout import TERMS
from seawall.reference.marks import is_expired, live_mark, spot_state

__all__ = ["held_places", "mark_ranges"]

# Quarters of a leg of which marks may be off: the feed's price at activation is not quite the page's.
_QUARTERS = 3


def mark_ranges(view: ChainView, listing: Listing, *, spots: Floats, as_of: int) -> tuple[Floats, Floats]:
    """Return the least and the largest mark of each dated column that may be posted, fractions of spot, (D,) each.

    ``V_old(S) -+ 3/4 max(legLong, legShort)`` of the compared page, below from the value without curvature if that is
    less; unbounded for what that page lacks or what has expired. Whole ticks, rounded away from the edge.

    Parameters
    ----------
    view
        The chain.
    listing
        Its columns.
    spots
        Reference spots that pages will carry, whole ticks, (M,).
    as_of
        Time of the numbers, seconds.
    """
    first, count = len(view.underlyings), len(listing.dated)
    lower, upper = np.full(count, -np.inf), np.full(count, np.inf)
    columns = iter(listing.columns.tolist())
    for page in view.pages:
        spot = int(spots[page.underlying])
        for slot, terms in enumerate(page.instruments):
            index = next(columns) - first
            if not 0 <= index < count or page.compared is None or slot >= len(page.compared.records):
                continue
            record = page.compared.records[slot]
            same = all(getattr(record, name) == getattr(terms, name) for name in TERMS)
            if not same or is_expired(record, now=as_of):
                continue
            least, most = _range(record, page.compared, spot)
            lower[index], upper[index] = max(lower[index], least / spot), min(upper[index], most / spot)
    return lower, upper


def _range(record: Record, page: Page, spot: int) -> tuple[int, int]:
    """Return the least and the largest mark, ticks, that may follow a record at a spot."""
    state = spot_state(page.head, price=spot, now=page.head.as_of)
    expected, _ = live_mark(record, state)
    straight, _ = live_mark(replace(record, gamma_spot_x10=0), state)
    room = max(record.leg_long, record.leg_short) * _QUARTERS // 4
    return min(expected, straight) - room, expected + room


def held_places(listing: Listing, held: Floats) -> tuple[tuple[int, int], ...]:
    """Return page and slot of the dated columns whose mark was held, which is where `held` is not zero, (D,)."""
    first = len(listing.underlying) - len(listing.tokens) - len(listing.dated)
    return tuple(listing.places[first + column] for column in np.flatnonzero(held).tolist())
