"""Market data for a backtest: parquet files in, regular hourly series out, each bar at the time it was known."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from seawall.arrays import Floats, Ints
from seawall.errors import DataError
from seawall.market.readers import read_candles, read_funding, read_volatility_index
from seawall.market.schema import Candles, underlying_of

__all__ = ["BAR_S", "History", "Series", "file_digest", "joint_closes", "read_history"]

BAR_S = 3_600

# Opening prints of a listing are wild.
_LISTING_BARS = 24
# An index of implied volatility that is older than this is none.
_IMPLIED_AGE_BARS = 30
_SPOT = "binance_spot_1h_*.parquet"
_PERPETUAL = "binance_perp_1h.parquet"
_FUNDING = "binance_funding.parquet"
_IMPLIED = "dvol_btc_1h.parquet"
_TIERS = "binance_leverage_tiers*.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Hold hourly values of one symbol on a regular grid.

    Attributes
    ----------
    symbol
        Name, such as ``BTC``.
    first_s
        When the first bar was complete, seconds since 1970; bar i was `i` hours later.
    values
        (T,), NaN where the bar is missing.
    """

    symbol: str
    first_s: int
    values: Floats

    @property
    def last_s(self) -> int:
        """Return when the last bar was complete."""
        return self.first_s + BAR_S * (len(self.values) - 1)

    def rows(self, times_s: Ints) -> Ints:
        """Return the rows of bars complete at whole hours, -1 outside the series."""
        found = (np.asarray(times_s, dtype=np.int64) - self.first_s) // BAR_S
        return np.where((found >= 0) & (found < len(self.values)), found, -1)

    def at(self, times_s: Ints) -> Floats:
        """Return the values of bars complete at some times, NaN where there is none."""
        rows = self.rows(times_s)
        found: Floats = np.where(rows >= 0, self.values[rows], np.nan)
        return found

    def carried(self, times_s: Ints, *, bars: int = _IMPLIED_AGE_BARS) -> Floats:
        """Return the newest value known at some times and at most `bars` hours old, else NaN."""
        known = np.where(np.isfinite(self.values), np.arange(len(self.values)), -1)
        newest = np.maximum.accumulate(known)
        ahead = (np.asarray(times_s, dtype=np.int64) - self.first_s) // BAR_S
        rows = np.clip(ahead, 0, len(self.values) - 1)
        at = newest[rows]
        young = (ahead >= 0) & (at >= 0) & (ahead - at <= bars)
        found: Floats = np.where(young, self.values[at], np.nan)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Hold what a backtest may look at, a symbol each.

    Attributes
    ----------
    spot
        Closes by symbol.
    marks, funding
        Mark closes of perpetuals, and funding paid by longs at each hour (0 where none), by symbol.
    implied
        An annualised index of 30-day implied volatility by symbol, as a fraction.
    tiers
        Leverage tiers of an exchange, a JSON file.
    folder
        Where it was read.
    digest
        Of the files that were read.
    """

    spot: Mapping[str, Series]
    marks: Mapping[str, Series] = field(default_factory=dict)
    funding: Mapping[str, Series] = field(default_factory=dict)
    implied: Mapping[str, Series] = field(default_factory=dict)
    tiers: Path | None = None
    folder: Path | None = None
    digest: str = ""


def read_history(folder: Path) -> History:
    """Read the files of a folder; only spot bars must be there.

    The first day after a listing is dropped.

    Raises
    ------
    DataError
        If the folder holds no spot bars, or a file is broken.
    """
    if not folder.is_dir():
        raise DataError(f"no folder {folder}. Fix: --data takes the folder that holds {_SPOT}")
    files = sorted(folder.glob(_SPOT))
    if not files:
        raise DataError(f"{folder} holds no {_SPOT}. Fix: point --data at the folder of market data")
    spot: dict[str, Series] = {}
    for path in files:
        for candles in read_candles(path):
            series = _series(candles, path, skip=_LISTING_BARS)
            if series.symbol in spot:
                raise DataError(f"{path} repeats {candles.symbol}. Fix: keep one file a symbol")
            spot[series.symbol] = series
    perpetual, funding, implied = (folder / name for name in (_PERPETUAL, _FUNDING, _IMPLIED))
    tiers = next(iter(sorted(folder.glob(_TIERS), reverse=True)), None)
    others = (perpetual, funding, implied, tiers)
    used = [*files, *(path for path in others if path is not None and path.is_file())]
    return History(
        spot=spot,
        marks=_marks(perpetual) if perpetual.is_file() else {},
        funding=_funding(funding) if funding.is_file() else {},
        implied=_implied(implied) if implied.is_file() else {},
        tiers=tiers,
        folder=folder,
        digest=file_digest(used),
    )


def file_digest(paths: Iterable[Path]) -> str:
    """Return a digest of the bytes of some files, in the order given, and of their names."""
    total = hashlib.sha256()
    for path in paths:
        total.update(path.name.encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def joint_closes(history: History, symbols: Iterable[str]) -> tuple[int, Floats]:
    """Return the closes of several symbols from the hour all of them exist: when the first was known, and (T, M).

    An hour that one of them misses is NaN for all.
    """
    chosen = [history.spot[symbol] for symbol in symbols]
    first, last = max(s.first_s for s in chosen), min(s.last_s for s in chosen)
    if first > last:
        raise DataError("the symbols have no hour in common")
    times = np.arange(first, last + 1, BAR_S)
    closes = np.column_stack([s.at(times) for s in chosen])
    closes[np.isnan(closes).any(axis=1)] = np.nan
    return first, closes


def _series(candles: Candles, path: Path, *, skip: int = 0) -> Series:
    """Return closes on a regular grid, at the time each bar was complete, without the first `skip` bars."""
    name, known, values = underlying_of(candles.symbol), candles.known_at[skip:], candles.close[skip:]
    if candles.bar_s != BAR_S:
        raise DataError(f"{path}: bars of {name} are {candles.bar_s} s long. Fix: give hourly bars")
    if not len(known):
        raise DataError(f"{path} holds too few bars of {name}. Fix: replace the file")
    if (known % BAR_S).any() or (np.diff(known) <= 0).any():
        raise DataError(f"{path}: bars of {name} are repeated or not whole hours. Fix: clean the file")
    if not (np.isfinite(values).all() and (values > 0).all()):
        raise DataError(f"{path}: a close of {name} is not positive and finite. Fix: clean the file")
    grid = np.full((known[-1] - known[0]) // BAR_S + 1, np.nan)
    grid[(known - known[0]) // BAR_S] = values
    return Series(symbol=name, first_s=int(known[0]), values=grid)


def _marks(path: Path) -> dict[str, Series]:
    series = (_series(candles, path) for candles in read_candles(path, price="mark", bar_s=BAR_S))
    return {one.symbol: one for one in series}


def _funding(path: Path) -> dict[str, Series]:
    """Return rates at the hour they were paid, for the 8 hours before; 0 at hours between."""
    found = {}
    for funding in read_funding(path):
        paid = funding.times_s // BAR_S
        grid = np.zeros(paid[-1] - paid[0] + 1)
        grid[paid - paid[0]] = np.nan_to_num(funding.rate)
        name = underlying_of(funding.symbol)
        found[name] = Series(symbol=name, first_s=int(paid[0]) * BAR_S, values=grid)
    return found


def _implied(path: Path) -> dict[str, Series]:
    found = {}
    for (symbol, _), track in read_volatility_index(path).tracks.items():
        hours = track.times_s // BAR_S
        grid = np.full(hours[-1] - hours[0] + 1, np.nan)
        grid[hours - hours[0]] = track.volatility
        found[symbol] = Series(symbol=symbol, first_s=int(hours[0]) * BAR_S, values=grid)
    return found
