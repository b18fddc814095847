"""Marks that the oracle would not accept yet: posted at the edge, with the rest of the way as margin."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from tests.support.listings import AS_OF, QUICK, linear, listed_view, option, price_bars, with_shifts

from seawall.keeper.accounts import AccountBook
from seawall.keeper.books import certify_books, check_books
from seawall.keeper.check import check_proposal
from seawall.keeper.compute import Computed, compute, propose
from seawall.keeper.digest import inputs_hash
from seawall.keeper.listing import list_columns
from seawall.keeper.marks import from_marks_of, held_marks, mark_at, mark_ranges
from seawall.keeper.policy import ProbeRange
from seawall.keeper.view import ChainView
from seawall.margin.certificate import Book
from seawall.market.bars import Bars
from seawall.page.decode import Page, decode_page
from seawall.page.layout import Kind
from seawall.reference.marks import live_mark, spot_state

CALL, SOON, PUT = 2, 3, 4
TERMS = [
    linear(),
    option(Kind.FUTURE, 0.0, 720),
    option(Kind.CALL, 1.4, 240),  # far beyond what a day moves the spot
    option(Kind.CALL, 1.0, 1),  # gone when the spot has jumped
    option(Kind.PUT, 0.9, 720),
]
BEFORE = price_bars(days=120)
JUMP = 1.3


def jumped(by: float = JUMP, *, off: float = 0.0) -> Bars:
    """Return the bars with one more hour, in which both underlyings jump; all closes are off by a part."""
    return replace(
        BEFORE,
        known_at=np.append(BEFORE.known_at, AS_OF + 3600),
        closes=np.vstack([BEFORE.closes, BEFORE.closes[-1] * by]) * (1 + off),
        traded_value=np.vstack([BEFORE.traded_value, BEFORE.traded_value[-1]]),
    )


@cache
def listed() -> tuple[ChainView, Computed]:
    return with_shifts(listed_view([(0, TERMS), (1, [linear()])]), BEFORE)


def judged_by(computed: Computed) -> ChainView:
    """Return the venue with these pages as those that the oracle compares the next with."""
    view, _ = listed()
    pages = zip(view.pages, computed.payloads, strict=True)
    found = tuple(replace(page, compared=decode_page(payload)) for page, payload in pages)
    return replace(view, pages=found)


@cache
def after(room: float = 100.0) -> tuple[Computed, Computed]:
    """Return a keeper's numbers after the jump: as if no oracle judged them, and as it posts them.

    The oracle takes a probe of up to `room` times the last: where that is less than the model wants, lambda is below 1.
    """
    view, before = listed()
    return tuple(compute(bounded(seen, room), jumped(), settings=QUICK) for seen in (view, judged_by(before)))


def bounded(view: ChainView, room: float) -> ChainView:
    """Return the view with the largest probe so many times the last."""
    last = [page.records[0] for page in map(decode_page, listed()[1].payloads)]
    legs = [max(r.leg_long, r.leg_short) / round(s) for r, s in zip(last, listed()[1].spots, strict=True)]
    ranges = [ProbeRange(least_ppm=30_000, largest_ppm=int(1e6 * room * leg)) for leg in legs]
    under = [replace(u, probe_range=r) for u, r in zip(view.underlyings, ranges, strict=True)]
    return replace(view, underlyings=tuple(under))


def page_of(computed: Computed) -> Page:
    return decode_page(computed.payloads[0])


def distance(old: Page, new: Page, slot: int, *, at: float = 1.0) -> tuple[int, int]:
    """Return how far a record's value is above what the last page says at a spot, and what is allowed."""
    spot = round(new.head.reference_spot * at)
    given, _ = live_mark(new.records[slot], spot_state(new.head, price=spot, now=new.head.as_of))
    before = old.records[slot]
    expected, _ = live_mark(before, spot_state(old.head, price=spot, now=old.head.as_of))
    return given - expected, max(before.leg_long, before.leg_short)


def test_an_honest_mark_may_be_further_off_than_a_leg_and_the_posted_one_is_not() -> None:
    old = page_of(listed()[1])
    honest, posted = (page_of(computed) for computed in after())
    off, allowed = distance(old, honest, CALL)
    assert off > allowed
    short = honest.records[CALL].mark - posted.records[CALL].mark
    (held,) = after()[1].held
    assert (held.page, held.slot, held.ticks) == (0, CALL, -short)
    for at in (0.997, 1.0, 1.003):  # keepers' spots differ by less than what they sign
        assert abs(distance(old, posted, CALL, at=at)[0]) <= allowed
    assert distance(old, posted, CALL)[0] == allowed - allowed // 4
    for slot in (0, 1, PUT):
        assert posted.records[slot].mark == honest.records[slot].mark


