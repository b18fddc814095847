"""Lanes bound the expected shortfall from below, whatever the books and however hard the search."""

from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings
from tests.property.margin_strategies import float_errors_raise as float_errors_raise
from tests.property.margin_strategies import shortfall_by_minimum

from seawall.arrays import Floats
from seawall.margin.lanes import choose_lanes, lane_bound
from seawall.margin.settings import LaneSettings
from seawall.margin.shortfall import book_shortfall, leg_shortfall

SMALL = LaneSettings(
    lanes=16, iterations=6, random_design_books=16, candidate_books=64, minimum_book_es=1e-3, reseed_every=2
)


@st.composite
def markets(draw: st.DrawFn) -> tuple[Floats, Floats, Floats]:
    """Draw P&L of a few correlated instruments, scenario weights, and live books."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    instruments = draw(st.integers(1, 6))
    scenarios = draw(st.integers(40, 300))
    common = rng.standard_t(3, size=(scenarios, 1)) * draw(st.sampled_from([0.0, 1.0, 5.0]))
    pnl = 0.02 * (common + rng.standard_t(3, size=(scenarios, instruments)))
    if draw(st.booleans()):
        pnl = np.round(pnl, 2)
    weights = rng.choice([1.0, 1.0, 5.0], size=scenarios)
    books = rng.normal(size=(draw(st.integers(0, 30)), instruments)) * np.exp(rng.normal())
    return pnl - pnl.mean(axis=0), weights / weights.sum(), books


@given(markets(), st.sampled_from([0.8, 0.95, 0.99]), st.integers(0, 2**16))
@settings(max_examples=25)
def test_INV_06_no_lane_exceeds_the_shortfall_of_any_book(
    market: tuple[Floats, Floats, Floats], alpha: float, seed: int
) -> None:
    pnl, weights, books = market
    lanes = choose_lanes(pnl, weights, books, alpha=alpha, settings=SMALL, seed=seed)
    rng = np.random.default_rng(seed)
    tried = np.concatenate([books, rng.standard_t(2, size=(30, pnl.shape[1]))])
    long_es, short_es = leg_shortfall(pnl, weights, alpha=alpha)
    bounds = lane_bound(lanes.values, tried)
    for book, bound in zip(tried, bounds, strict=True):
        shortfall = shortfall_by_minimum(pnl @ book, weights, alpha)
        gross = np.abs(book) @ np.abs(pnl).max(axis=0)
        legs = np.maximum(book, 0.0) @ long_es + np.maximum(-book, 0.0) @ short_es
        assert bound <= shortfall + 1e-12 * gross
        assert shortfall <= legs + 1e-12 * gross


@given(markets(), st.sampled_from([0.8, 0.95, 0.99]))
@settings(max_examples=25)
def test_lane_measures_lie_in_the_test_set(market: tuple[Floats, Floats, Floats], alpha: float) -> None:
    pnl, weights, books = market
    lanes = choose_lanes(pnl, weights, books, alpha=alpha, settings=SMALL, seed=0)
    assert lanes.values.shape == (16, pnl.shape[1])
    assert (lanes.measures >= 0).all()
    assert (lanes.measures <= weights / (1.0 - alpha) * (1 + 1e-12)).all()
    np.testing.assert_allclose(lanes.measures.sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(lanes.values, lanes.measures @ pnl, rtol=1e-12, atol=1e-15)


@given(markets())
@settings(max_examples=15)
def test_the_same_inputs_give_the_same_lanes(market: tuple[Floats, Floats, Floats]) -> None:
    pnl, weights, books = market
    first, second = (choose_lanes(pnl, weights, books, alpha=0.95, settings=SMALL, seed=7) for _ in range(2))
    np.testing.assert_array_equal(first.values, second.values)
    assert first.adversarial_ratio == second.adversarial_ratio


@given(markets(), st.integers(1, 50))
@settings(max_examples=15)
def test_dust_books_steal_no_lanes(market: tuple[Floats, Floats, Floats], dust: int) -> None:
    pnl, weights, books = market
    limits = replace(SMALL, minimum_book_es=1e-3)
    tiny = np.random.default_rng(dust).normal(size=(dust, pnl.shape[1]))
    shortfall, _ = book_shortfall(pnl, weights, tiny, alpha=0.95)
    tiny *= (0.9e-3 / np.maximum(np.abs(shortfall), 1e-9))[:, None]
    alone = choose_lanes(pnl, weights, books, alpha=0.95, settings=limits, seed=0)
    crowded = choose_lanes(pnl, weights, np.concatenate([books, tiny]), alpha=0.95, settings=limits, seed=0)
    np.testing.assert_allclose(crowded.values, alone.values, rtol=1e-9, atol=1e-12)
