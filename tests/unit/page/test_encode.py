import dataclasses
import re
from fractions import Fraction
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given
from tests.property.strategies import FACTORS, QUIET, any_pages

from seawall.errors import PageError
from seawall.page import (
    AtomInput,
    AtomLegInput,
    FundingInput,
    Kind,
    LiquidityInput,
    Page,
    PageInput,
    RecordInput,
    accrued_funding_x32,
    decode_page,
    encode_page,
    pack_page,
    page_bytes,
    quantise_page,
    shift_for,
)
from seawall.page.layout import MAX_PAGE_BYTES

ticks = st.floats(0, 1e9, allow_subnormal=False)


def record(**changes: Any) -> RecordInput:
    given: dict[str, Any] = {
        "name": "BTC-PERP",
        "kind": Kind.PERPETUAL,
        "shift": 10,
        "generation": 1,
        "mark": 1e6,
        "leg_long": 1e5,
        "leg_short": 1e5,
        "lanes": [0.0] * 16,
        "delta": 1.0,
    }
    return RecordInput(**(given | changes))


def page(*records: RecordInput, **changes: Any) -> PageInput:
    given: dict[str, Any] = {
        "underlying": 0,
        "page_id": 0,
        "as_of_s": 1_700_000_000,
        "tick": 1,
        "reference_spot": 1e6,
        "max_drift": 0.05,
        "liquidity": QUIET,
        "factors": FACTORS,
        "records": records or (record(),),
        "lane_count": 16,
    }
    return PageInput(**(given | changes))


def only_record(**changes: Any):
    return quantise_page(page(record(**changes))).records[0]


@given(page=any_pages())
def test_bytes_give_back_every_field_of_any_page(page: Page) -> None:
    payload = pack_page(page)
    assert decode_page(payload) == page
    assert pack_page(decode_page(payload)) == payload


@given(
    lanes=st.lists(st.floats(-3e7, 3e7), min_size=16, max_size=16),
    long=ticks,
    short=ticks,
    mark=ticks,
    shortfall=ticks,
)
def test_every_number_is_rounded_to_the_safe_side(
    lanes: list[float], long: float, short: float, mark: float, shortfall: float
) -> None:
    atom = AtomInput(
        legs=[AtomLegInput(slot=0, ratio=1), AtomLegInput(slot=0, ratio=-1)], shortfall=shortfall
    )
    one = record(lanes=lanes, leg_long=long, leg_short=short, mark=mark)
    found = decode_page(encode_page(page(one, atoms=[atom])))
    unit = 1 << one.shift
    coded = found.records[0]
    for lane, exact in zip(coded.lanes, lanes, strict=True):
        assert abs(Fraction(exact) - lane * unit) <= Fraction(unit, 2)
    assert long <= coded.leg_long < Fraction(long) + unit
    assert short <= coded.leg_short < Fraction(short) + unit
    assert abs(Fraction(mark) - coded.mark) <= Fraction(1, 2)
    assert shortfall <= found.atoms[0].shortfall < Fraction(shortfall) + (1 << found.atoms[0].shift)


@given(shortfall=st.floats(1.0, 2.0**54))
def test_an_atom_takes_the_finest_shift_that_holds_it(shortfall: float) -> None:
    legs = [AtomLegInput(slot=0, ratio=1), AtomLegInput(slot=1, ratio=-1)]
    atom = quantise_page(page(atoms=[AtomInput(legs=legs, shortfall=shortfall)])).atoms[0]
    assert atom.shortfall >= shortfall
    assert atom.shift == 0 or shortfall > (1 << 40) - 1 << (atom.shift - 1)


