"""Files of market data: the same numbers from CSV and parquet, the units of the schema, and clear refusals."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.support.data import needs_real_data, real_data
from tests.support.histories import HOUR_S, START_S, clean_closes, of_closes

from seawall.errors import ConfigError, DataError
from seawall.market.chains import clean_quotes, expiry_volatilities, tenor_volatilities
from seawall.market.files import read_bars, read_csv
from seawall.market.findings import Rule
from seawall.market.implied import ImpliedSettings
from seawall.market.joining import join_candles, usable_bars
from seawall.market.readers import (
    read_candles,
    read_funding,
    read_option_books,
    read_options,
    read_order_books,
    read_rounds,
    read_volatility_index,
)
from seawall.market.rules import clean_candles
from seawall.market.schema import Candles, OptionQuotes, OrderBook, underlying_of

CANDLES = "timestamp,open,high,low,close,volume,symbol\n"


def parquet_of(csv_path: Path, *, times: tuple[str, ...] = ("timestamp",)) -> Path:
    """Write a CSV file's rows as parquet, as a data frame would: times as timestamps, numbers as numbers."""
    header, *rows = [line.split(",") for line in csv_path.read_text().splitlines()]
    columns: dict[str, pa.Array] = {}
    for name, values in zip(header, zip(*rows, strict=True), strict=True):
        if name in times:
            stamps = [int(np.datetime64(v, "ms").astype(np.int64)) for v in values]
            columns[name] = pa.array(stamps, pa.timestamp("ms", tz="UTC"))
        elif name in ("symbol", "cp", "side"):
            columns[name] = pa.array(values)
        else:
            columns[name] = pa.array([float(v) if v else None for v in values], pa.float64())
    path = csv_path.with_suffix(".parquet")
    pq.write_table(pa.table(columns), path)
    return path


def written(tmp_path: Path, text: str, name: str = "data.csv") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_candles_of_csv_and_parquet_are_the_same(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        CANDLES
        + "2020-01-01T02:00:00,3,4,2,3.5,7,B\n2020-01-01T00:00:00,1,2,0.5,1.5,,B\n"
        + "2020-01-01T01:00:00.250,10,20,5,15,2.5,A\n2020-01-01T00:00:00,11,21,6,16,3,A\n",
    )
    for file in (path, parquet_of(path)):
        first, second = read_candles(file)
        assert (first.symbol, second.symbol) == ("A", "B")
        assert first.start_s.tolist() == [1_577_836_800, 1_577_840_400]
        assert first.close.tolist() == [16.0, 15.0]
        assert first.known_at.tolist() == [1_577_840_400, 1_577_844_000]
        assert (first.bar_s, second.bar_s) == (3600, 7200)
        assert np.isnan(second.volume[0])
        assert len(first.until(1_577_843_999).close) == 1


def test_candles_with_a_close_only_have_it_everywhere(tmp_path: Path) -> None:
    path = written(tmp_path, "timestamp,close,symbol\n0,5,X\n86400,6,X\n")
    (found,) = read_candles(path)
    assert found.high.tolist() == found.open.tolist() == [5.0, 6.0]
    assert np.isnan(found.volume).all()


def test_mark_prices_are_read_apart_from_trades(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "timestamp,open,high,low,close,volume,mark_close,mark_low,mark_high,symbol\n"
        "0,1,2,0.5,1.5,9,,,,X\n3600,1,2,0.5,1.6,9,1.55,1.5,1.7,X\n7200,1,2,0.5,1.7,9,1.65,1.6,1.8,X\n",
    )
    (mark,) = read_candles(path, price="mark")
    assert (mark.close.tolist(), mark.high.tolist(), mark.start_s.tolist()) == (
        [1.55, 1.65],
        [1.7, 1.8],
        [3600, 7200],
    )
    assert read_candles(path)[0].close.tolist() == [1.5, 1.6, 1.7]


def test_funding_and_rounds_are_read_in_the_order_of_time(tmp_path: Path) -> None:
    funding = written(tmp_path, "timestamp,funding_rate,symbol\n28800,0.0001,X\n0,-0.0002,X\n", "funding.csv")
    (paid,) = read_funding(funding)
    assert (paid.times_s.tolist(), paid.rate.tolist()) == ([0, 28800], [-0.0002, 0.0001])
    assert len(paid.until(28_799).rate) == 1
    (rounds,) = read_rounds(
        written(tmp_path, "timestamp,price,round_id,symbol\n60,2,5,F\n60,3,6,F\n", "rounds.csv")
    )
    assert rounds.candles(bar_s=60, max_age_s=60).close.tolist() == [3.0]


