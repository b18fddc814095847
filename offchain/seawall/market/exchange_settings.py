"""Which exchange is asked for which markets, and how patiently."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from seawall.errors import ConfigError

__all__ = ["ExchangeSettings"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ExchangeSettings:
    """Say which exchange is asked for which markets, and how patiently.

    Attributes
    ----------
    name
        As ccxt names it: `deribit`, `binance`.
    markets
        What limits the list of markets, as the exchange names its parameters: `{"currency": "BTC", "kind": "option"}`.
    market_types
        Kinds of markets to list, where ccxt asks for each on its own: `("spot",)`, `("linear",)`.
    urls
        Where its interfaces are, by ccxt's name of each, instead of the exchange's own.
    timeout_s, attempts
        Of one request, and how often it is made.
    first_wait_s, most_wait_s
        Before it is repeated, doubling.
    page_bars
        Bars or rates that are asked for at once.
    least_wait_ms
        Between requests; None for what ccxt knows of the exchange.
    """

    name: str
    markets: Mapping[str, str] = field(default_factory=dict)
    market_types: tuple[str, ...] = ()
    urls: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 10.0
    attempts: int = 4
    first_wait_s: float = 1.0
    most_wait_s: float = 30.0
    page_bars: int = 1000
    least_wait_ms: int | None = None

    def __post_init__(self) -> None:
        """Reject settings that make no sense."""
        if self.timeout_s <= 0 or self.attempts < 1 or self.page_bars < 1:
            raise ConfigError("exchange: timeout_s must be positive, attempts and page_bars at least 1")
        if not 0 <= self.first_wait_s <= self.most_wait_s:
            raise ConfigError("exchange: need 0 <= first_wait_s <= most_wait_s")
