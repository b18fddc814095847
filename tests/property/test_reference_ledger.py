"""The reference ledger conserves money and lots, whatever is done in whatever order."""

from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis import assume, event, given, note, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.property.strategies import FACTORS, NOW, page_from_cube

from seawall.page import FundingInput, LiquidityInput, Page, accrued_funding_x32, decode_page, encode_page
from seawall.page.layout import Kind
from seawall.reference import (
    Authority,
    Fill,
    Fund,
    Liquidator,
    ManifestState,
    Price,
    Rejected,
    Vault,
    World,
    claim_withdrawal,
    request_withdrawal,
    settle,
    withdraw,
)
from seawall.reference.authority import Permission
from seawall.reference.integers import WAD

ACCOUNTS = (b"maker", b"taker", b"keeper")
SPOT = 1_000_000
VENUE = b"venue"
LIQUIDITY = LiquidityInput(
    half_spread=0.0002, y_volatility=0.02, daily_volume=1e12, half_volatility_spread=0.0
)


def governed(*keys: bytes, **changes: Any) -> Authority:
    """Return a liquidator, a fund and a venue that accounts approved; short keys own themselves."""
    return Authority(
        liquidator=b"liquidator",
        insurance_fund=b"fund",
        venues={VENUE},
        permissions=dict.fromkeys(((key, VENUE) for key in keys), Permission.VENUE),
        **changes,
    )


def market_page(*, spot: int, as_of: int, funding_x32: int, rate: float) -> Page:
    """Return a page of two perpetuals and a future that lose up to 20% in 16 scenarios."""
    moves = np.linspace(-0.2, 0.2, 16)
    first = np.rint(moves * spot).astype(np.int64)
    cube = np.stack([first, first * 9 // 10, np.roll(first, 1)], axis=1)
    lanes = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]] * 3)[:16]
    page = page_from_cube(
        cube,
        tail=4,
        lanes=lanes,
        shift=lambda slot: 7,
        as_of_s=as_of,
        reference_spot=float(spot),
        liquidity=LIQUIDITY,
        funding=FundingInput(cumulative_x32=funding_x32, rate=rate, cap_s=3600),
        factors=FACTORS,
    )
    kinds = (Kind.PERPETUAL, Kind.PERPETUAL, Kind.FUTURE)
    records = [
        replace(record, kind=kind, mark=float(spot)) for record, kind in zip(page.records, kinds, strict=True)
    ]
    return decode_page(encode_page(replace(page, records=records)))


def market(page: Page, *, now: int, mature: bool = True) -> ManifestState:
    return ManifestState(as_of=page.head.as_of, activated_at=now, mature=mature, pages={0: page})


