"""The model walked forward: everything that needs one pass over the prices, from which any present is composed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from seawall.arrays import Floats
from seawall.margin.breaks import stress_multiple
from seawall.margin.scenarios import ScenarioSet, build_scenarios
from seawall.margin.settings import ModelSettings
from seawall.margin.stress import Role, stress_log_returns
from seawall.margin.volatility import break_strength, sigma_path

__all__ = ["Walk", "walk_forward"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """Hold the volatilities of all rows; each row's were known then.

    Attributes
    ----------
    closes
        (T, M), NaN rows where a bar is missing.
    sigma, down, up
        Volatility, and those by which falls and rises are rescaled, (T, M).
    strength
        What is remembered of an alarm, (T, M); zero where breaks are not enabled.
    stress
        Log-returns of the stress rows, (N, M).
    settings
        Of the model.
    bar_h
        Distance between rows, hours.
    """

    closes: Floats
    sigma: Floats
    down: Floats
    up: Floats
    strength: Floats
    stress: Floats
    settings: ModelSettings
    bar_h: float

    def stress_probability(self, row: int) -> float:
        """Return the probability of each stress row as of a row."""
        multiple = stress_multiple(self.strength[row], settings=self.settings.breaks)
        return multiple * self.settings.stress_probability

    def scenarios(self, row: int) -> ScenarioSet:
        """Return what `margin.perpetuals.joint_returns` returns on the closes up to a row.

        Only the rows that its window reaches are handed on, which changes nothing but the time it takes.
        """
        settings = replace(self.settings, stress_probability=self.stress_probability(row))
        reach = settings.bars(settings.window_days * 24.0, bar_h=self.bar_h)
        seen = slice(max(row - reach, 0), row + 1)
        return build_scenarios(
            self.closes[seen],
            self.sigma[seen],
            bar_h=self.bar_h,
            settings=settings,
            stress=self.stress,
            sides=(self.down[seen], self.up[seen]) if settings.side_share else None,
        )


def walk_forward(
    closes: Floats,
    *,
    bar_h: float,
    roles: Sequence[Role],
    settings: ModelSettings,
    implied: Floats | None = None,
) -> Walk:
    """Return a walk over prices; parameters as for `margin.perpetuals.joint_returns`. Row t uses rows up to t only."""
    sigma = sigma_path(closes, bar_h=bar_h, settings=settings, implied=implied)
    down = up = sigma
    if settings.side_share:
        down, up = (
            sigma_path(closes, bar_h=bar_h, settings=settings, implied=implied, side=side) for side in (-1, 1)
        )
    strength = np.zeros(sigma.shape)
    if settings.breaks.enabled:
        strength = break_strength(closes, bar_h=bar_h, settings=settings, implied=implied)
    return Walk(
        closes=closes,
        sigma=sigma,
        down=down,
        up=up,
        strength=strength,
        stress=stress_log_returns(roles),
        settings=settings,
        bar_h=bar_h,
    )
