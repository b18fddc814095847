"""What honest keepers sign of a proposal with one number changed by the least that does harm, or by any amount."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from tests.support.listings import (
    AS_OF,
    QUICK,
    chain_terms,
    linear,
    listed_view,
    option,
    price_bars,
    with_shifts,
)

from seawall.errors import ConsistencyError
from seawall.keeper.accounts import AccountBook
from seawall.keeper.books import BookLeaf, book_tree, check_books, leg_sizes
from seawall.keeper.check import check_proposal
from seawall.keeper.compute import Computed, Proposal, compute, propose
from seawall.keeper.policy import ProbeRange
from seawall.keeper.view import ChainView
from seawall.page.decode import Page, Record, decode_page, pack_page
from seawall.page.encode import accrued_funding_x32
from seawall.page.layout import DELTA_ONE, Kind
from seawall.page.manifest import init_code_hash
from seawall.reference import Book

TERMS = [*chain_terms(days=(7, 30), strikes=(0.9, 1.0, 1.1)), option(Kind.CALL, 1.0, -1), linear(Kind.SPOT)]
BARS = price_bars(days=120)
EXPIRED = len(TERMS) - 2
Change = Callable[[Page], Page]


@cache
def venue() -> tuple[ChainView, Computed]:
    rng = np.random.default_rng(6)
    shape = (12, len(TERMS) + 1)
    lots = np.round(rng.normal(size=shape) * 100) * (rng.random(shape) < 0.3)
    return with_shifts(listed_view([(0, TERMS), (1, [linear()])], lots=lots), BARS)


@cache
def honest() -> Proposal:
    return propose(*venue(), BARS, epoch=1, settings=QUICK)


def told(proposal: Proposal, change: Change, *, everywhere: bool = False) -> Proposal:
    """Return a proposal with its first page changed, or every one, and otherwise as consistent as it was."""
    pages = [decode_page(payload) for payload in proposal.payloads]
    changed = 1 + everywhere * len(pages)
    payloads = tuple(pack_page(change(page) if i < changed else page) for i, page in enumerate(pages))
    manifest = replace(proposal.manifest, pages=tuple(init_code_hash(p) for p in payloads))
    return replace(proposal, manifest=manifest, payloads=payloads)


def head_of(**values: int) -> Change:
    return lambda page: replace(page, head=replace(page.head, **values))


def each_record(change: Callable[[Record], dict[str, Any]]) -> Change:
    return lambda page: replace(page, records=tuple(replace(r, **change(r)) for r in page.records))


def one_record(slot: int, **values: int) -> Change:
    return lambda page: replace(
        page, records=tuple(replace(r, **values) if i == slot else r for i, r in enumerate(page.records))
    )


def signs(proposal: Proposal, own: Computed | None = None, view: ChainView | None = None) -> bool:
    try:
        check_proposal(proposal, own or venue()[1], view or venue()[0], settings=QUICK)
    except ConsistencyError:
        return False
    return True


def test_what_is_changed_here_is_signed_unchanged() -> None:
    assert signs(honest())
    assert signs(told(honest(), lambda page: page))


@given(unit=st.integers(0, (1 << 32) - 1), vega=st.integers(0, (1 << 16) - 1))
def test_whatever_unit_a_leader_takes_an_option_is_charged_for_vega_what_the_follower_would(
    unit: int, vega: int
) -> None:
    """The largest vega is charged within a quarter, however coarse the unit; others within as many ticks."""
    page = decode_page(venue()[1].payloads[0])
    slot = max(range(len(page.records)), key=lambda i: page.records[i].vega)
    record, own = page.records[slot], page.head.vega_charge
    lie = told(honest(), lambda p: head_of(vega_charge=unit)(one_record(slot, vega=vega)(p)))
    if signs(lie):
        assert abs(vega * unit - record.vega * own) <= 0.25 * record.vega * own
    assert not signs(
        told(honest(), lambda p: head_of(vega_charge=1 << 31)(each_record(lambda _: {"vega": 0})(p)))
    )


@given(off=st.integers(-(1 << 40), 1 << 40).filter(bool), earlier=st.integers(1, 36_000))
def test_cumulative_funding_is_carried_on_to_the_unit(off: int, earlier: int) -> None:
    """It follows the manifest in force, so what is tolerated once would be tolerated again, epoch by epoch."""
    view, own = venue()
    last = decode_page(own.payloads[0])
    last = replace(last, head=replace(last.head, as_of=last.head.as_of - earlier, funding_x32=7 << 32))
    seen = replace(view, pages=(replace(view.pages[0], current=last), *view.pages[1:]))
    carried = accrued_funding_x32(last.head, at_s=own.as_of)
    assert signs(told(honest(), head_of(funding_x32=carried)), view=seen)
    assert not signs(told(honest(), head_of(funding_x32=carried + off)), view=seen)


def test_a_page_is_of_the_manifests_time() -> None:
    assert not signs(told(honest(), head_of(as_of=AS_OF - 1)))


@given(
    slot=st.integers(0, len(TERMS) - 1).filter(lambda slot: slot != EXPIRED),
    spot=st.floats(-0.0049, 0.0049),
    mark=st.floats(-0.03, 0.03),
)
def test_marks_at_one_spot_differ_by_no_more_than_the_tolerance_whatever_the_reference(
    slot: int, spot: float, mark: float
) -> None:
    page = decode_page(venue()[1].payloads[0])
    own, reference = page.records[slot], page.head.reference_spot
    given_spot, given_mark = round(reference * (1 + spot)), max(round(own.mark + reference * mark), 0)
    lie = told(honest(), lambda p: head_of(reference_spot=given_spot)(one_record(slot, mark=given_mark)(p)))
    at_own = given_mark + own.delta_x22 / DELTA_ONE * (reference - given_spot)
    option_part = QUICK.option_tolerance * reference * (own.kind in (Kind.CALL, Kind.PUT))
    allowed = QUICK.mark_tolerance * own.mark + option_part + 1
    if signs(lie):
        assert abs(at_own - own.mark) <= allowed


@pytest.mark.parametrize(
    "lie",
    [
        {"mark": 1},
        {"delta_x22": -DELTA_ONE},
        {"delta_x22": 2 * DELTA_ONE - 1},
        {"gamma_spot_x10": 1},
        {"vega": 1},
    ],
)
def test_until_its_average_is_final_an_expired_option_is_held_to_its_payoff(
    lie: dict[str, int],
) -> None:
    """After an outage that takes up to a day, and so long it is worth what its page says."""
    view, _ = venue()
    terms = (*view.pages[0].instruments[:EXPIRED], option(Kind.CALL, 0.8, -1), view.pages[0].instruments[-1])
    view = replace(view, pages=(replace(view.pages[0], instruments=terms), view.pages[1]))
    own = compute(view, BARS, settings=QUICK)
    proposal = propose(view, own, BARS, epoch=1, settings=QUICK)
    assert signs(proposal, own, view)
    assert not signs(told(proposal, one_record(EXPIRED, **lie)), own, view)


@given(share=st.floats(0.0, 1.0))
def test_lanes_find_half_of_what_the_follower_finds_or_are_not_signed(share: float) -> None:
    """Nothing else keeps a leader from posting none, and accounts from being liquidated for a grace period."""
    fewer = each_record(lambda r: {"lanes": tuple(round(share * lane) for lane in r.lanes)})
    lie = told(honest(), fewer, everywhere=True)
    if share < 0.45:
        assert not signs(lie)
    if share > 0.55:
        assert signs(lie)


def test_an_atom_is_certified_no_lower_than_a_book_of_its_legs() -> None:
    """A token against its perpetual is safe but for the basis: little beside what is tolerated of large legs."""
    page = decode_page(venue()[1].payloads[0])
    found = 0
    for index, atom in enumerate(page.atoms):
        legs = [(abs(leg.ratio), page.records[leg.slot]) for leg in atom.legs if leg.page is None]
        options = sum(ratio * page.head.reference_spot for ratio, r in legs if r.strike > 0)
        gross = sum(
            ratio * max(r.leg_long, r.leg_short, 0.02 * page.head.reference_spot * (r.strike > 0))
            for ratio, r in legs
        )
        part = QUICK.leg_tolerance + QUICK.option_tolerance * options / gross  # as legs themselves
        tolerated = part * atom.shortfall + QUICK.mark_tolerance * gross
        if len(legs) < len(atom.legs) or atom.shortfall < 2 * tolerated:
            continue
        for times, agreed in ((0.9, True), (1.2, False)):
            low = replace(atom, shift=0, shortfall_scaled=round(atom.shortfall - times * tolerated))
            atoms = (*page.atoms[:index], low, *page.atoms[index + 1 :])
            lie = told(honest(), lambda p, atoms=atoms: replace(p, atoms=atoms))
            assert signs(lie) is agreed, (index, times)
        if (found := found + 1) == 8:
            return
    raise AssertionError(f"only {found} atoms were tried")


@given(seed=st.integers(0, 2**32 - 1), off=st.integers(0, 1000).map(lambda k: k / 1000))
def test_a_books_tail_risk_is_held_closer_than_the_legs_it_is_made_of(seed: int, off: float) -> None:
    """What a leader may gain with leaves, lanes and atoms beyond legs is half a percent of legs, and no more."""
    view, own = venue()
    sizes = leg_sizes(view, own, alpha=QUICK.model.alpha)
    rng = np.random.default_rng(seed)
    lots = np.round(rng.normal(size=(8, len(sizes.long))) * 50) * (rng.random((8, len(sizes.long))) < 0.2)
    legs = np.maximum(lots, 0) @ sizes.long + np.maximum(-lots, 0) @ sizes.short
    allowed = QUICK.leg_tolerance * legs + QUICK.option_tolerance * np.abs(lots) @ sizes.option_spots
    gross = np.abs(lots) @ sizes.largest
    found = off * legs  # a book's tail risk is at most the sum of its legs
    by_side = sizes.tolerance(lots, found, settings=QUICK, by_side=True) - QUICK.mark_tolerance * gross
    assert np.all(by_side <= off * allowed * (1 + 1e-9) + 1e-6)
    plain = sizes.tolerance(lots, found, settings=QUICK) - QUICK.mark_tolerance * gross
    assert np.all(plain <= by_side + 1e-6)
    assert np.all(plain <= 0.2 * found + 1e-6)


@pytest.mark.parametrize(("times", "agreed"), [(1.02, True), (1.21, False)])
def test_lanes_exceed_a_legs_tail_risk_by_no_more_than_the_leg_may_itself(times: float, agreed: bool) -> None:
    raised = each_record(lambda r: {"lanes": tuple(round(times * lane) for lane in r.lanes)})
    assert signs(told(honest(), raised, everywhere=True)) is agreed


def test_tolerances_of_leaves_and_of_their_factor_do_not_add_up() -> None:
    view, own = venue()
    book = Book()
    book.add(0, (0, 1), 1000)
    books = (AccountBook(account=bytes(32), words=book.words()),)
    view = replace(view, books=books)
    proposal = propose(view, own, BARS, epoch=1, settings=QUICK)
    low = round(own.posted.lambda_bps * (1 - 0.99 * QUICK.leg_tolerance))

    def certified(part: float) -> Proposal:
        payloads = [decode_page(payload) for payload in proposal.payloads]
        scaled = tuple(pack_page(replace(p, head=replace(p.head, lambda_bps=low))) for p in payloads)
        leaf = BookLeaf(words=proposal.books[0].words, shortfall=int(part * proposal.books[0].shortfall))
        manifest = replace(proposal.manifest, book_root=book_tree((leaf,)).root)
        return replace(proposal, manifest=manifest, payloads=scaled, books=(leaf,))

    tolerance = QUICK.leg_tolerance + QUICK.mark_tolerance
    check_books(certified(1 - 0.9 * tolerance), own, view, books, settings=QUICK)
    with pytest.raises(ConsistencyError, match="the tail risk of book"):
        check_books(certified(1 - 1.1 * tolerance), own, view, books, settings=QUICK)


def test_a_probe_held_up_by_the_oracle_is_raised_no_further_by_tolerance() -> None:
    """A leader that adds its tolerance to the limit which its last lie has raised would raise legs without end."""
    view, plain = venue()
    legs = decode_page(plain.payloads[0]).records[0]
    spot = decode_page(plain.payloads[0]).head.reference_spot
    ppm = round(max(legs.leg_long, legs.leg_short) / spot * 1e6)

    def lifted(least_ppm: int) -> tuple[ChainView, Computed]:
        first = replace(view.underlyings[0], probe_range=ProbeRange(least_ppm=least_ppm, largest_ppm=600_000))
        held = replace(view, underlyings=(first, *view.underlyings[1:]))
        return held, compute(held, BARS, settings=QUICK)

    held, own = lifted(round(ppm * 1.1))
    assert own.posted.raised[0] > 1.1
    for more, agreed in ((1.0, True), (1.00004, True), (1.01, False), (1.04, False)):
        _, leader = lifted(round(ppm * 1.1 * more))
        assert signs(propose(held, leader, BARS, epoch=1, settings=QUICK), own, held) is agreed
    held, own = lifted(round(ppm * 1.02))
    _, leader = lifted(round(ppm * 1.03))
    assert signs(propose(held, leader, BARS, epoch=1, settings=QUICK), own, held)  # own data would excuse it
