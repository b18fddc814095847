"""The books of the vault: cash, fees, what is missing and what was left behind. Section 4 of the specification."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field

from seawall.reference.account import Account
from seawall.reference.authority import Authority, own_account
from seawall.reference.certificate import EMPTY, Certificate, Certificates
from seawall.reference.engine import assess, health
from seawall.reference.fund import Fund
from seawall.reference.integers import BPS, WAD, mul_div_up
from seawall.reference.rejection import Rejected, require
from seawall.reference.state import Health, ManifestState, Margin, Total, World

__all__ = ["Vault", "WindDown"]


@dataclass(frozen=True, kw_only=True, slots=True)
class WindDown:
    """Hold how far the closing of the vault has come.

    Attributes
    ----------
    started_at
        Zero in normal times.
    priced
        Whether the final prices stand.
    opening
        What the feed had added up at the start, by underlying.
    final_ticks
        Final price of one lot, by underlying.
    values
        Final value of one lot, ticks, by page, slot and generation; fixed when the first account is settled.
    """

    started_at: int = 0
    priced: bool = False
    opening: Mapping[int, Total] = field(default_factory=dict)
    final_ticks: Mapping[int, int] = field(default_factory=dict)
    values: Mapping[tuple[int, int, int], int] = field(default_factory=dict)


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
    outflow_level, outflow_at
        What was paid to accounts with positions, draining over an hour, and when that was written.
    authority
        Who may call what. Entries that ask for it take the caller as `sender`.
    deployed_at
        Seconds.
    debt_cap
        What an account may owe against its collateral, as the desk says.
    """

    world: World
    fund: Fund = field(default_factory=Fund)
    accounts: dict[bytes, Account] = field(default_factory=dict)
    tokens: int = 0
    deficit: int = 0
    reserve: int = 0
    fees: dict[bytes, int] = field(default_factory=dict)
    open_interest: dict[int, int] = field(default_factory=dict)
    outflow_level: int = 0
    outflow_at: int = 0
    authority: Authority = field(default_factory=Authority)
    deployed_at: int = 0
    wind_down: WindDown = field(default_factory=WindDown)
    debt_cap: int = 0

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """Undo everything in the block if it is rejected, as a revert does."""
        saved = {
            name: copy(getattr(self, name))
            for name in self.__slots__
            if name not in ("world", "accounts", "authority")
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

    @property
    def holders(self) -> int:
        """Return how many accounts have positions; those that a wind-down has settled do not count."""
        return sum(account.is_open for account in self.accounts.values())

    @property
    def is_open(self) -> bool:
        """Say whether no wind-down has begun."""
        return not self.wind_down.started_at

    def require_open(self) -> None:
        """Require that no wind-down has begun.

        Raises
        ------
        Rejected
            `WoundDown`
        """
        require(self.is_open, "WoundDown")

    def margin(
        self, key: bytes, certificate: Certificate = EMPTY, *, baseline: bool = False, lanes: bool = True
    ) -> Margin:
        """Return an account's margin under the current manifest or the baseline, for which the certificate is."""
        manifest = self.world.baseline if baseline else self.world.current
        return self.margin_of(self.account(key), manifest, certificate, lanes=lanes)

    def margin_of(
        self,
        account: Account,
        manifest: ManifestState | None,
        certificate: Certificate = EMPTY,
        *,
        lanes: bool = True,
    ) -> Margin:
        """Return the margin that an account would have."""
        return assess(
            account.book,
            cash=account.cash,
            manifest=manifest,
            prices=self.world.prices,
            now=self.world.now,
            open_interest=self.open_interest,
            settlements=self.world.settlements,
            certificate=certificate,
            lanes=lanes,
        )

    def health(self, key: bytes, certificates: Certificates = ()) -> Health:
        """Return what liquidation goes by; books shown may raise it."""
        account, world = self.account(key), self.world
        return health(
            account.book,
            cash=account.cash,
            current=world.current,
            baseline=world.baseline,
            prices=world.prices,
            now=world.now,
            open_interest=self.open_interest,
            settlements=world.settlements,
            certificates=certificates,
        )

    def deposit(self, key: bytes, value: int) -> None:
        """Credit an account with tokens that came in, whoever sent them; with a permit or without.

        In a wind-down only what an account owes against its collateral is taken, and repaid first.

        Raises
        ------
        Rejected
            `WoundDown`, `ZeroAmount`, `CashOutOfRange`
        """
        account = self.account(key)
        owed = account.debt
        require(self.is_open or owed > 0, "WoundDown")
        require(value > 0, "ZeroAmount")
        repaid = min(owed, value)
        account.credit(value - repaid)
        self.tokens += value
        account.debt -= repaid
        self.reserve += repaid - self.repay_deficit(repaid)

    def require_quote(self, key: bytes, quote: int) -> None:
        """Require that collateral stands in for no more of the settlement token than the debt cap.

        Raises
        ------
        Rejected
            `QuoteDebt`
        """
        require(quote >= -self.debt_cap, "QuoteDebt", key, quote)

    def exit_haircut_wad(self) -> int:
        """Return what an exit leaves behind, at most 1, rounded up.

        ``max(0, deficit + booked - coverable - reserve) / max(tokens + deficit - reserve, 0)``; coverable is zero
        without a fund, and in a wind-down.
        """
        missing = self.deficit + self.booked_losses
        if missing == 0:
            return 0
        counts = self.is_open and self._has_fund
        missing -= min(missing, self.reserve + (self.fund.coverable(now=self.world.now) if counts else 0))
        claims = max(self.tokens + self.deficit - self.reserve, 0)
        if missing == 0:
            return 0
        return WAD if missing >= claims else mul_div_up(missing, WAD, claims)

    def distribute_fees(self, venue: bytes) -> None:
        """Split a venue's fees: the deficit first, then fund, protocol, venue; whoever calls. Shares are rounded down.

        Raises
        ------
        Rejected
            `WoundDown`, in a wind-down while an account has positions.
        """
        with self.atomic():
            require(self.is_open or not self.holders, "WoundDown")
            shares = self.authority
            fees = self.fees.pop(venue, 0)
            self.use_reserve(fees)
            fees -= self.repay_deficit(fees)
            to_fund = fees * shares.fund_fee_bps // BPS if self._has_fund else 0
            to_protocol = fees * shares.protocol_fee_bps // BPS
            self.account(shares.protocol_account).credit(to_protocol)
            self.account(own_account(venue)).credit(fees - to_fund - to_protocol)
            self.tokens -= to_fund
            self.fund.assets += to_fund

    def repay_deficit(self, available: int) -> int:
        """Take up to what is available off the deficit and return what was taken."""
        repaid = min(available, self.deficit)
        self.deficit -= repaid
        return repaid

    def use_reserve(self, leaving: int = 0) -> None:
        """Use what exits left behind: for the deficit, and once no loss is booked any more, for the fund.

        Interest is charged before it is paid, so tokens may be short; then the fund waits, not who leaves.

        Parameters
        ----------
        leaving
            Tokens that the call is about to pay out.
        """
        self.reserve -= self.repay_deficit(self.reserve)
        if self.reserve + leaving > self.tokens:
            return
        if self.reserve and not self.booked_losses and self._has_fund:
            self.tokens -= self.reserve
            self.fund.assets += self.reserve
            self.reserve = 0

    def cover(self, owed: int) -> None:
        """Let the fund pay what was credited; the rest becomes deficit."""
        paid = self._ask_fund(owed)
        self.deficit += owed - paid

    def repay_from_fund(self) -> None:
        """Ask the fund for the deficit."""
        self.repay_deficit(self._ask_fund(self.deficit))

    @property
    def _has_fund(self) -> bool:
        return self.authority.insurance_fund is not None

    def _ask_fund(self, owed: int) -> int:
        paid = self.fund.cover(owed, now=self.world.now) if owed and self._has_fund else 0
        self.tokens += paid
        return paid
