import dataclasses
import re

import hypothesis.strategies as st
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak
from hypothesis import given
from pyrevm import EVM, AccountInfo

from seawall.errors import PageError
from seawall.page import (
    Domain,
    Manifest,
    Order,
    PriceBatch,
    feed_domain,
    init_code,
    init_code_hash,
    manifest_domain,
    order_domain,
    pack_signatures,
    recover,
    sign,
    staged_address,
)
from seawall.page.layout import MAX_PAGE_BYTES
from seawall.page.manifest import MANIFEST_TYPE
from seawall.page.typed_data import _ORDER_TYPE, _PRICE_BATCH_TYPE

CONTRACT = "0x" + "5e" * 20
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
words = st.binary(min_size=32, max_size=32)


def unsigned(bits: int) -> st.SearchStrategy[int]:
    return st.integers(0, (1 << bits) - 1)


manifests = st.builds(
    Manifest,
    epoch=unsigned(64),
    as_of=unsigned(64),
    valid_until=unsigned(64),
    config_digest=words,
    book_root=words,
    book_block=unsigned(64),
    inputs_hash=words,
    model_hash=words,
    pages=st.lists(words, max_size=4).map(tuple),
)
batches = st.builds(
    PriceBatch,
    observed_at=unsigned(64),
    packed_underlyings=unsigned(256),
    prices=st.lists(unsigned(64), max_size=5).map(tuple),
)
orders = st.builds(
    Order,
    account=words,
    page=unsigned(8),
    slot=unsigned(8),
    generation=unsigned(16),
    lots=st.integers(-(1 << 63), (1 << 63) - 1),
    price_ticks=unsigned(64),
    max_fee=unsigned(128),
    expiry=unsigned(40),
    nonce=unsigned(64),
    reduce_only=st.booleans(),
)


def independent_digest(domain: Domain, declaration: str, values: tuple) -> bytes:
    name, _, members = declaration[:-1].partition("(")
    listed = [member.split() for member in members.split(",")]
    types = {name: [{"name": member, "type": kind} for kind, member in listed]}
    message = {
        member: list(value) if isinstance(value, tuple) else value
        for (_, member), value in zip(listed, values, strict=True)
    }
    fields = {
        "name": domain.name,
        "version": domain.version,
        "chainId": domain.chain_id,
        "verifyingContract": domain.verifying_contract,
    }
    signable = encode_typed_data(fields, types, message)
    return keccak(b"\x19" + signable.version + signable.header + signable.body)


@given(manifest=manifests, chain_id=st.integers(1, 1 << 64))
def test_manifest_digests_are_those_of_an_independent_encoder(manifest: Manifest, chain_id: int) -> None:
    domain = manifest_domain(chain_id=chain_id, oracle=CONTRACT)
    assert manifest.digest(domain) == independent_digest(domain, MANIFEST_TYPE, manifest.as_tuple())


@given(batch=batches, order=orders)
def test_batch_and_order_digests_are_those_of_an_independent_encoder(batch: PriceBatch, order: Order) -> None:
    feed, venue = feed_domain(chain_id=1, feed=CONTRACT), order_domain(chain_id=1, venue=CONTRACT)
    values = (batch.observed_at, batch.packed_underlyings, batch.prices)
    assert batch.digest(feed) == independent_digest(feed, _PRICE_BATCH_TYPE, values)
    assert order.digest(venue) == independent_digest(venue, _ORDER_TYPE, order.as_tuple())


@pytest.mark.parametrize(
    ("declaration", "interface", "struct"),
    [(MANIFEST_TYPE, "IMarginOracle", "Manifest"), (_ORDER_TYPE, "IOrderVenue", "Order")],
)
def test_type_strings_list_the_members_of_the_solidity_structs(
    declaration: str, interface: str, struct: str
) -> None:
    from pathlib import Path

    source = Path(__file__).resolve().parents[3] / "contracts" / "interfaces" / f"{interface}.sol"
    body = re.search(rf"^struct {struct} {{(.*?)}}", source.read_text(), re.M | re.S)
    assert body
    members = re.findall(r"^\s*([\w\[\]]+ \w+);", body[1], re.M)
    assert declaration == f"{struct}({','.join(members)})"


