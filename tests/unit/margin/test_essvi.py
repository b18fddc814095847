"""Slices and what holds them together: the formula, the conditions, the grid that sees arbitrage, the projection."""

import numpy as np
import pytest

from seawall.arrays import Floats
from seawall.margin.arbitrage import durrleman, grid_check
from seawall.margin.essvi import (
    Slices,
    at,
    nearest_free,
    slice_variance,
    total_variance,
    with_knots,
)
from seawall.margin.pricing import black_price

DAYS = np.array([2.0, 9.0, 30.0, 90.0, 300.0])
MONEY = np.linspace(-1.5, 1.5, 61)


def surface(
    *, volatility: float = 0.6, eta: float = 0.8, rho: float = -0.2, days: Floats = DAYS, **changed: Floats
) -> Slices:
    tau = days / 365
    theta = changed.get("theta", volatility**2 * tau)
    psi = changed.get("psi", eta * np.sqrt(theta / (1 + theta)))
    return Slices(tau_y=tau, theta=theta, psi=psi, chi=changed.get("chi", rho * psi))


def test_a_slice_is_the_formula_in_the_literature() -> None:
    theta, rho, phi = np.array(0.2), np.array(-0.4), np.array(1.3)
    expected = theta / 2 * (1 + rho * phi * MONEY + np.sqrt((phi * MONEY + rho) ** 2 + 1 - rho**2))
    np.testing.assert_allclose(
        slice_variance(theta, theta * phi, rho * theta * phi, MONEY), expected, rtol=1e-13
    )


def test_a_surface_goes_through_its_slices_and_is_linear_between_them() -> None:
    given = surface()
    for found, expected in zip(at(given, given.tau_y), (given.theta, given.psi, given.chi), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-14)
    middle = (given.tau_y[1:] + given.tau_y[:-1]) / 2
    for found, known in zip(at(given, middle), (given.theta, given.psi, given.chi), strict=True):
        np.testing.assert_allclose(found, (known[1:] + known[:-1]) / 2, rtol=1e-13)


def test_beyond_its_ends_the_smile_keeps_its_volatility_and_its_shape_in_deviations() -> None:
    given = surface()
    for end, far in ((0, np.array([1e-4, 1e-3])), (-1, np.array([2.0, 5.0]))):
        theta, psi, chi = at(given, far)
        np.testing.assert_allclose(theta / far, given.theta[end] / given.tau_y[end], rtol=1e-13)
        np.testing.assert_allclose(
            psi / np.sqrt(theta), given.psi[end] / np.sqrt(given.theta[end]), rtol=1e-13
        )
        np.testing.assert_allclose(chi / psi, given.rho[end], rtol=1e-13)


def test_wings_stop_growing_where_they_would_reach_lees_limit() -> None:
    given = surface(volatility=1.5, eta=1.6, rho=-0.4)
    theta, psi, chi = at(given, np.array([100.0]))
    assert theta[0] == pytest.approx(1.5**2 * 100)
    assert psi[0] + abs(chi[0]) == pytest.approx(4, rel=1e-8)
    assert psi[0] + abs(chi[0]) < 4


def test_knots_between_expiries_change_nothing() -> None:
    given = surface()
    more = with_knots(given, np.array([5.0, 30.0, 60.0]) / 365)
    assert len(more.tau_y) == len(given.tau_y) + 2
    tau = np.linspace(given.tau_y[0], given.tau_y[-1], 40)
    for moneyness in (-0.5, 0.0, 0.3):
        k = np.full(len(tau), moneyness)
        np.testing.assert_allclose(total_variance(more, k, tau), total_variance(given, k, tau), rtol=1e-12)


def test_durrlemans_function_has_the_sign_of_the_second_difference_of_calls() -> None:
    for psi, chi in ((0.5, -0.2), (2.4, -2.0)):
        theta = np.array(0.2)
        w = slice_variance(theta, np.array(psi), np.array(chi), MONEY)
        g = durrleman(theta, np.array(psi), np.array(chi), MONEY)
        h = 1e-4

        def call(k: Floats, psi: float = psi, chi: float = chi, theta: Floats = theta) -> Floats:
            deviation = np.sqrt(slice_variance(theta, np.array(psi), np.array(chi), k))
            return black_price(1.0, np.exp(k), deviation, 1.0, is_call=True)

        # dC/dK and d2C/dK2 by k; the density of ln(S/F) is K d2C/dK2.
        second = (call(MONEY + h) - 2 * call(MONEY) + call(MONEY - h)) / h**2
        first = (call(MONEY + h) - call(MONEY - h)) / (2 * h)
        density = (second - first) * np.exp(-MONEY)
        d2 = -MONEY / np.sqrt(w) - np.sqrt(w) / 2
        expected = g / np.sqrt(2 * np.pi * w) * np.exp(-(d2**2) / 2)
        np.testing.assert_allclose(density, expected, rtol=1e-5, atol=2e-6)
    assert g.min() < -0.01


def test_a_sound_surface_is_free_by_its_conditions_and_on_the_grid() -> None:
    given = surface()
    found = grid_check(given)
    assert given.is_free(tolerance=0.0)
    assert (found.butterflies, found.calendars) == (0, 0)
    assert found.points > 3_000
    assert found.least_density > 0
    assert found.least_growth > 0


@pytest.mark.parametrize(
    ("broken", "kind"),
    [
        (surface(eta=2.6, rho=-0.7), "butterflies"),
        (surface(theta=0.36 * np.array([2.0, 9.0, 30.0, 20.0, 300.0]) / 365), "calendars"),
        (surface(chi=np.array([-0.03, -0.07, 0.13, -0.2, -0.3])), "calendars"),
        (surface(psi=np.array([0.04, 0.08, 0.4, 0.1, 0.3])), "calendars"),
    ],
    ids=[
        "wings too steep at the money",
        "less variance later",
        "the skew turns at once",
        "wings that flatten",
    ],
)
def test_the_grid_sees_arbitrage_that_the_conditions_forbid_and_the_projection_removes_it(
    broken: Slices, kind: str
) -> None:
    assert not broken.is_free()
    assert getattr(grid_check(broken), kind) > 0
    if (np.diff(broken.theta) > 0).all():
        mended = nearest_free(broken)
        np.testing.assert_array_equal(mended.theta, broken.theta)
        assert mended.is_free()
        found = grid_check(mended)
        assert (found.butterflies, found.calendars) == (0, 0)


def test_a_free_surface_is_its_own_projection() -> None:
    given = surface()
    mended = nearest_free(given)
    np.testing.assert_allclose(mended.psi, given.psi, rtol=1e-14)
    np.testing.assert_allclose(mended.chi, given.chi, rtol=1e-14)
