"""Settlements of any book, with several generations of a slot on any terms, equal the integer reference to a unit."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from tests.support.evm import Contract, Evm

from seawall.page.layout import MAX_LOTS, Kind
from seawall.reference.account import Account
from seawall.reference.authority import Authority
from seawall.reference.book import Book, Position, account_word
from seawall.reference.ledger import Vault
from seawall.reference.settlement import settle_expired
from seawall.reference.state import Listing, Settling, Terms, World

HOURS = (100, 101, 150)
UNDERLYINGS = 3
NOW = 200 * 3_600
KEYS = tuple(bytes([n]) * 20 + bytes(12) for n in (1, 2))
WORDS = 26  # what 128 positions take


@pytest.fixture(scope="module")
def harness() -> Contract:
    return Evm(timestamp=NOW).deploy("SettlementHarness")


def random_terms(rng: random.Random, generation: int) -> Terms:
    """Return terms of any kind; most are dated."""
    kind = rng.choice((Kind.PERPETUAL, Kind.FUTURE, Kind.CALL, Kind.CALL, Kind.PUT, Kind.PUT, Kind.SPOT))
    dated, option = kind in {Kind.FUTURE, Kind.CALL, Kind.PUT}, kind in {Kind.CALL, Kind.PUT}
    return Terms(
        kind=kind,
        generation=generation,
        strike=rng.choice((1, 1_000, 2**40 - 1, rng.randint(1, 2**14))) if option else 0,
        expiry_hour=rng.choice(HOURS) if dated else 0,
        shift=rng.choice((0, 4, 31)),
    )


def word(terms: Terms) -> int:
    """Return terms as the registry has them."""
    low = terms.kind | terms.shift << 3 | terms.generation << 8
    return low | terms.strike << 176 | terms.expiry_hour << 216


@dataclass
class Settlements:
    """A ledger on chain, and the reference beside it."""

    harness: Contract
    rng: random.Random
    vault: Vault = field(init=False)

    def __post_init__(self) -> None:
        rng, tick = self.rng, self.rng.choice((1, 100, 10**6))
        self.harness.setTick(tick)
        pages: dict[int, tuple[int, tuple[Terms, ...]]] = {}
        past: dict[tuple[int, int, int], Terms] = {}
        for page in rng.sample(range(256), rng.randint(1, 6)):
            rows = [
                [random_terms(rng, g + 1) for g in range(rng.choice((1, 1, 2, 3)))]
                for _ in range(rng.choice((1, 3, 3, 12, 40, 255)))
            ]
            past |= {(page, slot, t.generation): t for slot, listed in enumerate(rows) for t in listed[:-1]}
            pages[page] = rng.randrange(UNDERLYINGS), tuple(listed[-1] for listed in rows)
            self.harness.setUnderlying(page, pages[page][0])
            every = [(slot, word(terms)) for slot, listed in enumerate(rows) for terms in listed]
            self.harness.setTerms(page, [slot for slot, _ in every], [terms for _, terms in every])
        listing = Listing(tick=tick, underlyings=UNDERLYINGS, pages=pages, past=past)
        self.vault = Vault(
            world=World(now=NOW, listing=listing),
            accounts={key: self._account(pages) for key in KEYS},
            open_interest={u: 10**13 + u for u in range(UNDERLYINGS)},
            authority=Authority(liquidator=b"liquidator"),
        )
        for underlying, lots in self.vault.open_interest.items():
            self.harness.setOpenInterest(underlying, lots)
            for hour in HOURS:
                self.move(underlying, hour)
        for key, account in self.vault.accounts.items():
            self.harness.setAccount(key, self._word(account))
            for page in account.book.pages:
                self.harness.setBook(key, page, account.book.position_words(page))

    def _account(self, pages: dict[int, tuple[int, tuple[Terms, ...]]]) -> Account:
        rng, room, book = self.rng, 128, {}
        for page in rng.sample(list(pages), rng.randint(1, len(pages))):
            keys = [(s, g + 1) for s, t in enumerate(pages[page][1]) for g in range(t.generation)]
            count = min(room, len(keys), rng.choice((1, 2, 5, 6, 11, 64, 128)))
            lots = (1, -1, MAX_LOTS - 1, 1 - MAX_LOTS, rng.randint(2, 50))
            held = [Position(*key, rng.choice(lots)) for key in rng.sample(keys, count)]
            room -= count
            if held:
                book[page] = held
        return Account(book=Book(book), cash=rng.randint(-(10**20), 10**20), in_auction=rng.random() < 0.2)

    def _word(self, account: Account) -> int:
        return account_word(account.book, cash=account.cash, flags=int(account.in_auction))

    def move(self, underlying: int, hour: int) -> None:
        """Let a settlement price that is not fixed be another, and perhaps stand from then on."""
        known = self.vault.world.settlements
        if known.get((underlying, hour), Settling()).fixed:
            return
        average = self.rng.choice((0, 1, 1_000, 2**40 - 1, self.rng.getrandbits(14)))
        found = Settling(average=average, weight_x16=self.rng.choice((0, 5, 1 << 16)))
        found = replace(found, weight_x16=1 << 16, fixed=True) if self.rng.random() < 0.5 else found
        known[underlying, hour] = found
        self.harness.setSettlement(underlying, hour, found.average, found.weight_x16, found.fixed)

    def settle(self, key: bytes, page: int) -> int:
        """Settle on both sides, and compare all that either keeps."""
        account = self.vault.account(key)
        count = settle_expired(self.vault, key, page)
        self.harness.expire(key, page)
        if count and not account.book:  # who is flat owes nothing: that is for the vault to see to
            cash = self.harness.accountWord(key) >> 152
            cash -= (cash >> 103) << 104
            assert account.cash == max(cash, 0)
            account.cash = cash
        for other, held in self.vault.accounts.items():
            assert self.harness.accountWord(other) == self._word(held)
            for i in self.vault.world.listing.pages:
                words = list(held.book.position_words(i))
                assert list(self.harness.bookWords(other, i)) == words + [0] * (WORDS - len(words))
        for underlying, lots in self.vault.open_interest.items():
            assert self.harness.openInterest(underlying) == lots
        return count


@given(seed=st.integers(0, 2**32))
def test_INV_02_any_generation_of_a_slot_is_settled_on_its_own_terms(harness: Contract, seed: int) -> None:
    with harness.evm.isolated():
        rng = random.Random(seed)
        both = Settlements(harness, rng)
        for _ in range(rng.randint(2, 10)):
            if rng.random() < 0.3:
                both.move(rng.randrange(UNDERLYINGS), rng.choice(HOURS))
            key = rng.choice(KEYS)
            held = list(both.vault.account(key).book.pages) or list(both.vault.world.listing.pages)
            page = rng.choice(held)
            event(f"settled {min(both.settle(key, page), 1) and 'some'}")
            assert both.settle(key, page) == 0
