"""Books of several symbols: the keeper's joint scenarios, hedges known at the time, families and pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from seawall.backtest.basis import basis_path, basis_pieces, basis_pnl, basis_table
from seawall.backtest.books import Universe, book_kinds, book_path, books_at, margin_floor
from seawall.backtest.data import BAR_S, History, Series
from seawall.backtest.families import book_pieces, family_table, family_years, pair_table, universes
from seawall.backtest.pieces import compute_pieces
from seawall.backtest.settings import BacktestSettings
from seawall.backtest.store import PieceStore
from seawall.margin.perpetuals import joint_returns, spot_pnl
from seawall.margin.settings import BreakSettings, ModelSettings
from seawall.margin.shortfall import expected_shortfall

Make = Callable[..., History]


@pytest.fixture(scope="module")
def universe(market: Make) -> Universe:
    return universes(market("BTC", "ETH", "SOL"))[0]


def path_of(universe: Universe, days: list[int], model: ModelSettings) -> dict[str, np.ndarray]:
    times = universe.first_s + 24 * BAR_S * np.array(days)
    return book_path(universe, times, settings=model, random_books=4, seed=1)


@pytest.mark.parametrize(
    "changes", [{}, {"side_share": 0.5}, {"breaks": BreakSettings(enabled=True, limit=8.0)}]
)
def test_shortfalls_equal_what_a_keeper_computes(
    universe: Universe, short_model: ModelSettings, changes: dict[str, Any]
) -> None:
    short_model = replace(short_model, **changes)
    found = path_of(universe, [100], short_model)
    closes = universe.closes[: 100 * 24 + 1]
    _, scenarios = joint_returns(closes, bar_h=1.0, roles=universe.roles, settings=short_model)
    books = np.column_stack([found[f"x{i}"] for i in range(3)])
    pnl = spot_pnl(scenarios.log_returns) @ books.T
    own = expected_shortfall(pnl, scenarios.weights, alpha=short_model.alpha)
    np.testing.assert_allclose(found["shortfall"], own, rtol=1e-10)
    assert (found["at_risk"] <= found["shortfall"] + 1e-12).all()
    assert (found["shortfall"] <= found["legs"] + 1e-12).all()


def test_what_comes_later_changes_no_requirement(universe: Universe, short_model: ModelSettings) -> None:
    later = universe.closes.copy()
    later[100 * 24 + 1 :] *= 3.0
    one, other = (path_of(u, [80, 100], short_model) for u in (universe, replace(universe, closes=later)))
    for name in ("shortfall", "at_risk", "legs", "floor", "x0", "x1", "x2"):
        np.testing.assert_array_equal(one[name], other[name])
    assert not np.allclose(one["pnl"], other["pnl"])


def test_what_happened_is_the_simple_return_of_the_book(
    universe: Universe, short_model: ModelSettings
) -> None:
    found = path_of(universe, [90], short_model)
    change = universe.closes[91 * 24] / universe.closes[90 * 24] - 1
    books = np.column_stack([found[f"x{i}"] for i in range(3)])
    np.testing.assert_allclose(found["pnl"], books @ change)


def test_hedges_are_regressions_and_books_have_a_gross_of_one(
    universe: Universe, short_model: ModelSettings
) -> None:
    closes = universe.closes[: 100 * 24 + 1]
    _, scenarios = joint_returns(closes, bar_h=1.0, roles=universe.roles, settings=short_model)
    books = books_at(scenarios, alpha=0.99, random_books=4, seed=1)
    kinds = book_kinds(universe.symbols, random_books=4)
    assert len(books) == len(kinds)
    np.testing.assert_allclose(np.abs(books).sum(axis=1), 1.0)
    np.testing.assert_allclose(margin_floor(books), 0.022)
    pnl, weights = spot_pnl(scenarios.log_returns), scenarios.weights
    variance = {}
    for kind, book in zip(kinds, books, strict=True):
        moves = pnl @ book
        variance[kind.family, kind.name] = weights @ (moves - weights @ moves) ** 2 / np.abs(book).max() ** 2
    hedged = variance["pair, hedged", "long BTC, ETH hedges"]
    assert hedged <= variance["single leg", "long BTC"]
    assert hedged <= variance["pair, equal value", "BTC against ETH"] * (1 + 1e-9)
    # All others hedge no worse than one of them.
    assert variance["one against all, hedged", "long BTC"] <= hedged * (1 + 1e-9)


def test_families_and_pairs_are_reported(
    market: Make, short_settings: BacktestSettings, tmp_path: Path
) -> None:
    history = market("BTC", "ETH", "SOL")
    told = replace(short_settings, last_s=short_settings.first_s + 100 * 24 * BAR_S)
    pieces = book_pieces(history, told)
    found = compute_pieces(pieces, PieceStore(tmp_path), jobs=1, progress=lambda *_: None)
    table = family_table(found, history, told)
    assert table["universe"].unique().tolist() == ["all symbols", "oldest symbols"]
    families = list(dict.fromkeys(kind.family for kind in book_kinds(("BTC", "ETH"), random_books=1)))
    assert table["family"].tolist() == 2 * families
    assert table["breach_rate"].between(0, 0.2).all()
    assert (table["worst_book_rate"] >= table["breach_rate"]).all()
    single = table[table["family"] == "single leg"]
    assert single["shortfall_over_legs"].tolist() == pytest.approx([1.0, 1.0])
    years = family_years(found, history, told)
    assert years["windows"].sum() == sum(len(part) for part in found.values())
    for row in table.to_dict("records"):
        mine = years[(years["universe"] == row["universe"]) & (years["family"] == row["family"])]
        rate = (mine["breach_rate"] * mine["windows"]).sum() / mine["windows"].sum()
        assert rate == pytest.approx(row["breach_rate"])
    pairs = pair_table(found, history, told)
    assert len(pairs) == 2 * (6 + 2) * len(told.rates)
    assert pairs["cost_over_legs"].between(0.05, 1.5).all()


def test_a_piece_of_books_sees_no_later_prices(market: Make, short_settings: BacktestSettings) -> None:
    for piece in book_pieces(market("BTC", "ETH"), short_settings):
        universe, times, _ = piece.arguments
        assert universe.first_s + BAR_S * (len(universe.closes) - 1) == times[-1] + 24 * BAR_S


def test_a_basis_trade_earns_convergence_and_funding() -> None:
    hours = 200
    spot = Series(symbol="BTC", first_s=0, values=np.full(hours, 100.0))
    mark = Series(symbol="BTC", first_s=0, values=np.full(hours, 101.0))
    mark.values[48:] = 100.0
    rates = np.zeros(hours)
    rates[[8, 16, 24, 32]] = 0.001
    paid = Series(symbol="BTC", first_s=0, values=rates)
    times = np.array([0, 24 * BAR_S])
    np.testing.assert_allclose(basis_pnl(spot, mark, None, times), [0.0, 0.01])
    np.testing.assert_allclose(basis_pnl(spot, mark, paid, times), [0.003, 0.011])


def test_basis_trades_are_reported_by_side(market: Make, short_settings: BacktestSettings) -> None:
    history = market("BTC", gaps=0)
    series = history.spot["BTC"]
    premium = 1 + 0.004 * np.sin(np.arange(len(series.values)) / 17.0)
    mark = replace(series, values=series.values * premium)
    history = replace(history, marks={"BTC": mark})
    (piece,) = basis_pieces(history, short_settings)
    path = piece.function(*piece.arguments)
    table = basis_table({piece.name: pd.DataFrame(path)}, history, short_settings)
    assert table["side"].tolist() == ["short perpetual", "long perpetual"]
    assert (table["floor"] == 0.002).all()  # the token is no contract
    assert table["floor_breach_rate"].between(0.1, 0.6).all()
    assert (table["breach_rate"] < 0.25 * table["floor_breach_rate"]).all()
    assert (table["requirement"] > 2 * table["floor"]).all()
    assert (table["worst_loss"] >= table["loss_99"]).all()


def test_what_a_basis_trade_asks_depends_on_nothing_later(
    market: Make, short_settings: BacktestSettings
) -> None:
    series = market("BTC", gaps=0).spot["BTC"]
    wave = np.exp(0.004 * np.sin(np.arange(len(series.values)) / 17.0))
    mark, times = (
        replace(series, values=series.values * wave),
        series.first_s + BAR_S * np.array([1500, 1600]),
    )
    crashed = replace(mark, values=np.where(np.arange(len(wave)) > 1600, 0.5, 1.0) * mark.values)
    sides = ["short perpetual", "long perpetual"]
    found = [
        pd.DataFrame(basis_path(series, m, None, times, settings=short_settings.model))[sides]
        for m in (mark, crashed)
    ]
    pd.testing.assert_frame_equal(*found)
