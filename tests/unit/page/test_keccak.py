"""Hashing many messages at once gives what hashing each gives."""

from __future__ import annotations

import random

import hypothesis.strategies as st
import pytest
from eth_utils.crypto import keccak
from hypothesis import given

from seawall.page import keccak as many
from seawall.page.keccak import keccak_many
from seawall.page.merkle import MerkleTree, book_leaf, book_leaves, verify_proof


@given(messages=st.lists(st.binary(max_size=600), max_size=12))
def test_many_hashes_are_the_hashes_of_each(messages: list[bytes]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(many, "_FEW", 0)
        patch.setattr(many, "_BATCH", 3)
        assert keccak_many(messages) == [keccak(message) for message in messages]


@pytest.mark.parametrize("length", [0, 1, 32, 64, 128, 135, 136, 137, 271, 272, 273, 4_000])
def test_lengths_around_a_block_are_padded_like_any_other(length: int) -> None:
    messages = [random.Random(i).randbytes(length) for i in range(many._FEW + 1)]
    assert keccak_many(messages) == [keccak(message) for message in messages]


def test_a_large_tree_proves_every_leaf_as_a_small_one_does() -> None:
    rng = random.Random(3)
    books = [(rng.getrandbits(90), [rng.getrandbits(256) for _ in range(1 + i % 3)]) for i in range(2_000)]
    leaves = book_leaves(books)
    assert leaves == [book_leaf(shortfall, words) for shortfall, words in books]
    for count in (1, 2, 3, 5, 1_023, 1_024, 1_025, 2_000):
        tree = MerkleTree(leaves[:count])
        for leaf in rng.sample(leaves[:count], min(count, 40)):
            assert verify_proof(tree.proof(leaf), root=tree.root, leaf=leaf)
