"""What a bidder wants."""

from dataclasses import dataclass

from seawall.errors import ConfigError

__all__ = ["LiquidatorSettings"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LiquidatorSettings:
    """Say what a bidder wants.

    Attributes
    ----------
    least_premium
        Least premium it buys at, as a fraction of the maintenance requirement it takes over.
    slice_fraction
        What it buys at once, as a fraction of the book at its first bid.
    least_fraction
        Fraction below which it stops trying smaller slices.
    """

    least_premium: float = 0.05
    slice_fraction: float = 0.25
    least_fraction: float = 0.01

    def __post_init__(self) -> None:
        """Reject fractions that buy nothing."""
        if not 0 <= self.least_premium < 0.9:
            raise ConfigError(
                f"least_premium is {self.least_premium}: use at least 0 and less than the largest premium 0.9"
            )
        if not 0 < self.least_fraction <= self.slice_fraction <= 1:
            raise ConfigError("need 0 < least_fraction <= slice_fraction <= 1")
