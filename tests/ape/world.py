"""The whole system on Ape's chain: deployed by our script's own code, then driven through Ape's contracts and accounts.

The clock starts far ahead of the machine's, so that blocks are one second apart wherever the tests run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ape
from ape.api import AccountAPI, ReceiptAPI
from ape.contracts import ContractInstance
from ape.managers.chain import ChainManager
from eth_utils import keccak
from ethpm_types import ContractType
from tests.support.market import FACTORS, SPOT, TICK, Market, page_input

from seawall.chain.ape import ape_sender
from seawall.chain.artifacts import load_artifact
from seawall.chain.deploy import deploy
from seawall.chain.plan import AnchorPlan, DeploySettings, FactorsPlan, InstrumentPlan, UnderlyingPlan
from seawall.page import (
    EMPTY_ROOT,
    Manifest,
    Order,
    PriceBatch,
    encode_page,
    feed_domain,
    init_code_hash,
    manifest_domain,
    order_domain,
    pack_signatures,
    sign,
)

__all__ = ["EMPTY", "GRACE_S", "TOKEN", "World", "restored"]

GENESIS = 4_000_000_000
GRACE_S = 3_600
TOKEN = 10**6
SYMBOLS = ("BTC", "ETH")
EMPTY: tuple[Any, ...] = ((), 0, (), ())  # no certificate
KEEPERS, QUORUM = (1, 2, 3), 2
ANCHOR, GUARDIAN = 4, 5


@contextmanager
def restored(chain: ChainManager) -> Iterator[None]:
    """Take the chain back to where it was. Exceptions pass, which Ape's own isolation does not let them.

    Marks are the provider's: Ape keeps one stack of its own for all scopes, in which two marks of one block are one.
    """
    mark = chain.provider.snapshot()
    try:
        yield
    finally:
        chain.provider.restore(mark)
        chain.history.revert_to_block(chain.blocks.height)


def factors_plan() -> FactorsPlan:
    """Return the factors that the test market's pages carry."""
    return FactorsPlan(**{name: getattr(FACTORS, name) for name in FactorsPlan.model_fields})


