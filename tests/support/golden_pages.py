"""Golden pages: a market from floats, and both ends of every field."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from seawall.page import (
    Atom,
    AtomInput,
    AtomLeg,
    AtomLegInput,
    FactorsInput,
    FundingInput,
    Head,
    Kind,
    LiquidityInput,
    Page,
    PageInput,
    Record,
    RecordInput,
    decode_page,
    encode_page,
    init_code_hash,
    pack_page,
    staged_address,
)
from seawall.page.layout import HEADS, RECORD, Field

__all__ = ["ORACLE", "page_vectors"]

ORACLE = "0xa1" + 18 * "00" + "a1"


def extreme(field: Field, *, largest: bool) -> int:
    """Return the largest or the least value of a field."""
    return field.maximum if largest else field.minimum


def extreme_page(*, largest: bool) -> Page:
    """Return a page whose every field is as large, or as small, as it can be."""
    head = {f.name: extreme(f, largest=largest) for fields in HEADS for f in fields}
    head |= {"version": 1, "lane_words": 1}
    del head["rows"], head["atoms"]
    record = {f.name: extreme(f, largest=largest) for f in RECORD}
    record["kind"] = Kind.SPOT if largest else Kind.NONE
    ratio = 32_767 if largest else -32_768
    leg = AtomLeg(slot=255 if largest else 0, ratio=ratio, page=14 if largest else None)
    atom = Atom(
        legs=(leg, leg, leg), shift=15 if largest else 0, shortfall_scaled=(1 << 40) - 1 if largest else 0
    )
    lanes = tuple([32_767 if largest else -32_768] * 16)
    return Page(head=Head(**head), records=(Record(**record, lanes=lanes),), atoms=(atom,))


def market_page() -> bytes:
    """Return a page with one instrument of each kind, from floats."""
    hours = 472_000
    common = {"generation": 3, "drift_shift": 1}
    dated = {"expiry_hour": hours, **common}
    option = {"strike": 62_000_000, "shift": 6, **dated}
    sizes: tuple[dict[str, Any], ...] = (
        {"name": "PERP", "kind": Kind.PERPETUAL, "shift": 9, "mark": 60_010_000.4, "delta": 1.0, **common},
        {"name": "FUTURE", "kind": Kind.FUTURE, "shift": 9, "mark": 60_500_000.6, "delta": 1.01, **dated},
        {"name": "CALL", "kind": Kind.CALL, "mark": 1_800_000.5, "delta": 0.44, "gamma_spot": 5.5, **option},
        {"name": "PUT", "kind": Kind.PUT, "mark": 3_700_000.1, "delta": -0.56, "gamma_spot": 5.5, **option},
        {"name": "SPOT", "kind": Kind.SPOT, "shift": 9, "mark": 60_000_000.0, "delta": 1.0, **common},
    )
    records = [
        RecordInput(
            **size,
            leg_long=1_000_000.25 * (i + 1),
            leg_short=1_250_000.5 * (i + 1),
            lanes=[(-1) ** k * (i + 1) * (12_345.5 * k + 1) for k in range(32)],
            vega=10_000.0 * i,
        )
        for i, size in enumerate(sizes)
    ]
    return encode_page(
        PageInput(
            underlying=1,
            page_id=2,
            as_of_s=1_700_000_000,
            tick=100,
            reference_spot=60_000_000.0,
            max_drift=0.04,
            liquidity=LiquidityInput(
                half_spread=0.0004, y_volatility=0.031, daily_volume=9.5e14, half_volatility_spread=0.01
            ),
            factors=FactorsInput(
                maintenance_factor_bps=8_000,
                initial_net_floor_bps=200,
                initial_gross_floor_bps=20,
                maintenance_net_floor_bps=100,
                maintenance_gross_floor_bps=5,
                open_interest_divisor=10,
                open_interest_cap_percent=300,
            ),
            funding=FundingInput(cumulative_x32=-(123_456 << 32) - 77, rate=-0.0125, cap_s=7_200),
            records=records,
            atoms=[
                AtomInput(
                    legs=[AtomLegInput(slot=2, ratio=100), AtomLegInput(slot=0, ratio=-44)], shortfall=9e7
                ),
                AtomInput(
                    legs=[
                        AtomLegInput(slot=s, ratio=r, page=p)
                        for s, r, p in ((1, 1, None), (7, -2, 0), (8, 1, 14))
                    ],
                    shortfall=float(1 << 45),
                ),
            ],
            lane_count=32,
            lambda_factor=0.97,
        )
    )


def page_vector(name: str, payload: bytes) -> dict[str, Any]:
    """Return a page, its fields and where it is staged."""
    page = decode_page(payload)
    code_hash = init_code_hash(payload)
    return {
        "name": name,
        "payload": payload.hex(),
        "head": {**asdict(page.head), "rows": len(page.records), "atoms": len(page.atoms)},
        "records": [
            {**asdict(r), "terms": r.terms, "word": r.word, "leg_long": r.leg_long, "leg_short": r.leg_short}
            for r in page.records
        ],
        "atoms": [asdict(a) for a in page.atoms],
        "init_code_hash": code_hash.hex(),
        "oracle": ORACLE,
        "staged_address": staged_address(code_hash, oracle=ORACLE),
    }


def page_vectors() -> list[dict[str, Any]]:
    """Return golden pages: a market, and both ends of every field."""
    return [
        page_vector("market", market_page()),
        page_vector("largest", pack_page(extreme_page(largest=True))),
        page_vector("smallest", pack_page(extreme_page(largest=False))),
    ]
