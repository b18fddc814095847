"""Two random manifests that differ in terms, in length or in underlying, or of which one lacks a page."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from tests.support.engine_world import NOW, random_page

from seawall.page.decode import Page, Record
from seawall.page.layout import MAX_PAGE_BYTES, Kind
from seawall.reference.state import ManifestState

__all__ = ["FAR", "HOUR", "random_manifests"]

HOUR = NOW // 3_600
FAR = HOUR + 1_000
LARGEST_PAGE = 60


def _plain(record: Record, rng: random.Random, odd: float) -> Record:
    """Return a record of a live instrument; a share of them are spot, settling, settled or empty."""
    if rng.random() < odd:
        hour = rng.choice((0, HOUR, HOUR + 1, HOUR - 50, FAR))
        return replace(record, kind=rng.choice((0, 2, 3, 4, 5, 5)), expiry_hour=hour)
    kind = rng.choice((Kind.PERPETUAL, Kind.PERPETUAL, Kind.FUTURE, Kind.CALL, Kind.PUT))
    return replace(record, kind=kind, expiry_hour=0 if kind == Kind.PERPETUAL else FAR)


def _later(record: Record, rng: random.Random, light: bool) -> Record:
    legs = 4 if light else rng.choice((8, 24, 32))
    return replace(
        record,
        drift_shift=rng.randrange(4),
        mark=max(0, min(2**40 - 1, record.mark + rng.randint(-5, 5) * (1 + record.mark // 50))),
        delta_x22=rng.randint(-(2**22), 2**22),
        gamma_spot_x10=rng.getrandbits(rng.randint(1, 22)),
        leg_long_scaled=rng.getrandbits(rng.randint(1, legs)),
        leg_short_scaled=rng.getrandbits(rng.randint(1, legs)),
        vega=rng.getrandbits(rng.randint(1, 16)),
    )


def _moved(record: Record, rng: random.Random) -> Record:
    """Return a record with one term changed."""
    change = rng.choice(("kind", "shift", "generation", "strike", "expiry_hour", "empty"))
    if change == "empty":
        return replace(record, kind=0)
    if change == "kind":
        return replace(record, kind=rng.choice([k for k in (1, 2, 3, 4, 5) if k != record.kind]))
    if change == "expiry_hour":
        return replace(record, expiry_hour=rng.choice((0, HOUR, HOUR + 1, FAR + 1)))
    return replace(record, **{change: getattr(record, change) ^ 1})


def _older(page: Page, rng: random.Random, lanes: int, harsh: bool, aimed: bool) -> Page:
    """Return the page as the baseline might have it: mostly on the same terms."""
    terms = 0.06 if rng.random() < (0.6 if aimed else 0.2) else 0.0
    records = [_later(record, rng, light=not harsh) for record in page.records]
    records = [_moved(record, rng) if rng.random() < terms else record for record in records]
    head = replace(page.head, as_of=NOW + rng.choice((-4_000, -300)), flags=int(rng.random() < 0.1))
    reference = max(1, min(2**40 - 1, int(head.reference_spot * rng.choice((1, 1, 0.98, 1.03, 0.5)))))
    head = replace(
        head,
        reference_spot=reference,
        half_spread_x32=rng.getrandbits(20),
        funding_x32=rng.getrandbits(40),
        vega_charge=rng.getrandbits(6),
    )
    draw = rng.random() * (3 if aimed else 1)
    if draw < 0.06:
        head = replace(head, underlying=(head.underlying + 1) % 3)
    elif draw < 0.12:
        records = records[: max(1, len(records) - rng.randint(1, 3))]
    elif draw < 0.18 and len(records) < LARGEST_PAGE:
        records.append(replace(records[-1], generation=3))
    head = replace(head, lane_words=lanes)
    fitted = [
        replace(r, lanes=(*r.lanes, *(rng.randint(-500, 500) for _ in range(64)))[: 16 * lanes])
        for r in records
    ]
    atoms = page.atoms if all(leg.slot < len(records) for a in page.atoms for leg in a.legs) else ()
    atoms = tuple(replace(a, shift=rng.randrange(6), shortfall_scaled=rng.getrandbits(20)) for a in atoms)
    return replace(page, head=head, records=tuple(fitted), atoms=atoms)


def _settling(page: Page, other: Page, rng: random.Random) -> tuple[Page, Page]:
    """Return both pages with some instruments of both in their settlement window or spot, on the same terms."""
    mine, theirs = list(page.records), list(other.records)
    for slot in range(min(len(mine), len(theirs))):
        if rng.random() < 0.2:
            terms = rng.choice(
                ({"kind": Kind.SPOT, "expiry_hour": 0}, {"kind": Kind.CALL, "expiry_hour": HOUR})
            )
            mine[slot], theirs[slot] = replace(mine[slot], **terms), replace(theirs[slot], **terms)
    return replace(page, records=tuple(mine)), replace(other, records=tuple(theirs))


def _unlike(
    rng: random.Random, young: ManifestState, aged: ManifestState
) -> tuple[ManifestState, ManifestState]:
    """Return manifests further apart than a registry allows: in underlying, in length, in pages that they have."""
    share = {name: rng.choice((0.0, 0.0, 0.4)) for name in ("settling", "underlying", "rows", "gone")}
    current, old = dict(young.pages), dict(aged.pages)
    for i in [i for i in current if i in old]:
        if rng.random() < share["settling"]:
            current[i], old[i] = _settling(current[i], old[i], rng)
        if rng.random() < share["underlying"]:
            other = (old[i].head.underlying + 1) % 3
            old[i] = replace(old[i], head=replace(old[i].head, underlying=other))
        if rng.random() < share["rows"]:
            kept = rng.randint(1, len(old[i].records))
            old[i] = replace(old[i], records=old[i].records[:kept], atoms=())
    for pages in (current, old):
        if len(pages) > 1 and rng.random() < share["gone"] / 2:
            del pages[rng.choice(list(pages))]
    return replace(young, pages=current), replace(aged, pages=old)


def random_manifests(
    rng: random.Random, ids: Sequence[int], spots: Sequence[int], aimed: bool, *, unlike: bool = False
) -> tuple[ManifestState, ManifestState]:
    lane_words, light = rng.choice((1, 2, 4)), aimed or rng.random() < 0.5
    odd = 0.08 if rng.random() < 0.3 and not aimed else 0.0
    most = min(LARGEST_PAGE, (MAX_PAGE_BYTES - 128) // (32 * (1 + lane_words)))
    layout = [(i, rng.randrange(3), rng.randint(1, most)) for i in ids]
    tick = rng.choice((1, 100, 2**16))
    factors = {
        "maintenance_factor_bps": rng.choice((0, 8_000, 10_000)),
        "initial_net_floor_bps": rng.choice((0, 200)),
        "initial_gross_floor_bps": rng.choice((0, 20)),
        "maintenance_net_floor_bps": rng.choice((0, 100)),
        "maintenance_gross_floor_bps": rng.choice((0, 5)),
    }
    current = {}
    for i, underlying, rows in layout:
        others = [(other, count) for other, _, count in layout if other != i]
        page = random_page(
            rng,
            page_id=i,
            underlying=underlying,
            spot=spots[underlying],
            lane_words=lane_words,
            rows=rows,
            others=others,
        )
        flags = int(rng.random() < 0.02)
        head = replace(
            page.head,
            tick=tick,
            flags=flags,
            reference_spot=max(1, int(spots[underlying] * rng.choice((1, 1, 1.001, 0.97)))),
            max_drift_bps=rng.choice((500, *[0xFFFF] * 9)),
            daily_volume=2**64 - 1 if aimed else rng.choice((2**64 - 1, 2**50)),
            open_interest_cap_percent=0xFFFF if aimed else rng.choice((0xFFFF, 10)),
            half_spread_x32=rng.getrandbits(20),
            y_volatility_x32=rng.getrandbits(20),
            vega_charge=rng.getrandbits(6),
            **factors,
        )
        records = tuple(_later(_plain(record, rng, odd), rng, light) for record in page.records)
        if light:
            records = tuple(replace(r, lanes=tuple(lane % 7 for lane in r.lanes)) for r in records)
        current[i] = replace(page, head=head, records=records)
    lanes = lane_words if rng.random() < 0.9 else 1 + lane_words % 2
    old = {
        i: _older(page, rng, lanes, harsh=light or rng.random() < 0.5, aimed=aimed)
        for i, page in current.items()
    }
    for pages in (current, old):
        if rng.random() < (0.02 if aimed else 0.08):
            del pages[rng.choice(list(pages))]
    mature = rng.random() < (0.02 if aimed else 0.12)
    young = ManifestState(as_of=NOW - 40, activated_at=NOW - 30, mature=mature, pages=current, epoch=9)
    aged = ManifestState(as_of=NOW - 4_000, activated_at=NOW - 3_900, mature=True, pages=old, epoch=8)
    if unlike:
        young, aged = _unlike(rng, young, aged)
    if young.mature and rng.random() < 0.7:
        aged = young
    if rng.random() < 0.02:
        young = replace(young, as_of=NOW - 1_801)
    return young, aged
