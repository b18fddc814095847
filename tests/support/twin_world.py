"""What the reference does not model: the clock of a feed, and the ring of manifests, each from its specification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.support.feeds import Feed
from tests.support.system import GRACE_S

from seawall.reference import ManifestState, Price
from seawall.reference.state import MAX_PRICE_AGE_S

__all__ = ["FeedTwin", "Ring"]


class FeedTwin(Feed):
    """A feed that remembers what it was told: prices, since when without a gap, and live seconds."""

    def __init__(self, feed: Feed) -> None:
        super().__init__(feed.contract, feed.anchor, feed.signers)
        self.last, self.live = feed.contract.lastBatchAt(), feed.contract.liveSeconds()
        words = feed.contract.load(sum(u << 8 * u for u in range(32)), 32)
        self.prices = {u: self._price(word) for u, word in enumerate(words) if word}

    @staticmethod
    def _price(word: int) -> Price:
        times = (word >> 64) & (2**40 - 1), word >> 104
        return Price(ticks=word & (2**64 - 1), observed_at=times[0], fresh_since=times[1])

    def push(self, prices: Mapping[int, int], *, anchors: Mapping[int, int] | None = None) -> None:
        super().push(prices, anchors=anchors)
        now = self.contract.evm.timestamp
        self.live += now - self.last if now - self.last <= MAX_PRICE_AGE_S else 0
        self.last = now
        for underlying, ticks in prices.items():
            old = self.prices.get(underlying, Price())
            since = old.fresh_since if now - old.observed_at <= MAX_PRICE_AGE_S else now
            self.prices[underlying] = Price(ticks=ticks, observed_at=now, fresh_since=since)


@dataclass
class Ring:
    """The manifest in force, the candidate, the baseline.

    A candidate in force for the grace period becomes the baseline at the next activation, whose manifest is the next
    candidate; between activations the newest of the three that is old enough counts.
    """

    current: ManifestState
    candidate: ManifestState | None = None
    baseline: ManifestState | None = None

    def effective(self, now: int) -> ManifestState | None:
        """Return the baseline that counts now."""
        for state in (self.current, self.candidate):
            if state is not None and now >= state.activated_at + GRACE_S:
                return state
        return self.baseline

    def activate(self, manifest: ManifestState, now: int) -> None:
        """Let a manifest take effect."""
        kept = self.effective(now)
        if kept is not self.baseline:
            self.baseline, self.candidate = kept, None
        self.candidate = self.candidate or manifest
        self.current = manifest
