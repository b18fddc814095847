"""Pages of options, futures and perpetuals as a keeper computes them: the sandwich, and bounds that need no model."""

from functools import cache

import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings
from tests.support.listings import QUICK, chain_terms, linear, listed_view, option, price_bars, with_shifts

from seawall.arrays import Floats
from seawall.keeper.books import lot_pnl
from seawall.keeper.compute import Computed
from seawall.keeper.view import ChainView
from seawall.margin.shortfall import book_shortfall
from seawall.page.decode import Page, Record, decode_page
from seawall.page.layout import Kind
from seawall.reference import certificate_words, lane_bound
from seawall.reference.certificate import Residual

# Underlying 0 on two pages, its probe on the first; underlying 1 with short maturities, its tokens as collateral.
FIRST = chain_terms(days=(7, 30))
SECOND = [option(kind, strike, 2_160) for strike in (0.9, 1.0, 1.1) for kind in (Kind.CALL, Kind.PUT)]
THIRD = [*chain_terms(days=(0.5, 1, 3)), linear(Kind.SPOT)]
ROWS = len(FIRST) + len(SECOND) + len(THIRD)
SPOT_COLUMN = ROWS - 1


class World:
    """A keeper's numbers and pages of three pages of listings, with live books."""

    view: ChainView
    computed: Computed
    pages: dict[int, Page]
    pnl: Floats

    def __init__(self) -> None:
        rng = np.random.default_rng(8)
        lots = np.round(rng.normal(size=(40, ROWS)) * 50) * (rng.random((40, ROWS)) < 0.15)
        lots[:, SPOT_COLUMN] = np.abs(lots[:, SPOT_COLUMN])
        bare = listed_view([(0, FIRST), (0, SECOND), (1, THIRD)], lots=lots)
        self.view, self.computed = with_shifts(bare, price_bars(days=120))
        self.pages = {i: decode_page(payload) for i, payload in enumerate(self.computed.payloads)}
        self.pnl = lot_pnl(self.view, self.computed)
        self.keys = [(i, slot) for i, page in self.pages.items() for slot in range(len(page.records))]
        self.records = [self.pages[page].records[slot] for page, slot in self.keys]
        self.atoms = [(i, at) for i, page in self.pages.items() for at in range(len(page.atoms))]
        self.atom_lots = np.zeros((len(self.atoms), ROWS))
        column = {key: at for at, key in enumerate(self.keys)}
        for row, (page, at) in enumerate(self.atoms):
            for leg in self.pages[page].atoms[at].legs:
                self.atom_lots[row, column[page if leg.page is None else leg.page, leg.slot]] += leg.ratio

    def shortfall(self, books: Floats) -> Floats:
        weights = self.computed.risk.scenarios.weights
        found, _ = book_shortfall(self.pnl, weights, books, alpha=QUICK.model.alpha)
        return found

    def lower(self, lots: Floats) -> int:
        return lane_bound([(record, int(q)) for record, q in zip(self.records, lots, strict=True) if q])

    def upper(self, lots: Floats, theta: dict[int, int] | None = None) -> int:
        held = {key: int(q) for key, q in zip(self.keys, lots, strict=True) if q}
        residual = Residual(self.pages, held)
        entries = [(*self.atoms[row], count) for row, count in (theta or {}).items()]
        residual.subtract_atoms(certificate_words(entries))
        return residual.upper(tick=1)

    def find(self, page: int, kind: Kind, strike: float = 0.0, hours: float = 0.0) -> Record:
        wanted = option(kind, strike, hours)
        return next(
            r
            for r in self.pages[page].records
            if (r.kind, r.strike) == (kind, wanted.strike)
            and (not hours or r.expiry_hour == wanted.expiry_hour)
        )


@cache
def world() -> World:
    return World()


sparse_lots = st.dictionaries(st.integers(0, ROWS - 1), st.integers(-5_000, 5_000), max_size=12)
theta = st.dictionaries(st.integers(0, 10_000), st.integers(1, 500), max_size=4)


def dense(sparse: dict[int, int]) -> Floats:
    lots = np.zeros(ROWS)
    for column, q in sparse.items():
        lots[column] = abs(q) if column == SPOT_COLUMN else q
    return lots


@given(sparse_lots, theta)
def test_INV_06_mixed_books_keep_the_sandwich_in_integers(
    sparse: dict[int, int], given_theta: dict[int, int]
) -> None:
    found = world()
    chosen = {row % len(found.atoms): count for row, count in given_theta.items()}
    lots = dense(sparse)
    slack = 1.0 + 1e-9 * float(np.abs(lots) @ np.abs(found.pnl).max(axis=0))
    exact = float(found.shortfall(lots[None])[0])
    assert found.lower(lots) <= max(exact, 0.0) + slack
    assert exact <= found.upper(lots) + slack
    assert exact <= found.upper(lots, chosen) + slack


