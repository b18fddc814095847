"""Keepers publish through Ape: staged bytes, real signatures, one activation."""

from __future__ import annotations

import ape
import pytest
from ape.api import AccountAPI
from tests.ape.world import World

from seawall.page import manifest_domain


def test_a_manifest_with_a_quorum_of_signatures_comes_into_force(world: World) -> None:
    receipt = world.publish()
    event = next(iter(receipt.decode_logs(world.oracle.ManifestActivated)))
    assert event.epoch == world.epoch == world.oracle.currentManifest().epoch


def test_anyone_may_stage_and_activate_what_keepers_signed(world: World, attacker: AccountAPI) -> None:
    manifest, payloads = world.manifest()
    for payload in payloads:
        world.oracle.stage(payload, sender=attacker)
    world.oracle.activate(manifest.as_tuple(), world.signatures(manifest), sender=attacker)
    assert world.oracle.currentManifest().epoch == manifest.epoch


def test_the_contract_hashes_a_manifest_as_keepers_do(world: World) -> None:
    manifest, _ = world.manifest()
    domain = manifest_domain(chain_id=world.chain.chain_id, oracle=world.oracle.address)
    assert world.oracle.manifestDigest(manifest.as_tuple()) == manifest.digest(domain)


def test_INV_13_too_few_or_foreign_signatures__revert(world: World, attacker: AccountAPI) -> None:
    manifest, payloads = world.manifest()
    for payload in payloads:
        world.oracle.stage(payload, sender=attacker)
    with ape.reverts(world.oracle.TooFewSignatures, given=1, needed=2):
        one = world.signatures(manifest, world.keepers[:1])
        world.oracle.activate(manifest.as_tuple(), one, sender=attacker)
    with ape.reverts(world.oracle.NotSigner, given=attacker.address):
        foreign = world.signatures(manifest, [attacker, world.keepers[-1]])
        world.oracle.activate(manifest.as_tuple(), foreign, sender=attacker)


def test_INV_13_the_same_manifest_twice__reverts(world: World, attacker: AccountAPI) -> None:
    manifest, payloads = world.manifest()
    for payload in payloads:
        world.oracle.stage(payload, sender=attacker)
    arguments = manifest.as_tuple(), world.signatures(manifest)
    world.oracle.activate(*arguments, sender=attacker)
    with ape.reverts(world.oracle.EpochNotIncreasing, given=manifest.epoch, current=manifest.epoch):
        world.oracle.activate(*arguments, sender=attacker)


def test_INV_15_a_manifest_staged_in_part__reverts(world: World, attacker: AccountAPI) -> None:
    before = world.oracle.currentManifest()
    world.chain.mine(timestamp=world.now + 100)
    world.push()
    manifest, payloads = world.manifest()
    world.oracle.stage(payloads[0], sender=attacker)
    with ape.reverts(world.oracle.PageNotStaged, pageId=1):
        world.oracle.activate(manifest.as_tuple(), world.signatures(manifest), sender=attacker)
    assert world.oracle.currentManifest() == before


def test_margins_rise_with_risk(world: World, trader: AccountAPI, maker: AccountAPI) -> None:
    account = world.open(trader, 2_000)
    world.open(maker, 100_000)
    world.trade(trader, maker, 50)
    calm, ratio = world.margin(account), world.oracle.initialMarginRatio(0)
    world.markets[0].risk_scale = 1.4
    world.advance(600)
    world.publish()
    stressed = world.margin(account)
    assert stressed.initial > 1.3 * calm.initial
    assert stressed.maintenance > 1.3 * calm.maintenance
    assert world.oracle.initialMarginRatio(0) > 1.3 * ratio


def test_INV_14_a_margin_that_doubles_at_once__reverts(world: World) -> None:
    world.markets[0].risk_scale = 3
    with ape.reverts(world.oracle.ProbeRoseTooFast, underlying=0):
        world.publish()


def test_the_guardian_pauses_activation(world: World, attacker: AccountAPI) -> None:
    with ape.reverts(world.oracle.AccessManagedUnauthorized):
        world.oracle.pauseActivation(sender=attacker)
    world.oracle.pauseActivation(sender=world.guardian)
    with ape.reverts(world.oracle.ActivationPaused):
        world.publish()


@pytest.mark.parametrize(
    ("role", "function"),
    [("oracle", "unpauseActivation"), ("oracle", "dropCurrent"), ("vault", "unpauseTrading")],
)
def test_a_stranger_governs_nothing(world: World, attacker: AccountAPI, role: str, function: str) -> None:
    contract = getattr(world, role)
    with ape.reverts(contract.AccessManagedUnauthorized):
        getattr(contract, function)(sender=attacker)