@pytest.mark.parametrize("room", [100.0, 1.5])
def test_what_a_mark_lacks_is_margin_whole(room: float) -> None:
    """Equity less tail risk is what it is at the honest mark: for legs and for whole books, whatever lambda is."""
    fair, posted = after(room)
    assert (posted.posted.lambda_bps < 7_000) is (room < 2)
    assert posted.posted.lambda_bps == fair.posted.lambda_bps
    honest, record = (page_of(found).records[CALL] for found in (fair, posted))
    lacking = honest.mark - record.mark
    assert lacking > 0
    unit = 1 << honest.shift
    assert record.leg_short == pytest.approx(honest.leg_short + lacking, abs=2 * unit)
    assert record.leg_long == pytest.approx(max(honest.leg_long - lacking, 0), abs=2 * unit)
    view = listed()[0]
    books = [held_book(view, {CALL: -5, 0: 2}), held_book(view, {CALL: -1, PUT: -1})]
    shown = [
        certify_books(view, found, books, lambda_bps=found.posted.lambda_bps, settings=QUICK)
        for found in (fair, posted)
    ]
    for before, now, lots in zip(*shown, (5, 1), strict=True):
        assert now.shortfall == pytest.approx(
            before.shortfall + lots * lacking * view.tick, abs=lots * view.tick
        )


def held_book(view: ChainView, lots: dict[int, int]) -> AccountBook:
    """Return an account with so many lots of slots of page 0."""
    book = Book()
    for slot, count in lots.items():
        book.add(0, (slot, view.pages[0].instruments[slot].generation), count)
    return AccountBook(account=bytes(32), words=book.words())


def test_the_hash_of_inputs_covers_what_is_held() -> None:
    own, (view, _) = after()[1], listed()
    further = replace(own, held=(replace(own.held[0], ticks=own.held[0].ticks - 1),))
    hashes = {inputs_hash(view, found, jumped()) for found in (own, further, replace(own, held=()))}
    assert len(hashes) == 3


def test_the_next_baseline_lets_the_honest_mark_through() -> None:
    again = compute(judged_by(after()[1]), jumped(), settings=QUICK)
    assert again.held == ()
    assert again.payloads == after()[0].payloads


@pytest.mark.parametrize("off", [-0.0045, 0.0005, 0.0045])
@pytest.mark.parametrize(("by", "room"), [(1.25, 100.0), (1.3, 100.0), (1.3, 1.5), (1.35, 100.0)])
def test_keepers_sign_a_held_mark_of_each_other(by: float, room: float, off: float) -> None:
    """Of spots that differ by less than is tolerated, as without held marks; books of one leg and of several too."""
    view = bounded(judged_by(listed()[1]), room)
    every = [{slot: lots} for slot in range(len(TERMS)) for lots in (-1, 1)]
    books = [held_book(view, lots) for lots in (*every, {CALL: -3, 0: 1}, {CALL: 2, PUT: -1})]
    accounts = [replace(book, account=i.to_bytes(32, "big")) for i, book in enumerate(books)]
    view = replace(view, books=tuple(accounts))
    found = [(compute(view, bars, settings=QUICK), bars) for bars in (jumped(by), jumped(by, off=off))]
    assert all(computed.held for computed, _ in found)
    for (leader, bars), (own, _) in (found, found[::-1]):
        proposal = propose(view, leader, bars, epoch=1, settings=QUICK)
        check_proposal(proposal, own, view, settings=QUICK)
        check_books(proposal, own, view, view.books, settings=QUICK)


@pytest.mark.parametrize(("mark", "held"), [(9, True), (9.6, False), (10, False), (14.4, False), (15, True)])
def test_a_mark_that_is_within_reach_to_the_tick_is_not_held(mark: float, held: bool) -> None:
    """An option of a leg of few ticks would else be held in calm too, and every epoch take twice as long."""
    view = judged_by(listed()[1])
    fields = {"mark": 12, "delta_x22": 0, "gamma_spot_x10": 0, "shift": 0}
    old = changed(old_page(), CALL, **fields, leg_long_scaled=1, leg_short_scaled=2)
    terms = list(view.pages[0].instruments)
    terms[CALL] = replace(terms[CALL], shift=0)
    page = replace(view.pages[0], compared=old, instruments=tuple(terms))
    view = replace(view, pages=(page, *view.pages[1:]))
    spots = np.full(2, float(old.head.reference_spot))
    listing = list_columns(view, spots=spots, as_of=AS_OF)
    index = int(listing.columns[CALL]) - len(view.underlyings)
    marks = np.array([float(r.mark) for r in old.records[1:]]) / spots[0]
    marks[index] = mark / spots[0]
    found = held_marks(view, listing, marks, spots=spots, as_of=AS_OF, lambda_bps=10_000)
    assert (found is not None) is held


