"""An oracle with a registry, a scripted feed and keepers' keys, and pages whose every field a test may change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils import function_signature_to_4byte_selector, keccak
from tests.support.evm import DEPLOYER, Contract, Evm, Revert, role

from seawall.page import (
    EMPTY_ROOT,
    Manifest,
    init_code_hash,
    manifest_domain,
    pack_page,
    sign,
)
from seawall.page.decode import Head, Page, Record
from seawall.page.layout import DELTA_ONE, Kind

__all__ = [
    "BOUNDS",
    "CHAIN_ID",
    "FACTORS",
    "GOVERNOR",
    "GRACE_S",
    "GUARDIAN",
    "NOW",
    "SPOTS",
    "TICK",
    "OracleWorld",
    "changed",
    "govern",
    "keys",
    "manager",
    "recorded",
    "refused",
]

CHAIN_ID = 1
NOW = 1_700_000_000
GRACE_S = 3_600
TICK = 100
SPOTS = (1_000_000, 5_000_000, 40_000_000)  # a part per million is a whole number of ticks
GOVERNOR, GUARDIAN = role("governor"), role("guardian")
FACTORS = (8_000, 200, 20, 100, 5, 10, 100)
# floor, cap, rise an hour, fall a day, basis, funding a day; parts per million
BOUNDS = (30_000, 600_000, 500_000, 30_000, 20_000, 30_000)
_GUARDIAN_FUNCTIONS = ("pauseActivation()", "dropCurrent()", "removeSigner(address)")
_GOVERNOR_FUNCTIONS = (
    "unpauseActivation()",
    "setSigners(address[],uint256)",
    "setBounds(uint256,(uint32,uint32,uint32,uint32,uint32,uint32))",
    "setFactors((uint16,uint16,uint16,uint16,uint16,uint16,uint16))",
    "listUnderlying(bytes32,uint256)",
    "addPage(uint256)",
    "listInstrument(uint256,uint256,uint256,uint256,uint256)",
    "relistInstrument(uint256,uint256,uint256,uint256,uint256,uint256)",
    "setAnchor(uint256,address,uint256)",
    "setAggregator(uint256,address,uint256)",
)


def keys(count: int, kind: str = "keeper") -> list[LocalAccount]:
    """Return the keys of some signers, in increasing order of address."""
    made = [Account.from_key(keccak(text=f"seawall key {kind} {i}")) for i in range(count)]
    return sorted(made, key=lambda key: int(key.address, 16))


def manager(evm: Evm) -> Contract:
    """Deploy the access manager with a governor and a guardian."""
    made = evm.deploy("SeawallAccessManager", DEPLOYER)
    made.grantRole(1, GOVERNOR, 0)
    made.grantRole(2, GUARDIAN, 0)
    return made


def govern(authority: Contract, target: Contract) -> None:
    """Hand a contract's functions to the governor and the guardian."""
    for number, functions in ((1, _GOVERNOR_FUNCTIONS), (2, _GUARDIAN_FUNCTIONS)):
        selectors = [function_signature_to_4byte_selector(function) for function in functions]
        authority.setTargetFunctionRole(target, selectors, number)


def changed(page: Page, **head: int) -> Page:
    """Return a page with other head fields."""
    return replace(page, head=replace(page.head, **head))


def recorded(page: Page, slot: int = 0, **fields: Any) -> Page:
    """Return a page with other fields in one record."""
    records = list(page.records)
    records[slot] = replace(records[slot], **fields)
    return replace(page, records=tuple(records))


