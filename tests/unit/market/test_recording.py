"""What is recorded reads back as it was, once, from an exchange to what a keeper computes from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.support.exchanges import NOW_S, deribit
from tests.support.histories import HOUR_S, clean_history

from seawall.errors import DataError
from seawall.market.chains import clean_quotes, expiry_volatilities, tenor_volatilities
from seawall.market.exchange import Exchange
from seawall.market.exchange_settings import ExchangeSettings
from seawall.market.files import read_bars
from seawall.market.implied import ImpliedSettings, read_implied
from seawall.market.readers import read_candles, read_order_books
from seawall.market.recording import record_candles, record_order_book, record_volatilities
from seawall.market.schema import OrderBook


def test_bars_are_recorded_once_and_when_they_are_complete(tmp_path: Path) -> None:
    path = tmp_path / "candles.csv"
    first, second = (c.rows(slice(0, 50)) for c in clean_history(0))
    now_s = int(first.known_at[30]) + 10
    assert record_candles(path, first, now_s=now_s) == 31
    assert record_candles(path, second, now_s=now_s) == 31
    assert record_candles(path, first, now_s=now_s) == 0
    # What a source says of the past later changes nothing.
    assert record_candles(path, replace(first, close=first.close * 2.0), now_s=now_s) == 0
    assert record_candles(path, first, now_s=int(first.known_at[-1])) == 19
    found, other = read_candles(path)
    for name in ("start_s", "open", "high", "low", "close", "volume"):
        np.testing.assert_array_equal(getattr(found, name), getattr(first, name))
    assert len(other.close) == 31


def test_a_line_that_was_broken_off_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "books.csv"
    book = OrderBook.of_levels("BTC", 5, [[1.5, 2.0]], [[2.0, 1.0]])
    assert record_order_book(path, book) == 2
    with path.open("a") as file:
        file.write("6,BTC,B,")
    assert record_order_book(path, replace(book, time_s=7), levels=1) == 2
    lines = path.read_text().splitlines()
    assert lines[-2:] == ["7,BTC,B,1.5,2", "7,BTC,A,2,1"]
    books = read_order_books(path)
    assert [b.time_s for b in books] == [5, 6, 7]
    assert not len(books[1].bids)
    bars = tmp_path / "candles.csv"
    candles = clean_history(0)[0].rows(slice(0, 5))
    record_candles(bars, candles.rows(slice(0, 3)), now_s=NOW_S * 2)
    with bars.open("a") as file:
        file.write("17000")
    record_candles(bars, candles, now_s=NOW_S * 2)
    np.testing.assert_array_equal(read_candles(bars)[0].close, candles.close)


def test_what_a_source_does_not_tell_stays_unknown(tmp_path: Path) -> None:
    path = tmp_path / "candles.csv"
    candles = clean_history(0)[0].rows(slice(0, 3))
    record_candles(path, replace(candles, volume=np.full(3, np.nan)), now_s=NOW_S * 2)
    assert np.isnan(read_candles(path)[0].volume).all()


def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "implied.csv"
    tenors = np.array([7.0, 30.0])
    assert (
        record_volatilities(path, "BTC", observed_at=5, tenors_d=tenors, volatility=np.array([np.nan, 0.5]))
        == 1
    )
    before = path.read_text()
    with pytest.raises(DataError, match="has the columns observed_at"):
        record_order_book(path, OrderBook.of_levels("BTC", 5, [[1.0, 1.0]], [[2.0, 1.0]]))
    assert path.read_text() == before
    with pytest.raises(DataError, match="cannot write"):
        record_volatilities(tmp_path, "BTC", observed_at=5, tenors_d=tenors, volatility=tenors)


def test_an_exchange_is_recorded_into_what_a_keeper_reads(tmp_path: Path) -> None:
    with deribit() as served:
        exchange = Exchange(
            ExchangeSettings(
                name="deribit", markets={"currency": "BTC"}, urls={"rest": served.url}, least_wait_ms=1
            )
        )
        first_s = NOW_S - 90 * HOUR_S
        candles = exchange.candles("BTC/USD:BTC", bar_s=HOUR_S, first_s=first_s, last_s=NOW_S)
        book = exchange.order_book("BTC/USD:BTC", levels=20)
        chain = exchange.option_chain("BTC")
    assert record_candles(tmp_path / "bars.csv", candles, now_s=NOW_S) == 90
    bars = read_bars(tmp_path / "bars.csv", now_s=NOW_S)
    assert bars.symbols == ("BTC",)
    assert bars.known_at[-1] == NOW_S
    assert len(bars.closes) == 90 - 24
    record_order_book(tmp_path / "books.csv", book)
    np.testing.assert_array_equal(read_order_books(tmp_path / "books.csv")[0].bids, book.bids)
    years, level = expiry_volatilities(clean_quotes(chain).quotes)
    days = np.array([years[0] * 365.0 * 0.999, 30.0])
    told = tenor_volatilities(np.append(years, 1.0), np.append(level, 0.6), tenors_d=days)
    assert (
        record_volatilities(tmp_path / "iv.csv", "BTC", observed_at=NOW_S, tenors_d=days, volatility=told)
        == 1
    )
    quotes = read_implied(tmp_path / "iv.csv")
    found = quotes.levels("BTC", 30.0, np.array([NOW_S]), settings=ImpliedSettings())[0]
    assert found[0] == pytest.approx(told[1])
    assert 0.555 < found[0] < 0.6
