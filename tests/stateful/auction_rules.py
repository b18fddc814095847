"""Liquidations: who may be put up, what a purchase does, and who pays."""

from __future__ import annotations

from hypothesis import event, note
from hypothesis import strategies as st
from tests.stateful.claims import INV_04, INV_05, INV_18, INV_19, INV_20, INV_21, INV_22, INV_23, INV_24
from tests.stateful.machine import ROLES, SAVER, Step, action, callers
from tests.stateful.market_rules import MarketRules, underlyings
from tests.stateful.trading_rules import TradingRules, instruments
from tests.support.system import GRACE_S, TOKEN
from tests.support.twin_world import address

from seawall.reference.auction import (
    PREMIUM_START_WAD,
    TARGET_HEALTH_WAD,
    largest_fraction_wad,
    lots_moved,
)
from seawall.reference.integers import WAD, ceil_div
from seawall.reference.liquidator import DELEVERAGE_S, START_DELAY_S

__all__ = ["AuctionRules"]

ANY_PRICE = 1 << 200
STALE, MISSING = 1, 16
fractions = st.just(WAD) | st.just(WAD) | st.integers(1, WAD)
choices = st.integers(0, 3)
waits = st.sampled_from((0, 0, 60, 600, 1_200, 7_200, 14_000))


