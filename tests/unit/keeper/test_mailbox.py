"""What keepers hand each other: it arrives as it was sent, and nothing hostile is believed or read to the end."""

from __future__ import annotations

import json
import os
import threading
import zlib
from contextlib import suppress
from dataclasses import asdict, fields
from math import inf, nan
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from seawall.errors import PageError
from seawall.keeper import mailbox as mailbox_module
from seawall.keeper import wire
from seawall.keeper.baskets import BasketRequest
from seawall.keeper.books import BookLeaf
from seawall.keeper.compute import Proposal
from seawall.keeper.mailbox import MAX_MESSAGE_BYTES, Mailbox
from seawall.keeper.wire import decode_proposal, encode_proposal
from seawall.page.manifest import Manifest

ORACLE = "0x" + "22" * 20
words = st.lists(st.integers(0, 2**256 - 1), min_size=1, max_size=6).map(tuple)
leaves = st.builds(BookLeaf, words=words, shortfall=st.integers(0, 2**256 - 1))
hashes = st.binary(min_size=32, max_size=32)
baskets = st.builds(
    BasketRequest,
    account=hashes,
    positions=st.just(((0, 1, 2, -3), (4, 5, 6, 7))),
    expires_at=st.integers(1, 2**40 - 1),
    signature=st.sampled_from([b"", bytes(65)]),
)


def manifest(epoch: int = 3) -> Manifest:
    return Manifest(
        epoch=epoch,
        as_of=1_700_000_000,
        valid_until=1_700_001_000,
        config_digest=b"\1" * 32,
        book_root=b"\2" * 32,
        book_block=77,
        inputs_hash=b"\3" * 32,
        model_hash=b"\4" * 32,
        pages=(b"\5" * 32, b"\6" * 32),
    )


@given(
    payloads=st.lists(st.binary(max_size=300), max_size=3).map(tuple),
    books=st.lists(leaves, max_size=8).map(tuple),
    asked=st.lists(baskets, max_size=2).map(tuple),
)
def test_a_proposal_arrives_as_it_was_sent(
    payloads: tuple[bytes, ...], books: tuple[BookLeaf, ...], asked: tuple[BasketRequest, ...]
) -> None:
    sent = Proposal(manifest=manifest(), payloads=payloads, books=books, baskets=asked)
    assert decode_proposal(encode_proposal(sent)) == sent


SENT = encode_proposal(
    Proposal(
        manifest=manifest(), payloads=(b"page" * 50,), books=(BookLeaf(words=(1, 2, 3), shortfall=10**12),)
    )
)


@given(at=st.integers(0, len(SENT) - 1), flip=st.integers(1, 255))
def test_altered_bytes_are_refused_or_say_the_same(at: int, flip: int) -> None:
    """What is packed has a checksum; that it was packed in another way says nothing else."""
    altered = bytearray(SENT)
    altered[at] ^= flip
    with suppress(PageError):
        assert decode_proposal(bytes(altered)) == decode_proposal(SENT)


@given(end=st.integers(0, len(SENT) - 1))
def test_a_cut_proposal_is_refused(end: int) -> None:
    with pytest.raises(PageError):
        decode_proposal(SENT[:end])


@given(content=st.binary(max_size=400))
def test_what_unpacks_to_no_proposal_is_refused(content: bytes) -> None:
    with pytest.raises(PageError):
        decode_proposal(wire._MAGIC + zlib.compress(content))


def test_bytes_behind_the_end_are_refused() -> None:
    content = zlib.decompress(SENT[len(wire._MAGIC) :])
    decode_proposal(wire._MAGIC + zlib.compress(content))
    with pytest.raises(PageError, match="behind its end"):
        decode_proposal(wire._MAGIC + zlib.compress(content + b"x"))


def test_what_unpacks_to_more_than_is_allowed_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_UNPACKED_BYTES", 1_000_000)
    bomb = wire._MAGIC + zlib.compress(bytes(50_000_000))
    assert len(bomb) < 100_000
    with pytest.raises(PageError, match="1,000,000 bytes"):
        decode_proposal(bomb)
    large = Proposal(manifest=manifest(), payloads=(bytes(2_000_000),))
    with pytest.raises(PageError, match="more than other keepers read"):
        encode_proposal(large)


