"""What books of options cost in the real system: pages of full size, atoms in the certificate, nothing warm.

Books are written straight into the vault's storage, so that they can be of any size, 128 positions among them, which
only purchases from auctions reach.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from eth_utils.crypto import keccak
from tests.support.market import Instrument, value
from tests.support.system import GRACE_S, System
from tests.support.system_bench import ANY_PRICE, WAD, gas_of, use_nonces

from seawall.page.layout import Kind
from seawall.reference.book import Book, Position, account_word
from seawall.reference.certificate import certificate_words

__all__ = ["OptionBench"]

PAGES = 2
ROWS = 110
ATOMS = 420
HEDGES = 8
CASH = 10**13
TRADED = 1  # slot
LARGEST_TRADED = 64


def _at(key: bytes | int, place: int) -> int:
    """Return the storage slot of a mapping's entry."""
    raw = key if isinstance(key, bytes) else key.to_bytes(32, "big")
    return int.from_bytes(keccak(raw + place.to_bytes(32, "big")), "big")


class OptionBench:
    """Two full pages: a perpetual and 109 options each."""

    def __init__(self) -> None:
        self.system = system = System.deploy(underlyings=PAGES)
        rng = random.Random(3)
        hours = system.evm.timestamp // 3_600
        for page, market in system.markets.items():
            for row in range(1, ROWS):
                kind = Kind.CALL if row % 2 else Kind.PUT
                strike = market.spot * (80 + row % 41) // 100
                listed = Instrument(kind=kind, strike=strike, expiry_hour=hours + 24 * (5 + row % 60))
                system.list_instrument(page, listed)
            pairs = (sorted(rng.sample(range(1, ROWS), 2)) for _ in range(ATOMS))
            market.atoms = [((first, 1), (second, -1)) for first, second in pairs]
        system.publish()
        system.advance(GRACE_S)
        system.publish()
        system.advance(12)
        system.endow_fund(10_000_000)
        self.probe = system.evm.deploy("HealthProbe")
        self.taker, self.maker, self.buyer = (system.trader(who) for who in ("taker", "maker", "buyer"))
        self._ledger = self._find_ledger()
        pair = system.open(self.taker, 1_000_000, index=7), system.open(self.maker, 1_000_000, index=7)
        # Books that are written past the vault are not counted among those of holders.
        system.trade(*pair, lots=1)

    def _find_ledger(self) -> int:
        """Return the vault's slot under which the mapping of account words stands."""
        account = self.system.open(self.taker, 1)
        engine, vault = self.system.evm.engine, self.system.vault.address
        return next(slot for slot in range(64) if engine.storage(vault, _at(account, slot)))

    def _put(self, account: bytes, book: Book, cash: int) -> None:
        evm, vault = self.system.evm, self.system.vault.address
        evm.put_storage(vault, _at(account, self._ledger), account_word(book, cash=cash))
        pages = _at(account, self._ledger + 1)
        for page in book.pages:
            for i, word in enumerate(book.position_words(page)):
                evm.put_storage(vault, _at(page, pages) + i, word)

    def book(self, count: int) -> Book:
        """Return a book of so many options, the traded one among them, on two pages from eight on."""
        rng = random.Random(count)
        shares: Mapping[int, int] = {0: count} if count < 8 else {0: count // 2, 1: count // 2}
        pages = {}
        for page, share in shares.items():
            slots = [TRADED, *rng.sample(range(TRADED + 1, ROWS), share - 1)]
            pages[page] = [
                Position(slot=slot, generation=1, lots=rng.choice((-1, 1)) * rng.randint(2, 9))
                for slot in slots
            ]
        return Book(pages)

    def hold(self, count: int, *, cash: int = CASH) -> bytes:
        """Return an account of the taker with so many positions."""
        account = self.system.open(self.taker, 1)
        self._put(account, self.book(count), cash)
        for underlying in range(PAGES):
            place = _at(underlying, self._ledger + 2)
            self.system.evm.put_storage(self.system.vault.address, place, 10_000)
        return account

    def view(self, count: int) -> int:
        """Return the gas of a health view."""
        with self.system.isolated() as system:
            account = self.hold(count)
            probe = system.evm.cold().at("HealthProbe", self.probe.address)
            return int(probe.health(system.vault, account))

    def fill(self, count: int, *, fresh_nonces: bool = False) -> int:
        """Return the gas of a fill of two signed orders with eight atoms in the taker's certificate.

        The maker holds one position. The taker adds a lot, but to a book too large to add to: there it reduces.
        With fresh nonces both orders are the first of their words, as one in 128 is.
        """
        with self.system.isolated() as system:
            account, maker = self.hold(count), system.open(self.maker, 1)
            market = system.markets[0]
            listed = market.instruments[TRADED]
            held = self.book(count).pages[0][0].lots
            self._put(maker, Book({0: [Position(slot=TRADED, generation=1, lots=-held)]}), CASH)
            lots = 1 if (held > 0) == (count <= LARGEST_TRADED) else -1
            price = round(value(market, listed, market.spot, system.evm.timestamp - 12))
            atoms = [(i % 2 if count >= 8 else 0, i, 1) for i in range(HEDGES)]
            certificate = (certificate_words(atoms), 0, (), ())
            signed = []
            for owner, key, size in ((account, self.taker, lots), (maker, self.maker, -lots)):
                order = system.order(owner, size, price, slot=TRADED)
                if not fresh_nonces:
                    use_nonces(system, order, key.address)
                signed += [order.as_tuple(), system.sign_order(order, key)]
            return gas_of(system.order_venue, "fill", *signed, 1, (certificate,), ())

    def auction(self, count: int) -> tuple[int, int, int]:
        """Return the gas of starting an auction, and of buying half of it: into an empty account, and into a maker's.

        The maker holds more lots of every instrument, of either sign, so that the words of its book change and none is
        new.
        """
        return self._auction(self.book(count))

    def thin_auction(self) -> tuple[int, int, int]:
        """Return the same for eight options, one of them with one lot on a page that the half empties."""
        pages = dict(self.book(14).pages)
        return self._auction(Book({0: pages[0], 1: [pages[1][0]._replace(lots=1)]}))

    def purchase(self, count: int) -> int:
        """Return the gas of buying half of a book into an empty account."""
        with self._auctioned(self.book(count)) as (account, _):
            return self._buy_half(account, self.system.open(self.buyer, 10_000_000))

    def _auction(self, book: Book) -> tuple[int, int, int]:
        with self._auctioned(book) as (account, started):
            buyers = self.system.open(self.buyer, 10_000_000), self.system.open(self.buyer, 1, index=1)
            rng = random.Random(-len(book))
            more = {
                p: [one._replace(lots=rng.choice((-1, 1)) * rng.randint(20, 50)) for one in held]
                for p, held in book.pages.items()
            }
            self._put(buyers[1], Book(more), 10 * CASH)
            return started, self._buy_half(account, buyers[0]), self._buy_half(account, buyers[1])

    @contextmanager
    def _auctioned(self, book: Book) -> Iterator[tuple[bytes, int]]:
        """Let an account with a book be in auction; give it and the gas of the start."""
        with self.system.isolated() as system:
            account = self.hold(1)
            self._put(account, book, CASH)
            equity, maintenance, *_ = system.vault.health(account)
            self._put(account, book, CASH - equity + maintenance // 2)
            system.evm.advance(1)
            system.push()
            started = gas_of(system.liquidator, "start", account, ())
            system.liquidator.start(account, ())
            system.evm.advance(12)
            system.push()
            yield account, started

    def _buy_half(self, account: bytes, buyer: bytes) -> int:
        half = account, buyer, WAD // 2, ANY_PRICE, (), ()
        return gas_of(self.system.liquidator, "buy", *half, sender=self.buyer.address)
