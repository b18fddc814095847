"""Implied volatilities from whichever file an operator has: quotes, or candles of an index of 30-day volatility."""

from __future__ import annotations

import csv
from pathlib import Path

from seawall.market.implied import ImpliedQuotes, read_implied
from seawall.market.readers import read_volatility_index

__all__ = ["read_implied_volatilities"]


def read_implied_volatilities(path: Path) -> ImpliedQuotes:
    """Return the quotes of a file: candles, such as `seawall record index` writes, or rows as of `market.implied`.

    A CSV file with a column `timestamp`, and a parquet file, is one of candles.

    Raises
    ------
    DataError
        If the file cannot be read or lacks a column.
    ConfigError
        If it is parquet and pyarrow is not installed.
    """
    return read_volatility_index(path) if _holds_candles(path) else read_implied(path)


def _holds_candles(path: Path) -> bool:
    """Say whether a file is one of candles; one that cannot be read counts as one of quotes, for its error."""
    if path.suffix in (".parquet", ".pq"):
        return True
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            return "timestamp" in next(csv.reader(lines), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return False
