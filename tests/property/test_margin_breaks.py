"""The detector of breaks agrees with a plain loop, needs more than one print, and forgets."""

import hypothesis.strategies as st
import numpy as np
from hypothesis import given
from tests.property.margin_strategies import SHORT, close_paths
from tests.property.margin_strategies import float_errors_raise as float_errors_raise

from seawall.arrays import Floats
from seawall.margin.breaks import (
    BreakSettings,
    alarm_strength,
    alarms,
    break_scores,
    parameter_drift,
    stress_multiple,
)
from seawall.margin.volatility import log_closes, sigma_path

SENSITIVE = BreakSettings(allowance=0.4, limit=3.0, score_cap=2.0, decay_days=2.0)


def scores(seed: int, rows: int) -> Floats:
    """Return heavy-tailed scores of two underlyings, some bars of which are missing."""
    rng = np.random.default_rng(seed)
    made: Floats = np.abs(rng.standard_t(3, size=(rows, 2))) * rng.uniform(0.2, 1.5)
    made[rng.random(rows) < 0.1] = np.nan
    return made


@given(st.integers(0, 2**32), st.integers(1, 120))
def test_alarms_agree_with_a_plain_loop(seed: int, rows: int) -> None:
    made = scores(seed, rows)
    given_, sums = alarms(made, settings=SENSITIVE)
    for column in range(2):
        total = 0.0
        for row in range(rows):
            if not np.isnan(made[row, column]):
                excess = min(made[row, column], SENSITIVE.score_cap) - SENSITIVE.allowance
                total = max(0.0, total + excess)
            np.testing.assert_allclose(sums[row, column], total, atol=1e-9)
            assert given_[row, column] == (total > SENSITIVE.limit)
            if total > SENSITIVE.limit:
                total = 0.0


@given(st.integers(0, 2**32), st.integers(2, 120), st.data())
def test_scores_after_t_never_change_alarms_at_t(seed: int, rows: int, data: st.DataObject) -> None:
    made = scores(seed, rows)
    row = data.draw(st.integers(0, rows - 1))
    whole, cut = (alarms(part, settings=SENSITIVE) for part in (made, made[: row + 1]))
    for a, b in zip(whole, cut, strict=True):
        np.testing.assert_allclose(a[: row + 1], b, rtol=1e-12)


@given(st.integers(0, 2**32), st.floats(0.0, 1e6))
def test_no_print_alone_raises_an_alarm(seed: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    made = rng.uniform(0.0, SENSITIVE.allowance, size=(50, 1))
    made[rng.integers(50)] = size
    given_, _ = alarms(made, settings=SENSITIVE)
    assert not given_.any()


@given(close_paths(days=8, bar_h=1.0, columns=2, gaps=True))
def test_strength_is_one_at_an_alarm_and_is_forgotten_evenly(closes: Floats) -> None:
    logs, sigma = log_closes(closes), sigma_path(closes, bar_h=1.0, settings=SHORT)
    given_, _ = alarms(break_scores(logs, sigma, horizon_bars=24), settings=SENSITIVE)
    strength = alarm_strength(logs, sigma, bar_h=1.0, horizon_bars=24, settings=SENSITIVE)
    assert (strength >= 0).all()
    assert (strength <= 1).all()
    np.testing.assert_array_equal(strength == 1.0, given_)
    later = ~given_[1:]
    step = 1.0 / (24.0 * SENSITIVE.decay_days)
    expected = np.maximum(strength[:-1] - step, 0.0)
    np.testing.assert_allclose(strength[1:][later], expected[later], atol=1e-9)


@given(st.lists(st.floats(0.0, 1.0), max_size=4), st.floats(1.0, 10.0))
def test_stress_rows_weigh_up_to_their_factor(strength: list[float], factor: float) -> None:
    settings = BreakSettings(stress_factor=factor)
    multiple = stress_multiple(np.array(strength), settings=settings)
    assert 1.0 <= multiple <= factor * (1 + 1e-12)
    assert multiple == 1.0 + (factor - 1.0) * max(strength, default=0.0)


@given(close_paths(days=20, bar_h=1.0, columns=2), st.floats(0.1, 10.0))
def test_drift_does_not_depend_on_the_scale_of_prices_and_moves(closes: Floats, factor: float) -> None:
    drifts = []
    for path in (closes, 7.0 * np.exp(factor * np.log(closes / closes[0]))):
        logs, sigma = log_closes(path), sigma_path(path, bar_h=1.0, settings=SHORT)
        drifts.append(parameter_drift(logs, sigma, horizon_bars=24, recent_bars=24 * 6))
    np.testing.assert_allclose(drifts[0].dispersion, drifts[1].dispersion, rtol=1e-6)
    np.testing.assert_allclose(drifts[0].tail, drifts[1].tail, rtol=1e-6)
    np.testing.assert_allclose(drifts[0].correlation, drifts[1].correlation, atol=1e-6)
