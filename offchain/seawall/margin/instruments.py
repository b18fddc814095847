"""Dated instruments as the model sees them: what they pay, when, and how much of the spot's path still counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from seawall.arrays import Bools, Floats, Ints
from seawall.errors import DataError

__all__ = ["SETTLEMENT_WINDOW_H", "Chain", "Dated", "Payoff", "effective_hours"]

# The settlement price is the average of the spot over this long before expiry.
SETTLEMENT_WINDOW_H = 0.5


class Payoff(StrEnum):
    """Name what one unit pays at expiry, A the settlement price and K the strike."""

    FUTURE = "future"  # A
    CALL = "call"  # max(A - K, 0)
    PUT = "put"  # max(K - A, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dated:
    """Hold one dated instrument.

    Attributes
    ----------
    underlying
        Column of the closes.
    payoff
        What it pays.
    strike
        Over the reference spot; 0 for a future.
    hours
        To expiry; zero or less once expired.
    """

    underlying: int
    payoff: Payoff
    strike: float
    hours: float

    def __post_init__(self) -> None:
        if not np.isfinite(self.hours) or self.underlying < 0:
            raise DataError("a dated instrument needs a finite expiry and an underlying")
        if (self.payoff is Payoff.FUTURE) != (self.strike == 0) or not 0 <= self.strike < np.inf:
            raise DataError(f"a {self.payoff} has strike {self.strike}: options need one, futures none")


def effective_hours(hours: Floats) -> Floats:
    """Return the time over which the settlement price varies as much as the spot would, hours.

    The settlement price averages the spot over the last L hours. Its log has variance `sigma^2 (tau - L + L/3)` while
    the window lies ahead; within it a share `tau / L` of the average is open, whose mean varies by `sigma^2 tau / 3`:

        tau - 2 L / 3           tau >= L
        tau^3 / (3 L^2)         0 < tau < L
        0                       tau <= 0

    exact to first order in the variance, and continuous at L (`L / 3` from both sides).

    Parameters
    ----------
    hours
        To expiry, of any shape.
    """
    window = SETTLEMENT_WINDOW_H
    left = np.maximum(hours, 0.0)
    inside = np.minimum(left, window)
    found: Floats = np.where(left >= window, left - 2.0 * window / 3.0, inside**3 / (3.0 * window**2))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Hold dated instruments as arrays of one entry each, (D,).

    Attributes
    ----------
    underlying
        Column of the closes.
    strike
        Over the reference spot; 1 for a future, which makes no use of it.
    is_option, is_call
        What it pays.
    hours
        To expiry.
    """

    underlying: Ints
    strike: Floats
    is_option: Bools
    is_call: Bools
    hours: Floats

    @classmethod
    def of(cls, listed: Sequence[Dated]) -> "Chain":
        """Return the arrays of a list."""
        return cls(
            underlying=np.array([d.underlying for d in listed], dtype=np.int64),
            strike=np.array([d.strike if d.strike else 1.0 for d in listed], dtype=np.float64),
            is_option=np.array([d.payoff is not Payoff.FUTURE for d in listed], dtype=np.bool_),
            is_call=np.array([d.payoff is Payoff.CALL for d in listed], dtype=np.bool_),
            hours=np.array([d.hours for d in listed], dtype=np.float64),
        )

    @property
    def alive(self) -> Bools:
        """Say which have not expired, (D,)."""
        found: Bools = self.hours > 0
        return found
