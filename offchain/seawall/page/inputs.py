"""What the margin model hands to the codec: one page in floats, prices in ticks."""

from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = [
    "AtomInput",
    "AtomLegInput",
    "FactorsInput",
    "FundingInput",
    "LiquidityInput",
    "PageInput",
    "RecordInput",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class LiquidityInput:
    """Hold the coefficients of the liquidity charge of one underlying.

    Attributes
    ----------
    half_spread
        Half the bid-ask spread over the price.
    y_volatility
        Impact constant times daily volatility, Y sigma.
    daily_volume
        Daily volume after the haircut, ticks.
    half_volatility_spread
        Half the bid-ask spread of implied volatility; 0.01 is one point.
    """

    half_spread: float
    y_volatility: float
    daily_volume: float
    half_volatility_spread: float


@dataclass(frozen=True, kw_only=True, slots=True)
class FundingInput:
    """Hold a page's funding; the cumulative part is carried exactly, hence an integer.

    Attributes
    ----------
    cumulative_x32
        Funding of one lot since listing at `as_of_s`, ticks scaled by 2^32; see `accrued_funding_x32`.
    rate
        Funding of one lot from `as_of_s` on, ticks a second.
    cap_s
        Seconds after `as_of_s` at which it stops to accrue.
    """

    cumulative_x32: int = 0
    rate: float = 0.0
    cap_s: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class FactorsInput:
    """Hold the oracle's margin factors, which every page repeats."""

    maintenance_factor_bps: int
    initial_net_floor_bps: int
    initial_gross_floor_bps: int
    maintenance_net_floor_bps: int
    maintenance_gross_floor_bps: int
    open_interest_divisor: int
    open_interest_cap_percent: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordInput:
    """Hold one instrument; its slot is its place in the page.

    Attributes
    ----------
    name
        For error messages.
    kind, shift, generation, strike, expiry_hour
        Terms as listed; strike in ticks, expiry in hours since 1970.
    drift_shift
        The drift limit is the page's, shifted right by this.
    mark
        Fair value of one lot, ticks; without accrued funding.
    delta
        Change of the mark a tick of the reference spot.
    gamma_spot
        Gamma times the reference spot.
    leg_long, leg_short
        Expected shortfall of one lot held alone, ticks.
    lanes
        P&L of one lot under the K test measures, ticks.
    vega
        Ticks a lot for a change of volatility by 1.
    """

    name: str
    kind: int
    shift: int
    generation: int
    mark: float
    leg_long: float
    leg_short: float
    lanes: Sequence[float]
    delta: float = 0.0
    gamma_spot: float = 0.0
    vega: float = 0.0
    strike: int = 0
    expiry_hour: int = 0
    drift_shift: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class AtomLegInput:
    """Hold one leg of an atom; `page` is None on the atom's own page."""

    slot: int
    ratio: int
    page: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AtomInput:
    """Hold a hedge of two or three legs and the expected shortfall of one lot of it, ticks."""

    legs: Sequence[AtomLegInput]
    shortfall: float


@dataclass(frozen=True, kw_only=True, slots=True)
class PageInput:
    """Hold everything a page says.

    Attributes
    ----------
    as_of_s
        Time of the newest observation, seconds since 1970.
    tick
        Settlement token units in one tick.
    reference_spot
        Price of one lot of the underlying that the marks refer to, ticks.
    max_drift
        Largest move of the spot, over the reference, at which risk may be added.
    lambda_factor
        By what every risk number was scaled down, at most 1.
    lane_count
        Lanes of every record, a multiple of 16, the same on every page of a manifest.
    vega_unit
        Ticks a unit of vega stands for, the same on all pages of an underlying; by default the best for this page.
    """

    underlying: int
    page_id: int
    as_of_s: int
    tick: int
    reference_spot: float
    max_drift: float
    liquidity: LiquidityInput
    factors: FactorsInput
    records: Sequence[RecordInput]
    atoms: Sequence[AtomInput] = ()
    funding: FundingInput = field(default_factory=FundingInput)
    lambda_factor: float = 1.0
    lane_count: int = 64
    probe_slot: int = 0
    frozen: bool = False
    vega_unit: int | None = None
