"""What happened against what was asked: breaches by method, symbol, side, year, regime and crisis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from seawall.arrays import Bools, Floats, Ints
from seawall.backtest.cost import scaled_margin, static_in_hindsight
from seawall.backtest.procyclicality import swings
from seawall.backtest.settings import CRISES, BacktestSettings
from seawall.backtest.statistics import (
    acerbi_szekely_z2,
    basel_zone,
    christoffersen_independence,
    kupiec_pof,
    z2_critical_value,
)

__all__ = ["Side", "breaches_by_year", "breaches_in_crises", "cost_table", "coverage_table", "sides_of"]

_DAY_S = 86_400
_HOUR_S = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Hold one method on one side of one symbol.

    Attributes
    ----------
    method, symbol, side
        Which.
    times_s
        Presents, (N,).
    loss
        Over the price at the present, 24 hours later, negative for a gain, (N,).
    margin
        As asked, (N,).
    at_risk
        Value at risk, NaN where the method has none, (N,).
    is_shortfall
        Whether the margin is an expected shortfall.
    """

    method: str
    symbol: str
    side: str
    times_s: Ints
    loss: Floats
    margin: Floats
    at_risk: Floats
    is_shortfall: bool

    @property
    def phases(self) -> Ints:
        """Return the hour of the day of each present."""
        found: Ints = self.times_s % _DAY_S // _HOUR_S
        return found

    @property
    def breaches(self) -> Bools:
        """Say where the loss exceeds the margin at face value."""
        found: Bools = self.loss > self.margin
        return found

    def within(self, chosen: Bools) -> Side:
        """Return some of the windows."""
        return Side(
            method=self.method,
            symbol=self.symbol,
            side=self.side,
            times_s=self.times_s[chosen],
            loss=self.loss[chosen],
            margin=self.margin[chosen],
            at_risk=self.at_risk[chosen],
            is_shortfall=self.is_shortfall,
        )


def sides_of(
    method: str, symbol: str, pieces: pd.DataFrame, change: Floats, *, is_shortfall: bool
) -> tuple[Side, Side]:
    """Return both sides of a symbol from what a method asked and the simple return that followed."""
    times = pieces["time_s"].to_numpy(dtype=np.int64)

    def one(side: str, sign: float) -> Side:
        return Side(
            method=method,
            symbol=symbol,
            side=side,
            times_s=times,
            loss=sign * change,
            margin=pieces[side].to_numpy(dtype=np.float64),
            at_risk=pieces[f"var_{side}"].to_numpy(dtype=np.float64),
            is_shortfall=is_shortfall,
        )

    return one("long", -1.0), one("short", 1.0)


def coverage_table(sides: list[Side], settings: BacktestSettings) -> pd.DataFrame:
    """Return one row a method, symbol and side: rates over all phases, tests phase by phase.

    Tests of the value at risk are at its own level, 1%; `rejected` counts phases with a p-value below 5%.
    """
    return pd.DataFrame([_coverage(side, settings) for side in sides])


