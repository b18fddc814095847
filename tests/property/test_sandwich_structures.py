"""Bounds that need no model, in margins: parity, vertical spreads and boxes, from pages to requirements.

Marks keep them too (`test_mixed_pages.py`). What certificates leave is what whole ticks and units of lanes round, as
long as two or three legs say it all: a box is two conversions where its expiry has a future, else a basket.
"""

from itertools import combinations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from tests.support.listings import QUICK, linear, listed_view, option, price_bars, with_shifts
from tests.support.published import Lots, Published

from seawall.margin.certificate import ShownBook, best_certificate
from seawall.page import MerkleTree, book_leaf
from seawall.page.layout import Kind

STRIKES = (0.85, 0.95, 1.0, 1.05, 1.2)
WITH_FUTURE, WITHOUT = (7, 30), (90,)
LISTED = [
    linear(),
    *(option(Kind.FUTURE, 0.0, 24 * days) for days in WITH_FUTURE),
    *(
        option(kind, strike, 24 * days)
        for days in (*WITH_FUTURE, *WITHOUT)
        for strike in STRIKES
        for kind in (Kind.CALL, Kind.PUT)
    ),
]
days_with_future = st.sampled_from(WITH_FUTURE)
all_days = st.sampled_from((*WITH_FUTURE, *WITHOUT))
two_strikes = st.sampled_from(list(combinations(STRIKES, 2)))
sizes = st.one_of(st.integers(1, 100), st.integers(100, 100_000))
sides = st.sampled_from((1, -1))


@pytest.fixture(scope="module")
def published() -> Published:
    return Published(*with_shifts(listed_view([(0, LISTED)]), price_bars(days=120), settings=QUICK))


def column(kind: Kind, strike: float, days: float) -> int:
    return LISTED.index(option(kind, strike, 24 * days))


def held(*legs: tuple[Kind, float, float, int]) -> Lots:
    lots = np.zeros(len(LISTED), dtype=np.int64)
    for kind, strike, days, count in legs:
        lots[column(kind, strike, days)] += count
    return lots


def box(low: float, high: float, days: float, lots: int) -> Lots:
    """Return what pays `high - low` at expiry, whatever happens."""
    return held(
        (Kind.CALL, low, days, lots),
        (Kind.CALL, high, days, -lots),
        (Kind.PUT, high, days, lots),
        (Kind.PUT, low, days, -lots),
    )


def charged(published: Published, lots: Lots, shown: ShownBook | None = None) -> int:
    """Return U with the best certificate, ticks."""
    found = best_certificate(published.book(lots), published.pages, shown=shown)
    return -(-found.upper // published.view.tick)


def value(published: Published, lots: Lots) -> int:
    return int(lots @ np.array([record.mark for record in published.records]))


def width(published: Published, low: float, high: float) -> int:
    spot = published.pages[0].head.reference_spot
    return round(high * spot) - round(low * spot)


@given(strikes=two_strikes, days=days_with_future, lots=sizes, side=sides)
def test_a_box_costs_no_margin_but_the_rounding_of_two_conversions(
    published: Published, strikes: tuple[float, float], days: float, lots: int, side: int
) -> None:
    book = box(*strikes, days, side * lots)
    assert charged(published, book) <= 2 * lots
    assert int(published.gross(book[None])[0]) > 1_000 * lots


@given(strikes=two_strikes, days=all_days, lots=sizes, side=sides)
def test_a_box_is_never_liquidated_and_shown_as_a_basket_costs_a_unit_at_most(
    published: Published, strikes: tuple[float, float], days: float, lots: int, side: int
) -> None:
    book = box(*strikes, days, side * lots)
    assert int(published.lower(book[None])[0]) == 0
    certified, _ = published.leaf(book)
    assert certified <= 1 + published.view.tick * float(published.noise(book[None])[0])
    leaf = book_leaf(certified, published.book(book).words())
    proof = MerkleTree([leaf, book_leaf(1, (1 << 8, 2))]).proof(leaf)
    shown = ShownBook(words=published.book(book).words(), shortfall=certified, proof=proof)
    assert charged(published, book, shown) <= 1


@given(strike=st.sampled_from(STRIKES), days=days_with_future, lots=sizes, side=sides)
def test_a_call_less_its_put_is_charged_as_their_future(
    published: Published, strike: float, days: float, lots: int, side: int
) -> None:
    future = held((Kind.FUTURE, 0.0, days, side * lots))
    synthetic = held((Kind.CALL, strike, days, side * lots), (Kind.PUT, strike, days, -side * lots))
    assert abs(charged(published, synthetic) - charged(published, future)) <= lots
    assert charged(published, synthetic - future) <= lots
    assert int(published.lower((synthetic - future)[None])[0]) == 0


@given(
    strikes=two_strikes,
    days=all_days,
    lots=sizes,
    side=sides,
    kind=st.sampled_from((Kind.CALL, Kind.PUT)),
)
def test_a_vertical_spread_is_charged_what_it_can_lose_at_most(
    published: Published, strikes: tuple[float, float], days: float, lots: int, side: int, kind: Kind
) -> None:
    """Bought its price, sold its width less that; so never more than its width, and L no more than U."""
    low, high = strikes if kind == Kind.CALL else strikes[::-1]
    book = held((kind, low, days, side * lots), (kind, high, days, -side * lots))
    most = value(published, book) + (0 if side > 0 else lots * width(published, *strikes))
    rounding = 4 * lots  # of marks to the nearest, and of the atoms, up
    assert charged(published, book) <= most + rounding
    assert int(published.lower(book[None])[0]) <= most + rounding


@given(days=all_days, strikes=two_strikes, kind=st.sampled_from((Kind.CALL, Kind.PUT)))
def test_legs_and_lanes_of_two_strikes_differ_by_their_width_at_most(
    published: Published, days: float, strikes: tuple[float, float], kind: Kind
) -> None:
    """One is always worth more than the other, and never by more than the width: today, and in every lane."""
    near, far = strikes if kind == Kind.CALL else strikes[::-1]
    one, other = (published.records[column(kind, strike, days)] for strike in (near, far))
    units = (1 << one.shift) + (1 << other.shift)
    assert one.leg_long <= one.mark + (1 << one.shift)
    room = width(published, *strikes) + units
    assert abs(one.leg_long - other.leg_long) <= room
    assert abs(one.leg_short - other.leg_short) <= room
    first, second = (np.array(record.lanes, dtype=np.int64) << record.shift for record in (one, other))
    moved = first + one.mark - second - other.mark
    assert (moved >= -units - 1).all()
    assert (moved <= room + 1).all()