OPTIONS = (
    "timestamp,expiry,strike,cp,forward,index_price,bid_price,ask_price,mark_price,mark_iv,symbol\n"
    "2024-01-01,2024-02-01T08:00:00,100,C,101,100.5,0.01,0.02,0.015,0.5,BTC\n"
    "2024-01-01,2024-02-01T08:00:00,100,P,101,100.5,0,,0.004,,BTC\n"
)


def test_option_quotes_have_no_premium_where_there_is_no_quote(tmp_path: Path) -> None:
    path = written(tmp_path, OPTIONS)
    for file in (path, parquet_of(path, times=("timestamp", "expiry"))):
        (quotes,) = read_options(file)
        assert quotes.is_call.tolist() == [True, False]
        assert quotes.expiry_s.tolist() == [1_706_774_400] * 2
        assert quotes.bid[0] == 0.01
        assert np.isnan([quotes.bid[1], quotes.ask[1], quotes.mark_iv[1], quotes.open_interest[0]]).all()


def test_order_books_are_read_best_level_first(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "timestamp,symbol,side,level,price,qty\n"
        "5,X-SPOT,A,1,101,1\n5,X-SPOT,B,2,98,2\n5,X-SPOT,B,1,99,3\n5,X-SPOT,A,2,102,0\n9,X-SPOT,B,1,97,1\n",
    )
    first, second = read_order_books(path)
    assert first.bids.tolist() == [[99.0, 3.0], [98.0, 2.0]]
    assert first.asks.tolist() == [[101.0, 1.0]]
    assert (first.time_s, second.time_s, len(second.asks)) == (5, 9, 0)


def test_books_of_options_are_read_beside_their_quotes(tmp_path: Path) -> None:
    header = ["timestamp", "expiry", "strike", "cp", "symbol", "bids_json", "asks_json"]
    row = [0, 86_400, 50.0, "C", "BTC", json.dumps([[0.01, 2.0], [0.02, 1.0]]), "[]"]
    path = tmp_path / "books.parquet"
    pq.write_table(pa.table({name: [value] for name, value in zip(header, row, strict=True)}), path)
    (book,) = read_option_books(path)
    assert book.symbol == "BTC-86400-50-C"
    assert book.bids.tolist() == [[0.02, 1.0], [0.01, 2.0]]
    row[-1] = "[["
    pq.write_table(pa.table({name: [value] for name, value in zip(header, row, strict=True)}), path)
    with pytest.raises(DataError, match="not JSON"):
        read_option_books(path)


def test_an_index_of_volatility_is_known_when_its_bar_ends(tmp_path: Path) -> None:
    path = written(tmp_path, "timestamp,close,symbol\n0,55,DVOL_BTC\n3600,60,DVOL_BTC\n7200,0.1,DVOL_BTC\n")
    quotes = read_volatility_index(path)
    assert quotes.rejected == 1
    settings = ImpliedSettings(max_age_s=3600, move_per_h=10.0)
    level = quotes.levels("BTC", 30.0, np.array([3599, 3600, 7200, 10_801]), settings=settings)[0]
    assert level[1:3] == pytest.approx([0.55, 0.60])
    assert np.isnan(level[[0, 3]]).all()


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "timestamp,symbol\n0,X\n")
    with pytest.raises(DataError, match=r"data\.csv lacks the column close"):
        read_candles(path)
    with pytest.raises(DataError, match="what is no time"):
        read_candles(written(tmp_path, CANDLES + "noon,1,1,1,1,1,X\n"))
    with pytest.raises(DataError, match="single bar"):
        read_candles(written(tmp_path, CANDLES + "0,1,1,1,1,1,X\n"))
    with pytest.raises(DataError, match="cannot read"):
        read_candles(tmp_path / "absent.csv")
    with pytest.raises(DataError, match="cannot read"):
        read_candles(written(tmp_path, "no parquet", "data.parquet"))
    empty_time = tmp_path / "times.parquet"
    pq.write_table(
        pa.table({"timestamp": pa.array([None], pa.timestamp("s")), "close": [1.0], "symbol": ["X"]}),
        empty_time,
    )
    with pytest.raises(DataError, match="empty times"):
        read_candles(empty_time)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"seawall\[parquet\]"):
        read_candles(tmp_path / "data.parquet")


