"""A book under named scenarios: what it would lose if a day of the past, or one that never was, came now.

Every scenario is a full revaluation a horizon later; perpetuals move with their spot. A file may add scenarios::

    scenarios:
      - name: Ether falls alone
        moves: {ETH: -0.4}           # simple returns; underlyings not named do not move
        volatility: {ETH: 0.8}       # simple changes of implied volatility; by the model's rule if left out
      - name: volatility halves
        moves: {}
        volatility: -0.5             # of all underlyings
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from seawall.analysis.book import read_yaml
from seawall.analysis.portfolio import JudgedBook
from seawall.arrays import Floats
from seawall.errors import InputError
from seawall.keeper.settings import KeeperSettings
from seawall.margin.instruments import Chain
from seawall.margin.moves import JointMoves, volatility_response
from seawall.margin.perpetuals import spot_pnl
from seawall.margin.revaluation import revalued_pnl
from seawall.margin.settings import ModelSettings
from seawall.margin.stress import STRESS_ROWS, stress_log_returns
from seawall.margin.volatility import log_closes

__all__ = ["Scenario", "StressResult", "named_scenarios", "past_scenarios", "read_scenarios", "stress_book"]

_KEYS = {"name", "moves", "volatility"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """Hold one co-move.

    Attributes
    ----------
    name, kind
        What to call it; `historical`, `hypothetical`, `past` or `own`.
    log_returns
        Of the underlyings, (M,).
    volatility
        Log-moves of their 30-day implied volatility, (M,).
    """

    name: str
    kind: str
    log_returns: Floats
    volatility: Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class StressResult:
    """Hold what a scenario does to a book, settlement tokens: P&L, and that of each position in the book's order."""

    scenario: Scenario
    pnl: float
    by_position: tuple[float, ...]


def named_scenarios(judged: JudgedBook, *, settings: KeeperSettings) -> list[Scenario]:
    """Return the model's stress rows, and its shocks of volatility at a standing spot.

    Implied volatility moves along with the spot as in the model, `volatility_response`, up to its limits.
    """
    rule, symbols = settings.model.surface, judged.bars.symbols
    returns = stress_log_returns([settings.role(symbol) for symbol in symbols])
    found = [
        Scenario(
            name=row.name,
            kind="historical" if row.name[:4].isdecimal() else "hypothetical",
            log_returns=moves,
            volatility=_along(moves, settings.model),
        )
        for row, moves in zip(STRESS_ROWS, returns, strict=True)
    ]
    still = np.zeros(len(symbols))
    for shock in rule.shocks:
        name = f"volatility {np.expm1(shock):+.0%}, spot stands"
        found.append(
            Scenario(
                name=name, kind="hypothetical", log_returns=still, volatility=np.full(len(symbols), shock)
            )
        )
    return found


def past_scenarios(judged: JudgedBook, *, settings: KeeperSettings, worst: int) -> list[Scenario]:
    """Return the past moves of one horizon that would cost the book most now, as they were, not rescaled.

    No two overlap.

    Parameters
    ----------
    worst
        How many.
    """
    model, bars = settings.model, judged.bars
    horizon = model.bars(model.horizon_h, bar_h=bars.bar_s / 3600.0)
    times, closes = bars.gridded()
    if len(closes) <= horizon or worst < 1:
        return []
    logs = log_closes(closes)
    moves = logs[horizon:] - logs[:-horizon]
    known = np.isfinite(moves).all(axis=1)
    moves, times = moves[known], times[:-horizon][known]
    vols = np.array([_along(row, model) for row in moves])
    pnl = _pnl(judged, moves, vols, settings=settings) @ judged.units
    found: list[Scenario] = []
    taken = np.zeros(len(moves), dtype=np.bool_)
    for row in np.argsort(pnl, kind="stable"):
        if taken[row]:
            continue
        taken |= np.abs(times - times[row]) < horizon * bars.bar_s
        day = np.datetime64(int(times[row]), "s")
        found.append(
            Scenario(
                name=f"{str(day)[:16].replace('T', ' ')}, as it was",
                kind="past",
                log_returns=moves[row],
                volatility=vols[row],
            )
        )
        if len(found) == worst:
            break
    return found


