"""The sandwich in integers, on tail risk that is known exactly."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from math import ceil

import hypothesis.strategies as st
import numpy as np
from hypothesis import assume, given, note
from tests.property.strategies import (
    NOW,
    books,
    certificates_over,
    manifests,
    page_from_cube,
    price_maps,
    scenario_cubes,
    shortfall_of,
)

from seawall.page import MerkleTree, Page, book_leaf, decode_page, encode_page
from seawall.reference import (
    Book,
    Certificate,
    Flag,
    ManifestState,
    Margin,
    Price,
    Rejected,
    assess,
    certificate_words,
    lane_bound,
)
from seawall.reference.certificate import Residual

TAIL = 4  # of 16 equally likely scenarios: alpha is 0.75 and every mean is exact in floating point
M = 4
Lots = st.lists(st.integers(-2000, 2000), min_size=M, max_size=M)
LanePortfolios = st.lists(st.lists(st.integers(-3, 3), min_size=M, max_size=M), min_size=16, max_size=16)
ATOMS = (((0, 1), (1, -1)), ((1, 2), (2, -1)), ((0, 1), (1, 1), (3, -2)))
Theta = st.lists(st.tuples(st.integers(0, len(ATOMS) - 1), st.integers(0, 2500)), max_size=5)


def page_of(cube: np.ndarray, lanes: list[list[int]], *, shifts: list[int] | None = None) -> Page:
    chosen = shifts or [6] * M
    page = page_from_cube(
        cube, tail=TAIL, lanes=np.array(lanes), atoms=ATOMS, shift=lambda slot: chosen[slot]
    )
    return decode_page(encode_page(page))


def lower(page: Page, lots: list[int]) -> int:
    return lane_bound([(record, q) for record, q in zip(page.records, lots, strict=True)])


def upper(page: Page, lots: list[int], theta: list[tuple[int, int]] = ()) -> int:
    residual = Residual({0: page}, {(0, slot): q for slot, q in enumerate(lots)})
    residual.subtract_atoms(certificate_words([(0, atom, count) for atom, count in theta]))
    return residual.upper(tick=1)


def book_of(lots: list[int]) -> Book:
    book = Book()
    for slot, q in enumerate(lots):
        book.add(0, (slot, 1), q)
    return book


@given(
    cube=scenario_cubes(instruments=M),
    lanes=LanePortfolios,
    lots=Lots,
    theta=Theta,
    shifts=st.lists(st.integers(5, 12), min_size=M, max_size=M),
)
def test_INV_06_INV_09_lanes_never_exceed_the_tail_risk_and_no_certificate_undercuts_it(
    cube: np.ndarray, lanes: list[list[int]], lots: list[int], theta: list[tuple[int, int]], shifts: list[int]
) -> None:
    page = page_of(cube, lanes, shifts=shifts)
    exact = shortfall_of(cube @ np.array(lots), tail=TAIL)
    note(f"L {lower(page, lots)}  ES {float(exact)}  U {upper(page, lots, theta)}")
    assert lower(page, lots) <= max(exact, Fraction(0))
    assert exact <= upper(page, lots)
    assert exact <= upper(page, lots, theta)


@given(
    cube=scenario_cubes(instruments=M),
    theta=Theta,
    times=st.integers(0, 3),
    change=st.lists(st.integers(-3, 3), min_size=M, max_size=M),
)
def test_INV_06_a_book_of_certified_hedges_is_never_charged_less_than_its_tail_risk(
    cube: np.ndarray, theta: list[tuple[int, int]], times: int, change: list[int]
) -> None:
    """Where a certificate takes off all of a book, or all but once too often, nothing else covers an error in it."""
    page = page_of(cube, [[1] * M] * 16)
    lots = list(change)
    for atom, count in theta:
        for slot, ratio in ATOMS[atom]:
            lots[slot] += times * ratio * count
    assert shortfall_of(cube @ np.array(lots), tail=TAIL) <= upper(page, lots, theta)


@given(cube=scenario_cubes(instruments=M), lots=Lots)
def test_a_lane_of_the_books_own_tail_is_tight_up_to_half_a_unit_a_lot(
    cube: np.ndarray, lots: list[int]
) -> None:
    direction = np.array(lots)
    page = page_of(cube, [lots] * 16, shifts=[7] * M)
    exact = shortfall_of(cube @ direction, tail=TAIL)
    assert lower(page, lots) >= exact - (int(np.abs(direction).sum()) << 7) - 1


@given(
    cube=scenario_cubes(instruments=M),
    lanes=LanePortfolios,
    old=Lots,
    change=st.lists(st.integers(-50, 50), min_size=M, max_size=M),
    theta=Theta,
)
def test_INV_06_a_shown_basket_tightens_both_bounds_and_breaks_neither(
    cube: np.ndarray, lanes: list[list[int]], old: list[int], change: list[int], theta: list[tuple[int, int]]
) -> None:
    page = page_of(cube, lanes)
    lots = [q + d for q, d in zip(old, change, strict=True)]
    shown = max(ceil(shortfall_of(cube @ np.array(old), tail=TAIL)), 0)
    exact = shortfall_of(cube @ np.array(lots), tail=TAIL)
    words = book_of(old).words()
    assume(words)
    tree = MerkleTree([book_leaf(shown, words), book_leaf(1, (1 << 8, 2))])
    certificate = Certificate(
        atoms=certificate_words([(0, atom, count) for atom, count in theta]),
        book_shortfall=shown,
        book=words,
        proof=tree.proof(book_leaf(shown, words)),
    )
    residual = Residual({0: page}, {(0, slot): q for slot, q in enumerate(lots)})
    proven = residual.subtract_book(certificate, words, root=tree.root, tick=1)
    residual.subtract_atoms(certificate.atoms)
    assert proven <= max(exact, 0)
    assert exact <= residual.upper(tick=1)
    if not any(change) and not theta:
        assert (proven, residual.upper(tick=1)) == (max(shown - 1, 0), shown)


@given(
    cube=scenario_cubes(instruments=M), lanes=LanePortfolios, first=Lots, second=Lots, times=st.integers(1, 9)
)
def test_INV_08_merging_books_raises_neither_bound_and_scaling_scales_them(
    cube: np.ndarray, lanes: list[list[int]], first: list[int], second: list[int], times: int
) -> None:
    page = page_of(cube, lanes)
    both = [a + b for a, b in zip(first, second, strict=True)]
    assert upper(page, both) <= upper(page, first) + upper(page, second)
    assert upper(page, [times * q for q in first]) == times * upper(page, first)
    # The half unit a lot is deducted from lanes, and netted lots give it back.
    halves = (sum(map(abs, first)) + sum(map(abs, second)) << 6) + 1
    assert lower(page, both) <= lower(page, first) + lower(page, second) + halves
    scaled = lower(page, [times * q for q in first])
    assert times * lower(page, first) <= scaled + times
    assert scaled <= times * (lower(page, first) + 1)


@given(data=st.data(), cash=st.integers(-(10**15), 10**15), bare=st.booleans())
def test_INV_07_maintenance_never_exceeds_initial(data: st.DataObject, cash: int, bare: bool) -> None:
    margin, *_ = _assessed(data, cash, bare=bare)
    assert 0 <= margin.maintenance <= margin.initial


def _bare(page: Page) -> Page:
    """Return a page on which only legs raise the initial requirement, and they may be smaller than any lane."""
    names = ("half_spread_x32", "y_volatility_x32", "vega_charge")
    head = replace(page.head, **dict.fromkeys(names, 0), initial_net_floor_bps=0, initial_gross_floor_bps=0)
    records = [replace(r, leg_long_scaled=r.leg_long_scaled & 0xFF) for r in page.records]
    return replace(page, head=head, records=tuple(records))


def _assessed(
    data: st.DataObject, cash: int, *, bare: bool = False
) -> tuple[Margin, ManifestState, Book, dict[int, Price]]:
    manifest = data.draw(manifests())
    if bare:
        manifest = replace(manifest, pages={i: _bare(page) for i, page in manifest.pages.items()})
    book = data.draw(books(manifest))
    prices = data.draw(price_maps(manifest))
    certificate = Certificate(atoms=data.draw(certificates_over(manifest, book)))
    interest = {0: data.draw(st.integers(0, 10**9))}
    margin = assess(
        book,
        cash=cash,
        manifest=manifest,
        prices=prices,
        now=NOW,
        open_interest=interest,
        certificate=certificate,
    )
    return margin, manifest, book, prices


@given(data=st.data())
def test_an_account_with_a_position_is_required_at_least_the_dust(data: st.DataObject) -> None:
    margin, _, book, _ = _assessed(data, 0)
    assert margin.initial >= 10**6 if book else margin.initial == 0


@given(data=st.data())
def test_cash_moves_equity_one_to_one_and_nothing_else(data: st.DataObject) -> None:
    manifest = data.draw(manifests())
    book = data.draw(books(manifest))
    prices = data.draw(price_maps(manifest))
    poor, rich = (
        assess(book, cash=cash, manifest=manifest, prices=prices, now=NOW, open_interest={})
        for cash in (0, 7)
    )
    assert rich.equity - poor.equity == 7
    assert (rich.initial, rich.maintenance, rich.flags) == (poor.initial, poor.maintenance, poor.flags)


@given(data=st.data())
def test_a_price_that_goes_stale_never_raises_equity_and_always_lowers_maintenance(
    data: st.DataObject,
) -> None:
    manifest = data.draw(manifests(max_pages=1))
    book = data.draw(books(manifest))
    fresh = data.draw(price_maps(manifest, fresh=True))
    stale = {u: Price(ticks=p.ticks, observed_at=NOW - 121) for u, p in fresh.items()}
    before, after = (
        assess(book, cash=0, manifest=manifest, prices=prices, now=NOW, open_interest={})
        for prices in (fresh, stale)
    )
    assert after.equity <= before.equity
    assert after.maintenance <= before.maintenance
    assert bool(after.flags & Flag.STALE) == bool(book.pages.keys() & manifest.pages.keys())


@given(data=st.data(), noise=st.integers(1, 1 << 256).map(lambda word: word - 1))
def test_health_never_rejects_and_a_certificate_only_as_bad(data: st.DataObject, noise: int) -> None:
    manifest = data.draw(manifests())
    book = data.draw(books(manifest))
    prices = data.draw(price_maps(manifest))

    def margin(certificate: Certificate) -> Margin:
        return assess(
            book,
            cash=0,
            manifest=manifest,
            prices=prices,
            now=NOW,
            open_interest={},
            certificate=certificate,
        )

    gross = margin(Certificate())
    with suppress_only("BadCertificate"):
        hedged = margin(Certificate(atoms=(noise,)))
        assert (hedged.equity, hedged.maintenance) == (gross.equity, gross.maintenance)


@contextmanager
def suppress_only(name: str) -> Iterator[None]:
    """Let one kind of rejection pass and raise every other."""
    try:
        yield
    except Rejected as rejected:
        if rejected.name != name:
            raise
