"""Whole purchases from auctions, judged and stored in one call, equal the integer reference to a unit."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from tests.support.sale_cases import BUYER, SELLER, sale_case
from tests.support.sale_world import SaleWorld

from seawall.reference.book import Book
from seawall.reference.integers import WAD
from seawall.reference.state import ManifestState

# What purchases come to, the rare things too: all of the book in place of a slice, proofs spent, nothing to sell, too
# little for long and short lots that somebody holds from then on, a baseline of other terms.
FOUND = {
    20000: "LossUnproven",
    20001: "part, goes on",
    20002: "ZeroLots",
    20003: "AccountHealthy",
    20004: "all, ended",
    20005: "PriceStale",
    20006: "part, goes on",
    20007: "InitialMargin",
    20008: "part, ended",
    20009: "part, ended",
    20011: "InitialMargin",
    20012: "all, ended",
    20013: "part, ended",
    20015: "LotsOutOfRange",
    20016: "all, ended",
    20019: "InitialMargin",
    20020: "part, ended",
    20021: "InitialMargin",
    20023: "LossUnproven",
    20024: "all, ended",
    20025: "part, ended",
    20028: "part, goes on",
    20029: "InitialMargin",
    20031: "InitialMargin",
    20032: "part, ended",
    20034: "part, goes on",
    20041: "all, ended",
    20042: "BadCertificate",
    20051: "part, goes on",
    20063: "InitialMargin",
    20064: "ProofSpent",
    20068: "InitialMargin",
    20081: "ProofSpent",
    20090: "HealthFell",
    20102: "InAuction",
    20110: "HealthFell",
    20111: "PriceNotFresh",
    20202: "HealthFell",
    20218: "all, goes on",
    20296: "all, goes on",
    20859: "TooManyPages",
    21210: "TooManyPositions",
}

# The same between manifests and books that are further apart than they ever would be. Of the first three, all of the
# book goes after an attempt at a part of it, and some of it is of instruments that were replaced.
FOUND_UNLIKE = {
    279: "PriceNotFresh",
    318: "PriceNotFresh",
    1527: "PriceNotFresh",
    10: "InitialMargin",
    15: "part, goes on",
    17: "ZeroLots",
    19: "part, ended",
    22: "LotsOutOfRange",
    23: "LossUnproven",
    38: "all, goes on",
    40: "ProofSpent",
    87: "all, ended",
    150: "HealthFell",
}

# The same where the buyer holds nothing and nobody shows anything, and whether the shorter way was taken.
FOUND_BARE = {
    30003: ("all, ended", True),
    30004: ("part, ended", True),
    30010: ("part, ended", True),
    30017: ("all, ended", True),
    30047: ("part, goes on", True),
    30074: ("part, goes on", True),
    30000: ("part, ended", False),
    30012: ("part, goes on", False),
    30080: ("all, goes on", False),
    30001: ("HealthFell", False),
    30002: ("InitialMargin", False),
    30008: ("LossUnproven", False),
    30030: ("ZeroLots", False),
    30191: ("InAuction", False),
}
# Old enough to be the baseline, and yet another manifest is: no oracle says so, and the loss is unproven all the same.
TWO_BASELINES = 68150756351


@pytest.fixture(scope="module")
def world() -> SaleWorld:
    return SaleWorld()


@given(seed=st.integers(0, 2**32), unlike=st.booleans(), bare=st.booleans())
def test_INV_19_a_purchase_equals_the_reference(
    world: SaleWorld, seed: int, unlike: bool, bare: bool
) -> None:
    event(world.both(sale_case(seed, unlike=unlike, bare=bare)))


def test_INV_19_purchases_of_every_outcome_equal_the_reference(world: SaleWorld) -> None:
    assert {seed: world.both(sale_case(seed)) for seed in FOUND} == FOUND
    found = {seed: world.both(sale_case(seed, unlike=True)) for seed in FOUND_UNLIKE}
    assert found == FOUND_UNLIKE


def test_INV_19_plain_purchases_by_who_holds_nothing_equal_the_reference(world: SaleWorld) -> None:
    found = {}
    for seed in FOUND_BARE:
        case = sale_case(seed, bare=True, unlike=seed % 5 == 0)
        found[seed] = (world.both(case), world.is_plain(case))
    assert found == FOUND_BARE
    assert world.both(sale_case(TWO_BASELINES, bare=True, unlike=True)) == "LossUnproven"


@pytest.mark.parametrize("seed", [30006, 30008])
def test_INV_19_what_the_baseline_finds_healthy_is_not_sold(world: SaleWorld, seed: int) -> None:
    case = sale_case(seed, bare=True)
    seller = case.accounts[SELLER]
    health = case.vault().health(SELLER)
    seller.cash += health.maintenance - 1 - health.equity
    health = case.vault().health(SELLER)
    assert 0 <= health.equity < health.maintenance
    assert world.both(case) == "AccountHealthy"


# In the later ones what is left is judged under the baseline, where the emptied page has drifted most.
@pytest.mark.parametrize("seed", [30010, 30099, 31210, 31803, 32090, 33201])
def test_INV_19_a_slice_may_empty_one_page_of_several(world: SaleWorld, seed: int) -> None:
    case = sale_case(seed, bare=True)
    seller, rng = case.accounts[SELLER], random.Random(seed)
    thin = rng.choice(list(seller.book.pages))
    lots = {page: 1 if page == thin else rng.choice((2, 4, 50)) for page in seller.book.pages}
    seller.book = Book(
        {
            page: [one._replace(lots=lots[page] if one.lots > 0 else -lots[page]) for one in held]
            for page, held in seller.book.pages.items()
        }
    )
    case = replace(case, max_fraction_wad=rng.choice((1, WAD // 50, WAD // 3)))
    assert world.both(case).startswith("part")


@pytest.mark.parametrize("seed", [seed for seed, (_, plain) in FOUND_BARE.items() if plain])
def test_INV_19_a_price_that_is_too_old_counts_as_none(world: SaleWorld, seed: int) -> None:
    case = sale_case(seed, bare=True)
    for underlying, price in case.world.prices.items():
        old = {**case.world.prices, underlying: replace(price, observed_at=price.observed_at - 5_000)}
        world.both(replace(case, world=replace(case.world, prices=old)))


@pytest.mark.parametrize("seed", [seed for seed, (_, plain) in FOUND_BARE.items() if plain])
@pytest.mark.parametrize("floor", ["maintenance_net_floor_bps", "maintenance_gross_floor_bps"])
def test_INV_19_what_is_left_is_judged_by_floors_of_its_own(world: SaleWorld, seed: int, floor: str) -> None:
    case = sale_case(seed, bare=True)

    def raised(manifest: ManifestState | None) -> ManifestState | None:
        if manifest is None:
            return None
        pages = {i: replace(p, head=replace(p.head, **{floor: 20_000})) for i, p in manifest.pages.items()}
        return replace(manifest, pages=pages)

    above = replace(case.world, current=raised(case.world.current), baseline=raised(case.world.baseline))
    case = replace(case, world=above)
    buyer, seller = case.accounts[BUYER], case.accounts[SELLER]
    buyer.cash = 2**90
    health = case.vault().health(SELLER)
    seller.cash += health.maintenance // 2 - health.equity
    assert world.both(case) in {"part, ended", "part, goes on", "all, ended", "AccountHealthy"}