def test_the_schema_refuses_what_has_no_order_or_shape() -> None:
    good = of_closes(clean_closes(0)[:5])[0]
    with pytest.raises(DataError, match="must not decrease"):
        good.rows(np.array([1, 0]))
    with pytest.raises(DataError, match="has shape"):
        Candles.of_closes("X", good.start_s, good.close[:2], bar_s=60)
    with pytest.raises(DataError, match="float64"):
        Candles.of_closes("X", good.close, good.close, bar_s=60)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="length of a bar"):
        Candles.of_closes("X", good.start_s, good.close, bar_s=0)
    with pytest.raises(DataError, match="best level first"):
        OrderBook(symbol="X", time_s=0, bids=np.array([[1.0, 1.0], [2.0, 1.0]]), asks=np.zeros((0, 2)))
    with pytest.raises(DataError, match=r"expected \(levels, 2\)"):
        OrderBook(symbol="X", time_s=0, bids=np.zeros(3), asks=np.zeros((0, 2)))


@pytest.mark.parametrize(
    "symbol", ["BTC", "BTCUSDT", "BTCUSDT-PERP", "BTC/USD", "BTC/USDT:USDT", "BTCUSD", "BTCUSDC-SPOT"]
)
def test_the_underlying_of_a_symbol_is_told(symbol: str) -> None:
    assert underlying_of(symbol) == "BTC"


def test_candles_are_joined_where_all_have_a_bar() -> None:
    first, second = of_closes(clean_closes(0)[:10])
    bars = join_candles([first.rows(np.arange(10) != 3), second.rows(np.arange(10) != 5)])
    assert len(bars.known_at) == 8
    assert bars.dropped == 2
    np.testing.assert_allclose(bars.traded_value[0], 1e3 * clean_closes(0)[0])
    times, gridded = bars.gridded()
    assert (np.diff(times) == HOUR_S).all()
    assert times[-1] == bars.known_at[-1]
    assert gridded.shape == (10, 2)
    assert np.isnan(gridded[[3, 5]]).all()
    np.testing.assert_array_equal(gridded[4], clean_closes(0)[4])
    for wrong, message in (
        ([], "no candles"),
        ([first, first], "comes twice"),
        ([first, second.rows(np.array([0, 0]))], "comes twice"),
        ([first, Candles.of_closes("X", first.start_s, first.close, bar_s=60)], "seconds long"),
        ([first.rows(slice(0, 2)), second.rows(slice(5, 7))], "no time has a bar of all"),
    ):
        with pytest.raises(DataError, match=message):
            join_candles(wrong)


def test_bars_beside_the_grid_stand_at_its_nearest_time() -> None:
    start = START_S + np.array([0, HOUR_S + 40, 3 * HOUR_S - 10, 3 * HOUR_S, 4 * HOUR_S])
    bars = join_candles([Candles.of_closes("X", start, np.arange(1.0, 6.0), bar_s=HOUR_S)])
    times, closes = bars.gridded()
    assert times.tolist() == [START_S + HOUR_S * i for i in range(1, 6)]
    np.testing.assert_array_equal(closes[:, 0], [1.0, 2.0, np.nan, 4.0, 5.0])  # of two at one time the later
    assert not len(bars.until(0).gridded()[1])


def to_csv(path: Path, candles: list[Candles]) -> None:
    lines = [CANDLES]
    for c in candles:
        for row in zip(c.start_s, c.open, c.high, c.low, c.close, c.volume, strict=True):
            lines.append(",".join(repr(v.item()) for v in row) + f",{c.symbol}\n")
    path.write_text("".join(lines))