@given(manifest=manifests, field=st.sampled_from([f.name for f in dataclasses.fields(Manifest)]))
def test_changing_any_field_of_a_manifest_changes_its_digest(manifest: Manifest, field: str) -> None:
    domain = manifest_domain(chain_id=1, oracle=CONTRACT)
    old = getattr(manifest, field)
    new = old ^ 1 if isinstance(old, int) else (*old, b"\1" * 32) if isinstance(old, tuple) else keccak(old)
    assert dataclasses.replace(manifest, **{field: new}).digest(domain) != manifest.digest(domain)


def test_a_signature_is_void_on_another_chain_and_contract() -> None:
    batch = PriceBatch(observed_at=1, packed_underlyings=0, prices=(5,))
    digests = {
        batch.digest(domain)
        for domain in (
            feed_domain(chain_id=1, feed=CONTRACT),
            feed_domain(chain_id=2, feed=CONTRACT),
            feed_domain(chain_id=1, feed="0x" + "11" * 20),
            manifest_domain(chain_id=1, oracle=CONTRACT),
        )
    }
    assert len(digests) == 4


def test_a_value_that_does_not_fit_its_type_is_named() -> None:
    batch = PriceBatch(observed_at=1 << 64, packed_underlyings=0, prices=())
    with pytest.raises(PageError, match="observedAt is 18446744073709551616, allowed are 0 to"):
        batch.struct_hash()
    with pytest.raises(PageError, match=re.escape("prices[1] is -1")):
        PriceBatch(observed_at=1, packed_underlyings=0, prices=(1, -1)).struct_hash()


keys = st.integers(1, 1 << 200).map(lambda k: k.to_bytes(32, "big"))


@given(listed=st.lists(keys, min_size=1, max_size=5, unique=True), digest=words)
def test_signatures_recover_and_are_packed_by_signer(listed: list[bytes], digest: bytes) -> None:
    signatures = [sign(digest, key) for key in listed]
    packed = pack_signatures(digest, signatures)
    signers = [recover(digest, packed[at : at + 65]) for at in range(0, len(packed), 65)]
    assert [int(s, 16) for s in signers] == sorted(int(Account.from_key(key).address, 16) for key in listed)


def test_a_signer_who_signed_twice_is_refused() -> None:
    digest, key = keccak(b"digest"), b"\1" * 32
    with pytest.raises(PageError, match="signed twice"):
        pack_signatures(digest, [sign(digest, key), sign(digest, key)])


def test_signatures_that_the_contracts_reject_are_refused() -> None:
    digest, key = keccak(b"digest"), b"\1" * 32
    good = sign(digest, key)
    r, s, v = good[:32], int.from_bytes(good[32:64], "big"), good[64]
    mirrored = r + (CURVE_ORDER - s).to_bytes(32, "big") + bytes([55 - v])
    for bad, message in (
        (mirrored, "not canonical"),
        (good[:64] + b"\x00", "not canonical"),
        (good[:64], "64 bytes, expected 65"),
        (b"\xff" * 32 + good[32:], "recovers to nobody"),
    ):
        with pytest.raises(PageError, match=message):
            recover(digest, bad)


@given(payload=st.binary(max_size=200))
def test_init_code_deploys_a_stop_byte_and_the_payload_at_the_staged_address(payload: bytes) -> None:
    evm = EVM(spec_id="CANCUN")
    deployer = "0x" + "d0" * 20
    evm.insert_account_info(deployer, AccountInfo(balance=10**30))
    code = init_code(payload)
    at = evm.deploy(deployer=deployer, code=code)
    assert bytes(evm.basic(at).code).rstrip(b"\0") == (b"\0" + payload).rstrip(b"\0")
    assert init_code_hash(payload) == keccak(code)
    assert staged_address(init_code_hash(payload), oracle=CONTRACT).startswith("0x")


def test_the_staged_address_is_the_one_of_the_create2_standard() -> None:
    # Third example of EIP-1014, whose salt is zero too.
    code_hash = keccak(b"\0")
    oracle = "0xdeadbeef00000000000000000000000000000000"
    assert staged_address(code_hash, oracle=oracle) == "0xB928f69Bb1D91Cd65274e3c79d8986362984fDA3"


def test_a_payload_longer_than_contract_code_is_refused() -> None:
    assert len(init_code(bytes(MAX_PAGE_BYTES))) == MAX_PAGE_BYTES + 11
    with pytest.raises(PageError, match="24576 bytes, allowed are 24575"):
        init_code(bytes(MAX_PAGE_BYTES + 1))
