"""What a source said, as arrays: candles, funding, rounds of a feed, option quotes, order books.

Times are whole seconds since 1970 in UTC. The classes check shapes, order and units that cannot be told later; they
hold bad prices as well as good ones, which `seawall.market.rules` tells apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np

from seawall.arrays import Bools, Floats, Ints
from seawall.errors import DataError

__all__ = ["Candles", "Funding", "OptionQuotes", "OrderBook", "Rounds", "underlying_of"]

_SUFFIXES = ("-PERP", "-SPOT", "/USDT", "/USDC", "/USD", "USDT", "USDC", "USD")


def underlying_of(symbol: str) -> str:
    """Return the underlying that a source's symbol prices: BTC for BTCUSDT-PERP, BTC/USD, BTCUSD or BTC."""
    name = symbol.split(":")[0]
    for suffix in _SUFFIXES:
        if name.endswith(suffix) and name != suffix:
            name = name[: -len(suffix)]
    return name


def _rows(owner: Any, index: slice | Bools | Ints) -> Any:
    """Return a copy of a frozen class with some rows of all its arrays."""
    arrays = {f.name: getattr(owner, f.name) for f in fields(owner)}
    return replace(owner, **{n: a[index] for n, a in arrays.items() if isinstance(a, np.ndarray)})


def _check_columns(owner: Any, *, times: str, name: str) -> None:
    """Require one length for all arrays, and times that do not decrease."""
    length = len(getattr(owner, times))
    for field in fields(owner):
        array = getattr(owner, field.name)
        if isinstance(array, np.ndarray) and array.shape != (length,):
            raise DataError(f"{name}: {field.name} has shape {array.shape}, expected ({length},): one a time")
    stamps = getattr(owner, times)
    if stamps.dtype != np.int64:
        raise DataError(f"{name}: {times} is {stamps.dtype}, expected int64 seconds since 1970")
    if np.any(np.diff(stamps) < 0):
        raise DataError(f"{name}: {times} must not decrease: sort the rows by time")


