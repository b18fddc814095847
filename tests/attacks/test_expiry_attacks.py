"""Attacks around an expiry: on what is not final yet, on what was replaced, on when things are called."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.attacks.moves import ATTACKER, BORROWER, MAKER, backing, margin, refused, tick, wealth
from tests.support.desk import Desk
from tests.support.market import SPOT, TICK, Instrument
from tests.support.system import GOVERNOR, GRACE_S, TOKEN, System

from seawall.page.layout import Kind

HOUR_S, DAY_S, WINDOW_S = 3_600, 86_400, 1_800
FUTURE, CALL, PUT, COLLATERAL = 1, 2, 3, 4  # slots of page 0
PLENTY = 10**30


@pytest.fixture(scope="module")
def deployed() -> Desk:
    """Return a system with a future, a call and a put that expire together in hours, collateral and a rich maker."""
    system = System.deploy()
    hour = system.evm.timestamp // HOUR_S + 4
    for kind, strike in ((Kind.FUTURE, 0), (Kind.CALL, SPOT), (Kind.PUT, SPOT)):
        system.list_instrument(0, Instrument(kind=kind, strike=strike, expiry_hour=hour))
    desk = Desk.open(system)
    for who in (ATTACKER, BORROWER):
        desk.funded(who, 10**6)
    system.open(MAKER, 1_000_000)
    return desk


@pytest.fixture
def system(deployed: Desk) -> Iterator[System]:
    with deployed.system.isolated() as isolated:
        yield isolated


def expiry_of(system: System) -> int:
    """Return when the dated instruments expire."""
    return system.markets[0].instruments[FUTURE].expiry_hour * HOUR_S


def to(system: System, moment: int) -> None:
    system.advance(moment - system.evm.timestamp)


def claim(system: System, account: bytes, units: int) -> bool:
    """Request, wait for prices and a manifest, claim; return whether it was paid."""
    system.vault.requestWithdrawal(account, units, sender=ATTACKER)
    system.advance(30)
    system.publish()
    system.advance(12)
    names = {"PriceNotFresh", "InitialMargin", "InsufficientCash"}
    return not refused(names, lambda: system.vault.claimWithdrawal(account, ATTACKER, (), sender=ATTACKER))


# What is not final yet


@pytest.mark.parametrize("moved", [-3, 3])
def test_what_expired_over_a_dead_feed_lets_no_cash_out_before_its_price_is_final(
    system: System, moved: int
) -> None:
    """Both sides of a future are the attacker's. Prices stop before the expiry and come back an hour after it.

    The average runs on, and what keepers post for it requires nothing: the loser's margin would be gone before it is
    known who that is.
    """
    hour, expiry = system.markets[0].instruments[FUTURE].expiry_hour, expiry_of(system)
    sides = [system.open(ATTACKER, 2_000, index=index) for index in (0, 1)]
    system.trade(*sides, lots=100, slot=FUTURE)
    to(system, expiry - 25 * 60)
    system.evm.advance(26 * 60)
    system.markets[0].frozen = True
    system.publish()
    system.evm.advance(HOUR_S + 100)
    tick(system)
    system.markets[0].frozen = False
    system.publish()
    system.advance(12)
    assert not system.feed.contract.settlement(0, hour).isFixed
    for account in sides:
        equity, initial, _ = margin(system, account)
        assert initial < 300 * TOKEN
        assert not claim(system, account, equity - initial - TOKEN)
    maker = system.open(MAKER)
    assert refused({"PriceNotFresh"}, lambda: system.trade(sides[0], maker, lots=1))
    system.move(0, SPOT * (100 + moved) // 100)
    to(system, expiry + 90 * 60 + 10)
    system.feed.contract.fixSettlement(0, hour)
    for account in sides:
        system.vault.settleExpired(account, 0)
    assert system.vault.deficit() == 0
    assert sum(map(system.cash, sides)) == 4_000 * TOKEN


# What another instrument replaced


def test_a_loss_in_a_slot_that_was_relisted_is_not_forgotten(system: System) -> None:
    """A short call ends deep in the money, nobody settles it, the slot is relisted: it counts in no margin any more."""
    maker = system.open(MAKER)
    account = system.open(ATTACKER, 2_000)
    system.trade(account, maker, lots=-60, slot=CALL, price=20_000)
    system.trade(account, maker, lots=1)
    expiry = expiry_of(system)
    to(system, expiry - WINDOW_S - 100)
    system.move(0, SPOT * 110 // 100)
    to(system, expiry + DAY_S)
    hour = expiry // HOUR_S
    system.feed.contract.fixSettlement(0, hour)
    system.relist_instrument(0, CALL, Instrument(kind=Kind.CALL, strike=SPOT, expiry_hour=hour + 72))
    before = system.equity(account)
    for seconds in (12, GRACE_S, 12):
        system.publish()
        system.advance(seconds)
    assert system.equity(account) > before + 500 * TOKEN
    assert not claim(system, account, 500 * TOKEN)
    for slot in (0, CALL):
        fill = partial(system.trade, account, maker, lots=5, slot=slot, price=SPOT)
        assert refused({"PriceNotFresh"}, fill)
    names = {"ReduceRaisesRisk", "PriceOutsideBand"}
    refused(names, lambda: system.trade(account, maker, lots=-1, price=system.spots[0] * 996 // 1_000 + 1))
    system.vault.settleExpired(account, 0, sender=BORROWER)
    assert before - 10 * TOKEN <= system.equity(account) <= before + 10 * TOKEN
    assert system.vault.settleExpired(account, 0) == 0, "nothing is settled twice"


# When things are called


@given(
    order=st.permutations(range(4)),
    spot=st.integers(90, 110),
    gap=st.sampled_from((0, 13, 1_000, 2 * DAY_S)),
    twice=st.booleans(),
)
@settings(max_examples=20)
def test_whoever_is_settled_first_or_late_gets_what_it_would_have_got(
    deployed: Desk, order: list[int], spot: int, gap: int, twice: bool
) -> None:
    """Four accounts hold all sides; in any order, with any wait in between, under whatever price by then."""
    with deployed.system.isolated() as system:
        accounts = [system.open(name, 20_000) for name in (ATTACKER, BORROWER)]
        accounts += [system.open(ATTACKER, 20_000, index=1), system.open(MAKER)]
        for i, slot in enumerate((FUTURE, CALL, PUT)):
            price = SPOT if slot == FUTURE else 20_000
            system.trade(accounts[i], accounts[3], lots=20, slot=slot, price=price)
            system.trade(accounts[(i + 1) % 3], accounts[3], lots=7, slot=slot, price=price)
        hour, expiry = system.markets[0].instruments[FUTURE].expiry_hour, expiry_of(system)
        to(system, expiry - WINDOW_S)
        system.move(0, SPOT * spot // 100)
        to(system, expiry + 30)
        final = system.feed.contract.settlement(0, hour).averageTicks
        wanted = {i: system.equity(account) for i, account in enumerate(accounts)}
        for i in order:
            if gap:
                system.evm.advance(gap)
                system.move(0, SPOT * (200 - spot) // 100)
            assert system.feed.contract.fixSettlement(0, hour) == final
            for _ in range(1 + twice):
                system.vault.settleExpired(accounts[i], 0)
        assert {i: system.cash(account) for i, account in enumerate(accounts)} == wanted
        assert system.vault.openInterest(0) == 0


ACTIONS = (
    "trade",
    "convert",
    "flag",
    "clear",
    "accrue",
    "leave",
    "request",
    "claim",
    "wait",
    "settle",
    "cap",
)
sequences = st.lists(
    st.tuples(
        st.sampled_from(ACTIONS),
        st.permutations(range(3)),
        st.integers(0, 4),
        st.sampled_from((-40, -9, -1, 1, 3, 17)),
        st.sampled_from((60, 99, 100, 100, 101, 150, 300)),
    ),
    min_size=25,
    max_size=50,
)


@given(moves=sequences, rate=st.sampled_from((0, 10_000)), cap=st.sampled_from((0, 900)))
@settings(max_examples=40)
def test_no_sequence_of_own_actions_at_one_price_earns_anything(
    deployed: Desk, moves: list[tuple[str, list[int], int, int, int]], rate: int, cap: int
) -> None:
    """Three accounts of one owner trade at any price, borrow, convert, are flagged and settled; roundings included."""
    with deployed.system.isolated() as system:
        desk = replace(deployed)
        desk.contract.setInterestRate(rate, sender=GOVERNOR)
        desk.contract.setDebtCap(900 * TOKEN, sender=GOVERNOR)
        accounts = [system.open(ATTACKER, tokens, index=i) for i, tokens in enumerate((100, 2_000, 2_000))]
        for account, lots in zip(accounts, (40, 15, 0), strict=True):
            if lots:
                desk.deposit(account, lots)
        system.trade(accounts[0], accounts[1], lots=10, price=SPOT + 80 * TOKEN // TICK)
        system.trade(accounts[0], accounts[1], lots=-10)
        desk.contract.setDebtCap(cap * TOKEN, sender=GOVERNOR)
        saver = system.open(MAKER)

        def owned() -> int:
            tokens = desk.token.balanceOf(ATTACKER) * SPOT * TICK // desk.units_per_lot
            return int(wealth(system, accounts) + system.token.balanceOf(ATTACKER) + tokens)

        before, safe = owned(), system.equity(saver)
        for move in moves:
            _play(desk, accounts, *move)
        system.push()
        assert owned() <= before
        assert system.equity(saver) == safe
        assert system.vault.deficit() == 0
        assert backing(system, [*accounts, saver]) + sum(map(desk.lots, accounts)) * SPOT * TICK >= 0


def _play(
    desk: Desk, accounts: list[bytes], what: str, order: list[int], slot: int, lots: int, percent: int
) -> None:
    """Try one thing; the contracts may refuse."""
    system, contract, vault = desk.system, desk.contract, desk.system.vault
    account, other = accounts[order[0]], accounts[order[1]]
    price = (SPOT if slot in (0, FUTURE, COLLATERAL) else SPOT // 50) * percent // 100
    at = (account, 0, COLLATERAL, abs(lots))
    own = {"sender": ATTACKER}
    calls: dict[str, list[Callable[[], object]]] = {
        "trade": [lambda: system.trade(account, other, lots=lots, slot=slot, price=price)],
        "convert": [lambda: contract.convert(accounts[0], *at[1:], PLENTY, **own)],
        "flag": [lambda: contract.flagDebt(accounts[0], **own)],
        "clear": [lambda: contract.clearDebt(account, **own)],
        "accrue": [lambda: contract.accrueInterest(account, **own)],
        "leave": [lambda: contract.withdraw(*at, ATTACKER, **own)],
        "request": [
            lambda: contract.requestWithdrawal(*at, **own),
            lambda: vault.requestWithdrawal(account, percent * TOKEN, **own),
        ],
        "claim": [
            lambda: vault.claimWithdrawal(account, ATTACKER, (), **own),
            lambda: contract.claimWithdrawal(account, ATTACKER, (), **own),
        ],
        "wait": [
            lambda: system.advance(2_000 if percent > 100 else 30),
            system.publish,
            partial(tick, system),
        ],
        "settle": [
            lambda: system.feed.contract.fixSettlement(0, expiry_of(system) // HOUR_S),
            lambda: vault.settleExpired(account, 0),
        ],
        "cap": [lambda: contract.setDebtCap((0 if lots < 0 else 900) * TOKEN, sender=GOVERNOR)],
    }
    for call in calls[what]:
        refused(REFUSALS, call)


REFUSALS = {
    *("AlreadyFlagged", "ConversionRaisesRisk", "InDebt", "InitialMargin", "InstrumentExpired"),
    *("InstrumentSettling", "InsufficientCash", "LotsOutOfRange", "ManifestOld", "NoDebt", "NoRequest"),
    *("NothingToConvert", "OutflowLimit", "PositionsOpen", "PriceNotFresh", "PriceOutsideBand", "QuoteDebt"),
    *("ReduceRaisesRisk", "RequestTooYoung", "SettlementTooEarly", "UnderlyingDrifted", "WithdrawalNotYet"),
}
