"""How keepers on different machines hand each other proposals and signatures: files in a folder they share.

A folder carries no trust: signatures are verified when read, proposals are checked by whoever signs them, and a
file appears whole or not at all. How it is shared (network file system, object store) is the operators' choice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seawall.errors import PageError, StoreError
from seawall.keeper.books import BookLeaf
from seawall.keeper.compute import Proposal
from seawall.keeper.keeper import SignedBatch
from seawall.page.layout import join_words, split_words
from seawall.page.manifest import Manifest
from seawall.page.typed_data import PriceBatch, recover

__all__ = ["Mailbox"]


class Mailbox:
    """Read and write proposals, signatures and price batches of one oracle.

    Raises
    ------
    StoreError
        If the folder cannot be made or written.
    """

    def __init__(self, folder: Path, *, oracle: str) -> None:
        self._folder = folder / oracle.lower()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"cannot make the mailbox {folder}: {error.strerror}. Fix: correct keeper.mailbox"
            ) from error

    def put_proposal(self, proposal: Proposal) -> None:
        """Publish a proposal for its epoch."""
        manifest = {name: _plain(value) for name, value in asdict(proposal.manifest).items()}
        pages = [payload.hex() for payload in proposal.payloads]
        books = [[join_words(leaf.words).hex(), str(leaf.shortfall)] for leaf in proposal.books]
        content = {"manifest": manifest, "pages": pages, "books": books}
        self._write(f"proposal-{proposal.manifest.epoch}", content)

    def proposal(self, epoch: int) -> Proposal | None:
        """Return the proposal for an epoch, None if there is none or it does not parse."""
        read = self._read(f"proposal-{epoch}")
        try:
            return None if read is None else _proposal(read)
        except (KeyError, TypeError, ValueError):
            return None

    def put_signature(self, epoch: int, digest: bytes, signer: str, signature: bytes) -> None:
        """Publish a signature of the digest proposed for an epoch."""
        self._write(f"signature-{epoch}-{digest.hex()[:16]}-{signer.lower()}", {"signature": signature.hex()})

    def signatures(self, epoch: int, digest: bytes, signers: tuple[str, ...]) -> dict[str, bytes]:
        """Return the signatures by current signers that verify."""
        found = {}
        for signer in signers:
            read = self._read(f"signature-{epoch}-{digest.hex()[:16]}-{signer.lower()}")
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
        self._write(f"prices-{batch.signer.lower()}", prices)

    def prices(self, signers: tuple[str, ...]) -> list[SignedBatch]:
        """Return the newest batch of every signer that published one; the feed verifies them."""
        found = []
        for signer in signers:
            read = self._read(f"prices-{signer.lower()}")
            try:
                if read is not None:
                    batch = PriceBatch(
                        observed_at=int(read["observed_at"]),
                        packed_underlyings=int(read["packed_underlyings"]),
                        prices=tuple(int(p) for p in read["prices"]),
                    )
                    signature = bytes.fromhex(read["signature"])
                    found.append(SignedBatch(signer=signer, batch=batch, signature=signature))
            except (KeyError, TypeError, ValueError):
                continue
        return found

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        path = self._folder / f"{name}.json"
        partial = path.with_suffix(".partial")
        try:
            partial.write_text(json.dumps(content), encoding="utf-8")
            partial.replace(path)
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror}. Fix: correct keeper.mailbox") from error

    def _read(self, name: str) -> Mapping[str, Any] | None:
        try:
            read = json.loads((self._folder / f"{name}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return read if isinstance(read, dict) else None


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def _proposal(read: Mapping[str, Any]) -> Proposal:
    fields = read["manifest"]
    return Proposal(
        manifest=Manifest(
            epoch=int(fields["epoch"]),
            as_of=int(fields["as_of"]),
            valid_until=int(fields["valid_until"]),
            config_digest=bytes.fromhex(fields["config_digest"]),
            book_root=bytes.fromhex(fields["book_root"]),
            book_block=int(fields["book_block"]),
            inputs_hash=bytes.fromhex(fields["inputs_hash"]),
            model_hash=bytes.fromhex(fields["model_hash"]),
            pages=tuple(bytes.fromhex(page) for page in fields["pages"]),
        ),
        payloads=tuple(bytes.fromhex(page) for page in read["pages"]),
        books=tuple(
            BookLeaf(words=tuple(split_words(bytes.fromhex(words))), shortfall=int(shortfall))
            for words, shortfall in read["books"]
        ),
    )