class World:
    """Every contract as Ape sees it, keepers, and a market whose risk is known."""

    def __init__(self, chain: ChainManager, accounts: Sequence[AccountAPI]) -> None:
        self.chain, self.accounts = chain, accounts
        self.deployer, self.guardian = accounts[0], accounts[GUARDIAN]
        self.keepers = sorted((accounts[i] for i in KEEPERS), key=lambda keeper: int(keeper.address, 16))
        self.markets = [Market(underlying=i, page=i, spot=SPOT >> i) for i in range(len(SYMBOLS))]
        self.epoch = 0
        self.nonce = 0
        chain.mine(timestamp=GENESIS)
        self.deployment = deploy(ape_sender(chain.provider, self.deployer), self.plan())
        for role in (
            "token",
            "feed",
            "anchor_feed",
            "registry",
            "oracle",
            "vault",
            "liquidator",
            "fund",
            "venue",
        ):
            setattr(self, role, self.contract(role))

    token: ContractInstance
    feed: ContractInstance
    anchor_feed: ContractInstance
    registry: ContractInstance
    oracle: ContractInstance
    vault: ContractInstance
    liquidator: ContractInstance
    fund: ContractInstance
    venue: ContractInstance

    def plan(self) -> DeploySettings:
        """Return what is deployed: two perpetuals, two of three keepers, an anchor of its own."""
        return DeploySettings(
            signers=tuple(keeper.address for keeper in self.keepers),
            quorum=QUORUM,
            anchor=AnchorPlan(signers=(self.accounts[ANCHOR].address,)),
            underlyings=tuple(
                UnderlyingPlan(
                    symbol=symbol,
                    lot_size_wad=10**18,
                    instruments=(InstrumentPlan(kind="perpetual", shift=4),),
                )
                for symbol in SYMBOLS
            ),
            tick=TICK,
            factors=factors_plan(),
            guardian=self.guardian.address,
        )

    def contract(self, role: str) -> ContractInstance:
        """Return a deployed contract, bound by Ape to the ABI that ships with the package."""
        name = self.deployment.artifacts[role]
        contract_type = ContractType.model_validate({"contractName": name, "abi": load_artifact(name).abi})
        return ape.Contract(self.deployment.addresses[role], contract_type=contract_type)

    @property
    def now(self) -> int:
        """Return the time of the next block."""
        return int(self.chain.pending_timestamp)

    @contextmanager
    def isolated(self) -> Iterator[None]:
        """Take back the chain and what keepers remember."""
        kept = (self.epoch, self.nonce, [market.spot for market in self.markets])
        risks = [market.risk_scale for market in self.markets]
        try:
            with restored(self.chain):
                yield
        finally:
            self.epoch, self.nonce, spots = kept
            for market, spot, risk in zip(self.markets, spots, risks, strict=True):
                market.spot, market.risk_scale = spot, risk

    # prices and time

    def batch(self, feed: ContractInstance, signers: Sequence[AccountAPI], prices: Sequence[int]) -> Any:
        """Return the arguments of a push of prices observed now."""
        packed = sum(underlying << 8 * underlying for underlying in range(len(prices)))
        batch = PriceBatch(observed_at=self.now, packed_underlyings=packed, prices=tuple(prices))
        digest = batch.digest(feed_domain(chain_id=self.chain.chain_id, feed=feed.address))
        signed = [(batch.observed_at, batch.prices, _sign(digest, signer)) for signer in signers]
        return packed, len(prices), signed

    def push(self, *, anchor: bool = False) -> ReceiptAPI:
        """Push the markets' prices, signed by a quorum of keepers; the anchor's first when asked for."""
        prices = [market.spot for market in self.markets]
        if anchor:
            self.anchor_feed.push(
                *self.batch(self.anchor_feed, [self.accounts[ANCHOR]], prices), sender=self.deployer
            )
        return self.feed.push(*self.batch(self.feed, self.keepers[:QUORUM], prices), sender=self.deployer)

    def move(self, underlying: int, spot: int) -> None:
        """Set a price that every source sees."""
        self.markets[underlying].spot = spot
        self.push(anchor=True)

    def advance(self, seconds: int, *, every: int = 100) -> None:
        """Let time pass with prices pushed every so often."""
        until = self.now + seconds
        while self.now < until:
            self.chain.mine(timestamp=min(self.now + every, until))
            self.push()

    # manifests

    def manifest(self, **changes: Any) -> tuple[Manifest, list[bytes]]:
        """Return the next manifest and the bytes of its pages."""
        as_of = self.now
        payloads = [encode_page(page_input(market, as_of)) for market in self.markets]
        fields: dict[str, Any] = {
            "epoch": self.epoch + 1,
            "as_of": as_of,
            "valid_until": as_of + 1_800,
            "config_digest": self.oracle.configDigest(),
            "book_root": EMPTY_ROOT,
            "book_block": self.chain.blocks.height,
            "inputs_hash": keccak(text="inputs"),
            "model_hash": keccak(text="model"),
            "pages": tuple(init_code_hash(payload) for payload in payloads),
        }
        return Manifest(**(fields | changes)), payloads

    def signatures(self, manifest: Manifest, keepers: Sequence[AccountAPI] | None = None) -> bytes:
        """Return the packed signatures of a quorum."""
        digest = manifest.digest(manifest_domain(chain_id=self.chain.chain_id, oracle=self.oracle.address))
        signers = self.keepers[:QUORUM] if keepers is None else keepers
        return pack_signatures(digest, [_sign(digest, keeper) for keeper in signers])

    def publish(self) -> ReceiptAPI:
        """Stage the pages and put the signed manifest in force."""
        manifest, payloads = self.manifest()
        for payload in payloads:
            self.oracle.stage(payload, sender=self.deployer)
        receipt = self.oracle.activate(manifest.as_tuple(), self.signatures(manifest), sender=self.deployer)
        self.epoch = manifest.epoch
        return receipt

    # people

    def open(self, owner: AccountAPI, tokens: int) -> bytes:
        """Open an account the order venue may settle for, and deposit whole tokens."""
        account = bytes.fromhex(owner.address[2:]) + bytes(12)
        self.vault.approveVenue(account, self.venue, True, sender=owner)
        self.token.mint(owner, tokens * TOKEN, sender=owner)
        self.token.approve(self.vault, tokens * TOKEN, sender=owner)
        self.vault.deposit(account, tokens * TOKEN, sender=owner)
        return account

    def order(self, owner: AccountAPI, lots: int, **changes: Any) -> Order:
        """Return an order for the first perpetual at its price."""
        self.nonce += 1
        fields: dict[str, Any] = {
            "account": bytes.fromhex(owner.address[2:]) + bytes(12),
            "page": 0,
            "slot": 0,
            "generation": 1,
            "lots": lots,
            "price_ticks": self.markets[0].spot,
            "max_fee": 1_000 * TOKEN,
            "expiry": self.now + 600,
            "nonce": self.nonce,
            "reduce_only": False,
        }
        return Order(**(fields | changes))

    def signed(self, order: Order, signer: AccountAPI) -> tuple[Any, bytes]:
        """Return an order as the venue takes it, and its signature."""
        domain = order_domain(chain_id=self.chain.chain_id, venue=self.venue.address)
        return order.as_tuple(), _sign(order.digest(domain), signer)

    def trade(self, taker: AccountAPI, maker: AccountAPI, lots: int, **changes: Any) -> ReceiptAPI:
        """Fill a signed order of the taker against one of the maker."""
        taken = self.signed(self.order(taker, lots, **changes), taker)
        made = self.signed(self.order(maker, -lots), maker)
        return self.venue.fill(*taken, *made, abs(lots), (), (), sender=self.deployer)

    def margin(self, account: bytes) -> Any:
        """Return equity and requirements under the current manifest."""
        return self.vault.margin(account, EMPTY, False)


def _sign(digest: bytes, signer: Any) -> bytes:
    return sign(digest, bytes.fromhex(signer.private_key.removeprefix("0x")))
