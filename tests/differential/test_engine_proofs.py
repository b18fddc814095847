"""Books shown under two roots: what liquidation and added risk go by equals the integer reference."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st
from tests.differential.test_engine_margin import assert_same
from tests.differential.test_engine_safety import basket, without_unknown
from tests.support.engine_world import EngineWorld, Scene, certificates, scenes
from tests.support.evm import Revert

from seawall.page.merkle import MerkleTree, book_leaf
from seawall.reference import engine as reference
from seawall.reference.book import Book
from seawall.reference.certificate import EMPTY, Certificate, under
from seawall.reference.rejection import Rejected
from seawall.reference.state import Flag, Health, ManifestState, Margin

UNCERTAIN = Flag.STALE | Flag.NOT_FRESH | Flag.MISSING | Flag.NO_MANIFEST


@pytest.fixture(scope="module")
def world() -> EngineWorld:
    return EngineWorld()


def proven(manifest: ManifestState, book: Book, shortfall: int) -> tuple[ManifestState, Certificate]:
    """Return the manifest with a root that holds a basket, and the certificate that shows it under that root."""
    leaf = book_leaf(shortfall, book.words())
    tree = MerkleTree([leaf, book_leaf(1, (1,)), book_leaf(2, (2,))])
    certificate = Certificate(book_shortfall=shortfall, book=book.words(), proof=tree.proof(leaf))
    return replace(manifest, book_root=tree.root), certificate


def assess(scene: Scene, given_: list[Certificate], *, baseline: bool, lanes: bool = True) -> Margin:
    return reference.assess(
        scene.book,
        cash=scene.cash,
        manifest=scene.baseline if baseline else scene.current,
        prices=scene.prices,
        now=scene.now,
        open_interest=scene.open_interest,
        settlements=scene.settlements,
        certificate=under(given_, baseline=baseline),
        lanes=lanes,
    )


def health(scene: Scene, given_: list[Certificate]) -> Health:
    return reference.health(
        scene.book,
        cash=scene.cash,
        current=scene.current,
        baseline=scene.baseline,
        prices=scene.prices,
        now=scene.now,
        open_interest=scene.open_interest,
        settlements=scene.settlements,
        certificates=given_,
    )


def standing(scene: Scene, given_: list[Certificate]) -> Margin:
    """Return the margin by which risk is added: the baseline's if only that falls short."""
    current = assess(scene, given_, baseline=False)
    if current.flags & UNCERTAIN or current.equity < current.initial:
        return current
    if scene.current is not None and scene.current.mature:
        return current
    old = assess(scene, given_, baseline=True, lanes=False)
    unknown = old.flags & (Flag.MISSING | Flag.NO_MANIFEST)
    return old if not unknown and old.equity < old.initial else current


@st.composite
def proofs(draw: st.DrawFn) -> tuple[Scene, list[Certificate]]:
    """Draw a book near a basket that both manifests certify, shown under no root, one or both."""
    scene = draw(scenes(largest=6))
    assume(scene.current is not None and scene.baseline is not None)
    assert scene.current is not None
    assert scene.baseline is not None
    if draw(st.integers(0, 3)):  # the same pages, so that both know the book
        scene = without_unknown(replace(scene, baseline=replace(scene.baseline, pages=scene.current.pages)))
    book = scene.book if draw(st.booleans()) else basket(scene, draw(st.integers(0, 2**32)))
    assume(book and scene.book)
    assert scene.baseline is not None
    tail = draw(st.integers(0, 2**60) | st.integers(2**60, 2**90))
    current, young = proven(scene.current, book, tail)
    baseline, old = proven(scene.baseline, book, tail * draw(st.integers(1, 3)))
    scene = replace(scene, current=replace(current, mature=draw(st.booleans())), baseline=baseline)
    if not draw(st.integers(0, 3)):
        young, old = replace(young, book=()), replace(old, book=())
    if not draw(st.integers(0, 3)):
        young = replace(young, atoms=draw(certificates(scene.current)).atoms)
    rare = [], [young], [young, EMPTY], [EMPTY, old], [old, young]
    return scene, draw(st.sampled_from([*rare, *[[young, old]] * 7]))


def at_the_edge(scene: Scene, wanted: int, equity: int, missing: int) -> Scene:
    """Return the scene with cash that just meets or just fails a requirement."""
    cash = scene.cash + wanted - equity - missing
    assume(abs(cash) < 2**103)
    return replace(scene, cash=cash)


def equal_or_refused(call: Any, expect: Any, same: Any) -> None:
    try:
        wanted = expect()
    except Rejected:
        event("refused")
        with pytest.raises(Revert, match="BadCertificate"):
            call()
        return
    same(call(), wanted)


def same_health(found: Any, wanted: Health) -> None:
    event(f"liquidatable {wanted.liquidatable}")
    equity, maintenance, liquidatable, current = found
    assert (equity, maintenance, liquidatable) == (wanted.equity, wanted.maintenance, wanted.liquidatable)
    assert_same(current, wanted.current)


@given(drawn=proofs(), missing=st.integers(0, 1), baseline=st.booleans())
def test_INV_10_health_by_proofs_equals_the_reference(
    world: EngineWorld, drawn: tuple[Scene, list[Certificate]], missing: int, baseline: bool
) -> None:
    scene, shown = drawn
    try:
        margin = assess(scene, shown, baseline=baseline)
        raised = -(-margin.maintenance * (2**32 + margin.drift_x32 * baseline) >> 32)
        scene = at_the_edge(scene, raised, margin.equity, missing)
    except Rejected:
        event("no margin")
    with world.evm.isolated():
        world.stage(scene)
        equal_or_refused(lambda: world.health(shown), lambda: health(scene, shown), same_health)


@given(drawn=proofs(), missing=st.integers(0, 1), baseline=st.booleans())
def test_INV_10_what_risk_is_added_by_equals_the_reference(
    world: EngineWorld, drawn: tuple[Scene, list[Certificate]], missing: int, baseline: bool
) -> None:
    scene, shown = drawn
    try:
        margin = assess(scene, shown, baseline=baseline)
        scene = at_the_edge(scene, margin.initial, margin.equity, missing)
    except Rejected:
        event("no margin")
    with world.evm.isolated():
        world.stage(scene)
        equal_or_refused(lambda: world.standing(shown), lambda: standing(scene, shown), assert_same)


@given(drawn=proofs())
def test_more_certificates_than_manifests_are_refused(
    world: EngineWorld, drawn: tuple[Scene, list[Certificate]]
) -> None:
    scene, _ = drawn
    with world.evm.isolated():
        world.stage(scene)
        for call in (world.health, world.standing):
            with pytest.raises(Revert, match="BadCertificate"):
                call([Certificate()] * 3)
