"""Rounds of an AggregatorV3 as prices of lots."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.evm import Contract, Evm, Revert, role
from tests.support.oracle_world import GOVERNOR, NOW, govern, manager

TICK = 100  # token units
UNIT = 10**6


@pytest.fixture(scope="module")
def deployed() -> tuple[Contract, Contract]:
    evm = Evm(timestamp=NOW)
    authority = manager(evm)
    feed = evm.deploy("ChainlinkPriceFeed", TICK, 6, authority)
    govern(authority, feed)
    aggregator = evm.deploy("MockAggregator", 8)
    feed.setAggregator(0, aggregator, 10**16, sender=GOVERNOR)
    return feed, aggregator


@pytest.fixture
def pair(deployed: tuple[Contract, Contract]) -> Iterator[tuple[Contract, Contract]]:
    with deployed[0].evm.isolated():
        yield deployed


def test_a_round_is_converted_to_ticks_for_a_lot(pair: tuple[Contract, Contract]) -> None:
    feed, aggregator = pair
    aggregator.setAnswer(65_432_12345678, NOW - 5)  # a hundredth of it is 654.3212 tokens
    assert tuple(feed.price(0)) == (6_543_212, NOW - 5)
    word = feed.load(0x0100, 2)[0]
    assert word == feed.price(0).priceTicks | (NOW - 5) << 64 | (NOW - 5) << 104


@given(
    answer=st.integers(1, 2**90),
    decimals=st.sampled_from((0, 6, 8, 18)),
    lot=st.integers(1, 10**24),
)
def test_conversion_equals_exact_division(
    deployed: tuple[Contract, Contract], answer: int, decimals: int, lot: int
) -> None:
    feed, _ = deployed
    with feed.evm.isolated():
        aggregator = feed.evm.deploy("MockAggregator", decimals)
        aggregator.setAnswer(answer, NOW)
        feed.setAggregator(1, aggregator, lot, sender=GOVERNOR)
        ticks = answer * lot * UNIT // (10**decimals * 10**18 * TICK)
        assert tuple(feed.price(1)) == ((ticks, NOW) if 0 < ticks < 2**40 else (0, 0))


@pytest.mark.parametrize(
    ("round_", "answer", "updated_at", "answered_in"),
    [
        pytest.param(7, 0, NOW, 7, id="zero"),
        pytest.param(7, -1, NOW, 7, id="negative"),
        pytest.param(7, -(2**255), NOW, 7, id="most negative"),
        pytest.param(7, 10**12, 0, 7, id="incomplete"),
        pytest.param(7, 10**12, NOW, 6, id="carried over"),
        pytest.param(7, 10**12, 1 << 40, 7, id="time out of range"),
        pytest.param(7, 2**255 - 1, NOW, 7, id="largest"),
        pytest.param(7, 10, NOW, 7, id="less than a tick"),
    ],
)
def test_an_unusable_round_is_no_price(
    pair: tuple[Contract, Contract], round_: int, answer: int, updated_at: int, answered_in: int
) -> None:
    feed, aggregator = pair
    aggregator.setRound(round_, answer, updated_at, answered_in)
    assert tuple(feed.price(0)) == (0, 0)
    assert feed.load(0, 1) == [0]


@pytest.mark.parametrize("mode", [1, 2, 3], ids=["reverting", "truncated", "looping"])
def test_a_broken_aggregator_is_no_price(pair: tuple[Contract, Contract], mode: int) -> None:
    feed, aggregator = pair
    aggregator.setAnswer(10**12, NOW)
    aggregator.setMode(mode)
    assert tuple(feed.price(0, gas=3_000_000)) == (0, 0)


def test_an_unknown_underlying_has_no_price(pair: tuple[Contract, Contract]) -> None:
    assert tuple(pair[0].price(9)) == (0, 0)
    assert pair[0].load(0xFF00, 32)[1] == 0


def test_old_rounds_are_returned_with_their_time(pair: tuple[Contract, Contract]) -> None:
    feed, aggregator = pair
    aggregator.setAnswer(10**12, NOW - 10**6)
    assert feed.price(0).observedAt == NOW - 10**6


@pytest.mark.parametrize(("decimals", "lot"), [(8, 0), (8, 1 << 128), (37, 10**18)])
def test_an_aggregator_that_cannot_be_converted_is_refused(
    pair: tuple[Contract, Contract], decimals: int, lot: int
) -> None:
    feed, _ = pair
    aggregator = feed.evm.deploy("MockAggregator", decimals)
    with pytest.raises(Revert, match="AggregatorUnusable"):
        feed.setAggregator(1, aggregator, lot, sender=GOVERNOR)


def test_only_the_governor_sets_aggregators(pair: tuple[Contract, Contract]) -> None:
    feed, aggregator = pair
    assert feed.aggregatorOf(0) == aggregator.address
    with pytest.raises(Revert, match="AccessManagedUnauthorized"):
        feed.setAggregator(0, aggregator, 1, sender=role("attacker"))
