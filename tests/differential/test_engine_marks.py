"""Live marks equal the reference over the whole range of every field, and keep within what convexity allows."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.engine_world import NOW, EngineWorld, random_page

from seawall.page.layout import HEAD0, HEAD2, RECORD, Kind, pack
from seawall.reference.marks import live_mark, spot_state

HEADS = {field.name: field for field in (*HEAD0, *HEAD2)}
FIELDS = {field.name: field for field in RECORD}
prices = st.one_of(st.integers(0, 2**40 - 1), st.integers(0, 2**64 - 1), st.integers(0, 5))


@pytest.fixture(scope="module")
def world() -> EngineWorld:
    return EngineWorld()


def drawn(data: st.DataObject, name: str) -> int:
    field = (HEADS | FIELDS)[name]
    edges = st.sampled_from((field.minimum, field.maximum, 0))
    return data.draw(st.one_of(st.integers(field.minimum, field.maximum), edges), label=name)


@given(data=st.data(), price=prices, seed=st.integers(0, 2**32), elapsed=st.integers(-100, 2**34))
def test_INV_10_live_marks_equal_the_reference(
    world: EngineWorld, data: st.DataObject, price: int, seed: int, elapsed: int
) -> None:

    page = random_page(random.Random(seed), page_id=0, underlying=0, spot=1000, lane_words=1, rows=1)
    names = ("reference_spot", "funding_x32", "funding_rate_x32", "funding_cap_s")
    head = replace(page.head, as_of=NOW, **{name: drawn(data, name) for name in names})
    kind = data.draw(st.sampled_from(list(Kind)))
    record = replace(
        page.records[0],
        kind=kind,
        mark=drawn(data, "mark"),
        delta_x22=drawn(data, "delta_x22"),
        gamma_spot_x10=drawn(data, "gamma_spot_x10"),
        strike=drawn(data, "strike"),
    )
    words = [
        pack(part, {f.name: getattr(head, f.name, 1) for f in part}, where="head") for part in (HEAD0, HEAD2)
    ]
    found = world.harness.liveMark(*words, price, NOW + elapsed, record.word)
    assert tuple(found) == live_mark(record, spot_state(head, price=price, now=NOW + elapsed))
