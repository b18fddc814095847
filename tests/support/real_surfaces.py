"""Real implied volatilities: snapshots of an exchange's chains, smiles through them, and how they move in a day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

from seawall.arrays import Floats
from seawall.margin.moves import JointMoves

__all__ = ["TENORS_Y", "Residuals", "constant_maturity", "fitted_smile", "snapshots", "surface_residuals"]

TENORS_Y = np.array([7, 30, 90, 180]) / 365
_YEAR_S = 365 * 86_400


def snapshots(path: Path, *, newest: int | None = None) -> pd.DataFrame:
    """Return all quotes of a file of more than a day and a half, by full hour."""
    frame = pd.read_parquet(path)
    frame["at"] = frame.timestamp.dt.round("1h")
    frame["tau"] = (frame.expiry - frame.timestamp).dt.total_seconds() / _YEAR_S
    frame["k"] = np.log(frame.strike / frame.forward)
    times = np.sort(frame["at"].unique())[-newest if newest else 0 :]
    return frame[(frame.tau > 1.5 / 365) & (frame["at"] >= times[0])]


def constant_maturity(frame: pd.DataFrame) -> pd.DataFrame:
    """Return by snapshot, at four tenors, log-volatility at the money and relative skew, and the carry."""
    rows = {}
    for at, chain in frame[frame.bid_price.notna()].groupby("at"):
        found = []
        for _, smile in chain[(chain.cp == "C") == (chain.k >= 0)].groupby("expiry"):
            tau = float(smile.tau.iloc[0])
            scaled = smile.k.to_numpy() / np.sqrt(tau)
            near = np.abs(scaled) < 0.8
            if near.sum() >= 5:
                curve = np.polyfit(scaled[near], smile.mark_iv.to_numpy()[near], 2)
                carry = float(np.log(smile.forward.iloc[0] / smile.index_price.iloc[0]))
                found.append((tau, curve[2], curve[1] / curve[2], carry))
        if len(found) >= 4:
            tau_, at_money, skew, carry_ = np.array(found).T
            total = np.interp(TENORS_Y, tau_, at_money**2 * tau_)
            rows[at] = [
                *0.5 * np.log(total / TENORS_Y),
                *np.interp(TENORS_Y, tau_, skew),
                np.interp(90 / 365, tau_, carry_) / (90 / 365),
            ]
    names = [*(f"ln{i}" for i in range(4)), *(f"skew{i}" for i in range(4)), "carry"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=names).sort_index()


@dataclass(frozen=True)
class Residuals:
    """Hold moves of one surface: how tenors go with the 30-day level, (4,), and what that does not explain."""

    beta: Floats
    level: Floats  # (S, 4)
    skew: Floats  # (S, 4)
    carry: Floats  # (S,)


def surface_residuals(surfaces: list[pd.DataFrame], both: list[Any], moves: JointMoves) -> list[Residuals]:
    """Draw days for every scenario, the same for both underlyings, with either sign; stress rows have none."""
    times = pd.DatetimeIndex(both)
    day_before = times.get_indexer(
        times - pd.Timedelta("24h"), method="nearest", tolerance=pd.Timedelta("3h")
    )
    known = day_before >= 0
    rng = np.random.default_rng(5)
    rows = len(moves.volatility)
    drawn = rng.integers(known.sum(), size=rows)
    sign = rng.choice((-1.0, 1.0), size=rows)
    sign[rows - moves.scenarios.stress :] = 0.0
    found = []
    for surface in surfaces:
        values = surface.loc[times].to_numpy()
        change = values[known] - values[day_before[known]]
        month = change[:, 1]
        beta = change[:, :4].T @ month / (month @ month)
        rest = change[:, :4] - np.outer(month, beta)
        found.append(
            Residuals(
                beta=beta,
                level=rest[drawn] * sign[:, None],
                skew=change[drawn, 4:8] * sign[:, None],
                carry=change[drawn, 8] * sign,
            )
        )
    return found


def fitted_smile(quotes: pd.DataFrame) -> Callable[[Floats], Floats]:
    """Return volatility by log-moneyness: `w = t/2 (1 + r p k + sqrt((p k + r)^2 + 1 - r^2))` through quotes."""
    tau, k = float(quotes.tau.iloc[0]), quotes.k.to_numpy()
    wanted = quotes.mark_iv.to_numpy()

    def smile(p: Floats, at: Floats) -> Floats:
        level, correlation, steepness = np.exp(p[0]), np.tanh(p[1]), np.exp(p[2])
        root = np.sqrt((steepness * at + correlation) ** 2 + 1 - correlation**2)
        found: Floats = np.sqrt(
            np.maximum(level / 2 * (1 + correlation * steepness * at + root), 1e-10) / tau
        )
        return found

    money = float(wanted[np.abs(k).argmin()])
    start = np.array([np.log(money**2 * tau), -0.2, -np.log(money * np.sqrt(tau))])
    fit = least_squares(lambda p: smile(p, k) - wanted, start, loss="soft_l1", f_scale=0.02 * money)
    return lambda at: smile(fit.x, at)
