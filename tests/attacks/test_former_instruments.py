"""What an account still holds of an instrument that another one replaced, while all else is sold or would leave."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.attacks.moves import ATTACKER, BORROWER, MAKER, refused
from tests.support.desk import Desk
from tests.support.engine_world import NOW, random_page
from tests.support.market import SPOT as LISTED_SPOT
from tests.support.market import Instrument
from tests.support.sale_cases import BUYER, SELLER, SaleCase
from tests.support.sale_world import SaleWorld
from tests.support.system import System

from seawall.page.layout import Kind
from seawall.reference.account import Account
from seawall.reference.book import Book, Position
from seawall.reference.integers import WAD
from seawall.reference.state import ManifestState, Price, World

SPOT = 10_000
HEDGES = 3  # positions of each side
HOUR_S, DAY_S, WINDOW_S = 3_600, 86_400, 1_800
CALL, LOTS = 1, 40  # the slot of a call, and how much collateral there is


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


@pytest.fixture(scope="module")
def listed() -> tuple[Desk, int]:
    """Return a desk beside a call, and when that expires."""
    system = System.deploy()
    hour = system.evm.timestamp // HOUR_S + 4
    system.list_instrument(0, Instrument(kind=Kind.CALL, strike=LISTED_SPOT, expiry_hour=hour))
    return Desk.open(system), hour


@pytest.fixture
def desk(listed: tuple[Desk, int]) -> Iterator[Desk]:
    with listed[0].system.isolated():
        yield listed[0]


def leaves(desk: Desk, account: bytes, lots: int) -> bool:
    """Return whether collateral leaves, all at once or some of it in two steps."""
    out = partial(desk.contract.withdraw, account, 0, desk.slot, lots, ATTACKER, sender=ATTACKER)
    if not refused({"PositionsOpen"}, out):
        return True
    desk.contract.requestWithdrawal(account, 0, desk.slot, lots // 10, sender=ATTACKER)
    desk.mature()
    claim = partial(desk.contract.claimWithdrawal, account, ATTACKER, (), sender=ATTACKER)
    return not refused({"PriceNotFresh", "InitialMargin", "QuoteDebt"}, claim)


def test_collateral_does_not_leave_ahead_of_a_loss_in_a_slot_that_was_relisted(
    desk: Desk, listed: tuple[Desk, int]
) -> None:
    """All that the manifest has of the account is collateral, and its cash is what a call was sold for."""
    system, hour = desk.system, listed[1]
    account, maker = system.open(ATTACKER, 1_000), system.open(MAKER, 1_000_000)
    desk.deposit(account, LOTS)
    system.trade(account, maker, lots=-60, slot=CALL, price=20_000)
    system.advance(hour * HOUR_S - WINDOW_S - 100 - system.evm.timestamp)
    system.move(0, LISTED_SPOT * 140 // 100)
    system.advance(WINDOW_S + 100 + DAY_S, every=HOUR_S // 4)
    system.feed.contract.fixSettlement(0, hour)
    system.relist_instrument(0, CALL, Instrument(kind=Kind.CALL, strike=LISTED_SPOT, expiry_hour=hour + 72))
    desk.mature()
    assert not leaves(desk, account, LOTS), "before anybody settles it"
    system.vault.settleExpired(account, 0, sender=BORROWER)
    owed = -system.cash(account)
    assert owed > 0
    assert not leaves(desk, account, LOTS), "with what it cost unpaid"
    system.deposit(account, owed)
    assert leaves(desk, account, LOTS), "once it is paid"
