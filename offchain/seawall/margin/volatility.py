"""One volatility per underlying and bar: a mixture of horizons that rises fast and falls slowly."""

import numpy as np
from scipy.signal import lfilter

from seawall.arrays import Floats, Ints
from seawall.errors import DataError
from seawall.margin.settings import ModelSettings

__all__ = ["YEAR_H", "ewma_variance", "limit_falls", "log_closes", "observed_rows", "sigma_path"]

# Hours in the year by which implied volatilities are annualised.
YEAR_H = 365.0 * 24.0


def log_closes(closes: Floats) -> Floats:
    """Return `ln closes`, with NaN in every column of a row that misses one.

    A missing bar is missing for all underlyings, so that dependence is kept; it is never filled.

    Parameters
    ----------
    closes
        Prices, (T, M), oldest first, on a regular grid; NaN where a bar is missing.

    Raises
    ------
    DataError
        If the array is not two-dimensional, has no column, or holds an infinite or non-positive price.
    """
    prices = np.asarray(closes, dtype=np.float64)
    if prices.ndim != 2 or prices.shape[1] == 0:
        raise DataError(f"closes has shape {prices.shape}, expected (bars, underlyings)")
    missing = np.isnan(prices).any(axis=1)
    seen = prices[~missing]
    if not (np.isfinite(seen).all() and (seen > 0).all()):
        raise DataError("closes holds an infinite or non-positive price: mark the bar NaN or repair it")
    logs = np.full(prices.shape, np.nan)
    logs[~missing] = np.log(seen)
    return logs


def observed_rows(logs: Floats) -> Ints:
    """Return the indices of the rows of `logs` (T, M) that hold a value for every underlying."""
    return np.flatnonzero(np.isfinite(logs).all(axis=1)).astype(np.int64)


def ewma_variance(squares: Floats, *, half_life_bars: float) -> Floats:
    """Return the exponentially weighted mean of squared moves, newest last.

    `v_t = sum_(s<=t) d^(t-s) x_s / sum_(s<=t) d^(t-s)` with `d = 2^(-1/half_life)`: the recursion of
    RiskMetrics (1996) over the sum of its weights, so that it needs no starting value and is a mean at first.

    Parameters
    ----------
    squares
        Variances per bar, (T, M).
    half_life_bars
        Age in bars at which a move counts half.
    """
    decay = 0.5 ** (1.0 / half_life_bars)
    ages = np.arange(1, len(squares) + 1, dtype=np.float64)
    total = -np.expm1(np.maximum(ages * np.log(decay), -700.0)) / (1.0 - decay)
    summed: Floats = lfilter([1.0], [1.0, -decay], squares, axis=0)
    weighted: Floats = summed / total[:, None]
    return weighted


def limit_falls(sigma: Floats, *, ages_days: Floats, fall_per_day: float) -> Floats:
    """Return the smallest path above `sigma` that falls at most `fall_per_day` a day.

    `s_t = max(sigma_t, (1 - fall)^(days since t-1) s_(t-1))`, a running maximum of `sigma_t (1 - fall)^(-t)`.

    Parameters
    ----------
    sigma
        Positive volatilities, (T, M).
    ages_days
        Time of each row, (T,), increasing.
    fall_per_day
        Fraction in [0, 1).
    """
    drift = ages_days[:, None] * np.log1p(-fall_per_day)
    limited: Floats = np.exp(np.maximum.accumulate(np.log(sigma) - drift, axis=0) + drift)
    return np.maximum(limited, sigma)


def sigma_path(
    closes: Floats, *, bar_h: float, settings: ModelSettings, implied: Floats | None = None
) -> Floats:
    """Return the volatility over one horizon for every bar, in log-return units.

    `sigma = mean of min(EWMA_fast, cap * long-run), EWMA_slow, long-run, implied`, then `limit_falls`.
    Long-run is the root mean square of all moves so far. A move across missing bars counts once, as `r^2 /
    gap`. Row t uses rows up to t only.

    Parameters
    ----------
    closes
        Prices, (T, M), oldest first, on a regular grid; a row with a NaN is a missing bar.
    bar_h
        Distance between rows in hours.
    settings
        Half-lives, cap, fall limit, warm-up, horizon.
    implied
        Annualised implied volatilities, fractions, (T, M); NaN where there is none: the mean leaves it out.

    Returns
    -------
    Floats
        (T, M). NaN in rows that are missing and before the first usable row, which is the first observed one
        `warmup_days` or more after the first observed close.

    Raises
    ------
    DataError
        If prices or implied volatilities are malformed, or an underlying never moved during the warm-up.
    """
    logs = log_closes(closes)
    rows = observed_rows(logs)
    horizon_bars = settings.bars(settings.horizon_h, bar_h=bar_h)
    sigma = np.full(logs.shape, np.nan)
    if len(rows) < 2:
        return sigma
    gaps = np.diff(rows).astype(np.float64)
    squares = np.diff(logs[rows], axis=0) ** 2 / gaps[:, None]
    ages_days = (rows[1:] - rows[0]) * (bar_h / 24.0)
    usable = ages_days >= settings.warmup_days
    if not usable.any():
        return sigma
    long_run = np.cumsum(squares, axis=0) / np.arange(1, len(squares) + 1)[:, None]
    flat = np.flatnonzero(long_run[usable][0] <= 0)
    if len(flat):
        raise DataError(f"column {flat[0]} of closes never moves during the warm-up: it has no volatility")

    cap = settings.fast_cap**2 * long_run
    variances = [long_run]
    variances += [
        np.minimum(ewma_variance(squares, half_life_bars=h / bar_h), cap) for h in settings.fast_half_lives_h
    ]
    variances += [ewma_variance(squares, half_life_bars=h / bar_h) for h in settings.slow_half_lives_h]
    parts = [np.sqrt(variance[usable] * horizon_bars) for variance in variances]
    total, count = np.sum(parts, axis=0), np.float64(len(parts))
    used = rows[1:][usable]
    if implied is not None:
        priced = _implied_per_horizon(implied, shape=logs.shape, horizon_h=settings.horizon_h)[used]
        known = np.isfinite(priced)
        total = total + np.where(known, priced, 0.0)
        count = count + known
    sigma[used] = limit_falls(total / count, ages_days=ages_days[usable], fall_per_day=settings.fall_per_day)
    return sigma


def _implied_per_horizon(implied: Floats, *, shape: tuple[int, ...], horizon_h: float) -> Floats:
    quotes = np.asarray(implied, dtype=np.float64)
    if quotes.shape != shape:
        raise DataError(f"implied has shape {quotes.shape}, closes {shape}")
    known = quotes[~np.isnan(quotes)]
    if not (np.isfinite(known).all() and (known > 0).all()):
        raise DataError("implied holds an infinite or non-positive volatility: use NaN where there is none")
    scaled: Floats = quotes * np.sqrt(horizon_h / YEAR_H)
    return scaled
