"""Moves of perpetuals over their spot: as they were on each scenario's dates where that is known, else assumed."""

from dataclasses import dataclass

import numpy as np

from seawall.arrays import Floats
from seawall.errors import DataError
from seawall.margin.moves import student_residuals
from seawall.margin.scenarios import ScenarioSet, block_shuffled_rows, comonotone_rows
from seawall.margin.settings import ModelSettings

__all__ = ["PastBasis", "perpetual_moves", "perpetual_pnl"]

# Log-moves of a perpetual over its spot beyond this are cut off: a broken quote must not stand for a day.
_MOST = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class PastBasis:
    """Hold what is known of past prices of perpetuals.

    Attributes
    ----------
    carried
        Logarithm of a perpetual's price over the spot, less all funding that longs have paid since any one time, in
        fractions of the price, (T, M), NaN where unknown: its change is the P&L of a perpetual held long against spot.
    sigma
        `volatility.sigma_path` of the same bars, (T, M).
    horizon_bars
        Length of a scenario's move.
    """

    carried: Floats
    sigma: Floats
    horizon_bars: int


def perpetual_moves(
    scenarios: ScenarioSet, *, settings: ModelSettings, past: PastBasis | None = None
) -> Floats:
    """Return the log-moves of perpetuals over their spot, funding included, in every scenario, (S, M).

    A historical row takes the move of its own date, rescaled as returns are by the volatility of the spot:

        b = (carried_(s+h) - carried_s) clip(sigma_now / sigma_s)

    Where that is unknown it takes a Student residual, equally correlated over underlyings, of `perpetual_residual`
    times today's volatility. Comonotone and shuffled rows are made of these as those of returns are: comonotone rows
    of the quantiles of each column, shuffled ones of the dates their returns are from. Stress rows have none.

    Parameters
    ----------
    scenarios
        Joint scenarios.
    settings
        Residual, limits of the factor, seed.
    past
        Known prices; none by default.

    Raises
    ------
    DataError
        If shapes differ.
    """
    rows, columns = scenarios.log_returns.shape
    rule, historical = settings.surface, scenarios.historical
    rng = np.random.Generator(np.random.PCG64([settings.seed, 6]))
    drawn = student_residuals(
        rng, historical, columns, freedom=rule.perpetual_freedom, shared=rule.residual_correlation
    )
    moves = rule.perpetual_residual * scenarios.sigma_now * drawn
    if past is not None:
        seen = _seen(scenarios, past, settings=settings)
        moves = np.where(np.isfinite(seen), seen, moves)
    moves = np.clip(moves, -_MOST, _MOST)
    found = np.zeros((rows, columns))
    found[:historical] = moves
    together = scenarios.dependence // 2
    if together:
        made = found[historical : historical + 2 * together]
        made[:together] = comonotone_rows(moves, count=together)
        made[together:] = block_shuffled_rows(
            moves, count=together, block_rows=settings.shuffle_block_rows, seed=settings.seed
        )
    return found


def perpetual_pnl(log_returns: Floats, moves: Floats) -> Floats:
    """Return the P&L of one unit of perpetuals over the spot, `exp(r + b) - 1`, for log-moves of any one shape."""
    pnl: Floats = np.expm1(log_returns + moves)
    return pnl


def _seen(scenarios: ScenarioSet, past: PastBasis, *, settings: ModelSettings) -> Floats:
    """Return the rescaled moves of the historical rows' dates, (R, M), NaN where unknown."""
    columns = scenarios.log_returns.shape[1]
    if past.carried.shape != past.sigma.shape or past.carried.shape[1:] != (columns,):
        raise DataError(
            f"past prices of perpetuals have shape {past.carried.shape}, volatilities {past.sigma.shape}:"
            f" give both for the same bars and {columns} underlyings"
        )
    starts = scenarios.starts
    if len(starts) != scenarios.historical:
        return np.full((scenarios.historical, columns), np.nan)
    factor = np.clip(scenarios.sigma_now / past.sigma[starts], settings.rescale_min, settings.rescale_max)
    moved: Floats = (past.carried[starts + past.horizon_bars] - past.carried[starts]) * factor
    return moved
