"""Records what an exchange says now into files that keepers read, again and again for a while.

What has a history (candles, funding, an index of volatility) goes on from where the file ends, so a recorder that was
down for a while leaves no gap that the exchange can fill; books and option quotes are as of each round.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import structlog

from seawall.errors import ConfigError, RetryLater
from seawall.market.exchange import Exchange
from seawall.market.recording import (
    last_recorded,
    record_candles,
    record_funding,
    record_options,
    record_order_book,
)
from seawall.market.volatility_index import volatility_index

__all__ = ["KINDS", "Kind", "RecordSettings", "record_for", "record_once"]

Kind = Literal["candles", "funding", "index", "books", "options"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordSettings:
    """Say what is recorded where.

    Attributes
    ----------
    kind
        What of it.
    symbol
        A market as ccxt writes it; a currency, `BTC`, of an index or of options.
    path
        CSV file; made if there is none, else appended to.
    bar_s
        Length of candles, and of those of an index.
    back_s
        How far back a file begins.
    levels
        Of order books, on each side.
    every_s, lasting_s
        Between rounds, and in all; one round if that is 0.
    """

    kind: Kind
    symbol: str
    path: Path
    bar_s: int = 3600
    back_s: int = 86_400
    levels: int = 100
    every_s: float = 300.0
    lasting_s: float = 0.0

    def __post_init__(self) -> None:
        """Reject settings that make no sense."""
        if self.kind not in KINDS:
            raise ConfigError(f"nothing is recorded as {self.kind}. Fix: choose from {', '.join(KINDS)}")
        if not self.symbol:
            raise ConfigError("there is no symbol to record. Fix: name one, such as BTC/USD:BTC")
        if min(self.bar_s, self.back_s, self.levels) < 1 or self.every_s <= 0 or self.lasting_s < 0:
            raise ConfigError(
                "recording: bar, history, levels and time between rounds must be positive, the duration not negative"
            )

    @property
    def recorded_as(self) -> str:
        """Return the symbol in the file."""
        return f"DVOL_{self.symbol}" if self.kind == "index" else self.symbol

    @property
    def rounds(self) -> int:
        """Return how many rounds there are."""
        return 1 + int(self.lasting_s // self.every_s)


def record_once(
    exchange: Exchange, settings: RecordSettings, *, now_s: int, last_s: int | None = None
) -> tuple[int, int | None]:
    """Append what is new at a time; return how many rows, and the newest time that is recorded now.

    Parameters
    ----------
    last_s
        The newest time recorded before, None if nothing is (`recording.last_recorded`).

    Raises
    ------
    ConfigError, DataError, RpcError
        As the exchange and `market.recording` do.
    """
    kind, symbol, path, bar_s = settings.kind, settings.symbol, settings.path, settings.bar_s
    before = -1 if last_s is None else last_s
    if kind == "books":
        book = exchange.order_book(symbol, levels=settings.levels)
        if book.time_s <= before:  # the same moment twice would be no book
            return 0, last_s
        return record_order_book(path, book, levels=settings.levels), book.time_s
    if kind == "options":
        quotes = exchange.option_chain(symbol)
        newest = int(quotes.times_s[-1]) if len(quotes.times_s) else before
        return (record_options(path, quotes), newest) if newest > before else (0, last_s)
    # A whole number of bars back, or from the bar after the last in the file.
    first_s = (now_s - settings.back_s) // bar_s * bar_s if last_s is None else last_s + 1
    if kind == "funding":
        paid = exchange.funding(symbol, first_s=first_s, last_s=now_s + 1)
        return record_funding(path, paid), int(paid.times_s[-1]) if len(paid.times_s) else last_s
    if now_s - first_s < bar_s - 1:
        return 0, last_s  # no further bar can be complete
    read = partial(volatility_index, exchange) if kind == "index" else exchange.candles
    done = read(symbol, bar_s=bar_s, first_s=first_s, last_s=now_s).until(now_s)
    return record_candles(path, done, now_s=now_s), int(done.start_s[-1]) if len(done.start_s) else last_s


def record_for(
    exchange: Exchange,
    settings: RecordSettings,
    *,
    progress: Callable[[int, int, str], None],
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Record round after round; return how many rows were written. A round that is not answered is logged and passed.

    Parameters
    ----------
    progress
        Called with rounds done, all of them, and what the last one wrote.
    clock, sleep
        Seconds since 1970, and a wait.

    Raises
    ------
    RpcError
        If no round was answered.
    ConfigError, DataError
        If what is asked for makes no sense, is refused, or cannot be written.
    """
    started, total, answered = clock(), 0, False
    last_s = last_recorded(settings.path, settings.recorded_as)
    for i in range(settings.rounds):
        if i:
            sleep(max(started + i * settings.every_s - clock(), 0.0))
        try:
            rows, last_s = record_once(exchange, settings, now_s=int(clock()), last_s=last_s)
        except RetryLater as error:
            if i + 1 == settings.rounds and not answered:
                raise
            _log.warning("nothing recorded", kind=settings.kind, symbol=settings.symbol, reason=str(error))
            progress(i + 1, settings.rounds, "not answered")
            continue
        answered, total = True, total + rows
        progress(i + 1, settings.rounds, f"{rows} rows, {total} in all")
    return total
