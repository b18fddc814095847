"""Dense programs against scipy's front end of the same solver, and what has no solution."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from seawall.margin.dense_programs import solve_dense

INF = np.inf


@given(st.integers(1, 6), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_the_optimum_is_that_of_linprog(count: int, columns: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    costs, rows = rng.standard_normal(columns), rng.standard_normal((count, columns))
    least, most = -rng.random(columns), rng.random(columns)
    middle = rows @ rng.uniform(least, most)  # so there is a solution
    lower = np.where(rng.random(count) < 0.5, -INF, middle - rng.random(count))
    upper = middle + rng.random(count) * rng.integers(0, 2, count)
    found = solve_dense(costs, rows, lower=lower, upper=upper, least=least, most=most)
    expected = linprog(
        costs,
        A_ub=np.vstack([rows, -rows[lower > -INF]]),
        b_ub=np.concatenate([upper, -lower[lower > -INF]]),
        bounds=np.stack([least, most], axis=1),
    )
    assert found is not None
    assert costs @ found == pytest.approx(expected.fun, abs=1e-9)
    slack = 1e-7
    assert (rows @ found <= upper + slack).all()
    assert (rows @ found >= lower - slack).all()
    assert (found >= least - slack).all()
    assert (found <= most + slack).all()


@pytest.mark.parametrize("lower", [2.0, -INF], ids=["beyond the bounds", "unbounded"])
def test_what_has_no_solution_is_none(lower: float) -> None:
    one, most = np.ones(1), np.ones(1) if lower > 0 else np.full(1, INF)
    found = solve_dense(-one, np.ones((1, 1)), lower=lower * one, upper=one * INF, least=0 * one, most=most)
    assert found is None
