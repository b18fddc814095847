"""A bidder with an account of its own in the vault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from web3.types import TxReceipt

from seawall.chain.contracts import System
from seawall.chain.reverts import Reverted
from seawall.chain.sender import Sender
from seawall.errors import InputError
from seawall.keeper.certify import certify_account
from seawall.keeper.leaves import LeafStore
from seawall.keeper.proofs import proofs_of
from seawall.liquidator.settings import LiquidatorSettings
from seawall.reference.auction import lots_moved
from seawall.reference.book import Book
from seawall.reference.certificate import Certificate

__all__ = ["Bidder", "Health", "Purchase"]

_log = structlog.get_logger()

WAD = 1_000_000_000_000_000_000

# A purchase may carry this part less premium than quoted before it is refused.
_PREMIUM_SLIP = 4

# Reasons for which a start is simply too early or no longer needed.
_NOT_NOW = frozenset(
    {
        "AccountHealthy",
        "PriceGapTooRecent",
        "PriceStale",
        "CheckedThisBlock",
        "InAuction",
        "NotInAuction",
    }
)

# Reasons for which an auction that a proof began goes on.
_NOT_YET = frozenset({"InitialMargin", "BadCertificate"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Purchase:
    """Hold one slice bought; money in settlement token units.

    Attributes
    ----------
    factor
        k at which it was bought.
    fraction
        Of the account's book.
    paid
        What the bidder paid; negative: received.
    value
        Live value of what it received.
    fund_paid, deficit_added
        What fund and deficit bore of it.
    ended
        Whether the account is out of auction.
    """

    account: bytes
    factor: float
    fraction: float
    paid: int
    value: int
    fund_paid: int
    deficit_added: int
    ended: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """Hold what liquidation goes by, settlement token units, and the proofs it takes; none if lanes do."""

    equity: int
    maintenance: int
    liquidatable: bool
    proofs: tuple[Certificate, ...] = ()

    @property
    def shown(self) -> list[tuple[tuple[int, ...], int, tuple[int, ...], tuple[bytes, ...]]]:
        """Return the proofs for a contract call."""
        return [proof.as_tuple() for proof in self.proofs]


class Bidder:
    """Start auctions and bid in them for one account.

    Parameters
    ----------
    account
        The bidder's account in the vault; the sender must be authorised for it.
    leaves
        Where a keeper wrote the leaves of the book roots; without it no book is shown.
    """

    def __init__(
        self,
        system: System,
        sender: Sender,
        account: bytes,
        *,
        settings: LiquidatorSettings,
        leaves: LeafStore | None = None,
    ) -> None:
        self._system = system
        self._sender = sender
        self._account = account
        self._settings = settings
        self._leaves = leaves
        self._left: dict[bytes, float] = {}

    def health(self, account: bytes) -> Health:
        """Return what liquidation goes by: with proofs where lanes alone find an account healthy and proofs do not."""
        equity, maintenance, liquidatable, _ = self._system.vault.call("health", account)
        bare = Health(equity=equity, maintenance=maintenance, liquidatable=liquidatable)
        proofs = (
            () if liquidatable or self._leaves is None else proofs_of(self._system, account, self._leaves)
        )
        if not proofs:
            return bare
        shown = [proof.as_tuple() for proof in proofs]
        try:
            equity, maintenance, liquidatable, _ = self._system.vault.call("provenHealth", account, shown)
        except Reverted as error:
            if error.name == "BadCertificate":  # a record of the book is gone, or a manifest has just changed
                return bare
            raise
        if not liquidatable:
            return bare
        return Health(equity=equity, maintenance=maintenance, liquidatable=True, proofs=proofs)

    def start(self, account: bytes) -> bool:
        """Put an account up for auction if it fails maintenance; return whether that happened."""
        health = self.health(account)
        if account == self._account or not health.liquidatable:
            return False
        try:
            self._system.liquidator.transact(self._sender, "start", account, health.shown)
        except Reverted as error:
            if error.name in _NOT_NOW:
                return False
            raise
        return True

    def close(self, account: bytes) -> bool:
        """End the auction of an account that recovered; return whether that happened."""
        shown = (
            certify_account(self._system, account, leaves=self._leaves).as_tuples()
            if self._by_proof(account)
            else []
        )
        try:
            self._system.liquidator.transact(self._sender, "end", account, shown)
        except Reverted as error:
            if error.name in _NOT_NOW | _NOT_YET:
                return False
            raise
        return True

    def factor(self, account: bytes) -> float:
        """Return k now, in units of the maintenance requirement."""
        return float(self._system.liquidator.call("premiumFactorWad", account)) / WAD

    def _by_proof(self, account: bytes) -> bool:
        """Say whether only a proof could begin the auction of an account."""
        return bool(self._system.liquidator.call("auction", account)[2])

    def bid(self, account: bytes, health: Health) -> Purchase | None:
        """Buy one slice if the premium is large enough; smaller ones if the own margin does not carry it.

        What only a proof can sell is bought at once: a slice takes more from the proof than from the tail risk. So is a
        book of which no part is sold, as what would be left is riskier.

        Returns
        -------
        Purchase or None
            None if the premium is too small yet, or no slice fits the own margin.
        """
        factor = self.factor(account)
        if factor < self._settings.least_premium:
            return None
        left = self._left.setdefault(account, 1.0)
        fraction = 1.0 if health.proofs else self._wanted(health, factor, left)
        whole = False
        while fraction >= (1.0 if health.proofs else self._settings.least_fraction):
            try:
                receipt = self._buy(account, health, fraction, whole=whole)
            except Reverted as error:
                # What was quoted is a part, whose price is no limit for all.
                only_whole = error.name == "HealthFell" or (error.name == "PaysMoreThan" and fraction == 1.0)
                if only_whole and not whole:
                    fraction, whole = 1.0, True
                elif error.name == "InitialMargin" and not whole:
                    fraction /= 2
                elif error.name == "InitialMargin" or error.name in _NOT_NOW:
                    return None
                else:
                    raise
                continue
            purchase = self._purchase(account, factor, receipt)
            self._left[account] = 1.0 if purchase.ended else left * (1.0 - purchase.fraction)
            return purchase
        return None

    def _buy(self, account: bytes, health: Health, fraction: float, *, whole: bool) -> TxReceipt:
        """Buy so much of a book at about what is quoted; the whole of it at no less than the premium of a part."""
        fraction_wad = int(fraction * WAD)
        sold_wad, paid, premium = self._system.liquidator.call("quote", account, fraction_wad, health.shown)
        if whole:
            sold_wad, paid = WAD, self._system.vault.call("sliceValue", account, WAD) - premium
        limit = paid + premium // _PREMIUM_SLIP + 1
        own = self._certificates(account, sold_wad)
        return self._system.liquidator.transact(
            self._sender, "buy", account, self._account, fraction_wad, limit, own, health.shown
        )

    def _purchase(self, account: bytes, factor: float, receipt: TxReceipt) -> Purchase:
        moved = self._system.vault.events(receipt, "SliceMoved")[0].args
        sold = self._system.liquidator.events(receipt, "SliceSold")[0].args
        return Purchase(
            account=account,
            factor=factor,
            fraction=float(sold["fractionWad"]) / WAD,
            paid=int(sold["paid"]),
            value=int(moved["value"]),
            fund_paid=int(moved["fundPaid"]),
            deficit_added=int(moved["deficitAdded"]),
            ended=bool(self._system.liquidator.events(receipt, "AuctionEnded")),
        )

    def _certificates(
        self, account: bytes, fraction_wad: int
    ) -> list[tuple[tuple[int, ...], int, tuple[int, ...], tuple[bytes, ...]]]:
        """Return the own certificates for the book after a slice."""
        book = Book.from_words(tuple(int(word) for word in self._system.lens.call("book", account)))
        slice_ = [(page, p.slot, p.generation, lots_moved(p.lots, fraction_wad)) for page, p in book]
        certified = certify_account(
            self._system, self._account, leaves=self._leaves, changes=slice_, baseline=False
        )
        return certified.as_tuples()

    def _wanted(self, health: Health, factor: float, left: float) -> float:
        """Return the fraction to ask for: one slice, or all there is if one slice would end the auction anyway.

        ``left`` is the share of the book at the first bid that is still there.

        A slice s leaves ``E - s k M`` against ``(1 - s) M``: it ends the auction if ``s >= (1 - E / M) / (1 - k)``.
        """
        last = (1.0 - health.equity / health.maintenance) / (1.0 - factor) if health.maintenance else 0.0
        one = min(self._settings.slice_fraction / left, 1.0)
        return 1.0 if one >= last else one

    def work(self, accounts: Sequence[bytes]) -> list[Purchase]:
        """Start what can be started, and bid once in every open auction; return the purchases.

        What the contracts refuse of one account, or what its book makes impossible, is logged and keeps from no other.
        """
        purchases = []
        for account in accounts:
            try:
                purchase = self._serve(account)
            except InputError as error:
                _log.warning("account passed over", account="0x" + account.hex(), reason=str(error))
                continue
            if purchase is not None:
                purchases.append(purchase)
        return purchases

    def _serve(self, account: bytes) -> Purchase | None:
        is_open, *_ = self._system.liquidator.call("auction", account)
        if not is_open and not self.start(account):
            return None
        health = self.health(account)
        if not health.liquidatable:
            self.close(account)
            return None
        return self.bid(account, health)
