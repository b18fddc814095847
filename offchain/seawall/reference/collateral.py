"""Deposits and withdrawals of collateral other than the settlement token. Section 7 of the specification."""

from dataclasses import replace

from seawall.reference.certificate import Certificates, under
from seawall.reference.debt import accrue_seen
from seawall.reference.desk import Desk, LotsRequest, require_lots
from seawall.reference.integers import ceil_div
from seawall.reference.rejection import Rejected, require
from seawall.reference.state import Flag, Margin, is_fresh
from seawall.reference.withdrawals import MAX_MANIFEST_AGE_S, OLD_MANIFEST_WITHDRAWAL_AGE_S

__all__ = ["claim_collateral", "deposit_collateral", "request_collateral", "withdraw_collateral"]


def deposit_collateral(desk: Desk, key: bytes, page: int, slot: int, lots: int, *, sender: bytes) -> None:
    """Turn tokens of the sender into lots of an account.

    Raises
    ------
    Rejected
        `NotAuthorised`, `ZeroLots`, `NotCollateral`, `DepositCap`, and what `Desk.adjust` raises.
    """
    with desk.atomic():
        desk.vault.authority.require_authorised(key, sender)
        require_lots(lots)
        desk.require_collateral(page, slot)
        held = desk.holding(page, slot)
        total = held.lots + lots
        require(total <= held.cap, "DepositCap", page, slot, total, held.cap)
        desk.holdings[page, slot] = replace(held, lots=total)
        accrue_seen(desk, key)
        desk.adjust(key, page, slot, lots, checked=False)


def withdraw_collateral(
    desk: Desk, key: bytes, page: int, slot: int, lots: int, *, to: bytes, sender: bytes
) -> None:
    """Pay lots out at once, reading no oracle, of an account that owes nothing and can owe nothing.

    Raises
    ------
    Rejected
        `NotAuthorised`, `ZeroLots`, `PositionsOpen`, `NotCollateral`, and what `Desk.adjust` raises.
    """
    with desk.atomic():
        desk.require_may(key, to, sender)
        require_lots(lots)
        require(desk.owes_nothing(key), "PositionsOpen", key)
        desk.forget(key)
        desk.take_out(key, page, slot, lots, checked=False)


def request_collateral(desk: Desk, key: bytes, page: int, slot: int, lots: int, *, sender: bytes) -> None:
    """Ask for lots; a new request replaces the old one.

    Raises
    ------
    Rejected
        `NotAuthorised`, `ZeroLots`, `CapTooLarge`, `NotCollateral`
    """
    desk.vault.authority.require_authorised(key, sender)
    require_lots(lots)
    desk.require_collateral(page, slot)
    desk.requests[key] = LotsRequest(page, slot, lots, desk.vault.world.now)


def claim_collateral(
    desk: Desk, key: bytes, *, to: bytes, sender: bytes, certificates: Certificates = ()
) -> None:
    """Pay a request once everything that the margin without the lots depends on was observed after it.

    Raises
    ------
    Rejected
        `NoRequest`, `NotAuthorised`, `WoundDown`, `OutflowLimit`, `RequestTooYoung`, `PriceNotFresh`,
        `WithdrawalNotYet`, `InitialMargin`, `QuoteDebt`; the request stands then.
    """
    with desk.atomic():
        request = desk.requests.get(key)
        if request is None:
            raise Rejected("NoRequest", key)
        desk.require_may(key, to, sender)
        del desk.requests[key]
        place = request.page, request.slot
        if desk.owes_nothing(key):
            desk.forget(key)
            desk.take_out(key, *place, request.lots, checked=False)
            return
        desk.vault.require_open()
        accrue_seen(desk, key)
        desk.drain(*place, request.lots)
        desk.take_out(key, *place, request.lots, checked=True)
        _require_claimable(desk, key, request.requested_at, certificates)


def _require_claimable(desk: Desk, key: bytes, requested_at: int, certificates: Certificates) -> None:
    vault, margin = desk.vault, desk.vault.margin(key, under(certificates, baseline=False))
    require(margin.oldest_price_at > requested_at, "RequestTooYoung", key, requested_at)
    require(is_fresh(margin), "PriceNotFresh", key)
    age = max(vault.world.now - margin.manifest_as_of, 0)
    if age > MAX_MANIFEST_AGE_S or margin.flags & (Flag.FROZEN | Flag.DRIFTED):
        require(age > OLD_MANIFEST_WITHDRAWAL_AGE_S, "WithdrawalNotYet", key, margin.flags)
        _require_left(desk, key, margin, margin.initial + ceil_div(margin.initial, 2))
        return
    require(margin.manifest_as_of > requested_at, "RequestTooYoung", key, requested_at)
    _require_left(desk, key, margin, margin.initial)
    base = vault.margin(key, under(certificates, baseline=True), baseline=True)
    require(not base.flags & (Flag.MISSING | Flag.NO_MANIFEST), "WithdrawalNotYet", key, base.flags)
    _require_left(desk, key, base, base.initial)


def _require_left(desk: Desk, key: bytes, margin: Margin, wanted: int) -> None:
    require(margin.equity >= wanted, "InitialMargin", key, margin.equity, wanted)
    desk.vault.require_quote(key, margin.quote)
