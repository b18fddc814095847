"""Expected shortfall is exact, coherent, and attained by the measure that is returned with it."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from scipy.optimize import linprog
from tests.property.margin_strategies import (
    counts_for,
    levels,
    pnl_columns,
    shortfall_by_minimum,
)
from tests.property.margin_strategies import float_errors_raise as float_errors_raise

from seawall.arrays import Floats
from seawall.margin.shortfall import book_shortfall, expected_shortfall, tail_measures


@st.composite
def weighted(draw: st.DrawFn, columns: int) -> tuple[Floats, Floats]:
    """Draw P&L (S, columns) and whole-number weights (S,)."""
    pnl = draw(pnl_columns(columns=columns))
    return pnl, draw(counts_for(pnl))


@given(weighted(columns=1), levels())
def test_weights_count_like_duplicated_scenarios(case: tuple[Floats, Floats], alpha: float) -> None:
    pnl, counts = case
    losses = np.sort(-np.repeat(pnl[:, 0], counts.astype(int)))[::-1]
    room = (1.0 - alpha) * len(losses)
    taken = np.clip(room - np.arange(len(losses)), 0.0, 1.0)
    brute = float(taken @ losses / room)
    assert expected_shortfall(pnl, counts / counts.sum(), alpha=alpha)[0] == pytest.approx(brute, abs=1e-9)


@given(weighted(columns=3), levels())
def test_shortfall_is_the_minimum_of_rockafellar_and_uryasev(
    case: tuple[Floats, Floats], alpha: float
) -> None:
    pnl, counts = case
    weights = counts / counts.sum()
    slow = [shortfall_by_minimum(column, weights, alpha) for column in pnl.T]
    np.testing.assert_allclose(expected_shortfall(pnl, weights, alpha=alpha), slow, rtol=1e-9, atol=1e-9)


@given(weighted(columns=1), levels())
def test_shortfall_is_the_worst_mean_over_test_measures(case: tuple[Floats, Floats], alpha: float) -> None:
    pnl, counts = case
    weights = counts / counts.sum()
    with np.errstate(all="ignore"):
        solved = linprog(
            pnl[:, 0],
            A_eq=np.ones((1, len(pnl))),
            b_eq=[1.0],
            bounds=[(0.0, w / (1.0 - alpha)) for w in weights],
            method="highs",
        )
    assert solved.fun is not None
    assert expected_shortfall(pnl, weights, alpha=alpha)[0] == pytest.approx(-solved.fun, abs=1e-7)


@given(weighted(columns=4), levels())
def test_a_tail_measure_lies_in_the_test_set_and_attains_the_shortfall(
    case: tuple[Floats, Floats], alpha: float
) -> None:
    pnl, counts = case
    weights = counts / counts.sum()
    measures = tail_measures(pnl, weights, alpha=alpha)
    assert (measures >= 0).all()
    assert (measures <= weights / (1.0 - alpha) * (1 + 1e-12)).all()
    np.testing.assert_allclose(measures.sum(axis=1), 1.0, rtol=1e-12)
    attained = -np.einsum("ns,sn->n", measures, pnl)
    np.testing.assert_allclose(
        attained, expected_shortfall(pnl, weights, alpha=alpha), rtol=1e-12, atol=1e-12
    )


@given(weighted(columns=2), levels())
def test_merging_books_never_raises_the_shortfall(case: tuple[Floats, Floats], alpha: float) -> None:
    pnl, counts = case
    weights = counts / counts.sum()
    first, second = expected_shortfall(pnl, weights, alpha=alpha)
    merged = expected_shortfall(pnl.sum(axis=1, keepdims=True), weights, alpha=alpha)[0]
    assert merged <= first + second + 1e-9


@given(weighted(columns=1), levels(), st.one_of(st.just(0.0), st.floats(1e-6, 1e6)))
def test_scaling_a_book_scales_its_shortfall(case: tuple[Floats, Floats], alpha: float, scale: float) -> None:
    pnl, counts = case
    weights = counts / counts.sum()
    one = expected_shortfall(pnl, weights, alpha=alpha)[0]
    many = expected_shortfall(scale * pnl, weights, alpha=alpha)[0]
    assert many == pytest.approx(scale * one, rel=1e-9, abs=1e-9 * scale)


@given(weighted(columns=1), levels(), st.floats(-1e3, 1e3))
def test_cash_lowers_the_shortfall_one_for_one(
    case: tuple[Floats, Floats], alpha: float, cash: float
) -> None:
    pnl, counts = case
    weights = counts / counts.sum()
    without, with_cash = expected_shortfall(np.concatenate([pnl, pnl + cash], axis=1), weights, alpha=alpha)
    assert with_cash == pytest.approx(without - cash, abs=1e-8)


@given(weighted(columns=2), levels())
def test_losing_more_in_every_scenario_never_lowers_the_shortfall(
    case: tuple[Floats, Floats], alpha: float
) -> None:
    pnl, counts = case
    weights = counts / counts.sum()
    worse = pnl[:, :1] - np.abs(pnl[:, 1:])
    before, after = expected_shortfall(np.concatenate([pnl[:, :1], worse], axis=1), weights, alpha=alpha)
    assert after >= before - 1e-9


@given(weighted(columns=3), levels(), st.integers(0, 2**32))
def test_a_book_is_worth_its_tail_mean(case: tuple[Floats, Floats], alpha: float, seed: int) -> None:
    pnl, counts = case
    weights = counts / counts.sum()
    books = np.random.default_rng(seed).normal(size=(150, 3))
    shortfall, means = book_shortfall(pnl, weights, books, alpha=alpha)
    np.testing.assert_allclose(shortfall, -(means * books).sum(axis=1), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        shortfall, expected_shortfall(pnl @ books.T, weights, alpha=alpha), rtol=1e-9, atol=1e-9
    )
