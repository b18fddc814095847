"""Two manifests that have little in common: in rows, kinds, terms, generations, underlyings, pages."""

from __future__ import annotations

import random
from dataclasses import replace

from tests.support.engine_world import random_page
from tests.support.fill_manifests import HOUR, random_manifests

from seawall.page.decode import Page, Record
from seawall.page.layout import MAX_PAGE_BYTES, Kind
from seawall.reference.state import ManifestState

__all__ = ["UNDERLYINGS", "unlike_manifests"]

UNDERLYINGS = (0, 1, 2, 200)  # the last never has a price


def _any_page(rng: random.Random, like: Page, rows: int) -> Page:
    """Return a page that shares nothing with another but its place, its lanes and its factors."""
    made = random_page(
        rng,
        page_id=like.head.page_id,
        underlying=rng.choice(UNDERLYINGS[:3]),
        spot=max(1, like.head.reference_spot),
        lane_words=like.head.lane_words,
        rows=rows,
    )
    same = {n: getattr(like.head, n) for n in ("tick", "maintenance_factor_bps", "initial_net_floor_bps")}
    return replace(made, head=replace(made.head, **same))


def _odd_records(rng: random.Random, records: tuple[Record, ...]) -> tuple[Record, ...]:
    """Return records of which some are settling, spot, empty, of another generation, or in another's place."""
    made = list(records)
    change = rng.choice(("settling", "spot", "empty", "generation", "terms", "swapped", "wild"))
    share = rng.choice((0.05, 0.3, 1.0))
    if change == "swapped":
        return tuple(rng.sample(made, len(made)))
    for slot, record in enumerate(made):
        if rng.random() >= share:
            continue
        if change == "settling":
            dated = {"kind": rng.choice((2, 3, 4)), "expiry_hour": rng.choice((HOUR, HOUR + 1, HOUR - 50))}
            made[slot] = replace(record, **dated)
        elif change == "spot":
            made[slot] = replace(record, kind=Kind.SPOT, expiry_hour=rng.choice((0, HOUR)))
        elif change == "empty":
            made[slot] = replace(record, kind=0)
        elif change == "generation":
            made[slot] = replace(record, generation=rng.choice((record.generation ^ 1, 0x3FFF, 0)))
        elif change == "terms":
            made[slot] = replace(record, strike=record.strike ^ 1)
        else:
            made[slot] = replace(
                record,
                kind=rng.choice((1, 2, 3, 4, 5, 6, 7)),
                shift=rng.choice((0, 7, 31)),
                mark=rng.choice((0, 2**40 - 1)),
                delta_x22=rng.choice((-(2**23), 2**23 - 1)),
                gamma_spot_x10=rng.choice((-(2**23), 2**23 - 1)),
                leg_long_scaled=rng.choice((0, 2**32 - 1)),
                leg_short_scaled=rng.choice((0, 2**32 - 1)),
                vega=2**16 - 1,
                lanes=tuple(rng.choice((-0x8000, 0x7FFF)) for _ in record.lanes),
            )
    return tuple(made)


def _odd_page(rng: random.Random, page: Page) -> Page:
    """Return the page changed in one way."""
    head, rows = page.head, len(page.records)
    most = min(255, (MAX_PAGE_BYTES - 128) // (32 * (1 + head.lane_words)))
    change = rng.choice(("records", "records", "records", "any", "long", "short", "head", "zero"))
    if change == "records":
        return replace(page, records=_odd_records(rng, page.records))
    if change == "any":
        return _any_page(rng, page, rows)
    if change == "long":
        return _any_page(rng, page, rng.choice((most, rng.randint(1, most))))
    if change == "short":
        return replace(page, records=page.records[: rng.randint(1, rows)])
    if change == "zero":
        return replace(page, head=replace(head, reference_spot=0))
    head = replace(
        head,
        underlying=rng.choice(UNDERLYINGS),
        flags=rng.getrandbits(1),
        max_drift_bps=rng.choice((0, 1, 7, 500)),
        funding_x32=rng.getrandbits(90) * rng.choice((-1, 1)),
    )
    return replace(page, head=head)


def unlike_manifests(rng: random.Random, now: int) -> tuple[ManifestState, ManifestState]:
    """Return a current manifest and a baseline; either may have what the other lacks."""
    ids = rng.sample(range(24), rng.choice((1, 2, 3, 7)))
    spots = [max(20, rng.getrandbits(rng.choice((10, 16, 24, 34)))) for _ in range(3)]
    states = list(random_manifests(rng, ids, spots, rng.random() < 0.5, unlike=True))
    share = rng.choice((0.0, 0.1, 0.6))
    shared = rng.random() < 0.3
    for which, state in enumerate(states):
        pages = dict(state.pages)
        for i in pages:
            if which and shared and i in states[0].pages and rng.random() < 0.7:
                records = states[0].pages[i].records
                room = (MAX_PAGE_BYTES - 128) // (32 * (1 + pages[i].head.lane_words))
                lanes = [(*r.lanes, *((0,) * 64))[: 16 * pages[i].head.lane_words] for r in records[:room]]
                same = tuple(replace(r, lanes=lane) for r, lane in zip(records, lanes, strict=False))
                pages[i] = replace(pages[i], records=same, atoms=())
            for _ in range(2):
                if rng.random() < share:
                    pages[i] = _odd_page(rng, pages[i])
            head, rows = pages[i].head, len(pages[i].records)
            head = replace(head, as_of=now + rng.choice((-4_000, -1_000, -300, -60, 0, 30)))
            pages[i] = replace(pages[i], head=head)
            size = 128 + 32 * rows * (1 + head.lane_words)
            if pages[i].atoms and size + 16 * len(pages[i].atoms) > MAX_PAGE_BYTES:
                pages[i] = replace(pages[i], atoms=())
        mature = bool(which) or rng.random() < 0.06
        states[which] = replace(state, pages=pages, mature=mature, as_of=now - 40, activated_at=now - 30)
    return states[0], states[1]
