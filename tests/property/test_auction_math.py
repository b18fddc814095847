"""Formulas of the auction, compiled, against their twin and against what they promise."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.support.evm import Contract, Evm

from seawall.reference import auction

WAD = 10**18
HOUR_S = 3_600

live_seconds = st.integers(0, 400 * 60) | st.integers(0, 2**40)
factors = live_seconds.map(auction.premium_factor_wad)
fractions = st.integers(1, WAD) | st.integers(1, 1_000) | st.just(WAD)
# From dust to more than any token has; and an equity that fails, from a deep hole to just below maintenance.
maintenances = st.integers(1, 10**4) | st.integers(1, 2**100)
equities = st.integers(-2000, 999)


@pytest.fixture(scope="module")
def harness() -> Contract:
    return Evm().deploy("AuctionHarness")


def failing(maintenance: int, thousandths: int) -> int:
    """Return an equity below maintenance, as a share of it."""
    return maintenance * thousandths // 1000


def solvent(k: int, maintenance: int, thousandths: int) -> int:
    """Return an equity that can bear the premium k of its maintenance, as a share of what lies between the two."""
    least = -(-k * maintenance // WAD)
    return least + (maintenance - least) * thousandths // 1000


@given(
    seconds=live_seconds,
    maintenance=maintenances,
    thousandths=equities,
    f=fractions,
    after=st.integers(0, 1200),
)
def test_the_formulas_are_those_of_the_reference(
    harness: Contract, seconds: int, maintenance: int, thousandths: int, f: int, after: int
) -> None:
    equity, left = failing(maintenance, thousandths), maintenance * after // 1000
    k = auction.premium_factor_wad(seconds)
    assert harness.premiumFactorWad(seconds) == k
    assert harness.largestFractionWad(equity, maintenance, k) == auction.largest_fraction_wad(
        equity, maintenance, k
    )
    assert tuple(harness.bearers(equity, maintenance, k)) == auction.bearers(equity, maintenance, k)
    for fund_pays in (True, False):
        assert tuple(harness.split(equity, maintenance, k, f, left, fund_pays)) == auction.split(
            equity=equity,
            maintenance=maintenance,
            k_wad=k,
            fraction_wad=f,
            maintenance_after=left,
            fund_pays=fund_pays,
        )


@given(equity=st.integers(-(2**100), -1), f=fractions)
def test_a_hole_without_any_requirement_is_filled_by_the_fraction_sold(
    harness: Contract, equity: int, f: int
) -> None:
    premium, from_share = harness.split(equity, 0, WAD // 2, f, 0, True)
    assert premium == 0
    assert from_share == equity * f // WAD


@given(first=live_seconds, second=live_seconds)
def test_INV_22_the_premium_factor_never_falls_with_live_time(
    harness: Contract, first: int, second: int
) -> None:
    early, late = sorted((first, second))
    assert (
        2 * WAD // 100 <= harness.premiumFactorWad(early) <= harness.premiumFactorWad(late) <= 9 * WAD // 10
    )


def test_the_premium_factor_passes_through_its_corners(harness: Contract) -> None:
    corners = {0: 0.02, 20 * 60: 0.2, 20 * 60 + HOUR_S: 0.4, 230 * 60: 0.9, 2**40: 0.9}
    for seconds, factor in corners.items():
        assert harness.premiumFactorWad(seconds) == round(factor * 100) * WAD // 100
    assert harness.premiumFactorWad(230 * 60 - 1) < 9 * WAD // 10


@given(maintenance=maintenances, thousandths=equities, f=fractions)
def test_INV_22_the_part_that_the_fund_pays_starts_from_zero(
    harness: Contract, maintenance: int, thousandths: int, f: int
) -> None:
    equity, k = failing(maintenance, thousandths), harness.premiumFactorWad(0)
    premium, from_share = harness.split(equity, maintenance, k, f, 0, True)
    assert premium == max(from_share, 0)


@given(k=factors, maintenance=maintenances, thousandths=equities, f=fractions, after=st.integers(0, 1000))
def test_INV_24_the_fund_pays_only_what_the_account_cannot(
    harness: Contract, k: int, maintenance: int, thousandths: int, f: int, after: int
) -> None:
    equity, left = failing(maintenance, thousandths), maintenance * after // 1000
    premium, from_share = harness.split(equity, maintenance, k, f, left, True)
    assert from_share <= max(equity, 0)
    if equity * WAD >= k * maintenance:
        assert from_share == premium
    elif equity < 0:
        assert equity - from_share <= 0, "a hole is filled and no more"


@given(
    k=factors,
    maintenance=maintenances,
    thousandths=st.integers(0, 999),
    f=fractions,
    after=st.integers(0, 1000),
)
def test_INV_19_a_slice_that_keeps_maintenance_down_keeps_health_up(
    harness: Contract, k: int, maintenance: int, thousandths: int, f: int, after: int
) -> None:
    equity, left = solvent(k, maintenance, thousandths), maintenance * after // 1000
    assume(equity < maintenance)
    _, from_share = harness.split(equity, maintenance, k, f, left, True)
    assert (equity - from_share) * maintenance >= equity * left


@given(
    k=factors,
    maintenance=st.integers(10**6, 2**100),
    thousandths=st.integers(0, 999),
    f=fractions,
    excess=st.integers(0, 50),
)
def test_INV_20_the_largest_slice_restores_the_target_and_none_overshoots_it(
    harness: Contract, k: int, maintenance: int, thousandths: int, f: int, excess: int
) -> None:
    equity = solvent(k, maintenance, thousandths)
    largest = harness.largestFractionWad(equity, maintenance, k)
    assert 0 < largest <= WAD
    for fraction in (min(f, largest), largest):
        proportional = -(-fraction * maintenance // WAD)
        # Whole lots remove a little more than the fraction: up to 5% here.
        left = max(0, maintenance - proportional - maintenance * excess // 1000)
        _, from_share = harness.split(equity, maintenance, k, fraction, left, True)
        missing = Fraction(6, 5) * left - (equity - from_share)
        # Besides, the fraction itself is rounded up to a whole 1e-18.
        rounding = Fraction(6, 5) * (maintenance - proportional - left + Fraction(maintenance, WAD)) + 4
        assert missing >= -rounding
        if fraction == largest:
            assert missing <= 0


@given(
    k=factors,
    maintenance=st.integers(10**6, 2**90),
    thousandths=equities,
    # Fraction of a slice, and what percentage of that it removes: from nothing at all to twice as much.
    slices=st.lists(st.tuples(fractions, st.integers(0, 200)), min_size=1, max_size=12),
)
def test_INV_21_slices_earn_no_more_than_the_factor_times_the_maintenance_they_remove(
    harness: Contract, k: int, maintenance: int, thousandths: int, slices: list[tuple[int, int]]
) -> None:
    equity, left, earned = failing(maintenance, thousandths), maintenance, 0
    for fraction, percent in slices:
        if left == 0:
            break
        after = max(0, left - fraction * left * percent // (100 * WAD))
        premium, from_share = harness.split(equity, left, k, fraction, after, True)
        equity, left, earned = equity - from_share, after, earned + premium
    assert earned * WAD <= k * (maintenance - left)


@given(
    k=factors,
    maintenance=st.integers(10**6, 2**90),
    thousandths=equities,
    slices=st.lists(st.integers(1, 999), min_size=1, max_size=12),
)
def test_INV_21_one_slice_earns_as_much_as_its_parts(
    harness: Contract, k: int, maintenance: int, thousandths: int, slices: list[int]
) -> None:
    start = equity = failing(maintenance, thousandths)
    left, earned, borne = maintenance, 0, 0
    for thousandth in slices:
        after = left - -(-thousandth * left // 1000)
        premium, from_share = harness.split(equity, left, k, thousandth * WAD // 1000, after, True)
        equity, left, earned, borne = equity - from_share, after, earned + premium, borne + from_share
        if left == 0:
            break
    whole_fraction = -(-(maintenance - left) * WAD // maintenance)
    premium, from_share = harness.split(start, maintenance, k, whole_fraction, left, True)
    assert earned <= premium + len(slices) + 1
    assert abs(borne - from_share) <= 3 * len(slices) + 3
