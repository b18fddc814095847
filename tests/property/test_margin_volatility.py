"""Volatility agrees with a plain loop, rises at once, falls slowly and never looks ahead."""

from dataclasses import replace
from itertools import pairwise

import hypothesis.strategies as st
import numpy as np
from hypothesis import given
from tests.property.margin_strategies import SHORT, close_paths
from tests.property.margin_strategies import float_errors_raise as float_errors_raise

from seawall.arrays import Floats
from seawall.margin.breaks import BreakSettings
from seawall.margin.settings import ModelSettings
from seawall.margin.volatility import sigma_path

BAR_HOURS = st.sampled_from([0.5, 1.0])
SIDES = st.sampled_from([-1, 0, 1])
SENSITIVE = BreakSettings(allowance=0.3, limit=3.0, score_cap=2.0, decay_days=2.0)


# Both kinds of mean move, one side and both, with weights that differ and limits that bind.
MODELS = [
    SHORT,
    replace(SHORT, move_power=2.0, move_scale=1.0, side_share=0.0, long_run_floor=0.0),
    replace(
        SHORT,
        fast_half_lives_h=(6.0, 12.0, 24.0),
        fast_weights=(0.3, 0.0, 1.0),
        slow_half_lives_h=(),
        slow_weights=(),
        implied_weight=2.0,
        side_share=1.0,
        move_power=1.5,
        fast_cap=1.2,
        long_run_floor=0.9,
    ),
]


def one_side(move: float, *, side: int, share: float) -> float:
    """Return how much a move counts in the fast volatility of a side."""
    return 1.0 + share if move * side > 0 else 1.0 - share if move * side < 0 else 1.0


def loop_twin(
    closes: Floats, *, bar_h: float, settings: ModelSettings, implied: Floats | None, side: int
) -> Floats:
    """Return `sigma_path` bar by bar and underlying by underlying, as one would write it on paper."""
    sigma = np.full(closes.shape, np.nan)
    fast, power = len(settings.fast_half_lives_h), settings.move_power
    weights = [*settings.fast_weights, *settings.slow_weights, settings.long_run_weight]
    for column in range(closes.shape[1]):
        half_lives = [*settings.fast_half_lives_h, *settings.slow_half_lives_h]
        decays = [0.5 ** (bar_h / half_life) for half_life in half_lives]
        sums, sizes = [0.0] * len(decays), [0.0] * len(decays)
        total, count, previous = 0.0, 0, None
        rows = [row for row in range(len(closes)) if not np.isnan(closes[row]).any()]
        for before, row in pairwise(rows):
            move = float(np.log(closes[row, column] / closes[before, column])) / (row - before) ** 0.5
            size = abs(move) ** power
            total, count = total + size, count + 1
            for i, decay in enumerate(decays):
                times = one_side(move, side=side, share=settings.side_share) if i < fast else 1.0
                sums[i], sizes[i] = decay * sums[i] + times * size, decay * sizes[i] + 1.0
            if (row - rows[0]) * bar_h / 24.0 < settings.warmup_days:
                continue
            means = [s / n for s, n in zip(sums, sizes, strict=True)] + [total / count]
            unit = settings.move_scale * (settings.horizon_h / bar_h) ** 0.5
            parts = [unit * mean ** (1.0 / power) for mean in means]
            parts[:fast] = [min(part, settings.fast_cap * parts[-1]) for part in parts[:fast]]
            held = list(zip(weights, parts, strict=True))
            if implied is not None and not np.isnan(implied[row, column]):
                held.append(
                    (
                        settings.implied_weight,
                        float(implied[row, column]) * (settings.horizon_h / 8760.0) ** 0.5,
                    )
                )
            mixed = sum(w * part for w, part in held) / sum(w for w, _ in held)
            mixed = max(mixed, settings.long_run_floor * parts[-1])
            if previous is not None:
                days = (row - previous) * bar_h / 24.0
                mixed = max(mixed, (1.0 - settings.fall_per_day) ** days * sigma[previous, column])
            sigma[row, column], previous = mixed, row
    return sigma


@given(
    BAR_HOURS.flatmap(lambda h: st.tuples(st.just(h), close_paths(days=6, bar_h=h, columns=2, gaps=True))),
    st.sampled_from(MODELS),
    SIDES,
)
def test_sigma_agrees_with_a_plain_loop(
    case: tuple[float, Floats], settings: ModelSettings, side: int
) -> None:
    bar_h, closes = case
    fast, twin = (
        f(closes, bar_h=bar_h, settings=settings, implied=None, side=side) for f in (sigma_path, loop_twin)
    )
    np.testing.assert_allclose(fast, twin, rtol=1e-10)


