"""Lanes that fit the 16 bits a record has for them, at the shift it was listed with."""

from dataclasses import dataclass

import numpy as np

from seawall.arrays import Floats
from seawall.keeper.listing import Listing
from seawall.keeper.view import ChainView
from seawall.page.layout import LANE_BIAS

__all__ = ["FittedLanes", "fit_lanes"]

_LARGEST = LANE_BIAS - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedLanes:
    """Hold lanes that fit, and what was in the way.

    Attributes
    ----------
    values
        Fractions of spot, (K, C).
    scaled
        How many lanes had to be scaled down.
    cramped
        Instruments whose lanes did not fit, as (page, slot): they need a larger shift.
    """

    values: Floats
    scaled: int
    cramped: tuple[tuple[int, int], ...]


def fit_lanes(view: ChainView, listing: Listing, lanes: Floats, *, spots: Floats) -> FittedLanes:
    """Scale every lane that some record cannot hold, for all instruments alike, until all of them can.

    An instrument's shift is fixed at listing, and its lanes grow when volatility or the spot does. A lane is the mean
    P&L by a test measure, and `L` the largest loss by any, at least nought: by one factor of at most 1 it is a smaller
    loss, so `L` stays below the tail risk of every book and only maintenance by lanes is weaker. The lane of one
    instrument alone could not be cut: for a book that holds it as a hedge, `L` would rise.

    Parameters
    ----------
    view
        The chain, whose instruments have the shifts.
    listing
        Columns of the lanes.
    lanes
        Fractions of spot, (K, C).
    spots
        Reference spots, ticks a lot, (M,).
    """
    terms = [instrument for page in view.pages for instrument in page.instruments]
    places = [(page.page_id, slot) for page in view.pages for slot in range(len(page.instruments))]
    ticks = np.abs(lanes * spots[listing.underlying])[:, listing.columns]
    room = np.array([float(_LARGEST << t.shift) for t in terms])
    excess = ticks / room
    factor = 1.0 / np.maximum(excess.max(axis=1, initial=0.0), 1.0)
    cramped = np.flatnonzero(excess.max(axis=0, initial=0.0) > 1)
    return FittedLanes(
        values=lanes * factor[:, None],
        scaled=int(np.count_nonzero(factor < 1)),
        cramped=tuple(places[i] for i in cramped),
    )
