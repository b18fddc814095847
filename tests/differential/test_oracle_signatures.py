"""Who may put a manifest in force."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pyrevm
import pytest
from eth_utils import keccak
from tests.support import oracle_world
from tests.support.evm import Evm, Revert
from tests.support.oracle_world import BOUNDS, FACTORS, GOVERNOR, GUARDIAN, OracleWorld, keys

from seawall.page import manifest_domain, recover, sign

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@pytest.fixture(scope="module")
def deployed() -> OracleWorld:
    return OracleWorld()


@pytest.fixture
def world(deployed: OracleWorld) -> Iterator[OracleWorld]:
    with deployed.evm.isolated():
        yield deployed


def fails(world: OracleWorld, signatures: bytes, error: str) -> None:
    manifest = world.propose()
    with pytest.raises(Revert) as caught:
        world.activate(manifest, signatures)
    assert caught.value.name == error
    assert world.oracle.currentManifest().epoch == 0


def test_INV_13_exactly_k_signatures_of_current_signers_suffice(world: OracleWorld) -> None:
    world.activate(world.propose())
    assert world.oracle.currentManifest().epoch == 1


def test_more_than_k_signatures_are_taken(world: OracleWorld) -> None:
    manifest = world.propose()
    world.activate(manifest, world.signed(manifest, world.keys))
    assert world.oracle.currentManifest().epoch == 1


def test_INV_13_fewer_than_k_signatures_are_refused(world: OracleWorld) -> None:
    fails(world, world.signed(world.propose(), world.keys[:2]), "TooFewSignatures")
    fails(world, b"", "TooFewSignatures")


def test_INV_13_one_signer_does_not_count_twice(world: OracleWorld) -> None:
    one = world.keys[0]
    fails(world, world.signed(world.propose(), [one, one, one]), "SignersUnsorted")


def test_signers_out_of_order_are_refused(world: OracleWorld) -> None:
    fails(world, world.signed(world.propose(), world.keys[2::-1]), "SignersUnsorted")


def test_INV_13_a_stranger_is_refused(world: OracleWorld) -> None:
    signers = sorted([*world.keys[:2], keys(1, "stranger")[0]], key=lambda key: int(key.address, 16))
    fails(world, world.signed(world.propose(), signers), "NotSigner")


def test_INV_13_a_removed_signer_is_refused_even_over_the_new_configuration(world: OracleWorld) -> None:
    world.oracle.removeSigner(world.keys[0].address, sender=GUARDIAN)
    fails(world, world.signed(world.propose(), world.keys[:3]), "NotSigner")
    manifest = world.propose()
    world.activate(manifest, world.signed(manifest, world.keys[1:4]))


def test_the_upper_s_is_refused(world: OracleWorld) -> None:
    good = world.signed(world.propose())
    s = int.from_bytes(good[32:64], "big")
    mirrored = good[:32] + (CURVE_ORDER - s).to_bytes(32, "big") + bytes([55 - good[64]])
    fails(world, mirrored + good[65:], "ECDSAInvalidSignatureS")


def test_a_signature_that_recovers_to_nobody_is_refused(world: OracleWorld) -> None:
    good = world.signed(world.propose())
    fails(world, good[:64] + b"\x02" + good[65:], "ECDSAInvalidSignature")
    fails(world, good[:-1], "SignatureLength")


def test_INV_13_signatures_for_another_chain_are_worthless(world: OracleWorld) -> None:
    fails(world, world.signed(world.propose(), chain_id=2), "NotSigner")


def test_INV_13_signatures_are_bound_to_the_chain_that_runs_the_contract(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the chain has another number, the same signatures over the first are worth nothing."""
    tenth = pyrevm.Env(cfg=pyrevm.CfgEnv(chain_id=10))
    engine = pyrevm.EVM(env=tenth, spec_id="CANCUN")
    monkeypatch.setattr(oracle_world, "Evm", partial(Evm, engine=engine))
    elsewhere = OracleWorld()
    fails(elsewhere, elsewhere.signed(elsewhere.propose(), chain_id=1), "NotSigner")
    manifest = elsewhere.propose()
    elsewhere.activate(manifest, elsewhere.signed(manifest, chain_id=10))
    assert elsewhere.oracle.currentManifest().epoch == 1


