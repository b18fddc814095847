"""Settings of a keeper; units stand in the names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from seawall.errors import ConfigError
from seawall.keeper.baskets import BasketRules
from seawall.margin.settings import ModelSettings
from seawall.margin.stress import Role
from seawall.market.implied import ImpliedSettings

__all__ = ["DEFAULT_ROLES", "KeeperSettings"]

DEFAULT_ROLES: Mapping[str, Role] = {"BTC": Role.MAJOR, "ETH": Role.LARGE}


@dataclass(frozen=True, kw_only=True, slots=True)
class KeeperSettings:
    """Say how a keeper turns observations into pages, and what it signs of others.

    Attributes
    ----------
    validity_s
        Seconds after `asOf` in which a manifest may be activated; the oracle allows 1,800 at most.
    max_drift
        Largest move of a spot, over the reference, at which risk may be added.
    half_spread
        Half the quoted spread over the price.
    half_volatility_spread
        Half the quoted spread of implied volatilities; 0.01 is a point.
    drift_deviations
        An option's own drift limit in standard deviations of its spot to expiry, if less than `max_drift`.
    funding_per_8h
        Interest part of the perpetuals' funding, as a fraction of the price; longs pay when positive.
    funding_cap_s
        Seconds after `asOf` at which posted funding stops to accrue.
    mark_tolerance
        Largest relative difference of a mark or a reference spot from the keeper's own.
    leg_tolerance
        Largest relative difference of a leg from the keeper's own.
    lane_tolerance
        By how much a lane may exceed the keeper's own expected shortfall of any leg or live book, relatively to its
        legs; those of an option count as 2% of the spot at least.
    option_tolerance
        By how much an option's mark and legs may differ from the keeper's own in addition, as a fraction of spot.
    sensitivity_tolerance
        Largest difference of an option's delta, and largest relative one of its gamma and charge for vega, besides what
        a spot within `mark_tolerance` or a mark within `option_tolerance` excuses.
    as_of_tolerance_s
        Largest difference of `asOf` from the keeper's own.
    book_age_s
        Oldest snapshot of the books, before the keeper's own view of the chain, whose root is signed.
    lane_books
        Most live books that lanes and atoms are chosen for, the largest; all are certified and bounded.
    baskets
        What baskets asked for may cost an epoch.
    implied
        How far quotes of implied volatility are followed.
    model
        Settings of the margin model.
    roles
        Stress role by symbol; others are `Role.OTHER`.
    """

    validity_s: int = 1800
    max_drift: float = 0.05
    half_spread: float = 0.0005
    half_volatility_spread: float = 0.01
    drift_deviations: float = 0.5
    funding_per_8h: float = 0.0001
    funding_cap_s: int = 28_800
    mark_tolerance: float = 0.005
    leg_tolerance: float = 0.05
    lane_tolerance: float = 0.02
    option_tolerance: float = 0.003
    sensitivity_tolerance: float = 0.1
    as_of_tolerance_s: int = 120
    book_age_s: int = 600
    lane_books: int = 4096
    baskets: BasketRules = field(default_factory=BasketRules)
    implied: ImpliedSettings = field(default_factory=ImpliedSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    roles: Mapping[str, Role] = field(default_factory=lambda: dict(DEFAULT_ROLES))

    def __post_init__(self) -> None:
        """Reject settings no manifest could satisfy."""
        if not 0 < self.validity_s <= 1800:
            raise ConfigError(f"validity_s is {self.validity_s}: use 1 to 1,800, which the oracle allows")
        if not 0 < self.max_drift <= 0.05:
            raise ConfigError(f"max_drift is {self.max_drift}: use more than 0 and at most 0.05")
        if not 0 <= self.half_volatility_spread < 1:
            raise ConfigError(
                f"half_volatility_spread is {self.half_volatility_spread}: use at least 0 and less than 1"
            )
        if not 0 < self.drift_deviations <= 3:
            raise ConfigError(f"drift_deviations is {self.drift_deviations}: use more than 0 and at most 3")
        for name in (
            *("mark_tolerance", "leg_tolerance", "lane_tolerance", "option_tolerance"),
            "sensitivity_tolerance",
        ):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}: use at least 0 and less than 1")
        if not -0.01 <= self.funding_per_8h <= 0.01:
            raise ConfigError(
                f"funding_per_8h is {self.funding_per_8h}: use a fraction between -0.01 and 0.01"
            )

    def role(self, symbol: str) -> Role:
        """Return the stress role of an underlying."""
        return self.roles.get(symbol, Role.OTHER)