class OracleWorld:
    """Three underlyings, a page each, one perpetual on each page; five keepers, three of whom must sign."""

    def __init__(self, *, underlyings: int = 3, quorum: int = 3, keepers: int = 5) -> None:
        self.evm = Evm(timestamp=NOW)
        self.manager = manager(self.evm)
        self.feed = self.evm.deploy("ScriptedFeed")
        self.registry = self.evm.deploy("InstrumentRegistry", self.feed, TICK, self.manager)
        self.oracle = self.evm.deploy("MarginOracle", self.registry, self.feed, self.manager)
        govern(self.manager, self.registry)
        govern(self.manager, self.oracle)
        self.keys = keys(keepers)
        self.quorum = quorum
        self.oracle.setSigners([key.address for key in self.keys], quorum, sender=GOVERNOR)
        self.oracle.setFactors(FACTORS, sender=GOVERNOR)
        for underlying in range(underlyings):
            self.list_underlying(underlying)
            self.registry.addPage(underlying, sender=GOVERNOR)
            self.registry.listInstrument(underlying, Kind.PERPETUAL, 0, 0, 0, sender=GOVERNOR)
        self.underlyings = underlyings
        self.staged: dict[str, bytes] = {}
        self.tell()

    def list_underlying(self, underlying: int) -> None:
        """List an anchored underlying and bound it."""
        self.feed.setAnchored(underlying, True)
        self.registry.listUnderlying(f"U{underlying}".encode().ljust(32, b"\0"), 10**18, sender=GOVERNOR)
        self.oracle.setBounds(underlying, BOUNDS, sender=GOVERNOR)

    def tell(self, prices: Mapping[int, int] | None = None, *, age: int = 0) -> None:
        """Let the feed have prices of now, or of some seconds ago."""
        for underlying, spot in (prices or dict(enumerate(SPOTS[: self.underlyings]))).items():
            self.feed.set(underlying, spot, self.evm.timestamp - age)

    def wait(self, seconds: int) -> None:
        """Let time pass under an unchanged, fresh feed."""
        self.evm.advance(seconds)
        self.tell()

    def page(self, page_id: int, *, ratio_ppm: int = 100_000, spot: int | None = None, rows: int = 1) -> Page:
        """Return a sound page as of now whose probe's leg is a given share of the spot."""
        spot = SPOTS[page_id] if spot is None else spot
        leg = -(-spot * ratio_ppm // 1_000_000)
        record = Record(
            kind=Kind.PERPETUAL,
            shift=0,
            generation=1,
            drift_shift=0,
            mark=spot,
            delta_x22=DELTA_ONE,
            gamma_spot_x10=0,
            leg_long_scaled=leg,
            leg_short_scaled=leg,
            strike=0,
            expiry_hour=0,
            vega=0,
            lanes=(0,) * 16,
        )
        head = Head(
            reference_spot=spot,
            underlying=page_id,
            flags=0,
            page_id=page_id,
            version=1,
            lane_words=1,
            probe_slot=0,
            max_drift_bps=500,
            as_of=self.evm.timestamp,
            tick=TICK,
            half_spread_x32=1 << 20,
            y_volatility_x32=1 << 26,
            daily_volume=10**12,
            vega_charge=1,
            open_interest_divisor=FACTORS[5],
            open_interest_cap_percent=FACTORS[6],
            lambda_bps=10_000,
            funding_x32=0,
            funding_rate_x32=0,
            funding_cap_s=3_600,
            maintenance_factor_bps=FACTORS[0],
            initial_net_floor_bps=FACTORS[1],
            initial_gross_floor_bps=FACTORS[2],
            maintenance_net_floor_bps=FACTORS[3],
            maintenance_gross_floor_bps=FACTORS[4],
        )
        return Page(head=head, records=(record,) * rows, atoms=())

    def pages(self, **options: Any) -> list[Page]:
        """Return a sound page for every listed one."""
        return [self.page(i, **options) for i in range(self.underlyings)]

    def propose(
        self, pages: Sequence[Page | bytes] | None = None, *, stage: bool = True, **fields: Any
    ) -> Manifest:
        """Return the next manifest over some pages, staged but not signed."""
        chosen = self.pages() if pages is None else pages
        payloads = [page if isinstance(page, bytes) else pack_page(page) for page in chosen]
        if stage:
            for payload in payloads:
                self.staged[self.oracle.stage(payload)] = payload
        current = self.oracle.currentManifest()
        now = self.evm.timestamp
        values: dict[str, Any] = {
            "epoch": current.epoch + 1,
            "as_of": now,
            "valid_until": now + 1_800,
            "config_digest": self.oracle.configDigest(),
            "book_root": EMPTY_ROOT,
            "book_block": 7,
            "inputs_hash": keccak(text="inputs"),
            "model_hash": keccak(text="model"),
            "pages": tuple(init_code_hash(payload) for payload in payloads),
        }
        return Manifest(**(values | fields))

    def signed(
        self, manifest: Manifest, signers: Sequence[LocalAccount] | None = None, **domain: Any
    ) -> bytes:
        """Return concatenated signatures, in the order of the keys given."""
        where = {"chain_id": CHAIN_ID, "oracle": self.oracle.address} | domain
        digest = manifest.digest(manifest_domain(**where))
        return b"".join(sign(digest, key.key) for key in signers or self.keys[: self.quorum])

    def activate(self, manifest: Manifest, signatures: bytes | None = None) -> None:
        """Activate with sound signatures unless others are given."""
        self.oracle.activate(manifest.as_tuple(), self.signed(manifest) if signatures is None else signatures)

    def cold(self) -> tuple[Evm, Contract]:
        """Return a copy of the chain in which nothing is warm, and the oracle on it."""
        copy = self.evm.cold()
        for address, payload in self.staged.items():  # code read back from pyrevm is padded
            copy.put_code(address, b"\0" + payload)
        return copy, copy.at("MarginOracle", self.oracle.address)

    def publish(self, pages: Sequence[Page] | None = None, **fields: Any) -> Manifest:
        """Propose and activate."""
        manifest = self.propose(pages, **fields)
        self.activate(manifest)
        return manifest


def refused(world: OracleWorld, error: str, pages: list[Page | bytes] | None = None, **fields: Any) -> Revert:
    """Check that `activate` and `previewActivate` fail alike and change nothing."""
    before = (world.oracle.currentManifest(), world.oracle.load(0x020100, 3, False))
    manifest = world.propose(pages, **fields)
    with pytest.raises(Revert) as activated:
        world.activate(manifest)
    with pytest.raises(Revert) as previewed:
        world.oracle.previewActivate(manifest.as_tuple())
    assert previewed.value.data == activated.value.data
    assert activated.value.name == error, activated.value
    assert (world.oracle.currentManifest(), world.oracle.load(0x020100, 3, False)) == before
    return activated.value
