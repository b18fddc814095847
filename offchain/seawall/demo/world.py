"""The stage of the story: a chain with the whole system on it, keepers, and people with accounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from eth_account.signers.local import LocalAccount
from web3.types import TxReceipt

from seawall.chain.contracts import Contract, System
from seawall.chain.devchain import Chain
from seawall.chain.sender import Sender
from seawall.demo.settings import LOT_SIZES, DemoSettings
from seawall.keeper import ChainReader, ChainView, Keeper, SignatureStore
from seawall.keeper.certify import certify_account
from seawall.keeper.leaves import LeafStore
from seawall.keeper.listed_pages import InstrumentTerms
from seawall.keeper.post import push_prices
from seawall.margin.certificate import Certified, CertifiedPair
from seawall.market.bars import Bars
from seawall.page.decode import Record
from seawall.page.layout import Kind
from seawall.page.typed_data import Order, order_domain, sign
from seawall.page.units import quote_value, token_units
from seawall.reference.certificate import EMPTY

__all__ = ["KEEPERS", "QUORUM", "TICK", "TOKEN_DECIMALS", "Person", "Position", "World"]

KEEPERS = 3
QUORUM = 2
TOKEN_DECIMALS = 6
TICK = 1
CertificateTuple = tuple[Sequence[int], int, Sequence[int], Sequence[bytes]]
_RISK_PRICE_AGE_S = 25  # below the 30 s the vault allows


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Hold somebody with a key and an account in the vault."""

    name: str
    key: LocalAccount
    sender: Sender
    account: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """Hold an account's equity and requirements, settlement token units."""

    equity: int
    initial: int
    maintenance: int


