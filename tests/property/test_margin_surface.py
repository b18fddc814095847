"""Surfaces, fitted and moved, leave no arbitrage, whatever they are drawn, fitted to, or moved by."""

from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from tests.property.margin_strategies import float_errors_raise as float_errors_raise

from seawall.arrays import Floats
from seawall.margin.arbitrage import grid_check
from seawall.margin.calibration import CalibrationSettings, calibrate
from seawall.margin.essvi import Slices, at, nearest_free, scaled, total_variance
from seawall.margin.pricing import black_price, implied_volatility
from seawall.margin.quotes import calibrated_levels
from seawall.margin.screening import ChainQuotes
from seawall.margin.settings import SurfaceSettings
from seawall.margin.surface import Levels, moved, volatility

QUOTED = CalibrationSettings()
FLAT = Levels(short=np.array([0.4, 0.5]), long=np.array([0.3, 0.5]))
MONTH = np.array([30.0 / 365])
KNOWN = 25


@st.composite
def shapes(draw: st.DrawFn) -> Slices:
    """Draw slices of any psi and chi, with theta that rises: what a projection may be given."""
    count = draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    tau = np.cumsum(rng.uniform(0.5, 60.0, count) + 1.0) / 365
    theta = np.cumsum(np.diff(tau, prepend=0.0) * rng.uniform(0.02, 4.0, count))
    psi = np.sqrt(theta) * rng.uniform(-0.2, 3.0, count)
    return Slices(tau_y=tau, theta=theta, psi=psi, chi=psi * rng.uniform(-1.2, 1.2, count))


