"""Price batches through Ape: a quorum, newer than the last, near the anchor."""

from __future__ import annotations

import ape
from ape.api import AccountAPI
from tests.ape.world import World


def test_a_push_by_anyone_moves_prices(world: World, attacker: AccountAPI) -> None:
    world.markets[0].spot = world.markets[0].spot * 101 // 100
    world.push(anchor=True)
    assert world.feed.price(0)[0] == world.markets[0].spot
    batch = world.batch(world.feed, world.keepers[:2], [market.spot for market in world.markets])
    world.feed.push(*batch, sender=attacker)
    assert world.feed.price(0)[1] == batch[2][0][0]


def test_a_price_of_one_signer__reverts(world: World) -> None:
    batch = world.batch(world.feed, world.keepers[:1], [market.spot for market in world.markets])
    with ape.reverts(world.feed.TooFewSignatures, given=1, needed=2):
        world.feed.push(*batch, sender=world.deployer)


def test_a_batch__pushed_twice__reverts(world: World) -> None:
    batch = world.batch(world.feed, world.keepers[:2], [market.spot for market in world.markets])
    world.feed.push(*batch, sender=world.deployer)
    with ape.reverts(world.feed.BatchNotNewer):
        world.feed.push(*batch, sender=world.deployer)


def test_signatures_for_one_feed_are_void_for_another(world: World) -> None:
    batch = world.batch(world.anchor_feed, world.keepers[:2], [market.spot for market in world.markets])
    with ape.reverts(world.feed.NotSigner):
        world.feed.push(*batch, sender=world.deployer)


def test_INV_16_a_price_far_from_the_anchor_is_skipped_and_the_other_is_taken(world: World) -> None:
    before = world.feed.price(0)
    spot = world.markets[0].spot * 2
    batch = world.batch(world.feed, world.keepers[:2], [spot, world.markets[1].spot])
    receipt = world.feed.push(*batch, sender=world.deployer)
    skipped = list(receipt.decode_logs(world.feed.PriceSkipped))
    assert [event.underlying for event in skipped] == [0]
    assert world.feed.price(0) == before
    assert world.feed.price(1)[1] == batch[2][0][0]
