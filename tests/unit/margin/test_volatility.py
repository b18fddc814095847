"""Volatility on hand-made paths."""

from dataclasses import replace

import numpy as np
import pytest

from seawall.arrays import Floats
from seawall.errors import ConfigError, DataError
from seawall.margin.settings import ModelSettings
from seawall.margin.volatility import ewma_variance, limit_falls, sigma_path

# A mixture that can be worked out by hand: four alike, of squared moves.
SETTINGS = ModelSettings(
    fast_half_lives_h=(12.0, 72.0),
    fast_weights=(0.25, 0.25),
    slow_half_lives_h=(720.0,),
    slow_weights=(0.25,),
    long_run_weight=0.25,
    implied_weight=0.25,
    side_share=0.0,
    move_power=2.0,
    move_scale=1.0,
    fast_cap=2.5,
    long_run_floor=0.0,
    fall_per_day=0.03,
)
DEFAULTS = ModelSettings()


def zigzag(days: int, size: float, *, bar_h: float = 1.0) -> Floats:
    bars = round(days * 24 / bar_h)
    closes: Floats = np.exp(size * (np.arange(bars) % 2))[:, None]
    return closes


def test_ewma_variance__after_one_half_life__weighs_the_old_level_by_half() -> None:
    squares = np.concatenate([np.full((5000, 1), 4.0), np.zeros((12, 1))])
    assert ewma_variance(squares, half_life_bars=12.0)[-1, 0] == pytest.approx(2.0)


def test_ewma_variance__at_first__is_the_first_square() -> None:
    assert ewma_variance(np.array([[3.0], [5.0]]), half_life_bars=4.0)[0, 0] == pytest.approx(3.0)


def test_ewma_variance__of_a_very_long_series__does_not_underflow() -> None:
    assert ewma_variance(np.ones((50_000, 1), dtype=np.float64), half_life_bars=12.0)[-1, 0] == pytest.approx(
        1.0
    )


@pytest.mark.parametrize("bar_h", [0.5, 1.0, 2.0])
def test_sigma_path__of_equal_moves__is_their_size_times_the_root_of_the_horizon(bar_h: float) -> None:
    sigma = sigma_path(zigzag(30, 0.01, bar_h=bar_h), bar_h=bar_h, settings=SETTINGS)
    assert sigma[-1, 0] == pytest.approx(0.01 * np.sqrt(24.0 / bar_h))


def test_sigma_path__before_the_warm_up_has_passed__is_unknown() -> None:
    sigma = sigma_path(zigzag(30, 0.01), bar_h=1.0, settings=SETTINGS)[:, 0]
    assert np.isnan(sigma[: 14 * 24]).all()
    assert np.isfinite(sigma[14 * 24 :]).all()


def test_sigma_path__of_a_series_shorter_than_the_warm_up__is_unknown_throughout() -> None:
    for bars in (0, 1, 30):
        assert np.isnan(sigma_path(zigzag(2, 0.01)[:bars], bar_h=1.0, settings=SETTINGS)).all()


def test_sigma_path__after_a_crash__lifts_the_fast_volatilities_to_their_cap_only() -> None:
    closes: Floats = np.concatenate([zigzag(200, 0.001), [[0.2]]])
    sigma = sigma_path(closes, bar_h=1.0, settings=SETTINGS)[-1, 0]
    squares = np.square(np.diff(np.log(closes[:, 0])))
    long_run = np.sqrt(24 * squares.mean())
    slow = np.sqrt(24 * ewma_variance(squares[:, None], half_life_bars=720.0)[-1, 0])
    assert sigma == pytest.approx((2.5 * long_run + 2.5 * long_run + slow + long_run) / 4)


def test_sigma_path__with_an_implied_volatility__averages_it_in() -> None:
    closes = zigzag(30, 0.01)
    implied = np.full(closes.shape, np.nan)
    implied[-1] = 3.0
    without = sigma_path(closes, bar_h=1.0, settings=SETTINGS)[-1, 0]
    with_implied = sigma_path(closes, bar_h=1.0, settings=SETTINGS, implied=implied)[-1, 0]
    assert with_implied == pytest.approx((4 * without + 3.0 / np.sqrt(365.0)) / 5)


def test_sigma_path__across_a_gap__counts_the_move_once_per_bar_of_variance() -> None:
    closes = zigzag(30, 0.01)
    closes[-5:-1] = np.nan
    closes[-1] = closes[-6] * np.exp(0.01 * np.sqrt(5.0))
    sigma = sigma_path(closes, bar_h=1.0, settings=SETTINGS)[:, 0]
    assert np.isnan(sigma[-5:-1]).all()
    assert sigma[-1] == pytest.approx(0.01 * np.sqrt(24.0))


def test_limit_falls__after_a_spike__decays_by_the_limit_and_not_below_the_path() -> None:
    sigma = np.array([[1.0], [0.1], [0.1], [0.98]])
    limited = limit_falls(sigma, ages_days=np.arange(4.0), fall_per_day=0.03)
    np.testing.assert_allclose(limited[:, 0], [1.0, 0.97, 0.97**2, 0.98])


@pytest.mark.parametrize(
    ("closes", "message"),
    [
        (np.ones(5), "shape"),
        (np.ones((5, 0)), "shape"),
        (np.array([[1.0], [0.0]]), "non-positive"),
        (np.array([[1.0], [np.inf]]), "infinite"),
        (np.ones((24 * 30, 1)), "never moves"),
    ],
)
def test_sigma_path__with_malformed_closes__says_what_is_wrong(closes: Floats, message: str) -> None:
    with pytest.raises(DataError, match=message):
        sigma_path(closes, bar_h=1.0, settings=SETTINGS)


