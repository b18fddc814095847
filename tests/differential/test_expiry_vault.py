"""Dated instruments from trading to cash, vault and reference side by side: windows, dead feeds, relisting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import astuple, replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import market as market_module
from tests.support.evm import Revert, role
from tests.support.market import SPOT, TICK, Instrument
from tests.support.system import EMPTY, GOVERNOR, GRACE_S, VENUE, System
from tests.support.twin import Twin, differences
from tests.support.twin_world import address

from seawall.page.layout import Kind
from seawall.reference import (
    Fill,
    Flag,
    payoff,
    price_wind_down,
    settle,
    settle_expired,
    settle_wind_down,
    start_wind_down,
)

HOUR_S, WINDOW_S, DAY = 3_600, 1_800, 86_400
STRANGER = role("stranger")
CALL, PUT, FUTURE = 2, 3, 4  # slots of page 0
HELD = {CALL: 30, PUT: -20, FUTURE: 7}  # lots of the borrower, of which the maker has the opposite


def terms(hour: int) -> list[Instrument]:
    return [
        Instrument(kind=Kind.CALL, strike=SPOT, expiry_hour=hour),
        Instrument(kind=Kind.PUT, strike=SPOT, expiry_hour=hour),
        Instrument(kind=Kind.FUTURE, expiry_hour=hour),
    ]


class Expiry:
    """A twin with a call, a put and a future that expire together, and what happens to them on both sides."""

    def __init__(self, twin: Twin, hour: int) -> None:
        self.twin, self.system, self.hour, self.expiry = twin, twin.system, hour, hour * HOUR_S
        self.settled: Counter[tuple[int, int]] = Counter()  # lots that became cash, by slot and generation

    def prepare(self) -> None:
        twin = self.twin
        self.keys = [twin.open(name, 40_000) for name in ("borrower", "maker", "saver")]
        self.borrower, self.maker, _ = self.keys
        for slot, lots in HELD.items():
            assert self.fill(slot, lots) is None
        assert self.fill(0, 5) is None

    def fair(self, slot: int) -> int:
        instrument = self.twin.system.markets[0].instruments[slot]
        return SPOT if instrument.kind in {Kind.PERPETUAL, Kind.FUTURE} else 20_000

    def fill(
        self, slot: int, lots: int, *, price: int | None = None, taker: bytes = b"", maker: bytes = b""
    ) -> str | None:
        """Trade on both sides; return why it was refused."""
        fill = Fill(
            taker=taker or self.borrower,
            maker=maker or self.maker,
            page=0,
            slot=slot,
            generation=self.system.markets[0].instruments[slot].generation,
            lots=lots,
            price_ticks=self.fair(slot) if price is None else price,
        )
        _, refusal = self.twin.both(
            lambda: self.system.vault.settle(astuple(fill), (), (), sender=VENUE),
            partial(settle, self.twin.vault, fill, sender=address(VENUE)),
        )
        self.compare()
        return refusal.name if refusal else None

    def compare(self) -> None:
        assert not differences(self.twin.on_chain(self.keys), self.twin.expected(self.keys))
        vault = self.system.vault
        for slot, instrument in enumerate(self.system.markets[0].instruments):
            lots = [vault.positionLots(key, 0, slot, instrument.generation) for key in self.keys]
            settled = self.settled[slot, instrument.generation]
            assert sum(lots) + settled == 0, "INV_02: what is held and what became cash sum to zero"
        margins = [vault.margin(key, EMPTY, False) for key in self.keys]
        if not any(margin.flags & (Flag.MISSING | Flag.STALE) for margin in margins):
            equity = sum(margin.equity for margin in margins) + vault.accruedFees(VENUE)
            tokens = self.system.token.balanceOf(vault) + vault.deficit() - vault.reserve()
            assert equity == tokens, "INV_01: tokens and deficit are the equity of all"

    def to(self, moment: int, *, spot: int | None = None, every: int = 100) -> None:
        """Let time pass, prices pushed, until a moment."""
        if spot is not None:
            self.system.markets[0].spot = self.system.markets[2].spot = spot
        self.system.advance(moment - self.system.evm.timestamp, every=every, dead=sorted(self.twin.dead))

    def fix(self, hour: int | None = None) -> int | None:
        """Fix the settlement price on both sides; None if it is too early."""
        hour = hour or self.hour
        now = self.system.evm.timestamp
        price = self.twin.feed.averages[0].fix(hour, now=now)
        if price is None:
            with pytest.raises(Revert, match="SettlementTooEarly"):
                self.system.feed.contract.fixSettlement(0, hour, sender=STRANGER)
        else:
            assert self.system.feed.contract.fixSettlement(0, hour, sender=STRANGER) == price
        return price

    def settle(self, key: bytes, page: int = 0) -> Any:
        held = dict(enumerate(self.system.markets[0].instruments))
        before = {slot: self.system.lots(key, 0, slot) for slot in held}
        found, refusal = self.twin.both(
            lambda: self.system.vault.settleExpired(key, page, sender=STRANGER),
            partial(settle_expired, self.twin.vault, key, page),
        )
        for slot, instrument in held.items():
            self.settled[slot, instrument.generation] += before[slot] - self.system.lots(key, 0, slot)
        self.compare()
        return refusal.name if refusal else found

    def worth(self, price: int) -> int:
        """Return what the borrower's dated positions are worth at a price, token units."""
        listed = terms(self.hour)
        return sum(lots * payoff(listed[slot - CALL], price) for slot, lots in HELD.items()) * TICK  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def deployed() -> Twin:
    twin = Twin.deploy()
    hour = twin.system.evm.timestamp // HOUR_S + 4
    for instrument in terms(hour):
        twin.system.list_instrument(0, instrument)
    twin.advance(12)
    assert twin.publish() is None
    twin.advance(GRACE_S)
    assert twin.publish() is None
    twin.advance(12)
    return twin