@given(
    spread=st.floats(0, 0.5), impact=st.floats(0, 0.5), volume=st.floats(1, 1e18), drift=st.floats(1e-4, 0.5)
)
def test_charges_round_up_and_what_lowers_charges_rounds_down(
    spread: float, impact: float, volume: float, drift: float
) -> None:
    liquidity = LiquidityInput(
        half_spread=spread, y_volatility=impact, daily_volume=volume, half_volatility_spread=0.0
    )
    head = quantise_page(page(liquidity=liquidity, max_drift=drift)).head
    assert Fraction(head.half_spread_x32, 1 << 32) >= Fraction(spread)
    assert Fraction(head.y_volatility_x32, 1 << 32) >= Fraction(impact)
    assert head.daily_volume <= volume
    assert head.max_drift_bps <= drift * 10_000


@given(vegas=st.lists(st.floats(1e2, 1e9), min_size=1, max_size=4), spread=st.floats(0.001, 0.05))
def test_vega_units_keep_the_charge_within_a_few_percent(vegas: list[float], spread: float) -> None:
    liquidity = dataclasses.replace(QUIET, half_volatility_spread=spread)
    found = quantise_page(page(*(record(vega=vega) for vega in vegas), liquidity=liquidity))
    largest = max(vegas) * spread
    exact = sum(vegas) * spread
    charged = sum(one.vega for one in found.records) * found.head.vega_charge
    # Vega and charge have about sqrt(vega spread) steps each; every other record errs by half a step at most.
    assert abs(charged - exact) <= (len(vegas) + 1) * 2 * (largest**0.5 + 1)


@given(lane=st.floats(0, 1e12), leg=st.floats(0, 1e15), headroom=st.floats(1, 4))
def test_the_listed_shift_is_the_smallest_that_holds_lanes_and_legs(
    lane: float, leg: float, headroom: float
) -> None:
    shift = shift_for(lane, leg, headroom=headroom)
    coded = only_record(shift=shift, lanes=[-lane] * 16, leg_long=leg, leg_short=leg * headroom)
    assert coded.leg_long >= leg
    if shift:
        lane, leg = lane * headroom, leg * headroom
        assert lane > 32_767 << (shift - 1) or leg > (1 << 32) - 1 << (shift - 1)


def test_no_shift_holds_everything() -> None:
    with pytest.raises(PageError, match="use a smaller lot or a larger tick"):
        shift_for(1e15, 0.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"lanes": [1e9] + [0.0] * 15},
            "instrument BTC-PERP: lane of 1e+09 ticks does not fit 16 bits at shift 10",
        ),
        ({"lanes": [1e9] + [0.0] * 15}, "list it again with shift 15 or more"),
        ({"leg_long": 1e13}, "instrument BTC-PERP: leg long of 1e+13 ticks does not fit 32 bits at shift 10"),
        ({"leg_short": 1e13}, "list it again with shift 12 or more"),
        ({"mark": -1.0}, "instrument BTC-PERP: mark is -1, allowed are 0 to"),
        ({"mark": 2e12}, "instrument BTC-PERP: mark is 2000000000000"),
        ({"mark": float("nan")}, "instrument BTC-PERP mark: is nan"),
        ({"lanes": [float("inf")] * 16}, "instrument BTC-PERP: lane: is inf"),
        ({"delta": 2.5}, "instrument BTC-PERP: delta_x22 is 10485760"),
        ({"gamma_spot": 1e5}, "instrument BTC-PERP: gamma_spot_x10 is 102400000"),
        ({"shift": 32}, "instrument BTC-PERP: shift is 32, allowed are 0 to 31"),
        ({"lanes": [0.0] * 32}, "instrument BTC-PERP: 32 lanes, expected 16"),
        ({"vega": 1e9}, "vega"),
    ],
)
def test_what_does_not_fit_is_named_with_its_fix(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PageError, match=re.escape(message)):
        encode_page(page(record(**changes)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lane_count": 17}, "17 lanes, expected a multiple of 16"),
        ({"reference_spot": 0.4}, "reference spot is 0.4 ticks: use a larger lot"),
        ({"max_drift": 0.00001}, "less than a basis point"),
        ({"tick": 1 << 64}, "page 0 head 0: tick is 18446744073709551616"),
        ({"underlying": 256}, "underlying is 256, allowed are 0 to 255"),
        (
            {"atoms": [AtomInput(legs=[AtomLegInput(slot=0, ratio=1)], shortfall=1.0)]},
            "1 legs, allowed are 2 or 3",
        ),
        (
            {
                "atoms": [
                    AtomInput(
                        legs=[AtomLegInput(slot=0, ratio=1), AtomLegInput(slot=1, ratio=0)], shortfall=1.0
                    )
                ]
            },
            "leg 1 has ratio 0",
        ),
        (
            {
                "atoms": [
                    AtomInput(
                        legs=[AtomLegInput(slot=0, ratio=1), AtomLegInput(slot=1, ratio=1)], shortfall=1e17
                    )
                ]
            },
            "does not fit: use smaller ratios",
        ),
    ],
)
def test_a_page_that_cannot_be_encoded_says_why(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PageError, match=re.escape(message)):
        encode_page(page(**changes))


