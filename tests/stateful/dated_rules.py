"""Futures, calls and puts: traded, in their settlement window, settled by anyone in pieces, replaced in their slots."""

from __future__ import annotations

import pytest
from hypothesis import event, note
from hypothesis import strategies as st
from tests.stateful.books import ever_listed
from tests.stateful.claims import INV_02, INV_05, INV_11
from tests.stateful.listed import CALL, DATED, FUTURE, HOUR_S, PUT, WINDOW_S, dated_terms
from tests.stateful.machine import ROLES, SAVER, Step, action, roles
from tests.stateful.market_rules import MarketRules
from tests.stateful.trading_rules import TradingRules
from tests.support.evm import Revert, role
from tests.support.market import TICK, Instrument
from tests.support.system import GRACE_S

from seawall.reference import payoff, settle_expired
from seawall.reference.expiry import SEAL_DELAY_S

__all__ = ["DatedRules", "dated"]

DAY_S = 86_400
MISSING, STALE = 16, 1
dated = st.sampled_from(tuple((0, slot) for slot in DATED))
# Seconds from an expiry, mostly within the window before it.
moments = st.sampled_from(
    (-WINDOW_S - 1, -WINDOW_S, -1_790, -900, -300, -40, -1, 0, 1, 30, SEAL_DELAY_S + 10)
)
# Hedges with a dated leg, by what they are for.
HEDGES = {FUTURE: (3, 4), CALL: (5, 6), PUT: (6, 6)}


