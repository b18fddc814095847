"""What a keeper posts of a venue with dated instruments, and what it signs of another's."""

from dataclasses import replace

import numpy as np
import pytest
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

from seawall.errors import ConfigError, ConsistencyError, DataError, PageError
from seawall.keeper.check import check_proposal
from seawall.keeper.compute import Computed, Proposal, compute, propose
from seawall.keeper.listed_pages import InstrumentTerms
from seawall.keeper.listing import list_columns
from seawall.keeper.pages import drift_shift_for
from seawall.keeper.policy import ProbeRange
from seawall.keeper.settings import KeeperSettings
from seawall.keeper.view import ChainView
from seawall.margin.perpetuals import estimate
from seawall.margin.settings import SurfaceSettings
from seawall.market.bars import Bars
from seawall.page.decode import Page, decode_page, pack_page
from seawall.page.layout import Kind
from seawall.page.manifest import init_code_hash

TERMS = [
    *chain_terms(days=(7, 30), strikes=(0.9, 1.0, 1.1)),
    option(Kind.CALL, 1.0, -1),
    option(Kind.PUT, 1.2, 0.01),
]
BARS = price_bars(days=120)


@pytest.fixture(scope="module")
def venue() -> tuple[ChainView, Computed]:
    rng = np.random.default_rng(6)
    lots = np.round(rng.normal(size=(20, len(TERMS) + 1)) * 100) * (rng.random((20, len(TERMS) + 1)) < 0.3)
    return with_shifts(listed_view([(0, TERMS), (1, [linear()])], lots=lots), BARS)


def proposal_of(venue: tuple[ChainView, Computed], bars: Bars = BARS) -> Proposal:
    return propose(*venue, bars, epoch=1, settings=QUICK)


def altered(
    venue: tuple[ChainView, Computed], change: dict[str, object], *, slot: int | None = None
) -> Proposal:
    """Return the proposal with fields of one record of page 0 changed, or of its riskiest atom."""
    proposal, page = proposal_of(venue), decode_page(venue[1].payloads[0])
    if slot is None:
        atoms = sorted(page.atoms, key=lambda atom: -atom.shortfall)
        page = replace(page, atoms=(replace(atoms[0], **change), *atoms[1:]))
    else:
        records = list(page.records)
        records[slot] = replace(records[slot], **change)
        page = replace(page, records=tuple(records))
    payloads = (pack_page(page), *proposal.payloads[1:])
    manifest = replace(proposal.manifest, pages=tuple(init_code_hash(p) for p in payloads))
    return replace(proposal, manifest=manifest, payloads=payloads)


def page_of(venue: tuple[ChainView, Computed], page: int = 0) -> Page:
    return decode_page(venue[1].payloads[page])


def test_records_carry_the_terms_listed(venue: tuple[ChainView, Computed]) -> None:
    for terms, record in zip(venue[0].pages[0].instruments, page_of(venue).records, strict=True):
        given = InstrumentTerms(
            kind=record.kind,
            shift=record.shift,
            generation=record.generation,
            strike=record.strike,
            expiry_hour=record.expiry_hour,
        )
        assert given == terms


def test_a_page_has_room_for_its_atoms_and_uses_it(venue: tuple[ChainView, Computed]) -> None:
    page = page_of(venue)
    assert len(page.atoms) == QUICK.model.atoms.per_instrument * len(page.records)
    assert len(venue[1].payloads[0]) <= 24_575


def test_what_has_expired_is_posted_without_risk_and_at_its_payoff(venue: tuple[ChainView, Computed]) -> None:
    expired = page_of(venue).records[-2]
    spot = page_of(venue).head.reference_spot
    assert expired.expiry_hour * 3600 < AS_OF
    assert (expired.leg_long, expired.leg_short, expired.vega, expired.gamma_spot_x10) == (0, 0, 0, 0)
    assert set(expired.lanes) == {0}
    assert expired.mark == max(spot - expired.strike, 0)
    slots = {leg.slot for atom in page_of(venue).atoms for leg in atom.legs}
    assert len(TERMS) - 2 not in slots


def test_seconds_before_expiry_everything_fits(venue: tuple[ChainView, Computed]) -> None:
    view, _ = venue
    hour = AS_OF // 3600 + 1
    spot = page_of(venue).head.reference_spot
    at_the_money = InstrumentTerms(kind=Kind.CALL, shift=6, generation=1, strike=spot, expiry_hour=hour)
    terms = (*view.pages[0].instruments[:2], at_the_money)
    late = replace(BARS, known_at=BARS.known_at + 3_599)
    found = compute(
        replace(
            view, pages=(replace(view.pages[0], instruments=terms), view.pages[1]), lots=np.zeros((0, 4))
        ),
        late,
        settings=QUICK,
    )
    record = decode_page(found.payloads[0]).records[2]
    assert record.gamma_spot_x10 == 8191 << 10
    assert record.mark <= 2
    assert record.drift_shift == 3


