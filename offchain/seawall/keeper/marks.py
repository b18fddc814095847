"""Marks that the oracle accepts: no further from the compared page's, at one spot, than that page's larger leg.

An option's honest mark can be further off, after a jump that the page it is compared with did not foresee. A manifest
with it would be refused, and with it the marks of all other instruments. So a mark is posted near the edge of what is
accepted, and tail risk counts from there: what a mark lacks is in legs, lanes, atoms and books, whole, whatever lambda.
Once such a page is the baseline its legs, which are those of where the spot is, let the honest mark through.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from seawall.arrays import Floats
from seawall.keeper.listing import Listing
from seawall.keeper.view import ChainView
from seawall.margin.portfolio import MarkShift
from seawall.page.decode import Head, Page, Record, decode_page
from seawall.page.layout import DELTA_ONE, TERMS
from seawall.reference.marks import is_expired, live_mark, spot_state

if TYPE_CHECKING:
    from seawall.keeper.compute import Computed, Proposal

__all__ = ["HeldMark", "from_marks_of", "held_instruments", "held_marks", "mark_at", "mark_ranges"]

# One part in so many of a leg is left free: the feed's price at activation is not quite the page's.
_SLACK = 4


def mark_ranges(view: ChainView, listing: Listing, *, spots: Floats, as_of: int) -> tuple[Floats, Floats]:
    """Return the least and the largest mark of each dated column that may be posted, ticks, (D,) each.

    ``V_old(S) -+ 3/4 max(legLong, legShort)`` of the compared page, the room rounded up to whole ticks, below from the
    value without curvature if that is less; unbounded for what that page lacks or what has expired.

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
            lower[index], upper[index] = max(lower[index], least), min(upper[index], most)
    return lower, upper


def _range(record: Record, page: Page, spot: int) -> tuple[int, int]:
    """Return the least and the largest mark, ticks, that may follow a record at a spot."""
    state = spot_state(page.head, price=spot, now=page.head.as_of)
    expected, _ = live_mark(record, state)
    straight, _ = live_mark(replace(record, gamma_spot_x10=0), state)
    leg = max(record.leg_long, record.leg_short)
    room = leg - leg // _SLACK
    return min(expected, straight) - room, expected + room


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldMark:
    """Say by how many ticks a mark is posted above the model's; below if negative. `column` is its column."""

    page: int
    slot: int
    column: int
    ticks: int


def held_marks(
    view: ChainView, listing: Listing, marks: Floats, *, spots: Floats, as_of: int, lambda_bps: int
) -> MarkShift | None:
    """Return where marks are posted, if that is not where the model has them to the tick; else None.

    Parameters
    ----------
    view, listing, spots, as_of
        As for `mark_ranges`.
    marks
        The model's, fractions of spot, (D,).
    lambda_bps
        What legs, lanes and tail risks are going to be scaled by.
    """
    first = len(view.underlyings)
    spot = spots[listing.underlying[first : first + len(marks)]]
    wanted = np.rint(marks * spot)
    posted = np.clip(wanted, *mark_ranges(view, listing, spots=spots, as_of=as_of))
    shift = np.where(posted == wanted, 0.0, posted / spot - marks)
    return MarkShift(shift=shift, factor=lambda_bps / 10_000) if shift.any() else None


def held_instruments(
    view: ChainView, listing: Listing, shift: Floats, *, spots: Floats
) -> tuple[HeldMark, ...]:
    """Return the instruments whose mark is held, a column's twins too; `shift` as in `MarkShift`."""
    first, found = len(view.underlyings), []
    columns = iter(listing.columns.tolist())
    for page in view.pages:
        for slot in range(len(page.instruments)):
            column = next(columns)
            moved = shift[column - first] if 0 <= column - first < len(shift) else 0.0
            if moved:
                ticks = round(float(moved * spots[page.underlying]))
                found.append(HeldMark(page=page.page_id, slot=slot, column=column, ticks=ticks))
    return tuple(found)


def from_marks_of(proposal: Proposal, own: Computed) -> Computed:
    """Return own numbers with P&L of what is held from a proposal's marks.

    Where a mark is held moves with the spot by the slope of the last page, what it is worth by that of the own one: who
    has another spot, though within tolerance, has more or less of the way as margin. The proposal's pages must be as
    many and as long as the own ones.
    """
    if not own.held:
        return own
    pnl, factor = own.risk.pnl.copy(), own.posted.lambda_bps / 10_000
    pages = {
        page: [decode_page(found.payloads[page]) for found in (proposal, own)]
        for page in {held.page for held in own.held}
    }
    for held in own.held:
        theirs, mine = pages[held.page]
        given = mark_at(theirs.records[held.slot], theirs.head, mine.head.reference_spot)
        further = given - mine.records[held.slot].mark
        pnl[:, held.column] = own.risk.pnl[:, held.column] - further / mine.head.reference_spot / factor
    return replace(own, risk=replace(own.risk, pnl=pnl))


def mark_at(record: Record, head: Head, spot: int) -> float:
    """Return a mark at another spot, by its slope: a mark off one way and its spot off the other add up."""
    return record.mark + record.delta_x22 / DELTA_ONE * (spot - head.reference_spot)
