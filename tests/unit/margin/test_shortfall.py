"""Expected shortfall on numbers small enough to check by hand."""

import numpy as np
import pytest

from seawall.arrays import Floats
from seawall.errors import ConfigError, DataError
from seawall.margin.shortfall import expected_shortfall, tail_measures, tails

PNL = np.array([[-10.0], [-4.0], [0.0], [6.0]])
EQUAL = np.full(4, 0.25)


@pytest.mark.parametrize(
    ("alpha", "expected"),
    [(0.9, 10.0), (0.75, 10.0), (0.6, (0.25 * 10 + 0.15 * 4) / 0.4), (0.5, 7.0), (0.0, 2.0)],
)
def test_expected_shortfall__takes_the_edge_scenario_in_part(alpha: float, expected: float) -> None:
    assert expected_shortfall(PNL, EQUAL, alpha=alpha)[0] == pytest.approx(expected)


def test_expected_shortfall__with_unequal_weights__fills_the_tail_by_probability() -> None:
    weights = np.array([0.1, 0.3, 0.3, 0.3])
    assert expected_shortfall(PNL, weights, alpha=0.8)[0] == pytest.approx((0.1 * 10 + 0.1 * 4) / 0.2)


def test_expected_shortfall__of_a_sure_gain__is_negative() -> None:
    assert expected_shortfall(np.full((4, 1), 3.0), EQUAL, alpha=0.9)[0] == pytest.approx(-3.0)


def test_expected_shortfall__of_no_book__is_empty() -> None:
    assert expected_shortfall(np.empty((4, 0)), EQUAL, alpha=0.9).shape == (0,)


def test_tail_measures__of_ties__split_no_scenario_beyond_its_limit() -> None:
    measures = tail_measures(np.zeros((4, 1)), EQUAL, alpha=0.4)
    assert measures.max() <= 0.25 / 0.6 + 1e-15
    assert measures.sum() == pytest.approx(1.0)


def test_tails__keep_only_as_many_scenarios_as_a_tail_can_hold() -> None:
    pnl = np.random.default_rng(0).normal(size=(3, 1000))
    assert tails(pnl, np.full(1000, 1e-3), alpha=0.99).rows.shape == (3, 10)


@pytest.mark.parametrize("alpha", [-0.1, 1.0, 2.0])
def test_expected_shortfall__at_an_impossible_level__refuses(alpha: float) -> None:
    with pytest.raises(ConfigError, match="alpha"):
        expected_shortfall(PNL, EQUAL, alpha=alpha)


@pytest.mark.parametrize(
    ("pnl", "weights"),
    [
        (PNL, np.full(3, 1 / 3)),
        (PNL, np.full(4, 0.3)),
        (PNL, np.array([0.0, 0.5, 0.25, 0.25])),
        (PNL[:, 0], EQUAL),
        (np.where(PNL == 0, np.nan, PNL), EQUAL),
    ],
)
def test_expected_shortfall__of_malformed_arrays__refuses(pnl: Floats, weights: Floats) -> None:
    with pytest.raises(DataError):
        expected_shortfall(pnl, weights)
