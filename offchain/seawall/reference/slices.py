"""Moves between an account in auction, its buyer, the fund and the deficit; value is conserved in each.

All that changes anything is the liquidator's alone: anybody else is rejected with `NotLiquidator`, and once a wind-down
has begun all but the end of an auction with `WoundDown`.
"""

from seawall.page.layout import MAX_PAGES, MAX_POSITIONS, Kind
from seawall.reference.auction import lots_moved
from seawall.reference.book import Position, in_range
from seawall.reference.certificate import Certificates, under
from seawall.reference.ledger import Vault
from seawall.reference.rejection import Rejected, require
from seawall.reference.state import Flag
from seawall.reference.trading import Instrument, find_instrument, tally

__all__ = [
    "begin_auction",
    "book_loss",
    "close_position",
    "cover_loss",
    "deleverage",
    "end_auction",
    "move_slice",
    "settle_slice",
    "slice_value",
]


def _sellable(vault: Vault, page: int, position: Position) -> Instrument | None:
    """Return the instrument of a position that can be valued: the manifest has it and its underlying has a price."""
    instrument = find_instrument(vault, page, position.key)
    return instrument if instrument is not None and instrument.priced else None


def begin_auction(vault: Vault, key: bytes, loss: int, mark: int, *, sender: bytes) -> None:
    """Mark an account as being auctioned and book its loss.

    Raises
    ------
    Rejected
        `InAuction`, or `CheckedThisBlock`: it met its requirement in this very block.
    """
    _require_liquidator(vault, sender)
    account = vault.account(key)
    require(not account.in_auction, "InAuction", key)
    require(account.last_check_block != vault.world.block, "CheckedThisBlock", key)
    account.in_auction, account.mark = True, mark
    if loss:  # none is booked outside auctions
        account.loss = loss


def end_auction(vault: Vault, key: bytes, *, sender: bytes) -> None:
    """Take the mark and the booked loss off an account."""
    vault.authority.require_liquidator(sender)
    account = vault.account(key)
    account.leave_auction()
    account.loss = 0


def book_loss(vault: Vault, key: bytes, loss: int, *, sender: bytes) -> None:
    """Set what an account is known to lack, settlement token units."""
    _require_liquidator(vault, sender)
    vault.account(key).loss = loss


def _require_liquidator(vault: Vault, sender: bytes) -> None:
    vault.authority.require_liquidator(sender)
    vault.require_open()


def slice_value(vault: Vault, key: bytes, fraction_wad: int) -> int:
    """Return the live value of what a slice would move, settlement token units."""
    value = 0
    for page, position in vault.account(key).book:
        instrument = _sellable(vault, page, position)
        if instrument is not None:
            value += lots_moved(position.lots, fraction_wad) * instrument.value * instrument.head.tick
    return value


def move_slice(vault: Vault, source: bytes, target: bytes, fraction_wad: int, *, sender: bytes) -> int:
    """Move ``ceil(f |q|)`` lots of every position that can be valued, paid at live value, and return that value.

    Raises
    ------
    Rejected
        If nothing can be valued, or the target cannot hold what it would get.
    """
    _require_liquidator(vault, sender)
    require(source != target, "SameAccount", source)
    require(not vault.account(target).in_auction, "InAuction", target)
    book = vault.account(source).book
    sellable = any(_sellable(vault, page, position) for page, position in book)
    value = sum(_move_page(vault, source, target, page, fraction_wad) for page in tuple(book.pages))
    require(sellable, "ZeroLots")
    count = len(vault.account(target).book)
    require(count <= MAX_POSITIONS, "TooManyPositions", target, MAX_POSITIONS)
    vault.account(source).credit(value)
    vault.account(target).credit(-value)
    return value