@given(
    name=st.sampled_from([one.name for one in fields(Manifest)]),
    value=st.sampled_from([-1, 2**64, 2**300, inf, nan, None, [], {}, "0" * 62, "0" * 66, ["00"], [1]]),
)
def test_a_manifest_that_is_read_has_a_digest(name: str, value: object) -> None:
    """Or whoever asks for it fails where nothing is caught, and again as long as the file lies there."""
    good = {key: wire._plain(one) for key, one in asdict(manifest()).items()}
    head = json.dumps({"manifest": {**good, name: value}, "baskets": []}).encode()
    content = len(head).to_bytes(4, "big") + head + bytes(2) + bytes(4)
    try:
        proposal = decode_proposal(wire._MAGIC + zlib.compress(content))
    except PageError:
        return
    assert len(proposal.manifest.struct_hash()) == 32


def test_a_pipe_in_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    box = Mailbox(tmp_path, oracle=ORACLE)
    for name in ("proposal-3.bin", f"signature-3-{'00' * 8}-0xabc.json", "prices-0xabc.json"):
        os.mkfifo(tmp_path / ORACLE / name)
    found: list[object] = []

    def read() -> None:
        found.extend((box.proposal(3), box.signatures(3, bytes(32), ("0xabc",)), box.prices(("0xabc",))))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(20)
    assert found == [None, {}, []]


def test_more_books_than_a_keeper_can_hold_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A megabyte that unpacks to what is allowed would be a hundred million of them."""
    monkeypatch.setattr(wire, "MAX_LEAVES", 5)
    empty = tuple(BookLeaf(words=(), shortfall=0) for _ in range(6))
    five, six = (Proposal(manifest=manifest(), payloads=(), books=empty[:n]) for n in (5, 6))
    packed = encode_proposal(five)
    assert decode_proposal(packed) == five
    with pytest.raises(PageError, match="6 books are more"):
        encode_proposal(six)
    content = zlib.decompress(packed[len(wire._MAGIC) :])
    more = content[: -3 * 5 - 4] + (2**32 - 1).to_bytes(4, "big") + bytes(3 * 5)
    with pytest.raises(PageError, match="too large, 5 are allowed"):
        decode_proposal(wire._MAGIC + zlib.compress(more))


def test_a_head_of_any_length_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_MAX_HEAD_BYTES", 1_000)
    content = zlib.decompress(SENT[len(wire._MAGIC) :])
    length = int.from_bytes(content[:4], "big")
    padded = content[4 : 4 + length].ljust(1_001)
    more = len(padded).to_bytes(4, "big") + padded + content[4 + length :]
    with pytest.raises(PageError, match="1,001 bytes, 1,000 are allowed"):
        decode_proposal(wire._MAGIC + zlib.compress(more))


def test_files_beyond_their_size_are_not_read_and_that_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[dict[str, object]] = []
    monkeypatch.setattr(mailbox_module, "MAX_PROPOSAL_BYTES", len(SENT) - 1)
    monkeypatch.setattr(mailbox_module._log, "warning", lambda _, **fields: said.append(fields))
    box = Mailbox(tmp_path, oracle=ORACLE)
    (tmp_path / ORACLE / "proposal-3.bin").write_bytes(SENT)
    (tmp_path / ORACLE / "prices-0xabc.json").write_bytes(b" " * MAX_MESSAGE_BYTES + b"{}")
    for _ in range(3):
        assert box.proposal(3) is None
        assert box.prices(("0xABC",)) == []
    assert [fields["name"] for fields in said] == ["proposal-3.bin", "prices-0xabc.json"]
    assert f"at most {len(SENT) - 1:,} are read" in str(said[0]["reason"])


ENDLESS = b'{"observed_at": 1e999, "packed_underlyings": 0, "prices": [1], "signature": ""}'


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"[" * 50_000, b'{"signature": 5}', b"\xff", ENDLESS])
def test_a_malformed_message_is_none(tmp_path: Path, content: bytes) -> None:
    box = Mailbox(tmp_path, oracle=ORACLE)
    (tmp_path / ORACLE / "prices-0xabc.json").write_bytes(content)
    (tmp_path / ORACLE / f"signature-3-{'00' * 8}-0xabc.json").write_bytes(content)
    (tmp_path / ORACLE / "proposal-3.bin").write_bytes(content)
    assert box.prices(("0xabc",)) == []
    assert box.signatures(3, bytes(32), ("0xabc",)) == {}
    assert box.proposal(3) is None
