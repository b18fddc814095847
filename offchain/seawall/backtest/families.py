"""Coverage of books of several symbols, by family, and what hedged pairs cost against their legs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from seawall.backtest.books import BookKind, Universe, book_kinds, book_path
from seawall.backtest.cost import scaled_margin, static_in_hindsight
from seawall.backtest.data import BAR_S, History, joint_closes
from seawall.backtest.pieces import Piece
from seawall.backtest.settings import BacktestSettings, role_of
from seawall.backtest.statistics import (
    acerbi_szekely_z2,
    basel_zone,
    christoffersen_independence,
    kupiec_pof,
)
from seawall.backtest.store import piece_key, source_digest

if TYPE_CHECKING:
    from seawall.arrays import Bools, Floats, Ints

__all__ = ["book_pieces", "family_table", "family_years", "pair_table", "universes"]

# The oldest symbols make a set of their own, which reaches back to the crash of 2020.
_LONGEST = ("BTC", "ETH", "LTC", "XRP")
_PIECE_DAYS = 91
_DAY_S = 24 * BAR_S
_SOURCES = (
    "margin/volatility.py",
    "margin/scenarios.py",
    "margin/tails.py",
    "margin/stress.py",
    "margin/shortfall.py",
    "margin/perpetuals.py",
    "margin/design.py",
    "margin/breaks.py",
    "backtest/walk.py",
    "backtest/books.py",
    "backtest/families.py",
)


def universes(history: History) -> list[Universe]:
    """Return the sets of symbols whose joint prices are looked at: all, and those that go back furthest."""
    sets = [("all symbols", tuple(history.spot))]
    oldest = tuple(symbol for symbol in _LONGEST if symbol in history.spot)
    if 2 <= len(oldest) < len(history.spot):
        sets.append(("oldest symbols", oldest))
    found = []
    for name, symbols in sets:
        if len(symbols) < 2:
            continue
        first_s, closes = joint_closes(history, symbols)
        roles = tuple(role_of(symbol) for symbol in symbols)
        found.append(Universe(name=name, symbols=symbols, roles=roles, first_s=first_s, closes=closes))
    return found


def book_pieces(history: History, settings: BacktestSettings) -> list[Piece]:
    """Return the work on books, a quarter of a year of one universe a piece."""
    source = source_digest(*_SOURCES)
    pieces = []
    for universe in universes(history):
        times = _presents(universe, settings)
        quarters = times // (_PIECE_DAYS * _DAY_S)
        for quarter in np.unique(quarters):
            chosen = times[quarters == quarter]
            told = (settings.random_books, settings.books_seed)
            # A piece sees the prices up to the end of its own last window and no further.
            end = int(chosen[-1] - universe.first_s) // BAR_S + 25
            seen = Universe(
                name=universe.name,
                symbols=universe.symbols,
                roles=universe.roles,
                first_s=universe.first_s,
                closes=universe.closes[:end],
            )
            pieces.append(
                Piece(
                    name=f"books {universe.name} {np.datetime64(int(chosen[0]), 's').astype('datetime64[D]')}",
                    key=piece_key("books", settings.model, told, source, seen.first_s, seen.closes, chosen),
                    function=_book_piece,
                    arguments=(seen, chosen, settings),
                )
            )
    return pieces


def _book_piece(universe: Universe, times: Ints, settings: BacktestSettings) -> Mapping[str, Floats]:
    return book_path(
        universe,
        times,
        settings=settings.model,
        random_books=settings.random_books,
        seed=settings.books_seed,
    )


def _presents(universe: Universe, settings: BacktestSettings) -> Ints:
    """Return presents of the phases of books, both ends of the window seen."""
    last = universe.first_s + BAR_S * (len(universe.closes) - 1)
    first = max(settings.first_s, universe.first_s + settings.history_days * _DAY_S)
    days = np.arange(-(-first // _DAY_S) * _DAY_S, min(settings.last_s, last), _DAY_S, dtype=np.int64)
    hours = np.array(sorted(settings.book_phases_h), dtype=np.int64) * BAR_S
    times: Ints = (days[:, None] + hours).ravel()
    times = times[times + _DAY_S <= min(settings.last_s, last)]
    seen = np.isfinite(universe.closes).all(axis=1)
    rows = (times - universe.first_s) // BAR_S
    kept: Ints = times[seen[rows] & seen[rows + 24]]
    return kept


def _joined(
    tables: Mapping[str, pd.DataFrame], history: History, settings: BacktestSettings
) -> list[tuple[Universe, list[BookKind], pd.DataFrame]]:
    """Return all rows of each universe with the kinds of its books."""
    found = []
    for universe in universes(history):
        parts = [table for name, table in tables.items() if name.startswith(f"books {universe.name} ")]
        if parts:
            rows = pd.concat(parts, ignore_index=True)
            rows = rows.sort_values(["time_s", "book"], kind="stable", ignore_index=True)
            kinds = book_kinds(universe.symbols, random_books=settings.random_books)
            found.append((universe, kinds, rows))
    return found


def family_table(
    tables: Mapping[str, pd.DataFrame], history: History, settings: BacktestSettings
) -> pd.DataFrame:
    """Return coverage by universe and family: rates over all books, tests book by book and phase by phase.

    The requirement judged is the larger of the expected shortfall and the floor. Rejections are shares of the books
    and phases with a p-value below 5%; books of a family share their days, so the shares are not independent either.
    """
    rows = []
    for universe, kinds, table in _joined(tables, history, settings):
        grids = {name: _grid(table, name, len(kinds)) for name in ("time_s", "shortfall", "at_risk", "pnl")}
        grids |= {name: _grid(table, name, len(kinds)) for name in ("floor", "legs")}
        for family in dict.fromkeys(kind.family for kind in kinds):
            mine = np.array([kind.family == family for kind in kinds])
            part = {name: grid[:, mine] for name, grid in grids.items()}
            rows.append({"universe": universe.name, "family": family, **_family(part, settings)})
    return pd.DataFrame(rows)


def family_years(
    tables: Mapping[str, pd.DataFrame], history: History, settings: BacktestSettings
) -> pd.DataFrame:
    """Return breach rates and average margins by universe, family and year."""
    parts = []
    for universe, kinds, table in _joined(tables, history, settings):
        families = np.array([kind.family for kind in kinds])[table["book"].to_numpy(dtype=np.int64)]
        margin = np.maximum(table["shortfall"], table["floor"])
        part = pd.DataFrame({"universe": universe.name, "family": families})
        part["year"] = pd.to_datetime(table["time_s"], unit="s").dt.year
        part["breach_rate"] = (-table["pnl"] > margin).astype(np.float64)
        part["mean_margin"] = margin
        part["windows"] = 1
        parts.append(part)
    if not parts:
        return pd.DataFrame()
    groups = pd.concat(parts).groupby(["universe", "family", "year"], sort=False)
    summed = groups.agg({"windows": "sum", "breach_rate": "mean", "mean_margin": "mean"})
    return summed.reset_index()


def _grid(table: pd.DataFrame, column: str, books: int) -> Floats:
    """Return a column as (presents, books)."""
    grid: Floats = table[column].to_numpy(dtype=np.float64).reshape(-1, books)
    return grid


def _family(part: Mapping[str, Floats], settings: BacktestSettings) -> dict[str, object]:
    tail = 1.0 - settings.model.alpha
    losses, margin = -part["pnl"], np.maximum(part["shortfall"], part["floor"])
    beyond = losses > margin
    times = part["time_s"][:, 0].astype(np.int64)
    phases = times % _DAY_S
    kupiec, independence, z2, zones = [], [], [], []
    for phase in np.unique(phases):
        at = phases == phase
        for book in range(losses.shape[1]):
            loss, risk, ask = losses[at, book], part["at_risk"][at, book], part["shortfall"][at, book]
            hits: Bools = loss > risk
            kupiec.append(kupiec_pof(int(hits.sum()), len(hits), probability=tail).p_value)
            independence.append(christoffersen_independence(hits).p_value)
            zones.append(basel_zone(int(beyond[at, book].sum()), len(loss), probability=tail).value)
            if (ask > 0).all():
                z2.append(
                    acerbi_szekely_z2(-loss, value_at_risk=risk, expected_shortfall=ask, alpha=1.0 - tail)
                )
    rates = beyond.mean(axis=0)
    return {
        "books": losses.shape[1],
        "presents": len(losses),
        "breach_rate": float(beyond.mean()),
        "worst_book_rate": float(rates.max()),
        "breach_rate_without_floor": float((losses > part["shortfall"]).mean()),
        "var_hit_rate": float((losses > part["at_risk"]).mean()),
        "kupiec_rejected": float(np.mean(np.array(kupiec) < 0.05)),
        "independence_rejected": float(np.mean(np.array(independence) < 0.05)),
        "not_green": float(np.mean(np.array(zones) != "green")),
        "z2_median": float(np.median(z2)) if z2 else np.nan,
        "beyond_given_breach": float((losses - margin)[beyond].mean()) if beyond.any() else 0.0,
        "mean_margin": float(margin.mean()),
        "shortfall_over_legs": float(np.median(part["shortfall"] / part["legs"])),
        "floor_binds": float((part["floor"] > part["shortfall"]).mean()),
    }


def pair_table(
    tables: Mapping[str, pd.DataFrame], history: History, settings: BacktestSettings
) -> pd.DataFrame:
    """Return what hedged pairs cost against the static margins of their legs, one row a pair and rate.

    Both are scaled to the same realised breach rate: the pair's own requirement, and for each leg the constant
    margin that hindsight knows, times the mean hedge ratio.
    """
    rows = []
    for universe, kinds, table in _joined(tables, history, settings):
        times = _grid(table, "time_s", len(kinds))[:, 0].astype(np.int64)
        phases = times % _DAY_S
        at = (times - universe.first_s) // BAR_S
        changes = universe.closes[at + 24] / universe.closes[at] - 1.0
        exposures = np.stack([_grid(table, f"x{i}", len(kinds)) for i in range(len(universe.symbols))])
        pnl, shortfall = (_grid(table, name, len(kinds)) for name in ("pnl", "shortfall"))
        for book, kind in enumerate(kinds):
            if kind.family != "pair, hedged":
                continue
            held = exposures[:, :, book]
            first, second = np.argsort(-np.abs(held).sum(axis=1))[:2]
            for rate in settings.rates:
                own = scaled_margin(-pnl[:, book], np.maximum(shortfall[:, book], 1e-9), phases, rate=rate)
                legs = sum(
                    static_in_hindsight(
                        -np.sign(held[i].mean()) * changes[:, i], phases, rate=rate
                    ).mean_margin
                    * float(np.abs(held[i]).mean())
                    for i in (first, second)
                )
                rows.append(
                    {
                        "universe": universe.name,
                        "pair": kind.name,
                        "rate": rate,
                        "cost_over_legs": own.mean_margin / legs,
                    }
                )
    return pd.DataFrame(rows)
