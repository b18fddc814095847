"""The selection of hedges for what is listed, which takes minutes: done now and then, its file read every epoch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from seawall.keeper.compute import Computed
from seawall.keeper.hedges import SelectedHedges, most_hedges
from seawall.keeper.live_books import heaviest_books
from seawall.keeper.settings import KeeperSettings
from seawall.keeper.view import ChainView
from seawall.margin.design import trader_books
from seawall.margin.instruments import Chain
from seawall.margin.library import hedge_library
from seawall.margin.portfolio import without_tokens
from seawall.margin.selection import select_hedges
from seawall.margin.structures import verticals

__all__ = ["select_listed"]

# Books of which hedges are tried on some in every round: live ones, the largest, and others as people hold them.
_LIVE_BOOKS, _PEOPLE = 1_000, 4_000


def select_listed(
    view: ChainView,
    computed: Computed,
    *,
    settings: KeeperSettings,
    progress: Callable[[int, int], None] | None = None,
    live: int = _LIVE_BOOKS,
    people: int = _PEOPLE,
) -> SelectedHedges:
    """Return hedges of what is listed, the most useful first: some more than pages have room for.

    Parameters
    ----------
    view, computed, settings
        The chain, a keeper's own numbers for it, and what they were computed with.
    progress
        Called with how many books have been tried so far, and will have been, those of every round anew.
    live, people
        Of how many live books, the largest, and drawn ones some are tried in every round.
    """
    risk, listing, m = computed.risk, computed.listing, len(view.underlyings)
    spots, chain = np.rint(computed.spots), Chain.of(listing.dated)
    # Tokens count as perpetuals: what the one against the other can lose is posted beside the selection.
    plain = m + len(listing.dated)
    owner = listing.underlying[:plain]
    by_lot = risk.pnl[:, :plain] * spots[owner]
    legs = np.stack([risk.long_es, risk.short_es])[:, :plain] * spots[owner]
    weights, model = risk.scenarios.weights, settings.model
    drawn = trader_books(by_lot, weights, owner, spots=m, count=people, seed=model.seed, chain=chain)
    lived = listing.by_column(heaviest_books(view, spots, most=live))
    found = select_hedges(
        by_lot,
        weights,
        legs,
        hedge_library(
            chain,
            computed.delta,
            spots,
            largest_ratio=model.atoms.largest_ratio,
            neighbours=model.atoms.neighbours,
        ),
        without_tokens(lived, listing.tokens),
        drawn,
        alpha=model.alpha,
        settings=model.atoms,
        spots=m,
        always=verticals(chain, columns=m),
        progress=progress,
    )
    named = {
        column: (page, slot, view.pages[page].instruments[slot].generation)
        for column, (page, slot) in listing.places.items()
        if column < plain
    }
    placed = [hedge for hedge in found if all(column in named for column, _ in hedge)]
    most = most_hedges(view, per_instrument=model.atoms.per_instrument)
    return SelectedHedges(
        chain_id=view.chain_id,
        oracle=view.oracle,
        as_of=computed.as_of,
        hedges=tuple(tuple((*named[column], lots) for column, lots in hedge) for hedge in placed[:most]),
    )
