"""Auctions of accounts that fail maintenance."""

from dataclasses import dataclass
from typing import NamedTuple

from seawall.reference.auction import PREMIUM_MAX_S, largest_fraction_wad, premium_factor_wad, split
from seawall.reference.certificate import Certificates, under
from seawall.reference.integers import WAD
from seawall.reference.ledger import Vault
from seawall.reference.rejection import Rejected, require
from seawall.reference.slices import (
    begin_auction,
    book_loss,
    cover_loss,
    deleverage,
    end_auction,
    move_slice,
    settle_slice,
)
from seawall.reference.state import Flag, Health, is_fresh

__all__ = ["DELEVERAGE_S", "START_DELAY_S", "Auction", "Liquidator"]

START_DELAY_S = 5 * 60
DELEVERAGE_S = PREMIUM_MAX_S + 60 * 60


class Auction(NamedTuple):
    """Hold the live seconds at the start of an auction, and whether only a proof could begin it."""

    live: int
    proven: bool


@dataclass(slots=True)
class Liquidator:
    """Auction the accounts of a vault, which keeps what an auction is known by. The vault must name its address."""

    vault: Vault
    address: bytes = b"liquidator"

    @property
    def auctions(self) -> dict[bytes, Auction]:
        """Return the open auctions by account."""
        held = self.vault.accounts.items()
        return {key: Auction(one.mark >> 1, bool(one.mark & 1)) for key, one in held if one.in_auction}

    def start(self, key: bytes, certificates: Certificates = ()) -> None:
        """Start an auction.

        Raises
        ------
        Rejected
            If the account is healthy, without a price, or prices came back less than five minutes ago.
        """
        world = self.vault.world
        health = self._unhealthy(key, certificates)
        fresh_since = health.current.fresh_since
        require(world.now >= fresh_since + START_DELAY_S, "PriceGapTooRecent", key, fresh_since)
        proven = bool(certificates) and not self.vault.health(key).liquidatable
        loss = max(-health.equity, 0)
        begin_auction(self.vault, key, loss, world.live_seconds << 1 | proven, sender=self.address)

    def buy(
        self,
        key: bytes,
        buyer: bytes,
        *,
        sender: bytes,
        max_fraction_wad: int,
        max_paid: int | None = None,
        buyer_certificates: Certificates = (),
        seller_certificates: Certificates = (),
    ) -> tuple[int, int]:
        """Sell a slice to a buyer and return the fraction and what the buyer paid; `sender` acts for the buyer.

        Raises
        ------
        Rejected
            If the caller may not buy for the account, the other is healthy, the slice would raise maintenance, or the
            buyer lacks margin.
        """
        require(key != buyer, "SameAccount", key)
        require(max_fraction_wad > 0, "ZeroFraction")
        k_wad = self.premium_factor_wad(key)
        self.vault.require_open()
        self.vault.authority.require_authorised(buyer, sender)
        health = self._unhealthy(key, seller_certificates)
        largest = largest_fraction_wad(health.equity, health.maintenance, k_wad)
        fraction = min(max_fraction_wad, largest)
        own = self._shows_own(key, seller_certificates)
        if health.equity < 0:
            self._require_loss_proven(key, health)

        def sold(part_wad: int) -> int:
            certificates = buyer_certificates, seller_certificates
            with self.vault.atomic():
                paid = self._sell(key, buyer, health, k_wad, part_wad, largest, *certificates)
                self._require_paid(paid, max_paid)
            return paid

        try:
            return fraction, sold(fraction)
        except Rejected as rejected:
            if rejected.name != "HealthFell" or not own or max_fraction_wad < WAD or fraction == WAD:
                raise
        return WAD, sold(WAD)

    def end(self, key: bytes, certificates: Certificates = ()) -> None:
        """End the auction of an account that is healthy again; after a proof, that meets its initial margin."""
        require(key in self.auctions, "NotInAuction", key)
        health = self.vault.health(key)
        if self.vault.account(key).book:
            require(not health.current.flags & Flag.NONE_PRICED, "PriceStale", key)
            require(not health.liquidatable, "AccountUnhealthy", key, health.equity, health.maintenance)
            if self.auctions[key].proven and self._live_since(key) < DELEVERAGE_S:
                self._require_initial(key, certificates)
        self._finish(key, health.equity)

    def book(self, key: bytes) -> None:
        """Book what an account in auction has lost by now."""
        require(key in self.auctions, "NotInAuction", key)
        health = self.vault.health(key)
        require(not health.current.flags & Flag.NONE_PRICED, "PriceStale", key)
        book_loss(self.vault, key, max(-health.equity, 0), sender=self.address)

    def deleverage(
        self,
        key: bytes,
        opposite: bytes,
        *,
        page: int,
        slot: int,
        lots: int,
        certificates: Certificates = (),
    ) -> None:
        """Close lots at the live value against an opposite account, an hour after the largest premium."""
        live = self._live_since(key)
        require(live >= DELEVERAGE_S, "TooEarly", DELEVERAGE_S - live)
        with self.vault.atomic():
            before = self._unhealthy(key, certificates)
            if before.equity < 0:
                self._require_loss_proven(key, before)
            deleverage(self.vault, key, opposite, page=page, slot=slot, lots=lots, sender=self.address)
            after = self.vault.health(key, certificates)
            require(
                after.maintenance <= before.maintenance, "HealthFell", key, after.equity, after.maintenance
            )
            self._settled(key, after.equity, after.maintenance)

    def premium_factor_wad(self, key: bytes) -> int:
        """Return k now."""
        return premium_factor_wad(self._live_since(key))

    def _sell(
        self,
        key: bytes,
        buyer: bytes,
        health: Health,
        k_wad: int,
        fraction: int,
        largest: int,
        buyer_certificates: Certificates,
        seller_certificates: Certificates,
    ) -> int:
        """Move the slice, measure the maintenance it removed, pay the premium for that."""
        value = move_slice(self.vault, key, buyer, fraction, sender=self.address)
        after = self.vault.health(key, seller_certificates)
        require(after.maintenance <= health.maintenance, "HealthFell", key, after.equity, after.maintenance)
        premium, from_share = split(
            equity=health.equity,
            maintenance=health.maintenance,
            k_wad=k_wad,
            fraction_wad=fraction,
            maintenance_after=after.maintenance,
            fund_pays=not health.current.flags & (Flag.STALE | Flag.MISSING),
        )
        settle_slice(
            self.vault,
            key,
            buyer,
            premium=premium,
            from_share=from_share,
            certificates=buyer_certificates,
            sender=self.address,
        )
        full = fraction >= largest or not self.auctions[key].proven
        healthy = self._settled(key, after.equity - from_share, after.maintenance)
        require(full or not healthy, "ProofSpent", key, fraction, largest)
        return value - premium

    def _shows_own(self, key: bytes, certificates: Certificates) -> bool:
        """Say whether what certificates show, if anything, is the account's book as it stands."""
        words = self.vault.account(key).book.words()
        return all(not certificate.book or certificate.book == words for certificate in certificates)

    def _require_paid(self, paid: int, limit: int | None) -> None:
        if limit is not None:
            require(paid <= limit, "PaysMoreThan", paid, limit)

    def _settled(self, key: bytes, equity: int, maintenance: int) -> bool:
        """End the auction if the account is healthy or empty, else book what it has lost; say whether it is healthy."""
        left = bool(self.vault.account(key).book)
        healthy = left and equity >= maintenance
        if healthy or not left:
            self._finish(key, equity)
        else:
            book_loss(self.vault, key, max(-equity, 0), sender=self.address)
        return healthy

    def _finish(self, key: bytes, equity: int) -> None:
        """End an auction; what an account without positions lacks is a loss by now."""
        if equity < 0 and not self.vault.account(key).book:
            cover_loss(self.vault, key, -equity, sender=self.address)
        end_auction(self.vault, key, sender=self.address)

    def _unhealthy(self, key: bytes, certificates: Certificates) -> Health:
        health = self.vault.health(key, certificates)
        require(not health.current.flags & Flag.NONE_PRICED, "PriceStale", key)
        require(health.liquidatable, "AccountHealthy", key, health.equity, health.maintenance)
        return health

    def _require_initial(self, key: bytes, certificates: Certificates) -> None:
        """Require initial margin under current and, where it knows the book, baseline."""
        margin = self.vault.margin(key, under(certificates, baseline=False))
        require(is_fresh(margin), "PriceStale", key)
        require(margin.equity >= margin.initial, "InitialMargin", key, margin.equity, margin.initial)
        margin = self.vault.margin(key, under(certificates, baseline=True), baseline=True)
        counts = not margin.flags & (Flag.MISSING | Flag.NO_MANIFEST)
        meets = not counts or margin.equity >= margin.initial
        require(meets, "InitialMargin", key, margin.equity, margin.initial)

    def _require_loss_proven(self, key: bytes, health: Health) -> None:
        """Require ``E_b - E <= M``: a young manifest alone opens no larger hole."""
        old = self.vault.margin(key, baseline=True)
        if old.flags & (Flag.MISSING | Flag.NO_MANIFEST):
            return
        proven = old.equity - health.equity <= health.maintenance
        require(proven, "LossUnproven", key, health.equity, old.equity)

    def _live_since(self, key: bytes) -> int:
        require(key in self.auctions, "NotInAuction", key)
        return self.vault.world.live_seconds - self.auctions[key].live
