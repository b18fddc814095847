"""Spot history and option chains on one grid of six hours."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from seawall.arrays import Floats
from seawall.backtest.chains import Snapshot, read_snapshots
from seawall.backtest.data import BAR_S, History, joint_closes
from seawall.margin.settings import ModelSettings

__all__ = ["BAR_H", "OptionMarket", "chain_files", "option_market"]

BAR_H = 6

_SYMBOLS = ("BTC", "ETH")
_STEP_S = BAR_H * BAR_S
_DAY_S = 24 * BAR_S
_LATER_WITHIN_S = 2 * BAR_S


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionMarket:
    """Hold the prices before the chains and the chains themselves.

    Attributes
    ----------
    symbols
        M underlyings.
    first_s
        When the first row of `closes` was known; rows are six hours.
    closes
        Spot history, then a long gap, then the index of each snapshot at the row nearest to it, (T, M).
    presents
        Snapshots of all underlyings at the same time, oldest first.
    """

    symbols: tuple[str, ...]
    first_s: int
    closes: Floats
    presents: list[list[Snapshot]]

    def row(self, time_s: int) -> int:
        """Return the row of a time, the nearest one."""
        return round((time_s - self.first_s) / _STEP_S)

    def a_day_later(self, time_s: int) -> list[Snapshot] | None:
        """Return the snapshots a day after a time, give or take two hours; None if there are none."""
        times = np.array([present[0].time_s for present in self.presents])
        nearest = int(np.argmin(np.abs(times - time_s - _DAY_S)))
        return self.presents[nearest] if abs(times[nearest] - time_s - _DAY_S) <= _LATER_WITHIN_S else None

    def settings(self, model: ModelSettings) -> ModelSettings:
        """Return the model's settings for these rows, with the gap between spot and chains added to the window."""
        seen = np.flatnonzero(np.isfinite(self.closes).all(axis=1))
        gap_days = float(np.diff(seen).max() * BAR_H / 24.0)
        return replace(model, step_h=float(BAR_H), window_days=float(round(model.window_days + gap_days)))


def option_market(history: History) -> OptionMarket | None:
    """Return the chains of a folder and the spot history before them; None if there are none.

    Spot ends before the chains begin, so the volatility of today comes from the index in the chains, every six hours,
    and the moves of the scenarios from the spot history and what the chains have shown by then. Of two snapshots that
    are closest to the same row the first counts.
    """
    paths = chain_files(history)
    if len(paths) < len(_SYMBOLS) or any(symbol not in history.spot for symbol in _SYMBOLS):
        return None
    chains = [read_snapshots(path) for path in paths]
    by_time = [{s.time_s // 1800: s for s in chain} for chain in chains]
    common = sorted(set.intersection(*(set(known) for known in by_time)))
    presents = [[known[key] for known in by_time] for key in common]
    start, hourly = joint_closes(history, _SYMBOLS)
    offset = -(start // BAR_S) % BAR_H
    first_s, past = start + offset * BAR_S, hourly[offset::BAR_H]
    last = round((presents[-1][0].time_s - first_s) / _STEP_S)
    closes = np.full((max(last + 1, len(past)), len(_SYMBOLS)), np.nan)
    closes[: len(past)] = past
    market = OptionMarket(symbols=_SYMBOLS, first_s=first_s, closes=closes, presents=[])
    taken: set[int] = set()
    for present in presents:
        row = market.row(present[0].time_s)
        if row in taken:  # its price would tell the earlier present of this row the future
            continue
        taken.add(row)
        closes[row] = [snapshot.spot for snapshot in present]
        market.presents.append(present)
    return market


def chain_files(history: History) -> list[Path]:
    """Return the files of option chains that are there."""
    if history.folder is None:
        return []
    paths = [history.folder / f"deribit_options_{symbol}.parquet" for symbol in _SYMBOLS]
    return [path for path in paths if path.is_file()]