def _coverage(side: Side, settings: BacktestSettings) -> dict[str, object]:
    tail = 1.0 - settings.model.alpha
    breaches = side.breaches
    phases = side.phases
    rates = [float(breaches[phases == p].mean()) for p in np.unique(phases)]
    row: dict[str, object] = {
        "method": side.method,
        "symbol": side.symbol,
        "side": side.side,
        "windows": len(side.loss),
        "breach_rate": float(np.mean(rates)),
        "worst_phase_rate": max(rates),
        "mean_margin": float(side.margin.mean()),
        "loss_beyond_given_breach": float((side.loss - side.margin)[breaches].mean())
        if breaches.any()
        else 0.0,
        "largest_loss_over_margin": float((side.loss / side.margin).max()),
    }
    zones, kupiec, independence, z2 = [], [], [], []
    known = np.isfinite(side.at_risk).all()
    for phase in np.unique(phases):
        part = side.within(phases == phase)
        count = len(part.loss)
        zones.append(basel_zone(int(part.breaches.sum()), count, probability=tail).value)
        if known and count >= 2:
            hits = part.loss > part.at_risk
            kupiec.append(kupiec_pof(int(hits.sum()), count, probability=tail).p_value)
            independence.append(christoffersen_independence(hits).p_value)
        if part.is_shortfall and known:
            z2.append(
                acerbi_szekely_z2(
                    -part.loss, value_at_risk=part.at_risk, expected_shortfall=part.margin, alpha=1.0 - tail
                )
            )
    order = ("green", "yellow", "red")
    row["zone_of_requirement"] = max(zones, key=order.index)
    row["var_hit_rate"] = float((side.loss > side.at_risk).mean()) if known else np.nan
    row["kupiec_p_median"] = float(np.median(kupiec)) if kupiec else np.nan
    row["kupiec_rejected"] = sum(p < 0.05 for p in kupiec) if kupiec else np.nan
    row["independence_p_median"] = float(np.median(independence)) if independence else np.nan
    row["independence_rejected"] = sum(p < 0.05 for p in independence) if independence else np.nan
    row["z2_median"] = float(np.median(z2)) if z2 else np.nan
    row["z2_lowest"] = min(z2) if z2 else np.nan
    trials = int((phases == phases[0]).sum())
    row["z2_critical_5pct"] = z2_critical_value(trials, alpha=1.0 - tail) if z2 else np.nan
    return row


def breaches_by_year(sides: list[Side]) -> pd.DataFrame:
    """Return breach rates at face value and average margins by method and year, over symbols and sides."""
    rows = []
    for side in sides:
        years = side.times_s.astype("datetime64[s]").astype("datetime64[Y]").astype(np.int64) + 1970
        for year in np.unique(years):
            at = years == year
            rows.append(
                (side.method, int(year), int(at.sum()), int(side.breaches[at].sum()), side.margin[at].sum())
            )
    table = pd.DataFrame(rows, columns=["method", "year", "windows", "breaches", "margin"])
    summed = table.groupby(["method", "year"], sort=False, as_index=False).sum()
    summed["breach_rate"] = summed["breaches"] / summed["windows"]
    summed["mean_margin"] = summed["margin"] / summed["windows"]
    return summed.drop(columns="margin")


def breaches_in_crises(sides: list[Side]) -> pd.DataFrame:
    """Return by method, symbol, side and crisis the most breaches in one phase, and in which hour it starts."""
    rows = []
    for side in sides:
        for crisis in CRISES:
            inside = (side.times_s >= crisis.first_s) & (side.times_s < crisis.last_s)
            if not inside.any():
                continue
            phases, hits = side.phases[inside], side.breaches[inside]
            counts = {int(p): int(hits[phases == p].sum()) for p in np.unique(phases)}
            worst = max(counts, key=lambda p: counts[p])
            rows.append((side.method, side.symbol, side.side, crisis.name, counts[worst], worst))
    return pd.DataFrame(rows, columns=["method", "symbol", "side", "crisis", "breaches", "phase_h"])


def cost_table(sides: list[Side], settings: BacktestSettings) -> pd.DataFrame:
    """Return one row a method, symbol and side: cost and shortfall over the static margin known in hindsight, swings.

    Sides with fewer than `least_windows` windows a phase are left out.
    """
    rows = []
    for side in sides:
        phases = side.phases
        first = phases == phases.min()
        if first.sum() < settings.least_windows:
            continue
        row: dict[str, object] = {"method": side.method, "symbol": side.symbol, "side": side.side}
        for rate in settings.rates:
            own = scaled_margin(side.loss, side.margin, phases, rate=rate)
            best = static_in_hindsight(side.loss, phases, rate=rate)
            row[f"cost_{rate:g}"] = own.mean_margin / best.mean_margin
            row[f"shortfall_{rate:g}"] = own.shortfall / max(best.shortfall, 1e-12)
            row[f"factor_{rate:g}"] = own.factor
        moved = swings(side.times_s[first], side.margin[first])
        row |= {
            "peak_to_trough": moved.peak_to_trough,
            "rise_1d": moved.rise_1d,
            "rise_5d": moved.rise_5d,
            "rise_30d": moved.rise_30d,
            "breach_rate": float(side.breaches.mean()),
            "mean_margin": float(side.margin.mean()),
        }
        rows.append(row)
    return pd.DataFrame(rows)