@given(
    close_paths(days=5, bar_h=1.0, columns=2, gaps=True),
    st.integers(0, 2**32),
    st.sampled_from(MODELS),
    SIDES,
)
def test_sigma_with_implied_volatility_agrees_with_a_plain_loop(
    closes: Floats, seed: int, settings: ModelSettings, side: int
) -> None:
    rng = np.random.default_rng(seed)
    implied = np.where(rng.random(closes.shape) < 0.7, rng.uniform(0.2, 2.0, closes.shape), np.nan)
    fast, twin = (
        f(closes, bar_h=1.0, settings=settings, implied=implied, side=side) for f in (sigma_path, loop_twin)
    )
    np.testing.assert_allclose(fast, twin, rtol=1e-10)


@given(
    close_paths(days=6, bar_h=1.0, columns=2, gaps=True),
    st.sampled_from([0.0, 0.001, 0.03, 0.2]),
    st.booleans(),
)
def test_sigma_never_falls_faster_than_its_limit(closes: Floats, fall: float, breaks: bool) -> None:
    settings = replace(SHORT, fall_per_day=fall, breaks=replace(SENSITIVE, enabled=breaks))
    sigma = sigma_path(closes, bar_h=1.0, settings=settings)
    rows = np.flatnonzero(np.isfinite(sigma).all(axis=1))
    allowed = (1.0 - fall) ** (np.diff(rows) / 24.0)
    assert (sigma[rows[1:]] >= allowed[:, None] * sigma[rows[:-1]] * (1 - 1e-12)).all()


@given(close_paths(days=5, bar_h=1.0, columns=2, gaps=True), st.data(), SIDES, st.booleans())
def test_bars_after_t_never_change_sigma_at_t(
    closes: Floats, data: st.DataObject, side: int, breaks: bool
) -> None:
    row = data.draw(st.integers(60, len(closes) - 2))
    settings = replace(SHORT, breaks=replace(SENSITIVE, enabled=breaks))
    later = closes.copy()
    later[row + 1 :] *= np.exp(np.random.default_rng(row).normal(size=later[row + 1 :].shape))
    whole, changed, cut = (
        sigma_path(path, bar_h=1.0, settings=settings, side=side)[: row + 1]
        for path in (closes, later, closes[: row + 1])
    )
    np.testing.assert_array_equal(whole, changed)
    np.testing.assert_allclose(whole, cut, rtol=1e-12)


@given(
    close_paths(days=5, bar_h=1.0, columns=1),
    st.data(),
    st.floats(1.0, 20.0),
    st.sampled_from(MODELS),
    SIDES,
)
def test_a_larger_move_never_lowers_sigma_anywhere(
    closes: Floats, data: st.DataObject, factor: float, settings: ModelSettings, side: int
) -> None:
    row = data.draw(st.integers(1, len(closes) - 1))
    logs = np.log(closes)
    moved = logs.copy()
    moved[row:] += (factor - 1.0) * (logs[row] - logs[row - 1])
    before, after = (
        sigma_path(path, bar_h=1.0, settings=settings, side=side) for path in (closes, np.exp(moved))
    )
    known = np.isfinite(before)
    assert (after[known] >= before[known] * (1 - 1e-9)).all()


@given(close_paths(days=5, bar_h=1.0, columns=2, gaps=True), st.floats(0.1, 5.0))
def test_scaling_every_move_scales_sigma(closes: Floats, factor: float) -> None:
    before = sigma_path(closes, bar_h=1.0, settings=SHORT)
    after = sigma_path(np.exp(factor * (np.log(closes) - np.log(closes[0]))), bar_h=1.0, settings=SHORT)
    np.testing.assert_allclose(after, factor * before, rtol=1e-8)


@given(close_paths(days=5, bar_h=1.0, columns=2, gaps=True))
def test_turning_a_market_upside_down_exchanges_its_sides(closes: Floats) -> None:
    down, up = (sigma_path(closes, bar_h=1.0, settings=SHORT, side=side) for side in (-1, 1))
    turned = [sigma_path(1.0 / closes, bar_h=1.0, settings=SHORT, side=side) for side in (-1, 1)]
    np.testing.assert_allclose(turned[0], up, rtol=1e-9)
    np.testing.assert_allclose(turned[1], down, rtol=1e-9)


@given(close_paths(days=6, bar_h=1.0, columns=1), st.sampled_from(MODELS))
def test_sigma_never_leaves_the_range_of_floor_and_largest_part(
    closes: Floats, settings: ModelSettings
) -> None:
    """Without slow parts and implied volatilities, what is mixed lies between the floor and the cap."""
    plain = replace(settings, slow_half_lives_h=(), slow_weights=(), fall_per_day=0.0)
    alone = replace(plain, fast_half_lives_h=(), fast_weights=(), fall_per_day=0.99)
    sigma = sigma_path(closes, bar_h=1.0, settings=plain)
    long_run = sigma_path(closes, bar_h=1.0, settings=alone)
    known = np.isfinite(sigma)
    assert (sigma[known] >= plain.long_run_floor * long_run[known] * (1 - 1e-12)).all()
    assert (sigma[known] <= max(plain.fast_cap, 1.0) * np.nanmax(long_run) * (1 + 1e-12)).all()
