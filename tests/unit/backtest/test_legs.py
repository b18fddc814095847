"""Single legs are the keeper's own numbers, and nothing that comes later changes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.data import real_data

from seawall.backtest.data import BAR_S, History, Series, read_history
from seawall.backtest.legs import leg_path
from seawall.backtest.methods import Method, methods_of, presents, requirements
from seawall.backtest.settings import BacktestSettings, role_of
from seawall.errors import DataError
from seawall.margin.perpetuals import joint_returns, spot_pnl
from seawall.margin.settings import BreakSettings, ModelSettings
from seawall.margin.shortfall import leg_shortfall, tails
from seawall.margin.stress import Role
from seawall.margin.tails import TailSettings
from seawall.margin.volatility import sigma_path

Make = Callable[..., History]


def keepers_own(
    closes: np.ndarray, *, role: Role, settings: ModelSettings, implied: np.ndarray | None = None
) -> tuple[float, float, float]:
    """Return shortfall long and short and value at risk long, from the functions a keeper calls."""
    joint = None if implied is None else implied[:, None]
    _, scenarios = joint_returns(closes[:, None], bar_h=1.0, roles=[role], settings=settings, implied=joint)
    pnl = spot_pnl(scenarios.log_returns)
    long, short = leg_shortfall(pnl, scenarios.weights, alpha=settings.alpha)
    worst = tails(np.ascontiguousarray(pnl.T), scenarios.weights, alpha=settings.alpha)
    inside = worst.masses[0] > 0
    return float(long.item()), float(short.item()), float(-pnl[worst.rows[0][inside], 0].max())


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"dependence_share": 0.0},
        {"dependence_share": 0.4, "stress_probability": 2e-5},
        {"side_share": 0.5, "move_power": 1.0, "move_scale": 1.2},
        {"fast_weights": (0.3,), "long_run_floor": 0.8},
        {"tails": TailSettings(strength=0.4, falls=5.0, rises=2.0)},
        {"stress_probability": 0.0, "tails": TailSettings(strength=0.0)},
        {"breaks": BreakSettings(enabled=True, limit=8.0)},
    ],
)
def test_legs_equal_what_a_keeper_computes(
    market: Make, short_model: ModelSettings, changes: dict[str, Any]
) -> None:
    settings = replace(short_model, **changes)
    closes = market("BTC").spot["BTC"].values
    rows = np.array([24 * 45, 24 * 80 + 7, 24 * 150], dtype=np.int64)
    rows = rows[np.isfinite(closes[rows])]
    found = leg_path(closes, rows, settings=settings, role=Role.MAJOR)
    for row, legs in zip(rows, found, strict=True):
        own = keepers_own(closes[: row + 1], role=Role.MAJOR, settings=settings)
        assert legs[:3] == pytest.approx(own, rel=1e-10)


def test_legs_with_implied_volatility_equal_what_a_keeper_computes(
    market: Make, short_model: ModelSettings
) -> None:
    closes = market("ETH").spot["ETH"].values
    implied = np.where(np.arange(len(closes)) % 100 < 80, 0.9, np.nan)
    rows = np.array([24 * 100 + 3], dtype=np.int64)
    found = leg_path(closes, rows, settings=short_model, role=Role.LARGE, implied=implied)
    row = int(rows[0])
    own = keepers_own(closes[: row + 1], role=Role.LARGE, settings=short_model, implied=implied[: row + 1])
    assert found[0, :3] == pytest.approx(own, rel=1e-10)
    plain = leg_path(closes, rows, settings=short_model, role=Role.LARGE)
    assert abs(plain[0, 0] / found[0, 0] - 1) > 1e-3


def test_legs_equal_what_a_keeper_computes_on_real_prices() -> None:
    folder = real_data("binance_spot_1h_BTCUSDT.parquet", "binance_spot_1h_alts.parquet")
    history, settings = read_history(folder), BacktestSettings()
    for symbol in ("BTC", "SOL"):
        series = history.spot[symbol]
        times = presents(series, settings)[[0, 1701, -1]]
        rows = series.rows(times)
        found = leg_path(series.values, rows, settings=settings.model, role=role_of(symbol))
        for row, legs in zip(rows, found, strict=True):
            own = keepers_own(series.values[: row + 1], role=role_of(symbol), settings=settings.model)
            assert legs[:3] == pytest.approx(own, rel=1e-10)


METHODS = [m for m in methods_of(BacktestSettings()) if m.name not in {"garch-t", "gjr-t", "leverage-tiers"}]


def disturbed(history: History, symbol: str, from_s: int, *, factor: float) -> History:
    """Return the history with other prices, and another index, after a moment."""

    def change(series: Series) -> Series:
        times = series.first_s + BAR_S * np.arange(len(series.values))
        rng = np.random.default_rng(7)
        later = series.values * factor * np.exp(0.05 * rng.standard_normal(len(times)))
        return replace(series, values=np.where(times > from_s, later, series.values))

    return replace(
        history,
        spot={**history.spot, symbol: change(history.spot[symbol])},
        implied={name: change(series) for name, series in history.implied.items()},
    )


@settings(max_examples=max(20, settings.default.max_examples // 5))  # each walks twice over the market
@given(method=st.sampled_from(METHODS), cut=st.integers(60, 140), factor=st.floats(0.3, 3.0))
def test_what_comes_later_changes_nothing_before(
    market: Make, short_settings: BacktestSettings, method: Method, cut: int, factor: float
) -> None:
    history = with_index(market)
    own = replace(method, settings=short_settings.model) if method.settings else method
    told = replace(short_settings, phases_h=(0,))
    cut_s = short_settings.first_s + cut * 24 * BAR_S
    before, after = (
        requirements(own, "BTC", h, told) for h in (history, disturbed(history, "BTC", cut_s, factor=factor))
    )
    assert before is not None
    assert after is not None
    # A window that ends after the cut may be missing from one of them, its present is not.
    common, i, j = np.intersect1d(before[0], after[0], return_indices=True)
    seen = common <= cut_s
    assert seen.any()
    np.testing.assert_array_equal(before[1][i][seen], after[1][j][seen])


def with_index(market: Make) -> History:
    """Return two symbols and an index of implied volatility."""
    history = market("BTC", "ETH")
    series = history.spot["BTC"]
    index = replace(series, values=0.6 + 0.2 * np.sin(np.arange(len(series.values)) / 300))
    return replace(history, implied={"BTC": index})


@pytest.mark.parametrize("name", ["garch-t", "gjr-t"])
def test_garch_sees_nothing_of_the_future(market: Make, short_settings: BacktestSettings, name: str) -> None:
    pytest.importorskip("arch", reason="GARCH needs the library arch")
    history = market("BTC", days=290, gaps=0)
    first_s = short_settings.first_s + 260 * 24 * BAR_S
    told = replace(short_settings, phases_h=(0,), first_s=first_s, last_s=first_s + 20 * 24 * BAR_S)
    method = next(m for m in methods_of(told) if m.name == name)
    cut_s = first_s + 8 * 24 * BAR_S
    before, after = (
        requirements(method, "BTC", h, told) for h in (history, disturbed(history, "BTC", cut_s, factor=1.7))
    )
    assert before is not None
    assert after is not None
    seen = before[0] <= cut_s
    np.testing.assert_allclose(before[1][seen], after[1][seen], rtol=1e-12)
    assert not np.allclose(before[1][~seen], after[1][~seen])


def test_volatility_alone_is_a_multiple_of_the_models(market: Make, short_settings: BacktestSettings) -> None:
    history = market("BTC")
    method = next(m for m in methods_of(short_settings) if m.name == "volatility-alone")
    found = requirements(method, "BTC", history, short_settings)
    assert found is not None
    series = history.spot["BTC"]
    rows, model = series.rows(found[0]), short_settings.model
    for column, side in ((0, -1), (1, 1)):  # a long leg fears falls
        sigma = sigma_path(series.values[:, None], bar_h=1.0, settings=model, side=side)[rows, 0]
        np.testing.assert_allclose(found[1][:, column], 4.0 * sigma)


def test_a_row_without_a_close_is_named(market: Make, short_model: ModelSettings) -> None:
    closes = market("BTC").spot["BTC"].values.copy()
    closes[1500] = np.nan
    with pytest.raises(DataError, match="row 1500 has no close"):
        leg_path(closes, np.array([1500]), settings=short_model, role=Role.MAJOR)


def test_presents_have_both_ends_of_their_window(market: Make, short_settings: BacktestSettings) -> None:
    series = market("BTC", gaps=200).spot["BTC"]
    times = presents(series, short_settings)
    assert np.isfinite(series.at(times)).all()
    assert np.isfinite(series.at(times + 24 * BAR_S)).all()
    assert set(times // BAR_S % 24) == {0, 12}
    assert times[-1] + 24 * BAR_S <= short_settings.last_s
    assert times[0] >= series.first_s + short_settings.history_days * 24 * BAR_S
