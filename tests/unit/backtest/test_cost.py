"""Margins scaled to a breach rate, and swings, against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from seawall.arrays import Floats
from seawall.backtest.cost import scaled_margin, static_in_hindsight
from seawall.backtest.procyclicality import swings
from seawall.errors import DataError

LOSSES = arrays(np.float64, st.integers(20, 80), elements=st.floats(-0.5, 0.875, width=32), unique=True)
DAY_S = 86_400


@given(losses=LOSSES, rate=st.sampled_from([0.0, 0.02, 0.05, 0.1]))
def test_the_static_margin_of_hindsight_is_the_smallest_that_reaches_the_rate(
    losses: Floats, rate: float
) -> None:
    allowed = round(rate * len(losses))
    tried = sorted(max(loss, 0.0) for loss in losses)
    best = next(margin for margin in tried if (losses > margin).sum() <= allowed)
    found = static_in_hindsight(losses, np.zeros(len(losses), dtype=np.int64), rate=rate)
    assert found.mean_margin == pytest.approx(best, abs=1e-9)
    assert found.shortfall == pytest.approx(np.maximum(losses - best, 0.0).mean(), abs=1e-9)


@given(losses=LOSSES, data=st.data())
def test_a_scaled_margin_is_breached_as_often_as_asked(losses: Floats, data: st.DataObject) -> None:
    margin = data.draw(arrays(np.float64, len(losses), elements=st.floats(0.01, 1.0)))
    found = scaled_margin(losses, margin, np.zeros(len(losses), dtype=np.int64), rate=0.05)
    assert (losses > found.factor * margin).sum() <= round(0.05 * len(losses))
    if found.factor > 1e-6:  # and a little less would be breached once more
        assert (losses > found.factor * (1 - 1e-6) * margin).sum() > round(0.05 * len(losses)) - 1


@given(losses=LOSSES, scale=st.floats(0.1, 10))
def test_a_scaled_margin_does_not_depend_on_its_unit(losses: Floats, scale: float) -> None:
    margin = 0.1 + np.arange(len(losses)) / len(losses)
    phases = np.arange(len(losses)) % 2
    one, other = (scaled_margin(losses, m, phases, rate=0.1) for m in (margin, scale * margin))
    assert one.mean_margin == pytest.approx(other.mean_margin, abs=1e-9)
    assert one.shortfall == pytest.approx(other.shortfall, abs=1e-9)


def test_a_margin_that_knows_the_next_loss_costs_less_than_the_static_one() -> None:
    losses = np.abs(np.random.default_rng(0).standard_t(3, 400)) + 0.01
    phases = np.zeros(400, dtype=np.int64)
    clever = scaled_margin(losses, losses, phases, rate=0.01)
    assert clever.mean_margin < 0.5 * static_in_hindsight(losses, phases, rate=0.01).mean_margin


def test_phases_are_scaled_apart() -> None:
    losses = np.concatenate([np.arange(10.0), 10 * np.arange(10.0)])
    phases = np.repeat([0, 6], 10)
    found = static_in_hindsight(losses, phases, rate=0.1)
    assert found.mean_margin == pytest.approx((8 + 80) / 2)


def test_margins_that_cannot_be_scaled_are_named() -> None:
    with pytest.raises(DataError, match="margins positive"):
        scaled_margin(np.ones(3), np.zeros(3), np.zeros(3, dtype=np.int64), rate=0.1)
    with pytest.raises(DataError, match="3 windows are too few"):
        scaled_margin(np.ones(3), np.ones(3), np.zeros(3, dtype=np.int64), rate=0.9)


def test_swings_by_hand() -> None:
    days = np.array([0, 1, 2, 5, 6, 7]) * DAY_S
    found = swings(days, np.array([1.0, 2.0, 1.0, 1.5, 1.5, 4.0]))
    assert found.peak_to_trough == 4.0
    assert found.rise_1d == pytest.approx(4.0 / 1.5)
    assert found.rise_5d == pytest.approx(4.0)  # from day 2 to day 7
    assert np.isnan(found.rise_30d)


@given(arrays(np.float64, 60, elements=st.floats(0.01, 1.0)))
def test_no_rise_exceeds_the_whole_range(margin: Floats) -> None:
    found = swings(np.arange(60) * DAY_S, margin)
    assert max(found.rise_1d, found.rise_5d, found.rise_30d) <= found.peak_to_trough * (1 + 1e-12)


def test_swings_need_one_positive_margin_a_day() -> None:
    with pytest.raises(DataError, match="all positive"):
        swings(np.array([0, DAY_S]), np.array([1.0, 0.0]))
    with pytest.raises(DataError, match="one margin a day"):
        swings(np.array([0, 3600]), np.array([1.0, 2.0]))
