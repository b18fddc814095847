"""The only place where floats become integers, each rounded to the safe side.

Legs, atoms and charge rates are rounded up, daily volume and drift limits down. Lanes are rounded to the
nearest unit: the contract deducts half a unit a lot. Marks and sensitivities are rounded to the nearest.
"""

import math
from collections.abc import Sequence

from seawall.errors import PageError
from seawall.page.decode import Atom, AtomLeg, Head, Page, Record, pack_page
from seawall.page.inputs import AtomInput, LiquidityInput, PageInput, RecordInput
from seawall.page.layout import (
    ATOM,
    DELTA_ONE,
    GAMMA_ONE,
    LANE_BIAS,
    LANES_PER_WORD,
    PAGE_VERSION,
    RECORD,
    Field,
)

__all__ = ["accrued_funding_x32", "encode_page", "quantise_page", "shift_for", "vega_unit_for"]

_X32 = 1 << 32
_BPS = 10_000
_LANE_MAX = LANE_BIAS - 1
_RECORD = {field.name: field for field in RECORD}
_ATOM = {field.name: field for field in ATOM}
_LEG_MAX = _RECORD["leg_long_scaled"].maximum
_SHIFT_MAX = _RECORD["shift"].maximum
_VEGA_MAX = _RECORD["vega"].maximum


def shift_for(max_lane_ticks: float, max_leg_ticks: float, *, headroom: float = 2.0) -> int:
    """Return the smallest shift at which lanes and legs fit; it is fixed at listing.

    Parameters
    ----------
    max_lane_ticks
        Largest absolute lane of one lot, ticks.
    max_leg_ticks
        Largest leg of one lot, ticks.
    headroom
        By what either may grow before the instrument must be listed again.

    Raises
    ------
    PageError
        If no shift is large enough: the lot is too large for the tick.
    """
    lane, leg = (_finite(v, "shift") * headroom for v in (max_lane_ticks, max_leg_ticks))
    for shift in range(_SHIFT_MAX + 1):
        if lane <= _LANE_MAX << shift and leg <= _LEG_MAX << shift:
            return shift
    raise PageError(
        f"no shift to {_SHIFT_MAX} holds lanes of {max_lane_ticks:.4g}, legs of {max_leg_ticks:.4g} ticks"
        f" with headroom {headroom:g}: use a smaller lot or a larger tick"
    )


def accrued_funding_x32(head: Head, *, at_s: int) -> int:
    """Return the cumulative funding that a page implies at a later time, for the next page to go on from.

    ``fundingX32 + fundingRateX32 min(t - asOf, fundingCapS)``
    """
    elapsed = min(max(at_s - head.as_of, 0), head.funding_cap_s)
    return head.funding_x32 + head.funding_rate_x32 * elapsed


def encode_page(page: PageInput) -> bytes:
    """Return the payload of a page, without the STOP byte, at most 24,575 bytes.

    Raises
    ------
    PageError
        Naming the instrument and the fix, if a number does not fit.
    """
    return pack_page(quantise_page(page))


def quantise_page(page: PageInput) -> Page:
    """Return the page in integers, as `decode_page(encode_page(page))` gives it.

    Raises
    ------
    PageError
        Naming the instrument and the fix, if a number does not fit.
    """
    if page.lane_count < 1 or page.lane_count % LANES_PER_WORD:
        raise PageError(
            f"page {page.page_id}: {page.lane_count} lanes, expected a multiple of {LANES_PER_WORD}"
        )
    for record in page.records:
        if len(record.lanes) != page.lane_count:
            raise PageError(
                f"instrument {record.name}: {len(record.lanes)} lanes, expected {page.lane_count}"
            )
    unit = page.vega_unit or vega_unit_for(page.records, page.liquidity.half_volatility_spread)
    return Page(
        head=_head(page, vega_unit=unit),
        records=tuple(_record(record, vega_unit=unit) for record in page.records),
        atoms=tuple(_atom(atom, where=f"page {page.page_id} atom {i}") for i, atom in enumerate(page.atoms)),
    )


def _head(page: PageInput, *, vega_unit: int) -> Head:
    where = f"page {page.page_id}"
    liquidity: LiquidityInput = page.liquidity
    reference_spot = _nearest(page.reference_spot, f"{where} reference spot")
    if reference_spot < 1:
        raise PageError(f"{where}: reference spot is {page.reference_spot} ticks: use a larger lot")
    max_drift_bps = _down(page.max_drift * _BPS, f"{where} max drift")
    if max_drift_bps < 1:
        raise PageError(f"{where}: max drift is {page.max_drift}, less than a basis point")
    return Head(
        reference_spot=reference_spot,
        underlying=page.underlying,
        flags=int(page.frozen),
        page_id=page.page_id,
        version=PAGE_VERSION,
        lane_words=page.lane_count // LANES_PER_WORD,
        probe_slot=page.probe_slot,
        max_drift_bps=max_drift_bps,
        as_of=page.as_of_s,
        tick=page.tick,
        half_spread_x32=_up(liquidity.half_spread * _X32, f"{where} half spread"),
        y_volatility_x32=_up(liquidity.y_volatility * _X32, f"{where} Y volatility"),
        daily_volume=_down(liquidity.daily_volume, f"{where} daily volume"),
        vega_charge=_up(liquidity.half_volatility_spread * vega_unit, f"{where} vega charge"),
        lambda_bps=_nearest(page.lambda_factor * _BPS, f"{where} lambda"),
        funding_x32=page.funding.cumulative_x32,
        funding_rate_x32=_nearest(page.funding.rate * _X32, f"{where} funding rate"),
        funding_cap_s=page.funding.cap_s,
        maintenance_factor_bps=page.factors.maintenance_factor_bps,
        initial_net_floor_bps=page.factors.initial_net_floor_bps,
        initial_gross_floor_bps=page.factors.initial_gross_floor_bps,
        maintenance_net_floor_bps=page.factors.maintenance_net_floor_bps,
        maintenance_gross_floor_bps=page.factors.maintenance_gross_floor_bps,
        open_interest_divisor=page.factors.open_interest_divisor,
        open_interest_cap_percent=page.factors.open_interest_cap_percent,
    )


