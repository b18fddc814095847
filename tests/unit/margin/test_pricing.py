"""Prices against the integral they stand for, and what the settlement average leaves open."""

from itertools import pairwise
from math import erfc, exp, log, pi, sqrt

import numpy as np
import pytest
from scipy.integrate import quad

from seawall.errors import ConfigError, DataError
from seawall.margin.instruments import SETTLEMENT_WINDOW_H, Dated, Payoff, effective_hours
from seawall.margin.pricing import black_greeks, black_price
from seawall.margin.settings import SurfaceSettings
from seawall.margin.surface import levels_from, moved, volatility

CASES = [
    (strike, vol, days / 365)
    for strike in (0.5, 0.8, 0.95, 1.0, 1.05, 1.3, 2.0)
    for vol in (0.2, 0.8, 2.0)
    for days in (0.1, 7, 365)
]


def by_quadrature(strike: float, vol: float, tau: float, *, is_call: bool) -> float:
    """Return the integral of the payoff over the log-normal density."""
    s = vol * sqrt(tau)
    edge = (log(strike) + s * s / 2) / s

    def paid(z: float) -> float:
        difference = exp(-s * s / 2 + s * z) - strike
        return max(difference if is_call else -difference, 0.0) * exp(-z * z / 2) / sqrt(2 * pi)

    low, high = (max(edge, -12.0), 14.0) if is_call else (-12.0, min(edge, 12.0))
    if low >= high:
        return 0.0
    parts = np.linspace(low, high, 9)
    return sum(quad(paid, a, b, epsabs=1e-14)[0] for a, b in pairwise(parts))


def by_error_function(strike: float, vol: float, tau: float, *, is_call: bool) -> float:
    s = vol * sqrt(tau)
    sign = 1 if is_call else -1
    d1, d2 = (-log(strike) / s + half * s / 2 for half in (1, -1))
    return sign * (erfc(-sign * d1 / sqrt(2)) - strike * erfc(-sign * d2 / sqrt(2))) / 2


@pytest.mark.parametrize("is_call", [True, False])
def test_prices_are_the_expected_payoff(is_call: bool) -> None:
    strike, vol, tau = np.array(CASES).T
    found = black_price(1.0, strike, vol, tau, is_call=is_call)
    np.testing.assert_allclose(found, [by_quadrature(*c, is_call=is_call) for c in CASES], atol=1e-10, rtol=0)
    np.testing.assert_allclose(
        found, [by_error_function(*c, is_call=is_call) for c in CASES], atol=1e-13, rtol=0
    )


def test_at_expiry_an_option_is_its_payoff_and_knows_its_side() -> None:
    found = black_greeks(1.0, np.array([0.9, 1.0, 1.1]), 0.8, 0.0, is_call=np.array([True, True, False]))
    np.testing.assert_allclose(found.price, [0.1, 0.0, 0.1])
    np.testing.assert_array_equal(found.delta, [1.0, 0.5, -1.0])
    assert not found.gamma.any()
    assert not found.vega.any()


def test_shapes_broadcast() -> None:
    strikes = np.linspace(0.5, 2.0, 4)
    found = black_price(np.ones((3, 1)), strikes, 0.8, np.array([[0.0], [0.1], [1.0]]), is_call=strikes > 1)
    assert found.shape == (3, 4)
    assert found[2, 3] == pytest.approx(float(black_price(1.0, 2.0, 0.8, 1.0, is_call=True)))


