"""What the vault reads and what comes of it: terms, manifests, prices, requirements."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntFlag
from types import MappingProxyType

from seawall.page.decode import Page
from seawall.page.merkle import EMPTY_ROOT
from seawall.reference.rejection import require

__all__ = [
    "MAX_PRICE_AGE_S",
    "NO_SETTLEMENTS",
    "RISK_PRICE_AGE_S",
    "Flag",
    "Health",
    "Listing",
    "ManifestState",
    "Margin",
    "Price",
    "Settling",
    "Terms",
    "Total",
    "World",
    "is_fresh",
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
class Settling:
    """Hold how far a price has given way to its average before an expiry, ticks; weight 2^16 says that it stands."""

    average: int = 0
    weight_x16: int = 0
    fixed: bool = False


NO_SETTLEMENTS: Mapping[tuple[int, int], Settling] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True, slots=True)
class Total:
    """Hold what the feed adds up of one underlying over live gaps: ticks times seconds, and seconds."""

    price_seconds: int = 0
    seconds: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """Hold what the registry says of one instrument; the strike in ticks, the expiry in hours since 1970."""

    kind: int
    generation: int = 1
    strike: int = 0
    expiry_hour: int = 0
    shift: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """Hold what the registry lists.

    Attributes
    ----------
    tick
        Settlement token units in one tick.
    underlyings
        How many there are.
    pages
        By page: its underlying, and the terms of its slots.
    past
        By page, slot and generation: the terms of instruments whose slot another one took.
    """

    tick: int = 1
    underlyings: int = 0
    pages: Mapping[int, tuple[int, tuple[Terms, ...]]] = field(default_factory=dict)
    past: Mapping[tuple[int, int, int], Terms] = field(default_factory=dict)

    def underlying(self, page: int) -> int:
        """Return the underlying of a page."""
        require(page in self.pages, "UnknownPage", page)
        return self.pages[page][0]

    def terms(self, page: int, slot: int) -> Terms:
        """Return the terms of a slot."""
        require(page in self.pages, "UnknownPage", page)
        listed = self.pages[page][1]
        require(slot < len(listed), "UnknownSlot", page, slot)
        return listed[slot]

    def terms_of(self, page: int, slot: int, generation: int) -> Terms:
        """Return the terms of any instrument that was ever listed."""
        terms = self.terms(page, slot)
        if terms.generation == generation:
            return terms
        key = page, slot, generation
        require(key in self.past, "UnknownGeneration", *key)
        return self.past[key]


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
    quote: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """Hold what liquidation goes by."""

    equity: int
    maintenance: int
    liquidatable: bool
    current: Margin


@dataclass(slots=True)
class World:
    """Hold what the vault reads: clock, manifests, prices, settlements by underlying and hour, listed terms."""

    now: int
    block: int = 1
    live_seconds: int = 0
    current: ManifestState | None = None
    baseline: ManifestState | None = None
    prices: dict[int, Price] = field(default_factory=dict)
    totals: dict[int, Total] = field(default_factory=dict)
    settlements: dict[tuple[int, int], Settling] = field(default_factory=dict)
    listing: Listing = field(default_factory=Listing)


def is_fresh(margin: Margin) -> bool:
    """Say whether prices and records are complete enough for risk to be judged by them."""
    return not margin.flags & (Flag.STALE | Flag.NOT_FRESH | Flag.MISSING | Flag.NO_MANIFEST)


def price_age(price: Price, *, now: int) -> int:
    """Return the age of a price, s; one observed in the future is new."""
    return max(now - price.observed_at, 0)


def is_priced(price: Price, *, now: int) -> bool:
    """Say whether there is a price, and one recent enough to count."""
    return price.ticks > 0 and price_age(price, now=now) <= MAX_PRICE_AGE_S
