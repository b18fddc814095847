"""Sixteen lanes a word give what one lane at a time gives."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.engine_world import EngineWorld
from tests.support.sale_world import SaleWorld

LARGEST = (1 << 39) - 1
# scaled lots of a page, divided by what they have in common, of which sums of lanes fit 32 bits
NARROW = (1 << 15) - 1

# the same of sums that stay in 32 bits over all pages
LANE_SUM = (1 << 14) - 1


@pytest.fixture(scope="module")
def world() -> SaleWorld:
    return SaleWorld()


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


@st.composite
def narrow_books(draw: st.DrawFn) -> tuple[bytes, int, int, list[int], list[int], int]:
    """A page of random lanes, extremes among them, and positions about as large as eight sums to a word allow.

    The last is what the sum of their lots is known to be at most.
    """
    rng = random.Random(draw(st.integers(0, 2**32)))
    payload, rows, lane_words, lots, slots = draw(lane_books())
    common, spare = rng.choice((0, 0, 1, 4, 24)), rng.choice((0, 0, 1, 2**14))
    most = (NARROW + rng.choice((0, 0, 1, -9))) // max(len(lots), 1)
    lots = [(1 if q > 0 else -1) * (most if rng.random() < 0.9 else rng.randint(0, most)) for q in lots]
    if lots:
        lots[0] += (NARROW - sum(map(abs, lots))) * (1 if lots[0] > 0 else -1)
    lots = [q << common for q in lots]
    return payload, rows, lane_words, lots, slots, sum(map(abs, lots)) + spare


def narrow_least(
    world: SaleWorld,
    payload: bytes,
    rows: int,
    lane_words: int,
    lots: list[int],
    slots: list[int],
    absolute: int,
    turns: int,
) -> int:
    page = {"id": 0, "count": 0, "code": world.put_page(payload), "rows": rows}
    rest = dict.fromkeys(("head", "place", "words", "table", "twin"), 0)
    return int(world.sales.leastLane(page | rest, lane_words, lots, slots, absolute, turns))


@given(case=narrow_books(), turns=st.integers(1, 3))
def test_eight_lanes_to_a_product_equal_lanes_one_at_a_time(
    world: SaleWorld, case: tuple[bytes, int, int, list[int], list[int], int], turns: int
) -> None:
    assert narrow_least(world, *case, turns) == turns * plain_least(*case[:-1])


@given(case=lane_books(), turns=st.integers(1, 2))
def test_lots_of_any_size_equal_lanes_one_at_a_time(
    world: SaleWorld, case: tuple[bytes, int, int, list[int], list[int]], turns: int
) -> None:
    payload, rows, lane_words, lots, slots = case
    most = 128 // turns  # positions of all pages together
    case = payload, rows, lane_words, lots[:most], slots[:most]
    assert narrow_least(world, *case, sum(map(abs, case[3])), turns) == turns * plain_least(*case)


@given(case=lane_books(), seed=st.integers(0, 2**32), turns=st.integers(1, 3))
def test_sums_that_stay_narrow_equal_lanes_one_at_a_time(
    world: SaleWorld, case: tuple[bytes, int, int, list[int], list[int]], seed: int, turns: int
) -> None:
    """Of turns that fit 32 bits, of turns that only together do not, and of turns too large; and when parts go."""
    payload, rows, lane_words, signs, slots = case
    signs, slots = signs[: 128 // turns], slots[: 128 // turns]
    rng = random.Random(seed)
    lots, parts = [], []
    for _ in range(turns):
        most = rng.choice((1, 9, LANE_SUM // turns, LANE_SUM, LANE_SUM + 1, 2**15, 2**20, LARGEST))
        each = [
            rng.randint(0, max(most // max(len(signs), 1), 1))
            if rng.random() < 0.3
            else most // max(len(signs), 1)
            for _ in signs
        ]
        if each:
            each[0] += max(most - sum(each), 0)
        lots.append([q if sign > 0 else -q for q, sign in zip(each, signs, strict=True)])
        parts.append([rng.randint(min(q, 0), max(q, 0)) for q in lots[-1]])
    page = {"id": 0, "count": 0, "code": world.put_page(payload), "rows": rows}
    rest = dict.fromkeys(("head", "place", "words", "table", "twin"), 0)
    found = world.sales.leastSum(page | rest, lane_words, lots, parts, slots)
    whole = [sum(each) for each in zip(*lots, strict=True)]
    left = [q - sum(each) for q, each in zip(whole, zip(*parts, strict=True), strict=True)]
    for least, held in zip(found, (whole, left), strict=True):
        assert least == plain_least(payload, rows, lane_words, held, slots)
