"""What margin is computed from and what comes out: manifests, prices, requirements."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntFlag

from seawall.page.decode import Page
from seawall.page.merkle import EMPTY_ROOT

__all__ = [
    "MAX_PRICE_AGE_S",
    "RISK_PRICE_AGE_S",
    "Flag",
    "Health",
    "ManifestState",
    "Margin",
    "Price",
    "is_priced",
    "price_age",
]

RISK_PRICE_AGE_S = 30
MAX_PRICE_AGE_S = 120


class Flag(IntFlag):
    """Name the MARGIN_* bits."""

    NONE = 0
    STALE = 1
    NOT_FRESH = 2
    DRIFTED = 4
    FROZEN = 8
    MISSING = 16
    NO_MANIFEST = 32
    NONE_PRICED = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """Hold what the feed says of one underlying."""

    ticks: int = 0
    observed_at: int = 0
    fresh_since: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class ManifestState:
    """Hold a manifest in force; `mature` says that it has been for at least the grace period."""

    as_of: int
    activated_at: int
    mature: bool
    pages: Mapping[int, Page]
    epoch: int = 0
    book_root: bytes = EMPTY_ROOT


@dataclass(frozen=True, kw_only=True, slots=True)
class Margin:
    """Hold what `IMarginVault.Margin` holds, under the same names."""

    equity: int
    initial: int = 0
    maintenance: int = 0
    fresh_since: int = 0
    drift_x32: int = 0
    flags: Flag = Flag.NONE
    manifest_as_of: int = 0
    oldest_price_at: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """Hold what liquidation goes by."""

    equity: int
    maintenance: int
    liquidatable: bool
    current: Margin


def price_age(price: Price, *, now: int) -> int:
    """Return the age of a price, s; one observed in the future is new."""
    return max(now - price.observed_at, 0)


def is_priced(price: Price, *, now: int) -> bool:
    """Say whether there is a price, and one recent enough to count."""
    return price.ticks > 0 and price_age(price, now=now) <= MAX_PRICE_AGE_S
