"""Lanes that outgrow their records: keepers go on posting, and maintenance never rises by it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.listings import AS_OF, QUICK, chain_terms, linear, listed_view, price_bars, with_shifts

from seawall.keeper.compute import compute
from seawall.keeper.lanes import FittedLanes, fit_lanes
from seawall.keeper.listing import list_columns
from seawall.keeper.view import ChainView
from seawall.page.decode import decode_page
from seawall.page.layout import LANE_BIAS

TERMS = chain_terms(days=(7, 30), strikes=(0.9, 1.1))
SPOTS = np.array([1e6, 2e4])
FITS = LANE_BIAS - 1


def venue(shifts: list[int]) -> ChainView:
    terms = [replace(t, shift=shift) for t, shift in zip([linear(), *TERMS], shifts, strict=False)]
    return listed_view([(0, terms), (1, [linear()])])


def fitted(view: ChainView, lanes: np.ndarray) -> tuple[FittedLanes, np.ndarray, np.ndarray]:
    """Return what fits, and the lanes before and after in ticks a lot by instrument, (K, I)."""
    listing = list_columns(view, spots=SPOTS, as_of=AS_OF)
    found = fit_lanes(view, listing, lanes, spots=SPOTS)
    before, after = (
        (values * SPOTS[listing.underlying])[:, listing.columns] for values in (lanes, found.values)
    )
    return found, before, after


@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.floats(0.001, 5.0),
    shifts=st.lists(st.integers(0, 8), min_size=5, max_size=5),
)
def test_lanes_fit_and_raise_the_lower_bound_of_no_book(seed: int, size: float, shifts: list[int]) -> None:
    view, rng = venue(shifts), np.random.default_rng(seed)
    columns = len(list_columns(view, spots=SPOTS, as_of=AS_OF).underlying)
    found, before, after = fitted(view, rng.normal(size=(16, columns)) * size)
    room = np.array([FITS << t.shift for page in view.pages for t in page.instruments])
    assert (np.abs(after) <= room * (1 + 1e-12)).all()
    books = rng.normal(size=(200, len(room)))
    lower = [np.maximum((-(books @ lanes.T)).max(axis=1), 0.0) for lanes in (before, after)]
    assert (lower[1] <= lower[0] * (1 + 1e-12)).all()
    whole = (np.abs(before) <= room).all(axis=1)
    np.testing.assert_array_equal(after[whole], before[whole])
    assert found.scaled == np.count_nonzero(~whole)
    assert bool(found.cramped) == (not whole.all())


def test_the_instrument_that_was_outgrown_is_named() -> None:
    view = venue([5, 5, 5, 0, 5])
    listing = list_columns(view, spots=SPOTS, as_of=AS_OF)
    lanes = np.full((16, len(listing.underlying)), 1e-3)
    lanes[3, listing.columns[3]] = 0.05
    found, _, after = fitted(view, lanes)
    assert found.cramped == ((0, 3),)
    assert found.scaled == 1
    assert abs(after[3, 3]) == pytest.approx(FITS)
    assert after[3, 0] == pytest.approx(1e3 * FITS / 5e4)


def test_a_keeper_goes_on_when_options_outgrow_their_shift() -> None:
    view, whole = with_shifts(listed_view([(0, TERMS), (1, [linear()])]), price_bars(days=120))
    largest = max(t.shift for t in view.pages[0].instruments)
    assert not whole.lanes.cramped
    tight = replace(
        view,
        pages=(
            replace(view.pages[0], instruments=tuple(replace(t, shift=0) for t in view.pages[0].instruments)),
            *view.pages[1:],
        ),
    )
    assert largest > 0
    found = compute(tight, price_bars(days=120), settings=QUICK)
    assert found.lanes.cramped
    for record, other in zip(
        *(decode_page(computed.payloads[0]).records for computed in (found, whole)), strict=True
    ):
        assert max(map(abs, record.lanes)) <= FITS
        assert record.leg_long == pytest.approx(other.leg_long, abs=2 << largest)