@pytest.fixture
def book(deployed: Twin) -> Iterator[Expiry]:
    with deployed.system.isolated():
        made = Expiry(deployed.fresh(), deployed.system.markets[0].instruments[CALL].expiry_hour)
        made.prepare()
        yield made


@pytest.mark.parametrize("spot", [SPOT - 30_000, SPOT, SPOT + 40_000])
def test_INV_02_dated_positions_become_cash_at_their_payoff(book: Expiry, spot: int) -> None:
    """Out of, at and in the money; and nobody's equity changes when a position becomes cash."""
    book.to(book.expiry - WINDOW_S - 1, spot=spot)
    book.twin.publish()
    book.compare()
    for moment in (book.expiry - 1_000, book.expiry - 5, book.expiry - 1):
        book.to(moment)
        book.compare()
        assert book.fix() is None
        assert book.settle(book.borrower) == 0
    book.to(book.expiry + 30)
    price = book.fix()
    assert price is not None
    cash, equity = book.system.cash(book.borrower), book.system.equity(book.borrower)
    book.compare()
    assert book.settle(book.borrower) == len(HELD)
    assert book.system.cash(book.borrower) - cash == book.worth(price)
    assert book.system.equity(book.borrower) == equity
    assert book.settle(book.maker) == len(HELD)
    assert book.settle(book.maker) == 0
    assert book.settle(book.keys[2]) == 0
    assert book.system.vault.openInterest(0) == 5
    assert abs(price - spot) <= 200


def test_equity_is_continuous_through_the_window_into_the_settlement(book: Expiry) -> None:
    book.to(book.expiry - WINDOW_S - 1, spot=SPOT + 20_000)
    book.twin.publish()
    before = book.system.equity(book.borrower)
    moves = []
    for moment in range(book.expiry - WINDOW_S, book.expiry + 41, 10):
        book.to(moment, every=10)
        after = book.system.equity(book.borrower)
        moves.append(abs(after - before))
        before = after
    assert max(moves) <= 20 * TICK * 57, "with a price that stands still the value does"
    book.compare()
    assert book.fix()
    assert book.system.equity(book.borrower) == before


