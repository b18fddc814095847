"""Books of options on real chains: what the model asks, and what marks said a day later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from seawall.backtest.books import GROSS_FLOOR, NET_FLOOR, risk_of_books
from seawall.backtest.chains import FAMILIES, OptionBooks, Snapshot, option_books
from seawall.backtest.data import BAR_S, History, file_digest
from seawall.backtest.grids import GRIDS, Grid, grid_margin, grid_pnl, span_grid
from seawall.backtest.option_market import BAR_H, OptionMarket, chain_files, option_market
from seawall.backtest.pieces import Piece
from seawall.backtest.settings import BacktestSettings, role_of
from seawall.backtest.statistics import acerbi_szekely_z2, basel_zone, kupiec_pof
from seawall.backtest.store import piece_key, source_digest
from seawall.backtest.walk import Walk, walk_forward
from seawall.margin.instruments import Chain
from seawall.margin.moves import joint_moves
from seawall.margin.perpetuals import spot_pnl
from seawall.margin.quotes import Quote, quoted_levels
from seawall.margin.revaluation import revalued_pnl
from seawall.margin.scenarios import ScenarioSet
from seawall.margin.settings import ModelSettings
from seawall.margin.shortfall import leg_shortfall
from seawall.margin.surface import Levels, levels_from
from seawall.margin.volatility import YEAR_H
from seawall.market.chains import expiry_volatilities, tenor_volatilities

if TYPE_CHECKING:
    from seawall.arrays import Floats, Ints

__all__ = ["option_path", "option_pieces", "option_table"]

_DAY_S = 24 * BAR_S
_MAKERS = 20
_PIECE_PRESENTS = 24
_GRIDS = ("deribit-grid", "derive-pmrm2", "paradex-grid", "span-16")
_TENORS_D = (7.0, 90.0)
_SOURCES = (
    "margin/volatility.py",
    "margin/scenarios.py",
    "margin/tails.py",
    "margin/stress.py",
    "margin/shortfall.py",
    "margin/moves.py",
    "margin/revaluation.py",
    "margin/surface.py",
    "margin/quotes.py",
    "margin/pricing.py",
    "market/chains.py",
    "margin/breaks.py",
    "backtest/walk.py",
    "backtest/books.py",
    "backtest/chains.py",
    "backtest/grids.py",
    "backtest/option_market.py",
    "backtest/options.py",
)


def option_pieces(history: History, settings: BacktestSettings) -> list[Piece]:
    """Return the work on chains, some days a piece."""
    market = option_market(history)
    if market is None:
        return []
    source, digest = source_digest(*_SOURCES), file_digest(chain_files(history))
    found = []
    for first in range(0, len(market.presents), _PIECE_PRESENTS):
        # The presents after the last one of a piece only say what happened a day later.
        seen = replace(market, presents=market.presents[first : first + _PIECE_PRESENTS + 8])
        day = np.datetime64(seen.presents[0][0].time_s, "s").astype("datetime64[D]")
        told = (first, _PIECE_PRESENTS, settings.books_seed)
        found.append(
            Piece(
                name=f"options {day}",
                key=piece_key("options", settings.model, told, source, digest, market.closes, market.first_s),
                function=_option_piece,
                arguments=(seen, settings.model, settings.books_seed),
            )
        )
    return found


def _option_piece(market: OptionMarket, model: ModelSettings, seed: int) -> Mapping[str, Floats]:
    return option_path(market, range(min(_PIECE_PRESENTS, len(market.presents))), model=model, seed=seed)


def option_path(
    market: OptionMarket, presents: range, *, model: ModelSettings, seed: int
) -> dict[str, Floats]:
    """Return one row a present and book: requirements by method and what happened.

    Parameters
    ----------
    market
        Prices and chains.
    presents
        Numbers of the presents to look at; those without a snapshot a day later, give or take two hours, are left out.
    model
        Its step is that of the chains, and its window longer by the gap between spot and chains.
    seed
        Of the market maker's books.
    """
    settings = market.settings(model)
    roles = [role_of(symbol) for symbol in market.symbols]
    walk = walk_forward(market.closes, bar_h=BAR_H, roles=roles, settings=settings)
    names = ["time_s", "book", "family", "shortfall", "at_risk", "legs", "floor", "pnl", *_GRIDS]
    parts: list[Floats] = [np.empty((0, len(names)))]
    for i in presents:
        now = market.presents[i]
        after = market.a_day_later(now[0].time_s)
        books = option_books(now, makers=_MAKERS, seed=seed)
        if after is None or books is None:
            continue
        change = _option_change(books, now, after)
        if not np.isfinite(change).all():
            continue
        parts.append(_rows(market, now, after, books, change, walk))
    table = np.concatenate(parts)
    return {name: table[:, i].copy() for i, name in enumerate(names)}


def _rows(
    market: OptionMarket,
    now: list[Snapshot],
    after: list[Snapshot],
    books: OptionBooks,
    change: Floats,
    walk: Walk,
) -> Floats:
    settings, sigma = walk.settings, walk.sigma
    row = market.row(now[0].time_s)
    scenarios = walk.scenarios(row)
    levels = _levels(now, scenarios, sigma[: row + 1], settings)
    moves = joint_moves(scenarios, settings=settings)
    chain = Chain(
        underlying=books.owner,
        strike=books.strike,
        is_option=np.ones(len(books.owner), dtype=np.bool_),
        is_call=books.is_call,
        hours=books.years * YEAR_H,
    )
    options = revalued_pnl(chain, moves, levels, horizon_h=settings.horizon_h, settings=settings.surface)
    pnl = np.hstack([spot_pnl(moves.scenarios.log_returns), options])
    weights = moves.scenarios.weights
    held = np.hstack([books.spots, books.options])
    shortfall, at_risk = risk_of_books(pnl, weights, held, alpha=settings.alpha)
    long_es, short_es = leg_shortfall(pnl, weights, alpha=settings.alpha)
    legs = np.maximum(held, 0.0) @ long_es + np.maximum(-held, 0.0) @ short_es
    spot_change = np.array([b.spot / a.spot - 1.0 for a, b in zip(now, after, strict=True)])
    realised = books.options @ change + books.spots @ spot_change
    ranges = _scan_ranges(scenarios, sigma, row)
    asked = [_grid_asks(name, books, ranges) for name in _GRIDS]
    when = np.full(len(held), float(now[0].time_s))
    number = np.arange(len(held), dtype=np.float64)
    family = books.families.astype(np.float64)
    return np.column_stack([when, number, family, shortfall, at_risk, legs, _floor(books), realised, *asked])


def _levels(now: list[Snapshot], scenarios: ScenarioSet, sigma: Floats, settings: ModelSettings) -> Levels:
    """Return the surface through what the chain quotes at the money, as keepers have it with a file of quotes."""
    yearly = np.sqrt(YEAR_H / settings.horizon_h)
    long_run = np.sqrt(np.nanmean(sigma**2, axis=0)) * yearly
    own = levels_from(scenarios.sigma_now * yearly, long_run, settings=settings.surface)
    quotes: list[Quote | None] = []
    for snapshot in now:
        years, volatility = expiry_volatilities(snapshot.quotes)
        at = tenor_volatilities(years, volatility, tenors_d=np.array([30.0, *_TENORS_D]))
        known = [(d, float(v)) for d, v in zip(_TENORS_D, at[1:], strict=True) if np.isfinite(v)]
        quotes.append(Quote(level=float(at[0]), tenors=tuple(known)) if np.isfinite(at[0]) else None)
    return quoted_levels(quotes, own, long_run, settings=settings.surface)


def _option_change(books: OptionBooks, now: list[Snapshot], after: list[Snapshot]) -> Floats:
    """Return the change of the mark's value of each option over the spot, NaN where it is not quoted any more."""
    found = np.full(len(books.owner), np.nan)
    for u, (before, then) in enumerate(zip(now, after, strict=True)):
        quotes = then.quotes
        known = {
            (int(e), float(k), bool(c)): m * x
            for e, k, c, m, x in zip(
                quotes.expiry_s, quotes.strike, quotes.is_call, quotes.mark, quotes.index, strict=True
            )
        }
        for i in np.flatnonzero(books.owner == u):
            row = books.row[i]
            q = before.quotes
            value = known.get((int(q.expiry_s[row]), float(q.strike[row]), bool(q.is_call[row])), np.nan)
            found[i] = value / before.spot - books.mark[i]
    return found


