"""What a run leaves behind: figures by epoch, account and auction, none of which depends on the machine."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = [
    "AccountEpoch",
    "AuctionRun",
    "Bid",
    "Epoch",
    "Ledger",
    "OptionOutcome",
    "Outcome",
    "Saving",
    "Settled",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountEpoch:
    """Hold an account after an epoch, settlement tokens."""

    equity: float
    initial: float
    maintenance: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Epoch:
    """Hold one epoch.

    Attributes
    ----------
    prices
        Settlement tokens for one unit, by symbol.
    initial_ratio
        Posted long leg over spot, by symbol.
    lambda_bps
        Factor by which all was scaled, 10,000 unless a limit binds.
    coverage
        Least lane bound over expected shortfall among live books; None without any.
    """

    time_s: int
    epoch: int
    prices: dict[str, float]
    initial_ratio: dict[str, float]
    lambda_bps: int
    coverage: float | None
    bidders_online: bool
    accounts: dict[str, AccountEpoch]
    events: tuple[str, ...]
    gas: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Bid:
    """Hold one purchase, settlement tokens; `at_s` in live seconds since the start."""

    at_s: int
    factor: float
    fraction: float
    paid: float
    value: float
    fund_paid: float
    deficit_added: float
    health_after: float | None


@dataclass(kw_only=True, slots=True)
class AuctionRun:
    """Hold one auction."""

    account: str
    time_s: int
    equity: float
    maintenance: float
    ended_s: int | None = None
    curve: list[tuple[int, float]] = field(default_factory=list)
    bids: list[Bid] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ledger:
    """Hold the closing balance in settlement token units.

    ``vault tokens + fund tokens = claims of accounts + undistributed fees + reserve - deficit + claims on the fund``
    """

    vault_tokens: int
    fund_tokens: int
    account_claims: int
    fees: int
    reserve: int
    deficit: int
    fund_claims: int

    @property
    def claims(self) -> int:
        """Return all claims on tokens."""
        return self.account_claims + self.fees + self.reserve - self.deficit + self.fund_claims

    @property
    def difference(self) -> int:
        """Return tokens less claims; zero when the identity holds to the wei."""
        return self.vault_tokens + self.fund_tokens - self.claims


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """Hold a whole run."""

    chain: str
    first_s: int
    last_s: int
    symbols: tuple[str, ...]
    epochs: tuple[Epoch, ...]
    auctions: tuple[AuctionRun, ...]
    deposited: dict[str, float]
    withdrawn: dict[str, float]
    final: dict[str, float]
    fund_before: float
    fund_after: float
    ledger: Ledger
    summary: tuple[str, ...]
    transactions: int
    gas: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Saving:
    """Hold what an account's certificate does at an epoch, settlement tokens.

    Attributes
    ----------
    gross
        Upper bound of the tail risk without a certificate: every leg alone.
    certified
        With it.
    shortfall
        Expected shortfall of the whole book over the keeper's own scenarios.
    atoms
        Hedges named in the certificate.
    book_shown
        Whether it shows the book under the manifest's root.
    """

    time_s: int
    account: str
    gross: float
    certified: float
    shortfall: float
    atoms: int
    book_shown: bool

    @property
    def saved(self) -> float:
        """Return what is saved of the gross requirement."""
        return 1.0 - self.certified / self.gross if self.gross else 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """Hold a position that expired and became cash, settlement tokens; prices for one unit of the underlying."""

    time_s: int
    account: str
    instrument: str
    lots: int
    settlement_price: float
    last_price: float
    cash: float


@dataclass(frozen=True, kw_only=True, slots=True)
class OptionOutcome(Outcome):
    """Hold a run with dated instruments."""

    savings: tuple[Saving, ...]
    settled: tuple[Settled, ...]
