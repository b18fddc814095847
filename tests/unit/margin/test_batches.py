"""Batches come back in order, whole, and an error in one is not lost."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seawall.margin.batches import in_batches


@given(st.integers(0, 50), st.integers(1, 60))
def test_batches_cover_everything_once_and_in_order(count: int, size: int) -> None:
    numbers = np.arange(count)
    found = in_batches(lambda some: numbers[some].tolist(), count, size=size)
    assert [number for batch in found for number in batch] == numbers.tolist()
    assert all(0 < len(batch) <= size for batch in found)


def test_two_batches_are_worked_on_at_once() -> None:
    both = threading.Barrier(2, timeout=30)  # breaks if one waits for the other's end
    in_batches(lambda some: both.wait(), 2, size=1)


def test_the_error_of_a_batch_is_raised() -> None:
    def work(some: slice) -> None:
        if some.start == 3:
            raise ValueError("of the fourth")

    with pytest.raises(ValueError, match="of the fourth"):
        in_batches(work, 5, size=1)
