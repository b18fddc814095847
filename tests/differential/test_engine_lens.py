"""The lens shows what the engine sums."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from tests.support.engine_world import ACCOUNT, NOW, EngineWorld, Scene, scenes
from tests.support.evm import Contract

from seawall.reference.marks import DATED, SETTLED_X16, is_settling
from seawall.reference.state import Flag, Settling


@pytest.fixture(scope="module")
def world() -> EngineWorld:
    return EngineWorld()


@pytest.fixture(scope="module")
def lens(world: EngineWorld) -> Contract:
    return world.evm.deploy("MarginLens", world.harness, world.oracle, world.feed)


@given(scene=scenes(largest=9))
def test_positions_add_up_to_the_equity(world: EngineWorld, lens: Contract, scene: Scene) -> None:
    assume(scene.current is not None)
    prices = {u: price for u, price in scene.prices.items() if price.ticks and NOW - price.observed_at <= 120}
    with world.evm.isolated():
        world.stage(scene)
        margin = world.assess()
        assume(not margin.flags & Flag.STALE)
        views = lens.positions(ACCOUNT)
        assert prices or all(v.flags & Flag.MISSING for v in views)  # what the manifest lacks needs no price
        assert [(v.page, v.slot, v.generation, v.lots) for v in views] == [
            (page, *p) for page, p in scene.book
        ]
        assert scene.cash + sum(v.value for v in views) == margin.equity
        assert bool(margin.flags & Flag.MISSING) == any(v.flags & Flag.MISSING for v in views)


@given(scene=scenes(largest=9))
def test_what_a_later_instrument_replaced_is_shown_to_wait_for_its_settlement(
    world: EngineWorld, lens: Contract, scene: Scene
) -> None:
    with world.evm.isolated():
        world.stage(scene)
        for view in lens.positions(ACCOUNT):
            page = None if scene.current is None else scene.current.pages.get(view.page)
            records = () if page is None else page.records
            later = view.slot < len(records) and records[view.slot].generation > view.generation
            assert view.isReplaced == later
            assert view.flags & Flag.MISSING or not later


@given(scene=scenes(largest=6))
def test_the_book_is_the_one_whose_leaf_keepers_hash(
    world: EngineWorld, lens: Contract, scene: Scene
) -> None:
    with world.evm.isolated():
        world.stage(scene)
        assert tuple(lens.book(ACCOUNT)) == scene.book.words()


@given(scene=scenes(largest=6))
def test_healths_are_those_of_the_vault(world: EngineWorld, lens: Contract, scene: Scene) -> None:
    with world.evm.isolated():
        world.stage(scene)
        equity, maintenance, liquidatable, _ = world.health()
        (one,) = lens.healths([ACCOUNT])
        assert (one.equity, one.maintenance, one.liquidatable) == (equity, maintenance, liquidatable)
        assert len(lens.liquidatable([ACCOUNT])) == liquidatable
        assert lens.summary(ACCOUNT).positions == len(scene.book)


@given(scene=scenes(largest=9))
def test_dated_positions_show_how_far_their_settlement_has_come(
    world: EngineWorld, lens: Contract, scene: Scene
) -> None:
    assume(scene.current is not None)
    assert scene.current is not None
    with world.evm.isolated():
        world.stage(scene)
        for view in lens.positions(ACCOUNT):
            if view.flags & Flag.MISSING:
                continue
            page = scene.current.pages[view.page]
            record = page.records[view.slot]
            dated = record.kind in DATED
            assert (view.strike, view.expiresAt) == (
                (record.strike, record.expiry_hour * 3_600) if dated else (0, 0)
            )
            known = scene.settlements.get((page.head.underlying, record.expiry_hour), Settling())
            begun = is_settling(record, now=NOW)
            assert (view.averageTicks, view.weightX16) == (
                (known.average, known.weight_x16) if begun else (0, 0)
            )
            if begun and known.weight_x16 >= SETTLED_X16:
                assert (view.leg, view.deltaX22) == (0, 0)