class LedgerMachine(RuleBasedStateMachine):
    """Trade, move prices and funding, liquidate, withdraw; after every rule the books add up."""

    @initialize(fund=st.integers(0, 10**8))
    def open(self, fund: int) -> None:
        self.spot, self.now = SPOT, NOW
        shares = {"fund_fee_bps": 2_000, "protocol_fee_bps": 1_000, "protocol_account": ACCOUNTS[1]}
        self.vault = Vault(World(now=NOW), Fund(assets=fund), authority=governed(*ACCOUNTS, **shares))
        self.liquidator = Liquidator(self.vault)
        self.put_in = fund
        self.paid_out = 0
        self.publish(rate=0.0)
        for key in ACCOUNTS:
            self.deposit(key, 50 * SPOT)

    def publish(self, *, rate: float) -> None:
        world = self.vault.world
        old = world.current.pages[0].head if world.current else None
        funding = accrued_funding_x32(old, at_s=self.now) if old else 0
        page = market_page(spot=self.spot, as_of=self.now, funding_x32=funding, rate=rate)
        world.current = world.baseline = market(page, now=self.now)
        self.tick()

    def tick(self) -> None:
        world = self.vault.world
        world.now, world.block = self.now, world.block + 1
        world.prices[0] = Price(ticks=self.spot, observed_at=self.now, fresh_since=self.now - 600)

    def shock(self, move_bps: int) -> None:
        """Move the price, within what the lanes of the pages can hold."""
        self.spot = min(max(self.spot * (10_000 + move_bps) // 10_000, SPOT // 10), 20 * SPOT)

    def attempt(self, name: str, action) -> None:  # type: ignore[no-untyped-def]
        before = self.total_equity()
        try:
            action()
        except Rejected as rejected:
            note(f"[{name}] {rejected}")
            assert self.total_equity() == before
        else:
            note(f"[{name}] done")
            event(name)

    def total_equity(self) -> int:
        return sum(self.vault.margin(key).equity for key in ACCOUNTS)

    @rule(key=st.sampled_from(ACCOUNTS), value=st.integers(1, 20 * SPOT))
    def deposit(self, key: bytes, value: int) -> None:
        self.vault.deposit(key, value)
        self.put_in += value

    @rule(
        pair=st.permutations(ACCOUNTS),
        slot=st.integers(0, 2),
        lots=st.integers(-60, 60),
        off=st.integers(-4000, 4000),
        fee=st.integers(0, 1000),
    )
    def trade(self, pair: list[bytes], slot: int, lots: int, off: int, fee: int) -> None:
        price = max(self.spot + off, 0)
        fill = Fill(
            taker=pair[0],
            maker=pair[1],
            page=0,
            slot=slot,
            generation=1,
            lots=lots,
            price_ticks=price,
            taker_fee=fee,
            maker_fee=fee // 2,
        )
        self.attempt("TRADE", lambda: settle(self.vault, fill, sender=VENUE))

    @rule(move=st.integers(-1500, 1500), seconds=st.integers(1, 600), live=st.booleans())
    def move_price(self, move: int, seconds: int, live: bool) -> None:
        self.shock(move)
        self.now += seconds
        self.vault.world.live_seconds += seconds if live else 0
        self.tick()

    @rule(rate=st.floats(-5, 5))
    def new_manifest(self, rate: float) -> None:
        self.publish(rate=rate)

    @rule(key=st.sampled_from(ACCOUNTS), value=st.integers(1, 60 * SPOT))
    def withdraw(self, key: bytes, value: int) -> None:
        def action() -> None:
            self.paid_out += withdraw(self.vault, key, value, to=key, sender=key)

        cash, free = self.vault.account(key).cash, not self.vault.account(key).book
        self.attempt("WITHDRAW", action)
        if free:
            assert self.vault.account(key).cash in (cash, cash - value)

    @rule(key=st.sampled_from(ACCOUNTS), value=st.integers(1, 5 * SPOT))
    def claim(self, key: bytes, value: int) -> None:
        def action() -> None:
            self.paid_out += claim_withdrawal(self.vault, key, to=key, sender=key)
            margin = self.vault.margin(key)
            assert not self.vault.account(key).book or margin.equity >= margin.initial

        request_withdrawal(self.vault, key, value, sender=key)
        self.now += 20
        self.publish(rate=0.0)
        self.attempt("CLAIM", action)

    @rule(
        key=st.sampled_from(ACCOUNTS),
        buyer=st.sampled_from(ACCOUNTS),
        wait=st.integers(0, 4000),
        fraction=st.integers(1, WAD) | st.just(WAD),
    )
    def liquidate(self, key: bytes, buyer: bytes, wait: int, fraction: int) -> None:
        if key not in self.liquidator.auctions:
            self.attempt("START", lambda: self.liquidator.start(key))
            self.now += wait
            self.vault.world.live_seconds += wait
            self.tick()
        if key not in self.liquidator.auctions or key == buyer:
            return
        before = self.vault.health(key)
        total, fund, deficit = self.total_equity(), self.vault.fund.assets, self.vault.deficit
        coverable = self.vault.fund.coverable(now=self.now)

        def action() -> None:
            bought, _ = self.liquidator.buy(key, buyer, sender=buyer, max_fraction_wad=fraction)
            margin = self.vault.margin(buyer)
            assert margin.equity >= margin.initial, "INV_23"
            after = self.vault.health(key)
            assert after.maintenance <= before.maintenance
            if before.equity >= 0 and self.vault.account(key).book:
                assert after.equity * before.maintenance >= before.equity * after.maintenance, "INV_19"
            given_to_fund = fund - self.vault.fund.assets + self.vault.deficit - deficit
            assert self.total_equity() == total + given_to_fund, "INV_05"
            capped = fund - self.vault.fund.assets == coverable
            assert self.vault.deficit == deficit or capped, "INV_24"
            note(f"bought {bought / WAD:.3f}")
            event("whole book" if bought == WAD else "slice")
            event(
                "deficit"
                if self.vault.deficit > deficit
                else "fund pays"
                if given_to_fund
                else "account pays"
            )

        self.attempt("BUY", action)

    @rule(
        pair=st.permutations(ACCOUNTS),
        slot=st.integers(0, 2),
        sign=st.sampled_from((1, -1)),
        share=st.integers(50, 100),
        move=st.integers(500, 4000),
        wait=st.integers(0, 12_000),
        fraction=st.integers(1, WAD) | st.just(WAD),
    )
    def squeeze(
        self, pair: list[bytes], slot: int, sign: int, share: int, move: int, wait: int, fraction: int
    ) -> None:
        """Trade up to the limit, move the price against it, sell what is left."""
        borrower, maker, keeper = pair
        self.publish(rate=0.0)
        for key in (maker, keeper):
            self.deposit(key, 500 * SPOT)
        leg = self.vault.world.current.pages[0].records[slot].leg_long
        lots = sign * max(self.vault.margin(borrower).equity, 0) * share // 100 // leg
        self.trade([borrower, maker, keeper], slot, lots, 0, 0)
        self.shock(-sign * move)
        self.now += 600
        self.tick()
        self.liquidate(borrower, keeper, wait, fraction)

    @rule()
    def distribute(self) -> None:
        self.vault.distribute_fees(VENUE)

    @invariant()
    def tokens_are_all_cash_and_fees_less_the_deficit(self) -> None:
        vault = self.vault
        cash = sum(account.cash for account in vault.accounts.values())
        assert cash + sum(vault.fees.values()) + vault.reserve == vault.tokens + vault.deficit
        assert vault.reserve >= 0
        assert vault.tokens >= 0
        assert vault.tokens + vault.fund.assets == self.put_in - self.paid_out

    @invariant()
    def positions_of_every_instrument_sum_to_zero(self) -> None:
        sums: dict[tuple[int, tuple[int, int]], int] = {}
        longs = 0
        for account in self.vault.accounts.values():
            for page, position in account.book:
                sums[page, position.key] = sums.get((page, position.key), 0) + position.lots
                longs += max(position.lots, 0)
        assert not any(sums.values())
        assert self.vault.open_interest.get(0, 0) == longs


class Test_INV_01_INV_02_INV_05_INV_19_INV_23_INV_24_the_ledger_adds_up(LedgerMachine.TestCase):
    settings = settings(stateful_step_count=30, deadline=None)


prices = st.integers(SPOT // 2, 2 * SPOT)
steps = st.lists(
    st.tuples(st.integers(-9, 9), prices, st.integers(-(1 << 40), 1 << 40), st.integers(0, 3000)),
    min_size=1,
    max_size=8,
)


@given(trades=steps, last=prices, seconds=st.integers(0, 3000))
def test_INV_03_perpetual_profit_is_price_less_funding_to_a_tick_a_trade(
    trades: list[tuple[int, int, int, int]], last: int, seconds: int
) -> None:
    """Positions opened at several prices earn `sum q (P1 - P0) - (F1 - F0)`, funding exact to a tick at either end."""
    now, cash, lots, exact = NOW, 0, 0, 0
    page = market_page(spot=SPOT, as_of=now, funding_x32=0, rate=0.0)
    for change, price, rate, wait in trades:
        funding = accrued_funding_x32(page.head, at_s=now)
        cash -= change * (price - (funding >> 32))
        exact -= (change * price << 32) - change * funding
        lots += change
        head = replace(page.head, as_of=now, funding_x32=funding, funding_rate_x32=rate)
        page = replace(page, head=head)
        now += wait
    now += seconds
    funding = accrued_funding_x32(page.head, at_s=now)
    profit = cash + lots * (last - (funding >> 32))
    exact += lots * ((last << 32) - funding)
    ticks = sum(abs(change) for change, *_ in trades) + abs(lots)
    assert abs((profit << 32) - exact) <= ticks << 32


@given(lots=st.integers(1, 20), move=st.integers(-300, 300), rate=st.floats(-3, 3), wait=st.integers(1, 1500))
def test_INV_03_the_ledger_pays_that_profit_whatever_the_manifests_in_between(
    lots: int, move: int, rate: float, wait: int
) -> None:
    """A third as much time passes under the second manifest, which says the opposite of funding, as under the first."""
    page = market_page(spot=SPOT, as_of=NOW, funding_x32=77 << 32, rate=rate)
    world = World(now=NOW, current=market(page, now=NOW), prices={0: Price(ticks=SPOT, observed_at=NOW)})
    vault = Vault(world, authority=governed(b"long", b"short"))
    for key in (b"long", b"short"):
        vault.deposit(key, 100 * SPOT)
    fill = Fill(taker=b"long", maker=b"short", page=0, slot=0, generation=1, lots=lots, price_ticks=SPOT)
    settle(vault, fill, sender=VENUE)
    world.now += wait
    paid_x32 = accrued_funding_x32(page.head, at_s=world.now) - page.head.funding_x32
    last = SPOT + SPOT * move // 10_000
    later = market_page(
        spot=last, as_of=world.now, funding_x32=accrued_funding_x32(page.head, at_s=world.now), rate=-rate
    )
    world.current = market(later, now=world.now)
    world.now += wait // 3
    paid_x32 += accrued_funding_x32(later.head, at_s=world.now) - later.head.funding_x32
    world.prices[0] = Price(ticks=last, observed_at=world.now)
    profit = vault.margin(b"long").equity - 100 * SPOT
    assert abs((profit - lots * (last - SPOT) << 32) + lots * paid_x32) <= 2 * lots << 32
    assert vault.margin(b"short").equity - 100 * SPOT == -profit


@given(value=st.integers(1, 10**12), missing=st.integers(0, 10**12), assets=st.integers(0, 10**12))
def test_an_exit_bears_its_share_of_what_is_missing_rounded_against_it(
    value: int, missing: int, assets: int
) -> None:
    vault = Vault(World(now=NOW), Fund(assets=assets), authority=governed())
    vault.deposit(b"owner", value)
    vault.deposit(b"other", 10**12)
    vault.deficit = missing
    vault.account(b"other").cash += missing
    assume(vault.tokens)
    paid = withdraw(vault, b"owner", value, to=b"owner", sender=b"owner")
    fund = Fund(assets=assets)
    short = missing - fund.cover(missing, now=NOW)
    gap, claims = short - min(short, fund.coverable(now=NOW)), 10**12 + value + missing
    assert paid * claims <= value * (claims - gap)
    assert (paid + 2) * claims * WAD >= value * ((claims - gap) * WAD - claims)
    assert paid <= value
    assert vault.account(b"owner").cash == 0
    assert sum(a.cash for a in vault.accounts.values()) + vault.reserve == vault.tokens + vault.deficit
