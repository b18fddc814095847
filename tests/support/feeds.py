"""The price feed of the test system, who signs its prices, and the independent source they are held to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils import keccak
from tests.support.evm import Contract, Evm

from seawall.page import PriceBatch, feed_domain, sign

__all__ = ["CHAIN_ID", "Feed"]

CHAIN_ID = 1
ANCHOR_MAX_AGE_S = 3_600


class Feed:
    """An `AnchoredPriceFeed`, anchored to a feed that says what it is told."""

    def __init__(self, contract: Contract, anchor: Contract, signers: Sequence[LocalAccount]) -> None:
        self.contract, self.anchor = contract, anchor
        self.signers = sorted(signers, key=lambda key: int(key.address, 16))

    @classmethod
    def deploy(cls, evm: Evm, manager: Contract, *, signers: int = 1) -> Feed:
        """Deploy a feed without underlyings."""
        keys = [Account.from_key(keccak(text=f"seawall key price signer {i}")) for i in range(signers)]
        return cls(evm.deploy("AnchoredPriceFeed", manager), evm.deploy("StubFeed"), keys)

    def configure(self, governor: str) -> None:
        """Name the signers; all of them must sign."""
        addresses = [key.address for key in self.signers]
        self.contract.setSigners(addresses, len(addresses), sender=governor)

    def add_anchor(self, underlying: int, governor: str) -> None:
        """Hold an underlying to the independent source."""
        self.contract.setAnchor(underlying, self.anchor, ANCHOR_MAX_AGE_S, sender=governor)

    def batches(self, prices: Mapping[int, int]) -> tuple[int, int, list[tuple[int, tuple[int, ...], bytes]]]:
        """Return the arguments of `push` for prices observed now, ticks, signed by all."""
        now = self.contract.evm.timestamp
        underlyings = sorted(prices)
        packed = sum(underlying << 8 * i for i, underlying in enumerate(underlyings))
        batch = PriceBatch(
            observed_at=now, packed_underlyings=packed, prices=tuple(prices[u] for u in underlyings)
        )
        digest = batch.digest(feed_domain(chain_id=CHAIN_ID, feed=self.contract.address))
        return packed, len(underlyings), [(now, batch.prices, sign(digest, key.key)) for key in self.signers]

    def push(self, prices: Mapping[int, int], *, anchors: Mapping[int, int] | None = None) -> None:
        """Push prices observed now, ticks; the independent source says the same, unless told otherwise."""
        seen = prices if anchors is None else anchors
        self.anchor.push(list(seen), list(seen.values()), self.contract.evm.timestamp)
        self.contract.push(*self.batches(prices))
