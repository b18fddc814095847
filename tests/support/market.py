"""A small market for tests: instruments whose tail risk is known exactly.

All pages share `LANES` scenarios of equal standing and risk means the worst of them, so that the lanes are the
scenarios themselves, a leg is a largest loss, and the sandwich of the specification can be checked by hand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from seawall.page import (
    AtomInput,
    AtomLegInput,
    FactorsInput,
    FundingInput,
    Kind,
    LiquidityInput,
    PageInput,
    RecordInput,
)

__all__ = [
    "FACTORS",
    "LANES",
    "TICK",
    "Instrument",
    "Market",
    "atom_of",
    "page_input",
    "perpetual",
    "scenario_pnl",
]

LANES = 64
TICK = 100  # settlement token units; with six decimals a ten-thousandth
SPOT = 1_000_000  # ticks of one lot of underlying 0: 100 tokens
YEAR_H = 8766
VEGA_UNIT = 1 << 12  # ticks; the pages of one underlying share it
FACTORS = FactorsInput(
    maintenance_factor_bps=8_000,
    initial_net_floor_bps=200,
    initial_gross_floor_bps=20,
    maintenance_net_floor_bps=100,
    maintenance_gross_floor_bps=7,
    open_interest_divisor=10,
    open_interest_cap_percent=100,
)


@dataclass(frozen=True, kw_only=True)
class Instrument:
    """Terms as listed."""

    kind: Kind
    shift: int = 4
    strike: int = 0
    expiry_hour: int = 0
    generation: int = 1

    def expired(self, at_s: int) -> bool:
        """Say whether it is dated and has expired."""
        return 0 < self.expiry_hour * 3600 <= at_s


def perpetual(shift: int = 4) -> Instrument:
    return Instrument(kind=Kind.PERPETUAL, shift=shift)


@dataclass(kw_only=True)
class Market:
    """What the keepers would know of one underlying: page, spot, instruments, volatility, size of shocks."""

    underlying: int
    page: int
    spot: int
    instruments: list[Instrument] = field(default_factory=lambda: [perpetual()])
    shock: float = 0.10
    volatility: float = 0.6
    daily_volume: int = 10**13
    half_spread: float = 0.0002
    y_volatility: float = 0.03
    max_drift: float = 0.05
    funding_x32: int = 0
    funding_rate: float = 0.0
    funding_cap_s: int = 3_600
    risk_scale: float = 1.0
    lane_share: float = 1.0  # below 1 the lanes find less than the tail risk
    frozen: bool = False
    atoms: list[tuple[tuple[int, int], ...]] = field(default_factory=list)
    past: dict[tuple[int, int], Instrument] = field(
        default_factory=dict
    )  # by slot and generation, if replaced
    published_at: int | None = None
    published_rate: float = 0.0

    def shocks(self) -> list[float]:
        """Return the relative move of the spot in every scenario; joint over underlyings, never perfectly aligned."""
        size = self.shock * self.risk_scale
        return [size * math.cos(2 * math.pi * (k / LANES + 0.11 * self.underlying)) for k in range(LANES)]


def _option(kind: Kind, spot: float, strike: float, deviation: float) -> float:
    """Return the Black-Scholes value without rates; `deviation` is sigma sqrt(tau)."""
    if deviation <= 0:
        return max(spot - strike, 0.0) if kind is Kind.CALL else max(strike - spot, 0.0)
    d1 = math.log(spot / strike) / deviation + deviation / 2
    call = spot * _phi(d1) - strike * _phi(d1 - deviation)
    return call if kind is Kind.CALL else call - spot + strike


def _phi(x: float) -> float:
    return (1 + math.erf(x / math.sqrt(2))) / 2


def value(market: Market, instrument: Instrument, spot: float, at_s: int) -> float:
    """Return the fair value of one lot, ticks."""
    if instrument.kind not in {Kind.CALL, Kind.PUT}:
        return spot
    years = max(instrument.expiry_hour - at_s / 3600, 0.0) / YEAR_H
    return _option(instrument.kind, spot, instrument.strike, market.volatility * math.sqrt(years))


def scenario_pnl(market: Market, instrument: Instrument, at_s: int) -> list[float]:
    """Return the P&L of one lot in every scenario, ticks; nothing moves what has expired."""
    if instrument.expired(at_s):
        return [0.0] * LANES
    now = value(market, instrument, market.spot, at_s)
    return [value(market, instrument, market.spot * (1 + move), at_s) - now for move in market.shocks()]


def _record(market: Market, slot: int, instrument: Instrument, at_s: int) -> RecordInput:
    lanes = scenario_pnl(market, instrument, at_s)
    found = [market.lane_share * lane for lane in lanes]
    expired = instrument.expired(at_s)
    # Lanes are rounded to the nearest unit; legs must not fall below them.
    half = 0 if expired else 1 << instrument.shift
    step = max(market.spot * 1e-3, 1.0)
    up, mark, down = (value(market, instrument, market.spot + d, at_s) for d in (step, 0.0, -step))
    linear = instrument.kind not in {Kind.CALL, Kind.PUT}
    option = not (linear or expired)
    return RecordInput(
        name=f"page {market.page} slot {slot}",
        kind=instrument.kind,
        shift=instrument.shift,
        generation=instrument.generation,
        mark=mark,
        leg_long=max(0.0, -min(lanes)) + half,
        leg_short=max(0.0, max(lanes)) + half,
        lanes=found,
        delta=1.0 if linear else (up - down) / (2 * step),
        gamma_spot=(up - 2 * mark + down) / step**2 * market.spot if option else 0.0,
        vega=market.spot * 0.1 if option else 0.0,
        strike=instrument.strike,
        expiry_hour=instrument.expiry_hour,
    )


def atom_of(market: Market, legs: Sequence[tuple[int, int]], at_s: int) -> AtomInput:
    """Return the atom of (slot, ratio) legs on one page, with its worst loss."""
    each = [scenario_pnl(market, market.instruments[slot], at_s) for slot, _ in legs]
    total = [sum(ratio * pnl[k] for (_, ratio), pnl in zip(legs, each, strict=True)) for k in range(LANES)]
    slack = sum(abs(ratio) << market.instruments[slot].shift for slot, ratio in legs)
    return AtomInput(
        legs=[AtomLegInput(slot=slot, ratio=ratio) for slot, ratio in legs],
        shortfall=max(0.0, -min(total)) + slack,
    )


def page_input(market: Market, at_s: int, *, factors: FactorsInput = FACTORS, tick: int = TICK) -> PageInput:
    """Return the page that keepers would publish."""
    return PageInput(
        underlying=market.underlying,
        page_id=market.page,
        as_of_s=at_s,
        tick=tick,
        reference_spot=market.spot,
        max_drift=market.max_drift,
        liquidity=LiquidityInput(
            half_spread=market.half_spread,
            y_volatility=market.y_volatility,
            daily_volume=market.daily_volume,
            half_volatility_spread=0.01,
        ),
        factors=factors,
        records=[_record(market, slot, listed, at_s) for slot, listed in enumerate(market.instruments)],
        atoms=[atom_of(market, legs, at_s) for legs in market.atoms],
        funding=FundingInput(
            cumulative_x32=market.funding_x32, rate=market.funding_rate, cap_s=market.funding_cap_s
        ),
        lane_count=LANES,
        frozen=market.frozen,
        vega_unit=VEGA_UNIT,
    )
