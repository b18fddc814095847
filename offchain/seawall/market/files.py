"""Bars from files that somebody appends to: joint ones, or candles of one or several sources."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from seawall.errors import DataError
from seawall.market.bars import Bars
from seawall.market.joining import usable_bars
from seawall.market.readers import read_candles

__all__ = ["read_bars", "read_csv"]

_LAST_S = 1 << 40  # as far as pages count seconds; milliseconds lie beyond


def read_bars(path: Path, *, now_s: int | None = None) -> Bars:
    """Return joint bars of a file in either form, or of all files of candles in a folder.

    A CSV file without a column ``timestamp`` is one of joint bars (`read_csv`) and is taken as it is. Others are
    candles (`read_candles`): they pass the rules for bad data, sources of the same underlying must agree, and their
    join is named by underlying.

    Raises
    ------
    DataError
        If nothing can be read, or too little is left.
    ConfigError
        If a file is parquet and pyarrow is not installed.
    """
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix in (".csv", ".parquet", ".pq"))
        if not files:
            raise DataError(
                f"{path} holds no .csv and no .parquet file. Fix: correct keeper.market_data, or --data"
            )
        return usable_bars([c for file in files for c in read_candles(file)], now_s=now_s)
    return read_csv(path) if _is_joint(path) else usable_bars(read_candles(path), now_s=now_s)


def read_csv(path: Path) -> Bars:
    """Return the bars of a CSV file.

    The header is ``known_at,BTC.close,BTC.traded_value,ETH.close,...``; ``known_at`` is when the bar was complete, as
    seconds since 1970 or ISO 8601 in UTC; closes are settlement tokens for one unit, traded values settlement tokens
    a bar. Rows in which a number is missing, not finite, or not positive are left out and counted, as are those whose
    time is no number of seconds since 1970 (of milliseconds) and repeated times. The bar length is
    the most common distance between rows.

    Raises
    ------
    DataError
        If the file cannot be read, lacks a column, or holds fewer than two usable rows.
    """
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            reader = csv.reader(lines)
            header = next(reader, [])
            rows = [row for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"cannot read market data {path}: {_reason(error)}. Fix: correct keeper.market_data, or --data"
        ) from error
    symbols = tuple(name.removesuffix(".close") for name in header if name.endswith(".close"))
    missing = [name for name in ("known_at", *(f"{s}.traded_value" for s in symbols)) if name not in header]
    if missing or not symbols:
        raise DataError(
            f"{path.name} lacks the column {(missing or ['SYMBOL.close'])[0]}. Fix: see the header in docs"
        )
    columns = [header.index(name) for s in symbols for name in (f"{s}.close", f"{s}.traded_value")]
    usable: dict[int, list[float]] = {}
    for row in rows:
        values = _numbers(row, header.index("known_at"), columns)
        if values is not None and values[0] not in usable:
            usable[values[0]] = values[1]
    if len(usable) < 2:
        raise DataError(f"{path.name} holds {len(usable)} usable rows. Fix: give it a history of prices")
    times = np.array(sorted(usable), dtype=np.int64)
    numbers = np.array([usable[t] for t in times.tolist()])
    distances, counts = np.unique(np.diff(times), return_counts=True)
    return Bars(
        symbols=symbols,
        known_at=times,
        closes=numbers[:, 0::2],
        traded_value=numbers[:, 1::2],
        bar_s=int(distances[np.argmax(counts)]),
        dropped=len(rows) - len(usable),
    )


def _is_joint(path: Path) -> bool:
    """Say whether a file has the header of joint bars; one that cannot be read counts as such, for its error."""
    if path.suffix in (".parquet", ".pq"):
        return False
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            return "timestamp" not in next(csv.reader(lines), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return True


def _numbers(row: list[str], time_column: int, columns: list[int]) -> tuple[int, list[float]] | None:
    """Return time and numbers of a row, or None if any is unusable."""
    try:
        time_s = _seconds(row[time_column])
        values = [float(row[c]) for c in columns]
    except (ValueError, IndexError, OverflowError):
        return None
    good = 0 <= time_s < _LAST_S and all(np.isfinite(values))
    good = good and all(v > 0 for v in values[0::2]) and all(v >= 0 for v in values[1::2])
    return (time_s, values) if good else None


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _seconds(text: str) -> int:
    if text.strip().lstrip("-").isdigit():
        return int(text)
    moment = datetime.fromisoformat(text.strip())
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
