"""Missing, stuck, repeated and late data move what is posted by no more than docs/keepers.md says."""

from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from tests.support.histories import (
    BARS,
    HOUR_S,
    LEGS_AFTER_MISSING_HOUR,
    LEGS_AFTER_MISSING_HOURS,
    LEGS_AFTER_STUCK_PRICE,
    RULES,
    START_S,
    clean_closes,
    clean_history,
    moved,
    of_closes,
    said_twice,
    stuck,
    within,
    wrong_close,
)

from seawall.errors import StaleError
from seawall.market.joining import usable_bars
from seawall.market.rules import RuleSettings, clean_candles, require_fresh

seeds = st.integers(0, 11)
signs = st.sampled_from([-1.0, 1.0])
sizes = st.one_of(st.floats(0.002, 0.15), st.floats(0.15, 3.0))
# Mostly the last days, where a return weighs most.
places = st.one_of(st.integers(BARS - 48, BARS - 3), st.integers(400, BARS - 3))


@given(seeds, places)
def test_a_missing_hour_moves_legs_within_the_bound(seed: int, place: int) -> None:
    present = np.arange(BARS) != place
    found, clean, change = moved([c.rows(present) for c in clean_history(seed)], seed)
    np.testing.assert_array_equal(found.spots, clean.spots)
    assert within(change, LEGS_AFTER_MISSING_HOUR)


@given(seeds, places, st.integers(2, 6), st.integers(0, 1))
def test_missing_hours_of_one_source_move_legs_within_the_bound(
    seed: int, place: int, hours: int, symbol: int
) -> None:
    candles = clean_history(seed)
    there = np.arange(BARS)
    candles[symbol] = candles[symbol].rows((there <= place - hours) | (there > place))
    assert within(moved(candles, seed)[2], LEGS_AFTER_MISSING_HOURS)


@given(seeds, places, st.integers(2, 48), st.integers(0, 1))
def test_a_stuck_price_moves_no_later_spot_and_legs_within_the_bound(
    seed: int, place: int, bars: int, symbol: int
) -> None:
    found, clean, change = moved(stuck(seed, place, bars, symbol), seed)
    np.testing.assert_array_equal(found.spots, clean.spots)
    assert within(change, LEGS_AFTER_STUCK_PRICE)


@given(seeds, st.integers(RULES.stuck_bars, 48), st.booleans())
def test_a_price_that_is_stuck_now_is_not_posted_as_new(seed: int, bars: int, traded: bool) -> None:
    bars_left = usable_bars(stuck(seed, BARS, bars, traded=traded), rules=RULES)
    closes = clean_closes(seed)[BARS - bars - 1 : BARS, 1]
    if traded and np.log(closes.max() / closes.min()) < RULES.stuck_move:
        assert bars_left.known_at[-1] == START_S + HOUR_S * BARS  # nothing moved: it may be true
    else:
        assert bars_left.known_at[-1] == START_S + HOUR_S * (BARS - bars)


@given(seeds, places, sizes, signs)
def test_a_bar_said_twice_differently_counts_as_a_missing_hour(
    seed: int, place: int, size: float, sign: float
) -> None:
    found, clean, change = moved(said_twice(seed, place, sign * size), seed)
    np.testing.assert_array_equal(found.spots, clean.spots)
    assert within(change, LEGS_AFTER_MISSING_HOUR)


@given(seeds, places)
def test_a_bar_said_twice_alike_moves_nothing(seed: int, place: int) -> None:
    candles = [c.rows(np.sort(np.append(np.arange(BARS), place))) for c in clean_history(seed)]
    found, clean, _ = moved(candles, seed)
    np.testing.assert_array_equal(found.legs, clean.legs)


@given(seeds, places, st.sampled_from([0.0, -1.0, np.nan, np.inf]), st.sampled_from(["close", "low", "open"]))
def test_a_price_that_is_none_counts_as_a_missing_hour(
    seed: int, place: int, price: float, field: str
) -> None:
    candles = clean_history(seed)
    values = getattr(candles[0], field).copy()
    values[place] = price
    assert within(
        moved([replace(candles[0], **{field: values}), candles[1]], seed)[2], LEGS_AFTER_MISSING_HOUR
    )


@given(seeds, st.integers(0, 2 * HOUR_S), sizes)
def test_a_bar_that_is_not_complete_moves_nothing(seed: int, before_s: int, size: float) -> None:
    now_s = START_S + HOUR_S * BARS - before_s
    bars = usable_bars(wrong_close(seed, BARS - 1, size), now_s=now_s, rules=RULES)
    assert bars.known_at[-1] <= now_s
    if before_s:
        clean = usable_bars(clean_history(seed), rules=RULES)
        np.testing.assert_array_equal(bars.closes, clean.until(now_s).closes)


@given(seeds, st.lists(st.floats(-1.0, 1.0), min_size=24, max_size=24))
def test_hours_of_listing_move_nothing(seed: int, wild: list[float]) -> None:
    closes = clean_closes(seed).copy()
    closes[:24] *= np.exp(wild)[:, None]
    rules = RuleSettings()
    bars = usable_bars(of_closes(closes), rules=rules)
    clean = usable_bars(clean_history(seed), rules=rules)
    np.testing.assert_array_equal(bars.closes, clean.closes)


@given(st.integers(0, 50_000), st.integers(1, 20_000))
def test_late_data_is_named_and_refused(age_s: int, allowed_s: int) -> None:
    now_s = START_S + HOUR_S * BARS + age_s
    cleaned = clean_candles(clean_history(0), now_s=now_s, settings=replace(RULES, max_age_s=allowed_s))
    assert cleaned.late == (("BTC", "ETH") if age_s > allowed_s else ())
    if age_s > allowed_s:
        with pytest.raises(StaleError, match=f"{age_s} s old"):
            require_fresh(now_s - age_s, now_s=now_s, max_age_s=allowed_s, what="prices")
    else:
        require_fresh(now_s - age_s, now_s=now_s, max_age_s=allowed_s, what="prices")