def _move_page(vault: Vault, source: bytes, target: bytes, page: int, fraction_wad: int) -> int:
    giving, taking = vault.account(source).book, vault.account(target).book
    received = {position.key: position for position in taking.pages.get(page, ())}
    kept: list[Position] = []
    value = 0
    for position in giving.pages[page]:
        instrument = _sellable(vault, page, position)
        if instrument is None:
            kept.append(position)
            continue
        moved = lots_moved(position.lots, fraction_wad)
        value += moved * instrument.value * instrument.head.tick
        old = received[position.key].lots if position.key in received else 0
        new = old + moved
        require(in_range(new, instrument.record.shift), "LotsOutOfRange", new, instrument.record.shift)
        received[position.key] = position._replace(lots=new)
        if instrument.record.kind != Kind.SPOT:
            tally(vault, instrument.head.underlying, old, new)
            tally(vault, instrument.head.underlying, position.lots, position.lots - moved)
        if position.lots != moved:
            kept.append(position._replace(lots=position.lots - moved))
    giving.put(page, kept)
    listed = [position for position in received.values() if position.lots]
    require(not listed or page in taking.pages or len(taking.pages) < MAX_PAGES, "TooManyPages", target)
    taking.put(page, listed)
    return value


def settle_slice(
    vault: Vault,
    source: bytes,
    target: bytes,
    *,
    premium: int,
    from_share: int,
    certificates: Certificates,
    sender: bytes,
) -> None:
    """Pay the target its premium: the source bears its share, the fund the rest; and check the target's margin.

    Raises
    ------
    Rejected
        If the target does not meet its initial requirement.
    """
    _require_liquidator(vault, sender)
    buyer = vault.account(target)
    vault.account(source).credit(-from_share)
    buyer.credit(premium)
    buyer.last_check_block = vault.world.block
    margin = vault.margin(target, under(certificates, baseline=False))
    require(not margin.flags & (Flag.MISSING | Flag.NO_MANIFEST), "PriceNotFresh", target)
    require(margin.equity >= margin.initial, "InitialMargin", target, margin.equity, margin.initial)
    vault.cover(premium - from_share)


def cover_loss(vault: Vault, key: bytes, loss: int, *, sender: bytes) -> None:
    """Credit an account with its loss: the fund pays what it can, the rest is deficit."""
    _require_liquidator(vault, sender)
    vault.account(key).credit(loss)
    vault.cover(loss)


def close_position(vault: Vault, key: bytes, page: int, instrument_key: tuple[int, int], lots: int) -> None:
    """Turn signed lots that the account holds into cash at the live value.

    Raises
    ------
    Rejected
        If the account holds fewer.
    """
    instrument = find_instrument(vault, page, instrument_key)
    assert instrument is not None
    account = vault.account(key)
    old, new = account.book.add(page, instrument_key, -lots, account=key)
    require(old != 0 and new * lots >= 0, "LotsOutOfRange", lots, 0)
    tally(vault, instrument.head.underlying, old, new)
    account.credit(lots * instrument.value * instrument.head.tick)


def deleverage(
    vault: Vault, key: bytes, opposite: bytes, *, page: int, slot: int, lots: int, sender: bytes
) -> None:
    """Close lots at the live value against an account with the opposite position, which must stay healthy.

    Raises
    ------
    Rejected
        If there is no price, either holds too little, or the opposite account ends up below maintenance.
    """
    _require_liquidator(vault, sender)
    require(key != opposite, "SameAccount", key)
    require(lots > 0, "ZeroLots")
    require(not vault.account(opposite).in_auction, "InAuction", opposite)
    posted = vault.world.current.pages.get(page) if vault.world.current else None
    generation = vault.world.listing.terms(page, slot).generation
    instrument = find_instrument(vault, page, (slot, generation))
    if instrument is None or not instrument.priced:
        raise Rejected("PriceStale", posted.head.underlying if posted else 0)
    held = vault.account(key).book.lots(page, (slot, generation))
    closed = -lots if held < 0 else lots
    close_position(vault, key, page, (slot, generation), closed)
    close_position(vault, opposite, page, (slot, generation), -closed)
    health = vault.health(opposite)
    require(
        health.equity >= health.maintenance, "ReduceRaisesRisk", opposite, health.equity, health.maintenance
    )
