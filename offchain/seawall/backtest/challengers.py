"""What others ask for a single leg: fixed parameters and historical simulation, as fractions of the price."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from seawall.arrays import Floats, Ints
from seawall.backtest.legs import past_moves
from seawall.errors import DataError
from seawall.margin.settings import ModelSettings
from seawall.margin.volatility import ewma_variance, log_closes, observed_rows

__all__ = [
    "ASSETS_ALIKE",
    "filtered_value_at_risk",
    "leverage_tier",
    "scan_range",
    "static_shortfall",
    "value_at_risk",
]

# Grid models for one linear leg: the largest move of the grid, and what is charged on top of it. Their tail rows,
# damped, ask for less: -66% at .21, -33% at .42, +50% at .27 and so on make 13 to 14%.
ASSETS_ALIKE: dict[str, float] = {
    "deribit-grid": 0.16,  # +-16% in nine buckets, extended rows damped
    "derive-pmrm2": 0.18 + 0.03,  # +-18% and the contingency of a perpetual
    "paradex-grid": 0.16 + 0.02,  # +-16% and the floor on the net delta
}

_YEAR_BARS = 365 * 24
# Half-lives of plain filtered historical simulation, hours, and the limits of its factor.
_PLAIN_H = (72.0, 1440.0)
_PLAIN_LIMITS = (0.5, 2.5)


def static_shortfall(closes: Floats, rows: Ints, *, settings: ModelSettings) -> Floats:
    """Return a margin that is set once: the expected shortfall of all moves known at the first row, (N, 2)."""
    past = past_moves(closes, np.ones(len(closes)), settings=settings)
    moves = past.moves[: max(rows[0] - past.horizon + 1, 0)]
    moves = moves[np.isfinite(moves)]
    if not len(moves):
        raise DataError("no move is known at the first row: supply more history")
    deep = max(round((1.0 - settings.alpha) * len(moves)), 1)
    ordered = np.sort(moves)
    long, short = -np.expm1(ordered[:deep]).mean(), np.expm1(ordered[-deep:]).mean()
    return np.tile([long, short], (len(rows), 1))


def value_at_risk(closes: Floats, rows: Ints, *, settings: ModelSettings) -> Floats:
    """Return the historical value at risk of the same window and level as the model's, long and short, (N, 2)."""
    return _quantiles(closes, np.ones(len(closes)), rows, settings=settings, limits=(1.0, 1.0))


def filtered_value_at_risk(closes: Floats, rows: Ints, *, settings: ModelSettings) -> Floats:
    """Return the value at risk of plain filtered historical simulation, (N, 2).

    The volatility is the mean of two exponentially weighted ones, half-lives 3 and 60 days, without cap, floor,
    stress rows or limit on falls.
    """
    return _quantiles(closes, _plain_sigma(closes), rows, settings=settings, limits=_PLAIN_LIMITS)


def scan_range(closes: Floats, rows: Ints, times_s: Ints, *, settings: ModelSettings) -> Floats:
    """Return the price scan range of SPAN, (N, 2): the same either way.

    The range is the 99% quantile of absolute moves of the last year, set on the first of each month. For one linear
    leg the largest of the sixteen scenarios is the whole range; the extreme move, three ranges covered to 33%, is
    less.
    """
    past = past_moves(closes, np.ones(len(closes)), settings=settings)
    months = times_s.astype("datetime64[s]").astype("datetime64[M]")
    found = np.empty(len(rows))
    for month in np.unique(months):
        inside = months == month
        at = int(rows[inside].min())
        recent = past.moves[max(at - _YEAR_BARS, 0) : at - past.horizon + 1 : past.step]
        found[inside] = np.quantile(np.abs(np.expm1(recent[np.isfinite(recent)])), settings.alpha)
    return np.column_stack([found, found])


def leverage_tier(path: Path, symbol: str, *, notional: float) -> float:
    """Return the initial margin that an exchange's leverage tiers ask for a position, over its value.

    Raises
    ------
    DataError
        If the file is broken or does not know the symbol or the size.
    """
    try:
        tiers: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))[f"{symbol}/USDT:USDT"]
        fitting = [t for t in tiers if t["minNotional"] <= notional <= t["maxNotional"]]
        return 1.0 / float(fitting[0]["maxLeverage"])
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise DataError(
            f"{path} has no leverage tier of {symbol} for {notional:,.0f}. Fix: replace the file"
        ) from error


def _plain_sigma(closes: Floats) -> Floats:
    logs = log_closes(closes[:, None])
    rows = observed_rows(logs)
    squares = np.diff(logs[rows], axis=0) ** 2 / np.diff(rows)[:, None]
    parts = [np.sqrt(ewma_variance(squares, half_life_bars=h))[:, 0] for h in _PLAIN_H]
    sigma = np.full(len(closes), np.nan)
    sigma[rows[1:]] = np.mean(parts, axis=0)
    sigma[: rows[0] + 14 * 24] = np.nan
    return np.where(sigma > 0, sigma, np.nan)


def _quantiles(
    closes: Floats, sigma: Floats, rows: Ints, *, settings: ModelSettings, limits: tuple[float, float]
) -> Floats:
    past = past_moves(closes, sigma, settings=settings)
    found = np.empty((len(rows), 2))
    for i, row in enumerate(rows):
        moves = past.at(int(row), lower=limits[0], upper=limits[1])
        if not len(moves):
            raise DataError(f"row {row} has no past move: supply more history")
        rank = max(int(np.ceil((1.0 - settings.alpha) * len(moves))), 1) - 1
        parted = np.partition(moves, (rank, len(moves) - 1 - rank))
        found[i] = -np.expm1(parted[rank]), np.expm1(parted[len(moves) - 1 - rank])
    return np.maximum(found, 0.0)