def _record(record: RecordInput, *, vega_unit: int) -> Record:
    where = f"instrument {record.name}"
    shift = record.shift
    if not 0 <= shift <= _SHIFT_MAX:
        raise PageError(f"{where}: shift is {shift}, allowed are 0 to {_SHIFT_MAX}")
    return Record(
        kind=record.kind,
        shift=shift,
        generation=record.generation,
        drift_shift=record.drift_shift,
        mark=_fitted(_nearest(record.mark, f"{where} mark"), _RECORD["mark"], where=where),
        delta_x22=_fitted(
            _nearest(record.delta * DELTA_ONE, f"{where} delta"), _RECORD["delta_x22"], where=where
        ),
        gamma_spot_x10=_fitted(
            _nearest(record.gamma_spot * GAMMA_ONE, f"{where} gamma"), _RECORD["gamma_spot_x10"], where=where
        ),
        leg_long_scaled=_leg(record, record.leg_long, side="long"),
        leg_short_scaled=_leg(record, record.leg_short, side="short"),
        strike=record.strike,
        expiry_hour=record.expiry_hour,
        vega=_nearest(record.vega / vega_unit, f"{where} vega"),
        lanes=_lanes(record),
    )


def _leg(record: RecordInput, leg: float, *, side: str) -> int:
    """Return ``ceil(max(leg, 0) / 2^shift)``; a negative tail risk counts as none."""
    where = f"instrument {record.name}: leg {side}"
    scaled = _up_shifted(max(_finite(leg, where), 0.0), record.shift)
    if scaled > _LEG_MAX:
        raise PageError(
            f"{where} of {leg:.6g} ticks does not fit 32 bits at shift {record.shift}:"
            f" list it again with shift {shift_for(0.0, leg, headroom=1.0)} or more"
        )
    return scaled


def _lanes(record: RecordInput) -> tuple[int, ...]:
    """Return ``round(lane / 2^shift)``; the division by a power of two is exact."""
    where = f"instrument {record.name}: lane"
    lanes = tuple(_nearest(lane / (1 << record.shift), where) for lane in record.lanes)
    largest = max((abs(lane) for lane in lanes), default=0)
    if largest > _LANE_MAX:
        ticks = max(abs(float(lane)) for lane in record.lanes)
        raise PageError(
            f"{where} of {ticks:.6g} ticks does not fit 16 bits at shift {record.shift}:"
            f" list it again with shift {shift_for(ticks, 0.0, headroom=1.0)} or more"
        )
    return lanes


def _atom(atom: AtomInput, *, where: str) -> Atom:
    shortfall = max(_finite(atom.shortfall, where), 0.0)
    scaled_field = _ATOM["shortfall_scaled"]
    for shift in range(_ATOM["shift"].maximum + 1):
        scaled = _up_shifted(shortfall, shift)
        if scaled <= scaled_field.maximum:
            legs = tuple(AtomLeg(slot=leg.slot, ratio=leg.ratio, page=leg.page) for leg in atom.legs)
            return Atom(legs=legs, shift=shift, shortfall_scaled=scaled)
    raise PageError(f"{where}: expected shortfall of {shortfall:.6g} ticks does not fit: use smaller ratios")


def vega_unit_for(records: Sequence[RecordInput], half_spread: float) -> int:
    """Return the ticks a unit of vega stands for: a power of two.

    Rounding errs as much in vega as in the charge a unit when ``unit = sqrt(max vega / half spread)``.
    """
    largest = max((_finite(record.vega, f"instrument {record.name} vega") for record in records), default=0.0)
    if largest <= 0 or half_spread <= 0:
        return 1
    fits = math.ceil(math.log2(max(largest / _VEGA_MAX, 1.0)))
    even = round(math.log2(max(largest / half_spread, 1.0)) / 2)
    return 1 << max(fits, even)


def _fitted(value: int, field: Field, *, where: str) -> int:
    if not field.minimum <= value <= field.maximum:
        raise PageError(f"{where}: {field.name} is {value}, allowed are {field.minimum} to {field.maximum}")
    return value


def _finite(value: float, where: str) -> float:
    if not math.isfinite(value):
        raise PageError(f"{where}: is {value}, not a number that fits")
    return float(value)


def _nearest(value: float, where: str) -> int:
    return round(_finite(value, where))


def _up(value: float, where: str) -> int:
    return math.ceil(_finite(value, where))


def _up_shifted(value: float, shift: int) -> int:
    """Return ``ceil(value / 2^shift)``, exactly: the inner rounding up changes nothing."""
    return -(-math.ceil(value) >> shift)


def _down(value: float, where: str) -> int:
    return math.floor(_finite(value, where))
