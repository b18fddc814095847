"""Brings what a quorum signed onto the chain; anyone may, so nothing here needs a keeper's key."""

from __future__ import annotations

from collections.abc import Sequence

from eth_utils.address import to_checksum_address
from web3.types import TxReceipt

from seawall.chain.contracts import Contract, System
from seawall.chain.sender import Sender
from seawall.errors import PageError, QuorumError
from seawall.keeper.compute import Proposal
from seawall.keeper.keeper import SignedBatch
from seawall.page.manifest import staged_address
from seawall.page.typed_data import Domain, manifest_domain, pack_signatures, recover

__all__ = ["activate", "agreeing", "push_prices", "stage"]

_BATCH_AGE_S = 60
_PRICE_BAND = 0.03  # as far as a feed lets a price stand from its anchor


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


def agreeing(
    batches: Sequence[SignedBatch], own: SignedBatch, *, domain: Domain, now: int
) -> list[SignedBatch]:
    """Return the batches that can be pushed with the own one, newest first: nobody else's keeps those from the feed.

    They are over the same underlyings, signed by whom they name, observed in the minute before `now`, seconds, and
    every price is within the band of a feed's anchor from the own, where there is an own.

    Parameters
    ----------
    domain
        Of the feed.
    """
    found = [
        one
        for one in batches
        if now - _BATCH_AGE_S <= one.batch.observed_at <= now
        and one.batch.packed_underlyings == own.batch.packed_underlyings
        and len(one.batch.prices) == len(own.batch.prices)
        and all(
            not mine or abs(price - mine) <= _PRICE_BAND * mine
            for price, mine in zip(one.batch.prices, own.batch.prices, strict=True)
        )
        and _signed(one, domain)
    ]
    return sorted(found, key=lambda one: -one.batch.observed_at)


def _signed(one: SignedBatch, domain: Domain) -> bool:
    try:
        return recover(one.batch.digest(domain), one.signature).lower() == one.signer.lower()
    except PageError:
        return False


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