@pytest.mark.parametrize(
    ("strikes", "volatilities", "taus", "calls"),
    [
        ((20_000,), (20_000,), (1,), (20_000,)),
        ((300, 70), (70,), (300, 1), (1, 70)),
        ((300, 1), (1, 70), (), (300, 1)),
        ((1, 20_000), (20_000,), (), ()),
        ((30, 40, 50), (40, 1), (50,), (30, 1, 1)),
    ],
)
def test_a_lot_of_options_at_once_are_worth_what_they_are_a_few_at_a_time(
    strikes: tuple[int, ...], volatilities: tuple[int, ...], taus: tuple[int, ...], calls: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(21)
    given = (
        np.exp(rng.normal(size=strikes)),
        np.asarray(rng.uniform(0, 2, volatilities)),
        np.asarray(rng.uniform(0, 1, taus)),
    )
    call = np.asarray(rng.random(calls) < 0.5)
    found = black_price(1.1, *given, is_call=call)
    *each, side = (x.ravel() for x in np.broadcast_arrays(*given, call))
    assert found.size > 8_192
    pieces = [slice(start, start + 999) for start in range(0, found.size, 999)]
    expected = [black_price(1.1, *(x[some] for x in each), is_call=side[some]) for some in pieces]
    assert np.abs(found.ravel() - np.concatenate(expected)).max() <= 1e-15


def averaged_variance(hours: float) -> float:
    """Return the variance over sigma^2 of the average of the last window of a Brownian path, by summation."""
    window, steps = SETTLEMENT_WINDOW_H, 20_000
    times = hours - window + window * (np.arange(steps) + 0.5) / steps
    open_ = np.maximum(times, 0.0)  # what lies in the past no longer moves
    tail = np.cumsum(open_[::-1])[::-1] - open_
    # Sum over pairs of min(t_i, t_j): each time once with itself and twice with every later one.
    later = np.arange(steps)[::-1]
    assert tail.shape == later.shape
    return float((open_ + 2 * open_ * later).sum() / steps**2)


@pytest.mark.parametrize("hours", [0.1, 0.25, 0.4999, 0.5, 0.75, 3.0, 100.0])
def test_effective_time_is_the_variance_of_the_average(hours: float) -> None:
    assert float(effective_hours(np.array(hours))) == pytest.approx(averaged_variance(hours), rel=1e-3)


def test_effective_time_ends_at_expiry() -> None:
    np.testing.assert_array_equal(effective_hours(np.array([0.0, -5.0])), [0.0, 0.0])


@pytest.mark.parametrize(
    "wrong", [{"strike": 0.0}, {"hours": np.inf}, {"underlying": -1}, {"strike": np.inf}]
)
def test_an_option_without_a_strike_or_an_end_is_refused(wrong: dict[str, float]) -> None:
    sound = {"underlying": 0, "payoff": Payoff.CALL, "strike": 1.0, "hours": 1.0}
    with pytest.raises(DataError, match=r"strike|expiry"):
        Dated(**(sound | wrong))


def test_a_future_has_no_strike() -> None:
    with pytest.raises(DataError, match="strike"):
        Dated(underlying=0, payoff=Payoff.FUTURE, strike=1.0, hours=1.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"premium": 0.0},
        {"relaxation_days": 0.0},
        {"reversion": 1.5},
        {"smile_correlation": 1.0},
        {"smile_slope": 1.9},
        {"carry": 2.0},
        {"residual": -0.1},
        {"residual_correlation": 1.1},
        {"residual_freedom": 2.0},
        {"maximum_move": 0.0},
        {"shocks": (2.0,)},
    ],
)
def test_a_surface_with_arbitrage_or_without_meaning_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        SurfaceSettings(**wrong)


def test_short_maturities_rise_more_than_long_ones_as_on_exchanges() -> None:
    rule, days = SurfaceSettings(smile_slope=1e-6), np.array([3.0, 7.0, 30.0, 90.0, 180.0])
    flat = levels_from(np.array([0.5]), np.array([0.5]), settings=rule)

    def term(x: float) -> np.ndarray:
        surface = moved(flat, np.array([x]), settings=rule)
        return np.log(volatility(surface, np.zeros(5), days / 365, settings=rule))

    slopes = (term(1e-4) - term(0.0)) / 1e-4
    np.testing.assert_allclose(slopes, [2.4, 1.9, 1.0, 0.5, 0.31], atol=0.05)


def test_short_maturities_also_fall_more() -> None:
    rule, days = SurfaceSettings(smile_slope=1e-6), np.array([1.0, 30.0, 365.0])
    flat = levels_from(np.array([0.5]), np.array([0.5]), settings=rule)
    after = moved(flat, np.array([-0.3]), settings=rule)
    fall = np.log(volatility(after, np.zeros(3), days / 365, settings=rule) / 0.5)
    assert fall[1] == pytest.approx(-0.3)
    assert fall[0] < 1.5 * fall[1]
    assert fall[1] < fall[2] < 0
