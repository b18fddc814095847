"""Sixteen lanes a word give what one lane at a time gives."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.engine_world import EngineWorld

LARGEST = (1 << 39) - 1


@pytest.fixture(scope="module")
def world() -> EngineWorld:
    return EngineWorld()


@st.composite
def lane_books(draw: st.DrawFn) -> tuple[bytes, int, int, list[int], list[int]]:
    """A page of random lanes, extremes among them, and up to 128 positions whose sums may be as large as is allowed."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    lane_words, rows = draw(st.integers(1, 6)), draw(st.integers(1, 40))
    count = draw(st.integers(0, 128))
    fill = rng.choice((None, b"\x00", b"\xff"))
    size = 32 * rows * lane_words
    lanes = rng.randbytes(size) if fill is None else fill * size
    sign = rng.choice((-1, 1, None))
    lots = [
        rng.choice((LARGEST, rng.randint(0, LARGEST), rng.randint(0, 9))) * (sign or rng.choice((-1, 1)))
        for _ in range(count)
    ]
    return bytes(128 + 32 * rows) + lanes, rows, lane_words, lots, [rng.randrange(rows) for _ in range(count)]


def plain_least(payload: bytes, rows: int, lane_words: int, lots: list[int], slots: list[int]) -> int:
    def lane(slot: int, k: int) -> int:
        at = 128 + 32 * (rows + slot * lane_words + k // 16) + 30 - 2 * (k % 16)
        return int.from_bytes(payload[at : at + 2], "big") - 0x8000

    return min(
        sum(q * lane(slot, k) for q, slot in zip(lots, slots, strict=True)) for k in range(16 * lane_words)
    )


@given(case=lane_books())
def test_packed_lanes_equal_lanes_one_at_a_time(
    world: EngineWorld, case: tuple[bytes, int, int, list[int], list[int]]
) -> None:
    payload, rows, lane_words, lots, slots = case
    page = world.put_page(payload)
    found = world.harness.leastLane(page, rows, lane_words, lots, slots, 1)
    assert found == plain_least(payload, rows, lane_words, lots, slots)


@given(case=lane_books())
def test_assembly_equals_the_solidity_it_replaces(
    world: EngineWorld, case: tuple[bytes, int, int, list[int], list[int]]
) -> None:
    payload, rows, lane_words, lots, slots = case
    lots, slots = lots[:24], slots[:24]
    page = world.put_page(payload)
    arguments = (page, rows, lane_words, lots, slots, 3)
    assert world.harness.leastLane(*arguments) == world.harness.leastLanePlain(*arguments)
