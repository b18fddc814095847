"""The largest accounts can be liquidated within the gas of a transaction.

Trading opens at most half as many positions, so the books are written into the vault's storage.
"""

from __future__ import annotations

import pytest
from eth_utils.crypto import keccak
from tests.support.evm import role
from tests.support.market import SPOT, Market, perpetual
from tests.support.system import TOKEN, System, account_id

from seawall.reference.book import Book, account_word

WAD = 10**18
ANY_PRICE = 1 << 200
GAS_LIMIT = 15_000_000
LARGEST = 128
BORROWER, BUYER = role("borrower"), role("buyer")
SELLER_ID, BUYER_ID = account_id(BORROWER), account_id(BUYER)


def deployed(pages: int) -> System:
    """Return a system with room for the largest book on so many pages, two of each underlying."""
    system = System.deploy(underlyings=0, mature=False)
    for page in range(pages):
        rows = [perpetual() for _ in range(-(-LARGEST // pages))]
        market = Market(underlying=page // 2, page=page, spot=SPOT, instruments=rows)
        (system.list_page if page % 2 else system.list_underlying)(market)
    system.push()
    system.publish()
    system.advance(3_600)
    system.publish()  # so new that health must read the baseline too
    system.endow_fund(100)
    pair = [system.open(role("counterparty"), 1_000, index=i) for i in range(2)]
    system.push()
    system.trade(pair[0], pair[1], lots=1)
    system.open(BORROWER, 1)
    for underlying in system.spots:
        system.move(underlying, SPOT * 97 // 100)
    return system


def mapped(key: bytes | int, slot: int) -> int:
    """Return the storage slot of a mapping's entry."""
    raw = key if isinstance(key, bytes) else key.to_bytes(32, "big")
    return int.from_bytes(keccak(raw + slot.to_bytes(32, "big")), "big")


class Forged:
    """The system with books written into the vault, on a chain where nothing is warm."""

    def __init__(self, system: System) -> None:
        self.system, self.evm = system, system.evm.cold()
        self.vault = system.vault.address
        word = system.vault.accountWord(SELLER_ID)
        at = system.evm.engine.storage
        self.ledger = next(slot for slot in range(64) if at(self.vault, mapped(SELLER_ID, slot)) == word)

    def put(self, account: bytes, book: Book, cash: int) -> None:
        insert = self.evm.put_storage
        insert(self.vault, mapped(account, self.ledger), account_word(book, cash=cash))
        for page in book.pages:
            base = mapped(page, mapped(account, self.ledger + 1))
            for index, word in enumerate(book.position_words(page)):
                insert(self.vault, base + index, word)
        for underlying in self.system.spots:
            insert(self.vault, mapped(underlying, self.ledger + 2), 10**6)

    def health(self) -> tuple[int, int]:
        copy = self.evm.cold()
        equity, maintenance, *_ = copy.at("MarginVault", self.vault).health(SELLER_ID)
        return equity, maintenance

    def spend(self, method: str, *args: object, sender: str = BUYER) -> int:
        """Return the gas of a call to the liquidator with everything cold, and keep what it did."""
        self.evm = self.evm.cold()
        getattr(self.evm.at("Liquidator", self.system.liquidator.address), method)(*args, sender=sender)
        return int(self.evm.gas_used)


def book_of(pages: int, sizes: list[int]) -> Book:
    book = Book()
    for index, lots in enumerate(sizes):
        book.add(index % pages, (index // pages, 1), lots)
    return book


@pytest.fixture(scope="module", params=[2, 6])
def system(request: pytest.FixtureRequest) -> tuple[int, System]:
    return request.param, deployed(request.param)


LONG = [7] * LARGEST
# Two lots here against one there: a small slice leaves the longs without their hedge, so that all must be sold.
LUMPY = [2] * (LARGEST // 3) + [-1] * (LARGEST - LARGEST // 3)


@pytest.mark.parametrize(
    ("sizes", "health_percent", "whole"), [(LONG, 50, False), (LONG, -10, True), (LUMPY, 80, True)], ids=str
)
def test_INV_25_the_largest_accounts_are_sold_within_the_gas_of_a_transaction(
    system: tuple[int, System], sizes: list[int], health_percent: int, whole: bool
) -> None:
    pages, deployed_system = system
    forged = Forged(deployed_system)
    seller = book_of(pages, sizes)
    forged.put(SELLER_ID, seller, 0)
    equity, maintenance = forged.health()
    forged.put(SELLER_ID, seller, maintenance * health_percent // 100 - equity)
    forged.put(BUYER_ID, book_of(pages, [-11] * LARGEST), 10**6 * TOKEN)
    start = forged.spend("start", SELLER_ID, ())
    bought = forged.spend("buy", SELLER_ID, BUYER_ID, WAD, ANY_PRICE, (), ())
    word = forged.evm.at("MarginVault", forged.vault).accountWord(SELLER_ID)
    assert (word & ((1 << 96) - 1) == 0) == whole
    assert start < GAS_LIMIT
    assert bought < GAS_LIMIT
