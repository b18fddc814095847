"""The live books that lanes and hedges are chosen for."""

from __future__ import annotations

import numpy as np

from seawall.arrays import Floats
from seawall.keeper.listed_pages import PageView
from seawall.keeper.view import ChainView

__all__ = ["heaviest_books"]


def heaviest_books(view: ChainView, spots: Floats, *, most: int) -> Floats:
    """Return the lots of the live books of largest legs, (n, I), at most so many.

    Legs are those in force, or the spot where there are none yet. Lanes weigh books by their tail risk, so what is
    left out hardly moves them, and every lane bounds every book from below however it was chosen.

    Parameters
    ----------
    spots
        Reference spots, ticks, (M,).
    """
    if len(view.lots) <= most:
        return view.lots
    legs = [
        _leg_in_force(page, slot) or float(spots[page.underlying])
        for page in view.pages
        for slot in range(len(page.instruments))
    ]
    chosen: Floats = view.lots[np.argsort(-(np.abs(view.lots) @ np.array(legs)), kind="stable")[:most]]
    return chosen


def _leg_in_force(page: PageView, slot: int) -> float:
    """Return the larger leg of a slot's instrument in the page in force, ticks; 0 if it is not there."""
    records = () if page.current is None else page.current.records
    if slot >= len(records) or records[slot].generation != page.instruments[slot].generation:
        return 0.0
    return float(max(records[slot].leg_long, records[slot].leg_short))
