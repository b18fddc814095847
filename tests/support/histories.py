"""Clean hourly candles with the volatility of a real market, faults in them, and what the model posts from candles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from seawall.arrays import Floats
from seawall.margin.perpetuals import joint_returns, spot_pnl
from seawall.margin.settings import ModelSettings
from seawall.margin.shortfall import leg_shortfall
from seawall.margin.stress import Role
from seawall.market.bars import Bars
from seawall.market.findings import ALL_RULES, Rule
from seawall.market.joining import usable_bars
from seawall.market.rules import RuleSettings
from seawall.market.schema import Candles, OrderBook

__all__ = [
    "BARS",
    "DAYS",
    "HOUR_S",
    "LEGS_AFTER_MISSING_HOUR",
    "LEGS_AFTER_MISSING_HOURS",
    "LEGS_AFTER_SPIKE",
    "LEGS_AFTER_STUCK_PRICE",
    "LEGS_AFTER_WRONG_NEWEST",
    "RULES",
    "SIGMA_PER_WRONG_CLOSE",
    "START_S",
    "Posted",
    "books_until",
    "clean_closes",
    "clean_history",
    "moved",
    "of_closes",
    "posted",
    "reference",
    "said_twice",
    "stuck",
    "within",
    "without",
    "wrong_close",
]

HOUR_S = 3600
START_S = 1_700_006_400  # a full hour
DAYS = 120
BARS = 24 * DAYS
RULES = RuleSettings(rules=ALL_RULES - {Rule.LISTING})
SETTINGS = ModelSettings()
ROLES = (Role.MAJOR, Role.LARGE)

# What docs/keepers.md promises of 120 days of hourly bars: by how much legs may fall and rise, and by how much
# volatility over a day may move for every close that is wrong by one in logarithms.
LEGS_AFTER_SPIKE = (-0.25, 0.75)
LEGS_AFTER_WRONG_NEWEST = (-0.20, 2.0)
LEGS_AFTER_MISSING_HOUR = (-0.25, 0.15)
LEGS_AFTER_MISSING_HOURS = (-0.40, 0.20)  # six at most
LEGS_AFTER_STUCK_PRICE = (-0.70, 0.50)  # two days at most
SIGMA_PER_WRONG_CLOSE = 0.3


@lru_cache
def clean_closes(seed: int) -> Floats:
    """Return hourly closes of two underlyings, calm and stormy in turn, with heavy tails."""
    rng = np.random.default_rng(seed)
    hours = 24 * DAYS
    level = (0.002, 0.004, 0.008)[seed % 3]
    calm = np.exp(0.6 * np.sin(np.arange(hours) / 200.0 + rng.uniform(0.0, 6.0)))
    drawn = np.clip(rng.standard_t(4, size=(hours, 3)), -6.0, 6.0)
    moves = level * calm[:, None] * (0.7 * drawn[:, :1] + 0.5 * drawn[:, 1:])
    closes: Floats = 100.0 * np.exp(np.cumsum(moves, axis=0))
    return closes


def of_closes(closes: Floats, symbols: Sequence[str] = ("BTC", "ETH")) -> list[Candles]:
    """Return candles whose bars open at the last close, one symbol a column, from START_S on."""
    start = START_S + HOUR_S * np.arange(len(closes), dtype=np.int64)
    found = []
    for symbol, close in zip(symbols, closes.T, strict=True):
        opened = np.concatenate([close[:1], close[:-1]])
        found.append(
            Candles(
                symbol=symbol,
                start_s=start,
                open=opened,
                high=np.maximum(opened, close) * 1.001,
                low=np.minimum(opened, close) * 0.999,
                close=close,
                volume=np.full(len(close), 1e3),
                bar_s=HOUR_S,
            )
        )
    return found


def clean_history(seed: int) -> list[Candles]:
    """Return candles without a fault."""
    return of_closes(clean_closes(seed))


@dataclass(frozen=True)
class Posted:
    """What a keeper posts of perpetuals, as fractions of the spot, and the spots."""

    as_of: int
    spots: Floats
    sigma: Floats
    legs: Floats


def posted(bars: Bars) -> Posted:
    """Return what the model makes of joint bars, without lanes."""
    _, found = joint_returns(bars.gridded()[1], bar_h=1.0, roles=ROLES, settings=SETTINGS)
    legs = leg_shortfall(spot_pnl(found.log_returns), found.weights, alpha=SETTINGS.alpha)
    return Posted(int(bars.known_at[-1]), bars.closes[-1], found.sigma_now, np.concatenate(legs))


@lru_cache(maxsize=256)
def reference(seed: int, as_of: int) -> Posted:
    return posted(usable_bars(clean_history(seed), rules=RULES).until(as_of))


def moved(
    candles: list[Candles], seed: int, *, rules: RuleSettings = RULES
) -> tuple[Posted, Posted, tuple[float, float]]:
    """Return what is posted, what would be of clean data at that time, and the least and largest change of a leg."""
    found = posted(usable_bars(candles, rules=rules))
    clean = reference(seed, found.as_of)
    change = found.legs / clean.legs - 1.0
    return found, clean, (float(change.min()), float(change.max()))


def within(change: tuple[float, float], bound: tuple[float, float]) -> bool:
    return bound[0] <= change[0] and change[1] <= bound[1]


def without(rule: Rule) -> RuleSettings:
    return replace(RULES, rules=RULES.rules - {rule})


def wrong_close(seed: int, place: int, size: float, *, bars: int = 1, symbol: int = 0) -> list[Candles]:
    closes = clean_closes(seed).copy()
    closes[place : place + bars, symbol] *= np.exp(size)
    return of_closes(closes)


def stuck(seed: int, place: int, bars: int, symbol: int = 0, *, traded: bool = False) -> list[Candles]:
    closes = clean_closes(seed).copy()
    closes[place - bars : place, symbol] = closes[place - bars - 1, symbol]
    candles = of_closes(closes)
    volume = candles[symbol].volume.copy()
    volume[place - bars : place] = 1.0 if traded else 0.0
    candles[symbol] = replace(candles[symbol], volume=volume)
    return candles


def said_twice(seed: int, place: int, size: float) -> list[Candles]:
    """Return candles in which a bar comes twice, first wrong, then right."""
    candles = clean_history(seed)
    twice = candles[0].rows(np.sort(np.append(np.arange(BARS), place)))
    close = twice.close.copy()
    close[place] *= np.exp(size)
    high, low = np.maximum(twice.high, close), np.minimum(twice.low, close)
    return [replace(twice, close=close, high=high, low=low), candles[1]]


def books_until(time_s: int, *, half_spread: float, size: float, many: int = 12) -> list[OrderBook]:
    """Return books of BTC at 100 every five minutes up to a time, ten levels a side, ten basis points apart."""
    away = half_spread + 1e-3 * np.arange(10)
    sides = [np.column_stack([100.0 * (1.0 + sign * away), np.full(10, size)]) for sign in (-1.0, 1.0)]
    return [
        OrderBook(symbol="BTCUSDT-SPOT", time_s=time_s - 300 * i, bids=sides[0], asks=sides[1])
        for i in range(many)
    ]
