"""How close the bounds of the requirement lie to full simulation: lanes below, gross legs above, by month."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from seawall.backtest.books import Universe, books_at
from seawall.backtest.data import BAR_S, History
from seawall.backtest.families import universes
from seawall.backtest.pieces import Piece
from seawall.backtest.settings import BacktestSettings
from seawall.backtest.store import piece_key, source_digest
from seawall.backtest.walk import walk_forward
from seawall.margin.perpetuals import assess, spot_pnl
from seawall.margin.shortfall import shortfall_alone

if TYPE_CHECKING:
    from seawall.arrays import Floats

__all__ = ["tightness_pieces", "tightness_table"]

_EVERY_DAYS = 91
_LEVELS = (0.0, 0.01, 0.5)
_DAY_S = 24 * BAR_S
# Books below this share of their gross legs are near-perfect hedges, which floors cover.
_LEAST_SHORTFALL = 0.02
_SOURCES = (
    "margin/volatility.py",
    "margin/scenarios.py",
    "margin/tails.py",
    "margin/shortfall.py",
    "margin/perpetuals.py",
    "margin/lanes.py",
    "margin/design.py",
    "margin/adversary.py",
    "margin/breaks.py",
    "backtest/walk.py",
    "backtest/books.py",
    "backtest/tightness.py",
)


def tightness_pieces(history: History, settings: BacktestSettings) -> list[Piece]:
    """Return the work, one present of the universe of all symbols a piece."""
    found = universes(history)
    if not found:
        return []
    universe = found[0]
    last = min(settings.last_s, universe.first_s + BAR_S * (len(universe.closes) - 1))
    first = max(settings.first_s, universe.first_s + settings.history_days * _DAY_S)
    source = source_digest(*_SOURCES)
    pieces = []
    for time_s in range(-(-first // _DAY_S) * _DAY_S, last, _EVERY_DAYS * _DAY_S):
        end = (time_s - universe.first_s) // BAR_S + 1
        if not np.isfinite(universe.closes[end - 1]).all():
            continue
        seen = Universe(
            name=universe.name,
            symbols=universe.symbols,
            roles=universe.roles,
            first_s=universe.first_s,
            closes=universe.closes[:end],
        )
        told = (settings.random_books, settings.books_seed)
        pieces.append(
            Piece(
                name=f"tightness {np.datetime64(time_s, 's').astype('datetime64[D]')}",
                key=piece_key("tightness", settings.model, told, source, seen.closes, seen.first_s),
                function=_tightness_piece,
                arguments=(seen, time_s, settings),
            )
        )
    return pieces


def _tightness_piece(universe: Universe, time_s: int, settings: BacktestSettings) -> Mapping[str, Floats]:
    """Return the ratios of one present: lanes over shortfall of live and unseen books, and legs over shortfall."""
    model = settings.model
    walk = walk_forward(universe.closes, bar_h=1.0, roles=universe.roles, settings=model)
    scenarios = walk.scenarios(len(universe.closes) - 1)
    live = books_at(
        scenarios, alpha=model.alpha, random_books=settings.random_books, seed=settings.books_seed
    )
    unseen = books_at(
        scenarios, alpha=model.alpha, random_books=settings.random_books, seed=settings.books_seed + 1
    )
    pnl = spot_pnl(scenarios.log_returns)
    risk = assess(scenarios, pnl, live * 1e6, settings=model)
    columns: dict[str, Floats] = {"time_s": np.array([time_s], dtype=np.float64)}
    for name, books in (("live", live), ("unseen", unseen)):
        shortfall = shortfall_alone(pnl, scenarios.weights, books, alpha=model.alpha)
        legs = np.maximum(books, 0.0) @ risk.long_es + np.maximum(-books, 0.0) @ risk.short_es
        kept = shortfall > _LEAST_SHORTFALL * legs
        lanes = np.max(-(books[kept] @ risk.lanes.values.T), axis=1) / shortfall[kept]
        upper = legs[kept] / shortfall[kept]
        for level in _LEVELS:
            columns[f"{name}_lower_{level:g}"] = np.array([np.quantile(lanes, level)])
            columns[f"{name}_upper_{1 - level:g}"] = np.array([np.quantile(upper, 1 - level)])
        columns[f"{name}_books"] = np.array([float(kept.sum())])
    return columns


def tightness_table(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return one row a present."""
    return pd.concat(list(tables.values()), ignore_index=True).sort_values("time_s", ignore_index=True)
