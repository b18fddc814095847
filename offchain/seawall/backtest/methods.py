"""The methods that are compared on single legs: the model, its variants, and challengers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from seawall.arrays import Floats, Ints
from seawall.backtest import challengers
from seawall.backtest.data import BAR_S, History, Series
from seawall.backtest.garch import garch_value_at_risk
from seawall.backtest.legs import leg_path
from seawall.backtest.settings import BacktestSettings, role_of
from seawall.backtest.walk import walk_forward
from seawall.errors import ConfigError, InputError
from seawall.margin.settings import ModelSettings
from seawall.margin.tails import TailSettings
from seawall.margin.volatility import ewma_variance, log_closes, observed_rows

__all__ = [
    "COLUMNS",
    "Measure",
    "Method",
    "chosen",
    "implied_path",
    "methods_of",
    "presents",
    "read_variants",
    "requirements",
    "variant_methods",
]

# What a method says at a present: its requirement, and its value at risk where it has one.
COLUMNS = ("long", "short", "var_long", "var_short")

_VARIANTS = Path(__file__).with_name("variants.yaml")
_INDEX_SYMBOL = "BTC"
_INDEX_SYMBOLS = ("BTC", "ETH")
_SLOW_H = 1440.0
# About what the 99% shortfall of its residuals is; every method is scaled before costs are compared.
_MULTIPLE = 4.0


class Measure(StrEnum):
    """Name what a requirement is."""

    SHORTFALL = "expected shortfall"
    AT_RISK = "value at risk"
    FIXED = "fixed"
    MULTIPLE = "multiple of volatility"


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """Name a way to set margin.

    Attributes
    ----------
    name
        As on the command line.
    description
        For the report.
    measure
        What its requirement is.
    settings
        Of the model, where it is the model.
    implied
        Whether it sees an index of implied volatility.
    """

    name: str
    description: str
    measure: Measure
    settings: ModelSettings | None = None
    implied: bool = False


def methods_of(settings: BacktestSettings) -> tuple[Method, ...]:
    """Return all methods, the model first."""
    fixed, at_risk = Measure.FIXED, Measure.AT_RISK
    return (
        Method(
            name="seawall",
            description="the margin model: ES 99% of rescaled history and stress rows",
            measure=Measure.SHORTFALL,
            settings=settings.model,
        ),
        Method(
            name="seawall-implied",
            description="the model, which also sees the index of 30-day implied volatility (BTC, ETH)",
            measure=Measure.SHORTFALL,
            settings=settings.model,
            implied=True,
        ),
        Method(
            name="volatility-alone",
            description=f"the model's volatility times {_MULTIPLE:g}: no scenarios, no stress rows",
            measure=Measure.MULTIPLE,
            settings=settings.model,
        ),
        Method(name="static", description="ES 99% of all moves known at the start, set once", measure=fixed),
        Method(name="historical-var", description="VaR 99% of the last four years", measure=at_risk),
        Method(
            name="plain-fhs", description="filtered historical VaR 99%, 3 d and 60 d EWMA", measure=at_risk
        ),
        Method(name="garch-t", description="GARCH(1,1), Student, fitted monthly, VaR 99%", measure=at_risk),
        Method(name="gjr-t", description="GJR-GARCH, Student, fitted monthly, VaR 99%", measure=at_risk),
        Method(name="span-16", description="scan range: 99% of a year's moves, set monthly", measure=at_risk),
        Method(name="deribit-grid", description="grid of +-16%", measure=fixed),
        Method(name="derive-pmrm2", description="grid of +-18%, and 3% for a perpetual", measure=fixed),
        Method(name="paradex-grid", description="grid of +-16%, and 2% of the net delta", measure=fixed),
        Method(
            name="leverage-tiers",
            description=f"an exchange's tiers for a position of {settings.tier_notional:,.0f}",
            measure=fixed,
        ),
    )


def variant_methods(variants: Mapping[str, tuple[str, ModelSettings]]) -> tuple[Method, ...]:
    """Return the variants of the model as methods."""
    return tuple(
        Method(name=f"variant:{name}", description=text, measure=Measure.SHORTFALL, settings=settings)
        for name, (text, settings) in variants.items()
    )


def read_variants(path: Path | None = None) -> dict[str, tuple[str, ModelSettings]]:
    """Return descriptions and settings by name, from YAML: ``name: {description, settings: {overrides}}``.

    Raises
    ------
    ConfigError
        If the file is missing or malformed, or a setting does not exist or is out of range.
    """
    source = path or _VARIANTS
    try:
        entries = yaml.safe_load(source.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"cannot read variants from {source}: {error}. Fix: repair the file") from error
    if not isinstance(entries, dict) or not entries:
        raise ConfigError(f"{source} holds no variant. Fix: name them, each with description and settings")
    found = {}
    for name, entry in entries.items():
        try:
            told = entry["settings"].items()
            changes: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in told}
            if "tails" in changes:
                changes["tails"] = replace(TailSettings(), **changes["tails"])
            found[str(name)] = (str(entry["description"]), ModelSettings(**changes))
        except (KeyError, TypeError, AttributeError, InputError) as error:
            raise ConfigError(
                f"variant {name} of {source}: {error}. Fix: give description and settings"
            ) from error
    return found


def presents(series: Series, settings: BacktestSettings, *, choosing: bool = False) -> Ints:
    """Return the times at which margin is taken: both ends of the window must have a close, seconds since 1970.

    Parameters
    ----------
    series
        Closes of a symbol.
    settings
        Period and hours of the day.
    choosing
        Whether those before `selection_end_s` are taken at `selection_phases_h` in place of `phases_h`.
    """
    first = max(settings.first_s, series.first_s + settings.history_days * 24 * BAR_S)
    first = -(-first // (24 * BAR_S)) * 24 * BAR_S
    last = min(settings.last_s, series.last_s)
    days = np.arange(first, last, 24 * BAR_S, dtype=np.int64)

    def at(phases_h: Sequence[int]) -> Ints:
        found: Ints = (days[:, None] + np.array(sorted(phases_h), dtype=np.int64) * BAR_S).ravel()
        return found

    times = at(settings.phases_h)
    if choosing:
        early = at(settings.selection_phases_h)
        end = settings.selection_end_s
        times = np.concatenate([early[early < end], times[times >= end]])
    times = times[times + 24 * BAR_S <= last]
    both = np.isfinite(series.at(times)) & np.isfinite(series.at(times + 24 * BAR_S))
    kept: Ints = times[both]
    return kept


def requirements(
    method: Method, symbol: str, history: History, settings: BacktestSettings, *, choosing: bool = False
) -> tuple[Ints, Floats] | None:
    """Return the presents and what the method asks there, (N,) and (N, 4) as `COLUMNS`; None if it has no say.

    At each present only bars complete by then are looked at; `choosing` as for `presents`.
    """
    series = history.spot[symbol]
    times = presents(series, settings, choosing=choosing)
    implied = None
    if method.implied:
        if symbol not in _INDEX_SYMBOLS or _INDEX_SYMBOL not in history.implied:
            return None
        times = times[times >= settings.implied_first_s]
        implied = implied_path(history, symbol)
    if not len(times):
        return None
    rows, closes = series.rows(times), series.values
    if method.measure is Measure.MULTIPLE and method.settings is not None:
        walk = walk_forward(closes[:, None], bar_h=1.0, roles=[role_of(symbol)], settings=method.settings)
        both = _MULTIPLE * np.hstack([walk.down[rows], walk.up[rows]])
        return times, np.hstack([both, np.full_like(both, np.nan)])
    if method.settings is not None:
        found = leg_path(closes, rows, settings=method.settings, role=role_of(symbol), implied=implied)
        return times, found
    asked = _challenger(method.name, symbol, history, rows, times, settings)
    at_risk = asked if method.measure is Measure.AT_RISK else np.full_like(asked, np.nan)
    return times, np.hstack([asked, at_risk])


def implied_path(history: History, symbol: str) -> Floats:
    """Return the implied volatility seen at each bar of a symbol, annualised, NaN where there is none.

    The index is Bitcoin's; another symbol's is taken as the index times the ratio of their own 60-day volatilities
    known at that bar.
    """
    series, lead = history.spot[symbol], history.spot[_INDEX_SYMBOL]
    times = series.first_s + BAR_S * np.arange(len(series.values), dtype=np.int64)
    quoted = history.implied[_INDEX_SYMBOL].carried(times)
    if symbol == _INDEX_SYMBOL:
        return quoted
    ratio = _slow(series).carried(times) / _slow(lead).carried(times)
    scaled: Floats = quoted * ratio
    return scaled


def _slow(series: Series) -> Series:
    logs = log_closes(series.values[:, None])
    rows = observed_rows(logs)
    squares = np.diff(logs[rows], axis=0) ** 2 / np.diff(rows)[:, None]
    values = np.full(len(series.values), np.nan)
    values[rows[1:]] = np.sqrt(ewma_variance(squares, half_life_bars=_SLOW_H))[:, 0]
    values[: rows[0] + 30 * 24] = np.nan
    return Series(symbol=series.symbol, first_s=series.first_s, values=values)


def _challenger(
    name: str, symbol: str, history: History, rows: Ints, times: Ints, settings: BacktestSettings
) -> Floats:
    closes, model = history.spot[symbol].values, settings.model
    if name in challengers.ASSETS_ALIKE:
        return np.full((len(rows), 2), challengers.ASSETS_ALIKE[name])
    if name == "leverage-tiers":
        return np.full(
            (len(rows), 2),
            challengers.leverage_tier(_tiers(history), symbol, notional=settings.tier_notional),
        )
    if name == "static":
        return challengers.static_shortfall(closes, rows, settings=model)
    if name == "historical-var":
        return challengers.value_at_risk(closes, rows, settings=model)
    if name == "plain-fhs":
        return challengers.filtered_value_at_risk(closes, rows, settings=model)
    if name == "span-16":
        return challengers.scan_range(closes, rows, times, settings=model)
    if name in {"garch-t", "gjr-t"}:
        return garch_value_at_risk(closes, rows, times, alpha=model.alpha, asymmetric=name == "gjr-t")
    raise ConfigError(f"no method {name}")


def _tiers(history: History) -> Path:
    if history.tiers is None:
        raise ConfigError("the data hold no leverage tiers. Fix: leave leverage-tiers out of --methods")
    return history.tiers


def chosen(names: Sequence[str], methods: Sequence[Method]) -> tuple[Method, ...]:
    """Return the methods named; all if none is."""
    known = {method.name: method for method in methods}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(f"no method {', '.join(unknown)}. Fix: choose from {', '.join(known)}")
    return tuple(known[name] for name in names) if names else tuple(methods)
