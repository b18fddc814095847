"""Random purchases from auctions by a random account; nothing in them makes financial sense."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from tests.support.engine_world import NOW
from tests.support.fill_books import random_book, random_certificates
from tests.support.fill_manifests import HOUR, random_manifests

from seawall.page.layout import MAX_LOTS, Kind
from seawall.reference.account import Account
from seawall.reference.auction import premium_factor_wad
from seawall.reference.authority import Authority
from seawall.reference.book import Book, Position
from seawall.reference.certificate import Certificate, under
from seawall.reference.integers import WAD
from seawall.reference.ledger import Vault
from seawall.reference.liquidator import Liquidator
from seawall.reference.rejection import Rejected
from seawall.reference.state import Price, Settling, World

__all__ = ["BUYER", "SELLER", "SaleCase", "sale_case"]

BLOCK = 77
SELLER, BUYER = (bytes([n]) * 20 + bytes(12) for n in (1, 2))
CASH_END = 1 << 103


@dataclass(frozen=True, kw_only=True)
class SaleCase:
    """A purchase, and all that it depends on; `certificates` are the buyer's and the seller's."""

    world: World
    accounts: dict[bytes, Account]
    open_interest: dict[int, int]
    max_fraction_wad: int
    proven: bool
    certificates: tuple[list[Certificate], list[Certificate]]

    def vault(self) -> Vault:
        """Return a reference vault that nothing has happened to."""
        return Vault(
            world=self.world,
            accounts={key: account.copy() for key, account in self.accounts.items()},
            open_interest=dict(self.open_interest),
            authority=Authority(liquidator=b"liquidator"),
        )

    @property
    def k_wad(self) -> int:
        """Return the premium factor, 1e18 = 1."""
        return premium_factor_wad(self.world.live_seconds)

    def buy(self, vault: Vault) -> tuple[Liquidator, int, int]:
        """Let the reference sell; return it, the fraction and what the buyer paid."""
        liquidator = Liquidator(vault)
        fraction, paid = liquidator.buy(
            SELLER,
            BUYER,
            sender=BUYER[:20],
            max_fraction_wad=self.max_fraction_wad,
            buyer_certificates=self.certificates[0],
            seller_certificates=self.certificates[1],
        )
        return liquidator, fraction, paid


def _related(rng: random.Random, sold: Book, other: Book) -> Book:
    """Return a buyer's book: nothing, the seller's other side, more of the same, or anything."""
    sign = rng.choice((0, 0, -1, -2, 1, 2, 3))
    if sign == 0:
        return rng.choice((Book(), other))
    if sign == 3:  # closes some, grows some, in another order
        made = {
            page: [p._replace(lots=rng.choice((-1, 1)) * max(1, abs(p.lots) // 2)) for p in held]
            for page, held in sold.pages.items()
        }
        return Book({page: rng.sample(held, len(held)) for page, held in made.items()})
    most = MAX_LOTS - 1
    made = {
        page: [p._replace(lots=max(-most, min(most, p.lots * sign))) for p in held]
        for page, held in sold.pages.items()
    }
    return Book(made)


def _longs(case_books: list[Book], world: World, underlying: int) -> int:
    found = 0
    for book in case_books:
        for page, position in book:
            posted = world.current.pages.get(page) if world.current else None
            if posted and posted.head.underlying == underlying and position.slot < len(posted.records):
                found += max(position.lots, 0) if posted.records[position.slot].kind != Kind.SPOT else 0
    return found


def _poor(rng: random.Random, case: SaleCase) -> int:
    """Return cash that leaves the seller short of maintenance, by a unit or more than it has; seldom not at all."""
    vault = case.vault()
    seller = vault.account(SELLER)
    healthy = rng.random() < 0.04
    for shown in (case.certificates[1], []):
        try:
            seller.cash = -(2**101)
            health = vault.health(SELLER, shown)
            most, empty = health.maintenance, seller.cash - health.equity
            wanted = [
                most - 1,
                most * 9 // 10,
                most // 2,
                most // 3,
                most // 50,
                0,
                -1,
                -most // 2,
                -3 * most,
            ]
            for equity in [most] if healthy else [*rng.sample(wanted, 4), -(10**9) - 3 * most]:
                seller.cash = max(1 - CASH_END, min(CASH_END - 1, equity + empty))
                if healthy or vault.health(SELLER, shown).liquidatable:
                    break
        except Rejected:
            continue
        return seller.cash
    return 0


def _at_the_edge(rng: random.Random, case: SaleCase) -> int:
    """Return cash with which the buyer just meets its initial requirement after the purchase, or just fails it."""
    vault = case.vault()
    try:
        case.buy(vault)
        margin = vault.margin(BUYER, under(case.certificates[0], baseline=False))
    except Rejected:
        return 2**90
    spare = margin.equity - margin.initial + rng.choice((0, 1))
    return max(1 - CASH_END, case.accounts[BUYER].cash - spare)


def _plain(world: World, book: Book) -> Book:
    """Return a book without spot and without what is settling or in no page of the current manifest."""
    pages = world.current.pages if world.current else {}
    found = {
        page: [
            p
            for p in held
            if page in pages
            and p.slot < len(pages[page].records)
            and (record := pages[page].records[p.slot]).generation == p.generation
            and record.kind != Kind.SPOT
            and (record.kind == Kind.PERPETUAL or record.expiry_hour > HOUR + 1)
        ]
        for page, held in book.pages.items()
    }
    return Book({page: held for page, held in found.items() if held})


def sale_case(seed: int, *, unlike: bool = False, bare: bool = False) -> SaleCase:
    """Return a case; every seed has one. If `unlike`, manifests and books are further apart than they ever would be.

    If `bare`, the buyer holds nothing, nobody shows anything, and few positions are not plain.
    """
    rng = random.Random(seed)
    live = rng.random() < 0.7  # nothing stale, settling or missing but by chance
    ids = rng.sample(range(24), rng.choice((1, 2, 3, 4) if live else (1, 2, 3, 8)))
    spots = [max(20, rng.getrandbits(rng.choice((10, 16, 24, 34)))) for _ in range(3)]
    young, aged = random_manifests(rng, ids, spots, live, unlike=unlike)
    pages = {i: young.pages.get(i) or aged.pages[i] for i in ids if i in young.pages or i in aged.pages}
    sold = random_book(rng, pages, list(pages), unlike=unlike) if pages else Book()
    if not sold:
        return sale_case(seed + 2**40, unlike=unlike, bare=bare)
    if rng.random() < 0.8:
        sold = Book(
            {
                i: [Position(p.slot, p.generation, p.lots % 9 - 4 or 3) for p in held]
                for i, held in sold.pages.items()
            }
        )
    bought = _related(rng, sold, random_book(rng, pages, list(pages), unlike=unlike))
    stale = not live and rng.random() < 0.5
    prices = {
        u: Price(
            ticks=max(1, int(spots[u] * rng.choice((1, 1, 1.01, 0.97)))),
            observed_at=NOW - rng.choice((31, 121, 5_000) if stale and rng.random() < 0.4 else (0, 5, 30)),
            fresh_since=NOW - rng.randrange(9_000),
        )
        for u in range(3)
        if not (stale and rng.random() < 0.1)
    }
    settlements = {
        (u, hour): Settling(average=spots[u], weight_x16=rng.choice((0, 777, 0xFFFF, 0x10000)))
        for u in range(3)
        for hour in (HOUR, HOUR - 50)
    }
    young, aged, given = random_certificates(rng, young, aged, [bought, sold])
    world = World(
        now=NOW,
        block=BLOCK,
        live_seconds=rng.choice((0, 600, 5_000, 20_000)),
        current=young if rng.random() < 0.99 else None,
        baseline=aged if rng.random() < 0.95 else None,
        prices=prices,
        settlements=settlements,
    )
    if bare:
        if rng.random() < 0.9:
            sold = _plain(world, sold) or sold
        bought, given = Book(), ([], [])
    case = SaleCase(
        world=world,
        accounts={SELLER: Account(book=sold, in_auction=True), BUYER: Account(book=bought, cash=2**90)},
        open_interest={u: _longs([sold, bought], world, u) + rng.getrandbits(20) for u in range(3)},
        max_fraction_wad=rng.choice(
            (1, WAD // 50, WAD // 3, WAD // 2, WAD - 1, WAD, WAD, WAD, 2 * WAD, rng.randint(1, WAD))
        ),
        proven=rng.random() < (0.05 if bare else 0.3),
        certificates=(
            given[0] if rng.random() < 0.4 else [],
            given[1] if rng.random() < 0.4 else [],
        ),
    )
    case.accounts[SELLER].mark = int(case.proven)  # begun at live second zero
    case.accounts[SELLER].cash = _poor(rng, case)
    buyer = case.accounts[BUYER]
    buyer.last_check_block = rng.choice((0, BLOCK - 1))
    buyer.in_auction = rng.random() < 0.01
    if rng.random() < 0.4:
        buyer.cash = _at_the_edge(rng, case)
    return replace(case)
