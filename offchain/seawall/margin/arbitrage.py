"""What arbitrage a fine grid sees in a surface: the check of what the conditions of `margin.essvi` promise."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from seawall.arrays import Floats
from seawall.margin.essvi import Slices, at, slice_variance, variance_and_root

__all__ = ["GridCheck", "durrleman", "grid_check"]

# The grid of the check: standard deviations from the money on one side; maturities before the first expiry and after
# the last, over it.
_FARTHEST = 15.0
_BEFORE, _AFTER = np.array([0.01, 0.1, 0.4, 0.7]), np.array([1.3, 2.0, 5.0, 20.0])


def durrleman(theta: Floats, psi: Floats, chi: Floats, moneyness: Floats) -> Floats:
    """Return Durrleman's g, negative exactly where butterflies are free; arguments of shapes that broadcast.

    `g = (1 - k w' / 2w)^2 - w'^2 (1/w + 1/4) / 4 + w'' / 2`: the density of ln(S/F) is a positive multiple of it.
    """
    k = moneyness
    w, root = variance_and_root(theta, psi, chi, k)
    first = 0.5 * (chi + (psi * psi * k + chi * theta) / root)
    second = 0.5 * (theta / root) ** 2 * (psi - chi) * (psi + chi) / root
    g: Floats = (1.0 - 0.5 * k * first / w) ** 2 - 0.25 * first**2 * (1.0 / w + 0.25) + 0.5 * second
    return g


@dataclass(frozen=True, slots=True, kw_only=True)
class GridCheck:
    """Hold what a fine grid says of arbitrage.

    Attributes
    ----------
    butterflies, calendars
        Points where g is negative, and where w falls in maturity by more than rounding.
    points
        Of the grid, for each of the two.
    least_density
        Smallest g.
    least_growth
        Smallest `dw / (theta + psi |k|)`, the size of its terms, from one maturity of the grid to the next.
    """

    butterflies: int
    calendars: int
    points: int
    least_density: float
    least_growth: float


def grid_check(
    slices: Slices, *, between: int = 4, strikes: int = 161, tolerance: float = 1e-12
) -> GridCheck:
    """Return what arbitrage a grid shows, at expiries, between them, before the first and after the last.

    Parameters
    ----------
    slices
        The surface, (..., N).
    between
        Maturities to an expiry, itself included.
    strikes
        Of the grid, both sides; denser near the money.
    tolerance
        Rounding: for g, and for w over the size of its terms.
    """
    known = slices.tau_y
    gaps = [np.linspace(a, b, between, endpoint=False) for a, b in pairwise(known)]
    tau = np.concatenate([known[0] * _BEFORE, *gaps, known[-1:], known[-1] * _AFTER])
    theta, psi, chi = (x[..., None] for x in at(slices, tau))
    spread = np.linspace(-1.0, 1.0, strikes)
    deviations = _FARTHEST * spread * np.abs(spread)
    g = durrleman(theta, psi, chi, deviations * np.sqrt(theta))
    # Strikes that all maturities share reach as far as those of the longest one and are as near as those of the first.
    wide = np.sinh(9.0 * spread) / np.sinh(9.0) * _FARTHEST * np.sqrt(theta[..., -1:, :])
    w = slice_variance(theta, psi, chi, wide)
    growth = np.diff(w, axis=-2) / (theta + psi * np.abs(wide))[..., 1:, :]
    return GridCheck(
        butterflies=int((g < -tolerance).sum()),
        calendars=int((growth < -tolerance).sum()),
        points=g.size,
        least_density=float(g.min()),
        least_growth=float(growth.min()),
    )
