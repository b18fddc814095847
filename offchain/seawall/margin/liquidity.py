"""What closing a net position costs: half the spread plus square-root impact."""

from dataclasses import dataclass

import numpy as np

from seawall.arrays import Floats, checked
from seawall.errors import ConfigError, DataError

__all__ = [
    "DEFAULT_IMPACT",
    "LiquidityCoefficients",
    "daily_volume_from_bars",
    "daily_volume_from_depth",
    "liquidity_charge",
    "liquidity_coefficients",
]

# Impact of trading a whole day's volume, in daily volatilities (Y in the square-root law, about 1).
DEFAULT_IMPACT = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidityCoefficients:
    """Hold what a page header posts per underlying.

    Attributes
    ----------
    half_spread
        Half the quoted spread as a fraction of the price, (M,).
    impact
        `Y sigma`, fraction of the price paid for trading one day's volume, (M,).
    daily_volume
        Volume of a bad day in settlement units, (M,).
    """

    half_spread: Floats
    impact: Floats
    daily_volume: Floats


def daily_volume_from_bars(
    volume: Floats, *, bar_h: float, window_days: int = 30, haircut: float = 0.5
) -> Floats:
    """Return `(1 - haircut)` times the median daily volume of the last `window_days`, (M,).

    Parameters
    ----------
    volume
        Traded volume per bar in settlement units, (T, M), oldest first.
    bar_h
        Distance between rows in hours; must divide a day.
    window_days
        Days looked at, fewer if the series is shorter.
    haircut
        Fraction of depth that vanishes in a crash.

    Raises
    ------
    DataError
        If the series is shorter than a day, or holds negative volumes.
    ConfigError
        If a parameter is out of range.
    """
    _require_haircut(haircut)
    bars = checked(volume, name="volume", shape=(None, None))
    per_day = round(24.0 / bar_h) if bar_h > 0 else 0
    if per_day < 1 or abs(per_day * bar_h - 24.0) > 1e-9 or window_days < 1:
        raise ConfigError(f"bar_h = {bar_h} must divide 24 and window_days = {window_days} must be positive")
    days = min(len(bars) // per_day, window_days)
    if days < 1 or (bars < 0).any():
        raise DataError("volume must hold at least one day of non-negative bars")
    daily = bars[len(bars) - days * per_day :].reshape(days, per_day, -1).sum(axis=1)
    median: Floats = np.median(daily, axis=0)
    return (1.0 - haircut) * median


def daily_volume_from_depth(
    depth: Floats, *, band: float, sigma_day: Floats, impact: float = DEFAULT_IMPACT, haircut: float = 0.5
) -> Floats:
    """Return the daily volume at which the square-root law reproduces order-book depth, (M,).

    Trading D moves the price by `band`: `band = Y sigma sqrt(D / V)`, so `V = D (Y sigma / band)^2`.

    Parameters
    ----------
    depth
        Resting notional within `band` of the mid on the thinner side, settlement units, (M,).
    band
        Distance from the mid, as a fraction.
    sigma_day
        Volatility over a day, (M,).
    impact
        Y.
    haircut
        Fraction of depth that vanishes in a crash.

    Raises
    ------
    DataError
        If depth or volatility is not positive.
    ConfigError
        If a parameter is out of range.
    """
    _require_haircut(haircut)
    if not (band > 0 and impact > 0):
        raise ConfigError(f"band = {band} and impact = {impact} must be positive")
    resting = checked(depth, name="depth", shape=(None,))
    sigma = checked(sigma_day, name="sigma_day", shape=resting.shape)
    if not ((resting > 0).all() and (sigma > 0).all()):
        raise DataError("depth and sigma_day must be positive")
    return (1.0 - haircut) * resting * (impact * sigma / band) ** 2


def liquidity_coefficients(
    *, spread: Floats, sigma_day: Floats, daily_volume: Floats, impact: float = DEFAULT_IMPACT
) -> LiquidityCoefficients:
    """Return the coefficients to post from a spread, a daily volatility and a haircut volume, (M,) each.

    Raises
    ------
    DataError
        If a spread is negative, or a volatility or volume not positive.
    """
    quoted = checked(spread, name="spread", shape=(None,))
    sigma = checked(sigma_day, name="sigma_day", shape=quoted.shape)
    volume = checked(daily_volume, name="daily_volume", shape=quoted.shape)
    if (quoted < 0).any() or (sigma <= 0).any() or (volume <= 0).any() or impact <= 0:
        raise DataError("spread must not be negative; sigma_day, daily_volume and impact must be positive")
    return LiquidityCoefficients(half_spread=quoted / 2.0, impact=impact * sigma, daily_volume=volume)


def liquidity_charge(
    net_notional: Floats,
    *,
    coefficients: LiquidityCoefficients,
    open_interest: Floats | None = None,
    open_interest_divisor: float = 50.0,
) -> Floats:
    """Return the cost of closing net positions, summed over underlyings, in settlement units.

    `|N| (spread / 2 + Y sigma sqrt(max(|N|, OI / m) / V))`: square-root impact (Toth et al. 2011). The
    share of open interest keeps a position from becoming cheap by being split over accounts.

    Parameters
    ----------
    net_notional
        Net delta notional by underlying, settlement units, (..., M).
    coefficients
        What the page header posts.
    open_interest
        Notional open interest by underlying, settlement units, (M,); none counts as zero.
    open_interest_divisor
        m: positions below `OI / m` pay the rate of that size.

    Returns
    -------
    Floats
        (...,).

    Raises
    ------
    DataError
        If open interest is negative or shapes differ.
    ConfigError
        If the divisor is not positive.
    """
    if open_interest_divisor <= 0:
        raise ConfigError(f"open_interest_divisor = {open_interest_divisor}: must be positive")
    size = np.abs(np.asarray(net_notional, dtype=np.float64))
    columns = coefficients.daily_volume.shape
    if size.shape[-1:] != columns or not np.isfinite(size).all():
        raise DataError(f"net_notional has shape {size.shape}, expected finite (..., {columns[0]})")
    interest = (
        np.zeros(columns)
        if open_interest is None
        else checked(open_interest, name="open_interest", shape=columns)
    )
    if (interest < 0).any():
        raise DataError("open_interest must not be negative")
    traded = np.maximum(size, interest / open_interest_divisor)
    rate = coefficients.half_spread + coefficients.impact * np.sqrt(traded / coefficients.daily_volume)
    charge: Floats = (size * rate).sum(axis=-1)
    return charge


def _require_haircut(haircut: float) -> None:
    if not 0 <= haircut < 1:
        raise ConfigError(f"haircut = {haircut}: must lie in [0, 1)")
