"""A quorum of prices: those that others left in the mailbox and that can be pushed with the own ones."""

from __future__ import annotations

import time

from seawall.chain.contracts import Contract
from seawall.errors import QuorumError
from seawall.keeper.keeper import SignedBatch
from seawall.keeper.mailbox import Mailbox
from seawall.keeper.post import agreeing
from seawall.keeper.view import ChainView
from seawall.page.typed_data import feed_domain

__all__ = ["gather_prices"]

_POLL_S = 1.0


def gather_prices(
    feed: Contract, mailbox: Mailbox, own: SignedBatch, view: ChainView, *, timeout_s: float
) -> list[SignedBatch]:
    """Publish the own prices and return as many batches as the feed asks for, once they are there.

    Raises
    ------
    QuorumError
        If they are not in time.
    """
    mailbox.put_prices(own)
    quorum, domain = int(feed.call("quorum")), feed_domain(chain_id=view.chain_id, feed=feed.address)
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        now = int(feed.w3.eth.get_block("latest")["timestamp"])
        batches = agreeing(mailbox.prices(view.signers), own, domain=domain, now=now)
        if len(batches) >= quorum:
            return batches[:quorum]
        time.sleep(_POLL_S)
    raise QuorumError(
        f"fewer than {quorum} keepers published prices near the own ones: check them and keeper.mailbox"
    )
