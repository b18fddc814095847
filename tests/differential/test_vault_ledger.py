"""The vault's tokens are what its accounts are owed, whatever happens."""

from __future__ import annotations

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from tests.support.evm import Revert, role
from tests.support.system import GOVERNOR, TOKEN, VENUE, System, account_id

LIQUIDATOR = role("liquidator")
TRADERS = [role(name) for name in ("first", "second", "third")]
ACCOUNTS = [account_id(trader) for trader in TRADERS]
ALL = [*ACCOUNTS, account_id(VENUE), account_id(role("protocol"))]

units = st.integers(1, 400 * TOKEN) | st.integers(1, 2_000 * TOKEN)
who = st.integers(0, 2)
actions = st.one_of(
    st.tuples(st.just("deposit"), who, units),
    st.tuples(st.sampled_from(("withdraw", "claim")), who, units),
    st.tuples(
        st.just("trade"), who, who, st.integers(-40, 40), st.integers(0, 1), st.integers(-4_000, 4_000)
    ),
    st.tuples(st.just("move"), st.integers(0, 1), st.integers(80, 125)),
    st.tuples(st.just("lose"), who, st.integers(1, 50 * TOKEN)),
    st.tuples(st.just("auction"), who, st.integers(0, 50 * TOKEN)),
    st.just(("distribute",)),
)


@pytest.fixture(scope="module")
def deployed() -> System:
    system = System.deploy(underlyings=2, liquidator_role=LIQUIDATOR)
    system.vault.setFeeShares(3_000, 1_000, ALL[-1], sender=GOVERNOR)
    for trader in TRADERS:
        system.open(trader, 1_000)
    return system


def perform(system: System, action: tuple[object, ...]) -> None:
    match action:
        case "deposit", int(i), int(value):
            system.deposit(ACCOUNTS[i], value)
        case "withdraw", int(i), int(value):
            system.vault.withdraw(ACCOUNTS[i], value, TRADERS[i], sender=TRADERS[i])
        case "claim", int(i), int(value):
            system.vault.requestWithdrawal(ACCOUNTS[i], value, sender=TRADERS[i])
            system.advance(12)
            system.publish()
            system.vault.claimWithdrawal(ACCOUNTS[i], TRADERS[i], (), sender=TRADERS[i])
        case "trade", int(i), int(j), int(lots), int(page), int(off):
            price = system.markets[page].spot + off
            fees = (abs(lots) * 777, abs(lots) * 333)
            system.trade(ACCOUNTS[i], ACCOUNTS[j], lots=lots, page=page, price=price, fees=fees)
        case "move", int(underlying), int(percent):
            system.move(underlying, (1_000_000 >> underlying) * percent // 100)
        case "lose", int(i), int(value):
            system.vault.coverLoss(ACCOUNTS[i], value, sender=LIQUIDATOR)
        case "auction", int(i), int(loss):
            if system.vault.accountWord(ACCOUNTS[i]) >> 96 & 1:
                system.vault.endAuction(ACCOUNTS[i], sender=LIQUIDATOR)
            else:
                system.evm.advance(1)
                system.vault.beginAuction(ACCOUNTS[i], loss, 0, sender=LIQUIDATOR)
        case ("distribute",):
            system.vault.distributeFees(VENUE)


@settings(max_examples=settings().max_examples // 2)
@given(st.lists(actions, min_size=8, max_size=20), st.sampled_from((0, 0, 30, 200)))
def test_INV_01_tokens_are_what_is_owed_less_the_deficit(
    deployed: System, sequence: list[tuple[object, ...]], fund_tokens: int
) -> None:
    """Without funding nothing rounds but what is withheld, and that is kept to the unit."""
    with deployed.isolated() as system:
        if fund_tokens:
            system.endow_fund(fund_tokens)
        for action in sequence:
            note(f"[{str(action[0]).upper()}] {action[1:]}")
            try:
                perform(system, action)
            except Revert as reverted:
                note(f"  {reverted.name}")
                assert reverted.name not in {"Panic", "Halt", "Empty"}, reverted  # noqa: PT017
            assert_backed(system)


def assert_backed(system: System) -> None:
    owed = sum(map(system.equity, ALL)) + system.vault.accruedFees(VENUE) + system.vault.reserve()
    assert system.token.balanceOf(system.vault) == owed - system.vault.deficit()
    long_lots = [sum(max(system.lots(a, page), 0) for a in ACCOUNTS) for page in (0, 1)]
    assert [system.vault.openInterest(u) for u in (0, 1)] == long_lots
    assert all(sum(system.lots(a, page) for a in ACCOUNTS) == 0 for page in (0, 1))
    holders = sum(any(system.lots(a, page) for page in (0, 1)) for a in ACCOUNTS)
    assert system.vault.accountsWithPositions() == holders
    assert 0 <= system.vault.exitHaircutWad() <= 10**18


# Every way in which a loss is borne, one after the other: kept for, repaid by fees, by the fund, by who leaves.
LOSSES: list[tuple[object, ...]] = [
    ("trade", 0, 1, 10, 0, 300),
    ("auction", 2, 30 * TOKEN),
    ("claim", 0, 9 * TOKEN + 1),
    ("lose", 2, 30 * TOKEN),
    ("distribute",),
    ("auction", 2, 0),
    ("claim", 1, 9 * TOKEN + 1),
    ("trade", 0, 1, -10, 0, 0),
    ("lose", 1, 50 * TOKEN + 3),
    ("distribute",),
    ("withdraw", 0, 500 * TOKEN + 7),
    ("withdraw", 2, 900 * TOKEN + 7),
    ("trade", 0, 1, 5, 1, 0),
    ("distribute",),
]


@pytest.mark.parametrize("fund_tokens", [0, 20, 1_000])
def test_INV_01_a_loss_is_borne_once_by_whoever_bears_it(deployed: System, fund_tokens: int) -> None:
    with deployed.isolated() as system:
        if fund_tokens:
            system.endow_fund(fund_tokens)
        for action in LOSSES:
            perform(system, action)
            assert_backed(system)
