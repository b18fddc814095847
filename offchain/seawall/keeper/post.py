"""Brings what a quorum signed onto the chain; anyone may, so nothing here needs a keeper's key."""

from __future__ import annotations

from collections.abc import Sequence

from eth_utils.address import to_checksum_address
from web3.types import TxReceipt

from seawall.chain.contracts import Contract, System
from seawall.chain.sender import Sender
from seawall.errors import QuorumError
from seawall.keeper.compute import Proposal
from seawall.keeper.keeper import SignedBatch
from seawall.page.manifest import staged_address
from seawall.page.typed_data import manifest_domain, pack_signatures

__all__ = ["activate", "push_prices", "stage"]


def stage(system: System, sender: Sender, proposal: Proposal) -> list[TxReceipt]:
    """Stage the pages that are not on the chain yet; return the receipts."""
    receipts = []
    for payload, code_hash in zip(proposal.payloads, proposal.manifest.pages, strict=True):
        address = staged_address(code_hash, oracle=system.oracle.address)
        if not system.oracle.w3.eth.get_code(to_checksum_address(address)):
            receipts.append(system.oracle.transact(sender, "stage", payload))
    return receipts


def activate(
    system: System, sender: Sender, proposal: Proposal, signatures: Sequence[bytes], *, quorum: int
) -> TxReceipt:
    """Put a manifest in force.

    Raises
    ------
    QuorumError
        If there are fewer signatures than the quorum.
    Reverted
        If the oracle rejects it.
    """
    if len(signatures) < quorum:
        raise QuorumError(
            f"{len(signatures)} of {quorum} signatures for epoch {proposal.manifest.epoch}: wait for more keepers"
        )
    domain = manifest_domain(chain_id=int(system.oracle.w3.eth.chain_id), oracle=system.oracle.address)
    packed = pack_signatures(proposal.manifest.digest(domain), signatures)
    return system.oracle.transact(sender, "activate", proposal.manifest.as_tuple(), packed)


def push_prices(feed: Contract, sender: Sender, batches: Sequence[SignedBatch]) -> TxReceipt:
    """Push signed batches over the same underlyings to a feed.

    Raises
    ------
    QuorumError
        If there are none, or they are not over the same underlyings.
    Reverted
        If the feed rejects them.
    """
    if len({(b.batch.packed_underlyings, len(b.batch.prices)) for b in batches}) != 1:
        raise QuorumError("batches must be over the same underlyings, and at least one")
    ordered = sorted(batches, key=lambda b: int(b.signer, 16))
    first = ordered[0].batch
    signed = [(b.batch.observed_at, b.batch.prices, b.signature) for b in ordered]
    return feed.transact(sender, "push", first.packed_underlyings, len(first.prices), signed)
