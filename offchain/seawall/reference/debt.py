"""What accounts owe in the settlement token, and how their collateral pays for it. Section 7 of the specification."""

from dataclasses import dataclass, replace

from seawall.reference.desk import MAX_LOTS, Desk, charge_interest
from seawall.reference.integers import BPS, ceil_div
from seawall.reference.rejection import require
from seawall.reference.state import Flag, Margin, Price, is_fresh

__all__ = [
    "accrue_interest",
    "accrue_seen",
    "clear_debt",
    "conversion",
    "convert",
    "debt_discount_bps",
    "discount_bps",
    "final_discount_bps",
    "flag_debt",
    "flagged_at",
    "interest_on",
    "quote_of",
]

MAX_DEBT = (1 << 104) - 1
DISCOUNT_START_BPS, DISCOUNT_MAX_BPS, DISCOUNT_S = 50, 500, 3_600
FINAL_DISCOUNT_BPS_PER_DAY, FINAL_DISCOUNT_MAX_BPS = 500, 9_000
FLAG_LIFETIME_S = 4 * 3_600
DAY_S, YEAR_S = 86_400, 365 * 86_400
_UNKNOWN = Flag.MISSING | Flag.NO_MANIFEST


def discount_bps(elapsed_s: int) -> int:
    """Return ``50 + floor(450 min(t, 1 h) / 1 h)``, basis points."""
    grown = (DISCOUNT_MAX_BPS - DISCOUNT_START_BPS) * min(elapsed_s, DISCOUNT_S) // DISCOUNT_S
    return DISCOUNT_START_BPS + grown


def final_discount_bps(elapsed_s: int) -> int:
    """Return ``min(discount(t) + floor(500 max(t - 1 h, 0) / 1 day), 9000)``, basis points; for a wind-down."""
    later = FINAL_DISCOUNT_BPS_PER_DAY * max(elapsed_s - DISCOUNT_S, 0) // DAY_S
    return min(discount_bps(elapsed_s) + later, FINAL_DISCOUNT_MAX_BPS)


def conversion(max_lots: int, owed: int, lot_value: int, discount: int) -> tuple[int, int]:
    """Return lots ``min(maxLots, ceil(10000 owed / p))`` and their price, where ``p = lotValue (10000 - discount)``."""
    price = lot_value * (BPS - discount)
    if price == 0:
        return 0, 0
    lots = min(max_lots, ceil_div(owed * BPS, price))
    return lots, ceil_div(lots * price, BPS)


def interest_on(owed: int, indexed: int) -> int:
    """Return ``floor(owed indexed / (10000 365 days))``, indexed in basis points seconds."""
    return owed * indexed // (BPS * YEAR_S)


@dataclass(frozen=True, slots=True)
class _Margins:
    """Hold an account's margin without a certificate, under the current manifest and under the baseline."""

    current: Margin
    base: Margin

    @property
    def quote(self) -> int:
        """Return the larger quote; without a baseline no debt is proven, and one that lacks a key does not count."""
        if self.base.flags & Flag.NO_MANIFEST:
            return max(self.current.quote, 0)
        if self.base.flags & Flag.MISSING:
            return self.current.quote
        return max(self.current.quote, self.base.quote)

    def less(self, value: int) -> "_Margins":
        """Return both after a payment."""
        pair = (replace(m, equity=m.equity - value, quote=m.quote - value) for m in (self.current, self.base))
        return _Margins(*pair)


def flag_debt(desk: Desk, key: bytes) -> None:
    """Start the clock of the discount.

    Raises
    ------
    Rejected
        `PriceNotFresh`, `NoDebt`, `AlreadyFlagged`
    """
    with desk.atomic():
        quote = _accrue_all(desk, key)
        since = flagged_at(desk, key)
        require(quote < -desk.cap, "NoDebt", key, quote)
        require(since == 0, "AlreadyFlagged", key, since)
        desk.flags[key] = desk.vault.world.now, desk.vault.world.live_seconds


def clear_debt(desk: Desk, key: bytes) -> None:
    """End the clock of an account that owes no more than the cap.

    Raises
    ------
    Rejected
        `PriceNotFresh`, `InDebt`
    """
    with desk.atomic():
        quote = _accrue_all(desk, key)
        require(quote >= -desk.cap, "InDebt", key, quote)
        desk.flags.pop(key, None)


def accrue_interest(desk: Desk, key: bytes) -> None:
    """Charge for what was owed then and is owed now, and note what is owed.

    Raises
    ------
    Rejected
        `PriceNotFresh`
    """
    with desk.atomic():
        _accrue_all(desk, key)


