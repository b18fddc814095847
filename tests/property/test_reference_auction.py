"""Auction rules of the reference, over any equity, requirement and sequence of purchases."""

from fractions import Fraction

import hypothesis.strategies as st
from hypothesis import assume, given, note

from seawall.reference import (
    bearers,
    largest_fraction_wad,
    lots_moved,
    premium_factor_wad,
    split,
)
from seawall.reference.auction import PREMIUM_MAX_WAD, PREMIUM_START_WAD, TARGET_HEALTH_WAD
from seawall.reference.integers import WAD

maintenances = st.integers(1, 10**18)
factors = st.integers(PREMIUM_START_WAD, PREMIUM_MAX_WAD)
fractions = st.integers(1, WAD)
seconds = st.integers(0, 10**6)


@st.composite
def unhealthy(draw: st.DrawFn, *, solvent: bool = False) -> tuple[int, int, int]:
    """Draw equity, maintenance and k of an account in auction; a solvent one can bear k M."""
    maintenance, k_wad = draw(maintenances), draw(factors)
    least = -(-k_wad * maintenance // WAD) if solvent else -2 * maintenance
    assume(least < maintenance)
    return draw(st.integers(least, maintenance - 1)), maintenance, k_wad


@given(first=seconds, second=seconds)
def test_INV_22_the_premium_never_falls_and_ends_at_its_largest(first: int, second: int) -> None:
    early, late = sorted((first, second))
    assert PREMIUM_START_WAD <= premium_factor_wad(early) <= premium_factor_wad(late) <= PREMIUM_MAX_WAD
    assert premium_factor_wad(20 * 60) == 2 * WAD // 10
    assert premium_factor_wad(230 * 60) == PREMIUM_MAX_WAD > premium_factor_wad(230 * 60 - 1)


@given(state=unhealthy(), fraction_wad=fractions)
def test_INV_22_the_part_that_the_fund_pays_starts_from_zero(
    state: tuple[int, int, int], fraction_wad: int
) -> None:
    equity, maintenance, _ = state
    _, fund = bearers(equity, maintenance, PREMIUM_START_WAD)
    assert fund == 0
    premium, share = split(
        equity=equity,
        maintenance=maintenance,
        k_wad=PREMIUM_START_WAD,
        fraction_wad=fraction_wad,
        maintenance_after=0,
    )
    if equity >= 0:
        assert premium == share
    else:
        assert premium == 0
        assert share <= 0


@given(state=unhealthy(), later=factors)
def test_the_fund_pays_only_what_the_account_cannot(state: tuple[int, int, int], later: int) -> None:
    equity, maintenance, k_wad = state
    account, fund = bearers(equity, maintenance, k_wad)
    assert account <= max(equity, 0)
    assert account + fund <= k_wad * maintenance // WAD
    if fund:
        assert account == max(equity, 0)


@given(state=unhealthy(solvent=True), data=st.data())
def test_INV_19_no_purchase_from_a_solvent_account_lowers_equity_over_maintenance(
    state: tuple[int, int, int], data: st.DataObject
) -> None:
    equity, maintenance, k_wad = state
    fraction = data.draw(st.integers(1, largest_fraction_wad(equity, maintenance, k_wad)))
    after = data.draw(st.integers(0, maintenance))
    premium, share = split(
        equity=equity, maintenance=maintenance, k_wad=k_wad, fraction_wad=fraction, maintenance_after=after
    )
    note(f"E {equity} -> {equity - share}, M {maintenance} -> {after}")
    assert premium == share
    assert (equity - share) * maintenance >= equity * after


@given(lots=st.lists(st.integers(-(1 << 41), (1 << 41) - 1), max_size=20), fraction_wad=fractions)
def test_INV_19_every_position_moves_toward_zero_by_the_fraction_within_one_lot(
    lots: list[int], fraction_wad: int
) -> None:
    for q in lots:
        moved = lots_moved(q, fraction_wad)
        assert q * moved >= 0
        assert abs(moved) <= abs(q)
        assert Fraction(abs(q) * fraction_wad, WAD) <= abs(moved) < Fraction(abs(q) * fraction_wad, WAD) + 1


@given(state=unhealthy(solvent=True))
def test_INV_20_the_largest_fraction_restores_the_target_and_not_more(state: tuple[int, int, int]) -> None:
    equity, maintenance, k_wad = state
    fraction = largest_fraction_wad(equity, maintenance, k_wad)
    assert 0 < fraction <= WAD
    exact_after = Fraction(maintenance) * (WAD - fraction) / WAD
    exact_equity = equity - Fraction(k_wad, WAD) * (maintenance - exact_after)
    # One unit of the fraction is worth at most M / 1e18 of requirement and of premium.
    unit = Fraction(maintenance, WAD) * 2
    target = Fraction(TARGET_HEALTH_WAD, WAD) * exact_after
    assert target <= exact_equity <= target + unit
    after = -(-maintenance * (WAD - fraction) // WAD)
    _, share = split(
        equity=equity, maintenance=maintenance, k_wad=k_wad, fraction_wad=fraction, maintenance_after=after
    )
    # The contract rounds the requirement up and the premium down, one unit each.
    assert equity - share >= target
    assert equity - share <= target + unit + 3


@given(state=unhealthy(), cuts=st.lists(st.tuples(fractions, st.integers(0, WAD)), min_size=1, max_size=8))
def test_INV_21_no_sequence_of_purchases_grants_more_premium_than_one(
    state: tuple[int, int, int], cuts: list[tuple[int, int]]
) -> None:
    equity, maintenance, k_wad = state
    held, left, granted = equity, maintenance, 0
    for fraction, removed in cuts:
        if held >= left:
            break
        after = left - left * removed // WAD
        premium, share = split(
            equity=held, maintenance=left, k_wad=k_wad, fraction_wad=fraction, maintenance_after=after
        )
        granted += premium
        held, left = held - share, after
    whole, _ = split(
        equity=equity,
        maintenance=maintenance,
        k_wad=k_wad,
        fraction_wad=WAD,
        maintenance_after=left,
    )
    # a and b are rounded down anew at every purchase, never up; the account keeps what its own rounding leaves.
    note(f"granted {granted}, at once {whole}")
    assert granted <= whole + len(cuts)
    assert granted <= k_wad * (maintenance - left) // WAD


@given(state=unhealthy(), fraction_wad=fractions, data=st.data())
def test_an_insolvent_account_is_never_left_deeper_in_debt(
    state: tuple[int, int, int], fraction_wad: int, data: st.DataObject
) -> None:
    equity, maintenance, k_wad = state
    after = data.draw(st.integers(0, maintenance))
    _, share = split(
        equity=equity,
        maintenance=maintenance,
        k_wad=k_wad,
        fraction_wad=fraction_wad,
        maintenance_after=after,
    )
    assert min(equity, 0) <= equity - share <= max(equity, 0)
    if equity < 0:
        part = min(fraction_wad * maintenance // WAD, maintenance - after)
        assert (equity - share) * maintenance >= equity * (maintenance - part)
    if equity < 0 and after == 0 and fraction_wad == WAD:
        assert equity - share == 0


@given(maintenance=maintenances, k_wad=factors, fraction_wad=fractions, rise=st.integers(1, 10**18))
def test_a_slice_that_raises_maintenance_earns_nothing(
    maintenance: int, k_wad: int, fraction_wad: int, rise: int
) -> None:
    premium, share = split(
        equity=0,
        maintenance=maintenance,
        k_wad=k_wad,
        fraction_wad=fraction_wad,
        maintenance_after=maintenance + rise,
    )
    assert (premium, share) == (0, 0)