def test_a_keeper_reads_joint_bars_candles_or_a_folder_of_them(tmp_path: Path) -> None:
    closes = clean_closes(0)[:200]
    spiked = closes.copy()
    spiked[150, 0] *= 2.0
    joint = written(
        tmp_path,
        "known_at,BTC.close,BTC.traded_value\n"
        + "".join(f"{START_S + HOUR_S * (i + 1)},{c!r},5\n" for i, c in enumerate(spiked[:, 0].tolist())),
        "joint.csv",
    )
    assert read_bars(joint).closes.tolist() == read_csv(joint).closes.tolist()
    assert len(read_bars(joint).closes) == 200  # as it is
    folder = tmp_path / "sources"
    folder.mkdir()
    with pytest.raises(DataError, match="holds no"):
        read_bars(folder)
    for name, symbols in (("one.csv", ("BTCUSD", "ETHUSD")), ("two.csv", ("BTCUSDT", "ETHUSDT"))):
        to_csv(folder / name, of_closes(spiked if name == "one.csv" else closes, symbols))
    bars = read_bars(folder, now_s=START_S + HOUR_S * 199)
    assert bars.symbols == ("BTC", "ETH")
    # A day of listing is left out, the spike has no quorum, and the last bar is not complete.
    assert len(bars.closes) == 200 - 24 - 1 - 1
    np.testing.assert_allclose(bars.closes[-1], closes[198])
    alone = read_bars(folder / "two.csv")
    assert len(alone.closes) == 200 - 24
    with pytest.raises(DataError, match=r"keeper\.market_data"):
        read_bars(tmp_path / "absent.csv")


@needs_real_data
def test_real_candles_pass_the_rules_but_for_a_few_bars() -> None:
    folder = real_data("binance_spot_1h_BTCUSDT.parquet", "binance_spot_1h_ETHUSDT.parquet")
    candles = [
        c for coin in ("BTC", "ETH") for c in read_candles(folder / f"binance_spot_1h_{coin}USDT.parquet")
    ]
    cleaned = clean_candles(candles)
    assert cleaned.count(Rule.LISTING) == 48
    assert 0 < cleaned.count(Rule.SPIKE) < 2 * 56_830 // 2000
    for rule in (Rule.BAD_PRICE, Rule.CONFLICT, Rule.DUPLICATE, Rule.STUCK, Rule.UNCONFIRMED, Rule.LATE):
        assert cleaned.count(rule) == 0
    bars = usable_bars(candles)
    assert bars.symbols == ("BTC", "ETH")
    # The worst day stays: only closes that were back within hours go.
    crash = bars.between(1_583_971_200, 1_584_144_000)
    assert len(crash.closes) >= 47
    assert np.log(crash.closes[:, 0].min() / crash.closes[0, 0]) < -0.4


@needs_real_data
@pytest.mark.parametrize(
    ("name", "days", "least", "most"),
    [
        ("deribit_options_BTC_20200521_depth", 30.0, 0.7, 0.95),
        ("deribit_options_ETH_20240108", 30.0, 0.6, 0.8),
    ],
)
def test_real_chains_tell_a_volatility(name: str, days: float, least: float, most: float) -> None:
    (quotes,) = read_options(real_data(f"{name}.parquet") / f"{name}.parquet")
    snapshot: OptionQuotes = quotes.snapshot(int(quotes.times_s[-1]), within_s=600)
    assert len(snapshot.strike) == len(quotes.strike)
    cleaned = clean_quotes(snapshot)
    assert cleaned.count(Rule.CROSSED) == 0
    assert cleaned.count(Rule.ONE_SIDED) > 0
    years, volatility = expiry_volatilities(cleaned.quotes)
    assert least < tenor_volatilities(years, volatility, tenors_d=np.array([days]))[0] < most


@needs_real_data
def test_real_funding_rounds_books_and_indices_fill_the_schema() -> None:
    folder = real_data("binance_funding.parquet", "chainlink_rounds.parquet", "dvol_btc_1h.parquet")
    funding = read_funding(folder / "binance_funding.parquet")
    assert [f.symbol for f in funding][:2] == ["BTCUSDT-PERP", "ETHUSDT-PERP"]
    assert all((np.diff(f.times_s) == 8 * 3600).all() for f in funding)
    feeds = {r.symbol: r for r in read_rounds(folder / "chainlink_rounds.parquet")}
    hourly = feeds["BTC/USD"].candles(bar_s=3600, max_age_s=3900)
    assert (np.diff(hourly.start_s) == 3600).mean() > 0.99
    assert ("BTC", 30.0) in read_volatility_index(folder / "dvol_btc_1h.parquet").tracks
    books = read_order_books(
        real_data("binance_orderbook_snapshots.parquet") / "binance_orderbook_snapshots.parquet"
    )
    assert all(b.bids[0, 0] < b.asks[0, 0] for b in books)
    assert {len(b.bids) for b in books} == {100}
