"""The scenario set on one half-year of prices, and its stress table."""

from dataclasses import replace

import numpy as np
import pytest

from seawall.arrays import Floats
from seawall.errors import ConfigError, DataError
from seawall.margin.scenarios import ScenarioSet, build_scenarios
from seawall.margin.settings import ModelSettings
from seawall.margin.stress import STRESS_ROWS, Role, StressRow, stress_log_returns
from seawall.margin.volatility import sigma_path

SETTINGS = ModelSettings()
NO_STRESS = np.empty((0, 5))


def build(closes: Floats, *, settings: ModelSettings = SETTINGS, stress: Floats = NO_STRESS) -> ScenarioSet:
    sigma = sigma_path(closes, bar_h=1.0, settings=settings)
    return build_scenarios(closes, sigma, bar_h=1.0, settings=settings, stress=stress)


def test_build_scenarios__on_half_a_year__uses_every_fourth_hour_after_the_warm_up(closes: Floats) -> None:
    assert build(closes).historical == (len(closes) - 1 - 24 - 14 * 24) // 4 + 1


def test_build_scenarios__with_a_window__leaves_older_moves_out(closes: Floats) -> None:
    assert build(closes, settings=replace(SETTINGS, window_days=90.0)).historical == (90 * 24 - 24) // 4 + 1


def test_build_scenarios__without_stress__weighs_all_rows_equally(closes: Floats) -> None:
    made = build(closes)
    np.testing.assert_allclose(made.weights, 1.0 / len(made.log_returns))
    assert made.dependence == 2 * round(0.05 * made.historical)


def test_build_scenarios__with_stress__puts_its_rows_last_and_unscaled(closes: Floats) -> None:
    stress = stress_log_returns([Role.MAJOR, Role.LARGE, *[Role.OTHER] * 3])
    made = build(closes, stress=stress)
    np.testing.assert_array_equal(made.log_returns[-16:], stress)
    np.testing.assert_allclose(made.weights[-16:], SETTINGS.stress_probability)


def test_build_scenarios__with_another_seed__reshuffles_only_the_shuffled_rows(closes: Floats) -> None:
    first, second = build(closes), build(closes, settings=replace(SETTINGS, seed=1))
    differs = (first.log_returns != second.log_returns).any(axis=1)
    assert differs[-first.dependence // 2 :].mean() > 0.9
    assert not differs[: -first.dependence // 2].any()


def test_build_scenarios__comonotone_and_shuffled_rows__bracket_the_dependence(closes: Floats) -> None:
    made = build(closes)
    half = made.dependence // 2
    parts = np.split(made.log_returns, [made.historical, made.historical + half])
    pairs = np.triu_indices(5, k=1)
    past, together, shuffled = (np.corrcoef(part.T)[pairs].mean() for part in parts)
    assert together > 0.95 > past > 0.4
    assert abs(shuffled) < 0.2


def test_build_scenarios__on_a_short_series__asks_for_older_bars(closes: Floats) -> None:
    with pytest.raises(DataError, match=r"needed are 60: supply older bars"):
        build(closes[: 24 * 59])


def test_build_scenarios__when_the_newest_bar_is_missing__refuses(closes: Floats) -> None:
    holed = closes.copy()
    holed[-1, 2] = np.nan
    with pytest.raises(DataError, match="newest bar is missing"):
        build(holed)


def test_build_scenarios__around_missing_bars__drops_moves_that_touch_them(closes: Floats) -> None:
    holed = closes.copy()
    holed[-1 - 24 * 10, 0] = np.nan  # the start of one move and the end of another
    assert build(holed).historical == build(closes).historical - 2


def test_build_scenarios__when_no_move_has_both_ends__says_so(closes: Floats) -> None:
    holed = closes[: 24 * 70].copy()
    holed[-2::-1][np.arange(len(holed) - 1) % 4 == 3] = np.nan
    with pytest.raises(DataError, match="no past move"):
        build(holed)


@pytest.mark.parametrize("now", [-1, 24 * 180])
def test_build_scenarios__with_a_present_outside_the_series__refuses(closes: Floats, now: int) -> None:
    sigma = sigma_path(closes, bar_h=1.0, settings=SETTINGS)
    with pytest.raises(DataError, match="now"):
        build_scenarios(closes, sigma, bar_h=1.0, settings=SETTINGS, stress=NO_STRESS, now=now)


def test_build_scenarios__with_anothers_sigma__refuses(closes: Floats) -> None:
    with pytest.raises(DataError, match="sigma"):
        build_scenarios(closes, closes[:-1], bar_h=1.0, settings=SETTINGS, stress=NO_STRESS)


def test_build_scenarios__when_stress_takes_all_probability__refuses(closes: Floats) -> None:
    with pytest.raises(ConfigError, match="leave none"):
        build(closes, settings=replace(SETTINGS, stress_probability=0.009), stress=np.zeros((112, 5)))


def test_stress_table__has_sixteen_distinct_rows_that_reach_both_ways() -> None:
    moves = np.array([[row.major, row.large, row.other] for row in STRESS_ROWS])
    assert len(STRESS_ROWS) == len({row.name for row in STRESS_ROWS}) == 16
    assert (moves.min(axis=0) <= -0.5).all()
    assert (moves.max(axis=0) >= 1.0).all()
    assert (moves[:, 0] * moves[:, 2] < 0).any()


def test_stress_log_returns__invert_to_the_table_by_role() -> None:
    logs = stress_log_returns([Role.OTHER, Role.MAJOR])
    np.testing.assert_allclose(np.expm1(logs), [[row.other, row.major] for row in STRESS_ROWS])


def test_stress_log_returns__of_a_total_loss__refuse() -> None:
    with pytest.raises(DataError, match="zero or below"):
        stress_log_returns([Role.MAJOR], rows=[StressRow(name="gone", major=-1.0, large=0.0, other=0.0)])


def test_stress_log_returns__of_an_empty_table__have_no_row() -> None:
    assert stress_log_returns([Role.MAJOR, Role.LARGE], rows=[]).shape == (0, 2)
