"""Cost against coverage: what a method asks once all are scaled to the same realised breach rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seawall.arrays import Floats, Ints
from seawall.errors import DataError

__all__ = ["ScaledMargin", "scaled_margin", "static_in_hindsight"]

# Losses are compared with a margin strictly above them.
_ABOVE = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledMargin:
    """Hold a method at a realised breach rate.

    Attributes
    ----------
    factor
        By which its margin was multiplied.
    mean_margin
        Average margin over notional.
    shortfall
        Average loss beyond the margin, over all windows.
    """

    factor: float
    mean_margin: float
    shortfall: float


def scaled_margin(losses: Floats, margin: Floats, phases: Ints, *, rate: float) -> ScaledMargin:
    """Return what a margin costs when multiplied so that exactly `round(rate n)` losses of each phase exceed it.

    The factor of a phase is its (k + 1)-th largest loss over margin; figures are means over phases.

    Parameters
    ----------
    losses
        Loss over notional in each window, negative for a gain, (N,).
    margin
        Over notional, positive, (N,).
    phases
        Windows of one phase do not overlap, (N,).
    rate
        Breach rate.

    Raises
    ------
    DataError
        If a margin is not positive, or a phase has too few windows.
    """
    if not len(losses) == len(margin) == len(phases) or (margin <= 0).any():
        raise DataError("losses, margins and phases must be as many, and margins positive")
    parts = []
    for phase in np.unique(phases):
        chosen = phases == phase
        loss, asked = losses[chosen], margin[chosen]
        allowed = round(rate * len(loss))
        if allowed >= len(loss):
            raise DataError(f"{len(loss)} windows are too few for a breach rate of {rate:g}")
        ratios = loss / asked
        factor = max(-float(np.partition(-ratios, allowed)[allowed]), 0.0) + _ABOVE
        beyond = np.maximum(loss - factor * asked, 0.0).mean()
        parts.append((factor, factor * asked.mean(), beyond))
    factor, mean, beyond = (float(np.mean(part)) for part in zip(*parts, strict=True))
    return ScaledMargin(factor=factor, mean_margin=mean, shortfall=beyond)


def static_in_hindsight(losses: Floats, phases: Ints, *, rate: float) -> ScaledMargin:
    """Return the constant margin that reaches the rate: the smallest that only hindsight knows."""
    return scaled_margin(losses, np.ones(len(losses)), phases, rate=rate)
