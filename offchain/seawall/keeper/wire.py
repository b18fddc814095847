"""How a proposal travels: compact bytes, since 100,000 books in a text format would take a keeper's minute.

::

    "SWPROP1" newline  zlib( length of head (4)  head (JSON: manifest, baskets)
                       pages (2)   { length (4) page } ...
                       leaves (4)  { words (2) bytes of shortfall (1) shortfall  words x 32 } ... )

Numbers are big-endian. Whoever reads knows all limits before it believes a length.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from seawall.errors import InputError, PageError
from seawall.keeper.books import BookLeaf
from seawall.keeper.compute import Proposal
from seawall.keeper.requests import request_fields, request_of
from seawall.page.layout import WORD_BYTES, join_words, split_words
from seawall.page.manifest import Manifest

__all__ = ["MAX_LEAVES", "MAX_PROPOSAL_BYTES", "MAX_UNPACKED_BYTES", "decode_proposal", "encode_proposal"]

MAX_PROPOSAL_BYTES = 1 << 27
MAX_UNPACKED_BYTES = 1 << 29
MAX_LEAVES = 1 << 18  # a leaf takes three bytes at least, and hundreds in memory
_MAX_HEAD_BYTES = 1 << 23  # of text, which takes many times as much when parsed
_MAGIC = b"SWPROP1\n"
_UNREADABLE = (zlib.error, KeyError, TypeError, ValueError, OverflowError, RecursionError, AttributeError)
_LEVEL = 1  # three times as fast as the default for a tenth more bytes


def encode_proposal(proposal: Proposal) -> bytes:
    """Return a proposal's bytes.

    Raises
    ------
    PageError
        If they are more than others would read.
    """
    manifest = {name: _plain(value) for name, value in asdict(proposal.manifest).items()}
    baskets = [request_fields(request) for request in proposal.baskets]
    head = json.dumps({"manifest": manifest, "baskets": baskets}).encode()
    parts = [len(head).to_bytes(4, "big"), head, len(proposal.payloads).to_bytes(2, "big")]
    for payload in proposal.payloads:
        parts += [len(payload).to_bytes(4, "big"), payload]
    parts.append(len(proposal.books).to_bytes(4, "big"))
    for leaf in proposal.books:
        length = (leaf.shortfall.bit_length() + 7) // 8
        parts += [
            len(leaf.words).to_bytes(2, "big"),
            length.to_bytes(1, "big"),
            leaf.shortfall.to_bytes(length, "big"),
            join_words(leaf.words),
        ]
    if len(proposal.books) > MAX_LEAVES:
        raise PageError(f"{len(proposal.books):,} books are more than other keepers read ({MAX_LEAVES:,})")
    content = b"".join(parts)
    packed = _MAGIC + zlib.compress(content, _LEVEL)
    too_large = len(packed) > MAX_PROPOSAL_BYTES or len(content) > MAX_UNPACKED_BYTES
    if too_large or len(head) > _MAX_HEAD_BYTES:
        raise PageError(
            f"a proposal of {len(packed):,} bytes, {len(content):,} unpacked, is more than other keepers read"
            f" ({MAX_PROPOSAL_BYTES:,} and {MAX_UNPACKED_BYTES:,}, {_MAX_HEAD_BYTES:,} of them for baskets)"
        )
    return packed


def decode_proposal(packed: bytes) -> Proposal:
    """Return the proposal that bytes hold.

    Raises
    ------
    PageError
        If they are too many, malformed or left over.
    """
    if len(packed) > MAX_PROPOSAL_BYTES:
        raise PageError(
            f"a proposal of {len(packed):,} bytes is too large, {MAX_PROPOSAL_BYTES:,} are allowed"
        )
    if not packed.startswith(_MAGIC):
        raise PageError("a proposal that does not begin as one: another version wrote it, or no keeper")
    try:
        unpacker = zlib.decompressobj()
        content = unpacker.decompress(packed[len(_MAGIC) :], MAX_UNPACKED_BYTES)
        if unpacker.unconsumed_tail or not unpacker.eof:
            raise PageError(
                f"a proposal that is cut off, or unpacks to more than {MAX_UNPACKED_BYTES:,} bytes"
            )
        return _proposal(_Reader(content))
    except _UNREADABLE as error:
        raise PageError(f"a proposal that cannot be read: {type(error).__name__} {error}") from error
    except InputError as error:
        raise PageError(f"a proposal that cannot be read: {error}") from error


class _Reader:
    """Take bytes from the front, never more than there are."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def take(self, length: int) -> bytes:
        found = self._content[self._at : self._at + length]
        if len(found) != length:
            raise PageError("a proposal that is cut off")
        self._at += length
        return found

    def number(self, length: int) -> int:
        return int.from_bytes(self.take(length), "big")

    @property
    def left(self) -> int:
        return len(self._content) - self._at


def _proposal(reader: _Reader) -> Proposal:
    length = reader.number(4)
    if length > _MAX_HEAD_BYTES:
        raise PageError(f"a proposal whose head has {length:,} bytes, {_MAX_HEAD_BYTES:,} are allowed")
    head = json.loads(reader.take(length))
    payloads = tuple(reader.take(reader.number(4)) for _ in range(reader.number(2)))
    books, leaves = [], reader.number(4)
    if leaves > MAX_LEAVES:
        raise PageError(f"a proposal of {leaves:,} books is too large, {MAX_LEAVES:,} are allowed")
    for _ in range(leaves):
        words, length = reader.number(2), reader.number(1)
        shortfall = reader.number(length)
        books.append(BookLeaf(words=tuple(split_words(reader.take(WORD_BYTES * words))), shortfall=shortfall))
    if reader.left:
        raise PageError(f"a proposal with {reader.left} bytes behind its end")
    return Proposal(
        manifest=_manifest(head["manifest"]),
        payloads=payloads,
        books=tuple(books),
        baskets=tuple(request_of(fields) for fields in head["baskets"]),
    )


def _manifest(fields: Mapping[str, Any]) -> Manifest:
    manifest = Manifest(
        epoch=int(fields["epoch"]),
        as_of=int(fields["as_of"]),
        valid_until=int(fields["valid_until"]),
        config_digest=bytes.fromhex(fields["config_digest"]),
        book_root=bytes.fromhex(fields["book_root"]),
        book_block=int(fields["book_block"]),
        inputs_hash=bytes.fromhex(fields["inputs_hash"]),
        model_hash=bytes.fromhex(fields["model_hash"]),
        pages=tuple(bytes.fromhex(page) for page in fields["pages"]),
    )
    manifest.struct_hash()  # raises unless every field fits
    return manifest


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return [_plain(v) for v in value] if isinstance(value, tuple) else value
