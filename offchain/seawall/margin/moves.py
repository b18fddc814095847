"""Joint moves of spot, implied volatility and forwards: the scenarios of perpetuals, with the rest moved by rule."""

from dataclasses import dataclass, replace

import numpy as np

from seawall.arrays import Floats
from seawall.margin.scenarios import ScenarioSet
from seawall.margin.settings import ModelSettings, SurfaceSettings

__all__ = ["JointMoves", "joint_moves", "student_residuals", "volatility_response"]

# Residuals beyond this many deviations are cut off.
_RESIDUAL_LIMIT = 6.0

# Downward moves of volatility reach this part of the upward limit.
_DOWN = 2.0 / 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JointMoves:
    """Hold joint scenarios of all risk factors.

    Attributes
    ----------
    scenarios
        Spot log-returns and weights; the last rows are shocks of volatility alone.
    volatility
        Log-moves of the 30-day implied volatility, (S, M).
    basis
        Log-moves of forwards over the spot that returns do not explain, at full size, (S, M).
    """

    scenarios: ScenarioSet
    volatility: Floats
    basis: Floats


def volatility_response(returns: Floats, *, settings: SurfaceSettings) -> Floats:
    """Return the log-move of volatility that goes with spot log-returns of any shape: `-a r + b |r| + c r^2`."""
    size = np.abs(returns)
    response: Floats = (
        settings.size_slope * size - settings.fall_slope * returns + settings.size_curvature * size**2
    )
    return response


def joint_moves(scenarios: ScenarioSet, *, settings: ModelSettings) -> JointMoves:
    """Return the scenarios with volatility and forwards moved along, and shocks of volatility appended.

    Volatility moves by `volatility_response` less its mean, plus a residual: multivariate Student, equally correlated,
    drawn from the seed. Stress rows have no residual. Past surfaces are not used: keepers need not have any.

    Parameters
    ----------
    scenarios
        (S, M), as for perpetuals.
    settings
        Surface, probability of shocks, seed.
    """
    rule = settings.surface
    returns, weights = scenarios.log_returns, scenarios.weights
    rows, columns = returns.shape
    rng = np.random.Generator(np.random.PCG64([settings.seed, 2]))
    shape = {"freedom": rule.residual_freedom, "shared": rule.residual_correlation}
    noise = student_residuals(rng, rows, columns, **shape)
    premium = student_residuals(rng, rows, columns, **shape)
    noise[rows - scenarios.stress :] = 0.0
    premium[rows - scenarios.stress :] = 0.0
    response = volatility_response(returns, settings=rule)
    response -= weights @ response
    volatility = response + rule.residual * noise

    shocks = np.repeat(np.array(rule.shocks)[:, None], columns, axis=1).reshape(-1, columns)
    chance = settings.stress_probability
    if not chance:
        shocks = shocks[:0]
    kept = 1.0 - len(shocks) * chance
    still = np.zeros_like(shocks)
    return JointMoves(
        scenarios=replace(
            scenarios,
            log_returns=np.concatenate([returns, still]),
            weights=np.concatenate([weights * kept, np.full(len(shocks), chance)]),
            stress=scenarios.stress + len(shocks),
        ),
        volatility=np.clip(
            np.concatenate([volatility, shocks]), -_DOWN * rule.maximum_move, rule.maximum_move
        ),
        basis=np.concatenate([rule.basis_residual * premium, still]),
    )


def student_residuals(
    rng: np.random.Generator, rows: int, columns: int, *, freedom: float, shared: float
) -> Floats:
    """Return Student residuals of unit variance, (rows, columns), equally correlated, large ones cut off.

    Parameters
    ----------
    freedom
        Degrees of freedom, above 2.
    shared
        Correlation over columns.
    """
    common, own = rng.standard_normal((rows, 1)), rng.standard_normal((rows, columns))
    spread = np.sqrt((freedom - 2.0) / rng.chisquare(freedom, size=(rows, 1)))
    drawn: Floats = (np.sqrt(shared) * common + np.sqrt(1.0 - shared) * own) * spread
    return np.clip(drawn, -_RESIDUAL_LIMIT, _RESIDUAL_LIMIT)
