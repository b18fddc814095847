"""Basis trades: spot against its perpetual, marked at the exchange's mark price, funding included."""

from __future__ import annotations

import numpy as np
import pandas as pd

from seawall.arrays import Floats, Ints
from seawall.backtest.books import GROSS_FLOOR
from seawall.backtest.data import BAR_S, History, Series
from seawall.backtest.settings import BacktestSettings
from seawall.backtest.statistics import basel_zone

__all__ = ["basis_pnl", "basis_table"]


def basis_pnl(spot: Series, mark: Series, funding: Series | None, times_s: Ints) -> Floats:
    """Return the P&L of spot held long and its perpetual short for a day, over the spot, (N,).

    `(S1 - S0 - (F1 - F0)) / S0`, plus the funding that longs paid within the day; NaN where a price is missing.

    Parameters
    ----------
    spot, mark
        Closes.
    funding
        Rates at the hours they were paid; none by default.
    times_s
        Presents.
    """
    later = times_s + 24 * BAR_S
    now = spot.at(times_s)
    pnl: Floats = (spot.at(later) - now - mark.at(later) + mark.at(times_s)) / now
    if funding is not None:
        paid = [np.nan_to_num(funding.at(times_s + h * BAR_S)) for h in range(1, 25)]
        pnl = pnl + np.sum(paid, axis=0)
    return pnl


def basis_table(history: History, settings: BacktestSettings) -> pd.DataFrame:
    """Return how often the loss of a basis trade exceeds the floor of the initial requirement, by symbol and side.

    Spot and perpetual of one underlying move together in every scenario, so the shortfall of the trade is zero and
    what it posts is the floor on its gross notional, which the token held as collateral is no part of. A token cannot
    be sold short: the side long of the perpetual is there for who hedges elsewhere.
    """
    tail = 1.0 - settings.model.alpha
    floor = GROSS_FLOOR
    rows = []
    for symbol, mark in history.marks.items():
        if symbol not in history.spot:
            continue
        spot = history.spot[symbol]
        first = max(settings.first_s, spot.first_s, mark.first_s)
        last = min(settings.last_s, spot.last_s, mark.last_s)
        days = np.arange(
            -(-first // (24 * BAR_S)) * 24 * BAR_S, last - 48 * BAR_S, 24 * BAR_S, dtype=np.int64
        )
        if not len(days):
            continue
        parts = [
            basis_pnl(spot, mark, history.funding.get(symbol), days + h * BAR_S) for h in settings.phases_h
        ]
        for side, sign in (("short perpetual", 1.0), ("long perpetual", -1.0)):
            losses = [-sign * part[np.isfinite(part)] for part in parts]
            joined = np.concatenate(losses)
            beyond = joined > floor
            zones = [basel_zone(int((x > floor).sum()), len(x), probability=tail).value for x in losses]
            rows.append(
                {
                    "symbol": symbol,
                    "side": side,
                    "windows": len(joined),
                    "floor": floor,
                    "breach_rate": float(beyond.mean()),
                    "loss_99": float(np.quantile(joined, 1.0 - tail)),
                    "worst_loss": float(joined.max()),
                    "mean_loss_beyond": float((joined - floor)[beyond].mean()) if beyond.any() else 0.0,
                    "zone": max(zones, key=("green", "yellow", "red").index),
                }
            )
    return pd.DataFrame(rows)
