"""The bounds of docs/keepers.md hold where real markets moved most: faults in the worst hours of each crisis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache

import numpy as np
import pytest
from tests.support.data import needs_real_data, real_data
from tests.support.histories import (
    LEGS_AFTER_MISSING_HOUR,
    LEGS_AFTER_MISSING_HOURS,
    LEGS_AFTER_SPIKE,
    LEGS_AFTER_STUCK_PRICE,
    LEGS_AFTER_WRONG_NEWEST,
    RULES,
    Posted,
    posted,
)

from seawall.market.joining import usable_bars
from seawall.market.readers import read_candles
from seawall.market.schema import Candles

pytestmark = needs_real_data

ENDS = (
    "2018-09-06T00:00",
    "2018-11-26T00:00",
    "2019-10-26T06:00",
    "2020-03-13T04:00",
    "2021-05-19T16:00",
    "2022-06-14T00:00",
    "2022-11-10T00:00",
)
DAYS = 120
AGES = (2, 3, 5, 8, 14, 24, 40)  # hours before the end

Fault = Callable[[list[Candles], int], list[Candles]]


@lru_cache(maxsize=1)
def hourly() -> tuple[Candles, ...]:
    names = [f"binance_spot_1h_{coin}USDT.parquet" for coin in ("BTC", "ETH")]
    folder = real_data(*names)
    return tuple(c for name in names for c in read_candles(folder / name))


@lru_cache(maxsize=8)
def before(end: str) -> list[Candles]:
    """Return the hours of both coins before a time, those that both have."""
    end_s = int(datetime.fromisoformat(end).replace(tzinfo=UTC).timestamp())
    both = np.intersect1d(*(c.start_s for c in hourly()))
    there = both[(both >= end_s - 86_400 * DAYS) & (both + 3600 <= end_s)]
    return [c.rows(np.isin(c.start_s, there)) for c in hourly()]


@lru_cache(maxsize=64)
def reference(end: str, as_of: int) -> Posted:
    return posted(usable_bars(before(end), rules=RULES).until(as_of))


def with_closes(
    candles: list[Candles], symbol: int, rows: slice, closes: object, **columns: object
) -> list[Candles]:
    found, close = list(candles), candles[symbol].close.copy()
    close[rows] = closes
    one = replace(
        candles[symbol],
        close=close,
        high=np.maximum(candles[symbol].high, close),
        low=np.minimum(candles[symbol].low, close),
    )
    found[symbol] = replace(one, **columns) if columns else one
    return found


def spike(size: float, bars: int) -> Fault:
    def fault(candles: list[Candles], place: int) -> list[Candles]:
        rows = slice(place, place + bars)
        return with_closes(candles, place % 2, rows, candles[place % 2].close[rows] * np.exp(size))

    return fault


def missing(hours: int) -> Fault:
    def fault(candles: list[Candles], place: int) -> list[Candles]:
        there = np.arange(len(candles[0].close))
        return [c.rows((there <= place - hours) | (there > place)) for c in candles]

    return fault


def stuck(hours: int) -> Fault:
    def fault(candles: list[Candles], place: int) -> list[Candles]:
        symbol, rows = place % 2, slice(place - hours, place)
        volume = candles[symbol].volume.copy()
        volume[rows] = 0.0
        return with_closes(candles, symbol, rows, candles[symbol].close[place - hours - 1], volume=volume)

    return fault


def changes(end: str, faults: list[Fault], ages: tuple[int, ...]) -> Iterator[tuple[float, float]]:
    """Yield the least and largest change of a leg for every fault at every age."""
    candles = before(end)
    for age in ages:
        for fault in faults:
            place = len(candles[0].close) - age
            found = posted(usable_bars(fault(candles, place), rules=RULES))
            change = found.legs / reference(end, found.as_of).legs - 1.0
            yield float(change.min()), float(change.max())


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(
    ("faults", "ages", "bound"),
    [
        ([missing(1)], AGES, LEGS_AFTER_MISSING_HOUR),
        ([missing(2), missing(6)], AGES, LEGS_AFTER_MISSING_HOURS),
        ([spike(0.11, 1), spike(-0.04, 2), spike(0.5, 1)], AGES[1:5], LEGS_AFTER_SPIKE),
        ([stuck(3), stuck(47)], AGES[:4], LEGS_AFTER_STUCK_PRICE),
        ([spike(s, 1) for s in (-0.2, -0.09, 0.05, 0.095, 0.15)], (1,), LEGS_AFTER_WRONG_NEWEST),
    ],
    ids=["a missing hour", "missing hours", "a spike", "a stuck price", "a wrong newest close"],
)
def test_in_a_crisis_a_fault_moves_legs_within_the_bound(
    end: str, faults: list[Fault], ages: tuple[int, ...], bound: tuple[float, float]
) -> None:
    found = list(changes(end, faults, ages))
    assert bound[0] <= min(low for low, _ in found)
    assert max(high for _, high in found) <= bound[1]