@given(theta, sparse_lots.map(lambda lots: dict(list(lots.items())[:2])))
def test_INV_06_books_of_atoms_are_certified_near_their_tail_risk_and_never_below(
    given_theta: dict[int, int], extra: dict[int, int]
) -> None:
    found = world()
    chosen = {row % len(found.atoms): count for row, count in given_theta.items()}
    held = sum((count * found.atom_lots[row] for row, count in chosen.items()), start=dense(extra) / 100 // 1)
    exact = float(found.shortfall(held[None])[0])
    slack = 1.0 + 1e-9 * float(np.abs(held) @ np.abs(found.pnl).max(axis=0))
    assert exact <= found.upper(held, chosen) + slack
    assert found.lower(held) <= max(exact, 0.0) + slack


def test_every_atom_is_certified_above_its_tail_risk_by_less_than_a_rounding() -> None:
    found = world()
    exact = np.maximum(found.shortfall(found.atom_lots), 0.0)
    posted = np.array([found.pages[page].atoms[at].shortfall for page, at in found.atoms])
    assert (posted >= exact - 1e-6).all()
    assert (posted <= exact + 1 + 1e-6 * np.abs(found.atom_lots) @ np.abs(found.pnl).max(axis=0)).all()


def test_pages_of_one_underlying_share_what_the_oracle_compares() -> None:
    first, second = world().pages[0].head, world().pages[1].head
    for name in (
        "reference_spot",
        "vega_charge",
        "lambda_bps",
        "half_spread_x32",
        "daily_volume",
        "funding_x32",
    ):
        assert getattr(first, name) == getattr(second, name)
    assert first.vega_charge > 0


def test_marks_keep_parity_and_no_spread_costs_less_than_nothing() -> None:
    found = world()
    for page, days in ((0, (7, 30)), (1, (90,)), (2, (0.5, 1, 3))):
        spot = found.pages[page].head.reference_spot
        for day in days:
            strikes = (0.9, 1.0, 1.1)
            calls, puts = (
                [found.find(page, kind, k, 24 * day) for k in strikes] for kind in (Kind.CALL, Kind.PUT)
            )
            for call, put in zip(calls, puts, strict=True):
                assert abs(call.mark - put.mark - (spot - call.strike)) <= 1
                assert abs(call.delta_x22 - put.delta_x22 - (1 << 22)) <= 1
            for low, high in ((0, 1), (1, 2), (0, 2)):
                width = calls[high].strike - calls[low].strike
                assert 0 <= calls[low].mark - calls[high].mark <= width + 1
                assert 0 <= puts[high].mark - puts[low].mark <= width + 1
                box = calls[low].mark - calls[high].mark + puts[high].mark - puts[low].mark
                assert abs(box - width) <= 2
            assert calls[0].mark - 2 * calls[1].mark + calls[2].mark >= -2


def test_a_bought_option_is_never_charged_more_than_it_is_worth() -> None:
    for record in world().records:
        if record.kind in (Kind.CALL, Kind.PUT):
            assert record.leg_long <= record.mark + (1 << record.shift)


def test_spreads_are_charged_at_most_what_they_can_lose() -> None:
    """A vertical spread bought loses its price at most, sold its width less that; a conversion nothing."""
    found = world()
    column = {key: at for at, key in enumerate(found.keys)}
    tried = 0
    for row, (page, at) in enumerate(found.atoms):
        legs = [
            (found.records[column[page if leg.page is None else leg.page, leg.slot]], leg.ratio)
            for leg in found.pages[page].atoms[at].legs
        ]
        kinds = {record.kind for record, _ in legs}
        expiries = {record.expiry_hour for record, _ in legs}
        if len(legs) == 2 and len(kinds) == 1 and kinds <= {Kind.CALL, Kind.PUT} and len(expiries) == 1:
            (low, ratio), (high, _) = sorted(legs, key=lambda leg: leg[0].strike)
            value = sum(record.mark * lots for record, lots in legs)
            bought = (ratio > 0) == (kinds == {Kind.CALL})
            most = value if bought else high.strike - low.strike + value
            assert found.pages[page].atoms[at].shortfall <= most + 4
            tried += 1
        if len(legs) == 3 and kinds == {Kind.CALL, Kind.PUT, Kind.FUTURE}:
            assert (
                found.pages[page].atoms[at].shortfall <= 1 or len({r.strike for r, _ in legs if r.strike}) > 1
            )
            tried += 1
        assert found.upper(found.atom_lots[row], {row: 1}) == found.pages[page].atoms[at].shortfall
    assert tried > 20


@given(st.integers(1, 5_000))
@settings(max_examples=10)
def test_collateral_against_a_short_perpetual_has_the_risk_of_the_basis_with_its_atom(lots: int) -> None:
    found = world()
    held = np.zeros(ROWS)
    held[SPOT_COLUMN], held[len(FIRST) + len(SECOND)] = lots, -lots
    row = next(
        row
        for row, lots_ in enumerate(found.atom_lots)
        if lots_[SPOT_COLUMN] > 0 and np.count_nonzero(lots_) == 2 and lots_[len(FIRST) + len(SECOND)] < 0
    )
    basis = float(found.shortfall(held[None])[0])
    assert basis <= found.upper(held, {row: lots}) <= basis + lots
    assert 0 < 20 * basis < found.upper(held)
    assert not (found.atom_lots[:, SPOT_COLUMN] < 0).any()