class DatedRules(TradingRules, MarketRules):
    """Traders of what expires, and whoever settles it."""

    def listed(self, slot: int) -> Instrument:
        return self.system.markets[0].instruments[slot]

    def expiry(self, slot: int) -> int:
        return self.listed(slot).expiry_hour * HOUR_S

    @action(
        pair=st.permutations(ROLES),
        instrument=dated,
        percent=st.integers(-110, 110),
        offset=st.just(0) | st.just(0) | st.integers(-45, 45),
        hedge=st.integers(0, 60),
        covered=st.booleans(),
    )
    def trade_dated(
        self,
        pair: list[str],
        instrument: tuple[int, int],
        percent: int,
        offset: int,
        hedge: int,
        covered: bool,
    ) -> None:
        """Trade against the dealer or anybody, with a certificate or without; covered by a perpetual or naked."""
        taker, maker, *_ = (self.twin.accounts[name] for name in pair)
        slot = instrument[1]
        late = self.system.evm.timestamp >= self.expiry(slot) - WINDOW_S
        before = {key: self.system.lots(key, 0, slot) for key in (taker, maker)}
        if covered:
            self.fill(f"COVER {pair[0]} {pair[1]}", taker, maker, (0, 0), -percent // 3)
        atom = HEDGES[slot][percent < 0]
        step = self.fill(
            f"DATED {pair[0]} {pair[1]}", taker, maker, instrument, percent, offset, 0, hedge, atom=atom
        )
        if step.done and late:
            after = {key: self.system.lots(key, 0, slot) for key in (taker, maker)}
            assert all(abs(after[k]) < abs(q) and after[k] * q >= 0 for k, q in before.items()), INV_11

    @action(
        moment=moments,
        slot=st.sampled_from(DATED),
        dead=st.sampled_from((set(), set(), set(), {0}, {0, 1})),
        then=st.sampled_from((None, None, "trade", "reduce", "settle")),
        choice=st.integers(0, 3),
    )
    def approach(
        self, moment: int, slot: int, dead: set[int], then: str | None = None, choice: int = 0
    ) -> None:
        """Let time pass until so long before or after an expiry, or a little; sources may be silent over the window."""
        at = self.expiry(slot) + moment
        wait = at - self.system.evm.timestamp
        if dead and wait > 0:  # alive until the window begins, and not after it
            self.twin.advance(max(wait - moment - 2 * WINDOW_S // 3, 0))
        self.twin.dead = set(dead)
        note(f"[APPROACH] {moment} s from an expiry, dead: {sorted(dead)}")
        event(f"APPROACH: {'window' if -WINDOW_S <= moment < 0 else 'after' if moment >= 0 else 'before'}")
        rest = at - self.system.evm.timestamp
        self.twin.advance(rest if rest > 0 else 60)
        self.agree()
        taker, maker = (self.twin.accounts[name] for name in ("attacker", "dealer"))
        if then == "trade":
            self.fill("DATED late", taker, maker, (0, slot), 10 if choice < 2 else -10)
        elif then == "reduce":
            self.reduce(ROLES[choice], choice, 50, 0, choice)
        elif then == "settle":
            self.fix(self.listed(slot).expiry_hour)
            self.settle_expired(self.pick(lambda key: bool(self.system.lots(key, 0, slot)), choice))

    @action(hour=st.sampled_from(DATED), names=st.lists(roles | st.just(SAVER), min_size=1, max_size=4))
    def expire(self, hour: int, names: list[str]) -> None:
        """Let anyone fix a settlement price, and settle some of the accounts."""
        self.fix(self.listed(hour).expiry_hour)
        for name in names:
            self.settle_expired(self.twin.accounts[name])

    def fix(self, hour: int) -> None:
        """Fix a settlement price on both sides, or be told that it is too early."""
        self.twin.sync()
        price = self.twin.feed.averages[0].fix(hour, now=self.system.evm.timestamp)
        fix = self.system.feed.contract.fixSettlement
        if price is None:
            with pytest.raises(Revert, match="SettlementTooEarly"):
                fix(0, hour, sender=role("stranger"))
            return
        assert fix(0, hour, sender=role("stranger")) == price
        event("FIX")
        self.agree()

    def settle_expired(self, key: bytes, page: int = 0) -> Step:
        """Turn what expired of an account's into cash; nobody's wealth changes, unless a slot was taken meanwhile."""
        listed = [(held, terms) for held, terms in ever_listed(self.twin) if held[0] == page]
        before = {held: self.vault.positionLots(key, *held) for held, _ in listed}
        margin, cash, wealth = self.margin(key), self.system.cash(key), self.wealth()
        step = self.do(
            f"EXPIRE {self.twin.names([key])[0]}",
            lambda: self.vault.settleExpired(key, page, sender=role("stranger")),
            lambda: settle_expired(self.twin.vault, key, page),
        )
        if not step.done:
            assert self.twin.vault.wind_down.priced
            return step
        worth = 0
        for held, terms in listed:
            lots = before[held] - self.vault.positionLots(key, *held)
            self.settled[held] += lots
            if lots:
                fixed = self.twin.feed.averages[0].fixed[terms.expiry_hour]
                worth += lots * payoff(self.twin.vault.world.listing.terms_of(*held), fixed) * TICK
        count = sum(before[held] != self.vault.positionLots(key, *held) for held in before)
        assert step.found == count, INV_02
        event(f"EXPIRE: {min(count, 1) and 'some'}")
        hole = max(-(cash + worth), 0) if self.is_idle(key) and count else 0
        assert self.system.cash(key) == cash + worth + hole, INV_02
        known = not margin.flags & (MISSING | STALE) and self.twin.vault.is_open
        if known and not hole:
            assert self.margin(key).equity == margin.equity, INV_05
            assert self.wealth() == wealth, INV_05
        return step

    @action(slot=st.sampled_from(DATED), strike=st.integers(90, 110), settled=st.booleans())
    def relist(self, slot: int, strike: int, settled: bool) -> None:
        """Let a day pass without a price after an expiry, and another instrument take the slot; trade it at once."""
        if self.closing or self.system.evm.timestamp < self.expiry(slot) or not self.twin.vault.is_open:
            self.approach(30, slot, set())
            return
        self.fix(self.listed(slot).expiry_hour)
        if self.listed(slot).expiry_hour not in self.twin.feed.averages[0].fixed:
            return
        if settled:
            for key in self.keys:
                self.settle_expired(key)
        self.system.evm.advance(max(self.expiry(slot) + DAY_S - self.system.evm.timestamp, 1))
        self.twin.dead.clear()
        self.twin.push()
        spot = self.system.markets[0].spot
        terms = dated_terms(self.system.evm.timestamp + GRACE_S, spot * strike // 100)[slot - FUTURE]
        generation = self.system.relist_instrument(0, slot, terms)
        note(f"[RELIST] 0:{slot} as generation {generation}")
        event("RELIST")
        self.agree()
        for seconds in (12, GRACE_S):
            self.twin.advance(seconds)
            note(f"[PUBLISH] {self.twin.publish() or 'accepted'}")
        taker, maker = (self.twin.accounts[name] for name in ("attacker", "dealer"))
        self.fill("DATED anew", taker, maker, (0, slot), 20)