def read_scenarios(path: Path, *, symbols: Sequence[str], model: ModelSettings) -> list[Scenario]:
    """Return the scenarios of a file.

    Raises
    ------
    InputError
        If it cannot be read, or a scenario is not as the module's docstring says.
    """
    found = read_yaml(path, "scenarios", "scenarios: [{name: a fall, moves: {BTC: -0.3}}]")
    listed = found.get("scenarios") if isinstance(found, dict) else None
    if not isinstance(listed, list) or not listed:
        raise InputError(f"{path.name} lists no scenarios. Fix: add `scenarios:` with a name and moves each")
    return [_own(item, path.name, symbols, model) for item in listed]


def stress_book(
    judged: JudgedBook, scenarios: Sequence[Scenario], *, settings: KeeperSettings
) -> list[StressResult]:
    """Return the book's P&L in every scenario, in their order, one horizon later."""
    if not scenarios:
        return []
    moves = np.array([scenario.log_returns for scenario in scenarios])
    vols = np.array([scenario.volatility for scenario in scenarios])
    columns = _pnl(judged, moves, vols, settings=settings)
    parts = columns[:, judged.column] * judged.book.quantities
    return [
        StressResult(scenario=scenario, pnl=float(row.sum()), by_position=tuple(float(x) for x in row))
        for scenario, row in zip(scenarios, parts, strict=True)
    ]


def _pnl(judged: JudgedBook, moves: Floats, vols: Floats, *, settings: KeeperSettings) -> Floats:
    """Return the P&L of one unit of every column, settlement tokens, (S, C)."""
    base = judged.estimate.risk.scenarios
    scenarios = replace(
        base,
        log_returns=moves,
        weights=np.full(len(moves), 1.0 / len(moves)),
        historical=0,
        dependence=0,
        stress=len(moves),
    )
    joint = JointMoves(scenarios=scenarios, volatility=vols, basis=np.zeros_like(moves))
    model = settings.model
    dated = revalued_pnl(
        Chain.of(judged.dated),
        joint,
        judged.estimate.levels,
        horizon_h=model.horizon_h,
        settings=model.surface,
    )
    spots = spot_pnl(moves)
    found: Floats = np.hstack([spots, dated, spots[:, judged.tokens]]) * judged.prices[judged.owner]
    return found


def _along(returns: Floats, model: ModelSettings) -> Floats:
    """Return the log-move of implied volatility that goes with spot moves, within the model's limits."""
    most = model.surface.maximum_move
    moved: Floats = np.clip(volatility_response(returns, settings=model.surface), -2.0 / 3.0 * most, most)
    return moved


def _own(item: Any, where: str, symbols: Sequence[str], model: ModelSettings) -> Scenario:
    if not isinstance(item, dict) or not set(item) <= _KEYS or "name" not in item:
        keys = ", ".join(sorted(_KEYS))
        raise InputError(f"{where}: {item} is no scenario. Fix: give it {keys}, a name at least")
    name = str(item["name"])
    moves = _by_symbol(item.get("moves") or {}, f"{where}: moves of {name}", symbols)
    returns = np.log1p(moves)
    volatility = item.get("volatility")
    if volatility is None:
        vols = _along(returns, model)
    elif isinstance(volatility, dict):
        vols = np.log1p(_by_symbol(volatility, f"{where}: volatility of {name}", symbols))
    else:
        vols = np.log1p(
            _by_symbol(dict.fromkeys(symbols, volatility), f"{where}: volatility of {name}", symbols)
        )
    return Scenario(name=name, kind="own", log_returns=returns, volatility=vols)


def _by_symbol(given: Any, where: str, symbols: Sequence[str]) -> Floats:
    found = np.zeros(len(symbols))
    if not isinstance(given, Mapping):
        raise InputError(f"{where} are {given}. Fix: give changes by underlying, such as {{BTC: -0.3}}")
    for symbol, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not -1 < value <= 100:
            raise InputError(
                f"{where}: {symbol} is {value}. Fix: give a simple change above -1, such as -0.3"
            )
        if symbol in symbols:  # a file of scenarios serves many books
            found[symbols.index(symbol)] = value
    return found
