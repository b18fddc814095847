"""One backtest from data to tables: single legs, books, basis trades, tightness, selection, options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from seawall.arrays import Floats
from seawall.backtest.basis import basis_pieces, basis_table
from seawall.backtest.coverage import (
    Side,
    breaches_by_year,
    breaches_in_crises,
    cost_table,
    coverage_table,
    sides_of,
)
from seawall.backtest.data import BAR_S, History
from seawall.backtest.families import book_pieces, family_table, family_years, pair_table
from seawall.backtest.methods import COLUMNS, Measure, Method, presents, requirements
from seawall.backtest.multiples import multiples_table
from seawall.backtest.options import option_pieces, option_table
from seawall.backtest.pieces import Piece, Progress, compute_pieces
from seawall.backtest.regimes import breaches_by_regime
from seawall.backtest.selection import REFERENCE, Selection, select_variant
from seawall.backtest.settings import BacktestSettings
from seawall.backtest.store import PieceStore, piece_key, source_digest, write_table
from seawall.backtest.summary import cost_curve, cost_summary
from seawall.backtest.targets import Target, judge
from seawall.backtest.tightness import tightness_pieces, tightness_table
from seawall.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PARTS", "Results", "leg_piece", "leg_sides", "run_backtest"]

# What can be left out, in the order in which it is computed.
PARTS = ("legs", "books", "basis", "tightness", "options")

_LEG_SOURCES = (
    "margin/volatility.py",
    "margin/scenarios.py",
    "margin/tails.py",
    "margin/stress.py",
    "margin/breaks.py",
    "backtest/walk.py",
    "backtest/legs.py",
    "backtest/methods.py",
)
_CHALLENGER_SOURCES = ("backtest/challengers.py", "backtest/legs.py", "backtest/methods.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Hold what a backtest found.

    Attributes
    ----------
    settings
        It was told.
    digest
        Of the data.
    methods
        That were compared.
    tables
        By name.
    sides
        Of single legs, by method.
    choice
        The same of variants and of what they are compared with, at the hours of `presents` for a choice.
    targets
        Stated beforehand, and whether they were met.
    selection
        Of a variant, if one was asked for.
    """

    settings: BacktestSettings
    digest: str
    methods: tuple[Method, ...]
    tables: dict[str, pd.DataFrame]
    sides: dict[str, list[Side]]
    targets: tuple[Target, ...]
    choice: dict[str, list[Side]] = field(default_factory=dict)
    selection: Selection | None = None


def run_backtest(
    history: History,
    settings: BacktestSettings,
    *,
    out: Path,
    methods: Sequence[Method],
    variants: Sequence[Method] = (),
    parts: Sequence[str] = PARTS,
    jobs: int = 1,
    resume: bool = True,
    progress: Progress,
) -> Results:
    """Run a backtest and write its tables.

    Parameters
    ----------
    history
        Prices.
    settings
        What to look at.
    out
        Folder of pieces and tables.
    methods
        To compare on single legs.
    variants
        To choose from, none by default.
    parts
        Some of `PARTS`.
    jobs, progress
        As for `compute_pieces`.
    resume
        Whether finished pieces of earlier runs may be used.

    Raises
    ------
    ConfigError, DataError
        If something asked for is not there, with the fix.
    """
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise ConfigError(f"no part {', '.join(unknown)}. Fix: choose from {', '.join(PARTS)}")
    store = PieceStore(out / "pieces", keep=resume)
    work = _work(history, settings, methods, parts)
    rivals = [*variants, *(m for m in methods if m.name == REFERENCE)] if variants else []
    if rivals:
        work["choice"] = _leg_pieces(history, settings, rivals, choosing=True)
    pieces = [piece for group in work.values() for piece in group]
    found = compute_pieces(pieces, store, jobs=jobs, progress=progress)
    part_tables = {name: {p.name: found[p.name] for p in group} for name, group in work.items()}

    sides = leg_sides(methods, history, part_tables.get("legs", {}))
    choice = leg_sides(rivals, history, part_tables.get("choice", {}), work="choice")
    tables: dict[str, pd.DataFrame] = {}
    compared = [side for method in methods for side in sides.get(method.name, [])]
    if compared:
        tables |= _leg_tables(compared, history, settings)
        multiples = multiples_table(history, settings)
        tables |= {"multiples": multiples} if len(multiples) else {}
    if part_tables.get("books"):
        tables["families"] = family_table(part_tables["books"], history, settings)
        tables["family_years"] = family_years(part_tables["books"], history, settings)
        tables["pairs"] = pair_table(part_tables["books"], history, settings)
    if part_tables.get("basis"):
        tables["basis"] = basis_table(part_tables["basis"], history, settings)
    if part_tables.get("tightness"):
        tables["tightness"] = tightness_table(part_tables["tightness"])
    if part_tables.get("options"):
        tables["options"] = option_table(part_tables["options"])
    selection = None
    if variants:
        selection = select_variant([m.name for m in variants], choice, settings)
        tables["selection_before"], tables["selection_after"] = selection.before, selection.after
    targets = judge(tables, settings)
    for name, table in tables.items():
        write_table(table, out / f"{name}.parquet")
    return Results(
        settings=settings,
        digest=history.digest,
        methods=tuple(methods),
        tables=tables,
        sides=sides,
        choice=choice,
        targets=targets,
        selection=selection,
    )


