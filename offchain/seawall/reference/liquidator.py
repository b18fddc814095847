"""Auctions of accounts that fail maintenance."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from seawall.reference.auction import PREMIUM_MAX_S, largest_fraction_wad, premium_factor_wad, split
from seawall.reference.certificate import EMPTY, Certificate
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
from seawall.reference.state import Flag, Health

__all__ = ["DELEVERAGE_S", "START_DELAY_S", "Liquidator"]

START_DELAY_S = 5 * 60
DELEVERAGE_S = PREMIUM_MAX_S + 60 * 60


@dataclass(slots=True)
class Liquidator:
    """Hold the auctions of a vault: live seconds at the start, by account. The vault must name its address."""

    vault: Vault
    address: bytes = b"liquidator"
    auctions: dict[bytes, int] = field(default_factory=dict)

    def start(self, key: bytes) -> None:
        """Start an auction.

        Raises
        ------
        Rejected
            If the account is healthy, without a price, or prices came back less than five minutes ago.
        """
        world = self.vault.world
        require(key not in self.auctions, "AlreadyInAuction", key)
        health = self._unhealthy(key)
        fresh_since = health.current.fresh_since
        require(world.now >= fresh_since + START_DELAY_S, "PriceGapTooRecent", key, fresh_since)
        begin_auction(self.vault, key, max(-health.equity, 0), sender=self.address)
        self.auctions[key] = world.live_seconds

    def buy(
        self,
        key: bytes,
        buyer: bytes,
        *,
        sender: bytes,
        max_fraction_wad: int,
        max_paid: int | None = None,
        certificate: Certificate = EMPTY,
    ) -> tuple[int, int]:
        """Sell a slice to a buyer and return the fraction and what the buyer paid; `sender` acts for the buyer.

        Raises
        ------
        Rejected
            If the caller may not buy for the account, the other is healthy, the slice would raise maintenance, or the
            buyer lacks margin.
        """
        require(key != buyer, "SameAccount", key)
        self.vault.authority.require_authorised(buyer, sender)
        require(max_fraction_wad > 0, "ZeroFraction")
        k_wad = self.premium_factor_wad(key)
        health = self._unhealthy(key)
        largest = largest_fraction_wad(health.equity, health.maintenance, k_wad)
        fraction = min(max_fraction_wad, largest)
        if health.equity < 0:
            self._require_loss_proven(key, health)
        try:
            with self._atomic():
                paid = self._sell(key, buyer, health, k_wad, fraction, certificate)
                self._require_paid(paid, max_paid)
        except Rejected as rejected:
            if rejected.name != "HealthFell" or max_fraction_wad < WAD or fraction == WAD:
                raise
            fraction = WAD
            with self._atomic():
                paid = self._sell(key, buyer, health, k_wad, fraction, certificate)
                self._require_paid(paid, max_paid)
        return fraction, paid

    def end(self, key: bytes) -> None:
        """End the auction of an account that is healthy again."""
        require(key in self.auctions, "NotInAuction", key)
        health = self.vault.health(key)
        if self.vault.account(key).book:
            require(not health.current.flags & Flag.NONE_PRICED, "PriceStale", key)
            require(not health.liquidatable, "AccountUnhealthy", key, health.equity, health.maintenance)
        self._finish(key)

    def book(self, key: bytes) -> None:
        """Book what an account in auction has lost by now."""
        require(key in self.auctions, "NotInAuction", key)
        health = self.vault.health(key)
        require(not health.current.flags & Flag.NONE_PRICED, "PriceStale", key)
        book_loss(self.vault, key, max(-health.equity, 0), sender=self.address)

    def deleverage(self, key: bytes, opposite: bytes, *, page: int, slot: int, lots: int) -> None:
        """Close lots at the live value against an opposite account, an hour after the largest premium."""
        live = self._live_since(key)
        require(live >= DELEVERAGE_S, "TooEarly", DELEVERAGE_S - live)
        with self._atomic():
            before = self._unhealthy(key)
            deleverage(self.vault, key, opposite, page=page, slot=slot, lots=lots, sender=self.address)
            after = self.vault.health(key)
            require(
                after.maintenance <= before.maintenance, "HealthFell", key, after.equity, after.maintenance
            )
            equity = after.equity
            if equity < 0 and not self.vault.account(key).book:
                cover_loss(self.vault, key, -equity, sender=self.address)
                equity = 0
            self._settled(key, equity, after.maintenance)

    def premium_factor_wad(self, key: bytes) -> int:
        """Return k now."""
        return premium_factor_wad(self._live_since(key))

    def _sell(
        self, key: bytes, buyer: bytes, health: Health, k_wad: int, fraction: int, certificate: Certificate
    ) -> int:
        """Move the slice, measure the maintenance it removed, pay the premium for that."""
        value = move_slice(self.vault, key, buyer, fraction, sender=self.address)
        after = self.vault.health(key)
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
            certificate=certificate,
            sender=self.address,
        )
        self._settled(key, after.equity - from_share, after.maintenance)
        return value - premium

    def _require_paid(self, paid: int, limit: int | None) -> None:
        if limit is not None:
            require(paid <= limit, "PaysMoreThan", paid, limit)

    def _settled(self, key: bytes, equity: int, maintenance: int) -> None:
        """End the auction if the account is healthy or empty, else book what it has lost by now."""
        if equity >= maintenance or not self.vault.account(key).book:
            self._finish(key)
        else:
            book_loss(self.vault, key, max(-equity, 0), sender=self.address)

    def _finish(self, key: bytes) -> None:
        end_auction(self.vault, key, sender=self.address)
        del self.auctions[key]

    def _unhealthy(self, key: bytes) -> Health:
        health = self.vault.health(key)
        require(not health.current.flags & Flag.NONE_PRICED, "PriceStale", key)
        require(health.liquidatable, "AccountHealthy", key, health.equity, health.maintenance)
        return health

    def _require_loss_proven(self, key: bytes, health: Health) -> None:
        """Require ``E_b - E <= M``: a young manifest alone opens no larger hole."""
        old = self.vault.margin(key, baseline=True)
        if old.flags & (Flag.MISSING | Flag.NO_MANIFEST):
            return
        proven = old.equity - health.equity <= health.maintenance
        require(proven, "LossUnproven", key, health.equity, old.equity)

    def _live_since(self, key: bytes) -> int:
        require(key in self.auctions, "NotInAuction", key)
        return self.vault.world.live_seconds - self.auctions[key]

    @contextmanager
    def _atomic(self) -> Iterator[None]:
        """Undo everything in the block if it is rejected, as a revert does."""
        auctions = dict(self.auctions)
        try:
            with self.vault.atomic():
                yield
        except Rejected:
            self.auctions = auctions
            raise