@pytest.mark.parametrize("implied", [np.ones((3, 1)), np.zeros((24 * 30, 1)), np.full((24 * 30, 1), np.inf)])
def test_sigma_path__with_malformed_implied_volatility__is_refused(implied: Floats) -> None:
    with pytest.raises(DataError, match="implied"):
        sigma_path(zigzag(30, 0.01), bar_h=1.0, settings=SETTINGS, implied=implied)


@pytest.mark.parametrize("bar_h", [0.0, -1.0, 7.0, 48.0])
def test_sigma_path__with_bars_that_do_not_divide_the_horizon__names_the_setting(bar_h: float) -> None:
    with pytest.raises(ConfigError, match="bar_h"):
        sigma_path(zigzag(30, 0.01), bar_h=bar_h, settings=SETTINGS)


def test_sigma_path__with_no_fall_limit__follows_the_mixture_down() -> None:
    closes = np.concatenate([zigzag(20, 0.05), zigzag(20, 0.001)])
    held = sigma_path(closes, bar_h=1.0, settings=SETTINGS)[-1, 0]
    free = sigma_path(closes, bar_h=1.0, settings=replace(SETTINGS, fall_per_day=0.9))[-1, 0]
    assert held > 1.1 * free


@pytest.mark.parametrize("settings", [SETTINGS, DEFAULTS])
def test_sigma_path__of_equal_moves__is_their_size_in_the_unit_of_the_model(settings: ModelSettings) -> None:
    sigma = sigma_path(zigzag(30, 0.01), bar_h=1.0, settings=settings)
    assert sigma[-1, 0] == pytest.approx(settings.move_scale * 0.01 * np.sqrt(24.0), rel=0.05)


def test_sigma_path__of_absolute_moves__is_moved_less_by_one_large_print() -> None:
    calm = zigzag(60, 0.01)
    struck = np.concatenate([calm[:-1], 0.9 * calm[-1:]])
    lone = {"fast_half_lives_h": (12.0,), "fast_weights": (1.0,), "long_run_weight": 1e-9}
    rises = []
    for power in (1.0, 2.0):
        settings = replace(
            SETTINGS, slow_half_lives_h=(), slow_weights=(), move_power=power, fast_cap=100.0, **lone
        )
        before, after = (sigma_path(x, bar_h=1.0, settings=settings)[-1, 0] for x in (calm, struck))
        rises.append(after / before)
    assert 1.2 < rises[0] < 0.8 * rises[1]


def test_sigma_path__with_a_share_of_one__sees_one_side_only() -> None:
    rising = np.exp(0.01 * np.arange(30 * 24))[:, None]
    fast = replace(
        SETTINGS,
        fast_half_lives_h=(12.0,),
        fast_weights=(1.0,),
        slow_half_lives_h=(),
        slow_weights=(),
        long_run_weight=1e-9,
        side_share=1.0,
        fall_per_day=0.9,
    )
    down, both, up = (sigma_path(rising, bar_h=1.0, settings=fast, side=side)[-1, 0] for side in (-1, 0, 1))
    assert both == pytest.approx(0.01 * np.sqrt(24.0))
    assert down < 1e-8
    assert up == pytest.approx(np.sqrt(2.0) * both)


def test_sigma_path__after_a_calm__stops_at_its_floor() -> None:
    closes = np.concatenate([zigzag(60, 0.05), zigzag(60, 0.0001)])
    settings = replace(SETTINGS, fall_per_day=0.9, long_run_floor=0.8, long_run_weight=0.01)
    sigma = sigma_path(closes, bar_h=1.0, settings=settings)[-1, 0]
    assert sigma == pytest.approx(0.8 * np.sqrt(24 * np.square(np.diff(np.log(closes[:, 0]))).mean()))


def test_sigma_path__with_another_implied_weight__leans_on_it_accordingly() -> None:
    closes = zigzag(30, 0.01)
    implied = np.full(closes.shape, 2.0)
    settings = replace(SETTINGS, implied_weight=1.0, fall_per_day=0.9)
    sigma = sigma_path(closes, bar_h=1.0, settings=settings, implied=implied)[-1, 0]
    assert sigma == pytest.approx((0.01 * np.sqrt(24.0) + 2.0 / np.sqrt(365.0)) / 2)


def test_ewma_variance__agrees_with_the_library_of_econometrics() -> None:
    """RiskMetrics (1996): the library starts its recursion elsewhere, which a thousand half-lives forget."""
    univariate = pytest.importorskip("arch.univariate", reason="arch is in the extra `backtest`")
    moves = np.random.default_rng(0).standard_t(4, size=4000)
    decay = 0.5 ** (1.0 / 12.0)
    theirs = univariate.EWMAVariance(decay)
    sigma2 = np.empty_like(moves)
    bounds = np.tile([0.0, 1e9], (len(moves), 1))
    theirs.compute_variance(np.empty(0), moves, sigma2, theirs.backcast(moves), bounds)
    ours = ewma_variance(moves[:, None] ** 2, half_life_bars=12.0)[:, 0]
    np.testing.assert_allclose(sigma2[1001:], ours[1000:-1], rtol=1e-9)
