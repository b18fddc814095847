"""Accounts under manifests that have little in common, with certificates of any kind, equal the reference to a unit."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st
from tests.differential.test_engine_margin import assert_same, expected
from tests.differential.test_engine_proofs import (
    assess,
    equal_or_refused,
    health,
    proven,
    same_health,
    standing,
)
from tests.support.engine_bench import sized_scene
from tests.support.engine_cases import EngineCase, engine_case
from tests.support.engine_world import EngineWorld

from seawall.reference.book import Book, Position
from seawall.reference.certificate import EMPTY
from seawall.reference.rejection import Rejected

cases = st.integers(0, 2**32).map(engine_case)


@pytest.fixture(scope="module")
def world() -> EngineWorld:
    return EngineWorld()


@given(case=cases)
@example(case=engine_case(7))  # a basket of nothing on a page that the manifest lacks
@example(case=engine_case(713))  # a net notional beyond all that is real
def test_INV_10_margins_under_unlike_manifests_equal_the_reference(
    world: EngineWorld, case: EngineCase
) -> None:
    with world.evm.isolated():
        case.stage(world)
        for baseline in (False, True):
            for one in dict.fromkeys((EMPTY, *case.certificates)):
                equal_or_refused(
                    lambda one=one, baseline=baseline: world.assess(certificate=one, baseline=baseline),
                    lambda one=one, baseline=baseline: expected(
                        case.scene, certificate=one, baseline=baseline
                    ),
                    assert_same,
                )


@given(case=cases, missing=st.integers(0, 1), baseline=st.booleans(), initial=st.booleans())
def test_INV_10_health_under_unlike_manifests_equals_the_reference(
    world: EngineWorld, case: EngineCase, missing: int, baseline: bool, initial: bool
) -> None:
    """The account just meets or just fails what one of the manifests requires, or has what it has."""
    shown = list(case.certificates)
    with world.evm.isolated():
        case.stage(world)
        try:
            margin = assess(case.scene, shown, baseline=baseline)
            raised = -(-margin.maintenance * (2**32 + margin.drift_x32 * baseline) >> 32)
            cash = case.scene.cash - margin.equity - missing + (margin.initial if initial else raised)
            if abs(cash) < 2**103:
                case = case.with_cash(world, cash)
        except Rejected:
            event("no margin")
        scene = case.scene
        equal_or_refused(lambda: world.health(shown), lambda: health(scene, shown), same_health)
        equal_or_refused(lambda: world.standing(shown), lambda: standing(scene, shown), assert_same)


@pytest.mark.parametrize("apart", [False, True])
def test_what_one_book_shown_leaves_is_gone_when_the_next_is_taken(world: EngineWorld, apart: bool) -> None:
    """Both books hold one more instrument than the account; what the baseline proves decides."""
    scene = sized_scene(5)
    assert scene.current is not None
    (page, held), *_ = scene.book.pages.items()
    records = scene.current.pages[page].records
    free = [slot for slot in range(len(records)) if slot not in {p.slot for p in held}]
    more = [Position(slot, records[slot].generation, 1_000) for slot in (free[0], free[int(apart)])]
    books = [Book({**scene.book.pages, page: [*held, one]}) for one in more]
    current, young = proven(replace(scene.current, mature=False), books[0], 2**80)
    baseline, old = proven(replace(scene.current, mature=True), books[1], 2**70)
    scene = replace(scene, cash=0, current=current, baseline=baseline)
    with world.evm.isolated():
        world.stage(scene)
        wanted = health(scene, [young, old])
        equity, maintenance, *_ = world.health([young, old])
    assert (equity, maintenance) == (wanted.equity, wanted.maintenance)
    assert 2**69 < maintenance < 2**71
