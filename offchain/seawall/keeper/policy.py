"""What a keeper may post of what it computed: the oracle's limits as scaling, never as clamping of one number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seawall.errors import DataError

__all__ = ["PostedRisk", "ProbeRange", "post_within"]

Floats = npt.NDArray[np.float64]

# Room left below the oracle's upper limit for rounding up and for the price to move before activation, as a fraction.
_UPPER_ROOM = 0.003
# Room left above the oracle's lower limit for the same reasons.
_LOWER_ROOM = 0.003


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbeRange:
    """Hold what the oracle would accept for one underlying's probe, parts per million of spot."""

    least_ppm: int
    largest_ppm: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PostedRisk:
    """Hold what is posted, as fractions of spot.

    Attributes
    ----------
    long_es, short_es
        Legs, (M,).
    lanes
        Lane P&L, (K, M).
    lambda_bps
        The one factor by which every leg and lane was scaled down, 10,000 when no limit binds.
    raised
        Factor by which both legs of an underlying were raised to the lower limit, (M,), 1 when it does not bind.
    """

    long_es: Floats
    short_es: Floats
    lanes: Floats
    lambda_bps: int
    raised: Floats


def post_within(
    long_es: Floats, short_es: Floats, lanes: Floats, *, ranges: Sequence[ProbeRange]
) -> PostedRisk:
    """Return risk numbers that the oracle's floor, cap and buckets accept.

    Upper limits: all legs and lanes of all underlyings are scaled by one factor ``lambda <= 1``, so that
    ``L <= lambda ES <= U`` holds for every book. Lower limits: both legs of that underlying are raised, which only
    raises U; lanes stay.

    Parameters
    ----------
    long_es, short_es
        Legs as fractions of spot, (M,), not negative.
    lanes
        Lane P&L as fractions of spot, (K, M).
    ranges
        What the oracle accepts, one an underlying.

    Raises
    ------
    DataError
        If shapes disagree, or a range leaves nothing to post.
    """
    if len(ranges) != len(long_es) or lanes.shape[1] != len(long_es) or short_es.shape != long_es.shape:
        raise DataError(f"{len(ranges)} probe ranges for {len(long_es)} underlyings: give one each")
    probe = np.maximum(long_es, short_es)
    upper = np.array([r.largest_ppm for r in ranges]) / 1e6 * (1 - _UPPER_ROOM)
    lower = np.array([r.least_ppm for r in ranges]) / 1e6 * (1 + _LOWER_ROOM)
    if np.any(upper < lower) or np.any(upper <= 0):
        raise DataError(
            "the oracle's floor and cap leave no probe value to post: governance must widen the bounds"
        )
    positive = np.maximum(probe, 1e-12)
    scale = min(1.0, float(np.min(upper / positive)))
    lambda_bps = int(np.floor(scale * 10_000))
    if lambda_bps < 1:
        raise DataError(
            "risk exceeds the oracle's cap ten-thousandfold: check the prices before posting anything"
        )
    factor = lambda_bps / 10_000
    raised = np.maximum(1.0, lower / (positive * factor))
    return PostedRisk(
        long_es=_raise(long_es * factor, raised, lower),
        short_es=_raise(short_es * factor, raised, lower),
        lanes=lanes * factor,
        lambda_bps=lambda_bps,
        raised=raised,
    )


def _raise(leg: Floats, raised: Floats, lower: Floats) -> Floats:
    """Return the leg scaled by `raised`; a leg of zero beside a raised one becomes the lower limit."""
    return np.where((raised > 1) & (leg <= 1e-12), lower, leg * raised)
