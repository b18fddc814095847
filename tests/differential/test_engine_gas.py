"""What a health view and an assessment with a certificate cost when nothing is warm."""

from __future__ import annotations

import pytest
from tests.support.engine_bench import atoms_certificate, sized_scene
from tests.support.engine_world import EngineWorld

# Measured values, rounded up; those aimed at are 48,000 / 75,000 / 140,000 / 215,000 / 365,000.
HEALTH_LIMITS = {1: 43_500, 8: 74_500, 32: 125_300, 64: 183_600, 128: 350_400}


@pytest.fixture(scope="module")
def world() -> EngineWorld:
    return EngineWorld()


@pytest.mark.parametrize(("count", "limit"), HEALTH_LIMITS.items())
def test_a_health_view_costs_at_most(world: EngineWorld, count: int, limit: int) -> None:
    with world.evm.isolated():
        world.stage(sized_scene(count))
        assert world.gas() <= limit


def test_an_atom_costs_at_most_four_thousand(world: EngineWorld) -> None:
    with world.evm.isolated():
        world.stage(sized_scene(64))
        bare, hedged = (world.gas(certificate=atoms_certificate(count)) for count in (1, 9))
        assert hedged - bare <= 8 * 4_000
