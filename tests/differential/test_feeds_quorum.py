"""Prices that k signers observed, each held to an independent anchor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.evm import Evm, Revert, role
from tests.support.oracle_world import CHAIN_ID, GOVERNOR, GUARDIAN, NOW, govern, keys, manager

from seawall.page import PriceBatch, feed_domain, sign

MAX_AGE = 120
ANCHORED = {0: 100_000, 1: 50_000, 2: 7_000}


class Prices:
    """A feed of four signers, two of whom must sign, over a scripted anchor."""

    def __init__(self) -> None:
        self.evm = Evm(timestamp=NOW)
        self.authority = manager(self.evm)
        self.anchor = self.evm.deploy("ScriptedFeed")
        self.feed = self.evm.deploy("AnchoredPriceFeed", self.authority)
        govern(self.authority, self.feed)
        self.keys = keys(4, "price signer")
        self.feed.setSigners([key.address for key in self.keys], 2, sender=GOVERNOR)
        for underlying in ANCHORED:
            self.feed.setAnchor(underlying, self.anchor, 3_600, sender=GOVERNOR)
        self.tell()

    def tell(self, prices: Mapping[int, int] = ANCHORED, *, age: int = 0) -> None:
        for underlying, price in prices.items():
            self.anchor.set(underlying, price, self.evm.timestamp - age)

    def batch(
        self,
        signer: int,
        prices: Sequence[int],
        *,
        packed: int = 0x020100,
        age: int = 0,
        **domain: object,
    ) -> tuple[int, Sequence[int], bytes]:
        where = {"chain_id": CHAIN_ID, "feed": self.feed.address} | domain
        observed_at = self.evm.timestamp - age
        batch = PriceBatch(observed_at=observed_at, packed_underlyings=packed, prices=tuple(prices))
        return observed_at, prices, sign(batch.digest(feed_domain(**where)), self.keys[signer].key)  # type: ignore[arg-type]

    def push(self, *columns: Sequence[int], packed: int = 0x020100, age: int = 0) -> None:
        """Push one batch a signer, from the first signer on."""
        signed = [self.batch(i, prices, packed=packed, age=age) for i, prices in enumerate(columns)]
        self.feed.push(packed, len(columns[0]), signed)

    def prices(self) -> list[int]:
        return [self.feed.price(underlying).priceTicks for underlying in ANCHORED]


@pytest.fixture(scope="module")
def deployed() -> Prices:
    return Prices()


@pytest.fixture
def world(deployed: Prices) -> Iterator[Prices]:
    with deployed.evm.isolated():
        yield deployed


FAIR = list(ANCHORED.values())


def refused(
    world: Prices, error: str, batches: list[tuple[int, Sequence[int], bytes]], packed: int = 0x020100
) -> None:
    with pytest.raises(Revert) as caught:
        world.feed.push(packed, 3, batches)
    assert caught.value.name == error
    assert world.feed.lastBatchAt() == 0


# Who


def test_k_signers_suffice_and_one_does_not(world: Prices) -> None:
    refused(world, "TooFewSignatures", [world.batch(0, FAIR)])
    refused(world, "TooFewSignatures", [])
    world.push(FAIR, FAIR)
    assert world.prices() == FAIR


@pytest.mark.parametrize(("signers", "error"), [((1, 0), "SignersUnsorted"), ((0, 0), "SignersUnsorted")])
def test_signers_come_in_order_and_once(world: Prices, signers: tuple[int, ...], error: str) -> None:
    refused(world, error, [world.batch(i, FAIR) for i in signers])


def test_signatures_for_another_chain_or_feed_are_worthless(world: Prices) -> None:
    refused(world, "NotSigner", [world.batch(0, FAIR, chain_id=5), world.batch(1, FAIR)])
    refused(world, "NotSigner", [world.batch(0, FAIR, feed=role("attacker")), world.batch(1, FAIR)])


def test_a_signature_covers_prices_time_and_underlyings(world: Prices) -> None:
    good, (when, prices, signature) = world.batch(0, FAIR), world.batch(1, FAIR)
    refused(world, "NotSigner", [good, (when, [prices[0] + 1, *prices[1:]], signature)])
    refused(world, "NotSigner", [good, (when - 1, prices, signature)])
    refused(world, "NotSigner", [good, (when, prices, signature)], packed=0x030100)


def test_a_removed_signer_no_longer_counts(world: Prices) -> None:
    world.feed.removeSigner(world.keys[0].address, sender=GUARDIAN)
    refused(world, "NotSigner", [world.batch(0, FAIR), world.batch(1, FAIR)])
    world.feed.removeSigner(world.keys[1].address, sender=GUARDIAN)
    with pytest.raises(Revert, match="ThresholdOutOfRange"):
        world.feed.removeSigner(world.keys[2].address, sender=GUARDIAN)
    assert world.feed.signers() == [key.address for key in world.keys[2:]]


def test_only_the_roles_in_charge_change_signers_and_anchors(world: Prices) -> None:
    calls = (
        (GUARDIAN, lambda who: world.feed.setSigners([world.keys[0].address], 1, sender=who)),
        (GUARDIAN, lambda who: world.feed.setAnchor(0, world.anchor, 1, sender=who)),
        (GOVERNOR, lambda who: world.feed.removeSigner(world.keys[0].address, sender=who)),
    )
    for other, call in calls:
        for sender in (other, role("attacker")):
            with pytest.raises(Revert, match="AccessManagedUnauthorized"):
                call(sender)


# What


def test_the_digest_is_what_signers_compute(world: Prices) -> None:
    batch = PriceBatch(observed_at=NOW, packed_underlyings=0x020100, prices=tuple(FAIR))
    domain = feed_domain(chain_id=CHAIN_ID, feed=world.feed.address)
    assert world.feed.batchDigest(NOW, 0x020100, FAIR) == batch.digest(domain)


def test_one_lying_signer_of_three_moves_nothing_beyond_the_honest_ones(world: Prices) -> None:
    for lie in (1, 2**64 - 1, FAIR[0] * 2):
        with world.evm.isolated():
            world.push([lie, *FAIR[1:]], [FAIR[0] - 5, *FAIR[1:]], [FAIR[0] + 5, *FAIR[1:]])
            assert FAIR[0] - 5 <= world.prices()[0] <= FAIR[0] + 5


def test_an_even_number_of_prices_has_the_mean_of_the_middle_two_rounded_down(world: Prices) -> None:
    world.push([FAIR[0] + 3, *FAIR[1:]], FAIR)
    assert world.prices() == [FAIR[0] + 1, *FAIR[1:]]


def test_an_underlying_that_some_signer_has_no_price_for_is_skipped_and_the_others_go_on(
    world: Prices,
) -> None:
    world.push([FAIR[0], 0, FAIR[2]], FAIR, FAIR)
    assert world.prices() == [FAIR[0], 0, FAIR[2]]


def test_prices_that_do_not_fit_are_skipped(world: Prices) -> None:
    world.anchor.set(0, 1 << 40, NOW)
    world.push([1 << 40, *FAIR[1:]], [1 << 40, *FAIR[1:]])
    assert world.prices() == [0, *FAIR[1:]]
    world.evm.advance(1)
    world.push([(1 << 40) - 1, *FAIR[1:]], [(1 << 40) - 1, *FAIR[1:]])
    assert world.prices()[0] == (1 << 40) - 1


def test_batches_price_all_underlyings_named_and_each_once(world: Prices) -> None:
    refused(world, "WrongPriceCount", [world.batch(0, FAIR[:2]), world.batch(1, FAIR)])
    for packed in (0x020001, 0x010100):
        batches = [world.batch(i, FAIR, packed=packed) for i in range(2)]
        refused(world, "UnderlyingsUnsorted", batches, packed)
    with pytest.raises(Revert, match="TooManyUnderlyings"):
        world.feed.push(0, 33, [])


# When


def test_a_batch_is_neither_old_nor_from_the_future(world: Prices) -> None:
    refused(world, "BatchTooOld", [world.batch(0, FAIR), world.batch(1, FAIR, age=MAX_AGE + 1)])
    refused(world, "BatchFromFuture", [world.batch(0, FAIR), world.batch(1, FAIR, age=-1)])
    world.push(FAIR, FAIR, age=MAX_AGE)
    assert world.feed.price(0).observedAt == NOW - MAX_AGE


def test_the_oldest_time_counts(world: Prices) -> None:
    world.feed.push(0x020100, 3, [world.batch(0, FAIR, age=7), world.batch(1, FAIR)])
    assert world.feed.price(2).observedAt == world.feed.lastBatchAt() == NOW - 7


def test_batches_come_in_order_of_time(world: Prices) -> None:
    world.push(FAIR, FAIR, age=5)
    for age in (5, 6):
        with pytest.raises(Revert, match="BatchNotNewer"):
            world.push(FAIR, FAIR, age=age)
    world.push(FAIR, FAIR, age=4)


def test_a_laggard_can_be_left_out(world: Prices) -> None:
    world.push(FAIR, FAIR, age=5)
    late = world.batch(0, FAIR, age=6)
    with pytest.raises(Revert, match="BatchNotNewer"):
        world.feed.push(0x020100, 3, [late, world.batch(1, FAIR), world.batch(2, FAIR)])
    world.feed.push(0x020100, 3, [world.batch(1, FAIR), world.batch(2, FAIR)])


@pytest.mark.parametrize("lag", [0, 5])
def test_INV_16_a_signer_who_is_always_first_and_names_no_price_stops_no_underlying(
    world: Prices, lag: int
) -> None:
    """It pushes what a quorum of the honest has signed but one, of whom it takes the place, before they do."""
    for _ in range(5):
        world.evm.advance(60)
        world.tell()
        first, second = world.batch(0, FAIR), world.batch(1, FAIR, age=lag)
        world.feed.push(0x020100, 3, [first, world.batch(3, [0, *FAIR[1:]])])
        assert world.feed.price(0).observedAt < world.evm.timestamp - lag
        world.feed.push(0x020100, 3, [first, second])
        assert world.feed.price(0).observedAt == world.evm.timestamp - lag
        assert world.feed.price(1).observedAt == world.feed.lastBatchAt() == world.evm.timestamp
    assert world.feed.liveSeconds() == 4 * 60


def test_a_batch_moves_no_price_back_whatever_else_it_is_worth(world: Prices) -> None:
    world.push([0, *FAIR[1:]], [0, *FAIR[1:]], age=5)
    other = [price + 1 for price in FAIR]
    world.push(other, other, age=9)
    assert world.prices() == [other[0], *FAIR[1:]]
    assert [world.feed.price(underlying).observedAt for underlying in ANCHORED] == [NOW - 9, NOW - 5, NOW - 5]
    assert (world.feed.lastBatchAt(), world.feed.liveSeconds()) == (NOW - 5, 0)
    with pytest.raises(Revert, match="BatchNotNewer"):
        world.push(FAIR, FAIR, age=9)


# Anchors


@pytest.mark.parametrize("direction", [1, -1])
def test_INV_16_a_colluding_quorum_cannot_leave_the_band_of_the_anchor(world: Prices, direction: int) -> None:
    edge = FAIR[0] * 3 // 100
    forged = [FAIR[0] + direction * (edge + 1), *FAIR[1:]]
    world.push(*[forged] * 4)
    assert ("AnchorDisagreed", (0, forged[0], FAIR[0], NOW)) in world.evm.events(world.feed)
    assert world.prices() == [0, *FAIR[1:]]
    world.evm.advance(1)
    world.push(*[[FAIR[0] + direction * edge, *FAIR[1:]]] * 4)
    assert world.prices()[0] == FAIR[0] + direction * edge


def test_INV_16_an_old_anchor_makes_only_its_own_underlying_stale(world: Prices) -> None:
    world.push(FAIR, FAIR)
    world.evm.advance(60)
    world.tell({1: FAIR[1]}, age=3_601)
    world.push(FAIR, FAIR)
    assert [world.feed.price(u).observedAt for u in ANCHORED] == [NOW + 60, NOW, NOW + 60]
    world.evm.advance(60)
    world.tell({1: FAIR[1]}, age=3_600)
    world.push(FAIR, FAIR)
    assert world.feed.price(1).observedAt == NOW + 120


@pytest.mark.parametrize("mode", [1, 2, 3], ids=["reverting", "truncated", "looping"])
@pytest.mark.parametrize("through_adapter", [True, False], ids=["adapter", "bare"])
def test_INV_16_a_broken_anchor_makes_only_its_own_underlying_stale(
    world: Prices, mode: int, through_adapter: bool
) -> None:
    broken = world.evm.deploy("MockAggregator", 8)
    broken.setAnswer(50_000_000_000, NOW)
    anchor = broken
    if through_adapter:
        anchor = world.evm.deploy("ChainlinkPriceFeed", 10_000, 6, world.authority)
        govern(world.authority, anchor)
        anchor.setAggregator(1, broken, 10**18, sender=GOVERNOR)
    world.feed.setAnchor(1, anchor, 3_600, sender=GOVERNOR)
    broken.setMode(mode)
    world.push(FAIR, FAIR)
    assert world.evm.gas_used < 600_000
    assert world.prices() == [FAIR[0], 0, FAIR[2]]


def test_an_underlying_without_an_anchor_gets_no_price(world: Prices) -> None:
    assert [world.feed.hasAnchor(u) for u in (2, 3)] == [True, False]
    world.push([*FAIR, 5], [*FAIR, 5], packed=0x03020100)
    assert tuple(world.feed.price(3)) == (0, 0)
    assert world.prices() == FAIR


def test_an_anchor_is_a_contract_other_than_the_feed(world: Prices) -> None:
    for target, age in ((role("attacker"), 60), (world.feed, 60), (world.anchor, 0), (world.anchor, 1 << 32)):
        with pytest.raises(Revert, match="AnchorUnusable"):
            world.feed.setAnchor(0, target, age, sender=GOVERNOR)


def test_reading_never_reverts_for_what_is_unknown(world: Prices) -> None:
    assert tuple(world.feed.price(2**256 - 1)) == (0, 0)
    assert tuple(world.feed.cumulative(256)) == (0, 0)
    assert world.feed.load(0xFF, 32)[0] == 0


# Clocks and averages, against a few lines of Python


@settings(max_examples=max(10, settings.default.max_examples // 6))  # every push is signed
@given(
    st.lists(
        st.tuples(
            st.integers(1, 150), st.lists(st.booleans(), min_size=3, max_size=3), st.integers(-2_000, 2_000)
        ),
        min_size=1,
        max_size=12,
    )
)
def test_clocks_and_averages_run_over_live_gaps_only(
    deployed: Prices, steps: list[tuple[int, list[bool], int]]
) -> None:
    live, last = 0, 0
    twin = {u: {"price": 0, "at": 0, "fresh": 0, "sum": 0, "seconds": 0} for u in ANCHORED}
    with deployed.evm.isolated():
        for gap, dead, move in steps:
            deployed.evm.advance(gap)
            now = deployed.evm.timestamp
            deployed.tell()
            column = [0 if gone else FAIR[u] + move * FAIR[u] // 100_000 for u, gone in enumerate(dead)]
            deployed.push(column, column)
            live, last = live + (now - last if now - last <= MAX_AGE else 0), now
            for underlying, price in enumerate(column):
                if not price:
                    continue
                state = twin[underlying]
                since = now - state["at"]
                if since <= MAX_AGE:
                    state["sum"] += state["price"] * since
                    state["seconds"] += since
                else:
                    state["fresh"] = now
                state["price"], state["at"] = price, now
        assert deployed.feed.liveSeconds() == live
        words = deployed.feed.load(0x020100, 3)
        for underlying, state in twin.items():
            assert tuple(deployed.feed.price(underlying)) == (state["price"], state["at"])
            assert tuple(deployed.feed.cumulative(underlying)) == (state["sum"], state["seconds"])
            assert words[underlying] == state["price"] | state["at"] << 64 | state["fresh"] << 104


@settings(max_examples=max(10, settings.default.max_examples // 6))  # every push is signed
@given(st.lists(st.integers(1, 2**40 - 1), min_size=2, max_size=4))
def test_the_median_is_that_of_python(deployed: Prices, values: list[int]) -> None:
    ordered = sorted(values)
    half = len(values) // 2
    expected = ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) // 2
    with deployed.evm.isolated():
        deployed.anchor.set(0, expected, NOW)
        deployed.push(*[[value] for value in values], packed=0)
        assert deployed.feed.price(0).priceTicks == expected
