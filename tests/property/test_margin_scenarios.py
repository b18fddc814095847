"""Scenarios see only the past, keep their marginals, and carry weights that sum to one."""

from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
from hypothesis import assume, given
from tests.property.margin_strategies import SHORT, close_paths
from tests.property.margin_strategies import float_errors_raise as float_errors_raise

from seawall.arrays import Floats
from seawall.margin.breaks import BreakSettings
from seawall.margin.perpetuals import joint_returns, spot_pnl
from seawall.margin.scenarios import (
    ScenarioSet,
    block_shuffled_rows,
    build_scenarios,
    comonotone_rows,
    rescale,
)
from seawall.margin.settings import ModelSettings
from seawall.margin.shortfall import leg_shortfall, tail_measures
from seawall.margin.stress import Role, stress_log_returns
from seawall.margin.tails import TailSettings, tail_factors, tail_means
from seawall.margin.volatility import break_strength, sigma_path

ROLES = [Role.MAJOR, Role.OTHER]
OWN_TAILS = replace(SHORT, tails=TailSettings(strength=0.0))
STRESS = stress_log_returns(ROLES)


def scenarios_of(closes: Floats, *, now: int | None = None, settings: ModelSettings = SHORT) -> ScenarioSet:
    sigma = sigma_path(closes, bar_h=1.0, settings=settings)
    return build_scenarios(closes, sigma, bar_h=1.0, settings=settings, stress=STRESS, now=now)


@given(close_paths(days=8, bar_h=1.0, columns=2, gaps=True), st.floats(0.0, 1.0))
def test_weights_are_probabilities_and_rows_are_counted(closes: Floats, share: float) -> None:
    made = scenarios_of(closes, settings=replace(SHORT, dependence_share=share))
    assert (made.weights > 0).all()
    assert abs(made.weights.sum() - 1.0) < 1e-12
    assert len(made.log_returns) == len(made.weights) == made.historical + made.dependence + made.stress
    np.testing.assert_allclose(made.weights[-made.stress :], SHORT.stress_probability)
    assert np.ptp(made.weights[: -made.stress]) == 0.0


@given(close_paths(days=8, bar_h=1.0, columns=2), st.data())
def test_bars_after_t_never_change_the_scenarios_at_t(closes: Floats, data: st.DataObject) -> None:
    now = data.draw(st.integers(24 * 5, len(closes) - 1))
    seen = scenarios_of(closes[: now + 1])
    later = closes.copy()
    later[now + 1 :] *= np.exp(np.random.default_rng(now).normal(size=later[now + 1 :].shape))
    for whole in (closes, later):
        np.testing.assert_allclose(scenarios_of(whole, now=now).log_returns, seen.log_returns, rtol=1e-9)


@given(close_paths(days=8, bar_h=1.0, columns=2))
def test_historical_rows_are_past_moves_at_todays_volatility(closes: Floats) -> None:
    sigma = sigma_path(closes, bar_h=1.0, settings=OWN_TAILS)
    made = build_scenarios(closes, sigma, bar_h=1.0, settings=OWN_TAILS, stress=STRESS)
    last = len(closes) - 1
    for i in range(made.historical):
        start = last - 24 - 4 * (made.historical - 1 - i)
        factor = np.clip(sigma[last] / sigma[start], SHORT.rescale_min, SHORT.rescale_max)
        expected = np.log(closes[start + 24] / closes[start]) * factor
        np.testing.assert_allclose(made.log_returns[i], expected, rtol=1e-9, atol=1e-12)
    oldest = last - 24 - 4 * (made.historical - 1)
    assert oldest - 4 < 0 or np.isnan(sigma[oldest - 4]).any()


@given(close_paths(days=8, bar_h=1.0, columns=2))
def test_falls_and_rises_are_rescaled_by_volatilities_of_their_own(closes: Floats) -> None:
    settings = replace(OWN_TAILS, side_share=0.8)
    sigma, down, up = (sigma_path(closes, bar_h=1.0, settings=settings, side=side) for side in (0, -1, 1))
    made = build_scenarios(closes, sigma, bar_h=1.0, settings=settings, stress=STRESS, sides=(down, up))
    last = len(closes) - 1
    starts = last - 24 - 4 * np.arange(made.historical)[::-1]
    moves = np.log(closes[starts + 24] / closes[starts])
    for falling, side in ((True, down), (False, up)):
        factor = np.clip(side[last] / side[starts], SHORT.rescale_min, SHORT.rescale_max)
        here = (moves < 0) == falling
        np.testing.assert_allclose(
            made.log_returns[: made.historical][here], (moves * factor)[here], rtol=1e-9, atol=1e-12
        )
    np.testing.assert_array_equal(made.sigma_now, sigma[last])


