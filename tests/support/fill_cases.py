"""Random fills between two random accounts under two manifests; nothing in them makes financial sense."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.support.engine_world import NOW
from tests.support.evm import role
from tests.support.fill_books import random_book, random_certificates
from tests.support.fill_manifests import HOUR, random_manifests

from seawall.page.decode import Record
from seawall.page.layout import MAX_LOTS, MAX_SCALED_LOTS, Kind
from seawall.reference.account import Account
from seawall.reference.authority import Authority, Permission
from seawall.reference.book import Book, Position
from seawall.reference.certificate import EMPTY, Certificate, under
from seawall.reference.engine import assess
from seawall.reference.ledger import Vault
from seawall.reference.rejection import Rejected
from seawall.reference.state import ManifestState, Price, Settling, World
from seawall.reference.trading import Fill, find_instrument

__all__ = ["BLOCK", "VENUE", "VENUE_BYTES", "FillCase", "fill_case"]

BLOCK = 77
VENUE = role("venue")
VENUE_BYTES = bytes.fromhex(VENUE[2:])
CASH_END = 1 << 103


@dataclass(frozen=True, kw_only=True)
class FillCase:
    """A fill, and all that it depends on."""

    world: World
    accounts: dict[bytes, Account]
    open_interest: dict[int, int]
    fill: Fill
    certificates: tuple[list[Certificate], list[Certificate]]
    debt_cap: int

    def vault(self) -> Vault:
        """Return a reference vault that nothing has happened to."""
        permissions = {(key, VENUE_BYTES): Permission.VENUE for key in self.accounts}
        return Vault(
            world=self.world,
            accounts={key: account.copy() for key, account in self.accounts.items()},
            open_interest=dict(self.open_interest),
            authority=Authority(venues={VENUE_BYTES}, permissions=permissions),
            debt_cap=self.debt_cap,
        )


def _longs(books: Sequence[Book], manifest: ManifestState, underlying: int) -> int:
    """Return the open interest of some books."""
    found = 0
    for book in books:
        for i, p in book:
            page = manifest.pages.get(i)
            if page and page.head.underlying == underlying and p.slot < len(page.records):
                found += max(p.lots, 0) if page.records[p.slot].kind != Kind.SPOT else 0
    return found


def _lots(rng: random.Random, books: Sequence[Book], page: int, record: Record, slot: int) -> int:
    """Return what one of the accounts may want: part of what it holds, all, more than that, or anything."""
    held = [book.lots(page, (slot, record.generation)) for book in books]
    limit = max(min(MAX_LOTS, MAX_SCALED_LOTS >> record.shift) - 1, 1)
    own = rng.choice([lots for lots in held if lots] or [0])
    anything = rng.choice((1, 2, rng.randint(1, 60), rng.randint(1, max(limit // 9, 1)))) * rng.choice(
        (-1, 1)
    )
    if not own or rng.random() < 0.4:
        return anything
    sign = -1 if rng.random() < 0.5 or own != held[0] else 1
    part = rng.choice((own, own, own // 2, own + 1 if own > 0 else own - 1, 2 * own, 1 if own > 0 else -1))
    return (sign * part or anything) if own == held[0] else part or anything


def _at_the_edge(
    rng: random.Random, case: FillCase, key: bytes, after: Book, lots: int, given: list[Certificate], aim: str
) -> int:
    """Return cash with which the account, after the fill, just meets or just fails one of what it may be asked for."""
    world = case.world
    interest = case.open_interest
    baseline = aim == "edge" or rng.random() < 0.5

    def margin(book: Book, *, shown: bool) -> Any:
        manifest = world.baseline if baseline else world.current
        certificate = under(given, baseline=baseline) if shown else EMPTY
        return assess(
            book,
            cash=0,
            manifest=manifest,
            prices=world.prices,
            now=world.now,
            open_interest=interest,
            settlements=world.settlements,
            certificate=certificate,
            lanes=not baseline or not shown,
        )

    try:
        asked = margin(after, shown=True)
    except Rejected:
        asked = margin(after, shown=False)
    instrument = find_instrument(case.vault(), case.fill.page, case.fill.key)
    paid = 0
    if instrument is not None:
        fee = case.fill.taker_fee if key == case.fill.taker else case.fill.maker_fee
        paid = lots * (case.fill.price_ticks - instrument.funding) * instrument.head.tick + fee
    wanted = rng.choice(
        (asked.initial, asked.initial, asked.initial, asked.maintenance, asked.maintenance // 2)
    )
    off = rng.choice((0, 0, 0, 0, -1, 1, rng.randint(-(10**6), 10**6), 2**80, 2**80, 2**90, 2**90))
    if aim:
        wanted, off = asked.initial, rng.choice((0, -1)) if aim == "edge" else 2**90
    return max(-CASH_END, min(CASH_END - 1, wanted - asked.equity + paid + off))


def fill_case(seed: int, *, unlike: bool = False) -> FillCase:
    """Return a case; every seed has one. If `unlike`, manifests and books are further apart than they ever would be."""
    rng = random.Random(seed)
    aimed = rng.random() < 0.6  # at the baseline's requirement of one account
    ids = rng.sample(range(24), rng.choice((1, 2, 3, 4) if aimed else (1, 2, 3, 4, 8, 14)))
    spots = [max(20, rng.getrandbits(rng.choice((10, 16, 24, 34)))) for _ in range(3)]
    young, aged = random_manifests(rng, ids, spots, aimed, unlike=unlike)
    pages = {i: young.pages.get(i) or aged.pages[i] for i in ids if i in young.pages or i in aged.pages}
    if not pages:
        return fill_case(seed + 2**40, unlike=unlike)
    former = unlike and rng.random() < 0.4  # who holds what was replaced may only reduce
    books = [random_book(rng, pages, list(pages), unlike=former) for _ in range(2)]
    if rng.random() < 0.3:
        books[1] = books[0].copy()
        books[1] = Book(
            {i: [Position(p.slot, p.generation, -p.lots) for p in h] for i, h in books[1].pages.items()}
        )
    held = [(i, p.slot) for book in books for i, p in book if p.slot < len(pages[i].records)]
    page, slot = rng.choice(held) if held and rng.random() < 0.6 else (rng.choice(list(pages)), 0)
    slot = slot if held and (page, slot) in held else rng.randrange(len(pages[page].records))
    record = pages[page].records[slot]
    lots = _lots(rng, books, page, record, slot)
    stale = not aimed and rng.random() < 0.06
    prices = {
        u: Price(
            ticks=max(1, int(spots[u] * rng.choice((1, 1, 1.01, 0.97)))),
            observed_at=NOW - rng.choice((31, 121, 5_000) if stale and rng.random() < 0.4 else (0, 5, 30)),
            fresh_since=NOW - rng.randrange(9_000),
        )
        for u in range(3)
        if not (stale and rng.random() < 0.2)
    }
    settlements = {
        (u, hour): Settling(average=spots[u], weight_x16=rng.choice((0, 777, 0xFFFF, 0x10000)))
        for u in range(3)
        for hour in (HOUR, HOUR - 50)
    }
    taker, maker = (bytes([n]) * 20 + bytes(12) for n in (1, 2))
    interest = {u: _longs(books, young, u) + rng.choice((0, 0, 5, rng.getrandbits(36))) for u in range(3)}
    after = []
    for book, moved in ((books[0], lots), (books[1], -lots)):
        new = book.copy()
        try:
            new.add(page, (slot, record.generation), moved)
        except Rejected:
            new = book
        after.append(new)
    young, aged, given = random_certificates(rng, young, aged, after)
    world = World(
        now=NOW,
        block=BLOCK,
        current=young if rng.random() < 0.99 else None,
        baseline=aged if rng.random() < 0.95 else None,
        prices=prices,
        settlements=settlements,
    )
    fill = Fill(
        taker=taker,
        maker=maker,
        page=page,
        slot=slot,
        generation=record.generation if rng.random() < 0.99 else record.generation ^ 1,
        lots=lots,
        price_ticks=max(0, record.mark),
        taker_fee=rng.choice((0, 0, 1, 10**6)),
        maker_fee=rng.choice((0, 0, 1, 10**6)),
    )
    case = FillCase(
        world=world,
        accounts={taker: Account(book=books[0]), maker: Account(book=books[1])},
        open_interest=interest,
        fill=fill,
        certificates=(given[0], given[1]),
        debt_cap=rng.choice((0, 2**60, 2**110, 2**110)),
    )
    instrument = find_instrument(case.vault(), page, fill.key)
    if instrument is not None:
        band = instrument.spot * 40 // 10_000
        price = instrument.mark + rng.choice((0, 0, band, -band, band + 1, rng.randint(-band, band)))
        case = replace(case, fill=replace(fill, price_ticks=max(0, price)))
    edge = rng.randrange(2)
    for which, (key, account) in enumerate(case.accounts.items()):
        aim = ("edge" if which == edge else "rich") if aimed else ""
        moved = lots if which == 0 else -lots
        account.cash = _at_the_edge(rng, case, key, after[which], moved, given[which], aim)
        account.in_auction = not aimed and rng.random() < 0.01
    return case
