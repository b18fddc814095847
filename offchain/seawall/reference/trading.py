"""Fills: what may be added, what is a reduction, and what open interest follows."""

from dataclasses import dataclass

from seawall.page.decode import Head, Record
from seawall.page.layout import MAX_TRADED_POSITIONS, Kind
from seawall.reference.account import Account
from seawall.reference.book import in_range
from seawall.reference.certificate import Certificates, under
from seawall.reference.engine import drift_limit_bps, drift_x32
from seawall.reference.integers import BPS
from seawall.reference.ledger import Vault
from seawall.reference.marks import expiring_mark, is_expired, is_settling, spot_state
from seawall.reference.rejection import Rejected, require
from seawall.reference.state import Flag, Margin, Price, is_fresh, is_priced
from seawall.reference.withdrawals import MAX_MANIFEST_AGE_S

__all__ = ["REDUCE_BAND_BPS", "Fill", "Instrument", "find_instrument", "settle", "tally"]

REDUCE_BAND_BPS = 40
_X32 = 1 << 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Fill:
    """Hold what `IMarginVault.Fill` holds, under the same names."""

    taker: bytes
    maker: bytes
    page: int
    slot: int
    generation: int
    lots: int
    price_ticks: int
    taker_fee: int = 0
    maker_fee: int = 0

    @property
    def key(self) -> tuple[int, int]:
        """Return slot and generation."""
        return self.slot, self.generation


@dataclass(frozen=True, kw_only=True, slots=True)
class Instrument:
    """Hold one instrument at the live price: value and funding of a lot in ticks."""

    head: Head
    record: Record
    spot: int
    value: int
    funding: int
    priced: bool
    drifted: bool
    settling: bool
    expired: bool

    @property
    def mark(self) -> int:
        """Return the live value of one lot without funding, ticks."""
        return self.value + self.funding

    @property
    def open_interest_cap(self) -> int:
        """Return the largest open interest of the underlying, lots."""
        return self.head.daily_volume * self.head.open_interest_cap_percent // 100 // max(self.spot, 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Leg:
    key: bytes
    before: Account
    old_lots: int
    new_lots: int

    @property
    def reduces(self) -> bool:
        """Say whether the position neither grows nor crosses zero."""
        return self.old_lots * self.new_lots >= 0 and abs(self.new_lots) < abs(self.old_lots)


def find_instrument(vault: Vault, page: int, key: tuple[int, int]) -> Instrument | None:
    """Return an instrument at the live price; None if the current manifest lacks it."""
    world = vault.world
    slot, generation = key
    posted = world.current.pages.get(page) if world.current else None
    if posted is None or slot >= len(posted.records):
        return None
    head, record = posted.head, posted.records[slot]
    if record.kind == Kind.NONE or record.generation != generation:
        return None
    price = world.prices.get(head.underlying, Price())
    state = spot_state(head, price=price.ticks, now=world.now)
    settlement = world.settlements.get((head.underlying, record.expiry_hour))
    value, _, _ = expiring_mark(record, state, now=world.now, settling=settlement)
    drift = drift_x32(head, spot=state.spot, limit_bps=drift_limit_bps(head, record))
    return Instrument(
        head=head,
        record=record,
        spot=state.spot,
        value=value,
        funding=state.funding if record.kind == Kind.PERPETUAL else 0,
        priced=is_priced(price, now=world.now),
        drifted=drift > _X32,
        settling=is_settling(record, now=world.now),
        expired=is_expired(record, now=world.now),
    )


def tally(vault: Vault, underlying: int, old_lots: int, new_lots: int) -> None:
    """Keep the long lots of an underlying when one position changes; not for spot."""
    grown = max(new_lots, 0) - max(old_lots, 0)
    vault.open_interest[underlying] = vault.open_interest.get(underlying, 0) + grown


def settle(
    vault: Vault,
    fill: Fill,
    *,
    sender: bytes,
    taker_certificates: Certificates = (),
    maker_certificates: Certificates = (),
) -> None:
    """Settle one trade; `sender` is the venue.

    Raises
    ------
    Rejected
        With the error of the contract; nothing has changed then.
    """
    with vault.atomic():
        vault.require_open()
        vault.authority.require_venue(sender)
        require(fill.taker != fill.maker, "SameAccount", fill.taker)
        require(fill.lots != 0, "ZeroLots")
        instrument = find_instrument(vault, fill.page, fill.key)
        if instrument is None:
            raise Rejected("UnknownInstrument", fill.page, fill.slot, fill.generation)
        require(not instrument.expired, "InstrumentExpired", fill.page, fill.slot)
        underlying = instrument.head.underlying
        interest = vault.open_interest.get(underlying, 0)
        legs = (fill.taker, fill.lots, fill.taker_fee), (fill.maker, -fill.lots, fill.maker_fee)
        taker, maker = (_apply(vault, fill, instrument, sender, *leg) for leg in legs)
        vault.fees[sender] = vault.fees.get(sender, 0) + fill.taker_fee + fill.maker_fee
        grown, cap = vault.open_interest.get(underlying, 0), instrument.open_interest_cap
        require(grown <= interest or grown <= cap, "OpenInterestCap", underlying, grown, cap)
        for leg, certificates in ((taker, taker_certificates), (maker, maker_certificates)):
            require(leg.reduces or not instrument.settling, "InstrumentSettling", fill.page, fill.slot)
            if leg.reduces:
                _check_reduction(vault, leg, fill, instrument, certificates)
            else:
                _check_added_risk(vault, leg, instrument, certificates)


