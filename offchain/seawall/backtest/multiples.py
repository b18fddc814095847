"""The long-run multiples of tail normalisation, from what was known before a backtest begins."""

from __future__ import annotations

import numpy as np
import pandas as pd

from seawall.arrays import Floats
from seawall.backtest.data import History
from seawall.backtest.legs import past_moves
from seawall.backtest.settings import BacktestSettings
from seawall.margin.scenarios import by_side
from seawall.margin.tails import tail_means
from seawall.margin.volatility import sigma_path

__all__ = ["multiples_table"]


def multiples_table(history: History, settings: BacktestSettings) -> pd.DataFrame:
    """Return the shortfall of falls and of rises over their volatility, by symbol and pooled.

    `ES(|r| / sigma)` over all daily moves, one from each hour, that ended before the first present; symbols whose
    prices are then younger than `history_days` are left out. Nothing that the backtest judges is among them.
    """
    rows: list[dict[str, object]] = []
    pooled: list[Floats] = []
    for symbol, series in history.spot.items():
        bars = (settings.first_s - series.first_s) // 3600 + 1
        if bars < settings.history_days * 24:
            continue
        sizes = _standardised(series.values[:bars], settings)
        pooled.append(sizes)
        rows.append({"symbol": symbol, **_multiples(sizes, settings)})
    if pooled:
        rows.append({"symbol": "pooled", **_multiples(np.concatenate(pooled), settings)})
    return pd.DataFrame(rows)


def _standardised(closes: Floats, settings: BacktestSettings) -> Floats:
    """Return moves over the volatility of their own side known when they began, (N,)."""
    model = settings.model
    down, up = (sigma_path(closes[:, None], bar_h=1.0, settings=model, side=side)[:, 0] for side in (-1, 1))
    past = past_moves(closes, down, settings=model, sides=(down, up))
    sizes = past.moves / by_side(past.moves, down, up)
    found: Floats = sizes[np.isfinite(sizes)]
    return found


def _multiples(sizes: Floats, settings: BacktestSettings) -> dict[str, object]:
    falls, rises = (
        float(tail_means(side * sizes[:, None], alpha=settings.model.alpha)[0]) for side in (-1, 1)
    )
    return {"moves": len(sizes), "falls": falls, "rises": rises}
