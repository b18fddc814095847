"""Quotes of implied volatility: what is left out, how far the rest is followed, and what keepers make of them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from tests.support.listings import AS_OF, QUICK, chain_terms, linear, listed_view, price_bars, with_shifts

from seawall.errors import ConfigError, ConsistencyError, DataError
from seawall.keeper.check import check_proposal
from seawall.keeper.compute import Computed, compute, propose
from seawall.keeper.view import ChainView
from seawall.margin.quotes import Quote, followed, quoted_levels, within_ratio
from seawall.margin.settings import SurfaceSettings
from seawall.margin.surface import Levels, volatility
from seawall.market.implied import ImpliedQuotes, ImpliedSettings, Track, read_implied, use_implied
from seawall.page.decode import Page, decode_page

HEADER = "observed_at,underlying,tenor_days,volatility,smile_correlation,smile_slope"
SETTINGS = ImpliedSettings()
SURFACE = SurfaceSettings()
BARS = price_bars(days=120)
MODEL = 0.003  # of an hour, which is some 40% a year

steps = st.lists(
    st.tuples(st.integers(1, 7_200), st.floats(math.log(0.01), math.log(5))), min_size=2, max_size=60
)


def quotes_from(tmp_path: Path, *rows: str, header: str = HEADER) -> ImpliedQuotes:
    path = tmp_path / "implied.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return read_implied(path)


def level_at(quotes: ImpliedQuotes, time_s: int, *, days: float = 30.0, symbol: str = "BTC") -> float:
    return float(quotes.levels(symbol, days, np.array([time_s]), settings=SETTINGS)[0][0])


@given(given=steps)
def test_however_quotes_jump_what_is_followed_moves_no_faster_than_allowed(
    given: list[tuple[int, float]],
) -> None:
    times = np.cumsum([gap for gap, _ in given])
    values = np.array([value for _, value in given])
    found = followed(values, times, move_per_h=0.5, restart_s=3_600)
    for i in range(1, len(found)):
        gap = int(times[i] - times[i - 1])
        if gap > 3_600:
            assert found[i] == values[i]
            continue
        assert abs(found[i] - found[i - 1]) <= 0.5 * gap / 3_600 + 1e-12
        # It goes towards what is quoted, and not past it.
        assert min(found[i - 1], values[i]) - 1e-12 <= found[i] <= max(found[i - 1], values[i]) + 1e-12


@given(quoted=st.floats(0.01, 5), model=st.floats(0.05, 3))
def test_whatever_is_quoted_the_level_is_within_the_ratio_of_the_models(quoted: float, model: float) -> None:
    found = float(within_ratio(np.array(quoted), np.array(model), ratio=2.5))
    assert model / 2.5 <= found <= model * 2.5
    assert found == quoted or not model / 2.5 <= quoted <= model * 2.5


@pytest.mark.parametrize(
    "bad",
    [
        *("-0.5", "0", "5.01", "500", "nan", "inf", "", "high"),
        *("0.6,-0.95,0.9", "0.6,-0.2,2.5", "0.6,-0.2,0", "0.6,x,0.9"),
    ],
)
def test_a_bad_number_leaves_its_row_out_and_is_counted(bad: str, tmp_path: Path) -> None:
    found = quotes_from(tmp_path, f"{AS_OF - 60},BTC,30,0.6,,", f"{AS_OF},BTC,30,{bad}")
    assert found.rejected == 1
    assert level_at(found, AS_OF) == pytest.approx(0.6)


@pytest.mark.parametrize("row", ["soon,BTC,30,0.6", f"{AS_OF},,30,0.6", f"{AS_OF},BTC,0,0.6", f"{AS_OF},BTC"])
def test_a_row_without_time_name_tenor_or_volatility_is_left_out(row: str, tmp_path: Path) -> None:
    found = quotes_from(tmp_path, row)
    assert (found.rejected, found.tracks) == (1, {})


def test_times_are_seconds_or_iso_and_the_tenor_may_be_left_out(tmp_path: Path) -> None:
    found = quotes_from(
        tmp_path,
        "2023-11-14T22:00:00Z,BTC,,0.61",
        f"{1_699_999_200 + 60},BTC,30.0,0.61",
        "2023-11-14T22:01:00,BTC,30,0.7",
        header="observed_at,underlying,tenor_days,volatility",
    )
    ((key, track),) = found.tracks.items()
    assert key == ("BTC", 30.0)
    assert track.times_s.tolist() == [1_699_999_200, 1_699_999_260]
    assert track.volatility.tolist() == [0.61, 0.61]  # of two rows at one time the first


def test_a_quote_counts_until_its_age_limit_and_never_before_it_was_known(tmp_path: Path) -> None:
    found = quotes_from(tmp_path, f"{AS_OF},BTC,30,0.6,,")
    assert math.isnan(level_at(found, AS_OF - 1))
    assert level_at(found, AS_OF + SETTINGS.max_age_s) == pytest.approx(0.6)
    assert math.isnan(level_at(found, AS_OF + SETTINGS.max_age_s + 1))
    assert math.isnan(level_at(found, AS_OF, symbol="ETH"))


def test_a_wrong_quote_that_is_mended_after_five_minutes_moves_the_level_by_four_percent(
    tmp_path: Path,
) -> None:
    rows = [f"{AS_OF - 300 * i},BTC,30,{4.9 if i == 1 else 0.6},," for i in range(5)]
    found = quotes_from(tmp_path, *rows)
    assert level_at(found, AS_OF - 300) == pytest.approx(0.6 * math.exp(0.5 / 12))
    assert level_at(found, AS_OF) == pytest.approx(0.6)


def test_a_file_that_cannot_be_read_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"keeper\.implied_data"):
        read_implied(tmp_path / "none.csv")
    with pytest.raises(DataError, match="lacks the column volatility"):
        quotes_from(tmp_path, header="observed_at,underlying,tenor_days,iv")


@pytest.mark.parametrize("wrong", [{"max_age_s": 0}, {"move_per_h": 0.0}, {"model_ratio": 0.5}])
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        ImpliedSettings(**wrong)  # type: ignore[arg-type]


def smiles(*, quote: Quote) -> Levels:
    own = Levels(short=np.array([0.2]), long=np.array([0.3]))
    return quoted_levels([quote], own, np.array([0.5]), settings=SURFACE)


days_and_levels = st.lists(
    st.tuples(st.sampled_from([3.0, 7.0, 14.0, 60.0, 90.0, 180.0]), st.floats(0.2, 1.5)),
    max_size=4,
    unique_by=lambda tenor: tenor[0],
)


@given(level=st.floats(0.2, 1.5), tenors=days_and_levels)
def test_the_surface_goes_through_the_level_at_thirty_days_whatever_else_is_quoted(
    level: float, tenors: list[tuple[float, float]]
) -> None:
    found = smiles(quote=Quote(level=level, tenors=tuple(tenors), correlation=0.0))
    assert found.short.item() > 0
    assert found.long.item() > 0
    there = volatility(found, np.zeros(1), np.array([30 / 365]), settings=SURFACE)
    assert there.item() == pytest.approx(level)


@given(short=st.floats(0.5, 0.9), long=st.floats(0.5, 0.9))
def test_tenors_of_the_surface_itself_are_reproduced(short: float, long: float) -> None:
    true = Levels(short=np.array([short**2]), long=np.array([long**2]), correlation=np.zeros(1))
    days = np.array([3.0, 7.0, 30.0, 90.0, 180.0])
    quoted = volatility(true, np.zeros(5), days / 365, settings=SURFACE)
    tenors = tuple((d, v) for d, v in zip(days.tolist(), quoted.tolist(), strict=True) if d != 30)
    found = smiles(quote=Quote(level=float(quoted[2]), tenors=tenors, correlation=0.0))
    np.testing.assert_allclose(
        volatility(found, np.zeros(5), days / 365, settings=SURFACE), quoted, rtol=1e-9
    )


def test_a_quoted_smile_takes_the_place_of_the_settings_and_stays_free_of_arbitrage() -> None:
    steep = smiles(quote=Quote(level=0.6, correlation=-0.9, slope=2.0))
    assert steep.correlation is not None
    assert steep.slope is not None
    assert steep.slope[0] * (1 + abs(steep.correlation[0])) <= 2
    plain = smiles(quote=Quote(level=0.6))
    low, high = (
        volatility(levels, np.array([-0.2, 0.2]), np.array([30 / 365]), settings=SURFACE)
        for levels in (plain, steep)
    )
    assert high[0] - high[1] > low[0] - low[1] > 0


# keepers


@pytest.fixture(scope="module")
def view() -> ChainView:
    listed = listed_view([(0, chain_terms(days=(7, 30, 90))), (1, [linear()])])
    return with_shifts(listed, BARS)[0]


def quoted(level: float) -> ImpliedQuotes:
    """Return quotes of Bitcoin in a history, as a file would hold them."""
    times = np.arange(AS_OF - 90 * 86_400, AS_OF + 1, 1_800)
    none = np.full(len(times), np.nan)
    track = Track(times_s=times, volatility=np.full(len(times), level), correlation=none, slope=none)
    return ImpliedQuotes(tracks={("BTC", 30.0): track})


def numbers(view: ChainView, implied: ImpliedQuotes | None) -> Computed:
    return compute(view, BARS, settings=QUICK, implied=implied)


def options_of(computed: Computed) -> Page:
    return decode_page(computed.payloads[0])


@pytest.fixture(scope="module")
def plain(view: ChainView) -> Computed:
    """Return a keeper's numbers without a source of quotes."""
    return numbers(view, None)


