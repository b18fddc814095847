"""What the reference does not model: the clock of a feed, the ring of manifests; and what was deployed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.support.feeds import Feed
from tests.support.market import TICK, Instrument
from tests.support.system import GOVERNOR, GRACE_S, GUARDIAN, VENUE, System

from seawall.reference import Authority, Averages, Listing, ManifestState, Price, Settling, Terms, Total
from seawall.reference.state import MAX_PRICE_AGE_S

__all__ = ["FeedTwin", "Ring", "address", "authority_of", "listing_of"]


def address(text: str) -> bytes:
    """Return an address as the reference has it."""
    return bytes.fromhex(text.removeprefix("0x"))


def authority_of(system: System) -> Authority:
    """Return who may do what in a system as it was deployed."""
    return Authority(
        governor=address(GOVERNOR),
        guardian=address(GUARDIAN),
        liquidator=address(system.liquidator.address),
        insurance_fund=address(system.fund.address),
        venues={address(VENUE), address(system.order_venue.address)},
    )


def listing_of(system: System) -> Listing:
    """Return what was listed."""
    pages = {
        page: (market.underlying, tuple(map(_terms, market.instruments)))
        for page, market in system.markets.items()
    }
    past = {
        (page, *key): _terms(instrument)
        for page, market in system.markets.items()
        for key, instrument in market.past.items()
    }
    return Listing(tick=TICK, underlyings=len(system.spots), pages=pages, past=past)


def _terms(listed: Instrument) -> Terms:
    return Terms(
        kind=listed.kind,
        generation=listed.generation,
        strike=listed.strike,
        expiry_hour=listed.expiry_hour,
        shift=listed.shift,
    )


class FeedTwin(Feed):
    """A feed that remembers what it was told: prices, since when without a gap, totals over live time, live seconds."""

    def __init__(self, feed: Feed) -> None:
        super().__init__(feed.contract, feed.anchor, feed.signers)
        self.last, self.live = feed.contract.lastBatchAt(), feed.contract.liveSeconds()
        words = feed.contract.load(sum(u << 8 * u for u in range(32)), 32)
        self.averages = {u: self._averages(u, word) for u, word in enumerate(words) if word}

    def _averages(self, underlying: int, word: int) -> Averages:
        """Return what a feed knows whose checkpoints do not matter any more."""
        sums = self.contract.cumulative(underlying)
        times = (word >> 64) & (2**40 - 1), word >> 104
        price = Price(ticks=word & (2**64 - 1), observed_at=times[0], fresh_since=times[1])
        return Averages(price=price, total=Total(price_seconds=sums[0], seconds=sums[1]))

    @property
    def prices(self) -> dict[int, Price]:
        """Return the newest prices."""
        return {u: known.price for u, known in self.averages.items()}

    @property
    def totals(self) -> dict[int, Total]:
        """Return what was added up."""
        return {u: known.total for u, known in self.averages.items()}

    def settlements(self, listing: Listing, now: int) -> dict[tuple[int, int], Settling]:
        """Return what the feed says of every hour in which something listed expires."""
        listed = [
            (listing.underlying(page), terms) for page in listing.pages for terms in listing.pages[page][1]
        ]
        listed += [(listing.underlying(page), terms) for (page, _, _), terms in listing.past.items()]
        hours = {(underlying, terms.expiry_hour) for underlying, terms in listed if terms.expiry_hour}
        return {
            (u, hour): self.averages[u].settlement(hour, now=now) for u, hour in hours if u in self.averages
        }

    def push(self, prices: Mapping[int, int], *, anchors: Mapping[int, int] | None = None) -> None:
        super().push(prices, anchors=anchors)
        now = self.contract.evm.timestamp
        self.live += now - self.last if now - self.last <= MAX_PRICE_AGE_S else 0
        self.last = now
        for underlying, ticks in prices.items():
            self.averages.setdefault(underlying, Averages()).observe(ticks, now)


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