def _apply(
    vault: Vault, fill: Fill, instrument: Instrument, venue: bytes, key: bytes, lots: int, fee: int
) -> _Leg:
    """Move one account: cash by ``-q (price - F) tick - fee``, the position by q."""
    vault.authority.require_approval(key, venue)
    account = vault.account(key)
    require(not account.in_auction, "InAuction", key)
    before = account.copy()
    old, new = account.book.add(fill.page, fill.key, lots, account=key)
    account.credit(-lots * (fill.price_ticks - instrument.funding) * instrument.head.tick - fee)
    if instrument.record.kind != Kind.SPOT:
        tally(vault, instrument.head.underlying, old, new)
    return _Leg(key=key, before=before, old_lots=old, new_lots=new)


def _check_added_risk(vault: Vault, leg: _Leg, instrument: Instrument, certificates: Certificates) -> None:
    world, underlying = vault.world, instrument.head.underlying
    assert world.current is not None
    as_of = world.current.as_of
    require(world.now <= as_of + MAX_MANIFEST_AGE_S, "ManifestOld", as_of)
    require(not instrument.head.frozen, "UnderlyingFrozen", underlying)
    require(not instrument.drifted, "UnderlyingDrifted", underlying)
    shift, spot = instrument.record.shift, instrument.record.kind == Kind.SPOT
    fits = in_range(leg.new_lots, shift) and not (spot and leg.new_lots < 0)
    require(fits, "LotsOutOfRange", leg.new_lots, shift)
    account = vault.account(leg.key)
    require(len(account.book) <= MAX_TRADED_POSITIONS, "TooManyPositions", leg.key, MAX_TRADED_POSITIONS)
    margin = vault.margin(leg.key, under(certificates, baseline=False))
    require(is_fresh(margin), "PriceNotFresh", leg.key)
    margin = _tighter(vault, leg.key, certificates, margin)
    require(margin.equity >= margin.initial, "InitialMargin", leg.key, margin.equity, margin.initial)
    vault.require_quote(leg.key, margin.quote)
    account.last_check_block = world.block


def _check_reduction(
    vault: Vault, leg: _Leg, fill: Fill, instrument: Instrument, certificates: Certificates
) -> None:
    """Require the band, and IM or that MM does not rise and ``E1 M0 >= E0 M1``; under the baseline too."""
    require(instrument.priced, "PriceStale", instrument.head.underlying)
    band = instrument.spot * REDUCE_BAND_BPS // BPS
    inside = abs(fill.price_ticks - instrument.mark) <= band
    require(inside, "PriceOutsideBand", fill.price_ticks, instrument.mark, band)
    margin = vault.margin(leg.key, under(certificates, baseline=False))
    if is_fresh(margin):
        margin = _tighter(vault, leg.key, certificates, margin)
        if margin.equity >= margin.initial:
            vault.account(leg.key).last_check_block = vault.world.block
            return
    after = vault.margin(leg.key)
    before = vault.margin_of(leg.before, vault.world.current)
    require(_helps(before, after), "ReduceRaisesRisk", leg.key, after.equity, after.maintenance)
    after = vault.margin(leg.key, baseline=True)
    before = vault.margin_of(leg.before, vault.world.baseline)
    helps = not _counts(before) or _helps(before, after)
    require(helps, "ReduceRaisesRisk", leg.key, after.equity, after.maintenance)


def _tighter(vault: Vault, key: bytes, certificates: Certificates, margin: Margin) -> Margin:
    """Return the current margin, or the baseline's by U and floors if only that one falls short."""
    current = vault.world.current
    if margin.equity < margin.initial or (current is not None and current.mature):
        return margin
    old = vault.margin(key, under(certificates, baseline=True), baseline=True, lanes=False)
    return old if _counts(old) and old.equity < old.initial else margin


def _helps(before: Margin, after: Margin) -> bool:
    return (
        after.maintenance <= before.maintenance
        and after.equity * before.maintenance >= before.equity * after.maintenance
    )


def _counts(old: Margin) -> bool:
    """Say whether a baseline knows the whole book."""
    return not old.flags & (Flag.MISSING | Flag.NO_MANIFEST)
