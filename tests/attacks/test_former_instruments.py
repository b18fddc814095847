"""What an account still holds of an instrument that another one replaced in its slot, while the rest of it is sold."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.engine_world import NOW, random_page
from tests.support.sale_cases import BUYER, SELLER, SaleCase
from tests.support.sale_world import SaleWorld

from seawall.page.layout import Kind
from seawall.reference.account import Account
from seawall.reference.book import Book, Position
from seawall.reference.integers import WAD
from seawall.reference.state import ManifestState, Price, World

SPOT = 10_000
HEDGES = 3  # positions of each side


@pytest.fixture(scope="module")
def world() -> SaleWorld:
    return SaleWorld()


def hedged_case(seed: int, *, deposit: bool) -> SaleCase:
    """Return a purchase from an account whose single lots hedge pairs of lots: a part of it is riskier than all of it.

    Among its positions stands one, of any size, of an instrument that the page has replaced. The buyer holds nothing,
    or the other side of some of it.
    """
    rng = random.Random(seed)
    page = random_page(rng, page_id=3, underlying=0, spot=SPOT, lane_words=1, rows=2 * HEDGES)
    lanes = [rng.randint(1, 400) * rng.choice((-1, 1)) for _ in range(16)]
    records = tuple(
        replace(
            record,
            kind=Kind.PERPETUAL,
            shift=0,
            generation=2,
            mark=rng.randint(1, 10**6),
            expiry_hour=0,
            lanes=tuple((2 - slot % 2) * lane for lane in lanes),
        )
        for slot, record in enumerate(page.records)
    )
    factors = {
        "maintenance_factor_bps": 8_000,
        "maintenance_net_floor_bps": 0,
        "maintenance_gross_floor_bps": 1,
    }
    head = replace(page.head, flags=0, tick=100, **factors)
    held = [Position(slot, 2, 1 if slot % 2 == 0 else -2) for slot in range(2 * HEDGES)]
    former = Position(rng.randrange(2 * HEDGES), 1, rng.choice((1, -1, 40, -(10**6), 2**28 - 1)))
    held.insert(rng.randrange(len(held) + 1), former)
    rng.shuffle(held)
    other = [position._replace(lots=-position.lots) for position in held[:3] if position != former]
    pages = {3: replace(page, head=head, records=records, atoms=())}
    manifest = ManifestState(as_of=NOW - 40, activated_at=NOW - 4_000, mature=True, pages=pages, epoch=9)
    case = SaleCase(
        world=World(
            now=NOW,
            block=77,
            live_seconds=rng.choice((0, 300, 900)),
            current=manifest,
            baseline=manifest,
            prices={0: Price(ticks=SPOT, observed_at=NOW, fresh_since=NOW - 9_000)},
        ),
        accounts={
            SELLER: Account(book=Book({3: held}), in_auction=True),
            BUYER: Account(book=Book({3: other}) if deposit and other else Book(), cash=2**90),
        },
        open_interest={0: 2**30, 1: 0, 2: 0},
        max_fraction_wad=WAD,
        proven=False,
        certificates=([], []),
    )
    health = case.vault().health(SELLER)
    case.accounts[SELLER].cash = health.maintenance - 1 - health.equity
    return case


@given(seed=st.integers(0, 2**32), holds=st.booleans())
def test_INV_05_what_a_page_has_replaced_stays_behind_when_all_else_is_sold(
    world: SaleWorld, seed: int, holds: bool
) -> None:
    """Sold in part the hedges break, so all goes, but for what nobody can value; and at its value."""
    case = hedged_case(seed, deposit=holds)
    assert world.both(case) == "all, ended"
