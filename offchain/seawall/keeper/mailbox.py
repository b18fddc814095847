"""How keepers on different machines hand each other proposals and signatures: files in a folder they share.

A folder carries no trust: signatures are verified when read, proposals are checked by whoever signs them, and a
file appears whole or not at all; one that is larger than it may be is not read. How the folder is shared (network
file system, object store) is the operators' choice.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from seawall.errors import PageError, StoreError
from seawall.keeper.compute import Proposal
from seawall.keeper.keeper import SignedBatch
from seawall.keeper.wire import MAX_PROPOSAL_BYTES, decode_proposal, encode_proposal
from seawall.page.typed_data import PriceBatch, recover

__all__ = ["MAX_MESSAGE_BYTES", "Mailbox"]

MAX_MESSAGE_BYTES = 65_536  # of a signature or a batch of prices
_log = structlog.get_logger()


class Mailbox:
    """Read and write proposals, signatures and price batches of one oracle.

    Raises
    ------
    StoreError
        If the folder cannot be made or written.
    """

    def __init__(self, folder: Path, *, oracle: str) -> None:
        self._folder = folder / oracle.lower()
        self._ignored: dict[str, str] = {}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"cannot make the mailbox {folder}: {error.strerror}. Fix: correct keeper.mailbox"
            ) from error

    def put_proposal(self, proposal: Proposal) -> None:
        """Publish a proposal for its epoch.

        Raises
        ------
        PageError
            If it is larger than what other keepers read.
        """
        self._write(f"proposal-{proposal.manifest.epoch}.bin", encode_proposal(proposal))

    def proposal(self, epoch: int) -> Proposal | None:
        """Return the proposal for an epoch, None if there is none, or one that is too large or malformed."""
        name = f"proposal-{epoch}.bin"
        content = self._read(name, limit=MAX_PROPOSAL_BYTES)
        try:
            return None if content is None else decode_proposal(content)
        except PageError as error:
            self._ignore(name, str(error))
            return None

    def put_signature(self, epoch: int, digest: bytes, signer: str, signature: bytes) -> None:
        """Publish a signature of the digest proposed for an epoch."""
        self._put(f"signature-{epoch}-{digest.hex()[:16]}-{signer.lower()}", {"signature": signature.hex()})

    def signatures(self, epoch: int, digest: bytes, signers: tuple[str, ...]) -> dict[str, bytes]:
        """Return the signatures by current signers that verify."""
        found = {}
        for signer in signers:
            read = self._get(f"signature-{epoch}-{digest.hex()[:16]}-{signer.lower()}")
            try:
                signature = bytes.fromhex(str((read or {})["signature"]))
                if recover(digest, signature).lower() == signer.lower():
                    found[signer] = signature
            except (KeyError, ValueError, PageError):
                continue
        return found

    def put_prices(self, batch: SignedBatch) -> None:
        """Publish a signer's newest prices; they replace its older ones."""
        prices = {
            "observed_at": batch.batch.observed_at,
            "packed_underlyings": str(batch.batch.packed_underlyings),
            "prices": list(batch.batch.prices),
            "signature": batch.signature.hex(),
        }
        self._put(f"prices-{batch.signer.lower()}", prices)

    def prices(self, signers: tuple[str, ...]) -> list[SignedBatch]:
        """Return the newest batch of every signer that published one, as it lies there: see `post.agreeing`."""
        found = []
        for signer in signers:
            read = self._get(f"prices-{signer.lower()}")
            try:
                if read is not None:
                    batch = PriceBatch(
                        observed_at=int(read["observed_at"]),
                        packed_underlyings=int(read["packed_underlyings"]),
                        prices=tuple(int(p) for p in read["prices"]),
                    )
                    signature = bytes.fromhex(read["signature"])
                    found.append(SignedBatch(signer=signer, batch=batch, signature=signature))
            except (KeyError, TypeError, ValueError, OverflowError):
                continue
        return found

    def _put(self, name: str, content: Mapping[str, Any]) -> None:
        self._write(f"{name}.json", json.dumps(content).encode())

    def _get(self, name: str) -> Mapping[str, Any] | None:
        content = self._read(f"{name}.json", limit=MAX_MESSAGE_BYTES)
        try:
            read = None if content is None else json.loads(content)
        except (ValueError, RecursionError):
            return None
        return read if isinstance(read, dict) else None

    def _write(self, name: str, content: bytes) -> None:
        path = self._folder / name
        partial = path.with_suffix(".partial")
        try:
            partial.write_bytes(content)
            partial.replace(path)
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror}. Fix: correct keeper.mailbox") from error

    def _read(self, name: str, *, limit: int) -> bytes | None:
        """Return a file's bytes; None, and a line in the log, if there are more than the limit."""
        path = self._folder / name
        try:
            size = path.stat().st_size
            if size > limit:
                self._ignore(name, f"{size:,} bytes, at most {limit:,} are read")
                return None
            # a pipe in place of a file is empty, not waited for
            with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
                return file.read(limit)
        except OSError:
            return None

    def _ignore(self, name: str, reason: str) -> None:
        if self._ignored.get(name) != reason:  # said once, not every second
            self._ignored[name] = reason
            _log.warning("mailbox file ignored", name=name, reason=reason)
