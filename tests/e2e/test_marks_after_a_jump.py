"""A jump that no page foresaw: keepers go on, and a far option reaches its value a baseline later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from seawall.demo.dated import DatedPlan, LegPlan
from seawall.demo.opening import open_world
from seawall.demo.settings import DemoSettings
from seawall.demo.world import World
from seawall.errors import QuorumError
from seawall.keeper import KeeperSettings, run_round
from seawall.margin.settings import LaneSettings, ModelSettings
from seawall.market import embedded_bars

START = 1_516_060_800  # 2018-01-16 00:00 UTC
BAR_S = 1_800
SYMBOLS = ("BTC", "ETH")
JUMP = 1.5
PLAN = DatedPlan(moneyness=(1.0, 1.7), before_end_h=2, days=(10,))
FAR_CALL = PLAN.slot(LegPlan(symbol="BTC", kind="call", moneyness=1.7, expiry=0))
SETTINGS = KeeperSettings(
    model=ModelSettings(
        probe_books=8,
        lanes=LaneSettings(lanes=16, iterations=2, adversary_starts=1, random_design_books=8),
    )
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    bars = embedded_bars(SYMBOLS)
    late = bars.known_at > START + 4 * BAR_S
    bars = replace(bars, closes=bars.closes * np.where(late, JUMP, 1.0)[:, None])
    settings = DemoSettings(symbols=SYMBOLS, cast=(), keeper=SETTINGS, dated=PLAN)
    last = START + 200 * 3600
    folder = tmp_path_factory.mktemp("jump")
    with open_world(bars, settings, first_s=START, last_s=last, people=(), state_dir=folder) as world:
        world.story_time = START
        yield world


def publish(world: World, *, judged: bool = True) -> tuple[tuple[int, int], ...]:
    """Put a manifest of the next bar in force, return what is held in it; if not `judged`, keepers hold nothing."""
    world.story_time += BAR_S
    world.move_to(world.story_time)
    world.push(world.view())
    view = seen = world.view()
    if not judged:
        seen = replace(view, pages=tuple(replace(page, compared=None) for page in view.pages))
    computed = [world.keepers[0].compute(seen, time_s=world.story_time)] * len(world.keepers)
    done = run_round(world.system, world.relayer, world.keepers, computed, view)
    assert not done.refusals
    return tuple((held.page, held.slot) for held in computed[0].held)


def far_mark(world: World) -> int:
    page = world.view().pages[0].current
    assert page is not None
    return page.records[FAR_CALL].mark


def test_keepers_go_on_after_a_jump_and_the_mark_follows(world: World) -> None:
    for _ in range(4):
        assert publish(world) == ()
    with pytest.raises(QuorumError, match=rf"MarkJump\(pageId=0, slot={FAR_CALL}"):
        publish(world, judged=False)
    held, marks = [], []
    for _ in range(4):
        held.append((0, FAR_CALL) in publish(world))
        marks.append(far_mark(world))
    # The baseline is an hour old, two bars: then it has the legs of where the spot is.
    assert held == [True, True, True, False]
    assert marks[-1] > 1.5 * max(marks[:-1])