@given(close_paths(days=8, bar_h=1.0, columns=2), st.floats(0.0, 1.0))
def test_the_shortfall_of_past_moves_is_drawn_to_the_multiple_of_todays_volatility(
    closes: Floats, strength: float
) -> None:
    """Before dependence and stress rows, which keep their own weight."""
    tails = TailSettings(strength=strength)
    own, drawn = (replace(SHORT, tails=t) for t in (OWN_TAILS.tails, tails))
    _, before = joint_returns(closes, bar_h=1.0, roles=ROLES, settings=own)
    _, after = joint_returns(closes, bar_h=1.0, roles=ROLES, settings=drawn)
    now = [sigma_path(closes, bar_h=1.0, settings=SHORT, side=side)[-1] for side in (-1, 1)]
    past = before.log_returns[: before.historical]
    factors = tail_factors(past, down=now[0], up=now[1], alpha=SHORT.alpha, settings=tails)
    for sign, multiple, sigma, factor in zip((-1, 1), (tails.falls, tails.rises), now, factors, strict=True):
        old = tail_means(sign * past, alpha=SHORT.alpha)
        new = tail_means(sign * after.log_returns[: after.historical], alpha=SHORT.alpha)
        there = old > 1e-6 * sigma
        np.testing.assert_allclose(new[there], (old * factor)[there], rtol=1e-9)
        inside = there & (factor > tails.factor_min) & (factor < tails.factor_max)
        aimed = old[inside] ** (1.0 - strength) * (multiple * sigma[inside]) ** strength
        np.testing.assert_allclose(new[inside], aimed, rtol=1e-9)
    np.testing.assert_array_equal(after.log_returns[-after.stress :], before.log_returns[-before.stress :])


@given(close_paths(days=8, bar_h=1.0, columns=2))
def test_without_probability_there_is_no_stress_row(closes: Floats) -> None:
    made = scenarios_of(closes, settings=replace(SHORT, stress_probability=0.0))
    assert made.stress == 0
    assert len(made.log_returns) == made.historical + made.dependence
    np.testing.assert_allclose(made.weights, 1.0 / len(made.weights))


@given(close_paths(days=8, bar_h=1.0, columns=2), st.data())
def test_bars_after_t_never_change_the_joint_returns_at_t(closes: Floats, data: st.DataObject) -> None:
    now = data.draw(st.integers(24 * 5, len(closes) - 1))
    sensitive = BreakSettings(enabled=True, allowance=0.3, limit=3.0, score_cap=2.0, decay_days=2.0)
    settings = replace(SHORT, side_share=0.5, breaks=sensitive)
    sigma, seen = joint_returns(closes[: now + 1], bar_h=1.0, roles=ROLES, settings=settings)
    whole, _ = joint_returns(closes, bar_h=1.0, roles=ROLES, settings=settings)
    np.testing.assert_allclose(whole[: now + 1], sigma, rtol=1e-12)
    strength = break_strength(closes, bar_h=1.0, settings=settings)[now].max()
    expected = (1.0 + strength) * settings.stress_probability
    np.testing.assert_allclose(seen.weights[-seen.stress :], expected, rtol=1e-9)


@given(st.integers(0, 2**32), st.integers(1, 40))
def test_comonotone_rows_rise_together_within_each_range(seed: int, count: int) -> None:
    moves = np.random.default_rng(seed).standard_t(3, size=(100, 3))
    rows = comonotone_rows(moves, count=count)
    assert rows.shape == (count, 3)
    assert (np.diff(rows, axis=0) >= 0).all()
    assert (rows >= moves.min(axis=0)).all()
    assert (rows <= moves.max(axis=0)).all()


@given(st.integers(0, 2**32), st.integers(0, 60), st.integers(1, 9))
def test_block_shuffled_rows_keep_runs_of_each_column(seed: int, count: int, block: int) -> None:
    moves = np.random.default_rng(seed).normal(size=(50, 3))
    rows = block_shuffled_rows(moves, count=count, block_rows=block, seed=seed)
    assert rows.shape == (count, 3)
    np.testing.assert_array_equal(rows, block_shuffled_rows(moves, count=count, block_rows=block, seed=seed))
    for column in range(3):
        dates = [int(np.flatnonzero(moves[:, column] == value)[0]) for value in rows[:, column]]
        runs = [(dates[i] + 1) % 50 == dates[i + 1] for i in range(count - 1) if (i + 1) % block]
        assert all(runs)


@given(st.integers(0, 2**32), st.floats(0.01, 100.0))
def test_rescaling_stays_within_its_limits_and_keeps_signs(seed: int, ratio: float) -> None:
    rng = np.random.default_rng(seed)
    moves, then = rng.normal(size=(20, 2)), np.exp(rng.normal(size=(20, 2)))
    scaled = rescale(moves, sigma_then=then, sigma_now=np.full(2, ratio), lower=0.5, upper=2.5)
    factor = scaled / moves
    assert (factor >= 0.5 - 1e-12).all()
    assert (factor <= 2.5 + 1e-12).all()


@given(close_paths(days=8, bar_h=1.0, columns=2), st.floats(1.0, 3.0), st.sampled_from([0.9, 0.99]))
def test_larger_moves_never_lower_the_requirement(closes: Floats, factor: float, alpha: float) -> None:
    """Scaling every move of history away from zero scales every scenario, stress rows aside.

    A leg whose whole tail consists of losses then loses at least as much under the same test measure.
    """
    wilder = np.exp(factor * np.log(closes / closes[0]))
    calm, wild = scenarios_of(closes), scenarios_of(wilder)
    ordinary = calm.historical + calm.dependence
    np.testing.assert_allclose(
        wild.log_returns[:ordinary], factor * calm.log_returns[:ordinary], rtol=1e-6, atol=1e-9
    )
    pnl = spot_pnl(calm.log_returns)
    both = np.concatenate([pnl, -pnl], axis=1)
    tail = tail_measures(both, calm.weights, alpha=alpha) > 0
    losing = np.array([(both[tail[i], i] < 0).all() for i in range(4)])
    assume(losing.any())
    before = np.concatenate(leg_shortfall(pnl, calm.weights, alpha=alpha))
    after = np.concatenate(leg_shortfall(spot_pnl(wild.log_returns), wild.weights, alpha=alpha))
    assert (after[losing] >= before[losing] * (1 - 1e-6)).all()
