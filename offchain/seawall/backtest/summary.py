"""Tables of cost in one row a method, and the trade-off between cost and swings."""

from __future__ import annotations

import pandas as pd

from seawall.backtest.cost import scaled_margin, static_in_hindsight
from seawall.backtest.coverage import Side
from seawall.backtest.settings import BacktestSettings

__all__ = ["cost_curve", "cost_summary"]

_SWINGS = ("rise_1d", "rise_5d", "rise_30d", "peak_to_trough", "breach_rate", "mean_margin")
_CURVE_RATES = (0.02, 0.015, 0.01, 0.0075, 0.005, 0.0035, 0.002, 0.001)


def cost_summary(cost: pd.DataFrame, settings: BacktestSettings) -> pd.DataFrame:
    """Return medians over symbols and sides by method, and the worst rise of 5 days and breach rate."""
    if not len(cost):
        return pd.DataFrame(columns=["method"])
    names = [f"{kind}_{rate:g}" for rate in settings.rates for kind in ("cost", "shortfall")]
    groups = cost.groupby("method", sort=False)
    table = groups[[*names, *_SWINGS]].median()
    table["worst_rise_5d"] = groups["rise_5d"].max()
    table["worst_peak_to_trough"] = groups["peak_to_trough"].max()
    table["worst_breach_rate"] = groups["breach_rate"].max()
    table["sides"] = groups.size()
    return table.reset_index()


def cost_curve(sides: list[Side], settings: BacktestSettings) -> pd.DataFrame:
    """Return the median cost and shortfall over the static margin known in hindsight at many breach rates."""
    rows = []
    for side in sides:
        phases = side.phases
        windows = int((phases == phases.min()).sum())
        if windows < settings.least_windows:
            continue
        for rate in _CURVE_RATES:
            own = scaled_margin(side.loss, side.margin, phases, rate=rate)
            best = static_in_hindsight(side.loss, phases, rate=rate)
            rows.append(
                (
                    side.method,
                    rate,
                    own.mean_margin / best.mean_margin,
                    own.shortfall / max(best.shortfall, 1e-12),
                    own.mean_margin,
                )
            )
    table = pd.DataFrame(rows, columns=["method", "rate", "cost", "shortfall", "mean_margin"])
    return table.groupby(["method", "rate"], sort=False, as_index=False).median()
