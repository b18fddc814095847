"""Appends what a source said to the files that keepers read, a whole line at a time."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from seawall.arrays import Floats
from seawall.errors import DataError
from seawall.market.readers import read_candles
from seawall.market.schema import Candles, OrderBook

__all__ = ["record_candles", "record_order_book", "record_volatilities"]

_CANDLES = ("timestamp", "open", "high", "low", "close", "volume", "symbol")
_LEVELS = ("timestamp", "symbol", "side", "price", "qty")
_VOLATILITIES = ("observed_at", "underlying", "tenor_days", "volatility")


def record_candles(path: Path, candles: Candles, *, now_s: int) -> int:
    """Append the bars that are complete and later than the symbol's last in the file; return how many.

    A bar is written once and never changed: what a source says of the past later does not alter what keepers used.

    Raises
    ------
    DataError
        If the file cannot be read or written, or is not one of candles.
    """
    last_s = -1
    if path.exists() and path.stat().st_size:
        known = [c for c in read_candles(path, bar_s=candles.bar_s) if c.symbol == candles.symbol]
        last_s = int(known[0].start_s[-1]) if known and len(known[0].start_s) else -1
    done = candles.until(now_s)
    new = done.rows(done.start_s > last_s)
    columns = (new.start_s, new.open, new.high, new.low, new.close, new.volume)
    rows = [[*map(_text, row), candles.symbol] for row in zip(*columns, strict=True)]
    return _append(path, _CANDLES, rows)


def record_order_book(path: Path, book: OrderBook, *, levels: int = 100) -> int:
    """Append the best levels of a book; return how many rows.

    Raises
    ------
    DataError
        If the file cannot be written, or has other columns.
    """
    rows = [
        [str(book.time_s), book.symbol, side, _text(price), _text(quantity)]
        for side, array in (("B", book.bids), ("A", book.asks))
        for price, quantity in array[:levels]
    ]
    return _append(path, _LEVELS, rows)


def record_volatilities(
    path: Path, underlying: str, *, observed_at: int, tenors_d: Floats, volatility: Floats
) -> int:
    """Append the volatilities that are known at some tenors, as `keeper.implied_data` has them; return how many.

    Parameters
    ----------
    tenors_d, volatility
        Days, and annual fractions, NaN where there is none, as `tenor_volatilities` returns them, (T,).

    Raises
    ------
    DataError
        If the file cannot be written, or has other columns.
    """
    rows = [
        [str(observed_at), underlying, f"{days:g}", _text(level)]
        for days, level in zip(tenors_d.tolist(), volatility.tolist(), strict=True)
        if np.isfinite(level)
    ]
    return _append(path, _VOLATILITIES, rows)


def _append(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> int:
    """Append rows in one write, under the header if the file is new; a line that was broken off is ended first."""
    written = list(rows)
    try:
        with path.open("a+b") as file:
            file.seek(0, os.SEEK_END)
            size = file.tell()
            text = io.StringIO()
            writer = csv.writer(text, lineterminator="\n")
            if size:
                file.seek(0)
                _check_header(file.readline(), header, path)
                file.seek(size - 1)
                text.write("" if file.read(1) == b"\n" else "\n")
            else:
                writer.writerow(header)
            writer.writerows(written)
            file.write(text.getvalue().encode())
    except OSError as error:
        raise DataError(
            f"cannot write {path}: {error.strerror}. Fix: correct the path or its rights"
        ) from error
    return len(written)


def _check_header(line: bytes, header: Sequence[str], path: Path) -> None:
    found = line.decode(errors="replace").strip().split(",")[: len(header)]
    if found != list(header):
        raise DataError(
            f"{path.name} has the columns {','.join(found)}. Fix: record {','.join(header)} elsewhere"
        )


def _text(value: object) -> str:
    """Return the shortest text that reads back as the same number, nothing for NaN."""
    number = float(value)  # type: ignore[arg-type]
    if np.isnan(number):
        return ""
    return repr(int(number)) if number.is_integer() and abs(number) < 2**53 else repr(number)