@pytest.fixture(scope="module")
def own(plain: Computed) -> float:
    """Return the model's volatility of Bitcoin, annualised."""
    return float(plain.risk.sigma[0] * math.sqrt(365))


def test_marks_follow_what_options_trade_at(view: ChainView, plain: Computed, own: float) -> None:
    cheap, dear = options_of(plain), options_of(numbers(view, quoted(own * 1.2)))
    at_the_money = next(
        i
        for i, r in enumerate(cheap.records)
        if r.strike == cheap.head.reference_spot and r.expiry_hour > AS_OF / 3600 + 24 * 20
    )
    ratio = dear.records[at_the_money].mark / cheap.records[at_the_money].mark
    assert ratio == pytest.approx(1.2, rel=0.03)
    legs = dear.records[0].leg_long / cheap.records[0].leg_long
    assert 1 < legs < 1.2  # one part in the mean of several


def test_without_a_quote_young_enough_the_numbers_are_those_without_a_source(
    view: ChainView, plain: Computed
) -> None:
    track = quoted(0.5).tracks["BTC", 30.0]
    late = replace(track, times_s=track.times_s + 2 * SETTINGS.max_age_s + 91 * 86_400)
    found = numbers(view, ImpliedQuotes(tracks={("BTC", 30.0): late}, rejected=3))
    assert found.implied is not None
    assert (found.implied.missing, found.implied.rejected) == (("BTC", "ETH"), 3)
    assert found.payloads == plain.payloads


