"""Work on many books a batch at a time: it fits in cache, memory stays bounded, and several cores share it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["in_batches"]

_Found = TypeVar("_Found")

# Batches at once; of more not all find room in a cache.
_THREADS = 4


def in_batches(work: Callable[[slice], _Found], count: int, *, size: int) -> list[_Found]:
    """Return what `work` finds of every batch of so many of `count` books, in order; the first error is raised.

    Batches are worked on at once, as numpy leaves the interpreter to others while it computes. What a batch holds does
    not depend on the machine, so neither do results.
    """
    batches = [slice(i, min(i + size, count)) for i in range(0, count, size)]
    if len(batches) < 2:
        return [work(batch) for batch in batches]
    with ThreadPoolExecutor(min(_THREADS, len(batches))) as pool:
        return list(pool.map(work, batches))
