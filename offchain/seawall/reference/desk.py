"""What the desk holds and knows, and how lots come and go. Section 7 of the specification."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field, replace

from seawall.page.layout import MAX_TRADED_POSITIONS, Kind
from seawall.reference.book import in_range
from seawall.reference.integers import BPS
from seawall.reference.ledger import Vault
from seawall.reference.rejection import Rejected, require

__all__ = [
    "Desk",
    "Holding",
    "LotsRequest",
    "adjust_collateral",
    "charge_interest",
    "outflow_lots",
    "require_lots",
]

MAX_LOTS = (1 << 40) - 1
MAX_DEBT_CAP = (1 << 104) - 1
OUTFLOW_DIVISOR, OUTFLOW_WINDOW_S = 10, 3_600


def outflow_lots(lots: int) -> int:
    """Return what may leave in an hour, ``max(1, floor(lots / 10))``."""
    return max(lots // OUTFLOW_DIVISOR, 1)


def require_lots(lots: int) -> None:
    """Require a number of lots that the desk can move.

    Raises
    ------
    Rejected
        `ZeroLots`, `CapTooLarge`
    """
    require(lots != 0, "ZeroLots")
    require(lots <= MAX_LOTS, "CapTooLarge", lots)


def adjust_collateral(
    vault: Vault, key: bytes, page: int, slot: int, lots: int, *, checked: bool, sender: bytes
) -> None:
    """Add lots to a spot position, or take them; the desk's alone.

    Raises
    ------
    Rejected
        `NotCollateralDesk`, `UnknownInstrument`, `InAuction`, `TooManyPages`, `LotsOutOfRange`, `WoundDown`,
        `TooManyPositions`
    """
    with vault.atomic():
        vault.authority.require_collateral_desk(sender)
        terms, account = vault.world.listing.terms(page, slot), vault.account(key)
        require(terms.kind == Kind.SPOT, "UnknownInstrument", page, slot, terms.generation)
        require(not account.in_auction, "InAuction", key)
        _, new = account.book.add(page, (slot, terms.generation), lots, account=key)
        fits = in_range(new, terms.shift) if lots > 0 else new >= 0
        require(fits, "LotsOutOfRange", new, terms.shift)
        if lots > 0:
            vault.require_open()
            few = len(account.book) <= MAX_TRADED_POSITIONS
            require(few, "TooManyPositions", key, MAX_TRADED_POSITIONS)
        if checked:
            account.last_check_block = vault.world.block


def charge_interest(vault: Vault, key: bytes, value: int, *, sender: bytes) -> None:
    """Take interest off an account: for the deficit first, then into the reserve; the desk's alone.

    Raises
    ------
    Rejected
        `NotCollateralDesk`, `WoundDown`
    """
    vault.authority.require_collateral_desk(sender)
    vault.require_open()
    vault.account(key).credit(-value)
    vault.reserve += value - vault.repay_deficit(value)


@dataclass(frozen=True, slots=True)
class Holding:
    """Hold what the desk has of one instrument.

    Attributes
    ----------
    lots, cap
        Held, and how many there may be.
    level, drained_at
        What left lately, lot seconds, draining over an hour; and when that was written.
    """

    lots: int = 0
    cap: int = 0
    level: int = 0
    drained_at: int = 0


@dataclass(frozen=True, slots=True)
class LotsRequest:
    """Hold an asked-for withdrawal of collateral."""

    page: int
    slot: int
    lots: int
    requested_at: int


@dataclass(slots=True)
class Desk:
    """Hold the lots behind spot positions, and who owes what since when.

    Attributes
    ----------
    address
        Its own; the vault must have named it.
    rate_bps
        What a negative quote costs, basis points a year.
    holdings
        By page and slot.
    flags
        By account: when its debt was flagged, and the feed's live seconds then.
    seen
        By account: what it owed when it was last looked at, and the rate index then.
    index, index_at
        Sum of rate times time, basis points seconds, when the rate was last set, and when that was.
    """

    vault: Vault
    address: bytes
    rate_bps: int = 0
    holdings: dict[tuple[int, int], Holding] = field(default_factory=dict)
    requests: dict[bytes, LotsRequest] = field(default_factory=dict)
    flags: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    seen: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    index: int = 0
    index_at: int = 0

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """Undo everything in the block if it is rejected, as a revert does."""
        saved = {name: copy(getattr(self, name)) for name in self.__slots__ if name != "vault"}
        try:
            with self.vault.atomic():
                yield
        except Rejected:
            for name, value in saved.items():
                setattr(self, name, value)
            raise

    # Governance

    def set_deposit_cap(self, page: int, slot: int, lots: int, *, sender: bytes) -> None:
        """Set how many lots of an instrument are taken."""
        self.vault.authority.restrict("set_deposit_cap", sender)
        self.require_collateral(page, slot)
        require(lots <= MAX_LOTS, "CapTooLarge", lots)
        self.holdings[page, slot] = replace(self.holding(page, slot), cap=lots)

    def stop_deposits(self, page: int, slot: int, *, sender: bytes) -> None:
        """Take no more lots of an instrument; the guardian's."""
        self.vault.authority.restrict("stop_deposits", sender)
        self.holdings[page, slot] = replace(self.holding(page, slot), cap=0)

    def set_debt_cap(self, cap: int, *, sender: bytes) -> None:
        """Set what an account may owe, settlement token units."""
        self.vault.authority.restrict("set_debt_cap", sender)
        require(cap <= MAX_DEBT_CAP, "CapTooLarge", cap)
        self.vault.debt_cap = cap

    def set_interest_rate(self, rate_bps: int, *, sender: bytes) -> None:
        """Set what a negative quote costs, basis points a year."""
        self.vault.authority.restrict("set_interest_rate", sender)
        require(rate_bps <= BPS, "RateTooLarge", rate_bps)
        self.index, self.index_at = self.rate_index, self.vault.world.now
        self.rate_bps = rate_bps

    # Reading

    def holding(self, page: int, slot: int) -> Holding:
        """Return what is held of an instrument."""
        return self.holdings.get((page, slot), Holding())

    @property
    def cap(self) -> int:
        """Return the largest debt that is left alone; none in a wind-down."""
        return self.vault.debt_cap if self.vault.is_open else 0

    @property
    def rate_index(self) -> int:
        """Return the sum of rate times time, basis points seconds."""
        return self.index + self.rate_bps * (self.vault.world.now - self.index_at)

    def owes_nothing(self, key: bytes) -> bool:
        """Say whether an account owes nothing and no price can make it: cash not negative, all positions spot."""
        account, terms = self.vault.account(key), self.vault.world.listing.terms
        spot = all(terms(page, position.slot).kind == Kind.SPOT for page, position in account.book)
        return account.cash >= 0 and not account.debt and spot

    def require_collateral(self, page: int, slot: int) -> None:
        """Require a listed spot instrument.

        Raises
        ------
        Rejected
            `NotCollateral`
        """
        listed = self.vault.world.listing.pages.get(page, (0, ()))[1]
        known = slot < len(listed) and listed[slot].kind == Kind.SPOT
        require(known, "NotCollateral", page, slot)

    def require_may(self, key: bytes, to: bytes, sender: bytes) -> None:
        """Require what any withdrawal requires of caller and recipient.

        Raises
        ------
        Rejected
            `NotAuthorised`
        """
        self.vault.authority.require_authorised(key, sender)
        self.vault.authority.require_recipient(key, to, sender)

    # Moving

    def forget(self, key: bytes) -> None:
        """Forget the debt of an account that cannot owe anything."""
        self.seen.pop(key, None)
        self.flags.pop(key, None)

    def adjust(self, key: bytes, page: int, slot: int, lots: int, *, checked: bool) -> None:
        """Have the vault add lots to a position, or take them."""
        adjust_collateral(self.vault, key, page, slot, lots, checked=checked, sender=self.address)

    def take_out(self, key: bytes, page: int, slot: int, lots: int, *, checked: bool) -> None:
        """Take lots out of a position and of the holding."""
        self.require_collateral(page, slot)
        self.adjust(key, page, slot, -lots, checked=checked)
        held = self.holding(page, slot)
        self.holdings[page, slot] = replace(held, lots=held.lots - lots)

    def drain(self, page: int, slot: int, lots: int) -> None:
        """Count a payment against a tenth of the lots an hour, at least one.

        Raises
        ------
        Rejected
            `OutflowLimit`
        """
        held, now = self.holding(page, slot), self.vault.world.now
        an_hour = outflow_lots(held.lots)
        level = max(held.level - an_hour * (now - held.drained_at), 0)
        room = max(an_hour * OUTFLOW_WINDOW_S - level, 0)
        taken = lots * OUTFLOW_WINDOW_S
        require(taken <= room, "OutflowLimit", lots, room // OUTFLOW_WINDOW_S)
        self.holdings[page, slot] = replace(held, level=level + taken, drained_at=now)
