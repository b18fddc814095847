"""The engine and the integer reference agree to the wei, whatever pages, books and prices hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st
from tests.support.engine_world import EngineWorld, Scene, certificates, scenes
from tests.support.evm import Revert

from seawall.reference import engine as reference
from seawall.reference.book import Book
from seawall.reference.certificate import EMPTY, Certificate
from seawall.reference.rejection import Rejected
from seawall.reference.state import ManifestState, Margin


@pytest.fixture(scope="module")
def world() -> EngineWorld:
    return EngineWorld()


def expected(scene: Scene, *, certificate: Certificate = EMPTY, baseline: bool = False) -> Margin:
    return reference.assess(
        scene.book,
        cash=scene.cash,
        manifest=scene.baseline if baseline else scene.current,
        prices=scene.prices,
        now=scene.now,
        open_interest=scene.open_interest,
        settlements=scene.settlements,
        certificate=certificate,
    )


def attempted(scene: Scene, *, certificate: Certificate, baseline: bool) -> Margin | None:
    try:
        return expected(scene, certificate=certificate, baseline=baseline)
    except Rejected:
        return None


def assert_same(found: Any, wanted: Margin) -> None:
    for name, value in (
        ("equity", wanted.equity),
        ("initial", wanted.initial),
        ("maintenance", wanted.maintenance),
        ("freshSince", wanted.fresh_since),
        ("driftX32", wanted.drift_x32),
        ("flags", int(wanted.flags)),
        ("manifestAsOf", wanted.manifest_as_of),
        ("oldestPriceAt", wanted.oldest_price_at),
        ("quote", wanted.quote),
    ):
        assert getattr(found, name) == value, name


@given(scene=scenes(), baseline=st.booleans())
def test_INV_10_margin_equals_the_reference(world: EngineWorld, scene: Scene, baseline: bool) -> None:
    with world.evm.isolated():
        world.stage(scene)
        found = world.assess(baseline=baseline)
        wanted = expected(scene, baseline=baseline)
        event(f"flags {wanted.flags!r}")
        assert_same(found, wanted)


@given(scene=scenes())
def test_INV_10_health_equals_the_reference(world: EngineWorld, scene: Scene) -> None:
    assert_same_health(world, scene)


def assert_same_health(world: EngineWorld, scene: Scene) -> None:
    with world.evm.isolated():
        world.stage(scene)
        equity, maintenance, liquidatable, current = world.health()
        wanted = reference.health(
            scene.book,
            cash=scene.cash,
            current=scene.current,
            baseline=scene.baseline,
            prices=scene.prices,
            now=scene.now,
            open_interest=scene.open_interest,
            settlements=scene.settlements,
        )
        event(f"liquidatable {wanted.liquidatable}")
        assert (equity, maintenance, liquidatable) == (wanted.equity, wanted.maintenance, wanted.liquidatable)
        assert_same(current, wanted.current)


def with_factors(manifest: ManifestState, factor_bps: int, floor_bps: int) -> ManifestState:
    """Return a manifest with these maintenance factors and the widest drift limits."""
    names = ("maintenance_net_floor_bps", "maintenance_gross_floor_bps")
    factors = dict.fromkeys(names, floor_bps) | {"maintenance_factor_bps": factor_bps}
    pages = {
        page_id: replace(page, head=replace(page.head, max_drift_bps=0xFFFF, **factors))
        for page_id, page in manifest.pages.items()
    }
    return replace(manifest, pages=pages)


def holding_all(manifest: ManifestState) -> Book:
    """Return a book of one lot of everything."""
    book = Book()
    for page_id, page in manifest.pages.items():
        for slot, record in enumerate(page.records):
            if record.kind:
                book.add(page_id, (slot, record.generation), 1)
    return book


@given(scene=scenes(largest=2), alike=st.booleans(), baseline=st.booleans(), missing=st.integers(0, 1))
def test_INV_12_health_at_the_requirement_equals_the_reference(
    world: EngineWorld, scene: Scene, alike: bool, baseline: bool, missing: int
) -> None:
    """The account just meets or just fails what the current manifest or the baseline, raised by its drift, requires."""
    assume(scene.current is not None and scene.baseline is not None)
    assert scene.current is not None
    assert scene.baseline is not None
    if alike:  # the young manifest values everything as the baseline does and requires many times as much
        young, old = with_factors(scene.baseline, 0xFFFF, 0xFFFF), with_factors(scene.baseline, 8_000, 100)
        scene = replace(scene, current=young, baseline=old, book=holding_all(old))
    scene = replace(scene, current=replace(scene.current, mature=False))
    margin = expected(scene, baseline=baseline)
    required = -(-margin.maintenance * (2**32 + margin.drift_x32 * baseline) >> 32)
    scene = replace(scene, cash=scene.cash + required - missing - margin.equity)
    assume(abs(scene.cash) < 2**103)
    assert_same_health(world, scene)


@given(data=st.data(), scene=scenes(largest=12), baseline=st.booleans())
def test_INV_10_certificates_equal_the_reference(
    world: EngineWorld, data: st.DataObject, scene: Scene, baseline: bool
) -> None:
    certificate = data.draw(certificates(scene.baseline if baseline else scene.current))
    with world.evm.isolated():
        world.stage(scene)
        wanted = attempted(scene, certificate=certificate, baseline=baseline)
        if wanted is None:
            event("rejected")
            with pytest.raises(Revert, match="BadCertificate"):
                world.assess(certificate=certificate, baseline=baseline)
        else:
            assert_same(world.assess(certificate=certificate, baseline=baseline), wanted)
