"""Books of options on chains, and the grids they are compared with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seawall.backtest.chains import FAMILIES, Snapshot, option_books
from seawall.backtest.data import History, Series
from seawall.backtest.grids import GRIDS, grid_margin, grid_pnl, span_grid
from seawall.backtest.option_market import BAR_H, OptionMarket, option_market
from seawall.backtest.options import option_path, option_table
from seawall.margin.pricing import black_price
from seawall.margin.settings import ModelSettings
from seawall.market.schema import OptionQuotes

HOUR_S, DAY_S = 3_600, 86_400
START_S = 1_780_000_000 // DAY_S * DAY_S


def chain_of(symbol: str, time_s: int, spot: float, level: float = 0.6) -> Snapshot:
    """Return a chain with a flat smile, expiries at 8:00 and strikes every 2.5%, on fixed strikes around 100."""
    first = START_S + 8 * HOUR_S
    expiries = first + DAY_S * np.array([3, 4, 5, 6, 12, 40, 45])
    strikes = 100.0 * (1 + 0.025 * np.arange(-16, 17))
    grid = [(e, k, c) for e in expiries for k in strikes for c in (False, True) if e > time_s + 4 * HOUR_S]
    expiry, strike, call = (np.array(part) for part in zip(*grid, strict=True))
    years = (expiry - time_s) / (365.0 * DAY_S)
    count = len(grid)
    implied = np.full(count, level)
    forward = np.full(count, spot)
    mark = black_price(forward, strike, implied, years, is_call=call) / spot
    empty = np.full(count, np.nan)
    return Snapshot(
        symbol=symbol,
        time_s=time_s,
        spot=spot,
        quotes=OptionQuotes(
            symbol=symbol,
            times_s=np.full(count, time_s, dtype=np.int64),
            expiry_s=expiry.astype(np.int64),
            strike=strike,
            is_call=call,
            forward=forward,
            index=forward,
            bid=mark,
            ask=mark,
            mark=mark,
            mark_iv=implied,
            open_interest=empty,
            volume_24h=empty,
        ),
    )


@pytest.fixture(scope="module")
def market() -> OptionMarket:
    """Return half a year of prices, a gap, and three days of chains."""
    rng = np.random.default_rng(4)
    steps = 180 * 24 // BAR_H
    past = 100 * np.exp(np.cumsum(0.015 * rng.standard_t(5, size=(steps, 2)), axis=0))
    first_s = START_S - 300 * DAY_S
    closes = np.full((310 * 24 // BAR_H, 2), np.nan)
    closes[:steps] = past
    presents = []
    for i in range(12):
        time_s = START_S + i * BAR_H * HOUR_S
        spots = 100.0 * np.exp(0.01 * rng.standard_normal(2))
        closes[(time_s - first_s) // (BAR_H * HOUR_S)] = spots
        presents.append([chain_of(s, time_s, float(x)) for s, x in zip(("BTC", "ETH"), spots, strict=True)])
    return OptionMarket(symbols=("BTC", "ETH"), first_s=first_s, closes=closes, presents=presents)


MODEL = replace(ModelSettings(), window_days=120.0, minimum_history_days=30.0, warmup_days=10.0)


def test_books_belong_to_families_and_hedged_ones_have_no_delta(market: OptionMarket) -> None:
    books = option_books(market.presents[0], makers=3, seed=1)
    assert books is not None
    assert set(books.families) == set(range(len(FAMILIES)))
    delta = books.options * books.delta
    hedged = np.array(["hedged" in FAMILIES[f] for f in books.families])
    for u in range(2):
        net = delta[:, books.owner == u].sum(axis=1) + books.spots[:, u]
        np.testing.assert_allclose(net[hedged], 0.0, atol=1e-12)
    assert (books.spots[~hedged] == 0).all()


def test_both_sides_of_every_structure_are_there(market: OptionMarket) -> None:
    books = option_books(market.presents[0], makers=0, seed=1)
    assert books is not None
    np.testing.assert_allclose(books.options[::2], -books.options[1::2])


def test_what_happened_is_the_change_of_marks_and_spots(market: OptionMarket) -> None:
    found = option_path(market, range(1), model=MODEL, seed=1)
    books = option_books(market.presents[0], makers=20, seed=1)
    assert books is not None
    now, later = market.presents[0][0], market.presents[4][0]
    q, first = now.quotes, int(books.row[0])
    same = (
        (later.quotes.expiry_s == q.expiry_s[first])
        & (later.quotes.strike == q.strike[first])
        & (later.quotes.is_call == q.is_call[first])
    )
    then = float((later.quotes.mark * later.quotes.index)[same].item())
    change = then / now.spot - float(q.mark[first] * q.index[first]) / now.spot
    assert found["pnl"][0] == pytest.approx(change)
    assert found["pnl"][1] == pytest.approx(-change)


def write_chains(folder: Path, symbol: str, times_s: list[int], spots: list[float]) -> None:
    parts = []
    for time_s, spot in zip(times_s, spots, strict=True):
        q = chain_of(symbol, time_s, spot).quotes
        parts.append(
            pd.DataFrame(
                {
                    "timestamp": pd.to_datetime(q.times_s, unit="s", utc=True),
                    "expiry": pd.to_datetime(q.expiry_s, unit="s", utc=True),
                    "strike": q.strike,
                    "cp": np.where(q.is_call, "C", "P"),
                    "forward": q.forward,
                    "index_price": q.index,
                    "mark_price": q.mark,
                    "mark_iv": q.mark_iv,
                    "symbol": symbol,
                }
            )
        )
    pd.concat(parts).to_parquet(folder / f"deribit_options_{symbol}.parquet")


def test_of_two_snapshots_near_one_row_the_first_counts(tmp_path: Path) -> None:
    """The price of the second would be the future of the first."""
    spot = {
        symbol: Series(symbol=symbol, first_s=START_S - 300 * DAY_S, values=np.full(24 * 200, 100.0))
        for symbol in ("BTC", "ETH")
    }
    times = [START_S, START_S + 4 * HOUR_S, START_S + 8 * HOUR_S, START_S + 12 * HOUR_S]
    for symbol in spot:
        write_chains(tmp_path, symbol, times, [101.0, 102.0, 103.0, 104.0])
    market = option_market(History(spot=spot, folder=tmp_path))
    assert market is not None
    assert [present[0].time_s for present in market.presents] == [times[0], times[1], times[3]]
    rows = [market.row(present[0].time_s) for present in market.presents]
    assert market.closes[rows, 0].tolist() == [101.0, 102.0, 104.0]
    assert np.isnan(market.closes[rows[0] - 1]).all()  # the gap between spot and chains
    assert market.settings(ModelSettings()).window_days > ModelSettings().window_days + 90
    assert option_market(History(spot=spot)) is None


def test_later_chains_change_no_requirement(market: OptionMarket) -> None:
    later = replace(
        market,
        closes=np.where(np.arange(len(market.closes))[:, None] > market.row(START_S), 3.0, 1.0)
        * market.closes,
        presents=[
            *market.presents[:4],
            *[[chain_of(s.symbol, s.time_s, 1.3 * s.spot, 0.9) for s in p] for p in market.presents[4:]],
        ],
    )
    one, other = (option_path(m, range(1), model=MODEL, seed=1) for m in (market, later))
    for name in ("shortfall", "at_risk", "legs", "floor", "deribit-grid", "span-16"):
        np.testing.assert_array_equal(one[name], other[name])
    assert not np.allclose(one["pnl"], other["pnl"])


def test_presents_without_a_day_later_are_left_out(market: OptionMarket) -> None:
    found = option_path(market, range(12), model=MODEL, seed=1)
    assert set(found["time_s"]) <= {market.presents[i][0].time_s for i in range(8)}
    assert len(option_path(market, range(9, 12), model=MODEL, seed=1)["pnl"]) == 0


def test_families_are_reported(market: OptionMarket) -> None:
    found = option_path(market, range(3), model=MODEL, seed=1)
    table = option_table({"one": pd.DataFrame(found)})
    assert table["family"].tolist() == list(FAMILIES)
    assert table["shortfall_over_legs"].between(0, 1 + 1e-9).all()
    assert (table["derive-pmrm2 cost_ratio"] > table["deribit-grid cost_ratio"]).all()


def test_a_family_by_hand() -> None:
    count = 40
    columns = {
        "time_s": START_S + DAY_S * np.arange(count, dtype=np.float64),
        "book": np.zeros(count),
        "family": np.zeros(count),
        "shortfall": np.full(count, 0.10),
        "at_risk": np.full(count, 0.05),
        "legs": np.full(count, 0.20),
        "floor": np.where(np.arange(count) < 10, 0.12, 0.0),
        "pnl": np.zeros(count),
    } | {name: np.full(count, 0.2) for name in ("deribit-grid", "derive-pmrm2", "paradex-grid", "span-16")}
    columns["pnl"][[0, 20, 30]] = -0.11, -0.11, -0.25  # the floor saves the first
    row = option_table({"one": pd.DataFrame(columns)}).iloc[0]
    assert (row["family"], row["windows"], row["days"], row["days_with_a_breach"]) == (FAMILIES[0], 40, 40, 2)
    assert row["breach_rate"] == pytest.approx(2 / 40)
    assert row["var_hit_rate"] == pytest.approx(3 / 40)
    assert row["floor_binds"] == pytest.approx(10 / 40)
    assert row["deribit-grid breach_rate"] == pytest.approx(1 / 40)
    assert row["span-16 cost_ratio"] == pytest.approx(0.2 / 0.105)
    assert row["shortfall_over_legs"] == pytest.approx(0.5)
    assert row["kupiec_rejected"] == 1.0  # three hits in forty at 1%
    assert row["z2_median"] == pytest.approx(1 - (1.1 + 1.1 + 2.5) / (40 * 0.01))


def one_option(strike: float, *, is_call: bool) -> dict[str, np.ndarray]:
    return {
        "strike": np.array([strike]),
        "forward": np.ones(1),
        "years": np.array([30 / 365]),
        "implied": np.array([0.8]),
        "is_call": np.array([is_call]),
    }


def test_a_spot_alone_asks_for_the_largest_move_and_what_is_added() -> None:
    spots = np.array([[1.0], [-1.0], [-2.0]])
    none, owner = np.zeros((3, 1)), np.zeros(1, dtype=np.int64)
    asked = {}
    for name, grid in {**GRIDS, "span-16": span_grid(0.15)}.items():
        pnl = grid_pnl(grid, **one_option(1.0, is_call=True))
        asked[name] = grid_margin([grid], none, spots, owner, pnl=pnl, delta=np.ones(1))
    np.testing.assert_allclose(asked["deribit-grid"], [0.16, 0.16, 0.32])
    np.testing.assert_allclose(asked["derive-pmrm2"], [0.21, 0.21, 0.42])
    np.testing.assert_allclose(asked["paradex-grid"], [0.16, 0.16, 0.32])
    np.testing.assert_allclose(asked["span-16"], [0.15, 0.15, 0.30])


def test_a_long_option_asks_at_most_its_value_and_a_short_one_more() -> None:
    grid = GRIDS["deribit-grid"]
    option = one_option(1.05, is_call=True)
    pnl = grid_pnl(grid, **option)
    value = black_price(
        option["forward"], option["strike"], option["implied"], option["years"], is_call=option["is_call"]
    )
    long, short = grid_margin(
        [grid],
        np.array([[1.0], [-1.0]]),
        np.zeros((2, 1)),
        np.zeros(1, dtype=np.int64),
        pnl=pnl,
        delta=np.array([0.4]),
    )
    assert 0 < long < float(value.item()) < short


def test_volatility_shocks_reach_further_near_expiry() -> None:
    grid = GRIDS["derive-pmrm2"]
    up = [i for i, cell in enumerate(grid.cells) if cell.move == 0 and cell.vol > 0][0]  # noqa: RUF015
    near, far = ({**one_option(1.0, is_call=True), "years": np.array([days / 365])} for days in (7.0, 120.0))
    gained = [
        float(grid_pnl(grid, **o)[up, 0])
        / float(black_price(o["forward"], o["strike"], o["implied"], o["years"], is_call=o["is_call"]).item())
        for o in (near, far)
    ]
    assert gained[0] == pytest.approx(0.6 * (30 / 7) ** 0.3, rel=0.05)
    assert gained[1] == pytest.approx(0.6 * (30 / 120) ** 0.13, rel=0.05)
