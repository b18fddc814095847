"""Breaks in made-up markets: none where there is none, soon where there is one."""

from typing import Any

import numpy as np
import pytest

from seawall.arrays import Floats
from seawall.errors import ConfigError, DataError
from seawall.margin.breaks import BreakSettings, alarms, break_scores, parameter_drift
from seawall.margin.settings import ModelSettings
from seawall.margin.volatility import break_strength, log_closes, sigma_path

SETTINGS = ModelSettings()
DAY = 24


def heavy_tailed(days: int, *, markets: int = 1, seed: int = 0, sizes: Floats | float = 0.008) -> Floats:
    """Return hourly closes with Student moves of four degrees of freedom."""
    rng = np.random.default_rng(seed)
    moves = sizes * rng.standard_t(4, size=(days * DAY, markets)) / np.sqrt(2.0)
    closes: Floats = np.exp(np.cumsum(moves, axis=0))
    return closes


def scored(closes: Floats) -> Floats:
    sigma = sigma_path(closes, bar_h=1.0, settings=SETTINGS)
    return break_scores(log_closes(closes), sigma, horizon_bars=DAY)


def test_alarms__in_a_hundred_years_without_a_break__are_at_most_two() -> None:
    given_, _ = alarms(scored(heavy_tailed(5 * 365, markets=20)), settings=SETTINGS.breaks)
    assert given_.sum() <= 2


def test_alarms__in_markets_whose_volatility_wanders__come_less_than_once_in_ten_years() -> None:
    """Volatility that halves and doubles within weeks is what the mixture is for: it is no break."""
    rng = np.random.default_rng(3)
    decay = 0.5 ** (1.0 / (20 * DAY))
    steps = 0.3 * np.sqrt(1 - decay**2) * rng.standard_normal((4 * 365 * DAY, 10))
    wander = np.empty_like(steps)
    level = np.zeros(10)
    for row, step in enumerate(steps):
        level = decay * level + step
        wander[row] = level
    given_, _ = alarms(
        scored(heavy_tailed(4 * 365, markets=10, sizes=0.008 * np.exp(wander))), settings=SETTINGS.breaks
    )
    assert given_.sum() <= 4


def test_alarms__when_moves_grow_eightfold__come_within_a_day() -> None:
    sizes = np.repeat([0.004, 0.032], [200 * DAY, 10 * DAY])[:, None]
    given_, _ = alarms(scored(heavy_tailed(210, sizes=sizes)), settings=SETTINGS.breaks)
    rows = np.flatnonzero(given_[:, 0])
    assert 200 * DAY < rows[0] <= 201 * DAY


def test_break_strength__is_the_same_whether_or_not_breaks_are_enabled() -> None:
    sizes = np.repeat([0.004, 0.032], [100 * DAY, 10 * DAY])[:, None]
    closes = heavy_tailed(110, sizes=sizes)
    off, on = (
        break_strength(closes, bar_h=1.0, settings=ModelSettings(breaks=BreakSettings(enabled=enabled)))
        for enabled in (False, True)
    )
    assert off.max() == 1.0
    np.testing.assert_array_equal(off, on)


def test_sigma_path__at_an_alarm__counts_the_fast_volatilities_alone() -> None:
    sizes = np.repeat([0.004, 0.032], [100 * DAY, 10 * DAY])[:, None]
    closes = heavy_tailed(110, sizes=sizes)
    alone = ModelSettings(
        fast_weights=SETTINGS.fast_weights,
        slow_weights=(0.0,) * len(SETTINGS.slow_weights),
        long_run_weight=1e-12,
    )
    row = int(np.flatnonzero(break_strength(closes, bar_h=1.0, settings=SETTINGS)[:, 0] == 1.0)[0])
    enabled = ModelSettings(breaks=BreakSettings(enabled=True))
    found = sigma_path(closes, bar_h=1.0, settings=enabled)[row]
    np.testing.assert_allclose(found, sigma_path(closes, bar_h=1.0, settings=alone)[row], rtol=1e-6)
    assert found > sigma_path(closes, bar_h=1.0, settings=SETTINGS)[row]


def test_parameter_drift__in_an_unchanged_market__is_none() -> None:
    closes = heavy_tailed(720, markets=3)
    sigma = sigma_path(closes, bar_h=1.0, settings=SETTINGS)
    drift = parameter_drift(log_closes(closes), sigma, horizon_bars=DAY, recent_bars=180 * DAY)
    np.testing.assert_allclose(drift.dispersion, 1.0, atol=0.06)
    np.testing.assert_allclose(drift.tail, 1.0, atol=0.6)
    assert abs(drift.correlation) < 0.06


def test_parameter_drift__when_markets_begin_to_move_together__says_so() -> None:
    closes = heavy_tailed(360, markets=2)
    closes[180 * DAY :, 1] = closes[180 * DAY :, 0] * closes[180 * DAY, 1] / closes[180 * DAY, 0]
    sigma = sigma_path(closes, bar_h=1.0, settings=SETTINGS)
    drift = parameter_drift(log_closes(closes), sigma, horizon_bars=DAY, recent_bars=180 * DAY - 1)
    assert drift.correlation > 0.9


def test_parameter_drift__of_one_underlying__has_no_correlation() -> None:
    closes = heavy_tailed(60)
    sigma = sigma_path(closes, bar_h=1.0, settings=SETTINGS)
    assert parameter_drift(log_closes(closes), sigma, horizon_bars=DAY, recent_bars=480).correlation == 0.0


def test_parameter_drift__with_too_little_on_either_side__asks_for_older_bars() -> None:
    closes = heavy_tailed(30)
    sigma = sigma_path(closes, bar_h=1.0, settings=SETTINGS)
    for recent in (50, 16 * DAY - 50):
        with pytest.raises(DataError, match="older bars"):
            parameter_drift(log_closes(closes), sigma, horizon_bars=DAY, recent_bars=recent)


def test_break_scores__judge_a_move_by_the_volatility_known_before_it() -> None:
    logs = np.array([[0.0], [0.01], [np.nan], [0.05]])
    sigma = np.array([[0.1], [0.2], [np.nan], [0.4]])
    found = break_scores(logs, sigma, horizon_bars=4)[:, 0]
    across_two_bars = 0.04 / (0.2 * np.sqrt(2 / 4))
    np.testing.assert_allclose(found, [np.nan, 0.01 / (0.1 * np.sqrt(1 / 4)), np.nan, across_two_bars])


def test_break_scores__with_anothers_sigma__refuses() -> None:
    with pytest.raises(DataError, match="sigma_path"):
        break_scores(np.zeros((5, 2)), np.ones((5, 1)), horizon_bars=DAY)


@pytest.mark.parametrize(
    "wrong",
    [
        {"allowance": 0.0},
        {"allowance": 5.0},
        {"limit": 4.0},
        {"decay_days": 0.0},
        {"recent_days": 0.0},
        {"stress_factor": 0.9},
        {"stress_factor": 11.0},
    ],
)
def test_break_settings__out_of_range__are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="breaks"):
        BreakSettings(**wrong)