@dataclass(frozen=True, kw_only=True, slots=True)
class Candles:
    """Hold the bars of one symbol at one source, in the order of time.

    Attributes
    ----------
    symbol
        As the source writes it.
    start_s
        Start of each bar, (T,); a bar is complete, and may be used, from `start_s + bar_s` on.
    open, high, low, close
        Quote currency for one unit, (T,); NaN where the source said nothing.
    volume
        Traded in the bar, base currency, (T,); NaN where the source tells none.
    bar_s
        Length of a bar.
    """

    symbol: str
    start_s: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    bar_s: int

    def __post_init__(self) -> None:
        """Check lengths and order."""
        if self.bar_s < 1:
            raise DataError(f"{self.symbol}: bar_s is {self.bar_s}: give the length of a bar in seconds")
        _check_columns(self, times="start_s", name=self.symbol)

    @property
    def known_at(self) -> Ints:
        """Return when each bar was complete, (T,)."""
        return self.start_s + self.bar_s

    def rows(self, index: slice | Bools | Ints) -> Candles:
        """Return some of the bars."""
        found: Candles = _rows(self, index)
        return found

    def until(self, time_s: int) -> Candles:
        """Return the bars that were complete at a time."""
        return self.rows(slice(0, int(np.searchsorted(self.known_at, time_s, side="right"))))

    @classmethod
    def of_closes(cls, symbol: str, start_s: Ints, close: Floats, *, bar_s: int) -> Self:
        """Return bars of which only the close is known; there is no volume."""
        none = np.full(len(close), np.nan)
        return cls(
            symbol=symbol,
            start_s=start_s,
            open=close,
            high=close,
            low=close,
            close=close,
            volume=none,
            bar_s=bar_s,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Funding:
    """Hold what holders of one perpetual paid.

    Attributes
    ----------
    times_s
        When it was paid, for the interval just ended, (T,).
    rate
        Fraction of the notional that longs paid shorts, (T,).
    """

    symbol: str
    times_s: Ints
    rate: Floats

    def __post_init__(self) -> None:
        """Check lengths and order."""
        _check_columns(self, times="times_s", name=self.symbol)

    def until(self, time_s: int) -> Funding:
        """Return what was known at a time."""
        found: Funding = _rows(self, self.times_s <= time_s)
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Rounds:
    """Hold prices that a feed published at times of its own.

    Attributes
    ----------
    times_s
        When the price was published, (T,); several may share one.
    price
        Quote currency for one unit, (T,).
    """

    symbol: str
    times_s: Ints
    price: Floats

    def __post_init__(self) -> None:
        """Check lengths and order."""
        _check_columns(self, times="times_s", name=self.symbol)

    def candles(self, *, bar_s: int, max_age_s: int, until_s: int | None = None) -> Candles:
        """Return bars whose close is the newest price at their end; no bar where that is older than `max_age_s`.

        Open, high and low are those of the prices published in the bar, the price before it included. The last bar
        ends at `until_s` or before it, when all rounds up to then are known; by default that is the newest round.
        """
        if not len(self.times_s):
            return Candles.of_closes(self.symbol, self.times_s, self.price, bar_s=bar_s)
        last_s = int(self.times_s[-1]) if until_s is None else until_s
        ends = np.arange(-(-self.times_s[0] // bar_s), last_s // bar_s + 1, dtype=np.int64) * bar_s
        if not len(ends):
            return Candles.of_closes(self.symbol, ends, self.price[:0], bar_s=bar_s)
        newest = np.searchsorted(self.times_s, ends, side="right") - 1
        before = np.maximum(np.searchsorted(self.times_s, ends - bar_s, side="right") - 1, 0)
        spans = zip(before.tolist(), newest.tolist(), strict=True)
        parts = [self.price[i : j + 1] for i, j in spans]
        made = Candles(
            symbol=self.symbol,
            start_s=ends - bar_s,
            open=self.price[before],
            high=np.array([p.max() for p in parts]),
            low=np.array([p.min() for p in parts]),
            close=self.price[newest],
            volume=np.full(len(ends), np.nan),
            bar_s=bar_s,
        )
        return made.rows(ends - self.times_s[newest] <= max_age_s)


@dataclass(frozen=True, kw_only=True, slots=True)
class OptionQuotes:
    """Hold quotes of the options on one underlying, in the order of time; several snapshots may follow each other.

    Attributes
    ----------
    times_s, expiry_s
        When the quote was known, and when the option ends, (N,).
    strike, forward, index
        Quote currency for one unit, (N,); forward is that of the expiry.
    is_call
        True for a call, (N,).
    bid, ask, mark
        Premium, (N,), NaN where there is none; in units of the underlying if `inverse`, else in quote currency.
    mark_iv
        Volatility of the mark, annual, a fraction, (N,), NaN where the source tells none.
    open_interest, volume_24h
        Units of the underlying, (N,), NaN where the source tells none.
    inverse
        Whether premiums are paid in the underlying.
    """

    symbol: str
    times_s: Ints
    expiry_s: Ints
    strike: Floats
    is_call: Bools
    forward: Floats
    index: Floats
    bid: Floats
    ask: Floats
    mark: Floats
    mark_iv: Floats
    open_interest: Floats
    volume_24h: Floats
    inverse: bool = True

    def __post_init__(self) -> None:
        """Check lengths and order."""
        _check_columns(self, times="times_s", name=self.symbol)

    def rows(self, index: slice | Bools | Ints) -> OptionQuotes:
        """Return some of the quotes."""
        found: OptionQuotes = _rows(self, index)
        return found

    def snapshot(self, time_s: int, *, within_s: int) -> OptionQuotes:
        """Return the newest snapshot known at a time: the quotes of the `within_s` seconds before the newest one."""
        known = self.times_s[self.times_s <= time_s]
        newest = int(known[-1]) if len(known) else time_s
        return self.rows((self.times_s <= newest) & (self.times_s > newest - within_s))


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderBook:
    """Hold one order book at one time, best levels first.

    Attributes
    ----------
    bids, asks
        Price and quantity of each level, (levels, 2); quote currency and base currency.
    """

    symbol: str
    time_s: int
    bids: Floats
    asks: Floats

    def __post_init__(self) -> None:
        """Check shapes, sign and order of both sides."""
        for side, array, sign in (("bids", self.bids, -1.0), ("asks", self.asks, 1.0)):
            if array.ndim != 2 or array.shape[1] != 2:
                raise DataError(f"{self.symbol}: {side} has shape {array.shape}, expected (levels, 2)")
            if not np.all(np.isfinite(array) & (array > 0)) or np.any(sign * np.diff(array[:, 0]) <= 0):
                raise DataError(f"{self.symbol}: {side} must be positive and finite, the best level first")

    @classmethod
    def of_levels(
        cls, symbol: str, time_s: int, bids: Sequence[Sequence[float]], asks: Sequence[Sequence[float]]
    ) -> Self:
        """Return the book of some levels in any order; empty ones are left out."""

        def side(levels: Sequence[Sequence[float]], sign: float) -> Floats:
            array = np.array([level[:2] for level in levels], dtype=np.float64).reshape(-1, 2)
            array = array[array[:, 1] > 0]
            ordered: Floats = array[np.argsort(sign * array[:, 0], kind="stable")]
            return ordered

        return cls(symbol=symbol, time_s=time_s, bids=side(bids, -1.0), asks=side(asks, 1.0))