def test_a_follower_counts_tail_risk_from_the_leaders_mark_whole() -> None:
    view = bounded(judged_by(listed()[1]), 1.5)
    bars = jumped(off=0.0045)
    leader, own = compute(view, bars, settings=QUICK), after(1.5)[1]
    proposal = propose(view, leader, bars, epoch=1, settings=QUICK)
    spot = page_of(own).head.reference_spot
    given = mark_at(page_of(leader).records[CALL], page_of(leader).head, spot)
    further = given - page_of(own).records[CALL].mark
    assert abs(further) > 50
    book = [held_book(view, {CALL: -5, 0: 2})]
    before, now = (
        certify_books(view, found, book, lambda_bps=own.posted.lambda_bps, settings=QUICK)[0].shortfall
        for found in (own, from_marks_of(proposal, own))
    )
    assert now - before == pytest.approx(-5 * further * view.tick, abs=5 * view.tick)
    # The leader's own numbers are from its own mark already.
    assert from_marks_of(proposal, leader).payloads == leader.payloads
    np.testing.assert_array_equal(from_marks_of(proposal, leader).risk.pnl, leader.risk.pnl)


def test_in_calm_no_mark_is_held_and_no_byte_is_another() -> None:
    view, before = listed()
    calm = jumped(1.005)
    assert (
        compute(judged_by(before), calm, settings=QUICK).payloads
        == compute(view, calm, settings=QUICK).payloads
    )


def old_page() -> Page:
    return page_of(listed()[1])


def changed(page: Page, slot: int, **fields: int) -> Page:
    records = list(page.records)
    records[slot] = replace(records[slot], **fields)
    return replace(page, records=tuple(records))


@pytest.mark.parametrize("fields", [{"generation": 2}, {"strike": 1}, {"shift": 20}, {"kind": Kind.PUT}])
def test_a_record_of_other_terms_holds_no_mark(fields: dict[str, int]) -> None:
    view = judged_by(listed()[1])
    relisted = replace(view.pages[0], compared=changed(old_page(), CALL, **fields))
    found = compute(replace(view, pages=(relisted, *view.pages[1:])), jumped(), settings=QUICK)
    assert found.held == ()


def test_a_page_of_before_a_listing_holds_no_mark() -> None:
    view = judged_by(listed()[1])
    shorter = replace(view.pages[0], compared=replace(old_page(), records=old_page().records[:CALL]))
    found = compute(replace(view, pages=(shorter, *view.pages[1:])), jumped(), settings=QUICK)
    assert found.held == ()


def range_of(slot: int, *, as_of: int, at: float = JUMP, **fields: int) -> tuple[int, int]:
    """Return the least and the largest mark of a record, ticks, at a multiple of the last spot."""
    view = judged_by(listed()[1])
    page = replace(view.pages[0], compared=changed(old_page(), slot, **fields))
    spots = np.full(2, round(old_page().head.reference_spot * at))
    listing = list_columns(view, spots=spots, as_of=as_of)
    pages = (page, *view.pages[1:])
    found = mark_ranges(replace(view, pages=pages), listing, spots=spots, as_of=as_of)
    index = int(listing.columns[slot]) - len(view.underlyings)
    least, most = (float(edge[index]) for edge in found)
    return (int(least), int(most)) if np.isfinite(least + most) else (0, 0)


def test_what_has_expired_may_be_worth_anything() -> None:
    expiry = TERMS[SOON].expiry_hour * 3600
    assert range_of(SOON, as_of=expiry - 1, mark=10**6) != (0, 0)
    assert range_of(SOON, as_of=expiry, mark=10**6) == (0, 0)


def test_a_mark_may_fall_as_far_as_the_last_one_without_its_curvature() -> None:
    """A parabola overshoots far from where it was fitted: the oracle allows what the slope alone says."""
    bent = changed(old_page(), CALL, gamma_spot_x10=8_000 << 10, delta_x22=0, mark=10)
    record, spot = bent.records[CALL], round(bent.head.reference_spot * JUMP)
    leg = max(record.leg_long, record.leg_short)
    room = leg - leg // 4
    curved, _ = live_mark(record, spot_state(bent.head, price=spot, now=bent.head.as_of))
    assert curved > 10 + room
    fields = {"gamma_spot_x10": 8_000 << 10, "delta_x22": 0, "mark": 10}
    assert range_of(CALL, as_of=AS_OF, **fields) == (10 - room, curved + room)
