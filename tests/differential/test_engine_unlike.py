"""Accounts under manifests that have little in common, with certificates of any kind, equal the reference to a unit."""

from __future__ import annotations

import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st
from tests.differential.test_engine_margin import assert_same, expected
from tests.differential.test_engine_proofs import assess, equal_or_refused, health, same_health, standing
from tests.support.engine_cases import EngineCase, engine_case
from tests.support.engine_world import EngineWorld

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
