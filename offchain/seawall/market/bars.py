"""Price bars of several underlyings on one joint time index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seawall.errors import DataError

__all__ = ["Bars", "worst_window"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bars:
    """Hold closes and traded values of M underlyings at T common times.

    A row is present only where every underlying has a bar: missing ones are dropped for all, never filled.

    Parameters
    ----------
    symbols
        M names, such as ``BTC``.
    known_at
        Shape (T,), seconds since 1970 at which the bar was complete, strictly increasing.
    closes
        Shape (T, M), quote currency for one unit, positive.
    traded_value
        Shape (T, M), quote currency traded during the bar, not negative.
    bar_s
        Length of a bar, seconds.
    dropped
        Rows that were left out because some underlying had no usable bar.

    Raises
    ------
    DataError
        If shapes disagree, times do not increase, or a price is not positive and finite.
    """

    symbols: tuple[str, ...]
    known_at: Ints
    closes: Floats
    traded_value: Floats
    bar_s: int
    dropped: int = 0

    def __post_init__(self) -> None:
        """Check shapes, order and sign."""
        shape = (len(self.known_at), len(self.symbols))
        for name, array in (("closes", self.closes), ("traded_value", self.traded_value)):
            if array.shape != shape:
                raise DataError(
                    f"{name} has shape {array.shape}, expected {shape}: one row a time, one column a symbol"
                )
        if np.any(np.diff(self.known_at) <= 0):
            raise DataError("known_at must increase strictly: sort the bars and drop duplicates")
        if not np.all(np.isfinite(self.closes) & (self.closes > 0)):
            raise DataError("closes must be positive and finite: drop bad ticks before building bars")
        if not np.all(np.isfinite(self.traded_value) & (self.traded_value >= 0)):
            raise DataError(
                "traded_value must be finite and not negative: drop bad rows before building bars"
            )

    def until(self, time_s: int) -> Bars:
        """Return the bars that were complete at `time_s`, which is all that a keeper may see then."""
        stop = int(np.searchsorted(self.known_at, time_s, side="right"))
        return self._rows(slice(0, stop))

    def between(self, first_s: int, last_s: int) -> Bars:
        """Return the bars complete within [first_s, last_s]."""
        start = int(np.searchsorted(self.known_at, first_s, side="left"))
        stop = int(np.searchsorted(self.known_at, last_s, side="right"))
        return self._rows(slice(start, stop))

    def select(self, symbols: Sequence[str]) -> Bars:
        """Return the columns of some symbols, in the order given."""
        missing = [symbol for symbol in symbols if symbol not in self.symbols]
        if missing:
            known = ", ".join(self.symbols)
            raise DataError(
                f"no bars of {', '.join(missing)}. Fix: choose from {known}, or supply prices of it"
            )
        columns = [self.symbols.index(symbol) for symbol in symbols]
        return Bars(
            symbols=tuple(symbols),
            known_at=self.known_at,
            closes=self.closes[:, columns],
            traded_value=self.traded_value[:, columns],
            bar_s=self.bar_s,
            dropped=self.dropped,
        )

    def gridded(self) -> tuple[Ints, Floats]:
        """Return times and closes on the regular grid of `bar_s` that ends at the newest bar, (G,) and (G, M).

        NaN where a bar is missing. A bar between two times of the grid stands at the nearer; of two at one, the later.
        """
        if not len(self.known_at):
            return self.known_at, self.closes
        back = np.rint((self.known_at[-1] - self.known_at) / self.bar_s).astype(np.int64)
        place = back[0] - back
        closes = np.full((int(back[0]) + 1, len(self.symbols)), np.nan)
        closes[place] = self.closes
        times: Ints = self.known_at[-1] - self.bar_s * np.arange(len(closes), dtype=np.int64)[::-1]
        return times, closes

    def _rows(self, rows: slice) -> Bars:
        return Bars(
            symbols=self.symbols,
            known_at=self.known_at[rows],
            closes=self.closes[rows],
            traded_value=self.traded_value[rows],
            bar_s=self.bar_s,
            dropped=self.dropped,
        )


def worst_window(
    bars: Bars, *, ranges: Sequence[tuple[int, int]], fall_s: int, before_s: int, after_s: int
) -> tuple[int, int]:
    """Return (first, last) seconds around the worst fall of the equally weighted basket.

    The fall is the least sum over underlyings of ``ln P(t) - ln P(t - fall_s)`` with t inside one of the ranges.

    Parameters
    ----------
    bars
        At least ``fall_s`` of them.
    ranges
        Pairs of seconds since 1970 in which the fall may end.
    fall_s, before_s, after_s
        Length of the fall, and what to show before its start and after its end, seconds.

    Raises
    ------
    DataError
        If no bar of any range has a bar `fall_s` before it.
    """
    start = np.searchsorted(bars.known_at, bars.known_at - fall_s, side="right") - 1
    inside = np.zeros(len(bars.known_at), dtype=bool)
    for first_s, last_s in ranges:
        inside |= (bars.known_at >= first_s) & (bars.known_at <= last_s)
    inside &= start >= 0
    if not inside.any():
        raise DataError("no bars in the ranges asked for: choose dates inside the data")
    logs = np.log(bars.closes)
    fall = np.where(inside, (logs - logs[np.maximum(start, 0)]).sum(axis=1), np.inf)
    end = int(np.argmin(fall))
    return int(bars.known_at[start[end]]) - before_s, int(bars.known_at[end]) + after_s
