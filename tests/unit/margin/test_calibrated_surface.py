"""What a calibrated surface does to values and P&L of options, and what it leaves as it was."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from seawall.arrays import Floats
from seawall.errors import DataError
from seawall.margin import (
    AtomSettings,
    Dated,
    LaneSettings,
    ModelSettings,
    Payoff,
    PortfolioEstimate,
    Role,
    estimate_portfolio,
)
from seawall.margin.essvi import Slices, at, nearest_free, scaled, slice_variance, total_variance
from seawall.margin.instruments import Chain, effective_hours
from seawall.margin.moves import JointMoves, joint_moves
from seawall.margin.pricing import black_price
from seawall.margin.quotes import calibrated_levels
from seawall.margin.revaluation import revalued_pnl, value_chain
from seawall.margin.scenarios import ScenarioSet
from seawall.margin.surface import Levels, levels_from, moved
from seawall.margin.surface import total_variance as levels_variance
from seawall.margin.volatility import YEAR_H

MODEL = ModelSettings(
    lanes=LaneSettings(lanes=16, iterations=2, random_design_books=8),
    atoms=AtomSettings(selection_books=2),
    probe_books=16,
)
RULE = MODEL.surface
TAU = np.array([2.0, 7.0, 30.0, 90.0, 180.0]) / 365
DATED = [
    Dated(underlying=u, payoff=payoff, strike=strike, hours=24.0 * days)
    for u in (0, 1)
    for days in (0.5, 3, 20, 120)
    for strike in (0.7, 1.0, 1.4)
    for payoff in (Payoff.CALL, Payoff.PUT)
]
CHAIN = Chain.of(DATED)


def surface(*, level: float = 0.55) -> Slices:
    theta = TAU * (level * (1 + 0.2 * np.exp(-TAU * 12))) ** 2
    psi = np.array([1.0, 0.95, 0.9, 0.8, 0.75]) * np.sqrt(theta / (1 + theta))
    return nearest_free(Slices(tau_y=TAU, theta=theta, psi=psi, chi=np.linspace(0.05, -0.3, 5) * psi))


OWN = levels_from(np.array([0.6, 0.8]), np.array([0.7, 0.7]), settings=RULE)
HELD = calibrated_levels([surface(), None], OWN, settings=RULE)


@pytest.fixture(scope="module")
def moves() -> JointMoves:
    rng = np.random.default_rng(3)
    returns = 0.03 * rng.standard_t(4, size=(400, 2))
    drawn = ScenarioSet(
        log_returns=returns,
        weights=np.full(400, 1 / 400),
        sigma_now=np.array([0.03, 0.04]),
        historical=400,
        dependence=0,
        stress=0,
    )
    return joint_moves(drawn, settings=replace(MODEL, stress_probability=1e-3))


def pnl(moves: JointMoves, levels: Levels) -> Floats:
    return revalued_pnl(CHAIN, moves, levels, horizon_h=24.0, settings=RULE)


def test_marks_are_those_of_the_surface() -> None:
    own = np.flatnonzero(CHAIN.underlying == 0)
    tau = effective_hours(CHAIN.hours[own]) / YEAR_H
    held = HELD.slices[0]
    assert held is not None
    deviation = np.sqrt(total_variance(held, np.log(CHAIN.strike[own]), tau))
    expected = black_price(1.0, CHAIN.strike[own], deviation, 1.0, is_call=CHAIN.is_call[own])
    np.testing.assert_allclose(value_chain(CHAIN, HELD, settings=RULE).mark[own], expected, rtol=1e-12)


def test_values_a_day_later_are_those_of_the_moved_surface_at_the_new_moneyness(moves: JointMoves) -> None:
    found = pnl(moves, HELD)
    now = value_chain(CHAIN, HELD, settings=RULE).mark
    then = moved(HELD, moves.volatility, settings=RULE).slices[0]
    assert then is not None
    returns = moves.scenarios.log_returns[:, 0]
    for i in np.flatnonzero((CHAIN.underlying == 0) & (CHAIN.hours > 24)):
        tau = effective_hours(CHAIN.hours[i : i + 1] - 24.0) / YEAR_H
        part = RULE.basis_slope * np.minimum(tau * 365 / 90, 1)
        basis = part * returns + (1 - np.exp(-tau * 365 / 7)) * moves.basis[:, 0]
        forward = np.exp(returns + basis)
        money = np.log(CHAIN.strike[i] / forward)
        theta, psi, chi = (x[:, 0] for x in at(then, tau))
        deviation = np.sqrt(slice_variance(theta, psi, chi, money))
        value = black_price(forward, CHAIN.strike[i], deviation, 1.0, is_call=CHAIN.is_call[i])
        np.testing.assert_allclose(found[:, i], value - now[i], atol=1e-12)


def test_a_call_less_a_put_is_the_forward_less_the_strike_in_every_scenario(moves: JointMoves) -> None:
    found = pnl(moves, HELD)
    calls, puts = found[:, CHAIN.is_call], found[:, ~CHAIN.is_call]
    by_strike = (calls - puts).reshape(len(found), 2, 4, 3)
    np.testing.assert_allclose(by_strike, by_strike[..., :1].repeat(3, axis=-1), atol=1e-12)


def test_another_underlying_gains_and_loses_to_the_bit_what_it_does_without(moves: JointMoves) -> None:
    with_surface, without = pnl(moves, HELD), pnl(moves, OWN)
    other = CHAIN.underlying == 1
    np.testing.assert_array_equal(with_surface[:, other], without[:, other])
    assert (with_surface[:, ~other] != without[:, ~other]).any(axis=0).sum() >= 12


def test_short_maturities_move_most_up_and_down() -> None:
    told = np.array([0.7, 0.1, -0.1, -0.5])[:, None].repeat(2, axis=1)
    held, after = HELD.slices[0], moved(HELD, told, settings=RULE).slices[0]
    assert held is not None
    assert after is not None
    log_moves = 0.5 * np.log(after.theta / held.theta)
    assert (np.diff(log_moves[:2], axis=1) < 0).all()
    assert (np.diff(log_moves[2:], axis=1) > 0).all()
    month = np.searchsorted(held.tau_y, 30 / 365)
    np.testing.assert_allclose(log_moves[:, month], told[:, 0], rtol=1e-12)


def test_a_small_fall_is_nearly_the_mirror_image_of_a_small_rise() -> None:
    told = np.array([1e-4, -1e-4])[:, None].repeat(2, axis=1)
    held, after = HELD.slices[0], moved(HELD, told, settings=RULE).slices[0]
    assert held is not None
    assert after is not None
    up, down = 0.5 * np.log(after.theta / held.theta)
    np.testing.assert_allclose(down, -up, rtol=0.1)


def test_slices_of_the_two_levels_own_surface_move_as_that_does() -> None:
    """Where the market's surface is the model's, calibration changes next to nothing, before and after a move."""
    days = np.array([1.0, 2, 3, 5, 8, 12, 20, 30, 45, 60, 90, 120, 180, 270, 365])
    tau = days / 365
    one = Levels(short=OWN.short[:1].repeat(len(tau)), long=OWN.long[:1].repeat(len(tau)))
    theta = levels_variance(one, np.zeros(len(tau)), tau, settings=RULE)
    psi = RULE.smile_slope * np.sqrt(theta / (1 + theta))
    slices = Slices(tau_y=tau, theta=theta, psi=psi, chi=RULE.smile_correlation * psi)
    own = Levels(short=OWN.short[:1], long=OWN.long[:1])
    held = calibrated_levels([slices], own, settings=RULE)
    for told in (0.0, 0.3, 1.1, -0.05, -0.3, -0.7):
        move = np.full((1, 1), told)
        index = np.zeros(len(tau) - 1, dtype=np.int64)
        at_tau, money = 0.5 * (tau[1:] + tau[:-1]), np.linspace(-0.4, 0.4, len(tau) - 1)
        found, expected = (
            levels_variance(
                moved(levels, move, settings=RULE).of(index), money[None, :], at_tau, settings=RULE
            )
            for levels in (held, own)
        )
        np.testing.assert_allclose(np.sqrt(found), np.sqrt(expected), rtol=0.03)


def estimate(closes: Floats, surfaces: Sequence[Slices | None] | None) -> PortfolioEstimate:
    return estimate_portfolio(
        closes[:, :2],
        bar_h=1.0,
        roles=[Role.MAJOR, Role.LARGE],
        settings=MODEL,
        dated=DATED,
        spots=np.array([1e6, 4e5]),
        lots=np.zeros((0, 2 + len(DATED))),
        lot_value=np.array([100.0, 40.0]),
        surfaces=surfaces,
    )


def test_an_estimate_takes_surfaces_by_underlying_and_without_them_is_what_it_was(closes: Floats) -> None:
    plain, none = estimate(closes, None), estimate(closes, [None, None])
    some = estimate(closes, [surface(), None])
    np.testing.assert_array_equal(plain.risk.pnl, none.risk.pnl)
    np.testing.assert_array_equal(plain.risk.lanes.values, none.risk.lanes.values)
    np.testing.assert_allclose(
        some.valuation.mark[CHAIN.underlying == 0],
        value_chain(CHAIN, HELD, settings=RULE).mark[CHAIN.underlying == 0],
        rtol=1e-12,
    )
    other = np.concatenate([[True, True], CHAIN.underlying == 1])
    np.testing.assert_array_equal(some.risk.pnl[:, other], plain.risk.pnl[:, other])
    assert some.levels.slices[0] is not None


@pytest.mark.parametrize(("factor", "kept"), [(0.2, 0.4), (0.9, 0.9), (1.5, 1.5), (5.0, 2.5)])
def test_a_surface_far_from_the_models_own_volatility_is_scaled_to_the_limit(
    factor: float, kept: float
) -> None:
    own = levels_from(np.array([0.6]), np.array([0.6]), settings=RULE)
    theta = 0.36 * TAU
    psi = RULE.smile_slope * np.sqrt(theta / (1 + theta))
    given = scaled(Slices(tau_y=TAU, theta=theta, psi=psi, chi=-0.2 * psi), factor)
    held = calibrated_levels([given], own, settings=RULE)
    surface = held.slices[0]
    assert surface is not None
    np.testing.assert_allclose(np.sqrt(at(surface, TAU)[0] / TAU), 0.6 * kept, rtol=1e-9)
    np.testing.assert_allclose(np.sqrt(held.short * 0.5 + held.long * 0.5), 0.6 * kept, rtol=1e-9)


def test_surfaces_for_another_number_of_underlyings_are_refused() -> None:
    with pytest.raises(DataError, match="3 surfaces for 2 underlyings"):
        calibrated_levels([None, None, None], OWN, settings=RULE)
