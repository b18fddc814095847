"""Collateral: who puts it in and takes it out, what it stands for, and who pays a debt with it."""

from __future__ import annotations

from hypothesis import event, note
from hypothesis import strategies as st
from tests.stateful.authority_rules import governors
from tests.stateful.claims import INV_01, INV_04, INV_17, INV_25, INV_26
from tests.stateful.machine import CALLERS, ROLES, SAVER, Step, action, callers, roles
from tests.stateful.market_rules import MarketRules, underlyings
from tests.stateful.trading_rules import MAX_MANIFEST_AGE_S, TradingRules
from tests.support.system import TOKEN
from tests.support.twin_desk import CONVERTER
from tests.support.twin_world import address

from seawall.reference import (
    accrue_interest,
    claim_collateral,
    clear_debt,
    convert,
    deposit_collateral,
    flag_debt,
    request_collateral,
    withdraw_collateral,
)
from seawall.reference.integers import ceil_div

__all__ = ["CollateralRules"]

COUNTS_NOT = 16 | 32  # a baseline that lacks a key, or is not there
PLENTY = 10**30
lots = st.integers(1, 40)
wheres = st.sampled_from((0, 0, 1))
ACTS = ("flag", "accrue", "wait", "convert", "clear", "publish", "redeem")
# What becomes of a debt: it costs interest, it is dunned, it is paid at once, it is left alone.
SCRIPTS = (("accrue", "wait", "accrue"), ("flag", "wait", "convert"), ("convert", "redeem"), ())