def test_when_quotes_end_the_model_alone_makes_the_surface(view: ChainView, own: float) -> None:
    track = quoted(1.2 * own).tracks["BTC", 30.0]
    ended = replace(track, times_s=track.times_s - 86_400)
    found = numbers(view, ImpliedQuotes(tracks={("BTC", 30.0): ended}))
    assert found.implied is not None
    assert found.implied.quotes == (None, None)
    assert np.isfinite(found.implied.history[:-30, 0]).any()


@pytest.mark.parametrize("level", [0.011, 4.99])
def test_no_file_moves_a_posted_number_by_more_than_its_bound(
    view: ChainView, plain: Computed, own: float, level: float
) -> None:
    wild = numbers(view, quoted(level))
    assert wild.implied is not None
    assert wild.implied.bounded == ("BTC",)
    quote = wild.implied.quotes[0]
    assert quote is not None
    ratio = QUICK.implied.model_ratio
    assert quote.level == pytest.approx(own * ratio if level > 1 else own / ratio)
    legs = wild.risk.sigma[0] / plain.risk.sigma[0]
    model = QUICK.model
    own_weight = sum((*model.fast_weights, *model.slow_weights, model.long_run_weight))
    share = model.implied_weight / (own_weight + model.implied_weight)
    bound = 1 - share + share * (ratio if level > 1 else 1 / ratio)
    assert min(1, bound) * 0.999 <= legs <= max(1, bound) * 1.05  # the largest of past days lasts


@pytest.fixture(scope="module")
def usual(view: ChainView, own: float) -> Computed:
    """Return a keeper's numbers with quotes a little above the model."""
    return numbers(view, quoted(1.1 * own))


def agree(view: ChainView, leader: Computed, follower: Computed) -> None:
    proposal = propose(view, leader, BARS, epoch=1, settings=QUICK)
    check_proposal(proposal, follower, view, settings=QUICK)


@pytest.mark.parametrize("points", [0.01, -0.01])
def test_keepers_whose_quotes_differ_by_a_point_agree(
    view: ChainView, usual: Computed, own: float, points: float
) -> None:
    other = numbers(view, quoted(1.1 * own + points))
    agree(view, usual, other)
    agree(view, other, usual)


def test_a_keeper_refuses_marks_from_wildly_different_quotes(
    view: ChainView, usual: Computed, own: float
) -> None:
    other = numbers(view, quoted(1.5 * own))
    for leader, follower in ((usual, other), (other, usual)):
        with pytest.raises(ConsistencyError, match="will not sign: page 0"):
            agree(view, leader, follower)


def test_what_was_taken_from_quotes_is_committed_to(
    view: ChainView, usual: Computed, plain: Computed
) -> None:
    hashes = {
        propose(view, found, BARS, epoch=1, settings=QUICK).manifest.inputs_hash for found in (usual, plain)
    }
    assert len(hashes) == 2


def test_other_tenors_are_taken_while_they_are_young_and_held_to_the_model(tmp_path: Path) -> None:
    found = quotes_from(
        tmp_path,
        *(f"{AS_OF},BTC,{days},{vol},," for days, vol in ((30, 0.6), (7, 0.7), (90, 4.0))),
        f"{AS_OF - 7_200},BTC,180,0.5,,",
        f"{AS_OF},ETH,7,0.7,,",
    )
    use = use_implied(found, ("BTC", "ETH"), np.array([AS_OF]), np.array([[0.5, 0.5]]), settings=SETTINGS)
    assert use.quotes[0] == Quote(level=pytest.approx(0.6), tenors=((7.0, pytest.approx(0.7)), (90.0, 1.25)))
    assert use.missing == ("ETH",)  # a level needs a row of 30 days
