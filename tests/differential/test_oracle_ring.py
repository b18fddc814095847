"""Current manifest and baseline over time, what integrators read, who may do what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from eth_utils import keccak
from tests.support.evm import Revert, role
from tests.support.oracle_world import (
    BOUNDS,
    FACTORS,
    GOVERNOR,
    GRACE_S,
    GUARDIAN,
    SPOTS,
    OracleWorld,
    changed,
)

OK, NO_MANIFEST, OLD_MANIFEST, STALE_PRICE, FROZEN, UNKNOWN = range(6)
ATTACKER = role("attacker")


@pytest.fixture(scope="module")
def deployed() -> OracleWorld:
    return OracleWorld()


@pytest.fixture
def world(deployed: OracleWorld) -> Iterator[OracleWorld]:
    with deployed.evm.isolated():
        yield deployed


def head(world: OracleWorld, *, baseline: bool) -> tuple[int, int, int, int]:
    """Return epoch, asOf, activation time, maturity of the current manifest or the baseline."""
    word = world.oracle.load(0, 0, baseline)[0]
    assert word >> 121 == 0
    mask = (1 << 40) - 1
    return (word >> 80) & mask, word & mask, (word >> 40) & mask, word >> 120


def both(world: OracleWorld, *, pages: int, count: int) -> list[int]:
    """Return the words of current manifest and, where it is another, baseline, and see that one call gives them."""
    words = list(world.oracle.load(pages, count, False))
    if not words[0] >> 120 and world.oracle.load(0, 0, True)[0]:
        words += list(world.oracle.load(pages, count, True))[1:]
    assert list(world.oracle.loadWithBaseline(pages, count)) == words
    return words


def epoch(world: OracleWorld, *, baseline: bool) -> int:
    return head(world, baseline=baseline)[0]


# Current and baseline


def test_without_a_manifest_every_word_is_zero(world: OracleWorld) -> None:
    for baseline in (False, True):
        assert world.oracle.load(0x0100, 2, baseline) == [0, 0, 0]
    assert both(world, pages=0x0100, count=2) == [0, 0, 0]
    assert tuple(world.oracle.currentManifest()) == (0, 0, 0, bytes(32))


def test_a_manifest_is_current_at_once_and_baseline_after_the_grace_period(world: OracleWorld) -> None:
    manifest = world.publish(book_root=keccak(text="root"))
    now = world.evm.timestamp
    assert head(world, baseline=False) == (1, manifest.as_of, now, 0)
    assert tuple(world.oracle.currentManifest()) == (1, manifest.as_of, now, keccak(text="root"))
    world.evm.advance(GRACE_S - 1)
    assert world.oracle.load(0, 1, True) == [0, 0]
    assert len(both(world, pages=0, count=1)) == 2
    world.evm.advance(1)
    assert head(world, baseline=True) == (1, manifest.as_of, now, 1)
    assert head(world, baseline=False) == (1, manifest.as_of, now, 1)
    assert world.oracle.load(0, 1, True) == world.oracle.load(0, 1, False)


def test_INV_12_no_manifest_younger_than_the_grace_period_is_the_baseline(world: OracleWorld) -> None:
    active: dict[int, int] = {}
    for step in range(60):
        active[world.publish().epoch] = world.evm.timestamp
        number, _, since, mature = head(world, baseline=True)
        if number:
            assert mature == 1
            assert since == active[number]
            assert GRACE_S <= world.evm.timestamp - since <= 2 * GRACE_S + 600
        else:
            assert step * 300 < GRACE_S + 300
        world.wait(300)


def test_the_baseline_keeps_its_own_pages_and_never_goes_back(world: OracleWorld) -> None:
    words: dict[int, list[int]] = {}
    last = 0
    for gap in (10, 1_000, 3_000, 100, 4_000, 7_300, 50, 3_599, 1, 3_600, 20, 20, 9_000):
        manifest = world.publish(world.pages(ratio_ppm=100_000 + world.oracle.currentManifest().epoch))
        words[manifest.epoch] = world.oracle.load(0x020100, 3, False)[1:]
        for part in (gap // 2, gap - gap // 2):
            world.wait(part)
            shown = epoch(world, baseline=True)
            assert shown >= last
            last = shown
            if shown:
                assert world.oracle.load(0x020100, 3, True)[1:] == words[shown]
                matured = epoch(world, baseline=False) == shown
                assert both(world, pages=0x020100, count=3)[4:] == ([] if matured else words[shown])


def test_the_newest_mature_manifest_is_the_baseline_after_a_pause_in_publication(world: OracleWorld) -> None:
    world.publish()
    world.wait(600)
    world.publish()
    world.wait(2 * GRACE_S)
    assert epoch(world, baseline=True) == 2
    world.publish()
    assert epoch(world, baseline=True) == 2


def test_pages_a_manifest_lacks_are_zero(world: OracleWorld) -> None:
    world.publish()
    loaded = world.oracle.load(0x07FF01, 3, False)
    assert loaded[1] != 0
    assert loaded[2:] == [0, 0]


# Dropping


def test_the_guardian_drops_the_current_manifest_for_the_baseline(world: OracleWorld) -> None:
    world.publish()
    world.wait(GRACE_S)
    world.publish(world.pages(ratio_ppm=110_000))
    world.oracle.dropCurrent(sender=GUARDIAN)
    assert world.evm.events(world.oracle) == [("CurrentDropped", (2, 1))]
    assert epoch(world, baseline=False) == epoch(world, baseline=True) == 1
    assert world.oracle.load(0x020100, 3, False) == world.oracle.load(0x020100, 3, True)


def test_INV_13_a_dropped_manifest_cannot_come_back(world: OracleWorld) -> None:
    world.publish()
    world.wait(GRACE_S)
    dropped = world.propose(world.pages(ratio_ppm=110_000))
    world.activate(dropped)
    world.oracle.dropCurrent(sender=GUARDIAN)
    with pytest.raises(Revert, match="EpochNotIncreasing"):
        world.activate(dropped)
    world.wait(12)
    with pytest.raises(Revert, match="AsOfNotIncreasing"):
        world.publish(world.pages(), epoch=3, as_of=dropped.as_of)
    world.publish(epoch=3)
    assert epoch(world, baseline=False) == 3
    assert epoch(world, baseline=True) == 1


def test_the_baseline_moves_on_after_a_drop(world: OracleWorld) -> None:
    world.publish()
    world.wait(GRACE_S)
    world.publish(world.pages(ratio_ppm=110_000))
    world.oracle.dropCurrent(sender=GUARDIAN)
    world.wait(300)
    world.publish(epoch=3)
    for _ in range(13):
        world.wait(300)
        world.publish()
    assert epoch(world, baseline=True) == 3


def test_without_a_baseline_nothing_is_dropped(world: OracleWorld) -> None:
    with pytest.raises(Revert, match="NoBaseline"):
        world.oracle.dropCurrent(sender=GUARDIAN)
    world.publish()
    with pytest.raises(Revert, match="NoBaseline"):
        world.oracle.dropCurrent(sender=GUARDIAN)
    world.wait(GRACE_S)
    with pytest.raises(Revert, match="NoBaseline"):  # the current manifest is the baseline
        world.oracle.dropCurrent(sender=GUARDIAN)


# Ratios


def test_the_ratio_is_the_larger_leg_over_spot(world: OracleWorld) -> None:
    world.publish([world.page(0, ratio_ppm=123_456), *world.pages()[1:]])
    assert world.oracle.initialMarginRatio(0) == 123_456 * 10**12
    assert world.oracle.maintenanceMarginRatio(0) == 123_456 * 10**12 * FACTORS[0] // 10_000


def test_INV_12_the_maintenance_ratio_is_the_smaller_of_current_and_baseline(world: OracleWorld) -> None:
    world.publish()
    world.wait(GRACE_S)
    world.publish(world.pages(ratio_ppm=150_000))
    assert world.oracle.initialMarginRatio(0) == 150_000 * 10**12
    assert world.oracle.maintenanceMarginRatio(0) == 80_000 * 10**12
    world.wait(600)
    world.publish(world.pages(ratio_ppm=150_000))
    world.wait(GRACE_S)
    world.publish(world.pages(ratio_ppm=147_000))
    assert world.oracle.maintenanceMarginRatio(0) == 147_000 * 10**12 * 8 // 10


def test_INV_12_a_larger_maintenance_factor_waits_for_a_manifest(world: OracleWorld) -> None:
    world.publish()
    world.wait(GRACE_S)
    world.publish()
    world.oracle.setFactors((10_000, *FACTORS[1:]), sender=GOVERNOR)
    assert world.oracle.maintenanceMarginRatio(0) == 80_000 * 10**12
    world.wait(12)
    world.publish([changed(page, maintenance_factor_bps=10_000) for page in world.pages()])
    assert world.oracle.maintenanceMarginRatio(0) == 80_000 * 10**12  # held by the baseline
    assert world.oracle.factors().maintenanceFactorBps == 10_000


def status(world: OracleWorld, underlying: int) -> int:
    """Check that the reverting reads agree with the one that never reverts."""
    result = world.oracle.tryRatio(underlying)
    for ratio, read in (
        (result.initialWad, world.oracle.initialMarginRatio),
        (result.maintenanceWad, world.oracle.maintenanceMarginRatio),
    ):
        if result.status == OK:
            assert read(underlying) == ratio
        else:
            with pytest.raises(Revert, match="RatioUnavailable"):
                read(underlying)
    return int(result.status)


def test_a_read_that_never_reverts_says_what_is_wrong(world: OracleWorld) -> None:
    assert status(world, 0) == NO_MANIFEST
    assert status(world, 3) == UNKNOWN
    assert status(world, 2**256 - 1) == UNKNOWN
    world.publish()
    assert status(world, 0) == OK
    world.wait(1_800)
    assert status(world, 0) == OK
    world.wait(1)
    assert status(world, 0) == OLD_MANIFEST
    world.publish()
    world.tell({1: SPOTS[1]}, age=121)
    assert [status(world, u) for u in range(3)] == [OK, STALE_PRICE, OK]
    world.evm.advance(12)
    world.tell({0: SPOTS[0], 2: SPOTS[2]})
    pages = world.pages()
    pages[1] = changed(pages[1], flags=1)
    world.publish(pages)
    world.tell()
    assert [status(world, u) for u in range(3)] == [OK, FROZEN, OK]


def test_a_lending_market_reads_the_ratio_as_an_aggregator(world: OracleWorld) -> None:
    view = world.evm.deploy("RatioAggregator", world.oracle, 0)
    with pytest.raises(Revert, match="RatioUnavailable"):
        view.latestRoundData()
    manifest = world.publish([world.page(0, ratio_ppm=123_457), *world.pages()[1:]])
    answer = (1, 12_345_700, manifest.as_of, manifest.as_of, 1)
    assert view.decimals() == 8
    assert tuple(view.latestRoundData()) == tuple(view.getRoundData(1)) == answer
    with pytest.raises(Revert, match="RoundUnknown"):
        view.getRoundData(2)
    world.wait(7_200)
    assert tuple(view.latestRoundData()) == answer
    world.tell(age=121)
    with pytest.raises(Revert, match="RatioUnavailable"):
        view.latestRoundData()


# Access


@pytest.mark.parametrize(
    ("name", "args", "allowed"),
    [
        ("setSigners", lambda w: ([w.keys[0].address], 1), GOVERNOR),
        ("setBounds", lambda w: (0, BOUNDS), GOVERNOR),
        ("setFactors", lambda w: (FACTORS,), GOVERNOR),
        ("unpauseActivation", lambda w: (), GOVERNOR),
        ("pauseActivation", lambda w: (), GUARDIAN),
        ("removeSigner", lambda w: (w.keys[0].address,), GUARDIAN),
        ("dropCurrent", lambda w: (), GUARDIAN),
    ],
)
def test_only_the_role_in_charge_governs(world: OracleWorld, name: str, args: Any, allowed: str) -> None:
    world.publish()
    world.wait(GRACE_S)
    world.publish()
    for sender in {GOVERNOR, GUARDIAN, ATTACKER} - {allowed}:
        with pytest.raises(Revert, match="AccessManagedUnauthorized"):
            getattr(world.oracle, name)(*args(world), sender=sender)
    getattr(world.oracle, name)(*args(world), sender=allowed)


def test_the_configuration_digest_is_what_the_keepers_compute(world: OracleWorld) -> None:
    from eth_abi import encode

    signers = [key.address for key in world.keys]
    types = [
        "address[]",
        "uint256",
        "(" + ",".join(["uint16"] * 7) + ")",
        "(" + ",".join(["uint32"] * 6) + ")[]",
    ]
    assert world.oracle.configDigest() == keccak(encode(types, [signers, 3, FACTORS, [BOUNDS] * 3]))


# Cost


def test_activating_three_small_pages_with_five_signatures_stays_within_its_gas() -> None:
    world = OracleWorld(quorum=5)
    for _ in range(30):  # until every position of the ring has been used
        world.publish()
        world.wait(300)
    manifest = world.propose()
    signatures = world.signed(manifest)
    cold, oracle = world.cold()
    oracle.activate(manifest.as_tuple(), signatures)
    assert cold.gas_used < 260_000
