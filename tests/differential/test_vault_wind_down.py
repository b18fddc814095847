"""Closing the vault when no manifest comes any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from tests.support.evm import Revert, role
from tests.support.market import SPOT, TICK
from tests.support.system import TOKEN, VENUE, System, account_id
from tests.support.twin import VENUE_ACCOUNT, Twin, differences
from tests.support.twin_world import address

from seawall.reference import Fill, price_wind_down, settle, settle_wind_down, start_wind_down, withdraw

LONG, SHORT, SAVER, STRANGER = role("long"), role("short"), role("saver"), role("stranger")
DAY = 86_400


@pytest.fixture(scope="module")
def deployed() -> System:
    """A long and a short of two perpetuals with funding, and somebody who only saves."""
    system = System.deploy(underlyings=2, liquidator_role=role("liquidator"))
    system.markets[0].funding_rate = 0.05
    system.publish()
    accounts = system.open(LONG, 1_000), system.open(SHORT, 1_000)
    system.open(SAVER, 500)
    system.trade(*accounts, lots=30)
    system.trade(*accounts, lots=-20, page=1)
    return system


@pytest.fixture
def system(deployed: System) -> Iterator[System]:
    with deployed.isolated():
        yield deployed


ACCOUNTS = [account_id(name) for name in (LONG, SHORT, SAVER)]


def start(system: System) -> None:
    system.evm.advance(3 * DAY)
    system.push()
    system.vault.startWindDown(sender=STRANGER)


def price(system: System, spots: tuple[int, int] = (SPOT, SPOT >> 1)) -> None:
    """Ten live minutes at the prices, then a day."""
    for underlying, spot in enumerate(spots):
        system.move(underlying, spot)
    system.advance(600)
    system.evm.advance(DAY)
    system.vault.priceWindDown(sender=STRANGER)


def withdraw_all(system: System, account: bytes) -> int:
    owner = system.owner(account)
    paid: int = system.vault.withdraw(account, system.cash(account), owner, sender=owner)
    return paid


def test_a_wind_down_starts_three_days_after_the_last_manifest_and_not_before(system: System) -> None:
    system.evm.advance(3 * DAY - 30)
    with pytest.raises(Revert, match="WindDownTooEarly"):
        system.vault.startWindDown()
    system.push()
    system.publish()
    system.evm.advance(3 * DAY - 1)
    with pytest.raises(Revert, match="WindDownTooEarly"):
        system.vault.startWindDown()
    system.evm.advance(1)
    system.vault.startWindDown()
    with pytest.raises(Revert, match="WoundDown"):
        system.vault.startWindDown()


def test_a_vault_that_never_had_a_manifest_counts_from_its_deployment(system: System) -> None:
    oracle = system.evm.deploy("MarginOracle", system.registry, system.feed.contract, system.manager)
    parts = (system.token, oracle, system.feed.contract, system.registry, system.manager)
    vault = system.evm.deploy("MarginVault", *parts)
    system.evm.advance(3 * DAY - 1)
    with pytest.raises(Revert, match="WindDownTooEarly"):
        vault.startWindDown()
    system.evm.advance(1)
    vault.startWindDown()


def test_once_begun_nothing_comes_in_and_nothing_trades(system: System) -> None:
    start(system)
    with pytest.raises(Revert, match="WoundDown"):
        system.deposit(ACCOUNTS[0], TOKEN)
    with pytest.raises(Revert, match="WoundDown"):
        system.trade(*ACCOUNTS[:2], lots=-1)
    with pytest.raises(Revert, match="WoundDown"):
        system.vault.beginAuction(ACCOUNTS[0], 0, 0, sender=role("liquidator"))
    with pytest.raises(Revert, match="WoundDown"):
        system.vault.distributeFees(VENUE)
    with pytest.raises(Revert, match="AccountsNotSettled"):
        withdraw_all(system, ACCOUNTS[2])


def test_each_step_waits_for_the_one_before(system: System) -> None:
    with pytest.raises(Revert, match="NotWoundDown"):
        system.vault.priceWindDown()
    with pytest.raises(Revert, match="WindDownNotPriced"):
        system.vault.settleWindDown(ACCOUNTS[0])
    start(system)
    system.evm.advance(DAY - 1)
    with pytest.raises(Revert, match="WindDownTooEarly"):
        system.vault.priceWindDown()
    with pytest.raises(Revert, match="WindDownNotPriced"):
        system.vault.settleWindDown(ACCOUNTS[0])
    system.evm.advance(1)
    system.vault.priceWindDown()
    with pytest.raises(Revert, match="WoundDown"):
        system.vault.priceWindDown()
    system.vault.settleWindDown(ACCOUNTS[0])
    with pytest.raises(Revert, match="AccountsNotSettled"):
        withdraw_all(system, ACCOUNTS[2])
    system.vault.settleWindDown(ACCOUNTS[1])
    withdraw_all(system, ACCOUNTS[2])


def test_final_prices_are_averages_over_live_time(system: System) -> None:
    start(system)
    system.advance(300)
    system.move(0, SPOT * 110 // 100)
    system.advance(300)
    system.evm.advance(DAY)
    system.vault.priceWindDown()
    average = system.vault.windDownPriceTicks(0)
    assert abs(average - SPOT * 105 // 100) < SPOT // 500
    assert system.vault.windDownPriceTicks(1) == SPOT >> 1


def test_an_underlying_without_a_live_second_is_settled_at_its_last_price(system: System) -> None:
    system.move(1, SPOT * 52 // 100)
    start(system)
    system.advance(600, dead=[1])
    system.evm.advance(DAY)
    system.vault.priceWindDown()
    assert system.vault.windDownPriceTicks(1) == SPOT * 52 // 100


@settings(max_examples=settings().max_examples // 5)
@given(st.integers(900_000, 1_100_000), st.integers(450_000, 550_000), st.permutations(range(3)))
def test_INV_17_without_manifests_everybody_leaves_with_everything(
    deployed: System, first: int, second: int, order: list[int]
) -> None:
    with deployed.isolated() as system:
        start(system)
        price(system, (first, second))
        market = system.markets[0]
        funding_x32 = market.funding_x32 + round(market.published_rate * 2**32) * market.funding_cap_s
        final = [system.vault.windDownPriceTicks(u) for u in range(2)]
        worth = 30 * (final[0] - (funding_x32 >> 32)) - 20 * final[1]
        cash = system.cash(ACCOUNTS[0])
        for i in order:
            system.vault.settleWindDown(ACCOUNTS[i], sender=STRANGER)
        assert system.cash(ACCOUNTS[0]) == max(cash + worth * TICK, 0)
        assert system.vault.accountsWithPositions() == 0
        assert [system.vault.openInterest(u) for u in range(2)] == [0, 0]
        deficit = system.vault.deficit()
        assert sum(map(system.cash, ACCOUNTS)) == 2_500 * TOKEN + deficit
        owed = {i: system.cash(ACCOUNTS[i]) for i in order}
        left = {i: withdraw_all(system, ACCOUNTS[i]) for i in order if owed[i]}
        dust = len(ACCOUNTS) + 1
        assert abs(sum(left.values()) - 2_500 * TOKEN) <= dust
        share = 2_500 * TOKEN / (2_500 * TOKEN + deficit)
        assert all(abs(paid - owed[i] * share) <= dust for i, paid in left.items())


def bankrupt(system: System) -> None:
    """Wind down at a price that leaves the long about 500 tokens short."""
    start(system)
    price(system, (SPOT * 50 // 100, SPOT >> 1))
    for account in ACCOUNTS:
        system.vault.settleWindDown(account)


def test_a_loss_beyond_an_account_is_shared_by_all_who_leave(system: System) -> None:
    bankrupt(system)
    deficit = system.vault.deficit()
    assert 400 * TOKEN < deficit < 600 * TOKEN
    assert system.cash(ACCOUNTS[0]) == 0
    haircut = system.vault.exitHaircutWad()
    owed = system.cash(ACCOUNTS[2])
    assert abs(withdraw_all(system, ACCOUNTS[2]) - owed * (10**18 - haircut) // 10**18) <= 1
    assert abs(system.vault.exitHaircutWad() - haircut) < 10**10
    withdraw_all(system, ACCOUNTS[1])
    assert system.token.balanceOf(system.vault) <= 2
    assert system.vault.deficit() <= 2


def test_the_fund_pays_for_a_loss_before_it_is_shared(system: System) -> None:
    system.endow_fund(10_000)
    bankrupt(system)
    assert system.vault.deficit() == 0
    assert withdraw_all(system, ACCOUNTS[2]) == 500 * TOKEN


def test_an_account_in_auction_is_settled_like_any_other(system: System) -> None:
    system.evm.advance(12)
    system.vault.beginAuction(ACCOUNTS[0], 7 * TOKEN, 0, sender=role("liquidator"))
    start(system)
    price(system)
    for account in ACCOUNTS:
        system.vault.settleWindDown(account)
    assert system.vault.bookedLosses() == 0
    for account in ACCOUNTS:
        withdraw_all(system, account)
    assert system.token.balanceOf(system.vault) == 0


def test_settling_twice_changes_nothing(system: System) -> None:
    start(system)
    price(system)
    for account in ACCOUNTS:
        system.vault.settleWindDown(account)
    words = [system.vault.accountWord(account) for account in ACCOUNTS]
    for account in ACCOUNTS:
        system.vault.settleWindDown(account)
    assert words == [system.vault.accountWord(account) for account in ACCOUNTS]
    assert system.vault.accountsWithPositions() == 0


def test_a_late_manifest_changes_no_final_value(system: System) -> None:
    start(system)
    price(system)
    system.vault.settleWindDown(ACCOUNTS[0])
    system.push()
    system.markets[0].funding_rate = -0.05
    system.publish()
    system.evm.advance(600)
    system.vault.settleWindDown(ACCOUNTS[1])
    assert sum(map(system.cash, ACCOUNTS)) == 2_500 * TOKEN + system.vault.deficit()


# The reference, told the same


@pytest.fixture(scope="module")
def twin() -> Twin:
    return Twin.deploy()


prices = st.integers(300_000, 1_700_000)
positions = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 60) | st.integers(-60, -1)), min_size=1, max_size=4
)


@settings(max_examples=settings().max_examples // 3)
@given(
    held=positions,
    fund=st.sampled_from((0, 0, 3, 400, 50_000)),
    rate=st.sampled_from((-0.1, 0.0, 0.1)),
    spots=st.tuples(prices, prices),
    silent=st.sampled_from(((), (1,))),
    failing=st.booleans(),
    order=st.permutations(range(4)),
    fees=st.integers(0, 4),
    late=st.booleans(),
)
def test_INV_17_INV_24_closing_equals_the_reference_and_leaves_nobody_behind(
    twin: Twin,
    held: list[tuple[int, int]],
    fund: int,
    rate: float,
    spots: tuple[int, int],
    silent: tuple[int, ...],
    failing: bool,
    order: list[int],
    fees: int,
    late: bool,
) -> None:
    """Every step on both sides, at prices that may leave either short, with or without a booked loss and a fund."""
    followed = twin.fresh()
    with followed.system.isolated() as system:
        vault, ledger = system.vault, followed.vault
        keys = [
            followed.open(name, tokens) for name, tokens in (("long", 700), ("short", 900), ("saver", 400))
        ]
        keys.append(VENUE_ACCOUNT)
        if fund:
            followed.endow(fund)

        def step(on_chain: Callable[[], Any], reference: Callable[[], Any]) -> tuple[Any, Revert | None]:
            answer = followed.both(on_chain, reference)
            assert not differences(followed.on_chain(keys), followed.expected(keys))
            return answer

        for market in system.markets.values():
            market.funding_rate = rate
        assert followed.publish() is None
        for page, lots in held:
            price = system.markets[page].spot
            fill = Fill(
                taker=keys[0],
                maker=keys[1],
                page=page,
                slot=0,
                generation=1,
                lots=lots,
                price_ticks=price,
                taker_fee=TOKEN,
            )
            values = (keys[0], keys[1], page, 0, 1, lots, price, TOKEN, 0)
            step(
                partial(vault.settle, values, (), (), sender=VENUE),
                partial(settle, ledger, fill, sender=address(VENUE)),
            )
        for underlying, spot in enumerate(spots):
            system.move(underlying, spot)
        followed.advance(400)
        if failing:
            for key in keys[:2]:
                step(
                    partial(system.liquidator.start, key, ()),
                    partial(followed.liquidator.start, key),
                )
        wait = ledger.world.current.activated_at + 3 * DAY - 1 - system.evm.timestamp
        system.evm.advance(wait)
        for early in (True, False):
            _, refused = step(vault.startWindDown, lambda: start_wind_down(ledger))
            assert bool(refused) == early
            system.evm.advance(early)
        followed.dead = set(silent)
        followed.advance(350)
        system.evm.advance(DAY)
        step(vault.priceWindDown, lambda: price_wind_down(ledger))
        for left, i in enumerate(order):
            if late and left == 1:
                followed.push()
                event(f"late manifest: {followed.publish() or 'accepted'}")
                followed.advance(600)
            key = keys[i]
            _, refused = step(partial(vault.settleWindDown, key), partial(settle_wind_down, ledger, key))
            assert refused is None
        deficit, share = vault.deficit(), vault.exitHaircutWad()
        event("deficit" if deficit else "whole")
        for left, i in enumerate(order):
            if left == fees:
                step(lambda: vault.distributeFees(VENUE), lambda: ledger.distribute_fees(address(VENUE)))
            key, cash = keys[i], system.cash(keys[i])
            owner = system.owner(key)
            paid, refused = step(
                partial(vault.withdraw, key, cash, owner, sender=owner),
                partial(withdraw, ledger, key, cash, to=address(owner), sender=address(owner)),
            )
            assert (refused is None) == (cash > 0)
            if cash and left < fees:  # fees repay the deficit before they are shared
                assert abs(paid - cash * (10**18 - share) // 10**18) <= 2
        if not vault.accruedFees(VENUE) and not any(map(system.cash, keys)):
            assert system.token.balanceOf(vault) <= len(keys)
