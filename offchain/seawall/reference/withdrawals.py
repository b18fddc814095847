"""What leaves the vault: at once without positions, in two steps with them. Section 4 of the specification."""

from seawall.reference.account import Account, Request
from seawall.reference.certificate import Certificates, under
from seawall.reference.integers import BPS, WAD, ceil_div, mul_div_up
from seawall.reference.ledger import Vault
from seawall.reference.rejection import Rejected, require
from seawall.reference.state import Flag, Margin, is_fresh

__all__ = ["MAX_MANIFEST_AGE_S", "claim_withdrawal", "request_withdrawal", "withdraw"]

MAX_MANIFEST_AGE_S = 30 * 60
OLD_MANIFEST_WITHDRAWAL_AGE_S = 2 * 3600
OUTFLOW_BPS = 1_000
OUTFLOW_WINDOW_S = 3600
MAX_REQUEST = (1 << 128) - 1


def withdraw(vault: Vault, key: bytes, value: int, *, to: bytes, sender: bytes) -> int:
    """Pay out of an account without positions, at once, reading no oracle, and return what was paid.

    Raises
    ------
    Rejected
        `NotAuthorised`, `ZeroAmount`, `InAuction`, `AccountsNotSettled`, `PositionsOpen`, `InsufficientCash`
    """
    with vault.atomic():
        account = _withdrawable(vault, key, value, to, sender)
        require(not account.is_open, "PositionsOpen", key)
        return _pay_out(vault, key, value)


def request_withdrawal(vault: Vault, key: bytes, value: int, *, sender: bytes) -> None:
    """Ask for cash of an account with positions; a new request replaces the old one.

    Raises
    ------
    Rejected
        `NotAuthorised`, `ZeroAmount`, `InsufficientCash` (beyond 128 bits)
    """
    vault.authority.require_authorised(key, sender)
    require(value > 0, "ZeroAmount")
    account = vault.account(key)
    require(value <= MAX_REQUEST, "InsufficientCash", key, account.cash, value)
    account.request = Request(value, vault.world.now)


def claim_withdrawal(
    vault: Vault, key: bytes, *, to: bytes, sender: bytes, certificates: Certificates = ()
) -> int:
    """Pay a request once everything it depends on was observed after it, and return what was paid.

    Raises
    ------
    Rejected
        `NoRequest`, what `withdraw` raises, `RequestTooYoung`, `PriceNotFresh`, `WithdrawalNotYet`, `InitialMargin`,
        `OutflowLimit`; the request stands then.
    """
    with vault.atomic():
        request = vault.account(key).request
        if request is None:
            raise Rejected("NoRequest", key)
        account = _withdrawable(vault, key, request.value, to, sender)
        account.request = None
        if not account.is_open:
            return _pay_out(vault, key, request.value)
        _require_claimable(vault, key, request, certificates)
        account.last_check_block = vault.world.block
        capacity = vault.tokens * OUTFLOW_BPS // BPS
        paid = _pay_out(vault, key, request.value)
        _drain(vault, paid, capacity)
        return paid


def _withdrawable(vault: Vault, key: bytes, value: int, to: bytes, sender: bytes) -> Account:
    """Check caller, recipient and state of any withdrawal."""
    vault.authority.require_authorised(key, sender)
    vault.authority.require_recipient(key, to, sender)
    require(value > 0, "ZeroAmount")
    account = vault.account(key)
    require(not account.in_auction, "InAuction", key)
    require(vault.is_open or not vault.holders, "AccountsNotSettled", vault.holders)
    return account


def _require_claimable(vault: Vault, key: bytes, request: Request, certificates: Certificates) -> None:
    world, manifest = vault.world, vault.world.current
    as_of = manifest.as_of if manifest else 0
    margin = vault.margin(key, under(certificates, baseline=False))
    young = margin.oldest_price_at <= request.requested_at
    require(not young, "RequestTooYoung", key, request.requested_at)
    require(is_fresh(margin), "PriceNotFresh", key)
    age = max(world.now - as_of, 0)
    if age > MAX_MANIFEST_AGE_S or margin.flags & (Flag.FROZEN | Flag.DRIFTED):
        require(age > OLD_MANIFEST_WITHDRAWAL_AGE_S, "WithdrawalNotYet", key, margin.flags)
        _require_left(key, margin, request.value, margin.initial + ceil_div(margin.initial, 2))
        return
    require(as_of > request.requested_at, "RequestTooYoung", key, request.requested_at)
    _require_left(key, margin, request.value, margin.initial)
    base = vault.margin(key, under(certificates, baseline=True), baseline=True)
    require(not base.flags & (Flag.MISSING | Flag.NO_MANIFEST), "WithdrawalNotYet", key, base.flags)
    _require_left(key, base, request.value, base.initial)


def _require_left(key: bytes, margin: Margin, value: int, wanted: int) -> None:
    """Require that what remains meets the requirement, and that what is paid out is not owed already."""
    left = margin.equity - value
    require(left >= wanted, "InitialMargin", key, left, wanted)
    require(margin.quote >= value, "InsufficientCash", key, margin.quote, value)


def _pay_out(vault: Vault, key: bytes, value: int) -> int:
    """Return ``value - ceil(value haircut)``; what is withheld repays the deficit, the rest is kept in reserve."""
    account = vault.account(key)
    require(value <= account.cash or account.is_open, "InsufficientCash", key, account.cash, value)
    account.credit(-value)
    vault.use_reserve(value)
    if vault.is_open:
        vault.repay_from_fund()
    withheld = mul_div_up(value, vault.exit_haircut_wad(), WAD)
    vault.reserve += withheld - vault.repay_deficit(withheld)
    paid = value - withheld
    vault.tokens -= paid
    return paid


def _drain(vault: Vault, paid: int, capacity: int) -> None:
    """Count a payment against a tenth of the tokens an hour; what drained meanwhile is rounded down."""
    drained = capacity * (vault.world.now - vault.outflow_at) // OUTFLOW_WINDOW_S
    level = max(vault.outflow_level - drained, 0)
    require(level + paid <= capacity, "OutflowLimit", paid, max(capacity - level, 0))
    vault.outflow_level, vault.outflow_at = level + paid, vault.world.now
