"""Basis trades: spot against its perpetual, marked at the exchange's mark price, funding included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from seawall.arrays import Floats, Ints
from seawall.backtest.books import GROSS_FLOOR
from seawall.backtest.data import BAR_S, History, Series
from seawall.backtest.pieces import Piece
from seawall.backtest.settings import BacktestSettings, role_of
from seawall.backtest.statistics import basel_zone
from seawall.backtest.store import piece_key, source_digest
from seawall.backtest.walk import walk_forward
from seawall.margin.basis import PastBasis, perpetual_moves, perpetual_pnl
from seawall.margin.perpetuals import spot_pnl
from seawall.margin.shortfall import leg_shortfall

if TYPE_CHECKING:
    from seawall.margin.settings import ModelSettings

__all__ = ["basis_path", "basis_pieces", "basis_pnl", "basis_table"]

_DAY_BARS = 24
_SIDES = (("short perpetual", 1.0), ("long perpetual", -1.0))
_SOURCES = (
    "margin/basis.py",
    "margin/volatility.py",
    "margin/scenarios.py",
    "margin/stress.py",
    "margin/shortfall.py",
    "margin/perpetuals.py",
    "margin/breaks.py",
    "backtest/walk.py",
    "backtest/basis.py",
)


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


def basis_path(
    spot: Series, mark: Series, funding: Series | None, times_s: Ints, *, settings: ModelSettings
) -> dict[str, Floats]:
    """Return one row a present: what the model asks of both sides of a basis trade, and what happened.

    Parameters
    ----------
    spot, mark, funding
        As for `basis_pnl`; of the perpetual nothing later than the present is read.
    times_s
        Presents whose closes, and those a day later, are there, (N,).
    settings
        Of the model.

    Returns
    -------
    dict
        Columns `time_s`; `short perpetual` and `long perpetual`, the expected shortfall of either side over the spot;
        and `pnl`, that of the first side.
    """
    walk = walk_forward(spot.values[:, None], bar_h=1.0, roles=[role_of(spot.symbol)], settings=settings)
    carried = _carried(spot, mark, funding)
    reach = settings.bars(settings.window_days * 24.0, bar_h=1.0)
    horizon = settings.bars(settings.horizon_h, bar_h=1.0)
    asked = np.empty((len(times_s), 2))
    for i, row in enumerate((times_s - spot.first_s) // BAR_S):
        scenarios = walk.scenarios(int(row))
        seen = slice(max(int(row) - reach, 0), int(row) + 1)
        past = PastBasis(carried=carried[seen], sigma=walk.sigma[seen], horizon_bars=horizon)
        moves = perpetual_moves(scenarios, settings=settings, past=past)
        returns = scenarios.log_returns
        pair = spot_pnl(returns) - perpetual_pnl(returns, moves)
        asked[i] = np.ravel(leg_shortfall(pair, scenarios.weights, alpha=settings.alpha))
    return {
        "time_s": times_s.astype(np.float64),
        **{side: asked[:, i].copy() for i, (side, _) in enumerate(_SIDES)},
        "pnl": basis_pnl(spot, mark, funding, times_s),
    }


def basis_pieces(history: History, settings: BacktestSettings) -> list[Piece]:
    """Return the work on basis trades, a symbol a piece."""
    source, pieces = source_digest(*_SOURCES), []
    for symbol, mark in history.marks.items():
        if symbol not in history.spot:
            continue
        spot, funding = history.spot[symbol], history.funding.get(symbol)
        times = _presents(spot, mark, settings)
        if not len(times):
            continue
        arrays = [part for s in (spot, mark, funding) if s is not None for part in (s.first_s, s.values)]
        pieces.append(
            Piece(
                name=f"basis {symbol}",
                key=piece_key("basis", symbol, source, settings.model, times, *arrays),
                function=_piece,
                arguments=(spot, mark, funding, times, settings.model),
            )
        )
    return pieces


def _piece(
    spot: Series, mark: Series, funding: Series | None, times_s: Ints, settings: ModelSettings
) -> Mapping[str, Floats]:
    return basis_path(spot, mark, funding, times_s, settings=settings)


def _presents(spot: Series, mark: Series, settings: BacktestSettings) -> Ints:
    """Return the times at which margin is taken: spot and mark are known there and a day later."""
    first = max(settings.first_s, spot.first_s + settings.history_days * _DAY_BARS * BAR_S, mark.first_s)
    last = min(settings.last_s, spot.last_s, mark.last_s)
    day_s = _DAY_BARS * BAR_S
    days = np.arange(-(-first // day_s) * day_s, last - 2 * day_s, day_s, dtype=np.int64)
    times = np.sort(np.concatenate([days + h * BAR_S for h in settings.phases_h]))
    known = [np.isfinite(s.at(t)) for s in (spot, mark) for t in (times, times + day_s)]
    found: Ints = times[np.logical_and.reduce(known)]
    return found


def _carried(spot: Series, mark: Series, funding: Series | None) -> Floats:
    """Return the perpetual's premium over the spot less funding paid so far, (T, 1), NaN where it is not known."""
    times = spot.first_s + BAR_S * np.arange(len(spot.values), dtype=np.int64)
    premium = np.log(mark.at(times)) - np.log(spot.values)
    if funding is not None:
        rates = funding.at(times)
        premium = np.where(np.isfinite(rates), premium - np.cumsum(np.nan_to_num(rates)), np.nan)
    found: Floats = premium[:, None]
    return found


def basis_table(
    parts: Mapping[str, pd.DataFrame], history: History, settings: BacktestSettings
) -> pd.DataFrame:
    """Return how often the loss of a basis trade exceeds its requirement, by symbol and side, and what that costs.

    The requirement is the larger of the expected shortfall and the floor on gross notional, which the token held as
    collateral is no part of; liquidity charges nothing where the net delta is none. A token cannot be sold short: the
    side long of the perpetual is there for who hedges elsewhere. `floor_breach_rate` is that of the floor alone.
    """
    tail, rows = 1.0 - settings.model.alpha, []
    for symbol in history.marks:
        table = parts.get(f"basis {symbol}")
        if table is None or not len(table):
            continue
        hours = (table["time_s"].to_numpy(dtype=np.int64) // BAR_S) % _DAY_BARS
        for side, sign in _SIDES:
            required = np.maximum(table[side].to_numpy(), GROSS_FLOOR)
            loss = -sign * table["pnl"].to_numpy()
            beyond = loss > required
            zones = [
                basel_zone(int(beyond[hours == h].sum()), int((hours == h).sum()), probability=tail).value
                for h in np.unique(hours)
            ]
            rows.append(
                {
                    "symbol": symbol,
                    "side": side,
                    "windows": len(loss),
                    "floor": GROSS_FLOOR,
                    "floor_breach_rate": float((loss > GROSS_FLOOR).mean()),
                    "requirement": float(required.mean()),
                    "largest_requirement": float(required.max()),
                    "breach_rate": float(beyond.mean()),
                    "loss_99": float(np.quantile(loss, 1.0 - tail)),
                    "worst_loss": float(loss.max()),
                    "mean_loss_beyond": float((loss - required)[beyond].mean()) if beyond.any() else 0.0,
                    "zone": max(zones, key=("green", "yellow", "red").index),
                }
            )
    return pd.DataFrame(rows)