def test_INV_13_signatures_for_another_contract_are_worthless(world: OracleWorld) -> None:
    fails(world, world.signed(world.propose(), oracle=world.feed.address), "NotSigner")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda w: w.oracle.setBounds(0, (1, *BOUNDS[1:]), sender=GOVERNOR), id="bounds"),
        pytest.param(lambda w: w.oracle.setFactors((7_999, *FACTORS[1:]), sender=GOVERNOR), id="factors"),
        pytest.param(
            lambda w: w.oracle.removeSigner(w.keys[4].address, sender=GUARDIAN), id="signer removed"
        ),
        pytest.param(
            lambda w: w.oracle.setSigners([k.address for k in w.keys], 2, sender=GOVERNOR), id="threshold"
        ),
    ],
)
def test_INV_13_any_change_of_the_configuration_voids_what_was_signed_before(
    world: OracleWorld, change
) -> None:
    manifest = world.propose()
    signatures = world.signed(manifest, world.keys[:4])
    change(world)
    with pytest.raises(Revert, match="WrongConfigDigest"):
        world.activate(manifest, signatures)


def test_the_digest_is_what_the_keepers_compute(world: OracleWorld) -> None:
    manifest = world.propose()
    domain = manifest_domain(chain_id=1, oracle=world.oracle.address)
    assert world.oracle.manifestDigest(manifest.as_tuple()) == manifest.digest(domain)


@pytest.mark.parametrize(
    ("chosen", "threshold", "error"),
    [
        ([0, 1], 0, "ThresholdOutOfRange"),
        ([0, 1], 3, "ThresholdOutOfRange"),
        ([], 1, "ThresholdOutOfRange"),
        ([1, 0], 1, "SignersUnsorted"),
        ([0, 0], 1, "SignersUnsorted"),
    ],
)
def test_a_signer_set_that_cannot_work_is_refused(
    world: OracleWorld, chosen: list[int], threshold: int, error: str
) -> None:
    with pytest.raises(Revert, match=error):
        world.oracle.setSigners([world.keys[i].address for i in chosen], threshold, sender=GOVERNOR)


def test_the_zero_address_cannot_sign(world: OracleWorld) -> None:
    with pytest.raises(Revert, match="SignersUnsorted"):
        world.oracle.setSigners(["0x" + "00" * 20, world.keys[0].address], 1, sender=GOVERNOR)


def test_replaced_signers_no_longer_sign(world: OracleWorld) -> None:
    fresh = keys(2, "successor")
    world.oracle.setSigners([key.address for key in fresh], 1, sender=GOVERNOR)
    assert world.oracle.signers() == [key.address for key in fresh]
    assert world.oracle.quorum() == 1
    fails(world, world.signed(world.propose(), world.keys[:1]), "NotSigner")
    manifest = world.propose()
    world.activate(manifest, world.signed(manifest, fresh[:1]))


def test_the_guardian_removes_signers_only_down_to_the_threshold(world: OracleWorld) -> None:
    world.oracle.removeSigner(world.keys[1].address, sender=GUARDIAN)
    world.oracle.removeSigner(world.keys[4].address, sender=GUARDIAN)
    assert world.oracle.signers() == [world.keys[i].address for i in (0, 2, 3)]
    with pytest.raises(Revert, match="ThresholdOutOfRange"):
        world.oracle.removeSigner(world.keys[0].address, sender=GUARDIAN)
    with pytest.raises(Revert, match="NotSigner"):
        world.oracle.removeSigner(world.keys[1].address, sender=GUARDIAN)


def test_two_manifests_of_one_epoch_prove_equivocation(world: OracleWorld) -> None:
    first, second = world.propose(), world.propose(inputs_hash=keccak(text="other"))
    liar = world.keys[:1]
    one, two = world.signed(first, liar), world.signed(second, liar)
    world.oracle.reportEquivocation(first.as_tuple(), one, second.as_tuple(), two)
    ((name, proof),) = world.evm.events(world.oracle)
    assert (name, proof.signer.lower(), proof.epoch) == ("EquivocationProven", liar[0].address.lower(), 1)


@pytest.mark.parametrize("flaw", ["same manifest", "other epoch", "other signer", "stranger"])
def test_what_is_not_equivocation_is_refused(world: OracleWorld, flaw: str) -> None:
    first = world.propose()
    second = first if flaw == "same manifest" else world.propose(model_hash=keccak(text="other"))
    if flaw == "other epoch":
        second = world.propose(epoch=2)
    signer = keys(1, "stranger")[0] if flaw == "stranger" else world.keys[0]
    other = world.keys[1] if flaw == "other signer" else signer
    with pytest.raises(Revert, match="NotEquivocation"):
        world.oracle.reportEquivocation(
            first.as_tuple(), world.signed(first, [signer]), second.as_tuple(), world.signed(second, [other])
        )


def test_signatures_of_python_recover_to_the_same_keys(world: OracleWorld) -> None:
    digest = keccak(text="digest")
    assert recover(digest, sign(digest, world.keys[0].key)) == world.keys[0].address
