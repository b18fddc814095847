"""Exchanges on loopback: what is asked of them, what is made of their answers, and what of their silence."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
import pytest
from tests.support.exchanges import BINANCE_KLINES_LIMIT, NOW_S, LoopbackExchange, binance, deribit

from seawall.errors import ConfigError, DataError, RpcError
from seawall.market.exchange import Exchange
from seawall.market.exchange_settings import ExchangeSettings

HOUR_S = 3600
PERPETUAL = "BTC/USD:BTC"


@pytest.fixture
def options_exchange() -> Iterator[LoopbackExchange]:
    with deribit() as served:
        yield served


@pytest.fixture
def spot_exchange() -> Iterator[LoopbackExchange]:
    with binance() as served:
        yield served


def at_deribit(served: LoopbackExchange, **changes: object) -> Exchange:
    values: dict[str, object] = {
        "name": "deribit",
        "markets": {"currency": "BTC"},
        "urls": {"rest": served.url},
        "first_wait_s": 0.0,
        "least_wait_ms": 1,
        "page_bars": 10,
    }
    return Exchange(ExchangeSettings(**{**values, **changes}))  # type: ignore[arg-type]


def at_binance(served: LoopbackExchange, **changes: object) -> Exchange:
    values: dict[str, object] = {
        "name": "binance",
        "markets": {"symbol": "BTCUSDT"},
        "market_types": ("spot",),
        "urls": {"public": f"{served.url}/api/v3"},
        "first_wait_s": 0.0,
        "least_wait_ms": 1,
    }
    return Exchange(ExchangeSettings(**{**values, **changes}))  # type: ignore[arg-type]


def test_a_history_is_read_page_after_page_without_a_bar_twice_or_missing(
    options_exchange: LoopbackExchange,
) -> None:
    pages: list[int] = []
    candles = at_deribit(options_exchange).candles(
        PERPETUAL, bar_s=HOUR_S, first_s=NOW_S - 35 * HOUR_S, last_s=NOW_S, on_page=pages.append
    )
    assert candles.start_s.tolist() == list(range(NOW_S - 35 * HOUR_S, NOW_S, HOUR_S))
    assert candles.close[0] == 30_000 + (NOW_S // HOUR_S - 35) % 1000
    assert (candles.high - candles.close == 5).all()
    assert (candles.volume == 2.5).all()
    assert candles.bar_s == HOUR_S
    assert pages == [NOW_S - 25 * HOUR_S, NOW_S - 15 * HOUR_S, NOW_S - 5 * HOUR_S, NOW_S]
    charts = [params for path, params in options_exchange.asked if path.endswith("chart_data")]
    assert len(charts) == 4
    assert charts[0]["instrument_name"] == "BTC-PERPETUAL"


def test_only_what_was_asked_for_is_requested(options_exchange: LoopbackExchange) -> None:
    exchange = at_deribit(options_exchange, markets={"currency": "BTC", "kind": "option"})
    exchange.option_chain("BTC")
    exchange.option_chain("BTC")
    assert options_exchange.asked == [
        ("/api/v2/public/get_instruments", {"currency": "BTC", "kind": "option"}),
        ("/api/v2/public/get_book_summary_by_currency", {"currency": "BTC", "kind": "option"}),
        ("/api/v2/public/get_book_summary_by_currency", {"currency": "BTC", "kind": "option"}),
    ]


def test_an_option_chain_has_the_units_of_the_schema(options_exchange: LoopbackExchange) -> None:
    chain = at_deribit(options_exchange).option_chain("BTC")
    assert len(chain.strike) == 8
    assert chain.inverse
    assert set(chain.times_s.tolist()) == {NOW_S}
    assert set(chain.expiry_s.tolist()) == {1_701_417_600}
    assert sorted(chain.strike.tolist()) == sorted([28e3, 30e3, 32e3, 34e3] * 2)
    assert chain.is_call.sum() == 4
    assert (chain.forward == 30_100).all()
    assert (chain.index == 30_050).all()
    assert np.isnan(chain.bid).sum() == 2
    assert (chain.ask == 0.06).all()
    assert chain.mark_iv == pytest.approx(np.full(8, 0.555))
    assert (chain.open_interest == 12.5).all()
    assert (chain.volume_24h == 3.25).all()


def test_funding_of_continuous_payment_is_that_of_each_hour(options_exchange: LoopbackExchange) -> None:
    funding = at_deribit(options_exchange).funding(PERPETUAL, first_s=NOW_S - 25 * HOUR_S, last_s=NOW_S)
    assert funding.times_s.tolist() == list(range(NOW_S - 25 * HOUR_S, NOW_S, HOUR_S))
    assert funding.rate == pytest.approx([1e-6 * (t // HOUR_S % 7) for t in funding.times_s.tolist()])


def test_an_order_book_and_a_ticker_are_read(options_exchange: LoopbackExchange) -> None:
    exchange = at_deribit(options_exchange)
    book = exchange.order_book(PERPETUAL, levels=20)
    assert book.time_s == NOW_S
    assert book.bids[:2].tolist() == [[30_000.0, 10.0], [29_999.0, 11.0]]
    assert len(book.asks) == 20
    ticker = exchange.ticker(PERPETUAL)
    assert (ticker.bid, ticker.ask, ticker.last) == (30_000.0, 30_001.0, 30_000.0)


def test_a_spot_history_longer_than_a_page_is_read(spot_exchange: LoopbackExchange) -> None:
    hours = BINANCE_KLINES_LIMIT + 200
    exchange = at_binance(spot_exchange)
    candles = exchange.candles("BTC/USDT", bar_s=HOUR_S, first_s=NOW_S - hours * HOUR_S, last_s=NOW_S)
    assert len(candles.start_s) == hours
    assert (np.diff(candles.start_s) == HOUR_S).all()
    book = exchange.order_book("BTC/USDT", levels=50)
    assert len(book.bids) == 50
    assert spot_exchange.paths() == [
        "/api/v3/exchangeInfo",
        "/api/v3/klines",
        "/api/v3/klines",
        "/api/v3/depth",
    ]


@pytest.mark.parametrize("fault", [503, 429, 0.6])
def test_a_request_that_fails_in_passing_is_repeated(
    options_exchange: LoopbackExchange, fault: int | float
) -> None:
    options_exchange.faults = [fault, fault]
    exchange = at_deribit(options_exchange, timeout_s=0.3)
    assert len(exchange.option_chain("BTC").strike) == 8
    assert options_exchange.paths()[:3] == ["/api/v2/public/get_instruments"] * 3


def test_an_exchange_that_stays_silent_is_given_up(options_exchange: LoopbackExchange) -> None:
    options_exchange.faults = [0.6, 503, 0.6, 503]
    exchange = at_deribit(options_exchange, timeout_s=0.3, attempts=3)
    with pytest.raises(RpcError, match="deribit did not answer for option chain"):
        exchange.option_chain("BTC")
    assert len(options_exchange.asked) == 3


def test_what_is_refused_is_not_repeated(options_exchange: LoopbackExchange) -> None:
    exchange = at_deribit(options_exchange)
    with pytest.raises(DataError, match="ETH/USD"):
        exchange.order_book("ETH/USD:ETH")
    options_exchange.faults = ['{"jsonrpc": "2.0", "error": {"message": "Invalid params", "code": -32602}}']
    with pytest.raises(DataError, match="refused order book"):
        exchange.order_book(PERPETUAL)
    assert len(options_exchange.asked) == 2


@pytest.mark.parametrize("answer", ['{"result": 3}', '{"result": {"ticks": [], "status": "no_data"}}', "[]"])
def test_an_answer_without_bars_is_no_bars(options_exchange: LoopbackExchange, answer: str) -> None:
    exchange = at_deribit(options_exchange)
    exchange.order_book(PERPETUAL)
    options_exchange.faults = [answer]
    found = exchange.candles(PERPETUAL, bar_s=HOUR_S, first_s=NOW_S - HOUR_S, last_s=NOW_S)
    assert not len(found.start_s)


@pytest.mark.parametrize(
    "answer",
    [
        '{"result": {"bids": [[-1, 2]], "asks": [[1, 2]]}}',
        '{"result": {"bids": [["x"]], "asks": []}}',
        '{"result": {"bids": 7, "asks": [[1, 2]]}}',
        "<html>busy</html>",
    ],
)
def test_an_answer_that_is_none_is_an_error_of_data(options_exchange: LoopbackExchange, answer: str) -> None:
    exchange = at_deribit(options_exchange)
    exchange.order_book(PERPETUAL)
    options_exchange.faults = [answer]
    with pytest.raises(DataError):
        exchange.order_book(PERPETUAL)


def test_a_redirection_is_not_followed(options_exchange: LoopbackExchange) -> None:
    with binance() as elsewhere:
        options_exchange.faults = [f"{elsewhere.url}/api/v3/depth"]
        with pytest.raises(DataError, match="refused"):
            at_deribit(options_exchange).order_book(PERPETUAL)
        assert not elsewhere.asked


def test_an_interface_without_an_address_is_not_asked_elsewhere(spot_exchange: LoopbackExchange) -> None:
    exchange = at_binance(spot_exchange, market_types=("linear",))
    with pytest.raises(DataError, match="binance"):
        exchange.order_book("BTC/USDT:USDT")
    assert not spot_exchange.asked


def test_a_bar_length_an_exchange_lacks_is_refused(options_exchange: LoopbackExchange) -> None:
    with pytest.raises(DataError, match="no bars of 7 s"):
        at_deribit(options_exchange).candles(PERPETUAL, bar_s=7, first_s=0, last_s=100)


def test_settings_that_make_no_sense_are_refused(
    spot_exchange: LoopbackExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="no exchange 'nowhere'"):
        Exchange(ExchangeSettings(name="nowhere"))
    with pytest.raises(ConfigError, match="no interface"):
        Exchange(ExchangeSettings(name="deribit", urls={"soap": spot_exchange.url}))
    with pytest.raises(ConfigError, match="no option chain"):
        at_binance(spot_exchange).option_chain("BTC")
    with pytest.raises(ConfigError, match="attempts"):
        ExchangeSettings(name="deribit", attempts=0)
    with pytest.raises(ConfigError, match="first_wait_s"):
        ExchangeSettings(name="deribit", first_wait_s=9.0, most_wait_s=1.0)
    monkeypatch.setitem(sys.modules, "ccxt", None)
    with pytest.raises(ConfigError, match=r"seawall\[exchange\]"):
        Exchange(ExchangeSettings(name="deribit"))
