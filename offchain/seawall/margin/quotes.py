"""Implied volatilities that somebody quotes: how far they are followed, and the surface they make."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from seawall.arrays import Floats, Ints
from seawall.errors import DataError
from seawall.margin.essvi import Slices, at, scaled, with_knots
from seawall.margin.settings import SurfaceSettings
from seawall.margin.surface import Levels, levels_from, levels_through, volatility

__all__ = ["Quote", "calibrated_levels", "followed", "quoted_levels", "within_ratio"]

_DAYS_Y = 365.0

# Maturities at which surfaces move exactly as said: that of the level, and one that options soon have.
_MOVED_DAYS = np.array([1.0, 30.0])
_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """Hold what options on one underlying trade at.

    Attributes
    ----------
    level
        Annualised volatility at the money, 30 days, as a fraction.
    tenors
        Further (days, annualised volatility at the money).
    correlation, slope
        rho and eta of the smile; None: as in the settings.
    """

    level: float
    tenors: tuple[tuple[float, float], ...] = ()
    correlation: float | None = None
    slope: float | None = None


def followed(values: Floats, times_s: Ints, *, move_per_h: float, restart_s: float) -> Floats:
    """Return quoted values as far as they are followed, (N,), in time's order.

    ``y_i = clip(x_i, y_(i-1) - m h, y_(i-1) + m h)`` with h the hours since the quote before; ``y_i = x_i`` for the
    first and after a gap longer than `restart_s`. So over any time without such a gap y moves by at most m times its
    hours, whatever is quoted.

    Parameters
    ----------
    values
        Logarithms of volatilities, or what else is to move by so much, (N,).
    times_s
        Seconds, increasing, (N,).
    move_per_h
        m, in the unit of the values an hour.
    restart_s
        Seconds without a quote after which the next is taken as it is.
    """
    found: list[float] = values.tolist()
    gaps: list[int] = np.diff(times_s).tolist()
    for i, gap in enumerate(gaps):
        if gap <= restart_s:
            room = move_per_h * gap / _HOUR_S
            found[i + 1] = min(max(found[i + 1], found[i] - room), found[i] + room)
    return np.array(found)


def within_ratio(quoted: Floats, model: Floats, *, ratio: float) -> Floats:
    """Return quoted volatilities between the model's over `ratio` and times it; NaN where either has none.

    Parameters
    ----------
    quoted, model
        Annualised, of one shape.
    ratio
        At least 1.
    """
    bounded: Floats = np.minimum(np.maximum(quoted, model / ratio), model * ratio)
    return bounded


def quoted_levels(
    quotes: Sequence[Quote | None], own: Levels, long_run: Floats, *, settings: SurfaceSettings
) -> Levels:
    """Return levels with the quoted volatilities where there are any, the model's own elsewhere.

    Parameters
    ----------
    quotes
        One an underlying, M of them.
    own
        The model's, (M,).
    long_run
        The model's long-run volatility, annualised, (M,): where far maturities are drawn if no tenor is quoted.
    """
    short, long = own.short.copy(), own.long.copy()
    correlation = np.full(len(short), settings.smile_correlation)
    slope = np.full(len(short), settings.smile_slope)
    for u, quote in enumerate(quotes):
        if quote is None:
            continue
        if quote.tenors:
            days, levels = np.array(quote.tenors).T
            fitted = levels_through(quote.level, days / _DAYS_Y, levels, settings=settings)
        else:
            at = np.array([quote.level]) / settings.premium
            fitted = levels_from(at, long_run[u : u + 1], settings=settings)
        short[u], long[u] = float(fitted.short.item()), float(fitted.long.item())
        correlation[u] = settings.smile_correlation if quote.correlation is None else quote.correlation
        wanted = settings.smile_slope if quote.slope is None else quote.slope
        slope[u] = min(wanted, 2.0 / (1.0 + abs(correlation[u])))
    return Levels(short=short, long=long, correlation=correlation, slope=slope)


def calibrated_levels(
    surfaces: Sequence[Slices | None], otherwise: Levels, *, settings: SurfaceSettings, ratio: float = 2.5
) -> Levels:
    """Return levels that hold calibrated surfaces where there are any, and pass through these at the money.

    Parameters
    ----------
    surfaces
        One an underlying, M of them.
    otherwise
        Quoted or the model's own, (M,): they stand where there is no surface.
    settings
        Relaxation.
    ratio
        At least 1: a surface whose volatility at 30 days is not within that of `otherwise` over the ratio and times it
        is scaled to the limit, whatever its quotes say.

    Raises
    ------
    DataError
        If there is not one entry an underlying.
    """
    if len(surfaces) != len(otherwise.short):
        raise DataError(
            f"{len(surfaces)} surfaces for {len(otherwise.short)} underlyings: give one each, or None"
        )
    if all(surface is None for surface in surfaces):
        return otherwise
    short, long, month = otherwise.short.copy(), otherwise.long.copy(), _MOVED_DAYS[1:] / _DAYS_Y
    held: list[Slices | None] = [None] * len(surfaces)
    for u, surface in enumerate(surfaces):
        if surface is None:
            continue
        known = with_knots(surface, _MOVED_DAYS / _DAYS_Y)
        own = float(volatility(otherwise.of(np.array([u])), np.zeros(1), month, settings=settings)[0])
        quoted = float(np.sqrt(at(known, month)[0][0] / month[0]))
        level = min(max(quoted, own / ratio), own * ratio)
        known = known if level == quoted else scaled(known, level / quoted)
        fitted = levels_through(level, known.tau_y, np.sqrt(known.theta / known.tau_y), settings=settings)
        short[u], long[u] = float(fitted.short.item()), float(fitted.long.item())
        held[u] = known
    return replace(otherwise, short=short, long=long, slices=tuple(held))
