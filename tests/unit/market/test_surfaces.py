"""Surfaces in a keeper: which snapshot counts, what becomes of bad ones, and what they change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.support.data import real_data
from tests.support.listings import AS_OF, QUICK, linear, listed_view, option, price_bars

from seawall.arrays import Floats
from seawall.errors import ConfigError
from seawall.keeper.compute import compute, propose
from seawall.keeper.report import numbers_of
from seawall.margin.calibration import CalibrationSettings, calibrate
from seawall.margin.pricing import black_price
from seawall.market.readers import read_options
from seawall.market.schema import OptionQuotes
from seawall.market.surfaces import SurfaceSource, chain_quotes, read_chains, use_chains
from seawall.page.layout import Kind

DAY_S = 86_400
FILE = "deribit_options_ETH_20240108.parquet"


def snapshot(
    time_s: int, *, volatility: float = 0.6, symbol: str = "BTC", forward: float = 100.0
) -> OptionQuotes:
    """Return quotes with one volatility for all strikes of five expiries."""
    days, deviations = np.array([3.0, 10.0, 30.0, 90.0, 200.0]), np.linspace(-2.5, 2.5, 11)
    tau = np.repeat(days, len(deviations)) / 365
    k = np.tile(deviations, len(days)) * volatility * np.sqrt(tau)

    def premium(shift: float) -> Floats:
        return black_price(1.0, np.exp(k), volatility + shift, tau, is_call=k > 0)

    none = np.full(len(k), np.nan)
    return OptionQuotes(
        symbol=symbol,
        times_s=np.full(len(k), time_s, dtype=np.int64),
        expiry_s=(time_s + tau * 365 * DAY_S).astype(np.int64),
        strike=forward * np.exp(k),
        is_call=k > 0,
        forward=np.full(len(k), forward),
        index=np.full(len(k), forward),
        bid=premium(-0.01),
        ask=premium(0.01),
        mark=premium(0.0),
        mark_iv=none,
        open_interest=none,
        volume_24h=none,
    )


def joined(*parts: OptionQuotes) -> OptionQuotes:
    arrays = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in OptionQuotes.__slots__
        if isinstance(getattr(parts[0], name), np.ndarray)
    }
    return replace(parts[0], **arrays)


def level(quotes: OptionQuotes, time_s: int, *, settings: SurfaceSource | None = None) -> tuple[float, str]:
    """Return the volatility at the money in the end, NaN without a surface, and the note."""
    found = use_chains([quotes], ["BTC"], time_s, settings=settings)
    surface = found.surfaces[0]
    volatility = float("nan") if surface is None else float(np.sqrt(surface.theta[-1] / surface.tau_y[-1]))
    return volatility, found.notes[0]


def test_the_newest_snapshot_known_at_the_time_counts() -> None:
    quotes = joined(*(snapshot(AS_OF + 600 * i, volatility=0.5 + 0.1 * i) for i in range(3)))
    for i, volatility in enumerate((0.5, 0.6, 0.7)):
        found, note = level(quotes, AS_OF + 600 * i + 599)
        assert found == pytest.approx(volatility, abs=1e-3)
        assert note == ""


def test_a_snapshot_that_cannot_be_fitted_gives_way_to_the_one_before_and_says_why() -> None:
    bad = replace(snapshot(AS_OF, volatility=0.9), bid=np.full(55, np.nan))
    found, note = level(joined(snapshot(AS_OF - 1800), bad), AS_OF)
    assert found == pytest.approx(0.6, abs=1e-3)
    assert "0 expiries have enough quotes" in note


@pytest.mark.parametrize(("age_h", "raised"), [(0.9, 0.0), (3.0, 0.04), (20.0, 0.25)])
def test_what_is_old_is_raised_for_its_age(age_h: float, raised: float) -> None:
    found, note = level(snapshot(AS_OF - int(3600 * age_h)), AS_OF)
    assert found == pytest.approx(0.6 * (1 + raised), abs=1e-3)
    assert (note == "") == (raised == 0)


def test_what_is_a_day_old_or_another_underlyings_is_no_surface() -> None:
    assert np.isnan(level(snapshot(AS_OF - DAY_S - 1), AS_OF)[0])
    assert np.isnan(level(snapshot(AS_OF + 1), AS_OF)[0])
    none = use_chains([snapshot(AS_OF, symbol="ETH")], ["BTC"], AS_OF)
    assert none.surfaces == (None,)
    assert none.notes == ("there are no quotes",)


def test_premiums_in_quote_currency_say_the_same() -> None:
    coin = snapshot(AS_OF)
    dollars = replace(coin, bid=coin.bid * 100, ask=coin.ask * 100, mark=coin.mark * 100, inverse=False)
    for name in ("bid", "ask", "mark"):
        np.testing.assert_allclose(getattr(chain_quotes(dollars), name), getattr(chain_quotes(coin), name))


def test_a_keeper_marks_options_by_the_surface_and_its_proposal_says_so() -> None:
    view = listed_view([(0, [linear(), option(Kind.CALL, 1.0, 24 * 20)])])
    bars = price_bars(days=70)
    quotes = snapshot(AS_OF, volatility=0.7)
    plain, empty = compute(view, bars, settings=QUICK), compute(view, bars, settings=QUICK, chains=())
    fitted = compute(view, bars, settings=QUICK, chains=[quotes])
    assert empty.payloads == plain.payloads
    assert fitted.payloads != plain.payloads
    assert fitted.surfaces is not None
    assert fitted.surfaces.surfaces[0] is not None
    assert "55 quotes, 5 expiries, error 0.0" in numbers_of(view, fitted)["BTC surface"]
    assert "there are no quotes" in numbers_of(view, empty).values()
    hashes = {
        propose(view, c, bars, epoch=1, settings=QUICK).manifest.inputs_hash for c in (plain, empty, fitted)
    }
    assert len(hashes) == 3


def test_a_file_that_is_not_there_is_no_quotes(tmp_path: Path) -> None:
    assert read_chains(tmp_path / "none.csv") == ()


def test_limits_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigError, match="surfaces"):
        SurfaceSource(fresh_s=100, snapshot_s=200)
    with pytest.raises(ConfigError, match="surfaces"):
        SurfaceSource(tries=0)


def test_a_real_file_is_fitted_as_it_is_read() -> None:
    (quotes,) = read_options(real_data(FILE) / FILE)
    made = calibrate(chain_quotes(quotes), settings=CalibrationSettings())
    assert made.fit is not None
    assert made.fit.rmse(least_days=2) < 1.5
    found = use_chains([quotes], ["ETH"], int(quotes.times_s[-1]))
    assert found.notes == ("",)