def _scan_ranges(scenarios: ScenarioSet, sigma: Floats, row: int) -> Floats:
    """Return the 99% quantile of absolute moves at the long-run volatility, by underlying."""
    history = scenarios.log_returns[: scenarios.historical]
    level = np.sqrt(np.nanmean(sigma[: row + 1] ** 2, axis=0)) / scenarios.sigma_now
    found: Floats = np.quantile(np.abs(np.expm1(history * level)), 0.99, axis=0)
    return found


def _grid_asks(name: str, books: OptionBooks, ranges: Floats) -> Floats:
    grids: list[Grid] = [span_grid(float(r)) if name == "span-16" else GRIDS[name] for r in ranges]
    pnl = np.empty((len(grids[0].cells), len(books.owner)))
    for u, grid in enumerate(grids):
        mine = books.owner == u
        pnl[:, mine] = grid_pnl(
            grid,
            strike=books.strike[mine],
            forward=books.forward[mine],
            years=books.years[mine],
            implied=books.implied[mine],
            is_call=books.is_call[mine],
        )
    asked: Floats = grid_margin(grids, books.options, books.spots, books.owner, pnl=pnl, delta=books.delta)
    return asked


def _floor(books: OptionBooks) -> Floats:
    """Return the floor of the initial requirement, by underlying: of the net delta and of the gross notional."""
    total: Floats = GROSS_FLOOR * (np.abs(books.options).sum(axis=1) + np.abs(books.spots).sum(axis=1))
    for u in range(books.spots.shape[1]):
        mine = books.owner == u
        total = total + NET_FLOOR * np.abs(books.options[:, mine] @ books.delta[mine] + books.spots[:, u])
    return total


