"""The whole system on one in-process chain: the contracts, keepers that publish, price signers, accounts that trade.

::

    system = System.deploy(underlyings=2)                 # prices pushed, a mature manifest in force
    with system.isolated():
        long, short = system.trader("long"), system.trader("short")
        account, other = system.open(long, 10_000), system.open(short, 10_000)     # in whole tokens
        system.trade(account, other, lots=5)              # page 0, slot 0, at the mark; through a listed venue
        system.move(0, 900_000)                           # a new price, seen by everybody
        system.advance(600)                               # time passes, prices keep coming
        system.publish()                                  # a manifest at the present prices
        system.vault.health(account)

Nothing here decides anything: every check is made by the contracts. `system.isolated()` takes back the chain and what
keepers remember (epoch, prices, markets); `evm.isolated()` only the chain.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils import keccak, to_checksum_address
from eth_utils.abi import function_abi_to_4byte_selector
from tests.support.evm import DEPLOYER, Contract, Evm, role
from tests.support.feeds import CHAIN_ID, Feed
from tests.support.market import FACTORS, SPOT, TICK, Instrument, Market, page_input, perpetual

from seawall.page import (
    EMPTY_ROOT,
    Manifest,
    Order,
    encode_page,
    init_code_hash,
    manifest_domain,
    order_domain,
    pack_signatures,
    sign,
)

__all__ = ["BOUNDS", "EMPTY", "GOVERNOR", "GUARDIAN", "TOKEN", "VENUE", "System", "account_id", "signer"]

GOVERNOR = role("governor")
GUARDIAN = role("guardian")
VENUE = role("venue")  # an account that may settle fills directly; signed orders go through OrderVenue
TOKEN = 10**6  # units of a settlement token
GRACE_S = 3_600
GOVERNOR_ROLE, GUARDIAN_ROLE = 1, 2
EMPTY: tuple[Any, ...] = ((), 0, (), ())  # no certificate
# floorPpm, capPpm, risePpmPerHour, fallPpmPerDay, maxBasisPpm, fundingPpmPerDay
BOUNDS = (30_000, 600_000, 500_000, 30_000, 20_000, 30_000)
_GUARDIAN_FUNCTIONS = {
    "MarginVault": ("pauseTrading",),
    "MarginOracle": ("pauseActivation", "dropCurrent", "removeSigner"),
}


def signer(name: str) -> LocalAccount:
    """Return the key of a role; its address is not `role(name)`."""
    key: LocalAccount = Account.from_key(keccak(text=f"seawall key {name}"))
    return key


def account_id(owner: str, index: int = 0) -> bytes:
    """Return `owner << 96 | index`."""
    return bytes.fromhex(owner[2:]) + index.to_bytes(12, "big")


@dataclass(kw_only=True)
class System:
    """Every contract, and what keepers know."""

    evm: Evm
    manager: Contract
    token: Contract
    feed: Feed
    registry: Contract
    oracle: Contract
    vault: Contract
    fund: Contract
    liquidator: Contract
    order_venue: Contract
    keepers: tuple[LocalAccount, ...]
    quorum: int
    markets: dict[int, Market] = field(default_factory=dict)  # by page
    epoch: int = 0
    nonce: int = 0

    # Deployment

    @classmethod
    def deploy(
        cls,
        *,
        underlyings: int = 1,
        instruments: int = 1,
        keepers: int = 3,
        quorum: int = 2,
        mature: bool = True,
        liquidator_role: str | None = None,
        timestamp: int = 1_700_000_000,
    ) -> System:
        """Deploy, list a page of perpetuals for every underlying, publish; `mature` waits for a baseline.

        `liquidator_role` is named the vault's liquidator in place of the contract, so that a test can play it.
        """
        evm = Evm(timestamp=timestamp)
        manager = evm.deploy("SeawallAccessManager", DEPLOYER)
        token = evm.deploy("TestToken")
        feed = Feed.deploy(evm, manager)
        registry = evm.deploy("InstrumentRegistry", feed.contract, TICK, manager)
        oracle = evm.deploy("MarginOracle", registry, feed.contract, manager)
        vault = evm.deploy("MarginVault", token, oracle, feed.contract, registry, manager)
        fund = evm.deploy("InsuranceFund", token, vault, manager)
        liquidator = evm.deploy("Liquidator", vault, feed.contract)
        order_venue = evm.deploy("OrderVenue", vault, registry, manager)
        keys = sorted((signer(f"keeper {i}") for i in range(keepers)), key=lambda key: int(key.address, 16))
        system = cls(
            evm=evm,
            manager=manager,
            token=token,
            feed=feed,
            registry=registry,
            oracle=oracle,
            vault=vault,
            fund=fund,
            liquidator=liquidator,
            order_venue=order_venue,
            keepers=tuple(keys),
            quorum=quorum,
        )
        system._configure(liquidator_role or liquidator.address)
        for underlying in range(underlyings):
            system.list_underlying(
                Market(
                    underlying=underlying,
                    page=underlying,
                    spot=SPOT >> underlying,
                    instruments=[perpetual() for _ in range(instruments)],
                )
            )
        system.push()
        system.publish()
        if mature:
            system.advance(GRACE_S)
            system.publish()
            system.advance(12)
        return system

    def _configure(self, liquidator: str) -> None:
        for contract in (
            self.registry,
            self.oracle,
            self.vault,
            self.fund,
            self.order_venue,
            self.feed.contract,
        ):
            guarded = _GUARDIAN_FUNCTIONS.get(contract.name, ())
            by_role: dict[int, list[bytes]] = {GOVERNOR_ROLE: [], GUARDIAN_ROLE: []}
            for entry in contract.abi:
                writes = entry["type"] == "function" and entry["stateMutability"] == "nonpayable"
                if writes and entry["name"] != "setAuthority":  # which the manager alone may call
                    may = GUARDIAN_ROLE if entry["name"] in guarded else GOVERNOR_ROLE
                    by_role[may].append(function_abi_to_4byte_selector(entry))
            for may, selectors in by_role.items():
                self.manager.setTargetFunctionRole(contract, selectors, may)
        self.manager.grantRole(GOVERNOR_ROLE, GOVERNOR, 0)
        self.manager.grantRole(GUARDIAN_ROLE, GUARDIAN, 0)
        self.feed.configure(GOVERNOR)
        self.vault.setLiquidator(liquidator, sender=GOVERNOR)
        self.vault.setInsuranceFund(self.fund, sender=GOVERNOR)
        self.vault.listVenue(VENUE, True, sender=GOVERNOR)
        self.vault.listVenue(self.order_venue, True, sender=GOVERNOR)
        self.oracle.setSigners([key.address for key in self.keepers], self.quorum, sender=GOVERNOR)
        self.oracle.setFactors(tuple(vars_of(FACTORS)), sender=GOVERNOR)

    def list_underlying(self, market: Market, bounds: Sequence[int] = BOUNDS) -> None:
        """List an underlying with its page and instruments; the next manifest must hold it."""
        self.feed.add_anchor(market.underlying, GOVERNOR)
        symbol = f"U{market.underlying}".encode().ljust(32, b"\0")
        assert self.registry.listUnderlying(symbol, 10**18, sender=GOVERNOR) == market.underlying
        self.oracle.setBounds(market.underlying, tuple(bounds), sender=GOVERNOR)
        self.list_page(market)

    def list_page(self, market: Market) -> None:
        """Add a page of an underlying and list its instruments."""
        assert self.registry.addPage(market.underlying, sender=GOVERNOR) == market.page
        self.markets[market.page] = market
        instruments, market.instruments = market.instruments, []
        for instrument in instruments:
            self.list_instrument(market.page, instrument)

    def list_instrument(self, page: int, instrument: Instrument) -> int:
        """List an instrument in the next slot of a page; the next manifest must hold it."""
        terms = (instrument.kind, instrument.shift, instrument.strike, instrument.expiry_hour)
        slot: int = self.registry.listInstrument(page, *terms, sender=GOVERNOR)
        self.markets[page].instruments.append(instrument)
        return slot

    def relist_instrument(self, page: int, slot: int, instrument: Instrument) -> int:
        """List another instrument in the slot of an expired one; the next manifest must hold it."""
        terms = (instrument.kind, instrument.shift, instrument.strike, instrument.expiry_hour)
        generation: int = self.registry.relistInstrument(page, slot, *terms, sender=GOVERNOR)
        market = self.markets[page]
        market.past[slot, market.instruments[slot].generation] = market.instruments[slot]
        market.instruments[slot] = replace(instrument, generation=generation)
        return generation

    # Time and prices

    @contextmanager
    def isolated(self) -> Iterator[System]:
        """Take back the chain and what keepers remember. Exceptions pass through."""
        kept = (copy.deepcopy(self.markets), self.epoch, self.nonce)
        with self.evm.isolated():
            try:
                yield self
            finally:
                self.markets, self.epoch, self.nonce = kept

    @property
    def spots(self) -> dict[int, int]:
        """Return the price of every underlying, ticks."""
        return {market.underlying: market.spot for market in self.markets.values()}

    def push(self, underlyings: Sequence[int] | None = None) -> None:
        """Push the present prices, observed now; a second later if there was a batch in this second."""
        if self.feed.contract.lastBatchAt() >= self.evm.timestamp:
            self.evm.advance(1)
        spots = self.spots
        self.feed.push({u: spots[u] for u in (spots if underlyings is None else underlyings)})

    def move(self, underlying: int, spot: int) -> None:
        """Set the price of an underlying and push all prices. Its page stays what it was until `publish`."""
        for market in self.markets.values():
            if market.underlying == underlying:
                market.spot = spot
        self.push()

    def advance(self, seconds: int, *, every: int = 100, dead: Sequence[int] = ()) -> None:
        """Let time pass, with prices pushed every so often but for underlyings whose source is dead."""
        alive = [u for u in self.spots if u not in dead]
        while seconds > 0:
            step = min(every, seconds)
            self.evm.advance(step, blocks=max(1, step // 12))
            seconds -= step
            if alive:
                self.push(alive)

    # Keepers

    def payloads(self, as_of: int) -> dict[int, bytes]:
        """Return the bytes of every page at the present prices."""
        return {page: encode_page(page_input(market, as_of)) for page, market in self.markets.items()}

    def manifest(self, *, as_of: int | None = None, **changes: Any) -> tuple[Manifest, dict[int, bytes]]:
        """Return the next manifest and its pages, neither staged nor signed."""
        as_of = self.evm.timestamp if as_of is None else as_of
        payloads = self.payloads(as_of)
        fields: dict[str, Any] = {
            "epoch": self.epoch + 1,
            "as_of": as_of,
            "valid_until": as_of + 1_800,
            "config_digest": self.oracle.configDigest(),
            "book_root": EMPTY_ROOT,
            "book_block": self.evm.number,
            "inputs_hash": keccak(text="inputs"),
            "model_hash": keccak(text="model"),
            "pages": tuple(init_code_hash(payloads[page]) for page in sorted(payloads)),
        }
        return Manifest(**(fields | changes)), payloads

    def signatures(self, manifest: Manifest, keys: Sequence[LocalAccount] | None = None) -> bytes:
        """Return the packed signatures of a quorum."""
        digest = manifest.digest(manifest_domain(chain_id=CHAIN_ID, oracle=self.oracle.address))
        return pack_signatures(digest, [sign(digest, key.key) for key in keys or self.keepers[: self.quorum]])

    def publish(self, *, as_of: int | None = None, **changes: Any) -> Manifest:
        """Accrue funding, stage the pages, sign the manifest and activate it."""
        now = self.evm.timestamp if as_of is None else as_of
        self._accrue(now)
        manifest, payloads = self.manifest(as_of=now, **changes)
        for payload in payloads.values():
            self.oracle.stage(payload)
        self.oracle.activate(manifest.as_tuple(), self.signatures(manifest))
        self.epoch = manifest.epoch
        return manifest

    def _accrue(self, now: int) -> None:
        for market in self.markets.values():
            if market.published_at is not None:
                elapsed = min(max(now - market.published_at, 0), market.funding_cap_s)
                market.funding_x32 += round(market.published_rate * (1 << 32)) * elapsed
            market.published_at, market.published_rate = now, market.funding_rate

    # Traders

    @staticmethod
    def trader(name: str) -> LocalAccount:
        """Return the key of a trader."""
        return signer(name)

    def open(self, owner: LocalAccount | str, tokens: int = 0, *, index: int = 0) -> bytes:
        """Open an account that both venues may settle for, and deposit whole tokens."""
        address = owner if isinstance(owner, str) else owner.address
        account = account_id(address, index)
        for venue in (VENUE, self.order_venue):
            self.vault.approveVenue(account, venue, True, sender=address)
        if tokens:
            self.deposit(account, tokens * TOKEN)
        return account

    def owner(self, account: bytes) -> str:
        """Return the owner of an account."""
        return to_checksum_address(account[:20])

    def deposit(self, account: bytes, units: int) -> None:
        """Mint tokens for the owner and deposit them."""
        owner = self.owner(account)
        self.token.mint(owner, units)
        self.token.approve(self.vault, units, sender=owner)
        self.vault.deposit(account, units, sender=owner)

    def endow_fund(self, tokens: int, by: str = role("underwriter")) -> None:
        """Put whole tokens into the insurance fund."""
        self.token.mint(by, tokens * TOKEN)
        self.token.approve(self.fund, tokens * TOKEN, sender=by)
        self.fund.deposit(tokens * TOKEN, by, sender=by)

    def trade(
        self,
        taker: bytes,
        maker: bytes,
        *,
        lots: int,
        page: int = 0,
        slot: int = 0,
        price: int | None = None,
        fees: tuple[int, int] = (0, 0),
        certificates: tuple[Any, Any] = ((), ()),
        sender: str = VENUE,
    ) -> None:
        """Settle one fill, at the price of the underlying unless said."""
        market = self.markets[page]
        at = market.spot if price is None else price
        fill = (taker, maker, page, slot, market.instruments[slot].generation, lots, at, *fees)
        self.vault.settle(fill, *certificates, sender=sender)

    def order(self, account: bytes, lots: int, price: int, **changes: Any) -> Order:
        """Return an order for page 0 slot 0 that lives an hour; fields may be changed."""
        self.nonce += 1
        fields: Mapping[str, Any] = {
            "account": account,
            "page": 0,
            "slot": 0,
            "generation": 1,
            "lots": lots,
            "price_ticks": price,
            "max_fee": 10 * TOKEN,
            "expiry": self.evm.timestamp + 3_600,
            "nonce": self.nonce,
            "reduce_only": False,
        }
        return Order(**(fields | changes))

    def sign_order(self, order: Order, key: LocalAccount) -> bytes:
        """Return the signature of an order by a key."""
        return sign(order.digest(order_domain(chain_id=CHAIN_ID, venue=self.order_venue.address)), key.key)

    # Reading

    def cash(self, account: bytes) -> int:
        """Return the cash of an account, token units."""
        word: int = self.vault.accountWord(account)
        return (word >> 152) - (1 << 104 if word >> 255 else 0)

    def lots(self, account: bytes, page: int = 0, slot: int = 0) -> int:
        """Return the lots an account holds of an instrument."""
        generation = self.markets[page].instruments[slot].generation
        held: int = self.vault.positionLots(account, page, slot, generation)
        return held

    def equity(self, account: bytes) -> int:
        """Return the equity under the current manifest, token units."""
        equity: int = self.vault.margin(account, EMPTY, False).equity
        return equity


def vars_of(factors: Any) -> list[int]:
    """Return the fields of the factors in the order of the struct."""
    return [getattr(factors, name) for name in type(factors).__slots__]