class CollateralRules(TradingRules, MarketRules):
    """Borrowers, converters and the desk's governance."""

    @action(name=st.just(SAVER) | roles, where=wheres, count=lots, who=callers)
    def pledge(self, name: str, where: int, count: int, who: str) -> None:
        """Deposit lots."""
        key = self.twin.accounts[name]
        caller, desk = self.acting(key, who), self.desk.desks[where]
        may, place = self.vault.isAuthorised(key, caller), (desk.page, desk.slot)
        desk.mint(caller, count)
        step = self.do(
            f"PLEDGE {name} {count} of {place} by {who}",
            lambda: self.desk.contract.deposit(key, *place, count, sender=caller),
            lambda: deposit_collateral(self.desk.reference, key, *place, count, sender=address(caller)),
            by=[key] if may else [],
        )
        assert may or not step.done, INV_25

    @action(
        choice=st.integers(0, 4),
        where=wheres,
        count=lots,
        who=callers,
        to=st.sampled_from(("owner", "owner", "owner", "operator")),
        steps=st.sampled_from((None, None, (12,), (60,), (7_300, 0), ())),
    )
    def redeem(
        self, choice: int, where: int, count: int, who: str, to: str, steps: tuple[int, ...] | None
    ) -> None:
        """Withdraw lots of somebody who has some at once, or ask for what may leave in an hour, wait, and claim."""
        desk, named = self.desk.desks[where], list(self.twin.accounts)
        holders = [name for name in named if desk.lots(self.twin.accounts[name])] or named
        name = holders[choice % len(holders)]
        if steps is not None and choice % 2:
            count = min(count, max(desk.contract.holding(desk.page, desk.slot)[0] // 10, 1))
        if steps is None:
            self.take_out(name, where, count, who, to)
            return
        key = self.twin.accounts[name]
        caller, place = self.acting(key, who), (desk.page, desk.slot)
        step = self.do(
            f"ASK {name} {count} of {place} by {who}",
            lambda: self.desk.contract.requestWithdrawal(key, *place, count, sender=caller),
            lambda: request_collateral(self.desk.reference, key, *place, count, sender=address(caller)),
        )
        assert step.done == self.vault.isAuthorised(key, caller), INV_25
        for seconds in steps:
            self.twin.advance(seconds)
            if seconds < 7_300:
                note(f"[PUBLISH] {self.twin.publish() or 'accepted'}")
        self.claim_lots(name, who, to)

    def take_out(self, name: str, where: int, count: int, who: str, to: str) -> Step:
        key, desk = self.twin.accounts[name], self.desk.desks[where]
        caller, payee, place = self.acting(key, who), self.acting(key, to), (desk.page, desk.slot)
        may = self.vault.isAuthorised(key, caller) and self.system.owner(key) in (caller, payee)
        owes = self.system.cash(key) < 0 or self.vault.windDownDebt(key) > 0 or not self.is_flat(key)
        enough = desk.lots(key) >= count and not self.in_auction(key)
        step = self.do(
            f"REDEEM {name} {count} of {place} by {who} to {to}",
            lambda: self.desk.contract.withdraw(key, *place, count, payee, sender=caller),
            lambda: withdraw_collateral(
                self.desk.reference, key, *place, count, to=address(payee), sender=address(caller)
            ),
        )
        assert step.done == (may and not owes and enough), INV_26
        return step

    def claim_lots(self, name: str, who: str, to: str) -> None:
        key = self.twin.accounts[name]
        caller, payee = self.acting(key, who), self.acting(key, to)
        may = self.vault.isAuthorised(key, caller) and self.system.owner(key) in (caller, payee)
        step = self.do(
            f"CLAIM_LOTS {name} by {who} to {to}",
            lambda: self.desk.contract.claimWithdrawal(key, payee, (), sender=caller),
            lambda: claim_collateral(self.desk.reference, key, to=address(payee), sender=address(caller)),
        )
        assert may or not step.done, INV_25
        if not step.done or self.is_flat(key):
            return
        current, base = self.margin(key), self.margin(key, baseline=True)
        young = self.system.evm.timestamp <= current.manifestAsOf + MAX_MANIFEST_AGE_S
        for margin in (current, base) if young and not current.flags & 12 else (current,):
            assert margin.equity >= margin.initial, INV_26
            assert margin.quote >= -self.desk.contract.debtCap(), INV_26

    @action(
        name=st.sampled_from(("trader", "attacker")) | roles,
        where=underlyings,
        count=st.integers(20, 80),
        percent=st.integers(40, 85),
        bps=st.sampled_from((200, 450, 450, 900)),
        script=st.sampled_from(SCRIPTS),
        acts=st.lists(st.sampled_from(ACTS), max_size=3),
        most=st.integers(1, 60),
    )
    def owe(
        self,
        name: str,
        where: int,
        count: int,
        percent: int,
        bps: int,
        script: tuple[str, ...],
        acts: list[str],
        most: int,
    ) -> None:
        """Short a perpetual against collateral, let the price rise, and let others deal with what is owed."""
        self.twin.dead.clear()
        self.twin.advance(12)
        note(f"[PUBLISH] {self.twin.publish() or 'accepted'}")
        self.pledge(name, where, count, "owner")
        key = self.twin.accounts[name]
        dealer = self.pick(lambda other: other != key, 1)
        self.fill(f"SHORT {name}", key, dealer, (where, 0), -percent)
        self.shock(where, bps)
        for act in (*script, *acts):
            if act == "wait":
                self.twin.advance(1_300)
            elif act == "publish":
                note(f"[PUBLISH] {self.twin.publish() or 'accepted'}")
            elif act == "redeem":
                self.take_out(name, where, 1, "owner", "owner")
            elif act == "convert":
                self.convert(key, where, most)
            else:
                self.look_at(key, act)

    @action(choice=st.integers(0, 3), act=st.sampled_from(("flag", "clear", "accrue", "convert")), most=lots)
    def dun(self, choice: int, act: str, most: int) -> None:
        """Do what anybody may do about somebody's debt."""
        key = self.pick(lambda held: self.quote(held) < 0, choice)
        if act == "convert":
            self.convert(key, choice % 2, most)
        else:
            self.look_at(key, act)

    def quote(self, key: bytes) -> int:
        """Return what an account owes if it is negative: the better of current and baseline, as they count."""
        if not self.twin.vault.is_open:
            return -int(self.vault.windDownDebt(key))
        current, base = self.margin(key), self.margin(key, baseline=True)
        if base.flags & 32:
            return max(int(current.quote), 0)
        return int(current.quote if base.flags & 16 else max(current.quote, base.quote))

    def cap(self) -> int:
        return int(self.desk.contract.debtCap()) if self.twin.vault.is_open else 0

    def look_at(self, key: bytes, act: str) -> Step:
        """Flag a debt, clear it, or charge interest."""
        entry, function = {
            "flag": ("flagDebt", flag_debt),
            "clear": ("clearDebt", clear_debt),
            "accrue": ("accrueInterest", accrue_interest),
        }[act]
        quote, cash, wealth = self.quote(key), self.system.cash(key), self.wealth() + self.vault.reserve()
        step = self.do(
            f"{act.upper()} {self.twin.names([key])[0]}",
            lambda: getattr(self.desk.contract, entry)(key, sender=CONVERTER),
            lambda: function(self.desk.reference, key),
        )
        charged = cash - self.system.cash(key)
        assert 0 <= charged <= max(-quote, 0), INV_26
        assert self.wealth() + self.vault.reserve() == wealth or not self.twin.vault.is_open, INV_01
        if step.done and act != "accrue":
            assert (self.quote(key) < -self.cap()) == (act == "flag"), INV_26
        return step

    def convert(self, key: bytes, where: int, most: int) -> Step:
        """Pay a debt, and take collateral for it."""
        desk, contract = self.desk.desks[where], self.desk.contract
        place, held, quote = (desk.page, desk.slot), desk.lots(key), self.quote(key)
        tokens, lots_of_payer = self.system.token.balanceOf(CONVERTER), desk.token.balanceOf(CONVERTER)
        discount, cash = contract.discountBps(key), self.system.cash(key)
        step = self.do(
            f"CONVERT {self.twin.names([key])[0]} {most} of {place}",
            lambda: contract.convert(key, *place, most, PLENTY, sender=CONVERTER),
            lambda: convert(self.desk.reference, key, *place, max_lots=most, max_pay=PLENTY),
        )
        if not step.done:
            return step
        taken, paid = step.found
        event("CONVERT done")
        assert quote < -self.cap(), INV_26
        assert taken == held - desk.lots(key), INV_25
        assert desk.token.balanceOf(CONVERTER) - lots_of_payer == taken * desk.units_per_lot, INV_25
        assert tokens - self.system.token.balanceOf(CONVERTER) == paid, INV_01
        if self.twin.vault.is_open:
            price = self.twin.feed.prices[self.system.markets[place[0]].underlying].ticks * 100
            lot = ceil_div(price * (10_000 - discount), 10_000)
            owed = -quote + (cash + paid - self.system.cash(key))  # with the interest charged before
            assert taken <= min(most, ceil_div(owed, max(lot - 1, 1))), INV_26
        return step

    @action(
        act=st.sampled_from(("cap", "cap", "rate", "deposits", "stop")),
        who=governors,
        where=wheres,
        tokens=st.sampled_from((0, 5, 200, 2_000)),
        rate=st.sampled_from((0, 500, 10_000, 10_001)),
    )
    def govern_desk(self, act: str, who: str, where: int, tokens: int, rate: int) -> None:
        """Set terms of the desk, or try to."""
        contract, reference, desk = self.desk.contract, self.desk.reference, self.desk.desks[where]
        place, sender = (desk.page, desk.slot), CALLERS[who]
        told = {"sender": address(sender)}
        on_chain, beside = {
            "cap": (
                lambda: contract.setDebtCap(tokens * TOKEN, sender=sender),
                lambda: reference.set_debt_cap(tokens * TOKEN, **told),
            ),
            "rate": (
                lambda: contract.setInterestRate(rate, sender=sender),
                lambda: reference.set_interest_rate(rate, **told),
            ),
            "deposits": (
                lambda: contract.setDepositCap(*place, 10 * tokens, sender=sender),
                lambda: reference.set_deposit_cap(*place, 10 * tokens, **told),
            ),
            "stop": (
                lambda: contract.stopDeposits(*place, sender=sender),
                lambda: reference.stop_deposits(*place, **told),
            ),
        }[act]
        step = self.do(f"DESK {act} by {who}", on_chain, beside)
        if step.done:
            assert who == ("guardian" if act == "stop" else "governor"), INV_04

    @action(pair=st.permutations(ROLES), count=st.integers(-20, 20), offset=st.integers(-40, 40))
    def trade_spot(self, pair: list[str], count: int, offset: int) -> None:
        """Trade collateral against cash."""
        taker, maker, *_ = (self.twin.accounts[name] for name in pair)
        slot = self.desk.desks[0].slot
        self.settle(f"SPOT {pair[0]} {pair[1]}", taker, maker, (0, slot), count, offset, 0, 0)

    @action(
        order=st.permutations((*ROLES, SAVER)),
        bites=st.integers(1, 3),
        wait=st.sampled_from((0, 4_000, 400_000)),
    )
    def reclaim(self, order: list[str], bites: int, wait: int) -> None:
        """In a wind-down, once all is settled: convert what is owed, in pieces, and withdraw the rest."""
        if not self.twin.vault.wind_down.priced or self.waiting():
            return
        self.system.evm.advance(wait or 1)
        for name in order:
            key = self.twin.accounts[name]
            for where, desk in enumerate(self.desk.desks):
                for _ in range(bites):
                    if self.quote(key) < 0:
                        self.convert(key, where, ceil_div(desk.lots(key), bites) or 1)
                if desk.lots(key) and not self.quote(key):
                    assert self.take_out(name, where, desk.lots(key), "owner", "owner").done, INV_17
