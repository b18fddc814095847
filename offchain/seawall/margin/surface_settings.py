"""Settings of implied volatilities: what a smile looks like where none is quoted, and how it moves with the spot."""

from dataclasses import dataclass

from seawall.errors import ConfigError

__all__ = ["SurfaceSettings"]


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfaceSettings:
    """Say what implied volatilities look like and how they move with the spot.

    The defaults were fitted to exchange data: smile and tenors to three months of Bitcoin and Ether chains (residuals
    of about half a point), moves with the spot to three years of an index of 30-day volatility, which was 1.00 times
    the model's own in the mean. Moves of forwards were seen in calm markets only: they are assumed larger.

    Attributes
    ----------
    premium
        Implied 30-day volatility over the volatility model's.
    relaxation_days
        Time in which the short variance has come half-way to the long one.
    reversion
        How far the longest maturities lie from today's level towards the long-run one, in logarithms.
    smile_correlation, smile_slope
        rho and eta of the smile; `eta (1 + |rho|) <= 2` excludes arbitrage.
    carry
        Forwards over the spot, annualised.
    fall_slope, size_slope, size_curvature
        a, b, c of the log-move of volatility with a spot log-return r: `-a r + b |r| + c r^2`, less its mean.
    residual, residual_correlation
        Standard deviation of the log-move that the spot does not explain, and its correlation over underlyings.
    residual_freedom
        Degrees of freedom of these residuals.
    maximum_move
        Limit on log-moves of volatility, up; down two thirds of it.
    basis_slope
        Log-move of a forward over the spot per log-return, 90 days ahead and more; in proportion before.
    basis_residual
        Standard deviation of the log-move of forwards that the spot does not explain.
    perpetual_residual
        Standard deviation of a perpetual's log-move over its spot, funding included, where no past prices say it: a
        multiple of today's volatility. It was .021 to .026 of it for four coins over four years.
    perpetual_freedom
        Degrees of freedom of these moves.
    shocks
        Log-moves of all volatilities at a standing spot, each of `stress_probability`.
    """

    premium: float = 1.0
    relaxation_days: float = 5.0
    reversion: float = 0.5
    smile_correlation: float = -0.27
    smile_slope: float = 0.87
    carry: float = 0.0
    fall_slope: float = 0.385
    size_slope: float = 0.608
    size_curvature: float = 3.0
    residual: float = 0.0475
    residual_correlation: float = 0.8
    residual_freedom: float = 5.0
    maximum_move: float = 1.1
    basis_slope: float = 0.05
    basis_residual: float = 0.002
    perpetual_residual: float = 0.03
    perpetual_freedom: float = 3.0
    shocks: tuple[float, ...] = (0.7, -0.5)

    def __post_init__(self) -> None:
        _require(0 < self.premium <= 3, f"premium = {self.premium}: use more than 0 and at most 3")
        _require(self.relaxation_days > 0, "relaxation_days must be positive")
        _require(0 <= self.reversion <= 1, f"reversion = {self.reversion}: must lie in [0, 1]")
        _require(abs(self.smile_correlation) < 1, "smile_correlation must lie strictly between -1 and 1")
        _require(
            0 < self.smile_slope * (1 + abs(self.smile_correlation)) <= 2,
            "smile_slope (1 + |smile_correlation|) must be positive and at most 2, or butterflies are free",
        )
        _require(abs(self.carry) <= 1, f"carry = {self.carry}: use at most 1 a year")
        _require(self.residual >= 0 and self.basis_residual >= 0, "residuals must not be negative")
        _require(0 <= self.residual_correlation <= 1, "residual_correlation must lie in [0, 1]")
        _require(self.residual_freedom > 2, "residual_freedom must exceed 2")
        _require(
            0 <= self.perpetual_residual <= 1,
            f"perpetual_residual = {self.perpetual_residual}: must lie in [0, 1]",
        )
        _require(self.perpetual_freedom > 2, "perpetual_freedom must exceed 2")
        _require(0 < self.maximum_move <= 3, f"maximum_move = {self.maximum_move}: must lie in (0, 3]")
        _require(all(abs(x) <= self.maximum_move for x in self.shocks), "a shock exceeds maximum_move")