def test_a_page_longer_than_contract_code_is_refused() -> None:
    assert page_bytes(rows=110, lane_words=4, atoms=420) == 24_448
    full = page(*[record()] * 240, lane_count=16)
    with pytest.raises(PageError, match=re.escape(f"allowed are {MAX_PAGE_BYTES}: drop atoms")):
        encode_page(dataclasses.replace(full, records=[record()] * 250, atoms=[ATOM] * 600))
    assert len(encode_page(full)) <= MAX_PAGE_BYTES


ATOM = AtomInput(legs=[AtomLegInput(slot=0, ratio=1), AtomLegInput(slot=1, ratio=-1)], shortfall=5.0)
GOOD = encode_page(page(record(), record(), atoms=[ATOM]))


def put(word: int, field_low: int, value: int) -> bytes:
    at = 32 * word
    changed = int.from_bytes(GOOD[at : at + 32], "big") | value << field_low
    return GOOD[:at] + changed.to_bytes(32, "big") + GOOD[at + 32 :]


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"", "shorter than its head"),
        (GOOD[:127], "shorter than its head"),
        (GOOD[:-1], "take"),
        (GOOD + b"\0", "take"),
        (put(0, 88, 2), "version is 3"),
        (put(0, 40, 1), "3 records and 1 atoms take"),
        (put(3, 100, 1), "head 3: reserved bits are set"),
        (put(4, 0, 6), "page 0 slot 0: kind 7 is unknown"),
        (GOOD[:-16] + bytes(16), "atom 0: 0 legs"),
        (GOOD[:-16] + bytes.fromhex("000001") + bytes(13), "atom 0: 1 legs"),
        (GOOD[:-16] + bytes.fromhex("000001000000000001") + bytes(7), "leg 2 follows an empty one"),
        (GOOD[:-16] + bytes.fromhex("000001000001050000") + bytes(7), "leg 2 has ratio 0 but a slot"),
    ],
)
def test_a_malformed_page_is_refused_with_a_reason(payload: bytes, message: str) -> None:
    assert decode_page(GOOD)
    with pytest.raises(PageError, match=re.escape(message)):
        decode_page(payload)


@given(noise=st.binary(max_size=600))
def test_noise_is_refused_or_is_a_page(noise: bytes) -> None:
    try:
        decoded = decode_page(noise)
    except PageError:
        return
    assert pack_page(decoded) == noise


@given(rate=st.floats(-10, 10), cap=st.integers(0, 10_000), later=st.integers(-100, 20_000))
def test_funding_goes_on_where_the_last_page_ended(rate: float, cap: int, later: int) -> None:
    start = 5 << 32
    head = quantise_page(page(funding=FundingInput(cumulative_x32=start, rate=rate, cap_s=cap))).head
    at = head.as_of + later
    assert accrued_funding_x32(head, at_s=at) == start + head.funding_rate_x32 * min(max(later, 0), cap)
