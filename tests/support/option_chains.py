"""Real option chains as arrays, one underlying and time each; where the data lie is said in `tests.support.data`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet
from scipy.special import ndtri

from seawall.margin.pricing import black_price
from seawall.margin.screening import ChainQuotes

__all__ = ["CHAINS", "chain_count", "read_chains"]

CHAINS = (
    "deribit_options_BTC.parquet",
    "deribit_options_ETH.parquet",
    "deribit_options_BTC_20200521_depth.parquet",
    "deribit_options_ETH_20240108.parquet",
    "spx_option_universe_eod.parquet",
)
_YEAR_S = 365.0 * 86_400.0
_WHOLE = ("20200521", "20240108")
_CLOSE_HOUR = 21


def chain_count(folder: Path, name: str) -> int:
    """Return how many chains a file holds."""
    if any(day in name for day in _WHOLE):
        return 1
    times = pyarrow.parquet.read_table(folder / name, columns=["timestamp"])["timestamp"]
    return len(times.unique())


def read_chains(folder: Path, name: str, *, every: int = 1) -> Iterator[tuple[str, ChainQuotes]]:
    """Yield a label and the quotes of every n-th chain of a file, oldest first.

    The two files of one chain each were collected over minutes: every row has its own time and forward. Quotes of SPX
    are closes without bid, ask and forward: see `_with_forward`.
    """
    frame = pd.read_parquet(folder / name).astype({"strike": "float64"})
    if "spx" in name:
        frame = pd.concat([_with_forward(day) for _, day in frame.groupby("timestamp")])
    whole = any(day in name for day in _WHOLE)
    groups = [(None, frame)] if whole else list(frame.groupby("timestamp"))
    for _, rows in groups[::every]:
        yield f"{rows.symbol.iloc[0]} {rows.timestamp.min():%Y-%m-%d %H:%M}", _quotes(rows)


def _quotes(rows: pd.DataFrame) -> ChainQuotes:
    """Return rows as arrays."""

    def column(name: str) -> Any:
        there = name in rows.columns
        return rows[name].to_numpy(np.float64) if there else np.full(len(rows), np.nan)

    seconds = (rows.expiry - rows.timestamp).dt.total_seconds().to_numpy(np.float64)
    return ChainQuotes(
        expiry=(rows.expiry.dt.as_unit("s")).astype("int64").to_numpy(),
        tau_y=seconds / _YEAR_S,
        strike=column("strike"),
        forward=column("forward"),
        is_call=(rows.cp == "C").to_numpy(),
        bid=column("bid_price"),
        ask=column("ask_price"),
        mark=column("mark_price"),
        volatility=column("mark_iv"),
    )


def _with_forward(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one day's closes with the forwards that their volatilities and deltas imply, and prices at these.

    By expiry the median of `K exp(d1 s - s^2 / 2)`, `d1 = N^-1(delta)` (a put: `N^-1(1 + delta)`), over deltas of 0.15
    to 0.85; expiries with fewer than three such options are left out. Puts and calls of one strike, where both are
    there, say the same forward within 0.2%. There is no bid or ask: the price at the volatility stands for both.
    """
    seconds = (rows.expiry - rows.timestamp).dt.total_seconds() - 3600.0 * _CLOSE_HOUR
    deviation = rows.implied_volatility.astype("float64") * np.sqrt(seconds / _YEAR_S)
    call_delta = rows.delta.astype("float64") + (rows.cp == "P")
    usable = call_delta.between(0.15, 0.85) & (deviation > 0)
    each = rows.strike * np.exp(ndtri(call_delta.where(usable, 0.5)) * deviation - 0.5 * deviation**2)
    forward = each.where(usable).groupby(rows.expiry).transform("median")
    enough = usable.groupby(rows.expiry).transform("sum") >= 3
    kept = rows.assign(forward=forward, mark_iv=rows.implied_volatility, deviation=deviation)[
        enough & (deviation > 0)
    ]
    price = black_price(
        1.0,
        (kept.strike / kept.forward).to_numpy(),
        kept.deviation.to_numpy(),
        1.0,
        is_call=(kept.cp == "C").to_numpy(),
    )
    priced: pd.DataFrame = kept.assign(
        timestamp=kept.timestamp + pd.Timedelta(hours=_CLOSE_HOUR),
        bid_price=price,
        ask_price=price,
        mark_price=price,
    )
    return priced