def leg_piece(
    method: Method, symbol: str, history: History, settings: BacktestSettings, choosing: bool = False
) -> Mapping[str, Floats]:
    """Return what a method asks for a symbol, as columns; `choosing` as for `presents`."""
    found = requirements(method, symbol, history, settings, choosing=choosing)
    times, asked = (np.empty(0, dtype=np.int64), np.empty((0, 4))) if found is None else found
    return {
        "time_s": times.astype(np.float64),
        **{name: asked[:, i].copy() for i, name in enumerate(COLUMNS)},
    }


def leg_sides(
    methods: Sequence[Method], history: History, tables: Mapping[str, pd.DataFrame], *, work: str = "legs"
) -> dict[str, list[Side]]:
    """Return both sides of all symbols by method, with what happened; `work` is how names of pieces begin."""
    sides: dict[str, list[Side]] = {}
    for method in methods:
        for symbol, series in history.spot.items():
            table = tables.get(f"{work} {method.name} {symbol}")
            if table is None or not len(table):
                continue
            times = table["time_s"].to_numpy(dtype=np.int64)
            change = series.at(times + 24 * BAR_S) / series.at(times) - 1.0
            is_shortfall = method.measure is Measure.SHORTFALL
            both = sides_of(method.name, symbol, table, change, is_shortfall=is_shortfall)
            sides.setdefault(method.name, []).extend(both)
    return sides


def _work(
    history: History, settings: BacktestSettings, methods: Sequence[Method], parts: Sequence[str]
) -> dict[str, list[Piece]]:
    work: dict[str, list[Piece]] = {}
    if "legs" in parts:
        work["legs"] = _leg_pieces(history, settings, methods)
    if "books" in parts:
        work["books"] = book_pieces(history, settings)
    if "basis" in parts:
        work["basis"] = basis_pieces(history, settings)
    if "tightness" in parts:
        work["tightness"] = tightness_pieces(history, settings)
    if "options" in parts:
        work["options"] = option_pieces(history, settings)
    if not any(work.values()):
        raise DataError("nothing to look at: the prices do not reach far enough. Fix: widen --from, --to")
    return work


def _leg_pieces(
    history: History, settings: BacktestSettings, methods: Sequence[Method], *, choosing: bool = False
) -> list[Piece]:
    pieces = []
    for method in methods:
        for symbol, series in history.spot.items():
            needed = {symbol: series}
            if method.implied and "BTC" in history.spot:
                needed["BTC"] = history.spot["BTC"]
            seen = History(
                spot=needed, implied=history.implied if method.implied else {}, tiers=history.tiers
            )
            arrays = [
                part for s in (*needed.values(), *seen.implied.values()) for part in (s.first_s, s.values)
            ]
            told = _told(method, settings)
            if method.name == "leverage-tiers" and history.tiers is not None:
                told = (*told, history.tiers.read_bytes())
            times = presents(series, settings, choosing=choosing)
            pieces.append(
                Piece(
                    name=f"{'choice' if choosing else 'legs'} {method.name} {symbol}",
                    key=piece_key(method.name, symbol, told, times, *arrays),
                    function=leg_piece,
                    arguments=(method, symbol, seen, settings, choosing),
                )
            )
    return pieces


def _told(method: Method, settings: BacktestSettings) -> tuple[object, ...]:
    """Return what a method's requirements depend on besides prices and presents."""
    model = settings.model if method.settings is None else method.settings
    if method.name in {"garch-t", "gjr-t"}:
        return source_digest("backtest/garch.py"), model.alpha
    if method.settings is None:
        rows = (model.alpha, model.horizon_h, model.step_h, model.window_days)
        return source_digest(*_CHALLENGER_SOURCES), rows, settings.tier_notional
    return source_digest(*_LEG_SOURCES), model, settings.implied_first_s if method.implied else 0


def _leg_tables(sides: list[Side], history: History, settings: BacktestSettings) -> dict[str, pd.DataFrame]:
    cost = cost_table(sides, settings)
    late = [
        side.within(side.times_s >= settings.implied_first_s)
        for side in sides
        if side.symbol in {"BTC", "ETH"}
    ]
    late = [side for side in late if len(side.loss)]
    implied = cost_table(late, settings)
    return {
        "coverage": coverage_table(sides, settings),
        "years": breaches_by_year(sides),
        "regimes": breaches_by_regime(sides, history),
        "crises": breaches_in_crises(sides),
        "cost": cost,
        "cost_summary": cost_summary(cost, settings),
        "cost_implied": cost_summary(implied, settings),
        "cost_curve": cost_curve(sides, settings),
    }
