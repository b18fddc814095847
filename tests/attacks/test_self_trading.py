"""Moving value between one's own accounts: far off the mark, on forged marks, out of accounts about to fail."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given, note
from hypothesis import strategies as st
from tests.attacks.moves import ATTACKER, MAKER, MINUTE_S, backing, forge, margin, refused, tick, wealth
from tests.support.evm import Revert
from tests.support.market import SPOT
from tests.support.system import TOKEN, System

REFUSALS = {"InitialMargin", "ReduceRaisesRisk", "PriceOutsideBand", "CashOutOfRange"}


@pytest.fixture(scope="module")
def deployed() -> System:
    return System.deploy(instruments=3)


def test_a_sale_far_below_the_mark_to_oneself_leaves_the_seller_its_initial_requirement(
    system: System, maker: bytes
) -> None:
    seller, accomplice = system.open(ATTACKER, 2_000), system.open(ATTACKER, 2_000, index=1)
    system.trade(seller, maker, lots=100)
    free = system.equity(seller) - margin(system, seller)[1]
    with pytest.raises(Revert, match="InitialMargin"):
        system.trade(seller, accomplice, lots=1, price=SPOT + free // 100 + 1_000_000)
    system.trade(seller, accomplice, lots=1, price=SPOT + free // 100 - 110_000)
    assert wealth(system, [seller, accomplice]) == 4_000 * TOKEN
    equity, initial, _ = margin(system, seller)
    assert equity >= initial
    with pytest.raises(Revert, match="InitialMargin"):
        system.trade(seller, accomplice, lots=1, price=SPOT + 200_000)


def test_an_account_below_its_initial_requirement_cannot_add_risk_at_any_price(
    system: System, maker: bytes
) -> None:
    account, accomplice = system.open(ATTACKER, 1_100), system.open(ATTACKER, 50_000, index=1)
    system.trade(account, maker, lots=100)
    system.move(0, SPOT * 98 // 100)
    assert margin(system, account)[0] < margin(system, account)[1]
    for lots, slot, price in (
        (1, 0, SPOT),
        (1, 0, 2 * SPOT),
        (1, 1, 2 * SPOT),
        (-1, 1, SPOT // 2),
        (-101, 0, SPOT // 2),
    ):
        with pytest.raises(Revert, match="InitialMargin"):
            system.trade(account, accomplice, lots=lots, slot=slot, price=price)


@pytest.mark.parametrize("percent", [98, 97, 96])
def test_an_account_about_to_fail_leaves_by_reductions_only_in_proportion(
    system: System, maker: bytes, percent: int
) -> None:
    """Sold to oneself at the lower edge of the band, equity over maintenance never falls, and nothing is left owing."""
    account, accomplice = system.open(ATTACKER, 1_100), system.open(ATTACKER, 50_000, index=1)
    system.trade(account, maker, lots=100)
    spot = SPOT * percent // 100
    system.move(0, spot)
    edge = spot - spot * 40 // 10_000
    for lots in (-1, -9, -30, -60):
        equity, _, maintenance = margin(system, account)
        if refused({"ReduceRaisesRisk"}, partial(system.trade, account, accomplice, lots=lots, price=edge)):
            continue
        after, _, maintenance_after = margin(system, account)
        assert after * maintenance >= equity * maintenance_after
        assert maintenance_after <= maintenance
    assert system.equity(account) >= 0


def test_a_failing_account_cannot_be_emptied_by_reductions_at_forged_marks(
    system: System, maker: bytes
) -> None:
    """At the forged mark nothing is lost and maintenance halves; at the true one the accomplice gets what is left."""
    account, accomplice = system.open(ATTACKER, 1_250), system.open(ATTACKER, 50_000, index=1)
    for slot in (1, 2):
        system.trade(account, maker, lots=60, slot=slot)
    spot = SPOT * 905 // 1_000
    system.move(0, spot)
    forge(system, {(0, 1): -199, (0, 2): 199})
    tick(system)
    equity = system.equity(account)
    assert 0 < equity < 120 * TOKEN
    with pytest.raises(Revert, match="ReduceRaisesRisk") as reverted:
        system.trade(account, accomplice, lots=-60, slot=1, price=spot * 9_801 // 10_000)
    assert reverted.value.args_[1] < 10 * TOKEN < equity  # what the baseline would have found left
    # At the true price, now that the forgery is gone, the same reduction is welcome.
    system.publish()
    tick(system)
    system.trade(account, accomplice, lots=-60, slot=1, price=spot)
    assert system.equity(account) == equity


def test_flat_cash_that_a_self_trade_made_is_backed_after_the_marks_return(
    system: System, maker: bytes
) -> None:
    account, accomplice = system.open(ATTACKER, 400), system.open(ATTACKER, 1_000, index=1)
    system.trade(account, maker, lots=30, slot=1)
    tick(system)
    forge(system, {(0, 1): 200}, legs={(0, 1): 16})
    tick(system)
    system.trade(accomplice, account, lots=30, slot=1, price=SPOT * 102 // 100)
    assert system.cash(account) == 460 * TOKEN
    system.vault.withdraw(account, system.cash(account), ATTACKER, sender=ATTACKER)
    tick(system)
    system.publish()
    equity, initial, _ = margin(system, accomplice)
    assert equity >= initial  # 60 of it left with the flat account, and it had them to lose


def test_INV_12_a_spread_sold_to_oneself_on_forged_marks_leg_by_leg_is_refused(
    system: System, maker: bytes
) -> None:
    """Forged legs make the spread cheap to hold and forged marks make it dear; the difference would be flat cash."""
    account, accomplice = system.open(ATTACKER, 1_500), system.open(ATTACKER, 150, index=1)
    system.trade(account, maker, lots=60, slot=1)
    system.trade(account, maker, lots=-60, slot=2)
    tick(system)
    forge(system, {(0, 1): 199, (0, 2): -199}, legs={(0, 1): 16, (0, 2): 16})
    tick(system)
    with pytest.raises(Revert, match="InitialMargin"):
        system.trade(accomplice, account, lots=60, slot=1, price=SPOT * 10_199 // 10_000)
    with pytest.raises(Revert, match="InitialMargin"):
        system.trade(accomplice, account, lots=-60, slot=2, price=SPOT * 9_801 // 10_000)
    assert wealth(system, [accomplice]) == 150 * TOKEN


_marks = st.tuples(*[st.sampled_from([-199, 0, 199])] * 3)
_trade = st.tuples(
    st.sampled_from([(0, 2), (0, 2), (2, 0), (1, 2), (0, 3), (1, 0)]),
    st.sampled_from([1, 2, 0]),
    st.sampled_from([-60, -30, 30, 60]),
    st.sampled_from([0, 0, 0, -40, 40, 500]),
)


@given(st.lists(_marks, min_size=1, max_size=2), st.lists(_trade, min_size=1, max_size=8))
def test_INV_12_no_trading_on_a_forged_young_manifest_makes_anybody_insolvent_once_it_is_gone(
    deployed: System, forgeries: list[tuple[int, ...]], trades: list[tuple[tuple[int, int], int, int, int]]
) -> None:
    """However marks are forged within the grace period, whatever is traded, honest marks find all solvent."""
    with deployed.isolated() as system:
        accounts = [system.open(ATTACKER, tokens, index=i) for i, tokens in enumerate((150, 400, 1_500))]
        accounts.append(system.open(MAKER, 100_000))
        system.trade(accounts[2], accounts[3], lots=60, slot=1)
        system.trade(accounts[2], accounts[3], lots=-60, slot=2)
        system.trade(accounts[1], accounts[3], lots=30)
        done = 0
        for bps in forgeries:
            tick(system)
            forge(
                system,
                {(0, slot): off for slot, off in enumerate(bps)},
                legs={(0, 1): 16, (0, 2): 16},
            )
            tick(system)
            for (taker, maker), slot, lots, off_bps in trades:
                price = SPOT * (10_000 + bps[slot] + off_bps) // 10_000
                ends = accounts[taker], accounts[maker]
                done += not refused(REFUSALS, partial(system.trade, *ends, lots=lots, slot=slot, price=price))
        note(f"{done} of {len(trades) * len(forgeries)} fills went through")
        tick(system)
        system.publish()
        assert min(map(system.equity, accounts)) >= 0
        assert backing(system, accounts) == 0


def test_a_round_trip_between_own_accounts_earns_nothing(system: System) -> None:
    one, two = (system.open(ATTACKER, 1_100, index=i) for i in range(2))
    for price in (SPOT, SPOT + 100_000, SPOT - 100_000):
        system.trade(one, two, lots=50, price=price)
        system.trade(two, one, lots=50, price=SPOT)
        assert wealth(system, [one, two]) == 2_200 * TOKEN
        assert system.vault.openInterest(0) == 0


def test_cash_is_not_withdrawn_in_the_block_that_made_it_margin(system: System, maker: bytes) -> None:
    """Deposited, traded on, and asked back at once: only a later manifest and later prices release it."""
    account = system.open(ATTACKER, 10_000)
    system.trade(account, maker, lots=100)
    system.vault.requestWithdrawal(account, 8_900 * TOKEN, sender=ATTACKER)
    with pytest.raises(Revert, match="RequestTooYoung"):
        system.vault.claimWithdrawal(account, ATTACKER, (), sender=ATTACKER)
    with pytest.raises(Revert, match="PositionsOpen"):
        system.vault.withdraw(account, 1, ATTACKER, sender=ATTACKER)
    system.advance(MINUTE_S)
    with pytest.raises(Revert, match="RequestTooYoung"):
        system.vault.claimWithdrawal(account, ATTACKER, (), sender=ATTACKER)
