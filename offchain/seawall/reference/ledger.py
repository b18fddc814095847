"""Accounts, cash and what leaves the vault: section 4 of the specification. Who may call is left to the contracts."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field, replace

from seawall.reference.book import Book
from seawall.reference.certificate import EMPTY, Certificate
from seawall.reference.engine import assess, health
from seawall.reference.fund import Fund
from seawall.reference.integers import WAD, ceil_div, mul_div_up
from seawall.reference.rejection import Rejected, require
from seawall.reference.state import Flag, Health, ManifestState, Margin, Price

__all__ = ["MAX_MANIFEST_AGE_S", "Account", "Request", "Vault", "World", "is_fresh"]

MAX_MANIFEST_AGE_S = 30 * 60
OLD_MANIFEST_WITHDRAWAL_AGE_S = 2 * 3600
OUTFLOW_BPS = 1_000
OUTFLOW_WINDOW_S = 3600
_BPS = 10_000


@dataclass(slots=True)
class World:
    """Hold what the vault reads: clock, manifests, prices."""

    now: int
    block: int = 1
    live_seconds: int = 0
    current: ManifestState | None = None
    baseline: ManifestState | None = None
    prices: dict[int, Price] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """Hold an asked-for withdrawal."""

    value: int
    requested_at: int


@dataclass(slots=True)
class Account:
    """Hold one account; money in settlement token units."""

    cash: int = 0
    book: Book = field(default_factory=Book)
    last_check_block: int = 0
    in_auction: bool = False
    loss: int = 0
    request: Request | None = None

    def copy(self) -> "Account":
        """Return an account that can be changed alone."""
        return replace(self, book=self.book.copy())


def is_fresh(margin: Margin) -> bool:
    """Say whether prices and records are complete enough for risk to be judged by them."""
    return not margin.flags & (Flag.STALE | Flag.NOT_FRESH | Flag.MISSING | Flag.NO_MANIFEST)


@dataclass(slots=True)
class Vault:
    """Hold the ledger.

    Attributes
    ----------
    tokens
        Settlement tokens held.
    deficit
        Cash credited without tokens behind it.
    reserve
        Tokens that exits left behind for losses that are booked and not yet real.
    fees
        What venues earned and nobody distributed yet.
    open_interest
        Long lots of all accounts, by underlying, spot excepted.
    """

    world: World
    fund: Fund = field(default_factory=Fund)
    accounts: dict[bytes, Account] = field(default_factory=dict)
    tokens: int = 0
    deficit: int = 0
    reserve: int = 0
    fees: dict[str, int] = field(default_factory=dict)
    open_interest: dict[int, int] = field(default_factory=dict)
    fund_fee_bps: int = 0
    protocol_fee_bps: int = 0
    outflow_level: int = 0
    outflow_at: int = 0

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """Undo everything in the block if it is rejected, as a revert does."""
        saved = {
            name: copy(getattr(self, name)) for name in self.__slots__ if name not in ("world", "accounts")
        }
        accounts = {key: account.copy() for key, account in self.accounts.items()}
        try:
            yield
        except Rejected:
            for name, value in saved.items():
                setattr(self, name, value)
            self.accounts = accounts
            raise

    def account(self, key: bytes) -> Account:
        """Return an account; every account exists, empty."""
        return self.accounts.setdefault(key, Account())

    @property
    def booked_losses(self) -> int:
        """Return the losses of accounts in auction."""
        return sum(account.loss for account in self.accounts.values())

    def margin(self, key: bytes, certificate: Certificate = EMPTY, *, baseline: bool = False) -> Margin:
        """Return an account's margin under the current manifest or the baseline."""
        account, world = self.account(key), self.world
        if not baseline:
            return self.margin_of(account, world.current, certificate)
        # A basket is proven under the current root only.
        return self.margin_of(account, world.baseline, Certificate(atoms=certificate.atoms))

    def margin_of(
        self, account: Account, manifest: ManifestState | None, certificate: Certificate = EMPTY
    ) -> Margin:
        """Return the margin that an account would have."""
        return assess(
            account.book,
            cash=account.cash,
            manifest=manifest,
            prices=self.world.prices,
            now=self.world.now,
            open_interest=self.open_interest,
            certificate=certificate,
        )

    def health(self, key: bytes) -> Health:
        """Return what liquidation goes by."""
        account, world = self.account(key), self.world
        return health(
            account.book,
            cash=account.cash,
            current=world.current,
            baseline=world.baseline,
            prices=world.prices,
            now=world.now,
            open_interest=self.open_interest,
        )

    def deposit(self, key: bytes, value: int) -> None:
        """Credit an account with tokens that came in."""
        require(value > 0, "ZeroAmount")
        self.tokens += value
        self.account(key).cash += value

    def withdraw(self, key: bytes, value: int) -> int:
        """Pay out of an account without positions, at once, and return what was paid."""
        with self.atomic():
            self._require_withdrawable(key, value)
            require(not self.account(key).book, "PositionsOpen", key)
            return self._pay_out(key, value)

    def request_withdrawal(self, key: bytes, value: int) -> None:
        """Ask for cash of an account with positions."""
        require(value > 0, "ZeroAmount")
        self.account(key).request = Request(value, self.world.now)

    def claim_withdrawal(self, key: bytes, certificate: Certificate = EMPTY) -> int:
        """Pay a request once everything it depends on was observed after it, and return what was paid."""
        with self.atomic():
            account = self.account(key)
            request = account.request
            if request is None:
                raise Rejected("NoRequest", key)
            self._require_withdrawable(key, request.value)
            account.request = None
            if not account.book:
                return self._pay_out(key, request.value)
            self._require_claimable(key, request, certificate)
            account.last_check_block = self.world.block
            capacity = self.tokens * OUTFLOW_BPS // _BPS
            paid = self._pay_out(key, request.value)
            self._drain(paid, capacity)
            return paid

    def exit_haircut_wad(self) -> int:
        """Return what an exit leaves behind, at most 1, rounded up.

        ``max(0, deficit + booked - coverable - reserve) / (tokens + deficit - reserve)``
        """
        missing = self.deficit + self.booked_losses
        if missing == 0:
            return 0
        missing -= min(missing, self.reserve + self.fund.coverable(now=self.world.now))
        claims = self.tokens + self.deficit - self.reserve
        if missing == 0:
            return 0
        return WAD if missing >= claims else mul_div_up(missing, WAD, claims)

    def distribute_fees(self, venue: str, *, venue_account: bytes, protocol_account: bytes) -> None:
        """Split a venue's fees: the deficit first, then fund, protocol, venue."""
        self.use_reserve()
        fees = self.fees.pop(venue, 0)
        fees -= self.repay_deficit(fees)
        to_fund = fees * self.fund_fee_bps // _BPS
        to_protocol = fees * self.protocol_fee_bps // _BPS
        self.account(protocol_account).cash += to_protocol
        self.account(venue_account).cash += fees - to_fund - to_protocol
        self.tokens -= to_fund
        self.fund.assets += to_fund

    def repay_deficit(self, available: int) -> int:
        """Take up to what is available off the deficit and return what was taken."""
        repaid = min(available, self.deficit)
        self.deficit -= repaid
        return repaid

    def use_reserve(self) -> None:
        """Use what exits left behind: for the deficit, and once no loss is booked any more, for the fund."""
        self.reserve -= self.repay_deficit(self.reserve)
        if self.reserve and not self.booked_losses:
            self.tokens -= self.reserve
            self.fund.assets += self.reserve
            self.reserve = 0

    def cover(self, owed: int) -> None:
        """Let the fund pay what was credited; the rest becomes deficit."""
        if owed == 0:
            return
        paid = self.fund.cover(owed, now=self.world.now)
        self.tokens += paid
        self.deficit += owed - paid

    def repay_from_fund(self) -> None:
        """Ask the fund for the deficit."""
        if self.deficit:
            paid = self.fund.cover(self.deficit, now=self.world.now)
            self.tokens += paid
            self.repay_deficit(paid)

    def _require_withdrawable(self, key: bytes, value: int) -> None:
        require(value > 0, "ZeroAmount")
        require(not self.account(key).in_auction, "InAuction", key)

    def _require_claimable(self, key: bytes, request: Request, certificate: Certificate) -> None:
        world, manifest = self.world, self.world.current
        as_of = manifest.as_of if manifest else 0
        margin = self.margin(key, certificate)
        young = margin.oldest_price_at <= request.requested_at
        require(not young, "RequestTooYoung", key, request.requested_at)
        require(is_fresh(margin), "PriceNotFresh", key)
        equity = margin.equity - request.value
        age = max(world.now - as_of, 0)
        if age > MAX_MANIFEST_AGE_S or margin.flags & (Flag.FROZEN | Flag.DRIFTED):
            require(age > OLD_MANIFEST_WITHDRAWAL_AGE_S, "WithdrawalNotYet", key, margin.flags)
            wanted = margin.initial + ceil_div(margin.initial, 2)
            require(equity >= wanted, "InitialMargin", key, equity, wanted)
            return
        require(as_of > request.requested_at, "RequestTooYoung", key, request.requested_at)
        require(equity >= margin.initial, "InitialMargin", key, equity, margin.initial)
        base = self.margin(key, certificate, baseline=True)
        require(not base.flags & (Flag.MISSING | Flag.NO_MANIFEST), "WithdrawalNotYet", key, base.flags)
        equity = base.equity - request.value
        require(equity >= base.initial, "InitialMargin", key, equity, base.initial)

    def _pay_out(self, key: bytes, value: int) -> int:
        """Return ``value - ceil(value haircut)``; what is withheld repays the deficit, the rest is kept in reserve."""
        account = self.account(key)
        require(value <= account.cash or bool(account.book), "InsufficientCash", key, account.cash, value)
        account.cash -= value
        self.use_reserve()
        self.repay_from_fund()
        withheld = mul_div_up(value, self.exit_haircut_wad(), WAD)
        self.reserve += withheld - self.repay_deficit(withheld)
        paid = value - withheld
        self.tokens -= paid
        return paid

    def _drain(self, paid: int, capacity: int) -> None:
        drained = capacity * (self.world.now - self.outflow_at) // OUTFLOW_WINDOW_S
        level = max(self.outflow_level - drained, 0)
        require(level + paid <= capacity, "OutflowLimit", paid, max(capacity - level, 0))
        self.outflow_level, self.outflow_at = level + paid, self.world.now
