"""What an account must hold: section 3 of the specification, in integers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from seawall.page.decode import Head, Record
from seawall.page.layout import Kind
from seawall.reference.book import Book
from seawall.reference.certificate import EMPTY, Certificate, Certificates, Residual, charge, under
from seawall.reference.exposure import Part, Sums, lane_bound, lane_bound_of_units
from seawall.reference.integers import ceil_div
from seawall.reference.marks import (
    SETTLED_X16,
    expiring_mark,
    is_expired,
    is_settling,
    open_share_x16,
    spot_state,
)
from seawall.reference.state import (
    NO_SETTLEMENTS,
    RISK_PRICE_AGE_S,
    Flag,
    Health,
    ManifestState,
    Margin,
    Price,
    Settling,
    is_priced,
    price_age,
)

__all__ = ["DUST_REQUIREMENT", "assess", "drift_limit_bps", "drift_x32", "health", "lane_bound"]

DUST_REQUIREMENT = 10**6
_BPS = 10_000
_X32 = 1 << 32


@dataclass(slots=True)
class _Walk:
    """Gather a whole book."""

    sums: dict[int, Sums] = field(default_factory=dict)
    held: dict[tuple[int, int], int] = field(default_factory=dict)
    rest: int = 0
    loose: int = 0
    lanes: list[tuple[Record, int]] = field(default_factory=list)
    lanes_slack: int = 0
    flags: Flag = Flag.NONE
    fresh_since: int = 0
    oldest_price_at: int | None = None
    drift_x32: int = 0
    head: Head | None = None


def drift_x32(head: Head, *, spot: int, limit_bps: int) -> int:
    """Return ``ceil(|S - S0| 10000 2^32 / (S0 limit))``."""
    return ceil_div((abs(spot - head.reference_spot) * _BPS) << 32, max(head.reference_spot * limit_bps, 1))


def drift_limit_bps(head: Head, record: Record) -> int:
    """Return a record's own drift limit, at least a basis point."""
    return max(head.max_drift_bps >> record.drift_shift, 1)


def assess(
    book: Book,
    *,
    cash: int,
    manifest: ManifestState | None,
    prices: Mapping[int, Price],
    now: int,
    open_interest: Mapping[int, int],
    settlements: Mapping[tuple[int, int], Settling] = NO_SETTLEMENTS,
    certificate: Certificate = EMPTY,
    lanes: bool = True,
) -> Margin:
    """Return an account's margin under one manifest.

    Parameters
    ----------
    cash
        Settlement token units.
    manifest
        None if there is none.
    prices
        By underlying; one that is absent was never seen.
    open_interest
        Long lots of all accounts, by underlying.
    settlements
        By underlying and hour of expiry, of those whose window has begun; the weight of one that is absent is 0.
    lanes
        Whether they count; without them L is what a book shown proves.

    Raises
    ------
    Rejected
        `BadCertificate`; nothing else, whatever the book and the pages.
    """
    if manifest is None:
        return Margin(equity=cash, quote=cash, flags=Flag.NO_MANIFEST)
    if not book:
        return Margin(equity=cash, quote=cash, manifest_as_of=manifest.as_of)
    walk = _Walk()
    for page in book.pages:
        _walk_page(walk, book, page, manifest=manifest, prices=prices, now=now, settlements=settlements)
    walk.lanes = walk.lanes if lanes else []
    if not any(sums.priced for sums in walk.sums.values()):
        walk.flags |= Flag.NONE_PRICED
    if walk.drift_x32 > _X32:
        walk.flags |= Flag.DRIFTED
    if walk.head is None:
        margin = Margin(equity=cash, quote=cash, initial=DUST_REQUIREMENT, flags=walk.flags)
    else:
        upper, lower = _bounds(walk, book, manifest, certificate)
        margin = _margin(walk, cash=cash, upper=upper, lower=lower, open_interest=open_interest)
    return replace(margin, manifest_as_of=manifest.as_of, oldest_price_at=walk.oldest_price_at or 0)


def _walk_page(
    walk: _Walk,
    book: Book,
    page_id: int,
    *,
    manifest: ManifestState,
    prices: Mapping[int, Price],
    now: int,
    settlements: Mapping[tuple[int, int], Settling],
) -> None:
    page = manifest.pages.get(page_id)
    if page is None:
        walk.flags |= Flag.MISSING
        return
    head = page.head
    walk.head = walk.head or head
    price = prices.get(head.underlying, Price())
    age = price_age(price, now=now)
    priced = is_priced(price, now=now)
    spot = spot_state(head, price=price.ticks, now=now).spot
    sums = walk.sums.setdefault(head.underlying, Sums(head=head, spot=spot, priced=priced))
    state = spot_state(head, price=sums.spot, now=now)
    seen_at = price.observed_at if price.ticks else 0
    walk.oldest_price_at = seen_at if walk.oldest_price_at is None else min(walk.oldest_price_at, seen_at)
    walk.flags |= Flag.FROZEN if head.frozen else Flag.NONE
    walk.flags |= Flag.NONE if priced else Flag.STALE
    walk.flags |= Flag.NOT_FRESH if age > RISK_PRICE_AGE_S or not price.ticks else Flag.NONE
    walk.fresh_since = max(walk.fresh_since, price.fresh_since if priced else 0)
    limit = 0
    for position in book.pages[page_id]:
        record = page.records[position.slot] if position.slot < len(page.records) else None
        if record is None or record.kind == Kind.NONE or record.generation != position.generation:
            walk.flags |= Flag.MISSING
            continue
        lots = position.lots
        settling = settlements.get((head.underlying, record.expiry_hour))
        value, delta, settled = expiring_mark(record, state, now=now, settling=settling)
        if settled:
            sums.value += lots * value
            continue
        walk.flags |= Flag.NOT_FRESH if is_expired(record, now=now) else Flag.NONE
        share = open_share_x16(record, as_of=head.as_of, now=now, settling=settling)
        left = SETTLED_X16 - (settling.weight_x16 if settling and is_settling(record, now=now) else 0)
        part = Part.of(record, lots, share=share, left=left)
        worth = lots * value - (0 if priced else 2 * part.charged)
        sums.value += worth
        sums.spot_value += worth if record.kind == Kind.SPOT else 0
        sums.charged += part.charged
        sums.delta_x22 += lots * delta
        sums.gross_lots += part.gross
        sums.vega += part.vega
        walk.held[page_id, position.slot] = part.lots
        walk.rest += part.charged - charge(record, part.lots)
        walk.loose += part.loose
        if priced:
            walk.lanes.append((record, part.units))
            walk.lanes_slack += part.slack
            own = drift_limit_bps(head, record)
            limit = min(limit or own, own)
    if limit:
        walk.drift_x32 = max(walk.drift_x32, drift_x32(head, spot=state.spot, limit_bps=limit))


