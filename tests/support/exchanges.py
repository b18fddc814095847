"""Exchanges on loopback that answer as Deribit's and Binance's public REST interfaces document."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

__all__ = ["BINANCE_KLINES_LIMIT", "NOW_S", "LoopbackExchange", "binance", "deribit"]

NOW_S = 1_700_006_400
EXPIRY_S = 1_701_417_600  # 2023-12-01 08:00
HOUR_MS = 3_600_000
BINANCE_KLINES_LIMIT = 1000
INDEX_ROWS = 20

Params = dict[str, str]
Route = Callable[[Params], Any]


class LoopbackExchange:
    """Serves routes on 127.0.0.1 and remembers what it was asked.

    `faults` are taken first, one a request: an HTTP status, seconds to be silent for, text to answer with, or the
    address to redirect to.
    """

    def __init__(self, routes: dict[str, Route]) -> None:
        self.asked: list[tuple[str, Params]] = []
        self.faults: list[int | float | str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer._answer(self, routes)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)

    def paths(self) -> list[str]:
        """Return what was asked, without parameters."""
        return [path for path, _ in self.asked]

    def _answer(self, request: BaseHTTPRequestHandler, routes: dict[str, Route]) -> None:
        parts = urlsplit(request.path)
        params = dict(parse_qsl(parts.query))
        self.asked.append((parts.path, params))
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, float):
            time.sleep(fault)
        status, body = 200, ""
        headers = {"Content-Type": "application/json"}
        if isinstance(fault, int):
            status, body = fault, "{}"
        elif isinstance(fault, str) and fault.startswith("http"):
            status, headers["Location"] = 302, fault
        elif isinstance(fault, str):
            body = fault
        elif parts.path in routes:
            body = json.dumps(routes[parts.path](params))
        else:
            status, body = 404, "{}"
        try:
            request.send_response(status)
            for name, value in headers.items():
                request.send_header(name, value)
            request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            request.wfile.write(body.encode())
        except OSError:  # nobody waited
            pass


def price_at(time_ms: int) -> float:
    """Return the close of the hour that starts at a time."""
    return 30_000.0 + (time_ms // HOUR_MS) % 1000


def deribit() -> LoopbackExchange:
    """Return a Deribit with a perpetual and eight options."""
    options = [
        (strike, kind, f"BTC-1DEC23-{strike}-{kind[0].upper()}")
        for strike in (28_000, 30_000, 32_000, 34_000)
        for kind in ("call", "put")
    ]

    def answer(result: Any) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "result": result, "usIn": 1, "usOut": 2, "usDiff": 1, "testnet": False}

    def instrument(**values: Any) -> dict[str, Any]:
        common = {
            "tick_size": 0.5,
            "settlement_currency": "BTC",
            "base_currency": "BTC",
            "counter_currency": "USD",
            "quote_currency": "USD",
            "min_trade_amount": 10.0,
            "is_active": True,
            "creation_timestamp": 1_534_242_287_000,
            "contract_size": 10.0,
            "taker_commission": 0.0005,
            "maker_commission": 0.0,
        }
        return common | values

    def instruments(params: Params) -> Any:
        perpetual = instrument(
            instrument_name="BTC-PERPETUAL",
            kind="future",
            settlement_period="perpetual",
            expiration_timestamp=32_503_708_800_000,
        )
        listed = [
            instrument(
                instrument_name=name,
                kind="option",
                settlement_period="month",
                expiration_timestamp=EXPIRY_S * 1000,
                strike=float(strike),
                option_type=kind,
                contract_size=1.0,
            )
            for strike, kind, name in options
        ]
        wanted = params.get("kind")
        return answer([i for i in (perpetual, *listed) if wanted in (None, i["kind"])])

    def chart(params: Params) -> Any:
        first, last = int(params["start_timestamp"]), int(params["end_timestamp"])
        ticks = [t for t in range(-(-first // HOUR_MS) * HOUR_MS, last + 1, HOUR_MS)]
        closes = [price_at(t) for t in ticks]
        columns = {"open": closes, "high": [c + 5 for c in closes], "low": [c - 5 for c in closes]}
        return answer(
            {
                "status": "ok",
                "ticks": ticks,
                "close": closes,
                "volume": [2.5] * len(ticks),
                "cost": [0] * len(ticks),
            }
            | columns
        )

    def funding(params: Params) -> Any:
        first, last = int(params["start_timestamp"]), int(params["end_timestamp"])
        return answer(
            [
                {
                    "timestamp": t,
                    "index_price": price_at(t),
                    "prev_index_price": price_at(t - HOUR_MS),
                    "interest_8h": 8e-6,
                    "interest_1h": 1e-6 * (t // HOUR_MS % 7),
                }
                for t in range(-(-first // HOUR_MS) * HOUR_MS, last + 1, HOUR_MS)
            ]
        )

    def index(params: Params) -> Any:
        """Answer with at most `INDEX_ROWS` candles, the newest of the span, as the real one does with 1,000."""
        bar_ms = 1000 * (86_400 if params["resolution"] == "1D" else int(params["resolution"]))
        first, last = int(params["start_timestamp"]), int(params["end_timestamp"])
        starts = list(range(-(-first // bar_ms) * bar_ms, last + 1, bar_ms))
        page = starts[-INDEX_ROWS:]
        rows = [[t, *(50 + t // bar_ms % 10 + away for away in (0, 1, -1, 0.5))] for t in page]
        return answer({"data": rows, "continuation": page[0] - 1 if len(page) < len(starts) else None})

    def summary(_: Params) -> Any:
        return answer(
            [
                {
                    "instrument_name": name,
                    "base_currency": "BTC",
                    "quote_currency": "BTC",
                    "underlying_index": "BTC-1DEC23",
                    "underlying_price": 30_100.0,
                    "estimated_delivery_price": 30_050.0,
                    "creation_timestamp": NOW_S * 1000 + 123,
                    "bid_price": None if strike == 34_000 else 0.05,
                    "ask_price": 0.06,
                    "mid_price": None if strike == 34_000 else 0.055,
                    "mark_price": 0.0551,
                    "mark_iv": 55.5,
                    "open_interest": 12.5,
                    "volume": 3.25,
                    "volume_usd": 1000.0,
                    "interest_rate": 0.0,
                    "last": 0.054,
                }
                for strike, _, name in options
            ]
        )

    def order_book(params: Params) -> Any:
        levels = int(params.get("depth", 5))
        return answer(
            {
                "timestamp": NOW_S * 1000 + 500,
                "instrument_name": params["instrument_name"],
                "change_id": 1,
                "state": "open",
                "bids": [[30_000.0 - i, 10.0 + i] for i in range(levels)],
                "asks": [[30_001.0 + i, 20.0 + i] for i in range(levels)],
                "best_bid_price": 30_000.0,
                "best_ask_price": 30_001.0,
                "mark_price": 30_000.5,
                "index_price": 30_000.2,
                "last_price": 30_000.0,
                "stats": {"volume": 1.0, "low": 1.0, "high": 2.0},
            }
        )

    def ticker(params: Params) -> Any:
        return order_book(params | {"depth": "1"})

    api = "/api/v2/public/"
    return LoopbackExchange(
        {
            api + "get_instruments": instruments,
            api + "get_tradingview_chart_data": chart,
            api + "get_funding_rate_history": funding,
            api + "get_book_summary_by_currency": summary,
            api + "get_order_book": order_book,
            api + "get_volatility_index_data": index,
            api + "ticker": ticker,
        }
    )


def binance() -> LoopbackExchange:
    """Return a Binance with one spot market."""

    def info(_: Params) -> Any:
        market = {
            "symbol": "BTCUSDT",
            "status": "TRADING",
            "baseAsset": "BTC",
            "baseAssetPrecision": 8,
            "quoteAsset": "USDT",
            "quotePrecision": 8,
            "quoteAssetPrecision": 8,
            "orderTypes": ["LIMIT"],
            "isSpotTradingAllowed": True,
            "isMarginTradingAllowed": False,
            "filters": [
                {
                    "filterType": "PRICE_FILTER",
                    "minPrice": "0.01",
                    "maxPrice": "1000000.00",
                    "tickSize": "0.01",
                },
                {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000.0", "stepSize": "0.00001"},
            ],
            "permissions": ["SPOT"],
        }
        return {"timezone": "UTC", "serverTime": NOW_S * 1000, "rateLimits": [], "symbols": [market]}

    def klines(params: Params) -> Any:
        first, limit = int(params["startTime"]), min(int(params["limit"]), BINANCE_KLINES_LIMIT)
        starts = [-(-first // HOUR_MS) * HOUR_MS + i * HOUR_MS for i in range(limit)]
        return [
            [
                t,
                *(str(price_at(t) + away) for away in (0, 5, -5, 0)),
                "2.5",
                t + HOUR_MS - 1,
                "75000.0",
                10,
                "1.0",
                "30000.0",
                "0",
            ]
            for t in starts
            if t < NOW_S * 1000
        ]

    def depth(params: Params) -> Any:
        levels = int(params.get("limit", 100))
        return {
            "lastUpdateId": 7,
            "bids": [[f"{30_000 - i}.00", "1.5"] for i in range(levels)],
            "asks": [[f"{30_001 + i}.00", "2.5"] for i in range(levels)],
        }

    return LoopbackExchange({"/api/v3/exchangeInfo": info, "/api/v3/klines": klines, "/api/v3/depth": depth})