class World:
    """Keep the chain's clock on the story's time and act for everybody in it."""

    def __init__(
        self,
        chain: Chain,
        system: System,
        bars: Bars,
        settings: DemoSettings,
        people: Sequence[str],
        *,
        from_block: int,
        state_dir: Path,
        expiries: Sequence[int] = (),
    ) -> None:
        self.chain = chain
        self.expiries = tuple(expiries)
        self.leaves = None if settings.dated is None else LeafStore(state_dir / "books.sqlite")
        self.system = system
        self.bars = bars
        self.settings = settings
        self.state_dir = state_dir
        self.relayer = chain.sender(4)
        self.people = {name: self._person(name, 6 + i) for i, name in enumerate(people)}
        self.reader = ChainReader(system, from_block=from_block)
        self.shown: dict[str, Certified] = {}  # at the last reading of a margin
        self.dead: frozenset[str] = frozenset()
        self.keepers = [self._keeper(1 + i) for i in range(KEEPERS)]
        self._anchor = self._keeper(5)  # signs nothing but the anchor's prices
        self._anchored = 0
        self.transactions = 0
        self.gas = 0
        self._nonce = 0
        self.story_time = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.chain.close()

    def _person(self, name: str, index: int) -> Person:
        key = self.chain.accounts[index]
        account = bytes.fromhex(key.address[2:]) + (0).to_bytes(12, "big")
        return Person(name=name, key=key, sender=self.chain.sender(index), account=account)

    def _keeper(self, index: int) -> Keeper:
        store = SignatureStore(self.state_dir / f"keeper-{index}-{self.system.oracle.address[2:10]}.sqlite")
        return Keeper(
            self.system,
            self.chain.accounts[index],
            store=store,
            history=self.bars.until,
            settings=self.settings.keeper,
            leaves=self.leaves,
        )

    def count(self, receipt: TxReceipt) -> TxReceipt:
        """Add a receipt to the totals."""
        self.transactions += 1
        self.gas += int(receipt["gasUsed"])
        return receipt

    def view(self) -> ChainView:
        """Return what the contracts say now."""
        return self.reader.read()

    def names(self) -> dict[bytes, str]:
        """Return names by account."""
        return {person.account: name for name, person in self.people.items()}

    def move_to(self, time_s: int) -> None:
        """Set the clock forward; a clock already past stays."""
        if time_s > self.chain.now():
            self.chain.set_time(time_s)

    # prices

    def push(self, view: ChainView) -> None:
        """Push the newest closes known at the story's time, signed by a quorum; the anchor gets a new bar first."""
        known = len(self.bars.until(self.story_time).known_at)
        if known != self._anchored:
            self._push(self.system.anchor_feed, [self._anchor], view)
            self._anchored = known
        self._push(self.system.feed, self.keepers[:QUORUM], view)

    def _push(self, feed: Contract, signers: Sequence[Keeper], view: ChainView) -> None:
        observed = self.chain.now()
        batches = [
            k.sign_prices(view, time_s=self.story_time, observed_at=observed, feed=feed.address)
            for k in signers
        ]
        self.count(push_prices(feed, self.relayer, batches))

    def freshen(self, view: ChainView) -> None:
        """Push prices if the last batch is too old to add risk on."""
        observed = self.system.feed.call("price", 0)[1]
        if self.chain.now() - observed > _RISK_PRICE_AGE_S - 5:
            self.push(view)

    # people

    def mint_and_deposit(self, person: Person, value: float, *, account: bytes | None = None) -> None:
        """Mint settlement tokens and deposit them."""
        units = token_units(value, token_decimals=TOKEN_DECIMALS)
        self.count(self.system.token.transact(person.sender, "mint", person.key.address, units))
        self.count(self.system.token.transact(person.sender, "approve", self.system.vault.address, units))
        self.count(self.system.vault.transact(person.sender, "deposit", account or person.account, units))

    def fund_insurance(self, person: Person, value: float) -> None:
        """Mint settlement tokens and put them into the insurance fund."""
        units = token_units(value, token_decimals=TOKEN_DECIMALS)
        self.count(self.system.token.transact(person.sender, "mint", person.key.address, units))
        self.count(self.system.token.transact(person.sender, "approve", self.system.fund.address, units))
        self.count(self.system.fund.transact(person.sender, "deposit", units, person.key.address))

    def approve_venue(self, person: Person) -> None:
        """Let the order venue settle the person's orders."""
        arguments = (person.account, self.system.venue.address, True)
        self.count(self.system.vault.transact(person.sender, "approveVenue", *arguments))

    def trade(
        self, taker: Person, maker: Person, *, page: int, slot: int, generation: int, lots: int, price: int
    ) -> None:
        """Fill a signed order of the taker against one of the maker."""
        orders = []
        for person, signed_lots in ((taker, lots), (maker, -lots)):
            self._nonce += 1
            order = Order(
                account=person.account,
                page=page,
                slot=slot,
                generation=generation,
                lots=signed_lots,
                price_ticks=price,
                max_fee=abs(lots) * price * TICK // 1_000,
                expiry=self.chain.now() + 600,
                nonce=self._nonce,
            )
            domain = order_domain(chain_id=self.chain.chain_id, venue=self.system.venue.address)
            orders += [order.as_tuple(), sign(order.digest(domain), bytes(person.key.key))]
        certificates = (
            self.certificates(taker, (page, slot, generation, lots)),
            self.certificates(maker, (page, slot, generation, -lots)),
        )
        self.count(self.system.venue.transact(self.relayer, "fill", *orders, abs(lots), *certificates))

    def certified(
        self, person: Person, *changes: tuple[int, int, int, int], baseline: bool = True
    ) -> CertifiedPair:
        """Return the best certificates of an account after changes, and what they do."""
        return certify_account(
            self.system, person.account, leaves=self.leaves, changes=changes, baseline=baseline
        )

    def certificates(self, person: Person, *changes: tuple[int, int, int, int]) -> Sequence[CertificateTuple]:
        """Return certificates for a call; none where there are perpetuals alone."""
        if self.settings.dated is None:
            return []
        return self.certified(person, *changes).as_tuples()

    # readings

    def margin(self, name: str) -> Position:
        """Return an account's equity and requirements as the vault computes them, settlement token units."""
        person = self.people[name]
        certificate: CertificateTuple = EMPTY.as_tuple()
        if self.settings.dated is not None:
            self.shown[name] = self.certified(person, baseline=False).current
            certificate = self.shown[name].certificate.as_tuple()
        found = self.system.vault.call("margin", person.account, certificate, False)
        return Position(equity=found.equity, initial=found.initial, maintenance=found.maintenance)

    def unit_price(self, symbol: str, ticks: int) -> float:
        """Return the price of one unit of an underlying in tokens, from that of one lot in ticks."""
        return self.tokens(ticks * TICK) / float(LOT_SIZES[symbol])

    def instrument_name(self, symbol: str, terms: InstrumentTerms | Record) -> str:
        """Return what people call an instrument: underlying, strike, kind and day of expiry."""
        kind = Kind(terms.kind)
        if kind == Kind.PERPETUAL:
            return symbol
        day = datetime.fromtimestamp(terms.expiry_hour * 3600, UTC)
        strike = f" {self.unit_price(symbol, terms.strike):,.0f}" if terms.strike else ""
        return f"{symbol}{strike} {kind.name.lower()} {day:%d %b}"

    def tokens(self, units: float) -> float:
        """Return units of the settlement token as tokens."""
        return quote_value(units, token_decimals=TOKEN_DECIMALS)