def option_table(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return coverage and cost by family: the model's requirement against what grids ask of the same books."""
    joined = pd.concat(list(tables.values()), ignore_index=True)
    rows = []
    for number, family in enumerate(FAMILIES):
        part = joined[joined["family"] == number]
        if len(part):
            rows.append({"family": family, **_family(part)})
    return pd.DataFrame(rows)


def _family(part: pd.DataFrame) -> dict[str, object]:
    loss = -part["pnl"].to_numpy()
    shortfall, at_risk = part["shortfall"].to_numpy(), part["at_risk"].to_numpy()
    margin = np.maximum(shortfall, part["floor"].to_numpy())
    beyond = loss > margin
    days: Ints = part["time_s"].to_numpy(dtype=np.int64) // _DAY_S
    row: dict[str, object] = {
        "windows": len(part),
        "days": len(np.unique(days)),
        "days_with_a_breach": len(np.unique(days[beyond])),
        "breach_rate": float(beyond.mean()),
        "var_hit_rate": float((loss > at_risk).mean()),
        **_daily_tests(part),
        "mean_margin": float(margin.mean()),
        "shortfall_over_legs": float(np.median(shortfall / part["legs"].to_numpy())),
        "floor_binds": float((margin > shortfall).mean()),
    }
    for name in _GRIDS:
        asked = part[name].to_numpy()
        row[f"{name} breach_rate"] = float((loss > asked).mean())
        row[f"{name} cost_ratio"] = float(asked.mean() / margin.mean())
    return row


def _daily_tests(part: pd.DataFrame) -> dict[str, object]:
    """Return tests book by book on the first present of each day, so that windows do not overlap."""
    kupiec, z2, zones = [], [], []
    for _, book in part.groupby("book"):
        first = book.groupby(book["time_s"] // _DAY_S).head(1)
        loss, shortfall = -first["pnl"].to_numpy(), first["shortfall"].to_numpy()
        at_risk, margin = first["at_risk"].to_numpy(), np.maximum(shortfall, first["floor"].to_numpy())
        kupiec.append(kupiec_pof(int((loss > at_risk).sum()), len(loss), probability=0.01).p_value)
        zones.append(basel_zone(int((loss > margin).sum()), len(loss)).value)
        if (shortfall > 0).all():
            z2.append(
                acerbi_szekely_z2(-loss, value_at_risk=at_risk, expected_shortfall=shortfall, alpha=0.99)
            )
    return {
        "kupiec_rejected": float(np.mean(np.array(kupiec) < 0.05)),
        "not_green": float(np.mean(np.array(zones) != "green")),
        "z2_median": float(np.median(z2)) if z2 else np.nan,
    }
