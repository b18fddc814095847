"""What keeps examples apart lets their failures through."""

from __future__ import annotations

import pytest
from ape.api import AccountAPI
from tests.ape.world import TOKEN, World, restored


def test_restored_takes_the_chain_back(world: World, trader: AccountAPI) -> None:
    before = world.chain.blocks.height, world.now
    with restored(world.chain):
        world.token.mint(trader, TOKEN, sender=trader)
        assert world.token.balanceOf(trader) == TOKEN
    assert (world.chain.blocks.height, world.now) == before
    assert world.token.balanceOf(trader) == 0


def test_restored_lets_a_failure_through_and_still_takes_the_chain_back(
    world: World, trader: AccountAPI
) -> None:
    def fail_inside() -> None:
        with restored(world.chain):
            world.token.mint(trader, TOKEN, sender=trader)
            raise AssertionError("on purpose")

    with pytest.raises(AssertionError, match="on purpose"):
        fail_inside()
    assert world.token.balanceOf(trader) == 0


def test_what_keepers_remember_is_taken_back_too(world: World) -> None:
    epoch, spot = world.epoch, world.markets[0].spot
    with world.isolated():
        world.move(0, spot + 1)
        world.publish()
    assert (world.epoch, world.markets[0].spot) == (epoch, spot)
    world.publish()
