"""Feeds on a chain in process: rounds are read back over phases, and never for ever."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tests.support.evm import artifact

from seawall.chain.contracts import Contract
from seawall.chain.devchain import EthTesterChain
from seawall.errors import ConfigError, DataError, RpcError
from seawall.market.chainlink import FeedSettings, read_feed
from seawall.market.schema import Rounds

GENESIS = 1_700_006_400
FIRST = GENESIS - 100_000


@pytest.fixture(scope="module")
def fresh_chain() -> EthTesterChain:
    return EthTesterChain(timestamp=GENESIS, accounts=1)


@pytest.fixture
def chain(fresh_chain: EthTesterChain) -> Iterator[EthTesterChain]:
    mark = fresh_chain.snapshot()
    try:
        yield fresh_chain
    finally:
        fresh_chain.restore(mark)


def deployed(chain: EthTesterChain, name: str, decimals: int = 8) -> Contract:
    code = artifact(name)
    creation = bytes.fromhex(code["bytecode"]["object"][2:]) + decimals.to_bytes(32, "big")
    receipt = chain.sender(0).send(None, creation, what=name)
    return Contract(chain.w3, str(receipt["contractAddress"]), code["abi"], name=name)


def phased(chain: EthTesterChain, phases: dict[int, list[tuple[float, int]]], *, first: int = 1) -> Contract:
    """Return a feed with rounds (price, seconds after FIRST) in phases."""
    feed = deployed(chain, "PhasedAggregator")
    for phase, rounds in phases.items():
        answers, times = [round(p * 1e8) for p, _ in rounds], [FIRST + t for _, t in rounds]
        feed.transact(chain.sender(0), "write", phase, first, answers, times)
    return feed


def read(chain: EthTesterChain, feed: Contract, since_s: int = 0, **limits: Any) -> Rounds:
    return read_feed(
        chain.w3, feed.address, symbol="BTC/USD", since_s=since_s, settings=FeedSettings(**limits)
    )


def test_rounds_are_read_back_over_phases_oldest_first(chain: EthTesterChain) -> None:
    feed = phased(
        chain,
        {
            1: [(100.0 + i, 100 * i) for i in range(5)],
            2: [(200.0, 600)],
            4: [(300.5, 700), (301.5, 700), (302.5, 900)],
        },
    )
    for zeroes in (False, True):
        feed.transact(chain.sender(0), "setZeroesForAbsent", zeroes)
        seen: list[int] = []
        rounds = read_feed(chain.w3, feed.address, symbol="BTC/USD", since_s=0, on_round=seen.append)
        assert rounds.price.tolist() == [100.0, 101.0, 102.0, 103.0, 104.0, 200.0, 300.5, 301.5, 302.5]
        assert (rounds.times_s - FIRST).tolist() == [0, 100, 200, 300, 400, 600, 700, 700, 900]
        assert seen == rounds.times_s[::-1].tolist()


def test_reading_stops_at_the_round_in_force_when_the_time_began(chain: EthTesterChain) -> None:
    feed = phased(chain, {0: [(100.0 + i, 100 * i) for i in range(50)]})
    rounds = read(chain, feed, FIRST + 4_650, most_rounds=5)
    assert (rounds.times_s - FIRST).tolist() == [4_600, 4_700, 4_800, 4_900]


def test_rounds_that_say_nothing_are_left_out(chain: EthTesterChain) -> None:
    feed = phased(chain, {1: [(100.0, 0), (0.0, 100), (-5.0, 200), (103.0, 10**6), (104.0, 400)]})
    feed.transact(chain.sender(0), "write", 1, 8, [105 * 10**8], [FIRST + 800])  # 6 and 7 are absent
    assert read(chain, feed).price.tolist() == [100.0, 104.0, 105.0]


def test_more_rounds_than_allowed_are_refused(chain: EthTesterChain) -> None:
    feed = phased(chain, {1: [(100.0, 10 * i) for i in range(40)]})
    with pytest.raises(DataError, match="more than 39 rounds"):
        read(chain, feed, most_rounds=39)
    with pytest.raises(RpcError, match="not read within"):
        read(chain, feed, timeout_s=1e-9)
    gap = phased(chain, {1: [(100.0, 0)]}, first=100)
    with pytest.raises(DataError, match="lacks more than 3 rounds in a row"):
        read(chain, gap, most_absent=3)


def test_what_is_no_feed_is_refused(chain: EthTesterChain) -> None:
    with pytest.raises(DataError, match="no price feed"):
        read_feed(chain.w3, "0x" + "12" * 20, symbol="X", since_s=0)
    with pytest.raises(DataError, match="99 decimals"):
        read(chain, deployed(chain, "PhasedAggregator", 99))
    with pytest.raises(DataError, match="answers nothing"):
        read(chain, deployed(chain, "PhasedAggregator"))
    with pytest.raises(ConfigError, match="most_rounds"):
        FeedSettings(most_rounds=0)


@pytest.mark.parametrize("mode", [1, 2])
def test_a_feed_that_breaks_is_an_error_of_data(chain: EthTesterChain, mode: int) -> None:
    feed = deployed(chain, "MockAggregator")
    feed.transact(chain.sender(0), "setAnswer", 30_000 * 10**8, GENESIS - 60)
    assert read(chain, feed, GENESIS - 60).price.tolist() == [30_000.0]
    feed.transact(chain.sender(0), "setMode", mode)
    with pytest.raises(DataError, match="answers nothing"):
        read(chain, feed)


def test_candles_of_rounds_have_the_newest_price_at_their_end_unless_it_is_old(chain: EthTesterChain) -> None:
    feed = phased(chain, {1: [(100.0, 0), (101.0, 1_800), (99.0, 1_900), (102.0, 4_000), (103.0, 30_000)]})
    rounds = read(chain, feed)
    start = FIRST // 3600 * 3600
    bars = rounds.candles(bar_s=3600, max_age_s=3700, until_s=start + 40_000)
    expected: dict[int, float] = {}
    for end in range(start + 3600, start + 40_001, 3600):
        known = [(t, p) for t, p in zip(rounds.times_s, rounds.price, strict=True) if t <= end]
        if known and end - known[-1][0] <= 3700:
            expected[end - 3600] = known[-1][1]
    assert dict(zip(bars.start_s.tolist(), bars.close.tolist(), strict=True)) == expected
    assert len(expected) < 11
    assert (bars.low <= bars.close).all()
    assert (bars.close <= bars.high).all()
    assert np.isnan(bars.volume).all()
    # Without being told that later rounds are known, the bar in which the newest round lies is not complete.
    assert rounds.candles(bar_s=3600, max_age_s=3700).known_at[-1] <= rounds.times_s[-1]
    assert not len(
        Rounds(symbol="X", times_s=rounds.times_s[:0], price=rounds.price[:0])
        .candles(bar_s=60, max_age_s=1)
        .close
    )