def _bounds(walk: _Walk, book: Book, manifest: ManifestState, certificate: Certificate) -> tuple[int, int]:
    """Return U and L, settlement token units."""
    assert walk.head is not None
    tick = walk.head.tick
    shown = certificate.shown_words(book)
    named = {*book.pages, *Book.from_words(shown).pages}
    pages = {page: posted for page, posted in manifest.pages.items() if page in named}
    residual = Residual(pages, walk.held, rest=walk.rest, loose=walk.loose)
    lower = lane_bound_of_units(walk.lanes, slack=walk.lanes_slack) * tick
    if certificate.shows:
        proven = residual.subtract_book(certificate, shown, root=manifest.book_root, tick=tick)
        if not walk.flags & Flag.STALE:
            lower = max(lower, proven)
    upper = residual.upper(tick=tick)
    residual.subtract_atoms(certificate.atoms)
    return min(upper, residual.upper(tick=tick)), lower


def _margin(walk: _Walk, *, cash: int, upper: int, lower: int, open_interest: Mapping[int, int]) -> Margin:
    assert walk.head is not None
    factors, tick = walk.head, walk.head.tick
    value = spot_value = floor_initial = floor_maintenance = liquidity = 0
    for underlying, sums in walk.sums.items():
        net, gross = sums.net, sums.gross
        value += sums.value
        spot_value += sums.spot_value
        floor_initial += ceil_div(
            factors.initial_net_floor_bps * net + factors.initial_gross_floor_bps * gross, _BPS
        )
        if not sums.priced:
            continue
        scaled = factors.maintenance_net_floor_bps * net + factors.maintenance_gross_floor_bps * gross
        floor_maintenance += scaled // _BPS
        liquidity += sums.liquidity(open_interest.get(underlying, 0))
    maintenance = max(factors.maintenance_factor_bps * lower // _BPS, floor_maintenance * tick)
    return Margin(
        equity=cash + tick * value,
        initial=max(max(upper, floor_initial * tick) + liquidity * tick, maintenance, DUST_REQUIREMENT),
        maintenance=maintenance,
        fresh_since=walk.fresh_since,
        drift_x32=walk.drift_x32,
        flags=walk.flags,
        quote=cash + tick * (value - spot_value),
    )


def health(
    book: Book,
    *,
    cash: int,
    current: ManifestState | None,
    baseline: ManifestState | None,
    prices: Mapping[int, Price],
    now: int,
    open_interest: Mapping[int, int],
    settlements: Mapping[tuple[int, int], Settling] = NO_SETTLEMENTS,
    certificates: Certificates = (),
) -> Health:
    """Return what liquidation goes by: an account must fail the current manifest and the baseline.

    Parameters
    ----------
    certificates
        A book shown under a manifest may raise what that requires.

    Raises
    ------
    Rejected
        `BadCertificate`, by a certificate that is looked at: the baseline's only if the current manifest is failed.
    """

    def judged(manifest: ManifestState | None, *, is_baseline: bool) -> Margin:
        margin = assess(
            book,
            cash=cash,
            manifest=manifest,
            prices=prices,
            now=now,
            open_interest=open_interest,
            settlements=settlements,
            certificate=under(certificates, baseline=is_baseline),
        )
        return replace(margin, initial=0)

    margin = judged(current, is_baseline=False)
    equity, maintenance = margin.equity, margin.maintenance
    if equity >= maintenance:
        return Health(equity=equity, maintenance=maintenance, liquidatable=False, current=margin)
    if current is not None and current.mature:
        return Health(equity=equity, maintenance=maintenance, liquidatable=True, current=margin)
    base = judged(baseline, is_baseline=True)
    if base.flags & Flag.MISSING:
        return Health(equity=equity, maintenance=maintenance, liquidatable=True, current=margin)
    if baseline is None:
        return Health(equity=equity, maintenance=0, liquidatable=False, current=margin)
    raised = ceil_div(base.maintenance * (_X32 + base.drift_x32), _X32)
    least = min(maintenance, raised)
    failed = equity < least and base.equity < raised
    return Health(equity=equity, maintenance=least, liquidatable=failed, current=margin)
