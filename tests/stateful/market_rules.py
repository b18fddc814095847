"""What happens to everybody: prices, dead sources, manifests, funding, time."""

from __future__ import annotations

from hypothesis import event, note
from hypothesis import strategies as st
from tests.stateful.claims import INV_12
from tests.stateful.machine import Machine, action
from tests.support.twin_world import listing_of

from seawall.reference.state import MAX_PRICE_AGE_S

__all__ = ["MarketRules"]

underlyings = st.integers(0, 1)


class MarketRules(Machine):
    """The market, its sources and the keepers."""

    @action(underlying=underlyings, bps=st.integers(-1_200, 1_200), seconds=st.integers(0, 90))
    def move(self, underlying: int, bps: int, seconds: int) -> None:
        note(f"[PRICE] underlying {underlying} by {bps} bps after {seconds} s")
        self.twin.advance(seconds)
        self.shock(underlying, bps)

    def shock(self, underlying: int, bps: int) -> None:
        """Move a price whose source lives, within what the fields of pages hold."""
        if underlying not in self.twin.dead:
            for market in self.system.markets.values():
                if market.underlying == underlying:
                    spot = market.spot * (10_000 + bps) // 10_000
                    market.spot = min(max(spot, 100_000), 5_000_000)
            self.twin.push()

    @action(
        scale=st.sampled_from((0.97, 0.995, 1.0, 1.0, 1.05, 1.2)),
        underlying=underlyings,
        rate=st.sampled_from((-0.1, 0.0, 0.0, 0.05, 0.1)),
        wait=st.integers(0, 300),
    )
    def publish(self, scale: float, underlying: int, rate: float, wait: int) -> None:
        """Let the keepers scale the risk of an underlying, and set its funding."""
        self.twin.advance(wait)
        kept = {page: (m.risk_scale, m.funding_rate) for page, m in self.system.markets.items()}
        for market in self.system.markets.values():
            if market.underlying == underlying:
                market.risk_scale *= scale
                market.funding_rate = rate
        before = self.liquidatable()
        refused = self.twin.publish()
        note(f"[PUBLISH] risk x {scale}, funding {rate}: {refused or 'accepted'}")
        event(f"PUBLISH: {refused or 'accepted'}")
        if refused:
            for page, market in self.system.markets.items():
                market.risk_scale, market.funding_rate = kept[page]
            return
        # Under a young manifest the baseline's requirement grows with the drift from its spot; nothing else may add.
        for key in self.liquidatable() - before:
            assert self.margin(key, baseline=True).driftX32 > 0, INV_12

    def liquidatable(self) -> set[bytes]:
        return {key for key in self.traders if self.vault.health(key)[2]}

    @action(
        seconds=st.sampled_from((1, 12, 29, 31, 119, 121, 300, 600, 1_801, 3_600, 7_300)),
        dead=st.sampled_from((set(), set(), set(), {0}, {1}, {0, 1})),
    )
    def age(self, seconds: int, dead: set[int]) -> None:
        """Let time pass; some sources may be silent from now on."""
        note(f"[AGE] {seconds} s, dead: {sorted(dead)}")
        self.twin.dead = set(dead)
        self.twin.push()
        before = {key: self.vault.health(key)[:3] for key in self.traders}
        state = self.state()
        self.twin.advance(seconds)
        if state == self.state() and not self.accrues():
            assert before == {key: self.vault.health(key)[:3] for key in self.traders}, INV_12

    def state(self) -> tuple[object, ...]:
        """Return what is in force and counts, which underlyings have a price, how far expiries have come."""
        words = [self.system.oracle.load(0, 0, baseline)[0] for baseline in (False, True)]
        now, prices = self.system.evm.timestamp, self.twin.feed.prices
        priced = (now - prices[u].observed_at <= MAX_PRICE_AGE_S for u in sorted(prices))
        settlements = self.twin.feed.settlements(listing_of(self.system), now)
        return (*words, *priced, *sorted((hour, s.weight_x16) for hour, s in settlements.items()))

    def accrues(self) -> bool:
        """Say whether funding runs under any manifest that counts."""
        states = (self.twin.ring.current, self.twin.ring.effective(self.system.evm.timestamp))
        pages = (page for state in states if state for page in state.pages.values())
        return any(page.head.funding_rate_x32 for page in pages)
