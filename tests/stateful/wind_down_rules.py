"""Closing the vault: whoever calls, one step after the other, until everybody has left with a share."""

from __future__ import annotations

from hypothesis import event, note
from hypothesis import strategies as st
from tests.stateful.claims import INV_01, INV_04, INV_17, INV_24
from tests.stateful.machine import Machine, Step, action
from tests.stateful.trading_rules import TradingRules
from tests.support.system import VENUE

from seawall.reference import price_wind_down, settle_wind_down, start_wind_down
from seawall.reference.integers import WAD
from seawall.reference.wind_down import WIND_DOWN_AFTER_S, WIND_DOWN_AVERAGE_S

__all__ = ["WindDownRules"]


class WindDownRules(TradingRules, Machine):
    """Anybody, once the keepers are gone; or too early."""

    @action(
        act=st.sampled_from(("start", "price", "settle")),
        choice=st.integers(0, 7),
        early=st.sampled_from((None, None, -1, 0, 1)),
    )
    def close(self, act: str, choice: int, early: int | None) -> None:
        """Try a step of the wind-down now, or so many seconds after it may be taken."""
        if act == "start":
            if early is not None and self.twin.vault.is_open and self.closing:
                self.wait_until(self.ready_at() + early)
            self.start_wind_down()
        elif act == "price":
            if early is not None and self.pricing:
                self.wait_until(self.ready_at() + early)
            self.price_wind_down()
        else:
            self.settle_wind_down(self.keys[choice % len(self.keys)])

    @property
    def pricing(self) -> bool:
        state = self.twin.vault.wind_down
        return bool(state.started_at) and not state.priced

    def ready_at(self) -> int:
        """Return when the next step may be taken."""
        state = self.twin.vault.wind_down
        if state.started_at:
            return state.started_at + WIND_DOWN_AVERAGE_S
        return self.twin.ring.current.activated_at + WIND_DOWN_AFTER_S

    def wait_until(self, timestamp: int) -> None:
        """Let days pass without a price, unless they have."""
        if timestamp > self.system.evm.timestamp:
            self.system.evm.advance(timestamp - self.system.evm.timestamp)

    def start_wind_down(self) -> Step:
        late = self.system.evm.timestamp >= self.ready_at()
        was_open = self.twin.vault.is_open
        step = self.do("CLOSE start", self.vault.startWindDown, lambda: start_wind_down(self.twin.vault))
        assert step.done == (late and was_open), INV_17
        return step

    def price_wind_down(self) -> Step:
        ready = self.pricing and self.system.evm.timestamp >= self.ready_at()
        step = self.do("CLOSE price", self.vault.priceWindDown, lambda: price_wind_down(self.twin.vault))
        assert step.done == ready, INV_17
        return step

    def settle_wind_down(self, key: bytes) -> Step:
        """Settle an account: never refused once prices stand, and nobody owes anything after it."""
        idle, cash = self.is_idle(key), self.system.cash(key)
        fund, coverable = self.system.fund.totalAssets(), self.system.fund.coverable()
        deficit, reserve = self.vault.deficit(), self.vault.reserve()
        step = self.do(
            f"SETTLE {self.twin.names([key])[0]}",
            lambda: self.vault.settleWindDown(key),
            lambda: settle_wind_down(self.twin.vault, key),
        )
        assert step.done == self.twin.vault.wind_down.priced, INV_17
        if step.done:
            assert self.is_flat(key), INV_17
            assert not self.in_auction(key), INV_17
            assert self.system.cash(key) >= 0, INV_24
            assert not idle or self.system.cash(key) == max(cash, 0), INV_04
            given = fund - self.system.fund.totalAssets()
            assert given <= coverable, INV_24
            worse = self.vault.deficit() > deficit
            if worse:
                assert given == coverable, INV_24
                assert self.vault.reserve() == 0, INV_24
            event(
                f"SETTLE with {'a deficit' if worse else 'the reserve' if self.vault.reserve() < reserve else 'enough'}"
            )
        return step

    @action(
        order=st.permutations(range(7)),
        fees=st.integers(0, 7),
        who=st.sampled_from(("owner", "owner", "operator")),
        late=st.booleans(),
    )
    def evacuate(self, order: list[int], fees: int, who: str, late: bool) -> None:
        """Take every step that is due, and let everybody leave with what they own less the same share.

        Fees are distributed when `fees` have left, or never; whoever was authorised or not tries first.
        """
        if not self.closing:
            return
        if self.twin.vault.is_open:
            self.wait_until(self.ready_at())
            self.start_wind_down()
        if self.pricing:
            self.wait_until(self.ready_at())
            self.price_wind_down()
        keys = [self.keys[i] for i in order]
        for settled, key in enumerate(keys):
            self.settle_wind_down(key)
            if late and settled == 2:  # a manifest comes after all, and changes nothing any more
                self.twin.push()
                note(f"[PUBLISH] {self.twin.publish() or 'accepted'}")
                self.twin.advance(600)
        for left, key in enumerate(keys):
            if left == fees:
                self.distribute()
            share = self.vault.exitHaircutWad()
            self.pay_out(key, 100, who, "owner")
            self.pay_out(key, 100)
            assert self.system.cash(key) == 0, INV_17
            idle = self.vault.exitHaircutWad()
            event(f"share {'none' if not share else 'all' if share == WAD else 'some'}")
            assert idle <= share or not share, INV_24
        held, owed = self.system.token.balanceOf(self.vault), self.vault.accruedFees(VENUE)
        if not owed:
            assert held - self.vault.reserve() <= len(keys), f"{INV_01}; {INV_17}"
