"""The liquidity charge grows with size, spares nobody for splitting, and reproduces depth."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from tests.property.margin_strategies import float_errors_raise as float_errors_raise

from seawall.margin.liquidity import daily_volume_from_depth, liquidity_charge, liquidity_coefficients

COEFFICIENTS = liquidity_coefficients(
    spread=np.array([2e-4, 1e-3]), sigma_day=np.array([0.03, 0.06]), daily_volume=np.array([1e9, 1e7])
)
SIZE = st.floats(-1e9, 1e9).map(lambda x: 0.0 if abs(x) < 1e-3 else x)


@given(SIZE, SIZE, st.floats(1.0, 10.0))
def test_a_larger_position_never_costs_less_per_unit(first: float, second: float, factor: float) -> None:
    net = np.array([first, second])
    small = liquidity_charge(net, coefficients=COEFFICIENTS)
    large = liquidity_charge(factor * net, coefficients=COEFFICIENTS)
    assert large >= factor * small * (1 - 1e-9)


@given(st.floats(1.0, 1e8), st.integers(2, 50), st.one_of(st.just(0.0), st.floats(1.0, 1e9)))
def test_splitting_below_the_share_of_open_interest_saves_nothing(
    size: float, parts: int, interest: float
) -> None:
    def cost(net: float) -> float:
        return float(
            liquidity_charge(
                np.array([net, 0.0]),
                coefficients=COEFFICIENTS,
                open_interest=np.array([interest, 0.0]),
                open_interest_divisor=50.0,
            )
        )

    whole, split = cost(size), parts * cost(size / parts)
    if size <= interest / 50.0:
        assert split == pytest.approx(whole, rel=1e-9)
    else:
        assert split <= whole * (1 + 1e-9)
    floor = size * (1e-4 + 0.03 * np.sqrt(interest / 50.0 / 1e9))
    assert split >= floor * (1 - 1e-9)


@given(st.floats(1e3, 1e9), st.floats(1e-4, 0.05), st.floats(0.005, 0.2), st.floats(0.5, 2.0))
def test_volume_from_depth_moves_the_price_by_the_band(
    depth: float, band: float, sigma: float, impact: float
) -> None:
    sigma_day = np.array([sigma])
    volume = daily_volume_from_depth(
        np.array([depth]), band=band, sigma_day=sigma_day, impact=impact, haircut=0.0
    )
    fitted = liquidity_coefficients(
        spread=np.zeros(1), sigma_day=sigma_day, daily_volume=volume, impact=impact
    )
    assert liquidity_charge(np.array([depth]), coefficients=fitted) == pytest.approx(depth * band, rel=1e-9)
