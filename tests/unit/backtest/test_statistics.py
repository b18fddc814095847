"""The tests of coverage agree with published figures, with brute force, and with what they mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from seawall.backtest.statistics import (
    Zone,
    acerbi_szekely_z2,
    basel_zone,
    christoffersen_independence,
    kupiec_pof,
    z2_critical_value,
)
from seawall.errors import ConfigError, DataError


def published_hits() -> np.ndarray:
    """Return a year of 252 days with the transitions of a published example (Jorion, Value at Risk, 3rd ed., ch. 6).

    218 calm days after calm ones, 14 breaches after calm days, 14 calm days after breaches, 6 breaches in a row.
    """
    hits = [False]
    for length in (2, 2, 2, 2, 2, 2, *[1] * 8):  # 14 runs of breaches, 6 of them of two days
        hits += [True] * length + [False]
    return np.array(hits + [False] * (253 - len(hits)))


def test_kupiec_agrees_with_the_published_example() -> None:
    found = kupiec_pof(20, 252, probability=0.05)
    assert found.statistic == pytest.approx(3.91, abs=0.005)
    assert 0.04 < found.p_value < 0.05


def test_christoffersen_agrees_with_the_published_example() -> None:
    hits = published_hits()
    assert (int(hits.sum()), len(hits)) == (20, 253)
    found = christoffersen_independence(hits)
    assert found.statistic == pytest.approx(9.53, abs=0.005)
    assert found.p_value < 0.01


@given(trials=st.integers(1, 2000), share=st.floats(0, 1), probability=st.floats(0.001, 0.2))
def test_kupiec_is_the_likelihood_ratio_of_the_binomial(
    trials: int, share: float, probability: float
) -> None:
    from scipy.stats import binom

    breaches = round(share * trials)
    found = kupiec_pof(breaches, trials, probability=probability)
    stated, best = (binom.logpmf(breaches, trials, p) for p in (probability, breaches / trials))
    assert found.statistic == pytest.approx(-2 * (stated - best), abs=1e-6, rel=1e-6)
    assert 0 <= found.p_value <= 1


def test_kupiec_rejects_too_few_breaches_as_well() -> None:
    assert kupiec_pof(0, 2000, probability=0.01).p_value < 1e-6
    assert kupiec_pof(20, 2000, probability=0.01).p_value == 1.0


def test_independence_finds_nothing_where_there_is_nothing_to_see() -> None:
    alone = np.zeros(100, dtype=bool)
    assert christoffersen_independence(alone).p_value == 1.0
    alone[40] = True
    assert christoffersen_independence(alone).p_value == 1.0


def test_breaches_in_a_row_are_less_independent_than_breaches_apart() -> None:
    apart, together = np.zeros(1000, dtype=bool), np.zeros(1000, dtype=bool)
    apart[::100] = True
    together[500:510] = True
    assert christoffersen_independence(together).p_value < 1e-6 < christoffersen_independence(apart).p_value


@pytest.mark.parametrize(
    ("breaches", "zone"),
    [(0, Zone.GREEN), (4, Zone.GREEN), (5, Zone.YELLOW), (9, Zone.YELLOW), (10, Zone.RED)],
)
def test_the_traffic_light_is_that_of_the_basel_committee(breaches: int, zone: Zone) -> None:
    assert basel_zone(breaches, 250) is zone


def test_z2_of_two_windows_by_hand() -> None:
    # One loss of 6 beyond a value at risk of 4, with a shortfall of 5: 1 - (6 / 5) / (2 * 0.01).
    found = acerbi_szekely_z2(
        np.array([-6.0, 1.0]),
        value_at_risk=np.array([4.0, 4.0]),
        expected_shortfall=np.array([5.0, 5.0]),
        alpha=0.99,
    )
    assert found == pytest.approx(1 - 1.2 / 0.02)


def test_z2_of_a_right_forecast_is_near_zero_and_of_half_the_shortfall_below_its_critical_value() -> None:
    rng = np.random.default_rng(5)
    alpha, count = 0.975, 20_000
    moves = rng.standard_normal(count)
    at_risk = -norm.ppf(1 - alpha)
    shortfall = norm.pdf(at_risk) / (1 - alpha)
    right = acerbi_szekely_z2(
        moves,
        value_at_risk=np.full(count, at_risk),
        expected_shortfall=np.full(count, shortfall),
        alpha=alpha,
    )
    low = acerbi_szekely_z2(
        moves,
        value_at_risk=np.full(count, at_risk / 2),
        expected_shortfall=np.full(count, shortfall / 2),
        alpha=alpha,
    )
    critical = z2_critical_value(count, alpha=alpha, freedom=1e6, draws=2000)
    assert abs(right) < 0.1
    assert low < critical < right


@pytest.mark.parametrize(("freedom", "published"), [(3.0, -0.82), (100.0, -0.70)])
def test_critical_values_are_those_of_acerbi_and_szekely(freedom: float, published: float) -> None:
    assert z2_critical_value(250, alpha=0.975, freedom=freedom) == pytest.approx(published, abs=0.03)


def test_rarer_statistics_are_lower() -> None:
    assert z2_critical_value(250, alpha=0.99, level=0.01) < z2_critical_value(250, alpha=0.99, level=0.05) < 0


def test_bad_counts_and_probabilities_are_named() -> None:
    with pytest.raises(DataError, match="3 breaches in 2 trials"):
        kupiec_pof(3, 2, probability=0.01)
    with pytest.raises(ConfigError, match="strictly between 0 and 1"):
        kupiec_pof(1, 2, probability=0.0)
    with pytest.raises(DataError, match="two consecutive windows"):
        christoffersen_independence(np.array([True]))
    with pytest.raises(DataError, match="positive expected shortfall"):
        acerbi_szekely_z2(np.ones(2), value_at_risk=np.ones(2), expected_shortfall=np.zeros(2), alpha=0.99)
    with pytest.raises(DataError, match="at least one trial"):
        basel_zone(0, 0)
    with pytest.raises(ConfigError, match="freedom above 1"):
        z2_critical_value(250, alpha=0.99, freedom=1.0)