class AuctionRules(TradingRules, MarketRules):
    """Keepers and bidders."""

    def failing(self, key: bytes) -> bool:
        return bool(self.vault.health(key)[2])

    def start(self, choice: int) -> None:
        key = self.pick(lambda held: self.failing(held) and not self.in_auction(held), choice)
        current, base = self.margin(key), self.margin(key, baseline=True)
        step = self.do(
            f"START {self.twin.names([key])[0]}",
            lambda: self.system.liquidator.start(key, ()),
            lambda: self.twin.liquidator.start(key),
        )
        if not step.done:
            return
        now, manifest = self.system.evm.timestamp, self.twin.ring.current
        assert current.equity < current.maintenance, INV_18
        if now < manifest.activated_at + GRACE_S and not base.flags & MISSING:
            raised = ceil_div(base.maintenance * ((1 << 32) + base.driftX32), 1 << 32)
            assert base.equity < raised, INV_18
        prices = [
            self.twin.feed.prices[self.system.markets[page].underlying] for page, *_ in self.positions(key)
        ]
        counted = [price for price in prices if now - price.observed_at <= 120]
        assert counted, INV_18
        assert all(now - price.fresh_since >= START_DELAY_S for price in counted), INV_18

    def buy(self, choice: int, buyer: int, fraction: int, wait: int, who: str, *, limit: bool) -> None:
        key = self.pick(self.in_auction, choice)
        self.twin.advance(wait)
        bidder = self.pick(lambda other: other != key or buyer == 3, buyer)
        self.purchase(key, bidder, fraction, who, limit=limit)

    def purchase(
        self, key: bytes, buyer: bytes, fraction: int, who: str = "owner", *, limit: bool = False
    ) -> None:
        system, vault = self.system, self.vault
        if not self.in_auction(key):
            self.buy_on_both(key, buyer, fraction, 0, who)
            return
        equity, maintenance, _, current = vault.health(key)
        k = system.liquidator.premiumFactorWad(key)
        largest = largest_fraction_wad(equity, maintenance, k) if equity < maintenance else WAD
        worth = {f: vault.sliceValue(key, f) for f in {min(fraction, largest), WAD}}
        held, priced = self.positions(key), self.priced()
        wealth, deficit = self.wealth(), vault.deficit()
        fund, coverable = system.fund.totalAssets(), system.fund.coverable()
        most = worth[WAD] if limit else ANY_PRICE
        step = self.buy_on_both(key, buyer, fraction, most, who)
        if not step.done:
            return
        sold, paid = step.found
        after = vault.health(key)
        premium, given = worth[sold] - paid, fund - system.fund.totalAssets()
        owed = vault.deficit() - deficit
        event("sold whole" if sold == WAD else "sold a slice")
        event("deficit" if owed else "fund pays" if given else "account pays")
        assert self.wealth() == wealth, INV_05
        moved = {(p, s): lots_moved(q, sold) if priced[p] else 0 for p, s, q in held}
        assert all(system.lots(key, p, s) == q - moved[p, s] for p, s, q in held), INV_19
        if equity * WAD >= k * maintenance and not self.is_idle(key):
            assert after.equity * maintenance >= equity * after.maintenance, INV_19
        if fraction == WAD > sold and not current.flags & (STALE | MISSING):
            lot = sum(self.lot_risk(p, s) for p, s, _ in held)
            assert abs(after.equity * WAD - TARGET_HEALTH_WAD * after.maintenance) <= 3 * WAD * (lot + 9), (
                INV_20
            )
        self.check_granted(key, k, maintenance, after.maintenance, premium)
        if k == PREMIUM_START_WAD and equity >= 0:
            assert given + owed == 0, INV_22
        bought = self.margin(buyer)
        assert bought.equity >= bought.initial, INV_23
        assert given <= coverable, INV_24
        assert given + owed <= max(-equity, 0) + k * maintenance // WAD, INV_24
        assert equity * WAD < k * maintenance or given + owed == 0, INV_24
        assert owed == 0 or given == coverable, INV_24
        self.losses_are_booked(key)

    def buy_on_both(self, key: bytes, buyer: bytes, fraction: int, most: int, who: str) -> Step:
        names, caller = self.twin.names([buyer, key]), self.acting(buyer, who)
        may = self.vault.isAuthorised(buyer, caller)
        step = self.do(
            f"BUY {names[0]} from {names[1]}, {fraction / WAD:.3f} by {who}",
            lambda: self.system.liquidator.buy(key, buyer, fraction, most, (), (), sender=caller),
            lambda: self.twin.liquidator.buy(
                key, buyer, sender=address(caller), max_fraction_wad=fraction, max_paid=most
            ),
            by=[buyer] if may else [],
        )
        assert may or not step.done, INV_04
        return step

    def check_granted(self, key: bytes, k: int, before: int, after: int, premium: int) -> None:
        """Add up what purchases in a row at one k earned."""
        at, first, last, earned = self.granted.get(key, (0, 0, 0, 0))
        if (at, last) != (k, before):
            first, earned = before, 0
        earned += premium
        assert earned * WAD <= k * (first - after), INV_21
        self.granted[key] = k, first, after, earned

    def priced(self) -> dict[int, bool]:
        """Say which pages have a price."""
        now, prices = self.system.evm.timestamp, self.twin.feed.prices
        return {
            page: now - prices[m.underlying].observed_at <= 120 for page, m in self.system.markets.items()
        }

    def lot_risk(self, page: int, slot: int) -> int:
        """Return the largest requirement of one lot under current and baseline, token units."""
        most = 0
        for state in (self.twin.ring.current, self.twin.ring.effective(self.system.evm.timestamp)):
            if state is not None:
                record, spot = state.pages[page].records[slot], self.system.markets[page].spot
                most = max(most, record.leg_long, record.leg_short, spot * 2 // 100)
        return most * 100

    def losses_are_booked(self, key: bytes) -> None:
        """Everybody who exits now bears what accounts in auction lack."""
        booked = sum(account.loss for other, account in self.twin.vault.accounts.items() if other != key)
        own = max(-self.system.equity(key), 0) if self.in_auction(key) else 0
        assert self.vault.bookedLosses() == booked + own, INV_24

    def end(self, choice: int, *, booked: bool) -> None:
        """End an auction, or only book what was lost by now."""
        key = self.pick(self.in_auction, choice)
        step = self.do(
            f"{'BOOK' if booked else 'END'} {self.twin.names([key])[0]}",
            lambda: self.system.liquidator.book(key) if booked else self.system.liquidator.end(key, ()),
            lambda: (self.twin.liquidator.book if booked else self.twin.liquidator.end)(key),
        )
        if step.done:
            self.losses_are_booked(key)

    def deleverage(self, choice: int, other: int, fraction: int, *, ripe: bool) -> None:
        """Close a part of a position, or a lot too many, against an account that has the opposite one."""
        key = self.pick(self.in_auction, choice)
        held = self.positions(key)
        if not held:
            return
        if ripe and self.in_auction(key):
            self.twin.advance(DELEVERAGE_S)
        page, slot, size = held[other % len(held)]
        opposite = self.pick(lambda with_: self.system.lots(with_, page, slot) * size < 0, other)
        lots = lots_moved(abs(size), fraction) + (other == 3)
        wealth, deficit = self.wealth(), self.vault.deficit()
        fund, coverable = self.system.fund.totalAssets(), self.system.fund.coverable()
        step = self.do(
            f"DELEVERAGE {self.twin.names([key])[0]} {lots} of {page}:{slot}",
            lambda: self.system.liquidator.deleverage(key, opposite, page, slot, lots, ()),
            lambda: self.twin.liquidator.deleverage(key, opposite, page=page, slot=slot, lots=lots),
            by=[opposite],
        )
        if step.done:
            assert self.wealth() == wealth, INV_05
            given, owed = fund - self.system.fund.totalAssets(), self.vault.deficit() - deficit
            assert owed == 0 or given == coverable, INV_24
            self.losses_are_booked(key)

    @action(
        pair=st.permutations(ROLES),
        instrument=instruments,
        sign=st.sampled_from((1, -1)),
        percent=st.integers(60, 99),
        bps=st.integers(200, 2_500),
        more=st.integers(-30, 60),
        underlying=underlyings,
        back=st.sampled_from((-1, -1, 0, 60, 299, 300)),
    )
    def squeeze(
        self,
        pair: list[str],
        instrument: tuple[int, int],
        sign: int,
        percent: int,
        bps: int,
        more: int,
        underlying: int,
        back: int,
    ) -> None:
        """Let an account trade up to its limit in one or two markets, and the market turn against it.

        Unless negative, `back` says how long ago prices came back from a gap when an auction is tried.
        """
        self.twin.dead.clear()
        self.twin.advance(400)
        note(f"[PUBLISH] {self.twin.publish() or 'accepted'}")
        names = sorted(pair, key=lambda name: self.in_auction(self.twin.accounts[name]))
        taker, maker, bidder, _ = (self.twin.accounts[name] for name in names)
        for key in (maker, bidder):
            units = 3 * self.free(taker) + 1_000 * TOKEN
            self.system.deposit(key, units)
            self.twin.vault.deposit(key, units)
        self.fill(f"SQUEEZE {names[0]}", taker, maker, instrument, sign * percent)
        if more:
            self.fill(f"SQUEEZE {names[0]}", taker, maker, (underlying, 0), more)
        note(f"[PRICE] against {names[0]} by {bps} bps")
        self.shock(self.system.markets[instrument[0]].underlying, -sign * bps)
        if back < 0:
            self.twin.advance(12)
        else:
            self.twin.dead = set(self.system.spots)
            self.twin.advance(130)
            self.twin.dead.clear()
            self.twin.push()
            self.twin.advance(back)
        self.start(0)

    def sell_off(self, choice: int, buyer: int, fractions: list[int], wait: int) -> None:
        """Put an account up, unless there is an auction, and sell slices of it at one k."""
        if not self.any_auction():
            self.start(choice)
        key = self.pick(self.in_auction, choice)
        if not self.in_auction(key):
            return
        self.twin.advance(wait)
        bidder = self.pick(lambda other: other != key and not self.in_auction(other), buyer)
        if buyer != 1 and self.twin.vault.is_open:  # who brings enough for the whole book
            units = 2 * int(self.margin(key).initial) + 1
            self.system.deposit(bidder, units)
            self.twin.vault.deposit(bidder, units)
        for fraction in fractions:
            if self.in_auction(key):
                self.purchase(key, bidder, fraction)

    @action(
        act=st.sampled_from(("sell off", "run", "buy", "start", "end", "book", "deleverage")),
        choice=choices,
        other=choices,
        fractions=st.lists(fractions, min_size=1, max_size=3),
        wait=waits,
        flag=st.booleans(),
        who=callers,
    )
    def liquidate(
        self, act: str, choice: int, other: int, fractions: list[int], wait: int, flag: bool, who: str
    ) -> None:
        """Do one of what keepers and bidders do."""
        if act in ("sell off", "run"):
            if act == "run":  # on the vault: who holds no positions leaves before and after
                self.withdraw(SAVER, 30)
            self.sell_off(choice, other, fractions, wait)
            if act == "run":
                self.withdraw(SAVER, 30)
        elif act == "buy":
            self.buy(choice, other, fractions[0], wait, who, limit=flag)
        elif act == "start":
            self.start(choice)
        elif act == "deleverage":
            self.deleverage(choice, other, fractions[0], ripe=not flag)
        else:
            self.end(choice, booked=act == "book")
