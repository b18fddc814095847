"""Deribit's index of 30-day implied volatility (DVOL), by `public/get_volatility_index_data`.

ccxt knows the request and has no method of its own for it. An answer holds candles [start in milliseconds, open, high,
low, close] in percentage points, the newest of the span; if it does not reach back to its start, `continuation` is the
end of the span to ask for next. Rows that are none are left out and counted as the rules for bad data do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from seawall.errors import ConfigError, DataError
from seawall.market.exchange import Exchange
from seawall.market.findings import Rule, finding, log_findings
from seawall.market.schema import Candles

__all__ = ["INDEX_BARS_S", "volatility_index"]

# Lengths of candles that there are.
INDEX_BARS_S = (1, 60, 3600, 43_200, 86_400)

_DAY_S, _MS = 86_400, 1000
_POINTS = (1.0, 500.0)
_EXCHANGE = "deribit"


def volatility_index(
    exchange: Exchange,
    currency: str,
    *,
    bar_s: int,
    first_s: int,
    last_s: int,
    on_page: Callable[[int], None] | None = None,
) -> Candles:
    """Return the candles of a currency's index that start within [first_s, last_s), as the symbol DVOL_currency.

    Parameters
    ----------
    exchange
        Deribit.
    on_page
        Is told back to which time candles have been read, after every answer.

    Raises
    ------
    ConfigError
        If it is another exchange, or there are no candles of that length.
    DataError
        If it refuses, or answers what is none.
    RpcError
        If it does not answer.
    """
    if exchange.name != _EXCHANGE:
        raise ConfigError(f"{exchange.name} has no index of volatility that is read. Fix: use {_EXCHANGE}")
    if bar_s not in INDEX_BARS_S:
        raise ConfigError(
            f"the index of volatility has no bars of {bar_s} s. Fix: choose from {INDEX_BARS_S} seconds"
        )
    asked = {
        "currency": currency,
        "resolution": "1D" if bar_s == _DAY_S else str(bar_s),
        "start_timestamp": first_s * _MS,
    }
    rows: list[Sequence[Any]] = []
    end_ms = last_s * _MS - 1
    while end_ms >= first_s * _MS:
        found = exchange.ask(
            "volatility index",
            "public_get_get_volatility_index_data",
            asked | {"end_timestamp": end_ms},
            markets=False,
        )
        page, follows = exchange.parsed("volatility index", partial(_page, found))
        rows += page
        if follows is None or follows >= end_ms:  # nothing older, or no way on
            break
        end_ms = follows
        if on_page is not None:
            on_page(end_ms // _MS)
    return _candles(f"DVOL_{currency}", rows, bar_s=bar_s, first_s=first_s, last_s=last_s)


def _page(answer: Any) -> tuple[list[Sequence[Any]], int | None]:
    """Return the rows of an answer, and what it says to ask for next."""
    result = answer["result"]
    follows = result.get("continuation")
    return [list(row) for row in result["data"]], None if follows is None else int(follows)


def _candles(symbol: str, rows: Sequence[Sequence[Any]], *, bar_s: int, first_s: int, last_s: int) -> Candles:
    """Return candles of rows in any order, some perhaps twice; those out of bounds are left out and logged."""
    try:
        table = np.array([[float(v) for v in row[:5]] for row in rows], dtype=np.float64).reshape(-1, 5)
    except (TypeError, ValueError) as error:
        raise DataError(f"{_EXCHANGE} answered volatility index with what is none: {error!r}") from error
    whole = np.isfinite(table).all(axis=1)
    table = table[whole]
    starts = (table[:, 0] // _MS).astype(np.int64)
    order = np.unique(starts, return_index=True)[1]
    table, starts = table[order], starts[order]
    low, high = table[:, 1:].min(axis=1, initial=np.inf), table[:, 1:].max(axis=1, initial=-np.inf)
    sound = (low >= _POINTS[0]) & (high <= _POINTS[1])
    if not sound.all():
        log_findings([finding(Rule.BAD_PRICE, symbol, starts[~sound])])
    kept = sound & (starts >= first_s) & (starts < last_s)
    columns = dict(zip(("open", "high", "low", "close"), table[kept, 1:].T, strict=True))
    return Candles(
        symbol=symbol, start_s=starts[kept], volume=np.full(int(kept.sum()), np.nan), bar_s=bar_s, **columns
    )
