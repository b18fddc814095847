"""What was promised before the numbers were known, and whether they keep it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from seawall.backtest.settings import BacktestSettings

__all__ = ["Target", "judge"]

_MODEL, _IMPLIED, _PLAIN = "seawall", "seawall-implied", "plain-fhs"
# Cost and shortfall over the static margin known in hindsight, by breach rate.
_LIMITS = {0.01: (0.90, 0.80), 0.005: (0.91, 0.77), 0.002: (0.85, 0.70)}
_IMPLIED_LIMITS = (0.87, 0.78)
_BREACH_LIMIT, _RISE_LIMIT, _PEAK_LIMIT = 0.006, 0.8, 3.5
_PAIR_MEDIAN, _PAIR_WORST = 0.45, 0.80


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Hold a promise and what was measured.

    Attributes
    ----------
    name
        What is promised.
    limit
        At most.
    measured
        In the same unit.
    detail
        Where the number comes from, if that needs saying.
    """

    name: str
    limit: float
    measured: float
    detail: str = ""

    @property
    def met(self) -> bool:
        """Say whether the promise is kept."""
        return self.measured <= self.limit


def judge(tables: Mapping[str, pd.DataFrame], settings: BacktestSettings) -> tuple[Target, ...]:
    """Return all targets that the tables say something about."""
    found: list[Target] = []
    if "coverage" in tables:
        found += _coverage(tables["coverage"])
        found += _cost(tables["cost_summary"], settings)
        found += _implied(tables["cost_implied"])
        found += _swings(tables["cost_summary"])
    if "pairs" in tables:
        found += _pairs(tables["pairs"])
    if "crises" in tables:
        found += _crises(tables["crises"])
    return tuple(found)


def _coverage(table: pd.DataFrame) -> list[Target]:
    own = table[table["method"] == _MODEL]
    if not len(own):
        return []
    worst = own.iloc[int(own["breach_rate"].argmax())]
    return [
        Target(
            name="breaches at face value, worst symbol and side",
            limit=_BREACH_LIMIT,
            measured=float(worst["breach_rate"]),
            detail=f"{worst['symbol']} {worst['side']}",
        )
    ]


def _cost(table: pd.DataFrame, settings: BacktestSettings) -> list[Target]:
    own = table[table["method"] == _MODEL]
    if not len(own):
        return []
    found = []
    for rate in settings.rates:
        for kind, limit in zip(("cost", "shortfall"), _LIMITS.get(rate, ()), strict=False):
            measured = float(own[f"{kind}_{rate:g}"].iloc[0])
            found.append(
                Target(name=f"{kind} at {rate:.1%} breaches over static", limit=limit, measured=measured)
            )
    return found


def _implied(table: pd.DataFrame) -> list[Target]:
    own = table[table["method"] == _IMPLIED]
    if not len(own) or "cost_0.01" not in table:
        return []
    return [
        Target(
            name=f"{kind} at 1.0% breaches over static, with implied volatility",
            limit=limit,
            measured=float(own[f"{kind}_0.01"].iloc[0]),
            detail="BTC, ETH",
        )
        for kind, limit in zip(("cost", "shortfall"), _IMPLIED_LIMITS, strict=True)
    ]


def _swings(table: pd.DataFrame) -> list[Target]:
    own, plain = (table[table["method"] == name] for name in (_MODEL, _PLAIN))
    if not len(own):
        return []
    found = []
    if len(plain):
        ratio = float(own["rise_5d"].iloc[0]) / float(plain["rise_5d"].iloc[0])
        found.append(
            Target(name="5-day rise over that of plain simulation", limit=_RISE_LIMIT, measured=ratio)
        )
    peak = float(own["peak_to_trough"].iloc[0])
    found.append(Target(name="peak-to-trough", limit=_PEAK_LIMIT, measured=peak))
    return found


def _pairs(table: pd.DataFrame) -> list[Target]:
    at = table[(table["rate"] == 0.01) & (table["universe"] == "all symbols")]
    if not len(at):
        return []
    worst = at.iloc[int(at["cost_over_legs"].argmax())]
    return [
        Target(
            name="hedged pairs over static legs, median",
            limit=_PAIR_MEDIAN,
            measured=float(at["cost_over_legs"].median()),
        ),
        Target(
            name="hedged pairs over static legs, worst",
            limit=_PAIR_WORST,
            measured=float(worst["cost_over_legs"]),
            detail=str(worst["pair"]),
        ),
    ]


def _crises(table: pd.DataFrame) -> list[Target]:
    own = table[table["method"] == _MODEL]
    if not len(own):
        return []
    # Both sides of a symbol count together: one breach a symbol and crisis.
    worst = own.groupby(["symbol", "crisis"], sort=False)["breaches"].max().reset_index()
    over = worst[worst["breaches"] > 1]
    named = ", ".join(f"{row.symbol} in {row.crisis} ({row.breaches})" for row in over.itertuples())
    return [
        Target(
            name="symbols with more than one breach in a crisis",
            limit=1.0,
            measured=float(len(over)),
            detail=named,
        )
    ]
