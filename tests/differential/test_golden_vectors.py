"""Both languages read packed words alike."""

import pytest
from tests.support.evm import Contract, Evm
from tests.support.golden import read

from seawall.page.layout import HEADS

WORD = 64


@pytest.fixture(scope="module")
def harness() -> Contract:
    return Evm().deploy("GoldenHarness")


@pytest.mark.parametrize("vector", read("pages"), ids=lambda vector: vector["name"])
def test_head_accessors_read_what_the_codec_wrote(harness: Contract, vector: dict) -> None:
    words = [int(vector["payload"][at : at + WORD], 16) for at in range(0, 4 * WORD, WORD)]
    found = [harness.head0(words[0]), harness.head1(words[1]), harness.head2(words[2])]
    for fields, values in zip(HEADS[:3], found, strict=True):
        expected = [
            vector["head"][field.name] & 1 if field.name == "flags" else vector["head"][field.name]
            for field in fields
        ]
        assert list(values) == expected


@pytest.mark.parametrize("vector", read("pages"), ids=lambda vector: vector["name"])
def test_record_accessors_read_what_the_codec_wrote(harness: Contract, vector: dict) -> None:
    names = ("kind", "shift", "generation", "drift_shift", "mark", "leg_long", "leg_short", "terms")
    for slot, record in enumerate(vector["records"]):
        at = (4 + slot) * WORD
        word = int(vector["payload"][at : at + WORD], 16)
        assert list(harness.record(word)) == [record[name] for name in names]
        assert word == record["word"]


def test_position_accessors_read_what_the_codec_wrote(harness: Contract) -> None:
    for position in read("words")["positions"]:
        expected = (position["slot"], position["generation"], position["lots"])
        assert tuple(harness.position(position["packed"])) == expected


def test_account_accessors_read_what_the_codec_wrote(harness: Contract) -> None:
    for account in read("words")["accounts"]:
        cash, block, auction, pages, positions = harness.account(account["word"])
        assert (cash, block, auction) == (account["cash"], account["last_check_block"], account["flags"] == 1)
        listed = [[(pages >> low) & 0xFF, (pages >> (low + 8)) & 0xFF] for low in range(0, 96, 16)]
        assert [entry for entry in listed if entry != [0, 0]] == account["pages"]
        assert positions == sum(count for _, count in account["pages"])


def test_the_merkle_library_accepts_our_proofs_and_no_other(harness: Contract) -> None:
    tree = read("words")["merkle"]
    for leaf in tree["leaves"]:
        proof = [bytes.fromhex(node) for node in leaf["proof"]]
        root = bytes.fromhex(tree["root"])
        assert harness.proves(proof, root, leaf["shortfall"], leaf["book"])
        assert not harness.proves(proof, root, leaf["shortfall"] + 1, leaf["book"])
