"""What a manifest and its pages must look like to be put in force, and that nothing of it takes effect otherwise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from eth_utils import keccak
from tests.support.evm import Revert
from tests.support.oracle_world import GOVERNOR, GUARDIAN, TICK, OracleWorld, changed, recorded, refused

from seawall.page import init_code_hash, pack_page, staged_address
from seawall.page.decode import Page
from seawall.page.layout import DELTA_ONE


@pytest.fixture(scope="module")
def deployed() -> OracleWorld:
    world = OracleWorld()
    world.publish()
    world.wait(600)
    return world


@pytest.fixture
def world(deployed: OracleWorld) -> Iterator[OracleWorld]:
    with deployed.evm.isolated():
        yield deployed


# The manifest


def test_INV_13_epochs_strictly_increase(world: OracleWorld) -> None:
    refused(world, "EpochNotIncreasing", epoch=1)
    refused(world, "EpochNotIncreasing", epoch=0)
    world.publish(epoch=9)
    world.wait(12)
    refused(world, "EpochNotIncreasing", epoch=9)
    refused(world, "EpochNotIncreasing", epoch=1 << 40)
    refused(world, "EpochTooFar", epoch=10 + (1 << 20))


def test_INV_13_the_time_of_observation_strictly_increases(world: OracleWorld) -> None:
    _, as_of, _, _ = world.oracle.currentManifest()
    refused(world, "AsOfNotIncreasing", as_of=as_of)
    refused(world, "AsOfNotIncreasing", as_of=as_of - 1)


def test_an_observation_from_the_future_is_refused(world: OracleWorld) -> None:
    refused(world, "AsOfInFuture", as_of=world.evm.timestamp + 1)


def test_INV_13_a_manifest_lapses(world: OracleWorld) -> None:
    manifest = world.propose()
    world.wait(1_800)
    world.oracle.previewActivate(manifest.as_tuple())
    world.wait(1)
    with pytest.raises(Revert, match="ManifestExpired"):
        world.activate(manifest)


def test_a_manifest_cannot_be_valid_for_longer_than_half_an_hour(world: OracleWorld) -> None:
    refused(world, "ValidityTooLong", valid_until=world.evm.timestamp + 1_801)


def test_a_manifest_that_ends_before_it_begins_has_lapsed(world: OracleWorld) -> None:
    refused(world, "ManifestExpired", valid_until=world.evm.timestamp - 1)


def test_a_manifest_for_another_configuration_is_refused(world: OracleWorld) -> None:
    refused(world, "WrongConfigDigest", config_digest=keccak(text="other"))


@pytest.mark.parametrize("count", [0, 2, 4])
def test_every_listed_page_and_no_other_is_named(world: OracleWorld, count: int) -> None:
    refused(world, "WrongPageCount", ([*world.pages(), world.page(0)])[:count])


def test_nothing_is_activated_while_paused(world: OracleWorld) -> None:
    world.oracle.pauseActivation(sender=GUARDIAN)
    refused(world, "ActivationPaused")
    world.oracle.unpauseActivation(sender=GOVERNOR)
    world.publish()


# The pages


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_INV_15_a_partly_staged_manifest_never_takes_effect(world: OracleWorld, missing: int) -> None:
    pages = world.pages()
    for i, page in enumerate(pages):
        if i != missing:
            world.oracle.stage(pack_page(page))
    failure = refused(world, "PageNotStaged", pages, stage=False)
    assert failure.args_ == (missing, init_code_hash(pack_page(pages[missing])))
    world.oracle.stage(pack_page(pages[missing]))
    world.activate(world.propose(pages, stage=False))


def test_INV_15_all_pages_change_in_one_transaction(world: OracleWorld) -> None:
    before = world.oracle.load(0x020100, 3, False)
    pages = world.pages(ratio_ppm=110_000)
    manifest = world.publish(pages)
    after = world.oracle.load(0x020100, 3, False)
    assert all(old != new for old, new in zip(before, after, strict=True))
    for i, word in enumerate(after[1:]):
        assert word & ((1 << 160) - 1) == int(
            staged_address(manifest.pages[i], oracle=world.oracle.address), 16
        )
        assert (word >> 160) & 0xFF == i
        assert word >> 168 == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"version": 2},
        {"version": 0},
        {"page_id": 0},
        {"underlying": 0},
        {"tick": TICK + 1},
        {"reference_spot": 0},
        {"daily_volume": 0},
        {"max_drift_bps": 0},
        {"max_drift_bps": 501},
        {"lambda_bps": 0},
        {"lambda_bps": 10_001},
        {"as_of": 1_700_000_599},
        {"as_of": 1_700_000_601},
        {"probe_slot": 1},
        {"flags": 2},
    ],
    ids=str,
)
def test_a_page_whose_head_is_off_is_malformed(world: OracleWorld, fields: dict[str, int]) -> None:
    pages = world.pages()
    pages[1] = changed(pages[1], **fields)
    payload = bytearray(pack_page(world.page(1)))
    if fields.get("version", 1) != 1:
        payload[31 - 11] = fields["version"]
        assert refused(world, "PageMalformed", [pages[0], bytes(payload), pages[2]]).args_ == (1,)
        return
    assert refused(world, "PageMalformed", pages).args_ == (1,)


@pytest.mark.parametrize(("word", "byte"), [(0, 0), (0, 2), (1, 0), (1, 5), (2, 0), (2, 7)])
def test_reserved_bits_are_zero(world: OracleWorld, word: int, byte: int) -> None:
    pages: list[Page | bytes] = list(world.pages())
    payload = bytearray(pack_page(world.page(2)))
    payload[32 * word + byte] = 1
    pages[2] = bytes(payload)
    refused(world, "PageMalformed", pages)


@pytest.mark.parametrize("edit", ["shorter", "longer", "head only", "empty", "one more atom", "one more row"])
def test_a_page_whose_length_is_off_is_malformed(world: OracleWorld, edit: str) -> None:
    pages: list[Page | bytes] = list(world.pages())
    payload = bytearray(pack_page(world.page(0)))
    if edit == "shorter":
        payload = payload[:-1]
    if edit == "longer":
        payload += b"\0"
    if edit == "head only":
        payload = payload[:128]
    if edit == "empty":
        payload = bytearray()
    if edit == "one more atom":
        payload[31 - 6] += 1
    if edit == "one more row":
        payload[31 - 5] += 1
    pages[0] = bytes(payload)
    refused(world, "PageMalformed", pages)


def test_all_pages_have_the_same_number_of_lanes(world: OracleWorld) -> None:
    pages = world.pages()
    wider = recorded(changed(pages[2], lane_words=2), lanes=(0,) * 32)
    refused(world, "PageMalformed", [*pages[:2], wider])
    none = [recorded(changed(page, lane_words=0), lanes=()) for page in pages]
    refused(world, "PageMalformed", none)
    world.publish([recorded(changed(page, lane_words=4), lanes=(5,) * 64) for page in pages])


@pytest.mark.parametrize(
    "field",
    [
        "maintenance_factor_bps",
        "initial_net_floor_bps",
        "initial_gross_floor_bps",
        "maintenance_net_floor_bps",
        "maintenance_gross_floor_bps",
        "open_interest_divisor",
        "open_interest_cap_percent",
    ],
)
def test_every_page_carries_the_factors(world: OracleWorld, field: str) -> None:
    pages = world.pages()
    pages[2] = changed(pages[2], **{field: getattr(pages[2].head, field) + 1})
    assert refused(world, "FactorsMismatch", pages).args_ == (2,)


def test_reserved_bits_of_the_factors_are_zero(world: OracleWorld) -> None:
    pages: list[Page | bytes] = list(world.pages())
    payload = bytearray(pack_page(world.page(0)))
    payload[96] = 1
    pages[0] = bytes(payload)
    refused(world, "FactorsMismatch", pages)


@pytest.mark.parametrize(
    "terms", [{"kind": 2}, {"shift": 1}, {"generation": 2}, {"strike": 1}, {"expiry_hour": 1}], ids=str
)
def test_records_have_the_terms_that_were_listed(world: OracleWorld, terms: dict[str, int]) -> None:
    pages = world.pages()
    pages[1] = recorded(pages[1], **terms)
    failure = refused(world, "TermsMismatch", pages)
    assert failure.args_[0] == 1
    assert failure.args_[2] == world.registry.pageInfo(1).termsHash


def test_a_listing_waits_for_a_manifest_that_holds_it(world: OracleWorld) -> None:
    world.registry.listInstrument(1, 1, 0, 0, 0, sender=GOVERNOR)
    refused(world, "PageMalformed")
    pages = world.pages()
    pages[1] = world.page(1, rows=2)
    world.publish(pages)
    assert world.oracle.load(1, 1, False)[1] >> 168 == 2


@pytest.mark.parametrize(
    "slope",
    [
        {"delta_x22": DELTA_ONE * 102 // 100 + 1},
        {"delta_x22": -DELTA_ONE},
        {"gamma_spot_x10": 1},
        {"gamma_spot_x10": -1},
    ],
    ids=str,
)
def test_a_perpetual_follows_the_spot_one_to_one(world: OracleWorld, slope: dict[str, int]) -> None:
    pages = world.pages()
    pages[0] = recorded(pages[0], **slope)
    refused(world, "PageMalformed", pages)


def test_pages_of_one_underlying_agree_on_everything_but_their_own(world: OracleWorld) -> None:
    assert world.registry.addPage(0, sender=GOVERNOR) == 3
    world.registry.listInstrument(3, 1, 0, 0, 0, sender=GOVERNOR)
    second = changed(world.page(0), page_id=3)
    for field in ("half_spread_x32", "funding_x32", "funding_rate_x32", "reference_spot", "max_drift_bps"):
        odd = changed(second, **{field: getattr(second.head, field) - (0 if "funding" in field else 1)})
        odd = changed(odd, funding_x32=1) if field == "funding_x32" else odd
        odd = changed(odd, funding_rate_x32=1) if field == "funding_rate_x32" else odd
        assert refused(world, "PageMalformed", [*world.pages(), odd]).args_ == (3,)
    world.publish([*world.pages(), second])


def test_an_empty_page_stops_nothing(world: OracleWorld) -> None:
    world.list_underlying(3)
    world.registry.addPage(3, sender=GOVERNOR)
    empty = changed(world.page(0, rows=0), page_id=3, underlying=3)
    world.publish([*world.pages(), empty])
    assert world.oracle.tryRatio(3).status == 1


# Staging


def test_staging_is_open_and_addressed_by_content(world: OracleWorld) -> None:
    payload = b"\xefany bytes" * 7
    where = world.oracle.stage(payload)
    assert where == world.oracle.stage(payload)
    assert where == world.oracle.pageAddress(init_code_hash(payload))
    assert where == staged_address(init_code_hash(payload), oracle=world.oracle.address)
    assert bytes(world.evm.engine.get_code(where)).rstrip(b"\0") == (b"\0" + payload).rstrip(b"\0")


def test_the_largest_page_fits_and_one_byte_more_does_not(world: OracleWorld) -> None:
    world.oracle.stage(b"\1" * 24_575)
    assert world.evm.gas_used < 6_000_000
    with pytest.raises(Revert, match="StageFailed"):
        world.oracle.stage(b"\1" * 24_576)