def test_a_settled_position_requires_nothing_and_nothing_moves_it(book: Expiry) -> None:
    book.to(book.expiry + 30)
    assert book.fix()
    before = book.system.vault.margin(book.borrower, EMPTY, False)
    cash = book.system.cash(book.borrower)
    perpetual = 5 * book.system.markets[0].spot * TICK
    settled = before.equity - cash - perpetual
    book.system.move(0, SPOT * 101 // 100)
    after = book.system.vault.margin(book.borrower, EMPTY, False)
    assert after.equity - cash - 5 * (SPOT * 101 // 100) * TICK == settled
    book.system.move(0, SPOT)
    assert book.settle(book.borrower) == len(HELD)
    alone = book.system.vault.margin(book.borrower, EMPTY, False)
    assert alone.maintenance == before.maintenance
    assert alone.initial <= before.initial  # the crowd to get out with is smaller


def test_trading_in_the_window_only_reduces_and_ends_with_the_expiry(book: Expiry) -> None:
    book.to(book.expiry - WINDOW_S - 1)
    assert book.twin.publish() is None
    assert book.fill(FUTURE, 1) is None
    book.to(book.expiry - WINDOW_S)
    assert book.fill(FUTURE, 1) == "InstrumentSettling"
    assert book.fill(FUTURE, -100, price=SPOT) == "InstrumentSettling"
    assert book.fill(FUTURE, -1, price=SPOT) is None
    assert book.fill(0, 1) is None
    book.to(book.expiry - 1)
    assert book.fill(FUTURE, -1, price=SPOT) is None
    book.to(book.expiry)
    assert book.fill(FUTURE, -1, price=SPOT) == "InstrumentExpired"
    assert book.fill(0, -1) is None


def test_a_settlement_that_nobody_called_for_days_is_the_same(book: Expiry) -> None:
    book.to(book.expiry - 900, spot=SPOT + 10_000)
    book.to(book.expiry + 30)
    with book.system.evm.isolated():
        wanted = book.system.feed.contract.fixSettlement(0, book.hour)
    book.to(book.expiry + 2 * DAY, spot=SPOT * 2, every=120)
    book.compare()
    assert book.fix() == wanted
    cash = book.system.cash(book.borrower)
    assert book.settle(book.borrower) == len(HELD)
    assert book.system.cash(book.borrower) - cash == book.worth(wanted)


@pytest.mark.parametrize("dead", [(-1_500, 200), (-1_000, 5_000), (-3_000, 3 * HOUR_S), (-2_000, 2 * DAY)])
def test_a_dead_feed_in_the_window_delays_the_settlement(book: Expiry, dead: tuple[int, int]) -> None:
    """Partly or wholly; contract and reference agree at every step, and somebody is paid in the end."""
    book.to(book.expiry + dead[0])
    book.twin.dead.add(0)
    book.twin.dead.add(1)
    for moment in (dead[0] + 130, -60, 10, 300, dead[1]):
        if moment > dead[0]:
            book.system.evm.timestamp = max(book.system.evm.timestamp, book.expiry + moment)
            book.compare()
            book.fix()
    book.twin.dead.clear()
    for _ in range(8):
        book.to(book.system.evm.timestamp + 500)
        book.compare()
        book.fix()
    assert book.fix()
    assert book.settle(book.borrower) == len(HELD)
    assert book.settle(book.maker) == len(HELD)


def test_a_position_whose_slot_another_instrument_took_is_settled_at_its_own_price(book: Expiry) -> None:
    book.to(book.expiry - 60, spot=SPOT + 30_000)
    book.to(book.expiry + 30)
    price = book.fix()
    assert price is not None
    assert book.settle(book.maker) == len(HELD)
    later = replace(terms(book.hour + 72)[0], strike=SPOT // 2)
    with pytest.raises(Revert, match=r"SlotInUse\(0, 2\)"):
        book.system.relist_instrument(0, CALL, later)
    book.to(book.expiry + DAY, every=120, spot=SPOT + 20_000)
    assert book.system.relist_instrument(0, CALL, later) == 2
    assert (
        book.system.registry.termsOf(0, CALL, 1)
        == Kind.CALL | 4 << 3 | 1 << 8 | SPOT << 176 | book.hour << 216
    )
    assert book.system.registry.terms(0, CALL) & 7 == Kind.CALL
    assert book.twin.publish() is None
    book.compare()  # the old call is missing now
    cash = book.system.cash(book.borrower)
    assert book.settle(book.borrower) == len(HELD)
    assert book.system.cash(book.borrower) - cash == book.worth(price)
    book.to(book.system.evm.timestamp + GRACE_S)
    assert book.twin.publish() is None
    assert book.fill(CALL, 3, price=SPOT // 2) is None
    assert book.system.vault.positionLots(book.borrower, 0, CALL, 2) == 3
    assert book.settle(book.borrower) == 0


def test_INV_05_a_hole_left_by_an_expiry_is_filled_by_the_fund_and_then_is_deficit(book: Expiry) -> None:
    """The short of a call that ends deep in the money owes more than it has."""
    twin, system = book.twin, book.system
    short, long = twin.open("short", 700), book.borrower
    book.keys.append(short)
    twin.endow(100)
    assert book.fill(CALL, 60, taker=long, maker=short) is None
    book.to(book.expiry + 30, spot=SPOT + 400_000)
    price = book.fix()
    assert price is not None
    owed = 60 * (price - SPOT) * TICK - 700 * 10**6 - 60 * 20_000 * TICK
    assert owed > 0
    covered = system.fund.coverable()
    assert book.settle(short) == 1
    assert system.cash(short) == 0
    assert system.vault.deficit() == owed - min(owed, covered)
    assert not system.vault.accountWord(short) & (1 << 96) - 1


def test_an_account_in_auction_is_settled_and_its_booked_loss_released(book: Expiry) -> None:
    twin, system = book.twin, book.system
    short = twin.open("short", 700)
    book.keys.append(short)
    assert book.fill(CALL, 60, maker=short) is None
    book.to(book.expiry - 600, spot=SPOT + 400_000)
    twin.both(lambda: system.liquidator.start(short, ()), partial(twin.liquidator.start, short))
    assert system.vault.bookedLosses() > 0
    book.to(book.expiry + 30)
    assert book.fix()
    assert book.settle(short) == 1
    assert system.vault.bookedLosses() == 0
    twin.both(lambda: system.liquidator.end(short, ()), partial(twin.liquidator.end, short))
    book.compare()


@pytest.mark.parametrize("settle_first", [True, False])
def test_a_wind_down_pays_what_expired_at_its_settlement_price(book: Expiry, settle_first: bool) -> None:
    twin, system = book.twin, book.system
    book.to(book.expiry + 30, spot=SPOT + 10_000)
    price = book.fix()
    assert price is not None
    system.evm.advance(3 * DAY)
    twin.push()
    twin.both(lambda: system.vault.startWindDown(), partial(start_wind_down, twin.vault))
    book.to(system.evm.timestamp + 600, spot=SPOT - 50_000)
    if settle_first:
        assert book.settle(book.maker) == len(HELD)
    system.evm.advance(DAY)
    twin.both(lambda: system.vault.priceWindDown(), partial(price_wind_down, twin.vault))
    assert book.settle(book.borrower) == "WoundDown"
    cash = system.cash(book.borrower)
    assert differences(book.twin.on_chain(book.keys), book.twin.expected(book.keys)) == {}
    final = system.vault.windDownPriceTicks(0)
    for key in book.keys:
        twin.both(
            lambda key=key: system.vault.settleWindDown(key), partial(settle_wind_down, twin.vault, key)
        )
    book.settled.clear()
    book.compare()
    assert system.cash(book.borrower) - cash == book.worth(price) + 5 * final * TICK
    assert system.vault.accountsWithPositions() == 0


@given(data=st.data())
@settings(max_examples=6)
def test_INV_10_the_vault_equals_the_reference_through_an_expiry(deployed: Twin, data: st.DataObject) -> None:
    """Prices jump, feeds pause, manifests come or not, anyone calls anything."""
    with deployed.system.isolated():
        book = Expiry(deployed.fresh(), deployed.system.markets[0].instruments[CALL].expiry_hour)
        book.prepare()
        book.to(book.expiry - data.draw(st.integers(1_700, 2_600)))
        for _ in range(data.draw(st.integers(3, 9))):
            spot = data.draw(st.integers(SPOT * 9 // 10, SPOT * 11 // 10))
            quiet = data.draw(st.sampled_from((0, 0, 0, 130, 700)))
            book.system.evm.advance(quiet + 1)
            book.to(book.system.evm.timestamp + data.draw(st.integers(1, 500)), spot=spot)
            if data.draw(st.booleans()):
                book.twin.publish()
            book.fix()
            book.compare()
            book.settle(data.draw(st.sampled_from(book.keys)))
            book.fill(data.draw(st.sampled_from((0, CALL, FUTURE))), data.draw(st.sampled_from((-2, 1, 3))))


@pytest.mark.parametrize("slot", [0, 1])
def test_the_probe_and_other_perpetuals_are_never_relisted(book: Expiry, slot: int) -> None:
    book.to(book.expiry + 30)
    book.fix()
    with pytest.raises(Revert, match="SlotInUse"):
        book.system.registry.relistInstrument(0, slot, Kind.PERPETUAL, 4, 0, 0, sender=GOVERNOR)


def test_the_mark_of_what_has_expired_is_not_bound_and_that_of_what_has_not_is(
    book: Expiry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page keeps an expired record until another takes its slot; keepers may write any mark there."""

    def wild(market: Any, slot: int, instrument: Any, at_s: int) -> Any:
        made = original(market, slot, instrument, at_s)
        return replace(made, mark=made.mark + SPOT) if slot == FUTURE and market.page == 0 else made

    original = market_module._record
    monkeypatch.setattr(market_module, "_record", wild)
    book.to(book.expiry - 1)
    assert book.twin.publish() == "MarkJump"
    book.to(book.expiry)
    assert book.twin.publish() is None
    book.to(book.expiry + 30)
    assert book.fix()
    book.compare()


@pytest.fixture(scope="module")
def full() -> System:
    """Two pages of 65 calls and puts that expire together."""
    system = System.deploy(underlyings=1, liquidator_role=role("liquidator"))
    hour = system.evm.timestamp // HOUR_S + 4
    system.list_page(replace(system.markets[0], page=1, instruments=[]))
    for i in range(128):
        kind = Kind.CALL if i % 3 else Kind.PUT
        system.list_instrument(i % 2, Instrument(kind=kind, strike=SPOT + 1_000 * (i - 64), expiry_hour=hour))
    system.publish()
    system.advance(GRACE_S)
    system.publish()
    system.advance(12)
    return system


def test_a_book_of_128_positions_is_settled(full: System) -> None:
    """64 are traded by each of two accounts, and one buys all of the other."""
    system = full
    with system.isolated():
        accounts = [system.open(role(name), 900_000) for name in ("left", "right", "maker", "other maker")]
        for i in range(128):
            page, slot = i % 2, i // 2 + (i % 2 == 0)
            side = i // 64
            system.trade(
                accounts[side], accounts[2 + side], page=page, slot=slot, lots=1 + i % 4, price=30_000
            )
        vault, liquidator = system.vault, role("liquidator")
        system.evm.advance(12)
        vault.chargeInterest(
            accounts[0], system.equity(accounts[0]) - 1, sender=vault.collateralDesk()
        )  # which leaves it poor enough to be sold whole
        vault.beginAuction(accounts[0], 0, 0, sender=liquidator)
        sold = vault.sellSlice(
            (*accounts[:2], 10**18, 2 * 10**16, False), system.owner(accounts[1]), (), (), sender=liquidator
        )
        assert sold.ended
        expiry = system.markets[0].instruments[1].expiry_hour * HOUR_S
        system.advance(expiry + 30 - system.evm.timestamp, every=100)
        price = system.feed.contract.fixSettlement(0, expiry // HOUR_S)
        before = sum(map(system.equity, accounts))
        spent = []
        for page in (0, 1):
            assert vault.settleExpired(accounts[1], page) == 64
            spent.append(system.evm.gas_used)
        assert max(spent) <= 700_000, spent
        for account in accounts[2:]:
            assert vault.settleExpired(account, 0) == 32
            assert vault.settleExpired(account, 1) == 32
        assert sum(map(system.equity, accounts)) == before, "INV_05"
        assert vault.accountsWithPositions() == 0
        assert vault.openInterest(0) == 0
        assert price == SPOT


def test_a_health_view_of_a_book_that_expired_costs_little_more_than_of_one_that_did_not(
    full: System,
) -> None:
    system = full
    with system.isolated():
        accounts = [system.open(role(name), 900_000) for name in ("left", "maker")]
        for i in range(64):
            system.trade(*accounts, page=i % 2, slot=i // 2 + (i % 2 == 0), lots=1, price=30_000)
        expiry = system.markets[0].instruments[1].expiry_hour * HOUR_S
        spent = []
        for moment in (expiry - WINDOW_S - 1, expiry - 900, expiry + 30):
            system.advance(moment - system.evm.timestamp, every=100)
            cold = system.evm.cold().at("MarginVault", system.vault.address)
            cold.health(accounts[0])
            spent.append(cold.evm.gas_used)
        assert spent[1] <= spent[0] + 64 * 1_500 + 30_000, spent
        assert spent[2] <= spent[0] + 30_000, spent
