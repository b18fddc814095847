"""One volatility per underlying and bar: a mixture of horizons that rises fast and falls slowly."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.signal import lfilter

from seawall.arrays import Bools, Floats, Ints
from seawall.errors import DataError
from seawall.margin.breaks import alarm_strength
from seawall.margin.settings import ModelSettings

__all__ = [
    "YEAR_H",
    "break_strength",
    "ewma_variance",
    "limit_falls",
    "log_closes",
    "observed_rows",
    "sigma_path",
]

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
    """Return the exponentially weighted mean of squared moves, or of another power of them, newest last.

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
    closes: Floats,
    *,
    bar_h: float,
    settings: ModelSettings,
    implied: Floats | None = None,
    side: int = 0,
) -> Floats:
    """Return the volatility over one horizon for every bar, in log-return units.

    `sigma = max(floor * long-run, weighted mean of min(EWMA_fast, cap * long-run), EWMA_slow, long-run, implied)`,
    then `limit_falls`. Every part is `scale * (mean |r|^p)^(1/p)`, the long-run one over all moves so far, equally
    weighted. `p = 2` is the root mean square; with `p = 1` one large move counts for less, and absolute moves are
    predicted better than squares (Ding, Granger, Engle 1993). A move across missing bars counts once, as
    `|r|^p / gap^(p/2)`. For one side, the fast parts count moves to that side `1 + share` times and moves to the other
    `1 - share` times (semivariance: Barndorff-Nielsen, Kinnebrock, Shephard 2010). Row t uses rows up to t only. With
    `settings.breaks` enabled only the fast volatilities count after an alarm, the others again as it is forgotten.

    Parameters
    ----------
    closes
        Prices, (T, M), oldest first, on a regular grid; a row with a NaN is a missing bar.
    bar_h
        Distance between rows in hours.
    settings
        Half-lives, weights, share of one side, power, scale, cap, floor, fall limit, warm-up, horizon, breaks.
    implied
        Annualised implied volatilities, fractions, (T, M); NaN where there is none: the mean leaves it out.
    side
        0: of moves either way; -1: by which falls are rescaled; 1: by which rises are.

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
    sigma = np.full(logs.shape, np.nan)
    settings.bars(settings.horizon_h, bar_h=bar_h)
    ages_days = (rows[1:] - rows[:1]) * (bar_h / 24.0)
    usable = ages_days >= settings.warmup_days
    if not usable.any():
        return sigma
    used = rows[1:][usable]
    parts = _parts(logs[rows], rows, usable, bar_h=bar_h, settings=settings, side=side)
    if implied is not None:
        priced = _implied_per_horizon(implied, shape=logs.shape, horizon_h=settings.horizon_h)
        parts.append(_Part(values=priced[used], weight=settings.implied_weight, fast=False))
    others = np.ones((len(used), 1))
    if settings.breaks.enabled:
        others = 1.0 - break_strength(closes, bar_h=bar_h, settings=settings, implied=implied)[used]
    mixed = np.maximum(_weighted_mean(parts, others), settings.long_run_floor * parts[0].values)
    sigma[used] = limit_falls(mixed, ages_days=ages_days[usable], fall_per_day=settings.fall_per_day)
    return sigma


def break_strength(
    closes: Floats, *, bar_h: float, settings: ModelSettings, implied: Floats | None = None
) -> Floats:
    """Return how much of an alarm of `settings.breaks` is remembered at every bar, (T, M), in [0, 1].

    Judged by the volatility as it is without breaks, whether or not they are enabled. Parameters as for `sigma_path`.
    """
    ordinary = replace(settings, breaks=replace(settings.breaks, enabled=False))
    return alarm_strength(
        log_closes(closes),
        sigma_path(closes, bar_h=bar_h, settings=ordinary, implied=implied),
        bar_h=bar_h,
        horizon_bars=settings.bars(settings.horizon_h, bar_h=bar_h),
        settings=settings.breaks,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Hold one volatility of the mixture, (n, M), NaN where it is not known, and its weight."""

    values: Floats
    weight: float
    fast: bool


def _parts(
    logs: Floats, rows: Ints, usable: Bools, *, bar_h: float, settings: ModelSettings, side: int
) -> list[_Part]:
    """Return the parts made from moves between observed rows, the long-run one first, where `usable`."""
    power = settings.move_power
    moves = np.diff(logs, axis=0)
    powers = np.abs(moves) ** power / np.diff(rows)[:, None] ** (power / 2.0)
    long_run = np.cumsum(powers, axis=0) / np.arange(1, len(powers) + 1)[:, None]
    flat = np.flatnonzero(long_run[usable][0] <= 0)
    if len(flat):
        raise DataError(f"column {flat[0]} of closes never moves during the warm-up: it has no volatility")
    unit = settings.move_scale * np.sqrt(settings.bars(settings.horizon_h, bar_h=bar_h))

    def part(mean: Floats, weight: float, *, fast: bool = False) -> _Part:
        values: Floats = unit * mean[usable] ** (1.0 / power)
        return _Part(values=values, weight=weight, fast=fast)

    cap = settings.fast_cap**power * long_run
    sided = powers * (1.0 + side * settings.side_share * np.sign(moves))
    fast = [
        part(np.minimum(ewma_variance(sided, half_life_bars=hours / bar_h), cap), weight, fast=True)
        for hours, weight in zip(settings.fast_half_lives_h, settings.fast_weights, strict=True)
    ]
    slow = [
        part(ewma_variance(powers, half_life_bars=hours / bar_h), weight)
        for hours, weight in zip(settings.slow_half_lives_h, settings.slow_weights, strict=True)
    ]
    return [part(long_run, settings.long_run_weight), *fast, *slow]


def _weighted_mean(parts: Sequence[_Part], others: Floats) -> Floats:
    """Return the mean of what is known, where the weights of parts that are not fast are multiplied by `others`."""
    total = np.zeros_like(parts[0].values)
    weights = np.zeros_like(total)
    for part in parts:
        known = np.isfinite(part.values)
        weight = np.where(known, part.weight * (1.0 if part.fast else others), 0.0)
        total += weight * np.where(known, part.values, 0.0)
        weights += weight
    mean: Floats = total / weights
    return mean


def _implied_per_horizon(implied: Floats, *, shape: tuple[int, ...], horizon_h: float) -> Floats:
    quotes = np.asarray(implied, dtype=np.float64)
    if quotes.shape != shape:
        raise DataError(f"implied has shape {quotes.shape}, closes {shape}")
    known = quotes[~np.isnan(quotes)]
    if not (np.isfinite(known).all() and (known > 0).all()):
        raise DataError("implied holds an infinite or non-positive volatility: use NaN where there is none")
    scaled: Floats = quotes * np.sqrt(horizon_h / YEAR_H)
    return scaled
