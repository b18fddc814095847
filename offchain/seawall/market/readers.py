"""Readers that fill the schema from CSV or parquet files; the columns are named as in docs/keepers.md."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from seawall.arrays import Floats, Ints
from seawall.errors import DataError
from seawall.market.implied import ImpliedQuotes, Track
from seawall.market.schema import Candles, Funding, OptionQuotes, OrderBook, Rounds
from seawall.market.tables import Table, read_table

__all__ = [
    "read_candles",
    "read_funding",
    "read_option_books",
    "read_options",
    "read_order_books",
    "read_rounds",
    "read_volatility_index",
]


def read_candles(
    path: Path, *, price: Literal["trade", "mark"] = "trade", bar_s: int | None = None
) -> tuple[Candles, ...]:
    """Return the bars of every symbol of a file, by name.

    Columns: `timestamp` (start of the bar), `symbol`, `close`; `open`, `high`, `low` (the close stands where there are
    none) and `volume` (base currency). `price="mark"` reads `mark_close`, `mark_high`, `mark_low` of a perpetual
    instead, and leaves out rows without them. Everything else is left in: see `seawall.market.rules`.

    Parameters
    ----------
    bar_s
        Length of a bar; by default the most common distance between rows.

    Raises
    ------
    DataError
        If a column is missing, or `bar_s` is not given and a symbol has but one row.
    """
    prefix = "mark_" if price == "mark" else ""
    table = read_table(path, required=("timestamp", "symbol", f"{prefix}close"))
    start, close, volume = table.times("timestamp"), table.numbers(f"{prefix}close"), table.numbers("volume")
    opened, high, low = (
        table.numbers(n) if table.has(n) else close
        for n in (("open" if not prefix else ""), f"{prefix}high", f"{prefix}low")
    )
    found = []
    for symbol, rows in _by_symbol(table, start):
        if prefix:
            rows = rows[np.isfinite(close[rows])]
        found.append(
            Candles(
                symbol=symbol,
                start_s=start[rows],
                open=opened[rows],
                high=high[rows],
                low=low[rows],
                close=close[rows],
                volume=volume[rows],
                bar_s=bar_s or _distance(start[rows], f"{path.name}: {symbol}"),
            )
        )
    return tuple(found)


def read_funding(path: Path) -> tuple[Funding, ...]:
    """Return the funding of every symbol of a file: `timestamp` (when paid), `funding_rate`, `symbol`.

    Raises
    ------
    DataError
        If a column is missing.
    """
    table = read_table(path, required=("timestamp", "funding_rate", "symbol"))
    times, rate = table.times("timestamp"), table.numbers("funding_rate")
    return tuple(
        Funding(symbol=symbol, times_s=times[rows], rate=rate[rows])
        for symbol, rows in _by_symbol(table, times)
    )


def read_rounds(path: Path) -> tuple[Rounds, ...]:
    """Return what every feed of a file published: `timestamp`, `price`, `symbol`.

    Raises
    ------
    DataError
        If a column is missing.
    """
    table = read_table(path, required=("timestamp", "price", "symbol"))
    times, price = table.times("timestamp"), table.numbers("price")
    return tuple(
        Rounds(symbol=symbol, times_s=times[rows], price=price[rows])
        for symbol, rows in _by_symbol(table, times)
    )


def read_options(path: Path, *, inverse: bool = True) -> tuple[OptionQuotes, ...]:
    """Return the option quotes of every underlying of a file.

    Columns: `timestamp`, `expiry`, `strike`, `cp` (C or P), `forward`, `index_price`, `mark_price`, `symbol`; and
    `bid_price`, `ask_price`, `mark_iv` (a fraction), `open_interest`, `volume_24h`, NaN where they are empty or there
    is no such column. A premium of 0 is no bid and no ask.

    Raises
    ------
    DataError
        If a column is missing.
    """
    table = read_table(
        path,
        required=("timestamp", "expiry", "strike", "cp", "forward", "index_price", "mark_price", "symbol"),
    )
    times, expiry, is_call = table.times("timestamp"), table.times("expiry"), table.texts("cp") == "C"
    columns = {
        "strike": "strike",
        "forward": "forward",
        "index": "index_price",
        "bid": "bid_price",
        "ask": "ask_price",
        "mark": "mark_price",
        "mark_iv": "mark_iv",
        "open_interest": "open_interest",
        "volume_24h": "volume_24h",
    }
    numbers = {name: table.numbers(column) for name, column in columns.items()}
    for side in ("bid", "ask"):
        numbers[side] = np.where(numbers[side] == 0, np.nan, numbers[side])
    return tuple(
        OptionQuotes(
            symbol=symbol,
            times_s=times[rows],
            expiry_s=expiry[rows],
            is_call=is_call[rows],
            inverse=inverse,
            **{name: values[rows] for name, values in numbers.items()},
        )
        for symbol, rows in _by_symbol(table, times)
    )


def read_option_books(path: Path) -> tuple[OrderBook, ...]:
    """Return the order book of every row of a file of option quotes.

    `bids_json` and `asks_json` hold [[price, amount], ...]. The symbol is UNDERLYING-EXPIRY-STRIKE-C or P, the expiry
    in seconds since 1970.

    Raises
    ------
    DataError
        If a column is missing, or a book is malformed.
    """
    table = read_table(
        path, required=("timestamp", "expiry", "strike", "cp", "symbol", "bids_json", "asks_json")
    )
    names = zip(
        table.texts("symbol"), table.times("expiry"), table.numbers("strike"), table.texts("cp"), strict=True
    )
    sides = zip(table.texts("bids_json"), table.texts("asks_json"), strict=True)
    found = []
    for (symbol, expiry, strike, cp), time_s, (bids, asks) in zip(
        names, table.times("timestamp"), sides, strict=True
    ):
        name = f"{symbol}-{expiry}-{strike:g}-{cp}"
        try:
            levels = json.loads(bids), json.loads(asks)
        except ValueError as error:
            raise DataError(f"{path.name}: the book of {name} is not JSON: {error}") from error
        found.append(OrderBook.of_levels(name, int(time_s), *levels))
    return tuple(found)


def read_order_books(path: Path) -> tuple[OrderBook, ...]:
    """Return every snapshot of a file, by symbol and time: `timestamp`, `symbol`, `side` (B or A), `price`, `qty`.

    Quantities are taken as they stand: of contracts that are not one coin each, the caller converts them. A level
    without both numbers is left out.

    Raises
    ------
    DataError
        If a column is missing, or a book is malformed.
    """
    table = read_table(path, required=("timestamp", "symbol", "side", "price", "qty"))
    times, side = table.times("timestamp"), table.texts("side")
    levels = np.column_stack([table.numbers("price"), table.numbers("qty")])
    found = []
    for symbol, rows in _by_symbol(table, times):
        for time_s, part in zip(*_runs(times[rows], rows), strict=True):
            whole = part[np.isfinite(levels[part]).all(axis=1)]
            bids, asks = whole[side[whole] == "B"], whole[side[whole] == "A"]
            found.append(OrderBook.of_levels(symbol, time_s, levels[bids].tolist(), levels[asks].tolist()))
    return tuple(found)


def read_volatility_index(path: Path) -> ImpliedQuotes:
    """Return the closes of an index of 30-day volatility in percentage points, such as DVOL, as implied quotes.

    A close is known at the end of its bar. The symbol DVOL_BTC is of the underlying BTC.

    Raises
    ------
    DataError
        If a column is missing.
    """
    tracks = {}
    rejected = 0
    for candles in read_candles(path):
        good = np.isfinite(candles.close) & (candles.close >= 1.0) & (candles.close <= 500.0)
        rejected += int((~good).sum())
        kept = candles.rows(good)
        none = np.full(len(kept.close), np.nan)
        tracks[(candles.symbol.removeprefix("DVOL_"), 30.0)] = Track(
            times_s=kept.known_at, volatility=kept.close / 100.0, correlation=none, slope=none
        )
    return ImpliedQuotes(tracks=tracks, rejected=rejected)


def _by_symbol(table: Table, times: Ints) -> Iterator[tuple[str, Ints]]:
    """Yield every symbol, by name, and its rows in the order of time, of the file where times are equal.

    Rows without a symbol, such as a line that was broken off, are left out.
    """
    symbols, inverse = np.unique(table.texts("symbol"), return_inverse=True)
    order = np.lexsort((times, inverse)).astype(np.int64)
    edges = np.searchsorted(inverse[order], np.arange(len(symbols) + 1))
    for i, symbol in enumerate(symbols):
        if not symbol:
            continue
        yield str(symbol), order[edges[i] : edges[i + 1]]


def _runs(times: Ints, rows: Ints) -> tuple[list[int], list[Ints]]:
    """Return every different time, and the rows that share it."""
    unique, first = np.unique(times, return_index=True)
    return unique.tolist(), np.split(rows, first[1:])


def _distance(start: Ints, where: str) -> int:
    """Return the most common distance between rows that differ."""
    gaps: Floats = np.diff(np.unique(start))
    if not len(gaps):
        raise DataError(f"{where} has a single bar: say how long it is with bar_s")
    distances, counts = np.unique(gaps, return_counts=True)
    return int(distances[np.argmax(counts)])
