"""Volatility on hand-made paths."""

from dataclasses import replace

import numpy as np
import pytest

from seawall.arrays import Floats
from seawall.errors import ConfigError, DataError
from seawall.margin.settings import ModelSettings
from seawall.margin.volatility import ewma_variance, limit_falls, sigma_path

SETTINGS = ModelSettings()


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
