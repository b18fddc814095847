"""The composed model: what an epoch's estimate holds, and that it fits together."""

from dataclasses import replace

import numpy as np
import pytest

from seawall.arrays import Floats
from seawall.errors import DataError
from seawall.margin import LaneSettings, ModelSettings, RiskEstimate, Role, estimate
from seawall.margin.lanes import lane_bound
from seawall.margin.shortfall import expected_shortfall

ROLES = [Role.MAJOR, Role.LARGE, Role.OTHER, Role.OTHER, Role.OTHER]
QUICK = ModelSettings(lanes=LaneSettings(lanes=16, iterations=4, random_design_books=16), probe_books=32)


@pytest.fixture(scope="module")
def risk(closes: Floats, books: Floats) -> RiskEstimate:
    return estimate(closes, bar_h=1.0, roles=ROLES, settings=QUICK, books=books)


def test_estimate__prices_a_leg_by_its_own_shortfall(risk: RiskEstimate) -> None:
    weights = risk.scenarios.weights
    np.testing.assert_allclose(risk.long_es, expected_shortfall(risk.pnl, weights))
    np.testing.assert_allclose(risk.short_es, expected_shortfall(-risk.pnl, weights))
    np.testing.assert_allclose(risk.pnl, np.exp(risk.scenarios.log_returns) - 1)


def test_estimate__holds_the_sandwich_for_every_book(risk: RiskEstimate, books: Floats) -> None:
    upper = np.maximum(books, 0.0) @ risk.long_es + np.maximum(-books, 0.0) @ risk.short_es
    lower = lane_bound(risk.lanes.values, books)
    slack = 1e-12 * upper + 1e-12
    assert (lower <= risk.book_es + slack).all()
    assert (risk.book_es <= upper + slack).all()


def test_estimate__reports_the_coverage_of_live_and_unseen_books(risk: RiskEstimate) -> None:
    for report, most in ((risk.live, 300), (risk.unseen, 32)):
        assert 0 < report.books <= most
        assert 0 < report.minimum <= report.first_percentile <= report.median <= 1


def test_estimate__of_the_same_inputs__is_the_same(closes: Floats, books: Floats, risk: RiskEstimate) -> None:
    again = estimate(closes, bar_h=1.0, roles=ROLES, settings=QUICK, books=books)
    np.testing.assert_array_equal(again.lanes.values, risk.lanes.values)
    np.testing.assert_array_equal(again.long_es, risk.long_es)


def test_estimate__of_permuted_underlyings__permutes_volatility_and_legs(closes: Floats) -> None:
    order = np.array([0, 1, 4, 2, 3])
    settings = replace(QUICK, dependence_share=0.0)
    plain = estimate(closes, bar_h=1.0, roles=ROLES, settings=settings)
    permuted = estimate(closes[:, order], bar_h=1.0, roles=ROLES, settings=settings)
    np.testing.assert_allclose(permuted.sigma, plain.sigma[order])
    np.testing.assert_allclose(permuted.short_es, plain.short_es[order])


def test_estimate__with_high_implied_volatility__asks_for_more(closes: Floats) -> None:
    legs = [
        estimate(closes, bar_h=1.0, roles=ROLES, settings=QUICK, implied=implied).long_es
        for implied in (None, np.full(closes.shape, np.nan))
    ]
    np.testing.assert_array_equal(legs[0], legs[1])
    nervous = np.full(closes.shape, np.nan)
    nervous[-1] = 3.0
    raised = estimate(closes, bar_h=1.0, roles=ROLES, settings=QUICK, implied=nervous).long_es
    assert (raised > legs[0]).all()


def test_estimate__from_half_hour_bars__agrees_on_what_a_day_is(closes: Floats) -> None:
    halves = np.repeat(closes, 2, axis=0)
    halves[:-1:2] = np.sqrt(np.concatenate([closes[:1], closes[:-1]]) * closes)
    hourly = estimate(closes, bar_h=1.0, roles=ROLES, settings=QUICK)
    finer = estimate(halves, bar_h=0.5, roles=ROLES, settings=QUICK)
    assert abs(finer.scenarios.historical - hourly.scenarios.historical) <= 1
    # Two half moves carry half the variance of the whole one.
    np.testing.assert_allclose(finer.sigma * np.sqrt(2), hourly.sigma, rtol=0.1)


def test_estimate__without_books__reports_no_live_coverage(closes: Floats) -> None:
    alone = estimate(closes[:, :1], bar_h=1.0, roles=[Role.MAJOR], settings=QUICK)
    assert alone.live.books == 0
    assert alone.book_es.shape == (0,)
    assert alone.unseen.minimum == pytest.approx(1.0)


def test_estimate__with_a_role_too_few__refuses(closes: Floats) -> None:
    with pytest.raises(DataError, match="4 roles for 5 underlyings"):
        estimate(closes, bar_h=1.0, roles=ROLES[:4], settings=QUICK)


def test_estimate__with_books_of_another_width__refuses(closes: Floats) -> None:
    with pytest.raises(DataError, match="books"):
        estimate(closes, bar_h=1.0, roles=ROLES, settings=QUICK, books=np.ones((1, 4)))
