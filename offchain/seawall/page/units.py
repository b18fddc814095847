"""Prices of people to prices of the chain and back: the only place that knows decimals."""

import math

from seawall.errors import PageError

__all__ = ["lot_ticks", "quote_value", "shortfall_units", "token_units", "value_ticks"]

_WAD = 10**18
_BPS = 10_000


def lot_ticks(price: float, *, lot_size_wad: int, token_decimals: int, tick: int) -> float:
    """Return the price of one lot in ticks, not rounded.

    ``price * lot size * 10^decimals / tick``

    Parameters
    ----------
    price
        Settlement tokens for one unit of the underlying.
    lot_size_wad
        Units of the underlying in a lot, scaled by 1e18.
    token_decimals
        Of the settlement token.
    tick
        Settlement token units in a tick.

    Raises
    ------
    PageError
        If the tick is not positive.
    """
    return value_ticks(price * (lot_size_wad / _WAD), token_decimals=token_decimals, tick=tick)


def value_ticks(value: float, *, token_decimals: int, tick: int) -> float:
    """Return an amount of settlement tokens in ticks, not rounded.

    Raises
    ------
    PageError
        If the tick is not positive.
    """
    if tick < 1:
        raise PageError(f"tick is {tick}, must be at least one settlement token unit")
    return value * 10.0**token_decimals / tick


def token_units(value: float, *, token_decimals: int) -> int:
    """Return an amount of settlement tokens in units, rounded to the nearest."""
    return round(value * 10.0**token_decimals)


def quote_value(units: float, *, token_decimals: int) -> float:
    """Return units of the settlement token as tokens."""
    return float(units) / 10.0**token_decimals


def shortfall_units(ticks: float, *, tick: int, lambda_bps: int) -> int:
    """Return the tail risk that a book's leaf carries, settlement token units: ``max(0, ceil(lambda ES tick))``.

    A book's tail risk is scaled by the factor of its manifest's legs, lanes and atoms. Showing the book then proves
    ``U >= lambda ES`` and ``L <= lambda (ES(b) - ES(b - w)) <= lambda ES(w)``; an unscaled one would break the latter.

    Raises
    ------
    PageError
        If the tail risk is not a finite number.
    """
    if not math.isfinite(ticks):
        raise PageError(f"a book's tail risk is {ticks}, not a number")
    numerator, denominator = ticks.as_integer_ratio()
    return max(0, -(-numerator * tick * lambda_bps // (denominator * _BPS)))