def test_perpetuals_are_computed_as_ever_with_or_without_options_beside_them() -> None:
    view = listed_view([(0, [linear()]), (1, [linear()])])
    flat = replace(QUICK.model, surface=SurfaceSettings(perpetual_residual=0.0))  # or perpetuals have a basis
    quick = replace(QUICK, model=flat)
    found = compute(view, BARS, settings=quick)
    alone = estimate(
        BARS.closes, bar_h=1.0, roles=[QUICK.role(s) for s in BARS.symbols], settings=quick.model
    )
    np.testing.assert_array_equal(found.risk.long_es, alone.long_es)
    np.testing.assert_array_equal(found.risk.lanes.values, alone.lanes.values)
    pages = [decode_page(payload) for payload in found.payloads]
    assert [len(page.atoms) for page in pages] == [1, 1]
    for page in pages:
        (atom,) = page.atoms
        assert {leg.page for leg in atom.legs} == {None, 1 - page.head.page_id}
        assert page.head.vega_charge == 0
    beside = compute(listed_view([(0, TERMS), (1, [linear()])]), BARS, settings=quick)
    # Shocks of volatility are further scenarios, of small weight.
    np.testing.assert_allclose(beside.posted.long_es, found.posted.long_es, rtol=0.01)


def test_the_same_inputs_give_the_same_bytes(venue: tuple[ChainView, Computed]) -> None:
    assert compute(venue[0], BARS, settings=QUICK).payloads == venue[1].payloads


def test_a_keeper_signs_its_own_numbers_and_those_from_slightly_other_data(
    venue: tuple[ChainView, Computed],
) -> None:
    view, own = venue
    check_proposal(proposal_of(venue), own, view, settings=QUICK)
    noise = np.random.default_rng(1).normal(size=BARS.closes.shape)
    other = replace(BARS, closes=BARS.closes * (1 + 2e-4 * noise))
    check_proposal(
        propose(view, compute(view, other, settings=QUICK), other, epoch=1, settings=QUICK),
        own,
        view,
        settings=QUICK,
    )


@pytest.mark.parametrize(
    ("change", "slot", "match"),
    [
        ({"shortfall_scaled": 0}, None, "atom"),
        ({"mark": 1}, 2, "mark"),
        ({"leg_short_scaled": 1}, 2, "leg_short"),
        ({"delta_x22": 0}, 2, "delta"),
        ({"gamma_spot_x10": 0}, 10, "gamma"),
        ({"vega": 0}, 4, "vega"),
        ({"strike": 1}, 2, "strike"),
        ({"drift_shift": 3}, 3, "drift"),
        ({"lanes": (-3000,) * 32}, 3, "lane"),
        ({"lanes": (-1,) * 32}, len(TERMS) - 2, "lane"),
    ],
)
def test_a_keeper_signs_nothing_else(
    venue: tuple[ChainView, Computed], change: dict[str, object], slot: int | None, match: str
) -> None:
    with pytest.raises(ConsistencyError, match=match):
        check_proposal(altered(venue, change, slot=slot), venue[1], venue[0], settings=QUICK)


@pytest.mark.parametrize(("beyond", "signed"), [(0.0002, True), (0.0006, False)])
def test_a_lane_of_a_far_option_may_exceed_its_own_shortfall_by_two_percent_of_a_fiftieth_of_the_spot(
    venue: tuple[ChainView, Computed], beyond: float, signed: bool
) -> None:
    view, own = venue
    alone, page = replace(view, lots=view.lots[:0]), decode_page(own.payloads[0])
    slot, record = next(
        (i, r)
        for i, r in enumerate(page.records)
        if r.kind == Kind.PUT and 0 < max(r.leg_long, r.leg_short) < 0.02 * page.head.reference_spot
    )
    loss = record.leg_long + beyond * page.head.reference_spot
    lane = -int(loss / (1 << record.shift) + 0.5)
    proposal = altered(venue, {"lanes": (lane, *record.lanes[1:])}, slot=slot)
    if signed:
        check_proposal(proposal, own, alone, settings=QUICK)
        return
    with pytest.raises(ConsistencyError, match=rf"a lane exceeds .* book {slot} "):
        check_proposal(proposal, own, alone, settings=QUICK)


def test_an_atom_may_name_only_what_is_listed(venue: tuple[ChainView, Computed]) -> None:
    atom = page_of(venue).atoms[0]
    with pytest.raises(ConsistencyError, match="names page 0 slot 200"):
        check_proposal(
            altered(venue, {"legs": (replace(atom.legs[0], slot=200), *atom.legs[1:])}),
            venue[1],
            venue[0],
            settings=QUICK,
        )


def test_an_empty_slot_has_no_price() -> None:
    nothing = InstrumentTerms(kind=Kind.NONE, shift=0, generation=0, strike=0, expiry_hour=0)
    with pytest.raises(DataError, match="has no price"):
        list_columns(listed_view([(0, [linear(), nothing])]), spots=np.array([1e6]), as_of=AS_OF)


