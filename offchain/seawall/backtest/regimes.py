"""Breaches by the state of the market: named crises, and volatile or calm days outside them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from seawall.arrays import Ints
from seawall.backtest.coverage import Side
from seawall.backtest.data import History
from seawall.backtest.settings import CRISES

__all__ = ["breaches_by_regime", "regime_of"]

_LEAD = "BTC"
_LOOKBACK_BARS = 30 * 24


def regime_of(times_s: Ints, history: History) -> list[str]:
    """Return the regime of each present: `crisis`, else `volatile` or `calm`.

    Volatile: the 30-day realised volatility of the lead symbol known then is above its median over all presents.
    The median is hindsight, which a margin never sees; it only sorts results.
    """
    lead = history.spot.get(_LEAD) or next(iter(history.spot.values()))
    logs = pd.Series(np.log(lead.values))
    realised = logs.diff().rolling(_LOOKBACK_BARS, min_periods=_LOOKBACK_BARS // 2).std().to_numpy()
    rows = lead.rows(times_s)
    known = np.where(rows >= 0, realised[rows], np.nan)
    middle = np.nanmedian(known) if np.isfinite(known).any() else np.inf
    regime = np.where(known > middle, "volatile", "calm").astype(object)
    for crisis in CRISES:
        regime[(times_s >= crisis.first_s) & (times_s < crisis.last_s)] = "crisis"
    return [str(name) for name in regime]


def breaches_by_regime(sides: list[Side], history: History) -> pd.DataFrame:
    """Return breach rates at face value and average margins by method and regime, over symbols and sides."""
    parts = []
    for side in sides:
        parts.append(
            pd.DataFrame(
                {
                    "method": side.method,
                    "regime": regime_of(side.times_s, history),
                    "breach_rate": side.breaches.astype(np.float64),
                    "mean_margin": side.margin,
                }
            )
        )
    groups = pd.concat(parts).groupby(["method", "regime"], sort=False)
    table = groups.mean()
    table["windows"] = groups.size()
    return table.reset_index()
