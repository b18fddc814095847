"""Public market data of exchanges through ccxt: candles, funding, option chains, order books, tickers.

Needs the extra `exchange`. No key is used and nothing is written. Which markets are loaded is said by whoever opens an
exchange, and nothing else is requested: redirections are not followed, nor proxies of the environment. Requests have a
time-out, wait for ccxt's rate limit, and are repeated, ever later, if the answer is none, late, or to slow down.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
import tenacity

from seawall.errors import ConfigError, DataError, RpcError
from seawall.market.exchange_settings import ExchangeSettings
from seawall.market.schema import Candles, Funding, OptionQuotes, OrderBook

__all__ = ["Exchange", "Ticker"]

_MS = 1000
_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ticker:
    """Hold best quotes and last trade of a market, NaN where there is none."""

    symbol: str
    time_s: int
    bid: float
    ask: float
    last: float


class Exchange:
    """One exchange, and the markets that were asked for.

    Parameters
    ----------
    settings
        Which exchange, which markets.

    Raises
    ------
    ConfigError
        If ccxt is not installed, or knows no exchange or interface of that name.
    """

    def __init__(self, settings: ExchangeSettings) -> None:
        self._settings = settings
        try:
            self._ccxt: Any = importlib.import_module("ccxt")
        except ImportError as error:
            raise ConfigError("ccxt is not installed. Fix: pip install 'seawall[exchange]'") from error
        if settings.name not in self._ccxt.exchanges:
            raise ConfigError(
                f"ccxt knows no exchange {settings.name!r}. Fix: see ccxt.exchanges for its names"
            )
        options: dict[str, Any] = {"timeout": round(_MS * settings.timeout_s), "enableRateLimit": True}
        if settings.least_wait_ms is not None:
            options["rateLimit"] = settings.least_wait_ms
        self._client: Any = getattr(self._ccxt, settings.name)(options)
        self._client.has["fetchCurrencies"] = False  # asked of some exchanges beside the markets
        self._client.session.max_redirects = 0
        if settings.market_types:
            self._client.options["fetchMarkets"] = {"types": list(settings.market_types)}
        known = self._client.urls["api"]
        if unknown := set(settings.urls) - set(known):
            raise ConfigError(
                f"{settings.name} has no interface {', '.join(unknown)}. Fix: it has {', '.join(known)}"
            )
        # With one address replaced no other stays: a missing one is an error, not a request elsewhere.
        self._client.urls["api"] = dict(settings.urls) or known

    def candles(
        self,
        symbol: str,
        *,
        bar_s: int,
        first_s: int,
        last_s: int,
        on_page: Callable[[int], None] | None = None,
    ) -> Candles:
        """Return the bars that start within [first_s, last_s), page after page.

        Parameters
        ----------
        symbol
            As ccxt writes it: `BTC/USDT`, `BTC/USD:BTC` for the perpetual in coin.
        on_page
            Is told up to which time bars have been read, after every page.

        Raises
        ------
        DataError
            If the exchange refuses, has no such market or bar length, or answers what is none.
        RpcError
            If it does not answer.
        """
        names = {self._client.parse_timeframe(name): name for name in self._client.timeframes or {}}
        if bar_s not in names:
            raise DataError(
                f"{self._settings.name} has no bars of {bar_s} s: choose from {sorted(names)} seconds"
            )
        page = self._settings.page_bars
        rows: list[Sequence[float]] = []
        at_s = first_s
        while at_s < last_s:
            until = min(at_s + page * bar_s, last_s)
            found = self.ask(
                "candles",
                "fetch_ohlcv",
                symbol,
                names[bar_s],
                at_s * _MS,
                (until - at_s + bar_s - 1) // bar_s,
            )
            rows += self.parsed("candles", partial(_within, found, at_s, until))
            at_s = until
            if on_page is not None:
                on_page(at_s)
        return self.parsed("candles", lambda: _candles(symbol, rows, bar_s))

    def funding(self, symbol: str, *, first_s: int, last_s: int) -> Funding:
        """Return what holders of a perpetual paid within [first_s, last_s).

        Of Deribit, which pays continuously and tells eight hours every hour, it is that of the hour.

        Raises
        ------
        DataError, RpcError
            As `candles`.
        """
        found: dict[int, float] = {}
        at_s, page = first_s, self._settings.page_bars
        while at_s < last_s:
            until = min(at_s + page * 3600, last_s)
            rows = self.ask(
                "funding", "fetch_funding_rate_history", symbol, at_s * _MS, page, {"until": until * _MS}
            )
            for row in rows:
                hourly = row["info"].get("interest_1h") if isinstance(row.get("info"), dict) else None
                rate = row.get("fundingRate") if hourly is None else hourly
                time_s = row["timestamp"] // _MS
                if first_s <= time_s < last_s and rate is not None:
                    found[time_s] = float(rate)
            at_s = until
        times = sorted(found)
        return Funding(
            symbol=symbol,
            times_s=np.array(times, dtype=np.int64),
            rate=np.array([found[t] for t in times], dtype=np.float64),
        )

    def order_book(self, symbol: str, *, levels: int | None = None) -> OrderBook:
        """Return the order book now.

        Raises
        ------
        DataError, RpcError
            As `candles`; and the first if a side is empty.
        """
        found = self.ask("order book", "fetch_order_book", symbol, levels)
        time_s = int(found.get("timestamp") or self._client.milliseconds()) // _MS
        book = self.parsed(
            "order book", lambda: OrderBook.of_levels(symbol, time_s, found["bids"], found["asks"])
        )
        if not len(book.bids) or not len(book.asks):
            raise DataError(f"{self._settings.name} answered with no bids or no asks for {symbol}")
        return book

    def ticker(self, symbol: str) -> Ticker:
        """Return the best quotes and the last trade now.

        Raises
        ------
        DataError, RpcError
            As `candles`.
        """
        found = self.ask("ticker", "fetch_ticker", symbol)
        values = {name: _number(found.get(name)) for name in ("bid", "ask", "last")}
        time_s = int(found.get("timestamp") or self._client.milliseconds()) // _MS
        return Ticker(symbol=symbol, time_s=time_s, **values)

    def option_chain(self, currency: str) -> OptionQuotes:
        """Return the quotes of all options on a currency now; premiums as the exchange quotes them, in coin at Deribit.

        Raises
        ------
        ConfigError
            If ccxt has no option chains of this exchange.
        DataError, RpcError
            As `candles`.
        """
        if not self._client.has.get("fetchOptionChain"):
            raise ConfigError(f"ccxt reads no option chain of {self._settings.name}. Fix: use deribit")
        chain = self.ask("option chain", "fetch_option_chain", currency)
        now_s = int(self._client.milliseconds()) // _MS
        return self.parsed("option chain", lambda: self._quotes(currency, list(chain.values()), now_s))

    def _quotes(self, currency: str, chain: list[dict[str, Any]], now_s: int) -> OptionQuotes:
        rows = []
        for one in chain:
            market, info = self._client.markets.get(one["symbol"]), one["info"]
            if market is None or not market.get("option"):
                continue  # listed since the markets were loaded
            stamp = info.get("creation_timestamp") or one.get("timestamp")
            rows.append(
                (
                    int(stamp) // _MS if stamp else now_s,
                    int(market["expiry"]) // _MS,
                    market["optionType"] == "call",
                    _number(market["strike"]),
                    _number(one.get("underlyingPrice")),
                    _number(info.get("estimated_delivery_price")),
                    *(_number(one.get(name)) or np.nan for name in ("bidPrice", "askPrice")),
                    _number(one.get("markPrice")),
                    _number(info.get("mark_iv")) / 100.0,
                    _number(one.get("openInterest")),
                    _number(one.get("baseVolume")),
                    bool(market.get("inverse")),
                )
            )
        rows.sort(key=lambda row: row[0])
        table = np.array(rows, dtype=np.float64).reshape(len(rows), 13)
        names = ("strike", "forward", "index", "bid", "ask", "mark", "mark_iv", "open_interest", "volume_24h")
        return OptionQuotes(
            symbol=currency,
            times_s=table[:, 0].astype(np.int64),
            expiry_s=table[:, 1].astype(np.int64),
            is_call=table[:, 2] > 0,
            inverse=bool(table[:, 12].any()) or not len(rows),
            **{name: table[:, 3 + i] for i, name in enumerate(names)},
        )

    @property
    def name(self) -> str:
        """Return how ccxt names it."""
        return self._settings.name

    def ask(self, what: str, method: str, *args: Any, markets: bool = True) -> Any:
        """Return what a method of ccxt returns, asked again where that helps; `markets` if it needs them listed."""
        limits = self._settings
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(self._ccxt.NetworkError),
            stop=tenacity.stop_after_attempt(limits.attempts),
            wait=tenacity.wait_exponential(multiplier=limits.first_wait_s, max=limits.most_wait_s),
            reraise=True,
        )
        try:
            if markets and not self._client.markets:
                retrying(self._client.load_markets, False, dict(limits.markets))
            return retrying(getattr(self._client, method), *args)
        except self._ccxt.NetworkError as error:
            raise RpcError(
                f"{limits.name} did not answer for {what}: {_line(error)}. Fix: try again later"
            ) from error
        except self._ccxt.BaseError as error:
            raise DataError(
                f"{limits.name} refused {what}: {_line(error)}. Fix: correct what is asked"
            ) from error
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise DataError(f"{limits.name} answered {what} with what is none: {error!r}") from error

    def parsed(self, what: str, parse: Callable[[], _T]) -> _T:
        """Return what is made of an answer; one that nothing can be made of is an error of data."""
        try:
            return parse()
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise DataError(f"{self._settings.name} answered {what} with what is none: {error!r}") from error


def _within(rows: Sequence[Sequence[float]], first_s: int, last_s: int) -> list[Sequence[float]]:
    return [row for row in rows if first_s <= row[0] // _MS < last_s]


def _candles(symbol: str, rows: Sequence[Sequence[float]], bar_s: int) -> Candles:
    """Return candles of rows [start in milliseconds, open, high, low, close, volume] in any order."""
    ordered = sorted(rows, key=lambda row: row[0])
    table = np.array([[_number(v) for v in row[:6]] for row in ordered], dtype=np.float64).reshape(-1, 6)
    names = ("open", "high", "low", "close", "volume")
    return Candles(
        symbol=symbol,
        start_s=np.array([int(row[0]) // _MS for row in ordered], dtype=np.int64),
        bar_s=bar_s,
        **{name: table[:, 1 + i] for i, name in enumerate(names)},
    )


def _number(value: Any) -> float:
    return np.nan if value is None else float(value)


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
