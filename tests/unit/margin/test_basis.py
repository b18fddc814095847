"""How perpetuals move against their spot in scenarios: as on the scenario's own date, else as assumed."""

from dataclasses import replace

import numpy as np
import pytest

from seawall.arrays import Floats
from seawall.errors import ConfigError, DataError
from seawall.margin import ModelSettings, Role, SurfaceSettings
from seawall.margin.basis import PastBasis, perpetual_moves
from seawall.margin.perpetuals import joint_returns
from seawall.margin.scenarios import ScenarioSet

MODEL = ModelSettings()
_HORIZON = 24


@pytest.fixture(scope="module")
def history(closes: Floats) -> tuple[Floats, ScenarioSet]:
    return joint_returns(closes[:, :2], bar_h=1.0, roles=[Role.MAJOR, Role.LARGE], settings=MODEL)


def past(history: tuple[Floats, ScenarioSet], carried: Floats) -> PastBasis:
    return PastBasis(carried=carried, sigma=history[0], horizon_bars=_HORIZON)


def walk(rows: int, *, seed: int = 3) -> Floats:
    return np.cumsum(np.random.default_rng(seed).normal(size=(rows, 2)) * 1e-4, axis=0)


def test_a_row_takes_the_move_of_its_own_date_at_todays_volatility(
    history: tuple[Floats, ScenarioSet],
) -> None:
    sigma, scenarios = history
    carried = walk(len(sigma))
    found = perpetual_moves(scenarios, settings=MODEL, past=past(history, carried))
    row = scenarios.historical // 3
    start = int(scenarios.starts[row])
    factor = np.clip(sigma[-1] / sigma[start], MODEL.rescale_min, MODEL.rescale_max)
    np.testing.assert_allclose(found[row], (carried[start + _HORIZON] - carried[start]) * factor, rtol=1e-12)
    assert np.ptp(factor) > 0


def test_shuffled_rows_take_the_basis_of_the_date_their_return_is_from(
    history: tuple[Floats, ScenarioSet],
) -> None:
    sigma, scenarios = history
    found = perpetual_moves(scenarios, settings=MODEL, past=past(history, walk(len(sigma))))
    first = scenarios.historical + scenarios.dependence // 2
    for u in (0, 1):
        returns = scenarios.log_returns[first : first + 20, u]
        rows = [
            int(np.flatnonzero(scenarios.log_returns[: scenarios.historical, u] == r)[0]) for r in returns
        ]
        np.testing.assert_array_equal(found[first : first + 20, u], found[rows, u])


def test_what_is_unknown_is_assumed_and_changes_nothing_that_is_known(
    history: tuple[Floats, ScenarioSet],
) -> None:
    sigma, scenarios = history
    carried = walk(len(sigma))
    assumed = perpetual_moves(scenarios, settings=MODEL)
    short = carried.copy()
    short[: len(short) // 2] = np.nan
    short[:, 1] = np.nan
    found = perpetual_moves(scenarios, settings=MODEL, past=past(history, short))
    full = perpetual_moves(scenarios, settings=MODEL, past=past(history, carried))
    past_rows = slice(0, scenarios.historical)
    known = scenarios.starts >= len(short) // 2
    assert 0 < known.sum() < len(known)
    np.testing.assert_array_equal(found[past_rows, 0][known], full[past_rows, 0][known])
    np.testing.assert_array_equal(found[past_rows, 0][~known], assumed[past_rows, 0][~known])
    np.testing.assert_array_equal(found[:, 1], assumed[:, 1])


def test_the_assumed_move_is_a_share_of_todays_volatility(history: tuple[Floats, ScenarioSet]) -> None:
    _, scenarios = history
    found = perpetual_moves(scenarios, settings=MODEL)[: scenarios.historical]
    expected = MODEL.surface.perpetual_residual * scenarios.sigma_now
    # Three degrees of freedom, cut off at six deviations: the deviation falls short of the one that is set.
    np.testing.assert_array_less(0.6 * expected, found.std(axis=0))
    np.testing.assert_array_less(found.std(axis=0), expected)
    doubled = replace(MODEL, surface=SurfaceSettings(perpetual_residual=0.06))
    twice = perpetual_moves(scenarios, settings=doubled)[: scenarios.historical]
    np.testing.assert_allclose(twice, 2 * found, rtol=1e-12)


def test_stress_rows_have_no_basis_and_a_broken_quote_a_limited_one(
    history: tuple[Floats, ScenarioSet],
) -> None:
    sigma, scenarios = history
    carried = walk(len(sigma))
    carried[int(scenarios.starts[50])] += 5.0
    found = perpetual_moves(scenarios, settings=MODEL, past=past(history, carried))
    assert np.abs(found).max() == 0.1
    assert not found[scenarios.historical + scenarios.dependence :].any()


def test_past_prices_of_other_bars_are_refused(history: tuple[Floats, ScenarioSet]) -> None:
    with pytest.raises(DataError, match="give both for the same bars"):
        perpetual_moves(history[1], settings=MODEL, past=past(history, walk(5)))


@pytest.mark.parametrize("wrong", [{"perpetual_residual": -0.1}, {"perpetual_freedom": 2.0}])
def test_settings_of_perpetuals_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="perpetual"):
        SurfaceSettings(**wrong)
