"""Tail normalisation: how many volatilities the shortfall of past moves is, drawn towards a long-run multiple.

Rescaled moves have their underlying's volatility of today, and a tail of their own: few moves in a hundred decide how
many volatilities its expected shortfall is, so that multiple wanders as moves enter and leave the window and as the
limits of rescaling bind. It is drawn towards one that is known better, as a credibility mean is (Buehlmann 1967), in
logarithms. Moves over their volatility have much the same tail whatever the underlying (McNeil, Frey 2000), so that
the long-run multiple may be pooled.
"""

from dataclasses import dataclass

import numpy as np

from seawall.arrays import Floats
from seawall.errors import ConfigError

__all__ = ["TailSettings", "normalise_tails", "tail_factors", "tail_means"]

# A tail below this part of the multiple is none.
_LEAST = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class TailSettings:
    """Say how far tails are normalised, and to what.

    Attributes
    ----------
    strength
        Weight of the long-run multiple against an underlying's own, in [0, 1]; 0 leaves moves as they are.
    falls, rises
        Long-run expected shortfall of log-moves over the volatility by which they are rescaled.
    factor_min, factor_max
        Limits of the factor by which falls, or rises, are multiplied.
    """

    strength: float = 0.0
    falls: float = 3.7
    rises: float = 3.8
    factor_min: float = 0.75
    factor_max: float = 2.0

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            raise ConfigError(f"tails: strength = {self.strength}: must lie in [0, 1]")
        if not (self.falls > 0 and self.rises > 0):
            raise ConfigError(f"tails: falls = {self.falls}, rises = {self.rises}: must be positive")
        if not 0 < self.factor_min <= 1 <= self.factor_max:
            raise ConfigError("tails: need 0 < factor_min <= 1 <= factor_max")


def tail_means(sizes: Floats, *, alpha: float) -> Floats:
    """Return the mean of the largest `1 - alpha` of each column, the last of them in part.

    Parameters
    ----------
    sizes
        (R, M), R at least 1.
    alpha
        Level; a tail of less than one row is one row.
    """
    total = len(sizes)
    mass = max((1.0 - alpha) * total, 1.0)
    deep = min(int(np.ceil(mass - 1e-9)), total)
    largest = np.sort(np.partition(sizes, total - deep, axis=0)[total - deep :], axis=0)
    shares = np.ones(deep)
    shares[0] = mass - (deep - 1)
    means: Floats = shares @ largest / mass
    return means


def tail_factors(moves: Floats, *, down: Floats, up: Floats, alpha: float, settings: TailSettings) -> Floats:
    """Return by what falls and rises are multiplied, (2, M).

    `clip((multiple sigma / ES)^strength, factor_min, factor_max)`, where ES is that of the falls, or rises, and sigma
    the volatility to which they were rescaled. A column without a tail of falls, or of rises, is left as it is: its
    factor is 1.

    Parameters
    ----------
    moves
        Past log-returns at today's volatility, (R, M), R at least 1.
    down, up
        Today's volatilities, to which falls and rises were rescaled, (M,), positive.
    alpha
        Level of the expected shortfall.
    settings
        Strength, multiples, limits.
    """
    found = np.stack([tail_means(side * moves, alpha=alpha) for side in (-1.0, 1.0)])
    aims = np.stack([settings.falls * down, settings.rises * up])
    there = found > _LEAST * aims
    ratios = np.divide(aims, found, out=np.ones_like(aims), where=there)
    factors: Floats = np.clip(ratios**settings.strength, settings.factor_min, settings.factor_max)
    return np.where(there, factors, 1.0)


def normalise_tails(
    moves: Floats, *, down: Floats, up: Floats, alpha: float, settings: TailSettings
) -> Floats:
    """Return the moves with the falls and the rises of each underlying multiplied by its `tail_factors`.

    One factor a side and underlying: signs and ranks, and with them dependence, stay. Parameters as for `tail_factors`.
    """
    if not settings.strength:
        return moves
    falls, rises = tail_factors(moves, down=down, up=up, alpha=alpha, settings=settings)
    normalised: Floats = moves * np.where(moves < 0, falls, rises)
    return normalised