def convert(desk: Desk, key: bytes, page: int, slot: int, *, max_lots: int, max_pay: int) -> tuple[int, int]:
    """Pay what an account owes and take lots for it; return lots and what was paid.

    Raises
    ------
    Rejected
        `PriceNotFresh`, `NoDebt`, `NotCollateral`, `NothingToConvert`, `PaysMoreThan`, `InAuction`,
        `ConversionRaisesRisk`
    """
    vault, listing = desk.vault, desk.vault.world.listing
    with desk.atomic():
        before = _accrue(desk, key, _margins(desk, key)) if vault.is_open else None
        quote = _final_quote(desk, key) if before is None else _proven(key, before)
        require(quote < -desk.cap, "NoDebt", key, quote)
        desk.require_collateral(page, slot)
        held = vault.account(key).book.lots(page, (slot, listing.terms(page, slot).generation))
        lot_value = _price_ticks(desk, listing.underlying(page)) * listing.tick
        most = min(max_lots, MAX_LOTS, held)
        lots, paid = conversion(most, -quote, lot_value, debt_discount_bps(desk, key))
        require(lots != 0, "NothingToConvert", key)
        require(paid <= max_pay, "PaysMoreThan", paid, max_pay)
        vault.deposit(key, paid)
        desk.take_out(key, page, slot, lots, checked=False)
        quote = _final_quote(desk, key) if before is None else _require_helps(desk, key, before)
        if quote >= -desk.cap:
            desk.flags.pop(key, None)
        return lots, paid


def quote_of(desk: Desk, key: bytes) -> int:
    """Return the quote that conversions go by; in a wind-down minus what is still owed.

    Raises
    ------
    Rejected
        `PriceNotFresh`
    """
    return _proven(key, _margins(desk, key)) if desk.vault.is_open else _final_quote(desk, key)


def flagged_at(desk: Desk, key: bytes) -> int:
    """Return when a debt was flagged; zero if it is not, or too long ago to count."""
    time, live = desk.flags.get(key, (0, 0))
    if desk.vault.is_open:
        return time if desk.vault.world.live_seconds - live <= FLAG_LIFETIME_S else 0
    return time if time >= desk.vault.wind_down.started_at else 0


def debt_discount_bps(desk: Desk, key: bytes) -> int:
    """Return the discount of a conversion now, basis points."""
    since, world = flagged_at(desk, key), desk.vault.world
    if not desk.vault.is_open:
        return final_discount_bps(world.now - since if since else 0)
    return discount_bps(world.live_seconds - desk.flags[key][1] if since else 0)


def accrue_seen(desk: Desk, key: bytes) -> None:
    """Accrue for an account that was in debt when it was last looked at; others need no look, and no price."""
    if desk.seen.get(key, (0, 0))[0] and desk.vault.is_open:
        _accrue(desk, key, _margins(desk, key))


def _margins(desk: Desk, key: bytes) -> _Margins:
    return _Margins(desk.vault.margin(key), desk.vault.margin(key, baseline=True))


def _proven(key: bytes, margins: _Margins) -> int:
    require(is_fresh(margins.current), "PriceNotFresh", key)
    return margins.quote


def _final_quote(desk: Desk, key: bytes) -> int:
    return -desk.vault.account(key).debt


def _price_ticks(desk: Desk, underlying: int) -> int:
    if not desk.vault.is_open:
        return desk.vault.wind_down.final_ticks.get(underlying, 0)
    return desk.vault.world.prices.get(underlying, Price()).ticks


def _require_helps(desk: Desk, key: bytes, before: _Margins) -> int:
    """Require ``E1 >= M1``, or ``M1 <= M0`` and ``E1 M0 >= E0 M1``, under both; return the quote."""
    after = _margins(desk, key)
    pairs = [(before.current, after.current)]
    if not before.base.flags & _UNKNOWN:
        pairs.append((before.base, after.base))
    for m0, m1 in pairs:
        kept = m1.maintenance <= m0.maintenance and m1.equity * m0.maintenance >= m0.equity * m1.maintenance
        helps = m1.equity >= m1.maintenance or kept
        require(helps, "ConversionRaisesRisk", key, m1.equity, m1.maintenance)
    return after.quote


def _accrue_all(desk: Desk, key: bytes) -> int:
    if not desk.vault.is_open:
        return _final_quote(desk, key)
    return _proven(key, _accrue(desk, key, _margins(desk, key)))


def _accrue(desk: Desk, key: bytes, margins: _Margins) -> _Margins:
    """Charge for ``min(owed then, owed now)`` and return the margins after it; not without prices or in an auction."""
    vault, account = desk.vault, desk.vault.account(key)
    if not is_fresh(margins.current) or account.in_auction:
        return margins
    if margins.quote >= 0:
        desk.seen.pop(key, None)
        return margins
    owed, index = min(-margins.quote, MAX_DEBT), desk.rate_index
    seen, seen_index = desk.seen.get(key, (0, index))
    interest = 0
    if seen and seen_index != index:
        interest = interest_on(min(seen, owed), index - seen_index)
        if interest == 0:
            desk.seen[key] = min(seen, owed), seen_index
            return margins
        charge_interest(vault, key, interest, sender=desk.address)
    desk.seen[key] = owed + interest, index
    return margins.less(interest)
