"""Who may call what: governance of vault and desk, operators and venues of accounts, the liquidator, the desk.

An address is its bytes, an account ``owner 20 | index 12``. An execution delay of the access manager only postpones a
call; it is not modelled.
"""

from dataclasses import dataclass, field
from enum import IntFlag

from seawall.reference.integers import BPS
from seawall.reference.rejection import require

__all__ = ["GUARDED", "Authority", "Permission", "own_account", "owner_of"]

ADDRESS_BYTES = 20
ACCOUNT_BYTES = 32
# What the guardian may call; all else is the governor's.
GUARDED = frozenset({"pause_trading", "stop_deposits"})


class Permission(IntFlag):
    """Name the PERMISSION_* bits."""

    NONE = 0
    OPERATOR = 1
    VENUE = 2


def owner_of(key: bytes) -> bytes:
    """Return the address that owns an account."""
    return key[:ADDRESS_BYTES]


def own_account(address: bytes) -> bytes:
    """Return the first account of an address."""
    return address.ljust(ACCOUNT_BYTES, b"\0")


@dataclass(slots=True)
class Authority:
    """Hold who may do what, and what governance has set.

    Attributes
    ----------
    governor, guardian
        The two roles of the access manager.
    liquidator, insurance_fund, collateral_desk
        Each named once; without a fund nothing is covered, and no fee and no reserve leaves for it.
    venues
        Who is listed. A listed venue still needs the approval of both accounts.
    permissions
        By account and address.
    fund_fee_bps, protocol_fee_bps
        Shares of what is left of fees after the deficit; the rest is the venue's.
    """

    governor: bytes = b"governor"
    guardian: bytes = b"guardian"
    liquidator: bytes | None = None
    insurance_fund: bytes | None = None
    collateral_desk: bytes | None = None
    venues: set[bytes] = field(default_factory=set)
    permissions: dict[tuple[bytes, bytes], Permission] = field(default_factory=dict)
    trading_paused: bool = False
    fund_fee_bps: int = 0
    protocol_fee_bps: int = 0
    protocol_account: bytes = bytes(ACCOUNT_BYTES)

    # Governance

    def set_liquidator(self, address: bytes, *, sender: bytes) -> None:
        """Name the liquidator, once."""
        self.restrict("set_liquidator", sender)
        require(self.liquidator is None, "AlreadySet")
        self.liquidator = address

    def set_insurance_fund(self, address: bytes, *, sender: bytes) -> None:
        """Name the insurance fund, once."""
        self.restrict("set_insurance_fund", sender)
        require(self.insurance_fund is None, "AlreadySet")
        self.insurance_fund = address

    def set_collateral_desk(self, address: bytes, *, sender: bytes) -> None:
        """Name the collateral desk, once."""
        self.restrict("set_collateral_desk", sender)
        require(self.collateral_desk is None, "AlreadySet")
        self.collateral_desk = address

    def list_venue(self, venue: bytes, listed: bool, *, sender: bytes) -> None:
        """List or unlist a venue."""
        self.restrict("list_venue", sender)
        (self.venues.add if listed else self.venues.discard)(venue)

    def set_fee_shares(
        self, fund_bps: int, protocol_bps: int, protocol_account: bytes, *, sender: bytes
    ) -> None:
        """Set how fees are split, basis points, together at most all."""
        self.restrict("set_fee_shares", sender)
        require(fund_bps + protocol_bps <= BPS, "FeeSharesTooLarge", fund_bps + protocol_bps)
        self.fund_fee_bps, self.protocol_fee_bps = fund_bps, protocol_bps
        self.protocol_account = protocol_account

    def pause_trading(self, *, sender: bytes) -> None:
        """Stop fills; deposits, withdrawals and auctions go on."""
        self.restrict("pause_trading", sender)
        self.trading_paused = True

    def unpause_trading(self, *, sender: bytes) -> None:
        """Let fills go on."""
        self.restrict("unpause_trading", sender)
        self.trading_paused = False

    # Owners

    def set_operator(self, key: bytes, operator: bytes, approved: bool, *, sender: bytes) -> None:
        """Let an operator sign orders, buy from auctions and withdraw to the owner, or no longer."""
        self._permit(key, operator, Permission.OPERATOR, approved, sender)

    def approve_venue(self, key: bytes, venue: bytes, approved: bool, *, sender: bytes) -> None:
        """Let a venue settle fills of an account, or no longer."""
        self._permit(key, venue, Permission.VENUE, approved, sender)

    def is_authorised(self, key: bytes, sender: bytes) -> bool:
        """Say whether an address owns an account or operates it."""
        return sender == owner_of(key) or bool(self._permissions(key, sender) & Permission.OPERATOR)

    # What entries require

    def restrict(self, entry: str, sender: bytes) -> None:
        """Require the role that may call an entry of governance.

        Raises
        ------
        Rejected
            `AccessManagedUnauthorized`
        """
        holder = self.guardian if entry in GUARDED else self.governor
        require(sender == holder, "AccessManagedUnauthorized", sender)

    def require_authorised(self, key: bytes, sender: bytes) -> None:
        """Require the owner or an operator.

        Raises
        ------
        Rejected
            `NotAuthorised`
        """
        require(self.is_authorised(key, sender), "NotAuthorised", key, sender)

    def require_recipient(self, key: bytes, to: bytes, sender: bytes) -> None:
        """Require that the owner calls or receives.

        Raises
        ------
        Rejected
            `NotAuthorised`
        """
        require(owner_of(key) in (to, sender), "NotAuthorised", key, sender)

    def require_venue(self, sender: bytes) -> None:
        """Require that fills go on and the caller is listed.

        Raises
        ------
        Rejected
            `TradingPaused`, `NotVenue`
        """
        require(not self.trading_paused, "TradingPaused")
        require(sender in self.venues, "NotVenue", sender)

    def require_approval(self, key: bytes, venue: bytes) -> None:
        """Require that an account's owner approved a venue.

        Raises
        ------
        Rejected
            `VenueNotApproved`
        """
        approved = bool(self._permissions(key, venue) & Permission.VENUE)
        require(approved, "VenueNotApproved", key, venue)

    def require_liquidator(self, sender: bytes) -> None:
        """Require the liquidator.

        Raises
        ------
        Rejected
            `NotLiquidator`
        """
        require(sender == self.liquidator, "NotLiquidator", sender)

    def require_collateral_desk(self, sender: bytes) -> None:
        """Require the collateral desk.

        Raises
        ------
        Rejected
            `NotCollateralDesk`
        """
        require(sender == self.collateral_desk, "NotCollateralDesk", sender)

    def _permissions(self, key: bytes, address: bytes) -> Permission:
        return self.permissions.get((key, address), Permission.NONE)

    def _permit(self, key: bytes, address: bytes, permission: Permission, on: bool, sender: bytes) -> None:
        require(sender == owner_of(key), "NotAuthorised", key, sender)
        held = self._permissions(key, address)
        self.permissions[key, address] = held | permission if on else held & ~permission
