"""What showing a book costs when 100,000 are certified, beyond the same assessment without it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_utils.crypto import keccak
from tests.support.engine_bench import sized_scene
from tests.support.engine_world import EngineWorld

from seawall.page.merkle import book_leaf
from seawall.reference.certificate import EMPTY, Certificate

DEPTH = 17  # of a tree over 100,000 leaves
SHORTFALL = 10**12
# positions: gas beyond the bare assessment; a node's calldata is 512 gas more, a word of the book's up to as much
SHOWN_LIMITS = {1: 26_300, 8: 49_000, 32: 75_800, 64: 112_200, 128: 183_500}


@pytest.fixture(scope="module")
def world() -> EngineWorld:
    return EngineWorld()


@pytest.mark.parametrize(("count", "limit"), SHOWN_LIMITS.items())
def test_showing_one_book_of_a_hundred_thousand_costs_at_most(
    world: EngineWorld, count: int, limit: int
) -> None:
    scene = sized_scene(count)
    words = scene.book.words()
    root, proof = book_leaf(SHORTFALL, words), tuple(keccak(bytes([level])) for level in range(DEPTH))
    for sibling in proof:
        root = keccak(min(root, sibling) + max(root, sibling))
    shown = Certificate(book_shortfall=SHORTFALL, book=words, proof=proof)
    assert scene.current is not None
    with world.evm.isolated():
        world.stage(replace(scene, current=replace(scene.current, book_root=root)))
        assert world.gas(certificate=shown) - world.gas(certificate=EMPTY) <= limit
