"""Which option quotes a surface is fitted to: those of a chain that pass plain rules, the others counted by rule."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from seawall.arrays import Bools, Floats, Ints
from seawall.errors import ConfigError, DataError
from seawall.margin.pricing import black_greeks, black_price, implied_volatility

__all__ = ["ChainQuotes", "Rule", "Screened", "ScreeningSettings", "screened"]

_DAY_Y = 1.0 / 365.0

# Of prices over the forward, as chains are stored.
_ROUNDING = 1e-6


class Rule(StrEnum):
    """Name why a quote is left out; each is counted under the first that applies."""

    MALFORMED = "malformed"  # forward or strike not positive, or a number missing where one must be
    NEAR = "near expiry"  # expired, or closer to expiry than `least_days`
    ONE_SIDED = "one-sided"  # no bid or no ask
    CROSSED = "crossed"  # bid above ask
    IN_THE_MONEY = "in the money"  # its twin out of the money says the same, more exactly
    NO_VOLATILITY = "no volatility"  # none quoted within limits, and no price that has one
    OFF_MARKET = (
        "off market"  # its volatility is worth less than the bid or more than the ask by over the spread
    )
    THIN = "thin expiry"  # too few others of its expiry are left


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainQuotes:
    """Hold one chain's quotes, in any order, (Q,) each; NaN (or 0 for a price) where there is none.

    Attributes
    ----------
    expiry
        Label of the expiry, equal for options that expire together.
    tau_y
        Years to expiry.
    strike, forward
        In one unit.
    is_call
        A put where false.
    bid, ask, mark
        Undiscounted prices over the forward: what inverse options quote, in coin.
    volatility
        Annualised, of the mark, as a fraction; where NaN it is found from the mark, or without one from the middle.
    """

    expiry: Ints
    tau_y: Floats
    strike: Floats
    forward: Floats
    is_call: Bools
    bid: Floats
    ask: Floats
    mark: Floats
    volatility: Floats

    def __post_init__(self) -> None:
        shapes = {getattr(self, name).shape for name in self.__slots__}
        if len(shapes) != 1 or len(next(iter(shapes))) != 1:
            raise DataError(
                f"option quotes have arrays of shapes {sorted(shapes)}: give one entry a quote in each"
            )

    def __len__(self) -> int:
        return len(self.expiry)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreeningSettings:
    """Say which quotes are fitted.

    Attributes
    ----------
    least_days
        To expiry.
    least_volatility, most_volatility
        Limits of what is believed, annualised.
    least_quotes
        Of an expiry.
    """

    least_days: float = 1.0
    least_volatility: float = 0.01
    most_volatility: float = 5.0
    least_quotes: int = 5

    def __post_init__(self) -> None:
        """Reject settings that make no sense."""
        if (
            not 0 < self.least_volatility < self.most_volatility
            or self.least_days <= 0
            or self.least_quotes < 3
        ):
            raise ConfigError(
                "screening: least_volatility must be positive and below most_volatility, least_days positive, "
                "least_quotes at least 3"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """Hold the quotes that pass, sorted by expiry, strike and the rest, (Q,) each.

    Attributes
    ----------
    index
        Where each stood in the chain.
    expiry, tau_y, moneyness, volatility
        As in the chain; `ln(K / F)`.
    nearness
        Vega over that at the money of the same expiry, `exp(-d1^2 / 2)`: 0 to 1.
    half_spread
        Half of ask less bid, in volatility.
    dropped
        Number left out, by rule; rules that left out none are not in it.
    """

    index: Ints
    expiry: Ints
    tau_y: Floats
    moneyness: Floats
    volatility: Floats
    nearness: Floats
    half_spread: Floats
    dropped: dict[Rule, int]


def screened(quotes: ChainQuotes, *, settings: ScreeningSettings) -> Screened:
    """Return the quotes that pass every rule, in an order that does not depend on the chain's.

    Raises
    ------
    DataError
        If arrays differ in length (when the quotes are made).
    """
    dropped: dict[Rule, int] = {}
    left = np.arange(len(quotes))

    def drop(rule: Rule, bad: Bools) -> Ints:
        if bad.any():
            dropped[rule] = int(bad.sum())
        return left[~bad]

    q = quotes
    sound = np.isfinite(q.strike) & np.isfinite(q.forward) & np.isfinite(q.tau_y)
    left = drop(Rule.MALFORMED, ~(sound & (q.strike > 0) & (q.forward > 0)))
    left = drop(Rule.NEAR, q.tau_y[left] < settings.least_days * _DAY_Y)
    left = drop(Rule.ONE_SIDED, ~((q.bid[left] > 0) & (q.ask[left] > 0) & (q.ask[left] < np.inf)))
    left = drop(Rule.CROSSED, q.bid[left] > q.ask[left])
    money = np.log(q.strike[left] / q.forward[left])
    left = drop(Rule.IN_THE_MONEY, np.where(q.is_call[left], money < 0, money > 0))
    found = _volatility(q, left)
    within = (found >= settings.least_volatility) & (found <= settings.most_volatility)
    volatility = found[within]
    left = drop(Rule.NO_VOLATILITY, ~within)
    ratio, tau, call = q.strike[left] / q.forward[left], q.tau_y[left], q.is_call[left]
    worth = black_price(1.0, ratio, volatility, tau, is_call=call)
    spread = q.ask[left] - q.bid[left] + _ROUNDING
    on = (worth >= q.bid[left] - spread) & (worth <= q.ask[left] + spread)
    left, volatility = drop(Rule.OFF_MARKET, ~on), volatility[on]
    _, named, counts = np.unique(q.expiry[left], return_inverse=True, return_counts=True)
    enough = counts[named] >= settings.least_quotes
    left, volatility = drop(Rule.THIN, ~enough), volatility[enough]
    return _sorted(q, left, volatility, dropped)


def _volatility(quotes: ChainQuotes, left: Ints) -> Floats:
    """Return the volatility of quotes: as given, or that of the mark, or of the middle; NaN where there is none."""
    found = quotes.volatility[left].copy()
    without = ~np.isfinite(found)
    if without.any():
        some = left[without]
        mark = quotes.mark[some]
        price = np.where(mark > 0, mark, 0.5 * (quotes.bid[some] + quotes.ask[some]))
        found[without] = implied_volatility(
            price,
            1.0,
            quotes.strike[some] / quotes.forward[some],
            quotes.tau_y[some],
            is_call=quotes.is_call[some],
        )
    return found


def _sorted(quotes: ChainQuotes, left: Ints, volatility: Floats, dropped: dict[Rule, int]) -> Screened:
    """Return quotes as they are fitted."""
    q, ratio = quotes, quotes.strike[left] / quotes.forward[left]
    greeks = black_greeks(1.0, ratio, volatility, q.tau_y[left], is_call=q.is_call[left])
    vega = np.maximum(greeks.vega, 1e-12)
    nearness = greeks.vega * np.sqrt(2.0 * np.pi / q.tau_y[left])
    half = 0.5 * (q.ask[left] - q.bid[left]) / vega
    order = np.lexsort((half, volatility, q.is_call[left], q.tau_y[left], ratio, q.expiry[left]))
    at = left[order]
    return Screened(
        index=at,
        expiry=q.expiry[at],
        tau_y=q.tau_y[at],
        moneyness=np.log(ratio[order]),
        volatility=volatility[order],
        nearness=nearness[order],
        half_spread=half[order],
        dropped=dropped,
    )