def test_instruments_of_the_same_terms_share_a_column() -> None:
    call = option(Kind.CALL, 1.0, 24)
    token = linear(Kind.SPOT)
    view = listed_view(
        [(0, [linear(), token, call]), (0, [linear(), token, call])], lots=np.arange(12.0).reshape(2, 6)
    )
    found = list_columns(view, spots=np.array([1e6]), as_of=AS_OF)
    assert found.columns.tolist() == [0, 2, 1, 0, 2, 1]
    assert found.tokens == (0,)
    assert found.twins == ((0, 1, 0), (2, 1, 1), (1, 1, 2))
    np.testing.assert_array_equal(found.by_column(view.lots), [[3.0, 7.0, 5.0], [15.0, 19.0, 17.0]])


@pytest.mark.parametrize(
    ("deviation", "shift"), [(1.0, 0), (0.1, 0), (0.0999, 1), (0.05, 1), (0.025, 2), (1e-6, 3), (0.0, 3)]
)
def test_a_drift_limit_is_halved_until_the_mark_can_be_trusted(deviation: float, shift: int) -> None:
    assert drift_shift_for(0.05, deviation, deviations=0.5) == shift


@pytest.mark.parametrize(
    "wrong",
    [
        {"half_volatility_spread": -0.1},
        {"drift_deviations": 0.0},
        {"option_tolerance": 1.0},
        {"sensitivity_tolerance": -1.0},
    ],
)
def test_settings_no_page_could_follow_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        KeeperSettings(**wrong)


def test_an_expired_record_with_a_leg_is_not_signed(venue: tuple[ChainView, Computed]) -> None:
    with pytest.raises(ConsistencyError, match="has expired"):
        check_proposal(
            altered(venue, {"leg_long_scaled": 1}, slot=len(TERMS) - 2), venue[1], venue[0], settings=QUICK
        )


def extreme(level: float, ranges: ProbeRange) -> tuple[ChainView, Bars]:
    view = listed_view([(0, TERMS), (1, [linear()])])
    underlyings = tuple(replace(u, probe_range=ranges) for u in view.underlyings)
    pages = tuple(
        replace(page, instruments=tuple(replace(terms, shift=12) for terms in page.instruments))
        for page in view.pages
    )
    return replace(view, underlyings=underlyings, pages=pages), price_bars(days=120, level=level)


def test_one_factor_scales_legs_lanes_and_atoms_when_the_oracles_limit_binds() -> None:
    low, high = (
        ProbeRange(least_ppm=10_000, largest_ppm=40_000),
        ProbeRange(least_ppm=10_000, largest_ppm=9_000_000),
    )
    capped, free = (compute(*extreme(0.003, ranges), settings=QUICK) for ranges in (low, high))
    assert free.posted.lambda_bps == 10_000
    assert capped.posted.lambda_bps < 7_000
    factor = capped.posted.lambda_bps / 10_000
    for slot in range(2, 8):
        ours, whole = (decode_page(c.payloads[0]).records[slot] for c in (capped, free))
        one = 1 << ours.shift
        assert ours.leg_short == pytest.approx(whole.leg_short * factor, abs=2 * one)
        assert ours.leg_long == pytest.approx(whole.leg_long * factor, abs=2 * one)
        np.testing.assert_allclose(ours.lanes, np.array(whole.lanes) * factor, atol=1)
        assert ours.mark == whole.mark
    for ours, whole in zip(*(decode_page(c.payloads[0]).atoms for c in (capped, free)), strict=True):
        assert ours.legs == whole.legs
        assert ours.shortfall == pytest.approx(whole.shortfall * factor, abs=2)


def test_what_raises_a_probe_raises_the_legs_of_its_options_but_no_lane() -> None:
    high, low = (
        ProbeRange(least_ppm=200_000, largest_ppm=600_000),
        ProbeRange(least_ppm=10_000, largest_ppm=600_000),
    )
    raised, free = (compute(*extreme(0.003, ranges), settings=QUICK) for ranges in (high, low))
    assert raised.posted.raised[0] > 1.5
    for slot in range(8):
        ours, whole = (decode_page(c.payloads[0]).records[slot] for c in (raised, free))
        one = 1 << ours.shift
        assert ours.leg_long == pytest.approx(whole.leg_long * raised.posted.raised[0], abs=3 * one)
        assert ours.lanes == whole.lanes


def test_a_lot_worth_less_than_a_tick_has_no_page() -> None:
    view = listed_view([(0, [linear()])])
    tiny = replace(view, underlyings=(replace(view.underlyings[0], lot_size_wad=10**11),))
    with pytest.raises(PageError, match="use a larger lot"):
        compute(tiny, BARS, settings=QUICK)


def test_pages_of_one_underlying_share_their_unit_of_vega_whatever_they_list() -> None:
    first = [linear(), option(Kind.CALL, 1.5, 30)]
    second = [option(Kind.PUT, 1.0, 4_000)]
    found = compute(listed_view([(0, first), (0, second), (1, [linear()])]), BARS, settings=QUICK)
    heads = [decode_page(payload).head for payload in found.payloads]
    assert heads[0].vega_charge == heads[1].vega_charge > 1
    assert heads[2].vega_charge == 0
