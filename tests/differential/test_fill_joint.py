"""Whole fills: both accounts judged in one call under two manifests equal the integer reference, to a unit."""

from __future__ import annotations

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from tests.support.fill_cases import fill_case
from tests.support.fill_world import FillWorld


@pytest.fixture(scope="module")
def world() -> FillWorld:
    return FillWorld()


@given(seed=st.integers(0, 2**32), unlike=st.booleans())
def test_INV_10_a_fill_of_two_accounts_equals_the_reference(
    world: FillWorld, seed: int, unlike: bool
) -> None:
    event(world.both(fill_case(seed, unlike=unlike)))


@pytest.mark.parametrize("first", range(0, 120, 30))
def test_INV_10_fills_at_the_edge_of_either_manifest_equal_the_reference(
    world: FillWorld, first: int
) -> None:
    for seed in range(500_000 + first, 500_030 + first):
        try:
            world.both(fill_case(seed))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}") from error


@pytest.mark.parametrize("seed", [401, 730, 1_058, 1_177])
def test_INV_10_a_page_of_another_underlying_in_the_baseline_is_walked_by_itself(
    world: FillWorld, seed: int
) -> None:
    world.both(fill_case(seed, unlike=True))
