"""The codec still says what the golden files say."""

import os

import pytest
from eth_account import Account
from tests.support.golden import FOLDER, read, vectors

from seawall.page import (
    decode_page,
    init_code_hash,
    pack_page,
    recover,
    staged_address,
    verify_proof,
)

NAMES = ("pages", "manifests", "price_batches", "orders", "words")


def test_every_golden_file_is_what_the_codec_makes_now() -> None:
    made = vectors()
    if os.environ.get("SEAWALL_WRITE_GOLDEN"):
        FOLDER.mkdir(exist_ok=True)
        for name, text in made.items():
            (FOLDER / name).write_text(text)
    assert sorted(made) == sorted(f"{name}.json" for name in NAMES)
    assert [name for name, text in made.items() if (FOLDER / name).read_text() != text] == []


@pytest.mark.parametrize("vector", read("pages"), ids=lambda vector: vector["name"])
def test_golden_pages_decode_to_their_fields_and_back(vector: dict) -> None:
    payload = bytes.fromhex(vector["payload"])
    page = decode_page(payload)
    for name, value in vector["head"].items():
        have = {"rows": len(page.records), "atoms": len(page.atoms)}.get(name)
        assert (getattr(page.head, name) if have is None else have) == value
    for record, fields in zip(page.records, vector["records"], strict=True):
        for name, value in fields.items():
            have = getattr(record, name)
            assert (list(have) if isinstance(have, tuple) else have) == value
    assert pack_page(page) == payload
    assert init_code_hash(payload).hex() == vector["init_code_hash"]
    assert staged_address(init_code_hash(payload), oracle=vector["oracle"]) == vector["staged_address"]


@pytest.mark.parametrize(
    "signed",
    [*read("manifests")["manifests"], *read("price_batches")["batches"], *read("orders")["orders"]],
)
def test_golden_signatures_recover_to_their_signers_in_order(signed: dict) -> None:
    digest, packed = bytes.fromhex(signed["digest"]), bytes.fromhex(signed["packed_signatures"])
    for entry in signed["signatures"]:
        assert recover(digest, bytes.fromhex(entry["signature"])) == entry["signer"]
        assert Account.from_key(bytes.fromhex(entry["private_key"])).address == entry["signer"]
    signers = [int(recover(digest, packed[at : at + 65]), 16) for at in range(0, len(packed), 65)]
    assert signers == sorted({int(entry["signer"], 16) for entry in signed["signatures"]})


def test_golden_proofs_lead_to_the_root() -> None:
    tree = read("words")["merkle"]
    for leaf in tree["leaves"]:
        proof = [bytes.fromhex(node) for node in leaf["proof"]]
        assert verify_proof(proof, root=bytes.fromhex(tree["root"]), leaf=bytes.fromhex(leaf["leaf"]))
