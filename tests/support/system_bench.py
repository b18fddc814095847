"""What users and keepers pay: gas of whole transactions in the real system, with nothing warm.

Every figure is exact and repeatable. A transaction's includes its 21,000 and its calldata, and its refund; a view's is
what a contract spends that calls it first thing in a transaction.
"""

from __future__ import annotations

from typing import Any

from eth_account import Account
from eth_utils.crypto import keccak
from tests.support.engine_bench import full_pages
from tests.support.evm import DEPLOYER, Contract, Evm
from tests.support.feeds import Feed
from tests.support.system import EMPTY, GOVERNOR, System

from seawall.page import Order
from seawall.page.decode import pack_page

__all__ = ["PER_PAGE", "SystemBench", "activation_gas", "gas_of", "stage_gas", "use_nonces"]

PER_PAGE = 8
PAGES = 2
LOTS = 10
WAD = 10**18
ANY_PRICE = 1 << 200
CRASH = 0.13  # leaves an account with 15% of its notional less than half its maintenance requirement
QUORUMS = {2: 3, 5: 7}  # signatures: keepers


def gas_of(contract: Contract, name: str, *args: Any, sender: str = DEPLOYER) -> int:
    """Return the gas of one transaction on the present state, which stays as it is."""
    cold = contract.evm.cold().at(contract.name, contract.address)
    getattr(cold, name)(*args, sender=sender)
    return int(cold.evm.gas_used)


def use_nonces(system: System, order: Order, owner: str) -> None:
    """Spend a neighbour of an order's nonce, so that their word is not empty."""
    system.order_venue.cancel(order.account, order.nonce ^ 1, sender=owner)


def activation_gas(*, pages: int, signatures: int) -> int:
    """Return the gas of one activation once every place of the ring has been used."""
    system = System.deploy(underlyings=pages, keepers=QUORUMS[signatures], quorum=signatures)
    for _ in range(3):
        system.advance(600)
        system.publish()
    system.advance(600)
    manifest, payloads = system.manifest()
    for payload in payloads.values():
        system.oracle.stage(payload)
    return gas_of(system.oracle, "activate", manifest.as_tuple(), system.signatures(manifest))


def stage_gas(oracle: Contract, payload: bytes) -> tuple[int, int]:
    """Return the size of a page, bytes, and the gas of storing it."""
    return len(payload), gas_of(oracle, "stage", payload)


class SystemBench:
    """Two pages of eight perpetuals each; an account holds `count` of the sixteen, a maker the opposite."""

    def __init__(self) -> None:
        self.system = System.deploy(underlyings=PAGES, instruments=PER_PAGE)
        self.system.endow_fund(100_000)
        self.probe = self.system.evm.deploy("HealthProbe")
        self.taker, self.maker = self.system.trader("taker"), self.system.trader("maker")

    @property
    def evm(self) -> Evm:
        return self.system.evm

    def _hold(self, count: int, tokens: int) -> tuple[bytes, bytes]:
        account, maker = self.system.open(self.taker, tokens), self.system.open(self.maker, 1_000_000)
        for i in range(count):
            self.system.trade(account, maker, lots=LOTS, page=i % PAGES, slot=i // PAGES)
        self.evm.advance(1)
        return account, maker

    def view(self, count: int, *, name: str = "health") -> int:
        """Return the gas of a health or a margin view of an account with so many positions."""
        with self.system.isolated():
            account, _ = self._hold(count, 1_000_000)
            probe = self.evm.cold().at("HealthProbe", self.probe.address)
            certificate = () if name == "health" else (EMPTY,)
            return int(getattr(probe, name)(self.system.vault, account, *certificate))

    def fill(self, count: int, *, lots: int) -> int:
        """Return the gas of a fill of two signed orders, on the first of so many positions of either account.

        Other nonces of their words are spent, as those of 127 orders of 128 are.
        """
        with self.system.isolated():
            account, maker = self._hold(count, 1_000_000)
            price = self.system.spots[0]
            orders = self.system.order(account, lots, price), self.system.order(maker, -lots, price)
            keys = self.taker, self.maker
            for order, key in zip(orders, keys, strict=True):
                use_nonces(self.system, order, key.address)
            signed = [
                part
                for order, key in zip(orders, keys, strict=True)
                for part in (order.as_tuple(), self.system.sign_order(order, key))
            ]
            return gas_of(self.system.order_venue, "fill", *signed, abs(lots), (), ())

    def auction(self, count: int) -> tuple[int, int]:
        """Return the gas of starting an auction, and of buying half of it into an empty account."""
        with self.system.isolated() as system:
            notional = sum(LOTS * system.spots[i % PAGES] for i in range(count)) // 10_000
            account, _ = self._hold(count, notional * 15 // 100)
            owner = system.trader("buyer")
            buyer = system.open(owner, 1_000_000)
            for market in system.markets.values():
                market.spot = round(market.spot * (1 - CRASH))
            self.evm.advance(1)
            system.push()
            started = gas_of(system.liquidator, "start", account, ())
            system.liquidator.start(account, ())
            self.evm.advance(12)
            system.push()
            half = (account, buyer, WAD // 2, ANY_PRICE, (), ())
            return started, gas_of(system.liquidator, "buy", *half, sender=owner.address)

    def push(self, *, prices: int, signatures: int) -> int:
        """Return the gas of a batch of one or two prices under so many signatures."""
        with self.system.isolated() as system:
            keys = [Account.from_key(keccak(text=f"seawall key price signer {i}")) for i in range(signatures)]
            feed = Feed(system.feed.contract, system.feed.anchor, keys)
            feed.configure(GOVERNOR)
            self.evm.advance(10)
            feed.push(system.spots)
            self.evm.advance(10)
            system.feed.anchor.push(list(system.spots), list(system.spots.values()), self.evm.timestamp)
            return gas_of(feed.contract, "push", *feed.batches(dict(list(system.spots.items())[:prices])))

    def stage(self, *, full: bool) -> tuple[int, int]:
        """Return size and gas of storing a page of eight perpetuals, or one as large as pages get."""
        with self.system.isolated() as system:
            payload = (
                pack_page(full_pages().pages[0]) if full else system.payloads(self.evm.timestamp + 1_000)[0]
            )
            return stage_gas(system.oracle, payload)
