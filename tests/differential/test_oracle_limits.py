"""What the numbers of a signed page may be: bounds, buckets, prices, marks, funding."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.evm import Revert
from tests.support.oracle_world import (
    BOUNDS,
    GOVERNOR,
    GRACE_S,
    GUARDIAN,
    SPOTS,
    OracleWorld,
    changed,
    recorded,
    refused,
)

from seawall.page.decode import Page
from seawall.page.layout import DELTA_ONE, Kind

X32 = 1 << 32
ANY_BASIS = (*BOUNDS[:4], 1_000_000, BOUNDS[5])  # so that only the jump of a mark binds


@pytest.fixture(scope="module")
def deployed() -> OracleWorld:
    world = OracleWorld()
    world.publish()
    world.wait(600)
    return world


@pytest.fixture
def world(deployed: OracleWorld) -> Iterator[OracleWorld]:
    with deployed.evm.isolated():
        yield deployed


# Floor, cap, buckets


def test_INV_14_the_first_value_lies_within_floor_and_cap() -> None:
    world = OracleWorld()
    for ratio in (29_999, 600_001):
        failure = refused(
            world, "ProbeOutOfBounds", [world.page(0, ratio_ppm=ratio), world.page(1), world.page(2)]
        )
        assert failure.args_[0] == 0
        assert failure.args_[2:] == BOUNDS[:2]
    assert world.oracle.probeRange(0) == BOUNDS[:2]
    world.publish([world.page(0, ratio_ppm=600_000), world.page(1), world.page(2)])


def test_INV_14_the_larger_leg_counts(world: OracleWorld) -> None:
    pages = world.pages()
    pages[0] = recorded(pages[0], leg_short_scaled=SPOTS[0] * 7 // 10)
    refused(world, "ProbeOutOfBounds", pages)


def test_INV_14_a_value_rises_no_faster_than_its_bucket(world: OracleWorld) -> None:
    failure = refused(world, "ProbeRoseTooFast", world.pages(ratio_ppm=150_001))
    assert failure.args_ == (0, 150_001, 100_000, 50_000)
    world.publish(world.pages(ratio_ppm=150_000))
    world.wait(60)
    least, largest = world.oracle.probeRange(0)
    assert largest == 150_000 + 150_000 // 2 // 60
    assert least == 150_000 - 3_000 - 3  # what was left of the fall's bucket, and a minute of 4,500 a day
    refused(world, "ProbeRoseTooFast", world.pages(ratio_ppm=152_000))


def test_INV_14_a_value_falls_no_faster_than_its_bucket(world: OracleWorld) -> None:
    failure = refused(world, "ProbeFellTooFast", world.pages(ratio_ppm=96_999))
    assert failure.args_ == (0, 96_999, 100_000, 3_000)
    world.publish(world.pages(ratio_ppm=97_000))
    world.wait(60)
    refused(world, "ProbeFellTooFast", world.pages(ratio_ppm=96_990))


def test_seconds_between_updates_do_not_round_the_refill_away(world: OracleWorld) -> None:
    world.publish(world.pages(ratio_ppm=97_000))
    least, _ = world.oracle.probeRange(0)
    for _ in range(50):
        world.wait(12)
        world.publish(world.pages(ratio_ppm=97_000))
    assert least - world.oracle.probeRange(0).leastPpm == pytest.approx(97_000 * 0.03 * 600 / 86_400, abs=1)


def test_probe_range_is_what_the_next_proposal_may_be(world: OracleWorld) -> None:
    least, largest = world.oracle.probeRange(2)
    for ratio, accepted in ((largest, True), (largest + 1, False), (least, True), (least - 1, False)):
        with world.evm.isolated():
            pages = [*world.pages()[:2], world.page(2, ratio_ppm=ratio)]
            if accepted:
                world.publish(pages)
            else:
                with pytest.raises(Revert, match="TooFast"):
                    world.publish(pages)


def test_a_drop_gives_back_what_the_dropped_manifest_took_from_the_buckets(world: OracleWorld) -> None:
    world.wait(GRACE_S)
    before = world.oracle.probeRange(0)
    world.publish(world.pages(ratio_ppm=150_000))
    assert world.oracle.probeRange(0) != before
    world.oracle.dropCurrent(sender=GUARDIAN)
    assert world.oracle.probeRange(0) == before


# Prices


def test_a_page_whose_underlying_has_no_price_is_refused(world: OracleWorld) -> None:
    world.tell({1: SPOTS[1]}, age=121)
    failure = refused(world, "PriceStale")
    assert failure.args_ == (1, world.evm.timestamp - 121)
    world.tell({1: SPOTS[1]}, age=120)
    world.publish()


def test_a_price_of_zero_is_no_price(world: OracleWorld) -> None:
    world.tell({1: 0})
    refused(world, "PriceStale")


def test_INV_16_one_dead_feed_stops_no_other_underlying(world: OracleWorld) -> None:
    world.tell({1: SPOTS[1]}, age=600)
    pages = world.pages(ratio_ppm=110_000)
    pages[1] = changed(pages[1], flags=1)
    world.publish(pages)
    assert [world.oracle.tryRatio(u).status for u in range(3)] == [0, 4, 0]
    assert world.oracle.initialMarginRatio(2) == 110_000 * 10**12


def test_a_page_is_frozen_only_while_its_feed_is_dead(world: OracleWorld) -> None:
    pages = world.pages()
    pages[1] = changed(pages[1], flags=1)
    refused(world, "FrozenWithLiveFeed", pages)


def test_a_frozen_page_keeps_its_reference_spot(world: OracleWorld) -> None:
    world.tell({1: SPOTS[1]}, age=600)
    pages = world.pages()
    pages[1] = changed(world.page(1, spot=SPOTS[1] + 1), flags=1)
    refused(world, "FrozenSpotMoved", pages)


def test_the_first_manifest_cannot_be_frozen() -> None:
    world = OracleWorld()
    world.tell({1: SPOTS[1]}, age=600)
    pages = world.pages()
    pages[1] = changed(pages[1], flags=1)
    refused(world, "FrozenSpotMoved", pages)


def test_INV_16_a_new_underlying_whose_feed_never_spoke_stops_no_other(world: OracleWorld) -> None:
    world.list_underlying(3)
    world.registry.addPage(3, sender=GOVERNOR)
    world.registry.listInstrument(3, 1, 0, 0, 0, sender=GOVERNOR)
    page = changed(world.page(0), page_id=3, underlying=3)
    refused(world, "PriceStale", [*world.pages(), page])
    world.publish([*world.pages(), changed(page, flags=1)])
    assert [world.oracle.tryRatio(u).status for u in range(4)] == [0, 0, 0, 4]


@pytest.mark.parametrize("direction", [1, -1])
def test_a_page_refers_to_the_price_of_the_feed(world: OracleWorld, direction: int) -> None:
    pages = world.pages()
    pages[0] = changed(pages[0], max_drift_bps=100)
    world.tell({0: SPOTS[0] + direction * SPOTS[0] // 100})
    world.oracle.previewActivate(world.propose(pages).as_tuple())
    world.tell({0: SPOTS[0] + direction * (SPOTS[0] // 100 + 1)})
    refused(world, "SpotMismatch", pages)


# Marks


def test_every_perpetual_is_marked_near_the_feed(world: OracleWorld) -> None:
    world.registry.listInstrument(0, 1, 0, 0, 0, sender=GOVERNOR)
    edge = SPOTS[0] * BOUNDS[4] // 1_000_000
    pages = [recorded(world.page(0, rows=2), 1, mark=SPOTS[0] + edge + 1), *world.pages()[1:]]
    assert refused(world, "BasisTooWide", pages).args_ == (0, SPOTS[0] + edge + 1, SPOTS[0])


@pytest.mark.parametrize("direction", [1, -1])
def test_the_probe_is_marked_near_the_feed(world: OracleWorld, direction: int) -> None:
    pages = world.pages()
    edge = SPOTS[0] * BOUNDS[4] // 1_000_000
    pages[0] = recorded(pages[0], mark=SPOTS[0] + direction * edge)
    world.oracle.previewActivate(world.propose(pages).as_tuple())
    pages[0] = recorded(pages[0], mark=SPOTS[0] + direction * (edge + 1))
    assert refused(world, "BasisTooWide", pages).args_ == (0, SPOTS[0] + direction * (edge + 1), SPOTS[0])


def test_the_basis_is_measured_at_the_feed_not_at_the_page(world: OracleWorld) -> None:
    pages, spot = world.pages(), SPOTS[0] * 97 // 100
    edge = SPOTS[0] * BOUNDS[4] // 1_000_000
    pages[0] = recorded(world.page(0, spot=spot), mark=spot + edge)
    world.oracle.previewActivate(world.propose(pages).as_tuple())
    pages[0] = recorded(world.page(0, spot=spot), mark=spot + edge + 1)
    assert refused(world, "BasisTooWide", pages).args_ == (0, SPOTS[0] + edge + 1, SPOTS[0])


@pytest.mark.parametrize("matured", [False, True], ids=["current", "baseline"])
def test_INV_14_a_mark_stays_within_one_leg_of_the_last_one_at_the_feed(
    world: OracleWorld, matured: bool
) -> None:
    world.oracle.setBounds(0, ANY_BASIS, sender=GOVERNOR)
    world.registry.listInstrument(0, 1, 0, 0, 0, sender=GOVERNOR)
    first = world.page(0, rows=2)
    world.publish([first, *world.pages()[1:]])
    world.wait(GRACE_S if matured else 12)
    leg = first.records[1].leg_long
    for jump, accepted in ((leg, True), (leg + 1, False), (-leg, True), (-leg - 1, False)):
        spot = SPOTS[0] * 98 // 100  # a page of its own at a lower spot: what counts is the value at the feed
        moved = world.page(0, rows=2, spot=spot)
        pages = [recorded(moved, 1, mark=spot + jump), *world.pages()[1:]]
        if accepted:
            world.oracle.previewActivate(world.propose(pages).as_tuple())
        else:
            failure = refused(world, "MarkJump", pages)
            assert failure.args_ == (0, 1, SPOTS[0] + jump, SPOTS[0], leg)


def test_INV_14_between_the_slope_and_the_curvature_of_an_old_mark_there_is_no_jump(
    world: OracleWorld,
) -> None:
    """A parabola overshoots far from where it was fitted: honest keepers would be refused after every large move."""
    expiry_hour = world.evm.timestamp // 3_600 + 1_000
    strike, leg = SPOTS[0] * 105 // 100, 50
    world.registry.listInstrument(0, Kind.CALL, 0, strike, expiry_hour, sender=GOVERNOR)

    def listed(spot: int, mark: int) -> list[Page]:
        call = {"kind": Kind.CALL, "strike": strike, "expiry_hour": expiry_hour, "mark": mark}
        call |= {"delta_x22": DELTA_ONE // 5, "gamma_spot_x10": 4 << 10}
        call |= {"leg_long_scaled": leg, "leg_short_scaled": leg}
        return [recorded(world.page(0, rows=2, spot=spot), 1, **call), *world.pages()[1:]]

    before = SPOTS[0] * 96 // 100
    moved = SPOTS[0] - before
    world.publish(listed(before, SPOTS[0] // 100))
    world.wait(12)
    slope = SPOTS[0] // 100 + (DELTA_ONE // 5 * moved >> 22)
    curved = slope + 4 * (moved * moved // (2 * before))
    assert curved > slope + 3 * leg
    for mark in (slope - leg, slope, (slope + curved) // 2, curved, curved + leg):
        world.oracle.previewActivate(world.propose(listed(SPOTS[0], mark)).as_tuple())
    for mark in (slope - leg - 1, curved + leg + 1):
        assert refused(world, "MarkJump", listed(SPOTS[0], mark)).args_ == (0, 1, mark, curved, leg)


def test_INV_14_marks_are_held_to_the_baseline_however_many_manifests_come_in_between(
    world: OracleWorld,
) -> None:
    world.oracle.setBounds(0, ANY_BASIS, sender=GOVERNOR)
    world.registry.listInstrument(0, 1, 0, 0, 0, sender=GOVERNOR)
    world.publish([world.page(0, rows=2), *world.pages()[1:]])
    world.wait(GRACE_S)
    leg = world.page(0).records[0].leg_long
    for share in (3, 6, 9):
        world.publish(
            [recorded(world.page(0, rows=2), 1, mark=SPOTS[0] + leg * share // 10), *world.pages()[1:]]
        )
        world.wait(60)
    refused(
        world,
        "MarkJump",
        [recorded(world.page(0, rows=2), 1, mark=SPOTS[0] + leg * 12 // 10), *world.pages()[1:]],
    )


def test_a_listing_has_no_mark_to_be_held_to(world: OracleWorld) -> None:
    world.oracle.setBounds(0, ANY_BASIS, sender=GOVERNOR)
    world.registry.listInstrument(0, 1, 0, 0, 0, sender=GOVERNOR)
    far = recorded(world.page(0, rows=2), 1, mark=2 * SPOTS[0])
    world.publish([far, *world.pages()[1:]])
    # The manifest that listed it holds the next one.
    world.wait(GRACE_S)
    back = [world.page(0, rows=2), *world.pages()[1:]]
    assert refused(world, "MarkJump", back).args_[:4] == (0, 1, SPOTS[0], 2 * SPOTS[0])


# Funding


@pytest.mark.parametrize("direction", [1, -1])
def test_cumulative_funding_moves_no_faster_than_allowed(world: OracleWorld, direction: int) -> None:
    elapsed = world.evm.timestamp - world.oracle.currentManifest().asOf
    most = BOUNDS[5] * SPOTS[0] * X32 * elapsed // (1_000_000 * 86_400)
    pages = world.pages()
    pages[0] = changed(pages[0], funding_x32=direction * (most + 1))
    assert refused(world, "FundingTooFast", pages).args_ == (0,)
    pages[0] = changed(pages[0], funding_x32=direction * most)
    world.publish(pages)
    world.wait(60)
    refused(world, "FundingTooFast")  # back to zero within a minute


@pytest.mark.parametrize("direction", [1, -1])
def test_the_posted_funding_rate_is_bounded(world: OracleWorld, direction: int) -> None:
    most = BOUNDS[5] * SPOTS[0] * X32 // (1_000_000 * 86_400)
    pages = world.pages()
    pages[0] = changed(pages[0], funding_rate_x32=direction * (most + 1))
    refused(world, "FundingTooFast", pages)
    pages[0] = changed(pages[0], funding_rate_x32=direction * most)
    world.publish(pages)


def test_funding_accrues_for_a_day_at_most(world: OracleWorld) -> None:
    pages = world.pages()
    pages[0] = changed(pages[0], funding_cap_s=86_401)
    refused(world, "FundingTooFast", pages)
    pages[0] = changed(pages[0], funding_cap_s=86_400)
    world.publish(pages)


# Bounds and factors themselves


@pytest.mark.parametrize(
    "limits",
    [
        (0, *BOUNDS[1:]),
        (600_001, *BOUNDS[1:]),
        (1, 1 << 24, *BOUNDS[2:]),
        (*BOUNDS[:2], 1_000_001, *BOUNDS[3:]),
        (*BOUNDS[:3], 1_000_001, *BOUNDS[4:]),
        (*BOUNDS[:4], 1_000_001, BOUNDS[5]),
        (*BOUNDS[:5], 1_000_001),
    ],
)
def test_bounds_that_bound_nothing_are_refused(world: OracleWorld, limits: tuple[int, ...]) -> None:
    with pytest.raises(Revert, match="BoundsOutOfRange"):
        world.oracle.setBounds(0, limits, sender=GOVERNOR)


def test_bounds_are_set_for_listed_underlyings_only(world: OracleWorld) -> None:
    with pytest.raises(Revert, match="UnknownUnderlying"):
        world.oracle.setBounds(3, BOUNDS, sender=GOVERNOR)
    assert tuple(world.oracle.bounds(2)) == BOUNDS
    assert tuple(world.oracle.bounds(3)) == (0,) * 6


def test_an_underlying_without_bounds_cannot_be_published(world: OracleWorld) -> None:
    world.feed.setAnchored(3, True)
    world.registry.listUnderlying(b"U3".ljust(32, b"\0"), 1, sender=GOVERNOR)
    world.registry.addPage(3, sender=GOVERNOR)
    world.registry.listInstrument(3, 1, 0, 0, 0, sender=GOVERNOR)
    world.tell({3: SPOTS[0]})
    page = changed(world.page(0), page_id=3, underlying=3)
    refused(world, "ProbeOutOfBounds", [*world.pages(), page])


@pytest.mark.parametrize(
    "factors",
    [
        (0, 200, 20, 100, 5, 10, 100),
        (10_001, 200, 20, 100, 5, 10, 100),
        (8_000, 99, 20, 100, 5, 10, 100),
        (8_000, 200, 4, 100, 5, 10, 100),
        (8_000, 200, 20, 100, 5, 0, 100),
    ],
)
def test_INV_07_factors_that_would_put_maintenance_above_initial_are_refused(
    world: OracleWorld, factors: tuple[int, ...]
) -> None:
    with pytest.raises(Revert, match="FactorsOutOfRange"):
        world.oracle.setFactors(factors, sender=GOVERNOR)
