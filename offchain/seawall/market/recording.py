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
from seawall.market.schema import Candles, Funding, OptionQuotes, OrderBook
from seawall.market.tables import read_table

__all__ = [
    "last_recorded",
    "record_candles",
    "record_funding",
    "record_options",
    "record_order_book",
    "record_volatilities",
]

_CANDLES = ("timestamp", "open", "high", "low", "close", "volume", "symbol")
_FUNDING = ("timestamp", "funding_rate", "symbol")
_OPTIONS = (
    *("timestamp", "expiry", "strike", "cp", "forward", "index_price", "bid_price", "ask_price"),
    *("mark_price", "mark_iv", "open_interest", "volume_24h", "symbol"),
)
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
    last_s = last_recorded(path, candles.symbol)
    done = candles.until(now_s)
    new = done if last_s is None else done.rows(done.start_s > last_s)
    columns = (new.start_s, new.open, new.high, new.low, new.close, new.volume)
    rows = [[*map(_text, row), candles.symbol] for row in zip(*columns, strict=True)]
    return _append(path, _CANDLES, rows)


def record_funding(path: Path, funding: Funding) -> int:
    """Append what was paid later than the symbol's last payment in the file; return how many rows.

    Raises
    ------
    DataError
        If the file cannot be read or written, or has other columns.
    """
    last_s = last_recorded(path, funding.symbol)
    rows = [
        [str(time_s), _text(rate), funding.symbol]
        for time_s, rate in zip(funding.times_s.tolist(), funding.rate.tolist(), strict=True)
        if last_s is None or time_s > last_s
    ]
    return _append(path, _FUNDING, rows)


def record_options(path: Path, quotes: OptionQuotes) -> int:
    """Append quotes of options, as `keeper.chain_data` has them; return how many rows.

    Raises
    ------
    DataError
        If premiums are not in coin, which the columns do not tell; or the file cannot be written, or has other columns.
    """
    if not quotes.inverse:
        raise DataError(
            f"premiums of {quotes.symbol} are not in coin, which such files take them for. Fix: record deribit's"
        )
    names = ("forward", "index", "bid", "ask", "mark", "mark_iv", "open_interest", "volume_24h")
    columns = [[_text(v) for v in getattr(quotes, name).tolist()] for name in names]
    kinds = ["C" if call else "P" for call in quotes.is_call.tolist()]
    heads = zip(
        quotes.times_s.tolist(),
        quotes.expiry_s.tolist(),
        map(_text, quotes.strike.tolist()),
        kinds,
        strict=True,
    )
    rows = [
        [*map(str, head), *numbers, quotes.symbol] for head, *numbers in zip(heads, *columns, strict=True)
    ]
    return _append(path, _OPTIONS, rows)


def last_recorded(path: Path, symbol: str) -> int | None:
    """Return the newest time of a symbol in a file, seconds; None if there is none, or no file.

    Raises
    ------
    DataError
        If the file cannot be read, lacks times or symbols, or is no CSV, to which alone rows can be appended.
    """
    if path.suffix in (".parquet", ".pq"):
        raise DataError(f"cannot append to {path.name}. Fix: record to a .csv file")
    if not path.exists() or not path.stat().st_size:
        return None
    table = read_table(path, required=("timestamp", "symbol"))
    rows = table.texts("symbol") == symbol
    return int(table.times("timestamp")[rows].max()) if rows.any() else None


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