@st.composite
def smooth(draw: st.DrawFn) -> Slices:
    """Draw a surface as markets have them: levels, smiles and skews that change slowly in maturity."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    tau = np.sort(rng.choice(np.array([2, 4, 7, 14, 21, 35, 60, 90, 180, 300.0]), 6, replace=False)) / 365
    short, long = rng.uniform(0.3, 1.5, 2)
    theta = (long**2 + (short**2 - long**2) * np.log1p(tau * 20) / (tau * 20)) * tau
    psi = rng.uniform(0.4, 1.1) * np.sqrt(theta / (1 + theta))
    rho = rng.uniform(-0.5, 0.3) + rng.uniform(-0.05, 0.05) * np.log(tau)
    return nearest_free(Slices(tau_y=tau, theta=theta, psi=psi, chi=rho * psi))


def quotes_of(surface: Slices, *, noise: float = 0.0, seed: int = 0) -> ChainQuotes:
    """Return quotes out of the money, with noise in their volatilities."""
    rng = np.random.default_rng(seed)
    expiry = np.repeat(np.arange(len(surface.tau_y)), KNOWN)
    deviations = np.tile(np.linspace(-3.0, 3.0, KNOWN), len(surface.tau_y))
    k, tau = deviations * np.sqrt(surface.theta[expiry]), surface.tau_y[expiry]
    exact = np.sqrt(total_variance(surface, k, tau) / tau)
    sigma = np.clip(exact * np.exp(noise * rng.normal(size=len(k))), 0.02, 4.5)
    mark, low, high = (
        black_price(1.0, np.exp(k), sigma * factor, tau, is_call=k > 0) for factor in (1.0, 0.98, 1.02)
    )
    return ChainQuotes(
        expiry=expiry,
        tau_y=tau,
        strike=np.exp(k),
        forward=np.ones(len(k)),
        is_call=k > 0,
        bid=low,
        ask=high,
        mark=mark,
        volatility=sigma,
    )


def no_arbitrage(surface: Slices) -> bool:
    found = grid_check(surface, between=3, strikes=81)
    return surface.is_free() and not found.butterflies and not found.calendars


@given(shapes(), st.floats(0.0, 1.0).map(lambda x: round(x, 6)))
def test_whatever_is_projected_or_widened_is_free_of_arbitrage(drawn: Slices, part: float) -> None:
    found = nearest_free(drawn)
    assert no_arbitrage(found)
    again = nearest_free(found)
    np.testing.assert_allclose(again.psi, found.psi, rtol=1e-9)
    assert no_arbitrage(scaled(found, 1 + part))


@given(shapes(), st.lists(st.integers(-800, 1200), min_size=1, max_size=6), st.floats(0.5, 90.0))
def test_a_moved_surface_is_free_of_arbitrage_and_moves_at_30_days_as_told(
    drawn: Slices, moves: list[int], relaxation: float
) -> None:
    rule = SurfaceSettings(relaxation_days=relaxation)
    before = calibrated_levels([None, nearest_free(drawn)], FLAT, settings=rule)
    told = np.array(moves) / 1000
    after = moved(before, np.stack([told, told], axis=1), settings=rule).slices[1]
    held = before.slices[1]
    assert after is not None
    assert held is not None
    assert no_arbitrage(after)
    assert (np.diff(after.theta, axis=-1) > 0).all()
    log_move = 0.5 * np.log(at(after, MONTH)[0] / at(held, MONTH)[0])[:, 0]
    np.testing.assert_allclose(log_move, told, atol=1e-9)


@given(smooth())
@settings(max_examples=settings().max_examples // 2)
def test_a_fit_to_a_surfaces_own_quotes_recovers_it(drawn: Slices) -> None:
    found = calibrate(quotes_of(drawn), settings=QUOTED)
    assert found.fit is not None
    assert found.fit.rmse() < 0.05
    np.testing.assert_allclose(found.fit.slices.theta, drawn.theta, rtol=2e-3)


@given(smooth(), st.floats(0.0, 0.6).map(lambda x: round(x, 6)), st.integers(0, 2**32))
@settings(max_examples=settings().max_examples // 2)
def test_a_fit_to_noise_is_free_of_arbitrage(drawn: Slices, noise: float, seed: int) -> None:
    found = calibrate(
        quotes_of(drawn, noise=noise, seed=seed), settings=replace(QUOTED, most_error_points=1e6)
    )
    assert found.fit is not None
    assert found.fit.slices.is_free(tolerance=0.0)
    assert no_arbitrage(found.fit.slices)


@given(smooth(), st.integers(0, 2**32))
@settings(max_examples=settings().max_examples // 2)
def test_the_order_of_quotes_changes_nothing(drawn: Slices, seed: int) -> None:
    ordered = quotes_of(drawn, noise=0.02, seed=seed)
    order = np.random.default_rng(seed).permutation(len(ordered))
    shuffled = ChainQuotes(**{name: getattr(ordered, name)[order] for name in ChainQuotes.__slots__})
    one, other = (calibrate(quotes, settings=QUOTED) for quotes in (ordered, shuffled))
    assert one.fit is not None
    assert other.fit is not None
    for name in ("theta", "psi", "chi"):
        np.testing.assert_array_equal(getattr(one.fit.slices, name), getattr(other.fit.slices, name))
    assert order[other.fit.worst()[0]] == one.fit.worst()[0]


@given(smooth(), st.floats(-0.7, 1.0).map(lambda x: round(x, 6)))
def test_an_underlying_without_a_surface_is_valued_as_though_nobody_had_one(
    drawn: Slices, move: float
) -> None:
    rule = SurfaceSettings()
    some = moved(
        calibrated_levels([drawn, None], FLAT, settings=rule), np.array([[move, move]]), settings=rule
    )
    none = moved(FLAT, np.array([[move, move]]), settings=rule)
    owner, money, tau = np.array([1, 0, 1]), np.array([-0.3, 0.1, 0.2]), np.array([0.01, 0.2, 1.0])
    mixed = volatility(some.of(owner), np.broadcast_to(money, (1, 3)), tau, settings=rule)
    plain = volatility(none.of(owner), np.broadcast_to(money, (1, 3)), tau, settings=rule)
    np.testing.assert_array_equal(mixed[:, [0, 2]], plain[:, [0, 2]])
    assert mixed[0, 1] != plain[0, 1]


deviations = st.floats(1e-3, 6.0)


@given(st.floats(-6.0, 6.0), deviations, st.floats(1e-3, 5.0), st.floats(1e-3, 1e6))
def test_the_volatility_of_a_price_gives_the_price_back(
    moneyness: float, deviation: float, tau: float, forward: float
) -> None:
    strike = forward * np.exp(moneyness * deviation)
    sigma = deviation / np.sqrt(tau)
    for is_call in (True, False):
        worth = black_price(forward, strike, sigma, tau, is_call=is_call)
        found = implied_volatility(worth, forward, strike, tau, is_call=is_call)
        if np.isfinite(found):
            again = black_price(forward, strike, float(found), tau, is_call=is_call)
            assert float(again) == pytest.approx(float(worth), abs=4e-15 * (forward + strike))
        else:
            # Nothing of the price is left but the payoff, or all that the option can pay.
            payoff = max(forward - strike, 0.0) if is_call else max(strike - forward, 0.0)
            most = forward if is_call else strike
            assert float(worth - payoff) <= 1e-14 * (forward + strike) or float(most - worth) <= 1e-14 * most


@given(st.floats(-3.0, 3.0), st.floats(0.01, 3.0))
def test_prices_no_volatility_has_give_none(moneyness: float, tau: float) -> None:
    strike = float(np.exp(moneyness))
    for is_call in (True, False):
        payoff, most = (max(1 - strike, 0.0), 1.0) if is_call else (max(strike - 1, 0.0), strike)
        wrong: Floats = np.array([payoff - 0.01, payoff, most, most + 1, -1.0, np.nan])
        assert np.isnan(implied_volatility(wrong, 1.0, strike, tau, is_call=is_call)).all()
