"""How much a margin series swings: what it asks of people when it is least welcome."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seawall.arrays import Floats, Ints
from seawall.errors import DataError

__all__ = ["Swings", "swings"]

_DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Swings:
    """Hold ratios: 2 is a doubling.

    Attributes
    ----------
    peak_to_trough
        The largest margin of the period over the smallest.
    rise_1d, rise_5d, rise_30d
        The largest ratio of a margin to that so many days before.
    """

    peak_to_trough: float
    rise_1d: float
    rise_5d: float
    rise_30d: float


def swings(times_s: Ints, margin: Floats) -> Swings:
    """Return how much a margin swings, as the Bank of England measures it (Murphy, Vasios, Vause 2014).

    Parameters
    ----------
    times_s
        Taken once a day, increasing, (N,); days may be missing.
    margin
        Over notional, positive, (N,).

    Raises
    ------
    DataError
        If there is nothing to compare or a margin is not positive.
    """
    if len(margin) < 2 or (margin <= 0).any():
        raise DataError("swings need at least two margins, all positive")
    days = (times_s - times_s[0]) // _DAY_S
    if (np.diff(days) <= 0).any():
        raise DataError("swings need at most one margin a day, in order")
    daily = np.full(int(days[-1]) + 1, np.nan)
    daily[days] = margin

    def largest_rise(lag: int) -> float:
        ratios = daily[lag:] / daily[:-lag]
        seen = ratios[np.isfinite(ratios)]
        return float(seen.max()) if len(seen) else np.nan

    return Swings(
        peak_to_trough=float(margin.max() / margin.min()),
        rise_1d=largest_rise(1),
        rise_5d=largest_rise(5),
        rise_30d=largest_rise(30),
    )
