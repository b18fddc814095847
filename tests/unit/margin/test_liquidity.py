"""Liquidity coefficients and charges on round numbers."""

from collections.abc import Callable

import numpy as np
import pytest

from seawall.arrays import Floats
from seawall.errors import ConfigError, DataError
from seawall.margin.liquidity import (
    LiquidityCoefficients,
    daily_volume_from_bars,
    daily_volume_from_depth,
    liquidity_charge,
    liquidity_coefficients,
)

ONE = np.ones(1)
ROUND = LiquidityCoefficients(
    half_spread=np.array([0.001]), impact=np.array([0.04]), daily_volume=np.array([1e6])
)


def test_liquidity_charge__of_a_hundredth_of_the_volume__pays_a_tenth_of_the_impact() -> None:
    assert liquidity_charge(np.array([-1e4]), coefficients=ROUND) == pytest.approx(1e4 * (0.001 + 0.004))


def test_liquidity_charge__of_a_small_position__pays_the_rate_of_the_share_of_open_interest() -> None:
    charge = liquidity_charge(
        np.array([100.0]), coefficients=ROUND, open_interest=np.array([5e5]), open_interest_divisor=50.0
    )
    assert charge == pytest.approx(100.0 * (0.001 + 0.004))


def test_liquidity_charge__of_many_books__sums_over_underlyings() -> None:
    two = LiquidityCoefficients(half_spread=np.array([0.1, 0.2]), impact=np.zeros(2), daily_volume=np.ones(2))
    charges = liquidity_charge(np.array([[1.0, -1.0], [0.0, 0.0]]), coefficients=two)
    np.testing.assert_allclose(charges, [0.3, 0.0])


def test_liquidity_coefficients__halve_the_spread_and_scale_volatility() -> None:
    made = liquidity_coefficients(spread=0.002 * ONE, sigma_day=0.05 * ONE, daily_volume=ONE, impact=2.0)
    assert (made.half_spread[0], made.impact[0], made.daily_volume[0]) == pytest.approx((0.001, 0.1, 1.0))


def test_daily_volume_from_bars__halves_the_median_day_and_ignores_a_partial_one() -> None:
    volume = np.concatenate([np.full(7, 1e9), np.full(24, 1.0), np.full(24, 2.0), np.full(24, 9.0)])[:, None]
    assert daily_volume_from_bars(volume, bar_h=1.0)[0] == pytest.approx(24.0)
    assert daily_volume_from_bars(volume, bar_h=1.0, window_days=1)[0] == pytest.approx(108.0)


def test_daily_volume_from_depth__is_cut_by_the_haircut() -> None:
    whole, half = (
        daily_volume_from_depth(1e6 * ONE, band=0.01, sigma_day=0.05 * ONE, haircut=cut)[0]
        for cut in (0.0, 0.5)
    )
    assert half == pytest.approx(whole / 2)
    assert whole == pytest.approx(25e6)


@pytest.mark.parametrize(
    "call",
    [
        lambda: daily_volume_from_bars(np.ones((23, 1)), bar_h=1.0),
        lambda: daily_volume_from_bars(-np.ones((24, 1)), bar_h=1.0),
        lambda: daily_volume_from_depth(0 * ONE, band=0.01, sigma_day=ONE),
        lambda: liquidity_coefficients(spread=-ONE, sigma_day=ONE, daily_volume=ONE),
        lambda: liquidity_coefficients(spread=ONE, sigma_day=ONE, daily_volume=0 * ONE),
        lambda: liquidity_charge(np.ones(2), coefficients=ROUND),
        lambda: liquidity_charge(ONE, coefficients=ROUND, open_interest=-ONE),
    ],
)
def test_malformed_data_are_refused(call: Callable[[], Floats]) -> None:
    with pytest.raises(DataError):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: daily_volume_from_bars(np.ones((24, 1)), bar_h=1.0, haircut=1.0),
        lambda: daily_volume_from_bars(np.ones((24, 1)), bar_h=0.0),
        lambda: daily_volume_from_bars(np.ones((24, 1)), bar_h=7.0),
        lambda: daily_volume_from_depth(ONE, band=0.0, sigma_day=ONE),
        lambda: liquidity_charge(ONE, coefficients=ROUND, open_interest_divisor=0.0),
    ],
)
def test_parameters_out_of_range_are_refused(call: Callable[[], Floats]) -> None:
    with pytest.raises(ConfigError):
        call()
