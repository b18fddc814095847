"""Settlement prices: exact averages of the half hour before an expiry, whatever arrived and whoever asks when."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils import keccak
from hypothesis import event, given, settings
from hypothesis import strategies as st
from tests.support.evm import Contract, Evm, Revert, role
from tests.support.feeds import CHAIN_ID
from tests.support.oracle_world import GOVERNOR, govern, manager

from seawall.page import PriceBatch, feed_domain, sign
from seawall.reference.expiry import Averages

HOUR = 472_224
EXPIRY = HOUR * 3600
BEGIN = EXPIRY - 1800
WINDOW_S, LIVE_S, EXTENSION, DAY = 1800, 120, 48, 86_400
ONE = 1 << 16

Path = list[tuple[int, int]]  # when observed, ticks


class Feed:
    """A feed of one signer, and beside it everything that was pushed."""

    def __init__(self) -> None:
        self.evm = Evm(timestamp=BEGIN - 7200)
        authority = manager(self.evm)
        self.contract: Contract = self.evm.deploy("IndependentPriceFeed", authority)
        govern(authority, self.contract)
        self.key: LocalAccount = Account.from_key(keccak(text="seawall key price signer"))
        self.contract.setSigners([self.key.address], 1, sender=GOVERNOR)

    def push(self, at: int, ticks: int) -> None:
        self.evm.timestamp = max(self.evm.timestamp, at)
        batch = PriceBatch(observed_at=at, packed_underlyings=0, prices=(ticks,))
        signature = sign(
            batch.digest(feed_domain(chain_id=CHAIN_ID, feed=self.contract.address)), self.key.key
        )
        self.contract.push(0, 1, [(at, (ticks,), signature)])

    def replay(self, path: Path) -> Averages:
        twin = Averages()
        for at, ticks in path:
            self.push(at, ticks)
            twin.observe(ticks, at)
        return twin

    def settlement(self) -> tuple[int, int, bool]:
        return tuple(self.contract.settlement(0, HOUR))


@pytest.fixture(scope="module")
def deployed() -> Feed:
    return Feed()


@pytest.fixture
def feed(deployed: Feed) -> Iterator[Feed]:
    with deployed.evm.isolated():
        yield deployed


def steady(begin: int, end: int, ticks: int, every: int = 60) -> Path:
    return [(at, ticks) for at in range(begin, end, every)]


def integral(path: Path, begin: int, end: int) -> tuple[int, int]:
    """Return sum of price times seconds and of seconds between two times, second by second over live gaps only."""
    weighted = seconds = 0
    for (at, ticks), (following, _) in pairwise(path):
        if following - at <= LIVE_S:
            ran = max(min(following, end) - max(at, begin), 0)
            weighted, seconds = weighted + ticks * ran, seconds + ran
    return weighted, seconds


def expected(path: Path, now: int) -> int | None:
    """Return the final price, from the path alone; None while something can still change it."""
    newest = path[-1][0]
    for half in range(EXTENSION + 1):
        end = EXPIRY + half * WINDOW_S
        if newest < end and now <= end + 2 * LIVE_S:
            return None
        weighted, seconds = integral(path, BEGIN, end)
        if seconds >= 600:
            return weighted // seconds
    return [ticks for at, ticks in path if at < end][-1]


@st.composite
def paths(draw: st.DrawFn) -> Path:
    """Prices from before the window on: runs of live gaps, dead gaps of minutes, hours or days."""
    gaps = st.one_of(
        st.integers(1, 121), st.integers(40, 120), st.integers(121, 2400), st.integers(3_000, 100_000)
    )
    at = draw(st.integers(BEGIN - 5_000, BEGIN + 1_000))
    path = [(at, draw(st.integers(1, 2**40 - 1)))]
    for _ in range(draw(st.integers(0, 12))):
        gap, count = draw(gaps), draw(st.sampled_from((1, 1, 6)))
        for _ in range(count if gap <= 120 else 1):
            at += gap
            path.append((at, draw(st.integers(1, 2**40 - 1))))
    return path


@given(path=paths(), later=st.sampled_from((0, 5, 239, 240, 241, 3_000, DAY, DAY + 241)))
def test_a_settlement_price_is_the_integral_of_the_path(deployed: Feed, path: Path, later: int) -> None:
    with deployed.evm.isolated():
        twin = deployed.replay(path)
        now = deployed.evm.timestamp = max(path[-1][0] + later, EXPIRY - WINDOW_S)
        found = twin.settlement(HOUR, now=now)
        assert deployed.settlement() == (found.average, found.weight_x16, False)
        wanted = expected(path, now)
        event("final" if wanted else "open")
        assert twin.fix(HOUR, now=now) == wanted
        if wanted is None:
            assert found.weight_x16 < ONE
            with pytest.raises(Revert, match="SettlementTooEarly"):
                deployed.contract.fixSettlement(0, HOUR)
            return
        assert deployed.contract.fixSettlement(0, HOUR, sender=role("stranger")) == wanted
        assert deployed.settlement() == (wanted, ONE, True)
        if found.weight_x16 == ONE:
            assert found.average == wanted


@given(path=paths(), more=paths(), wait=st.integers(0, 3 * DAY))
@settings(max_examples=30)
def test_whoever_delays_fixing_gains_nothing(deployed: Feed, path: Path, more: Path, wait: int) -> None:
    """A price that could be fixed is the same after anything that happens later."""
    with deployed.evm.isolated():
        deployed.replay(path)
        deployed.evm.timestamp = max(path[-1][0] + wait, EXPIRY)
        early = None
        with deployed.evm.isolated(), suppress(Revert):
            early = deployed.contract.fixSettlement(0, HOUR)
        event("final" if early else "open")
        begin = deployed.evm.timestamp - 120 if wait >= 120 else deployed.evm.timestamp
        at = max(begin, path[-1][0] + 1)
        for moment, ticks in more:
            deployed.push(at + moment - more[0][0], ticks)
        if early is not None:
            assert deployed.contract.fixSettlement(0, HOUR) == early


@given(
    every=st.integers(2, 60),
    calm=st.integers(1_000, 2**30),
    factor=st.integers(2, 1_000),
    before=st.integers(1, 60),
)
@settings(max_examples=20)
def test_a_spike_moves_the_price_by_its_share_of_the_time(
    deployed: Feed, every: int, calm: int, factor: int, before: int
) -> None:
    with deployed.evm.isolated():
        path = [
            *steady(BEGIN - 60, EXPIRY - before, calm, 60),
            (EXPIRY - before, calm * factor),
            (EXPIRY, calm),
        ]
        path = sorted(dict(path).items())
        deployed.replay(path)
        price = deployed.contract.fixSettlement(0, HOUR)
        assert 0 <= price - calm <= calm * (factor - 1) * before // WINDOW_S


def test_the_weight_is_the_elapsed_share_at_the_newest_price(feed: Feed) -> None:
    for at, ticks in steady(BEGIN - 120, BEGIN + 1, 1_000):
        feed.push(at, ticks)
    assert feed.settlement() == (1_000, 0, False)
    for at in range(BEGIN + 60, EXPIRY - 59, 60):
        feed.push(at, 3_000)
        assert feed.settlement()[1] == ((at - BEGIN) << 16) // WINDOW_S
    feed.push(EXPIRY - 1, 3_000)
    assert feed.settlement()[1] < ONE
    feed.push(EXPIRY + 10, 9_000)
    ran = 1_000 * 60 + 3_000 * 1_740
    assert feed.settlement() == (ran // 1800, ONE, False)
    feed.evm.advance(10 * DAY)
    assert feed.contract.fixSettlement(0, HOUR) == ran // 1800
    assert feed.contract.fixSettlement(0, HOUR) == ran // 1800


def test_the_weight_is_the_live_share_of_the_average_that_is_to_come(feed: Feed) -> None:
    """After a silence most of the average is open, whatever has passed of the half hour: 600 seconds take another."""
    for at, ticks in steady(BEGIN - 60, BEGIN + 301, 5_000):
        feed.push(at, ticks)
    for at, ticks in steady(EXPIRY - 60, EXPIRY - 29, 8_000, 30):
        feed.push(at, ticks)
    average = (5_000 * 300 + 8_000 * 30) // 330
    assert feed.settlement() == (average, (330 << 16) // (330 + 30 + WINDOW_S), False)


def test_a_feed_that_dies_before_expiry_settles_by_what_it_saw(feed: Feed) -> None:
    for at, ticks in steady(BEGIN - 60, BEGIN + 1201, 5_000):
        feed.push(at, ticks)
    feed.evm.timestamp = EXPIRY + 240
    with pytest.raises(Revert, match="SettlementTooEarly"):
        feed.contract.fixSettlement(0, HOUR)
    feed.evm.timestamp = EXPIRY + 241
    assert feed.contract.fixSettlement(0, HOUR) == 5_000


def test_a_window_with_too_few_seconds_is_extended_to_the_first_half_hour_with_enough(feed: Feed) -> None:
    for at, ticks in steady(BEGIN - 60, BEGIN + 541, 5_000):  # 540 live seconds
        feed.push(at, ticks)
    for at, ticks in steady(EXPIRY + 1700, EXPIRY + 1901, 8_000, 100):
        feed.push(at, ticks)
    assert feed.contract.fixSettlement(0, HOUR) == (5_000 * 540 + 8_000 * 100) // 640


def live_for(begin: int, seconds: int, ticks: int) -> Path:
    """Return prices whose live gaps add up to so many seconds from `begin` on."""
    return [*steady(begin, begin + seconds, ticks), (begin + seconds, ticks)]


@pytest.mark.parametrize("seconds", [599, 600])
def test_an_average_takes_six_hundred_live_seconds_and_not_one_less(feed: Feed, seconds: int) -> None:
    path = live_for(BEGIN, seconds, 5_000)
    twin = feed.replay(path)
    feed.evm.timestamp = EXPIRY + 241
    enough = seconds == 600
    assert twin.fix(HOUR, now=EXPIRY + 241) == expected(path, EXPIRY + 241) == (5_000 if enough else None)
    if enough:
        assert feed.contract.fixSettlement(0, HOUR) == 5_000
        return
    average, weight, _ = feed.settlement()
    assert (average, weight) == (5_000, (seconds << 16) // (2 * WINDOW_S))  # of the next half hour's average
    with pytest.raises(Revert, match="SettlementTooEarly"):
        feed.contract.fixSettlement(0, HOUR)


@pytest.mark.parametrize("late", [0, 1, 2])
def test_the_last_half_hour_of_the_extension_may_bring_the_six_hundredth_second(
    feed: Feed, late: int
) -> None:
    """One second too few by then, and the last price counts; a dead gap lends none of its own."""
    path = live_for(BEGIN, 599, 5_000)
    path += [(EXPIRY + DAY - 50 + at, 9_000) for at in range(late + 1)]
    twin = feed.replay(path)
    now = feed.evm.timestamp = EXPIRY + DAY + 241
    wanted = (599 * 5_000 + late * 9_000) // (599 + late) if late else 9_000
    assert twin.fix(HOUR, now=now) == expected(path, now) == wanted
    assert feed.contract.fixSettlement(0, HOUR) == wanted


@pytest.mark.parametrize("alive_again", [EXPIRY + DAY - 60, EXPIRY + DAY + 500, EXPIRY + 9 * DAY])
@pytest.mark.parametrize("asked", [EXPIRY + DAY + 3_600, EXPIRY + 10 * DAY])
def test_a_feed_that_is_dead_for_a_day_settles_at_its_last_price(
    feed: Feed, alive_again: int, asked: int
) -> None:
    feed.push(BEGIN - 100, 7_000)
    feed.evm.timestamp = EXPIRY + DAY + 240
    with feed.evm.isolated(), pytest.raises(Revert, match="SettlementTooEarly"):
        feed.contract.fixSettlement(0, HOUR)
    if alive_again < asked:
        feed.evm.timestamp = BEGIN
        for at, ticks in steady(alive_again, alive_again + 800, 11_000):
            feed.push(at, ticks)
    feed.evm.timestamp = asked
    wanted = 11_000 if alive_again < EXPIRY + DAY else 7_000
    assert feed.contract.fixSettlement(0, HOUR) == wanted


@pytest.mark.parametrize(
    ("underlying", "hour"), [(256, HOUR), (2**255, HOUR), (0, 0), (0, 2**24), (0, 2**256 - 1)]
)
def test_what_no_record_can_name_has_no_settlement(feed: Feed, underlying: int, hour: int) -> None:
    feed.push(BEGIN, 5)
    assert tuple(feed.contract.settlement(underlying, hour)) == (0, 0, False)
    with pytest.raises(Revert, match="SettlementTooEarly"):
        feed.contract.fixSettlement(underlying, hour)


def test_an_underlying_that_never_had_a_price_is_not_settled(feed: Feed) -> None:
    feed.evm.timestamp = EXPIRY + 30 * DAY
    with pytest.raises(Revert, match="SettlementTooEarly"):
        feed.contract.fixSettlement(9, HOUR)


def test_a_checkpoint_costs_one_word_every_half_hour(feed: Feed) -> None:
    for ago in (180, 120, 60):
        feed.push(BEGIN - ago, 5)
    plain = feed.evm.gas_used
    feed.push(BEGIN + 1, 5)
    assert feed.evm.gas_used - plain <= 26_000
    feed.push(BEGIN + 60, 5)
    assert abs(feed.evm.gas_used - plain) <= 200
