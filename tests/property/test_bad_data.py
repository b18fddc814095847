"""Wrong prices move what is posted by no more than docs/keepers.md says, and by more with the rule switched off."""

from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from tests.support.histories import (
    BARS,
    HOUR_S,
    LEGS_AFTER_SPIKE,
    LEGS_AFTER_WRONG_NEWEST,
    RULES,
    SIGMA_PER_WRONG_CLOSE,
    START_S,
    clean_closes,
    clean_history,
    moved,
    said_twice,
    stuck,
    within,
    without,
    wrong_close,
)

from seawall.market.findings import Rule
from seawall.market.joining import usable_bars
from seawall.market.rules import RuleSettings, clean_candles
from seawall.market.schema import Candles

seeds = st.integers(0, 11)
signs = st.sampled_from([-1.0, 1.0])
sizes = st.one_of(st.floats(0.002, 0.15), st.floats(0.15, 3.0))
# Mostly the last days, where a return weighs most.
places = st.one_of(st.integers(BARS - 48, BARS - 3), st.integers(400, BARS - 3))


@given(seeds, places, sizes, signs, st.integers(1, 2), st.integers(0, 1))
def test_a_spike_moves_no_spot_and_legs_within_the_bound(
    seed: int, place: int, size: float, sign: float, bars: int, symbol: int
) -> None:
    candles = wrong_close(seed, place, sign * size, bars=bars, symbol=symbol)
    found, clean, change = moved(candles, seed)
    assert found.as_of == START_S + HOUR_S * BARS
    np.testing.assert_array_equal(found.spots, clean.spots)
    assert within(change, LEGS_AFTER_SPIKE)


@given(seeds, places, sizes, signs)
def test_a_wrong_close_that_is_not_found_moves_volatility_by_its_size_times_the_bound(
    seed: int, place: int, size: float, sign: float
) -> None:
    candles = wrong_close(seed, place, sign * size)
    found, clean, _ = moved(candles, seed, rules=without(Rule.SPIKE))  # however large
    assert np.abs(found.sigma - clean.sigma).max() <= SIGMA_PER_WRONG_CLOSE * size


@given(seeds, sizes, signs)
def test_a_wrong_newest_close_moves_the_spot_by_at_most_the_limit_and_legs_within_the_bound(
    seed: int, size: float, sign: float
) -> None:
    found, clean, change = moved(wrong_close(seed, BARS - 1, sign * size), seed)
    assert found.as_of >= START_S + HOUR_S * (BARS - 1)
    scale = 1.4826 * np.median(np.abs(np.diff(np.log(clean_closes(seed)[:-1, 0])))[-49:])
    true_move = np.log(clean_closes(seed)[-1, 0] / clean_closes(seed)[-2, 0])
    limit = min(max(RULES.jump_least, RULES.jump_scales * scale), RULES.jump_most)
    assert np.abs(np.log(found.spots / clean.spots)).max() <= limit + abs(true_move) + 1e-12
    assert within(change, LEGS_AFTER_WRONG_NEWEST)


# With a rule switched off its bound is broken: a fault that each rule, and no other, holds back.


def as_promised(seed: int, candles: list[Candles], rules: RuleSettings) -> bool:
    """Say whether the spot is that of clean data, to the limit of a newest close, and legs are within bounds."""
    found, clean, change = moved(candles, seed, rules=rules)
    spot = np.abs(np.log(found.spots / clean.spots)).max()
    return bool(spot <= 1e-12) and within(change, LEGS_AFTER_SPIKE)


FAULTS = {
    Rule.SPIKE: lambda seed: wrong_close(seed, BARS - 6, 1.5),
    Rule.UNCONFIRMED: lambda seed: wrong_close(seed, BARS - 1, 0.5),
    Rule.CONFLICT: lambda seed: said_twice(seed, BARS - 1, 0.0195),
    Rule.STUCK: lambda seed: stuck(seed, BARS, 36),
}


@pytest.mark.parametrize("rule", FAULTS)
def test_without_a_rule_its_fault_breaks_the_bound(rule: Rule) -> None:
    faults = [(seed, FAULTS[rule](seed)) for seed in range(6)]
    assert all(as_promised(seed, candles, RULES) for seed, candles in faults)
    assert not all(as_promised(seed, candles, without(rule)) for seed, candles in faults)


def test_without_the_rules_on_time_and_price_wrong_bars_would_be_used() -> None:
    now_s = START_S + HOUR_S * BARS - 1
    candles = clean_history(0)
    early = usable_bars(candles, now_s=now_s, rules=without(Rule.INCOMPLETE))
    assert early.known_at[-1] > now_s
    low = candles[0].low.copy()
    low[-9] = -1.0
    kept = clean_candles([replace(candles[0], low=low)], settings=without(Rule.BAD_PRICE)).candles[0]
    assert kept.low.min() < 0
    twice = [c.rows(np.append(np.arange(BARS), BARS - 1)) for c in candles]
    assert clean_candles(twice, settings=RULES).count(Rule.DUPLICATE) == 2
    repeated = clean_candles(twice, settings=without(Rule.DUPLICATE)).candles[0]
    assert len(repeated.start_s) == BARS + 1
    assert not clean_candles(candles, now_s=now_s + 10**6, settings=without(Rule.LATE)).late
    assert len(clean_candles(candles, settings=RULES).candles[0].start_s) == BARS
    assert len(clean_candles(candles).candles[0].start_s) == BARS - 24
