"""What dated instruments gain and lose in joint scenarios, and the identities that hold in each of them."""

from dataclasses import replace

import numpy as np
import pytest

from seawall.arrays import Floats
from seawall.margin.instruments import Chain, Dated, Payoff, effective_hours
from seawall.margin.moves import JointMoves, joint_moves, volatility_response
from seawall.margin.revaluation import revalued_pnl, value_chain
from seawall.margin.scenarios import ScenarioSet
from seawall.margin.settings import ModelSettings, SurfaceSettings
from seawall.margin.surface import Levels, levels_from

MODEL = ModelSettings(stress_probability=1e-3)
RULE = MODEL.surface
HOURS = (0.2, 12.0, 24.0, 100.0, 2_000.0)
STRIKES = (0.7, 0.95, 1.0, 1.2)


def scenario_set(rows: int = 800, *, stress: int = 3) -> ScenarioSet:
    rng = np.random.default_rng(3)
    returns = 0.03 * rng.standard_t(4, size=(rows, 2))
    returns[-stress:] = np.log([[0.5, 0.6], [2.0, 1.5], [0.7, 1.3]])[:stress]
    return ScenarioSet(
        log_returns=returns,
        weights=np.full(rows, 1 / rows),
        sigma_now=np.array([0.03, 0.04]),
        historical=rows - stress,
        dependence=0,
        stress=stress,
    )


@pytest.fixture(scope="module")
def moves() -> JointMoves:
    return joint_moves(scenario_set(), settings=MODEL)


@pytest.fixture(scope="module")
def levels() -> Levels:
    return levels_from(np.array([0.6, 0.8]), np.array([0.7, 0.7]), settings=RULE)


def chain(payoff: Payoff, *, rule: tuple[float, ...] = HOURS) -> Chain:
    strikes = (0.0,) if payoff is Payoff.FUTURE else STRIKES
    return Chain.of(
        [
            Dated(underlying=u, payoff=payoff, strike=k, hours=h)
            for u in (0, 1)
            for h in rule
            for k in (strikes if payoff is not Payoff.FUTURE else strikes * len(STRIKES))
        ]
    )


def pnl(given: Chain, moves: JointMoves, levels: Levels, rule: SurfaceSettings = RULE) -> Floats:
    return revalued_pnl(given, moves, levels, horizon_h=24.0, settings=rule)


@pytest.mark.parametrize("rule", [RULE, replace(RULE, carry=0.1)], ids=["flat", "carry"])
def test_a_call_less_a_put_moves_as_the_future_in_every_scenario(
    moves: JointMoves, levels: Levels, rule: SurfaceSettings
) -> None:
    call, put, future = (
        pnl(chain(payoff), moves, levels, rule) for payoff in (Payoff.CALL, Payoff.PUT, Payoff.FUTURE)
    )
    np.testing.assert_allclose(call - put, future, atol=1e-12)


def test_marks_obey_parity_and_sensitivities_differ_by_the_forward(levels: Levels) -> None:
    call, put, future = (
        value_chain(chain(payoff), levels, settings=RULE)
        for payoff in (Payoff.CALL, Payoff.PUT, Payoff.FUTURE)
    )
    strike = chain(Payoff.CALL).strike
    np.testing.assert_allclose(call.mark - put.mark, future.mark - strike, atol=1e-12)
    np.testing.assert_allclose(call.delta - put.delta, future.delta, atol=1e-12)
    np.testing.assert_allclose(call.gamma_spot, put.gamma_spot, atol=1e-12)
    np.testing.assert_allclose(call.vega, put.vega, atol=1e-12)


@pytest.mark.parametrize("payoff", [Payoff.CALL, Payoff.PUT])
def test_a_bought_option_loses_its_value_at_most(payoff: Payoff, moves: JointMoves, levels: Levels) -> None:
    given = chain(payoff)
    assert (pnl(given, moves, levels) >= -value_chain(given, levels, settings=RULE).mark - 1e-15).all()


