"""Certificates that prove what an account's book requires, for whoever liquidates it or bids for it."""

from __future__ import annotations

from seawall.chain.contracts import System
from seawall.keeper.leaves import LeafStore
from seawall.reference.certificate import EMPTY, Certificate

__all__ = ["proofs_of"]


def proofs_of(system: System, account: bytes, leaves: LeafStore) -> tuple[Certificate, ...]:
    """Return certificates that show an account's book under the current root and under the baseline's.

    They carry the words of the book, so they stay good while its positions change: what changed counts leg by leg.
    Without a proof under the current root there is none; without one under the baseline's, none but the first.

    Raises
    ------
    RpcError
        If the node does not answer.
    StoreError
        If the proofs cannot be read.
    """
    found = []
    for baseline in (False, True):
        root = bytes(system.oracle.call("bookRoot", baseline))
        shown = leaves.find(root, account) if any(root) else None
        found.append(
            EMPTY
            if shown is None
            else Certificate(book_shortfall=shown.shortfall, book=shown.words, proof=shown.proof)
        )
    current, old = found
    if not current.shows:
        return ()
    return (current, old) if old.shows else (current,)
