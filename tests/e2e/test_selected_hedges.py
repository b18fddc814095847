"""Keepers that hold different selections of hedges agree on every epoch: on the in-process chain."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from seawall.demo.opening import open_world
from seawall.demo.settings import DemoSettings
from seawall.demo.world import World
from seawall.keeper import Keeper, KeeperSettings, SignatureStore, run_round
from seawall.keeper.check import check_proposal
from seawall.keeper.hedges import HedgeFile, HedgeLeg, SelectedHedges
from seawall.margin.settings import LaneSettings, ModelSettings
from seawall.market import embedded_bars

START = 1_516_060_800  # 2018-01-16 00:00 UTC
BAR_S = 1_800
SYMBOLS = ("BTC", "ETH")
SETTINGS = KeeperSettings(
    model=ModelSettings(
        probe_books=8,
        lanes=LaneSettings(lanes=16, iterations=2, adversary_starts=1, random_design_books=8),
    )
)
# The perpetuals against each other, in ratios of their lots; the third keeper's file is malformed.
RATIOS = ((1, 9), (1, 14))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, list[Keeper]]]:
    folder = tmp_path_factory.mktemp("hedges")
    bars = embedded_bars(SYMBOLS)
    settings = DemoSettings(symbols=SYMBOLS, cast=(), keeper=SETTINGS)
    with open_world(bars, settings, first_s=START, last_s=START, people=(), state_dir=folder) as world:
        view = world.view()
        files = [
            HedgeFile(folder / f"hedges-{i}.json", chain_id=view.chain_id, oracle=view.oracle)
            for i in range(3)
        ]
        for file, ratio in zip(files, RATIOS, strict=False):
            file.write(
                SelectedHedges(
                    chain_id=view.chain_id, oracle=view.oracle, as_of=START, hedges=(spread(ratio),)
                )
            )
        (folder / "hedges-2.json").write_text("{")
        keepers = [
            Keeper(
                world.system,
                world.chain.accounts[1 + i],
                store=SignatureStore(folder / f"signed-{i}.sqlite"),
                history=bars.until,
                settings=SETTINGS,
                hedges=files[i].read,
            )
            for i in range(3)
        ]
        world.story_time = START
        yield world, keepers


def spread(ratio: tuple[int, int]) -> tuple[HedgeLeg, ...]:
    """Return so many lots of the first perpetual against so many of the second."""
    return (0, 0, 1, ratio[0]), (1, 0, 1, -ratio[1])


def atoms_in_force(world: World) -> set[frozenset[tuple[int, int]]]:
    """Return the atoms of all pages in force, as (page, lots)."""
    return {
        frozenset((page.page_id if leg.page is None else leg.page, leg.ratio) for leg in atom.legs)
        for page in world.view().pages
        if page.current is not None
        for atom in page.current.atoms
    }


def test_every_leader_posts_its_own_hedges_and_the_others_sign_them(
    stage: tuple[World, list[Keeper]],
) -> None:
    world, keepers = stage
    seen: dict[str, set[frozenset[tuple[int, int]]]] = {}
    for _ in keepers:
        world.story_time += BAR_S
        world.move_to(world.story_time)
        world.push(world.view())
        view = world.view()
        computed = [keeper.compute(view, time_s=world.story_time) for keeper in keepers]
        done = run_round(world.system, world.relayer, keepers, computed, view)
        assert not done.refusals
        assert len(done.signers) == view.quorum
        assert len({own.payloads for own in computed}) == 3
        for own in computed:
            check_proposal(done.proposal, own, view, settings=SETTINGS)
        seen[done.leader] = atoms_in_force(world)
    assert len(seen) == 3
    for keeper, ratio in zip(keepers, RATIOS, strict=False):
        assert seen[keeper.address] == {frozenset({(0, ratio[0]), (1, -ratio[1])})}
    assert seen[keepers[2].address] not in [seen[keeper.address] for keeper in keepers[:2]]
