"""Volatility agrees with a plain loop, rises at once, falls slowly and never looks ahead."""

from dataclasses import replace
from itertools import pairwise

import hypothesis.strategies as st
import numpy as np
from hypothesis import given
from tests.property.margin_strategies import SHORT, close_paths
from tests.property.margin_strategies import float_errors_raise as float_errors_raise

from seawall.arrays import Floats
from seawall.margin.settings import ModelSettings
from seawall.margin.volatility import sigma_path

BAR_HOURS = st.sampled_from([0.5, 1.0])


def loop_twin(closes: Floats, *, bar_h: float, settings: ModelSettings, implied: Floats | None) -> Floats:
    """Return `sigma_path` bar by bar and underlying by underlying, as one would write it on paper."""
    sigma = np.full(closes.shape, np.nan)
    for column in range(closes.shape[1]):
        half_lives = [*settings.fast_half_lives_h, *settings.slow_half_lives_h]
        decays = [0.5 ** (bar_h / half_life) for half_life in half_lives]
        sums, sizes = [0.0] * len(decays), [0.0] * len(decays)
        total, count, previous = 0.0, 0, None
        rows = [row for row in range(len(closes)) if not np.isnan(closes[row]).any()]
        for before, row in pairwise(rows):
            square = float(np.log(closes[row, column] / closes[before, column])) ** 2 / (row - before)
            total, count = total + square, count + 1
            sums = [d * s + square for d, s in zip(decays, sums, strict=True)]
            sizes = [d * s + 1.0 for d, s in zip(decays, sizes, strict=True)]
            if (row - rows[0]) * bar_h / 24.0 < settings.warmup_days:
                continue
            long_run = total / count
            variances = [s / n for s, n in zip(sums, sizes, strict=True)]
            for i in range(len(settings.fast_half_lives_h)):
                variances[i] = min(variances[i], settings.fast_cap**2 * long_run)
            parts = [(v * settings.horizon_h / bar_h) ** 0.5 for v in [*variances, long_run]]
            if implied is not None and not np.isnan(implied[row, column]):
                parts.append(float(implied[row, column]) * (settings.horizon_h / 8760.0) ** 0.5)
            mixed = sum(parts) / len(parts)
            if previous is not None:
                days = (row - previous) * bar_h / 24.0
                mixed = max(mixed, (1.0 - settings.fall_per_day) ** days * sigma[previous, column])
            sigma[row, column], previous = mixed, row
    return sigma


@given(BAR_HOURS.flatmap(lambda h: st.tuples(st.just(h), close_paths(days=6, bar_h=h, columns=2, gaps=True))))
def test_sigma_agrees_with_a_plain_loop(case: tuple[float, Floats]) -> None:
    bar_h, closes = case
    fast, twin = (f(closes, bar_h=bar_h, settings=SHORT, implied=None) for f in (sigma_path, loop_twin))
    np.testing.assert_allclose(fast, twin, rtol=1e-10)


@given(close_paths(days=5, bar_h=1.0, columns=2, gaps=True), st.integers(0, 2**32))
def test_sigma_with_implied_volatility_agrees_with_a_plain_loop(closes: Floats, seed: int) -> None:
    rng = np.random.default_rng(seed)
    implied = np.where(rng.random(closes.shape) < 0.7, rng.uniform(0.2, 2.0, closes.shape), np.nan)
    fast, twin = (f(closes, bar_h=1.0, settings=SHORT, implied=implied) for f in (sigma_path, loop_twin))
    np.testing.assert_allclose(fast, twin, rtol=1e-10)


@given(close_paths(days=6, bar_h=1.0, columns=2, gaps=True), st.sampled_from([0.0, 0.001, 0.03, 0.2]))
def test_sigma_never_falls_faster_than_its_limit(closes: Floats, fall: float) -> None:
    settings = replace(SHORT, fall_per_day=fall)
    sigma = sigma_path(closes, bar_h=1.0, settings=settings)
    rows = np.flatnonzero(np.isfinite(sigma).all(axis=1))
    allowed = (1.0 - fall) ** (np.diff(rows) / 24.0)
    assert (sigma[rows[1:]] >= allowed[:, None] * sigma[rows[:-1]] * (1 - 1e-12)).all()


@given(close_paths(days=5, bar_h=1.0, columns=2, gaps=True), st.data())
def test_bars_after_t_never_change_sigma_at_t(closes: Floats, data: st.DataObject) -> None:
    row = data.draw(st.integers(60, len(closes) - 2))
    later = closes.copy()
    later[row + 1 :] *= np.exp(np.random.default_rng(row).normal(size=later[row + 1 :].shape))
    sigma = sigma_path(closes, bar_h=1.0, settings=SHORT)
    np.testing.assert_array_equal(sigma[: row + 1], sigma_path(later, bar_h=1.0, settings=SHORT)[: row + 1])
    np.testing.assert_allclose(
        sigma[: row + 1], sigma_path(closes[: row + 1], bar_h=1.0, settings=SHORT), rtol=1e-12
    )


@given(close_paths(days=5, bar_h=1.0, columns=1), st.data(), st.floats(1.0, 20.0))
def test_a_larger_move_never_lowers_sigma_anywhere(
    closes: Floats, data: st.DataObject, factor: float
) -> None:
    row = data.draw(st.integers(1, len(closes) - 1))
    logs = np.log(closes)
    moved = logs.copy()
    moved[row:] += (factor - 1.0) * (logs[row] - logs[row - 1])
    before = sigma_path(closes, bar_h=1.0, settings=SHORT)
    after = sigma_path(np.exp(moved), bar_h=1.0, settings=SHORT)
    known = np.isfinite(before)
    assert (after[known] >= before[known] * (1 - 1e-9)).all()


@given(close_paths(days=5, bar_h=1.0, columns=2, gaps=True), st.floats(0.1, 5.0))
def test_scaling_every_move_scales_sigma(closes: Floats, factor: float) -> None:
    before = sigma_path(closes, bar_h=1.0, settings=SHORT)
    after = sigma_path(np.exp(factor * (np.log(closes) - np.log(closes[0]))), bar_h=1.0, settings=SHORT)
    np.testing.assert_allclose(after, factor * before, rtol=1e-8)