@pytest.mark.parametrize("payoff", list(Payoff))
def test_what_has_expired_has_no_risk_and_is_worth_its_payoff(
    payoff: Payoff, moves: JointMoves, levels: Levels
) -> None:
    given = chain(payoff, rule=(0.0, -3.0))
    assert not pnl(given, moves, levels).any()
    found = value_chain(given, levels, settings=RULE)
    sign = {Payoff.CALL: 1, Payoff.PUT: -1, Payoff.FUTURE: 0}[payoff]
    np.testing.assert_allclose(found.mark, np.maximum(sign * (1 - given.strike), 0.0) if sign else 1.0)
    assert not found.gamma_spot.any()
    assert not found.vega.any()


def test_what_expires_within_the_horizon_is_paid_at_a_share_of_the_move(
    moves: JointMoves, levels: Levels
) -> None:
    given = Chain.of([Dated(underlying=1, payoff=Payoff.FUTURE, strike=0.0, hours=h) for h in (0.1, 6.0)])
    share = np.sqrt(effective_hours(np.array([0.1, 6.0])) / 24.0)
    expected = np.exp(moves.scenarios.log_returns[:, [1]] * share) - 1.0
    np.testing.assert_allclose(pnl(given, moves, levels), expected, atol=1e-15)
    assert share[0] < 0.01 < 0.48 < share[1] < 0.5


def test_volatility_rises_in_falls_and_its_mean_move_is_none(moves: JointMoves) -> None:
    assert volatility_response(np.array([-0.2, 0.0, 0.2]), settings=RULE) == pytest.approx(
        [0.3186, 0.0, 0.1646]
    )
    ordinary = moves.volatility[: moves.scenarios.historical]
    falls = moves.scenarios.log_returns[: moves.scenarios.historical] < -0.08
    assert ordinary[falls].mean() > 0.05
    assert abs(float(moves.scenarios.weights @ moves.volatility.mean(axis=1))) < 0.01


def test_shocks_of_volatility_move_nothing_else_and_have_their_probability(moves: JointMoves) -> None:
    count = len(RULE.shocks)
    assert moves.scenarios.stress == 3 + count
    np.testing.assert_array_equal(moves.scenarios.log_returns[-count:], 0.0)
    np.testing.assert_array_equal(moves.basis[-count:], 0.0)
    np.testing.assert_allclose(
        moves.volatility[-count:], np.repeat(np.array(RULE.shocks)[:, None], 2, axis=1)
    )
    np.testing.assert_allclose(moves.scenarios.weights[-count:], 1e-3)
    assert float(moves.scenarios.weights.sum()) == pytest.approx(1.0, abs=1e-12)


def test_stress_rows_move_volatility_by_rule_alone(moves: JointMoves) -> None:
    rows = slice(-3 - len(RULE.shocks), -len(RULE.shocks))
    returns = moves.scenarios.log_returns[rows]
    response = volatility_response(scenario_set().log_returns, settings=RULE)
    mean = response.mean(axis=0)
    expected = np.clip(
        volatility_response(returns, settings=RULE) - mean, -RULE.maximum_move, RULE.maximum_move
    )
    np.testing.assert_allclose(moves.volatility[rows], expected)


def test_without_probability_there_are_no_shocks() -> None:
    found = joint_moves(scenario_set(), settings=replace(MODEL, stress_probability=0.0))
    assert found.scenarios.stress == 3
    assert len(found.volatility) == 800


def test_a_hedged_book_that_only_holds_volatility_is_not_free(moves: JointMoves, levels: Levels) -> None:
    """Residuals of volatility keep books without delta and gamma from looking riskless."""
    near, far = (
        Chain.of(
            [Dated(underlying=0, payoff=p, strike=1.0, hours=24.0 * d) for p in (Payoff.CALL, Payoff.PUT)]
        )
        for d in (30, 90)
    )
    values = [value_chain(given, levels, settings=RULE) for given in (near, far)]
    ratio = float(values[0].gamma_spot.sum() / values[1].gamma_spot.sum())
    spread = pnl(far, moves, levels).sum(axis=1) * ratio - pnl(near, moves, levels).sum(axis=1)
    ordinary = spread[: moves.scenarios.historical]
    assert float(ordinary.std()) > 0.05 * float(values[0].vega[0]) * RULE.residual
