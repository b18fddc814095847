"""No book, page or price makes a health view revert, and no certificate does harm."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st
from tests.support.engine_world import ACCOUNT, EngineWorld, Scene, certificates, positions, scenes
from tests.support.evm import Revert

from seawall.page.merkle import MerkleTree, book_leaf
from seawall.reference import engine as reference
from seawall.reference.book import Book, Position
from seawall.reference.certificate import Certificate
from seawall.reference.rejection import Rejected


@pytest.fixture(scope="module")
def world() -> EngineWorld:
    return EngineWorld()


@given(seed=st.integers(0, 2**32), pages=st.integers(1, 6), length=st.integers(0, 24_575))
def test_health_never_reverts__whatever_words_are_stored(
    world: EngineWorld, seed: int, pages: int, length: int
) -> None:
    rng = random.Random(seed)
    with world.evm.isolated():
        for baseline in (False, True):
            world.oracle.setState(baseline, rng.getrandbits(120))
            for page in range(pages):
                payload = bytearray(rng.randbytes(length))
                rows = rng.choice((rng.getrandbits(8), min(255, length // 200)))
                if length >= 32:
                    payload[26] = rows  # head 0 agrees with the oracle
                    payload[19] = rng.choice((1, 4, 5, 255))
                address = int(world.put_page(bytes(payload)), 16)
                world.oracle.setPage(baseline, page, address | rng.getrandbits(8) << 160 | rows << 168)
        for underlying in range(256):
            if rng.random() < 0.2:
                world.feed.set(underlying, rng.getrandbits(256))
        word = rng.getrandbits(104) << 152
        for page in range(pages):
            word |= (page | rng.randint(1, 255) << 8) << (16 * page)
            world.harness.setBook(ACCOUNT, page, [rng.getrandbits(256) for _ in range(32)])
        world.harness.setAccount(ACCOUNT, word)
        world.health()
        world.assess(baseline=True)


@given(scene=scenes(largest=12))
def test_INV_07_maintenance_never_exceeds_initial(world: EngineWorld, scene: Scene) -> None:
    with world.evm.isolated():
        world.stage(scene)
        for baseline in (False, True):
            found = world.assess(baseline=baseline)
            assert found.maintenance <= found.initial


@given(scene=scenes(largest=12))
def test_INV_12_without_a_baseline_a_young_manifest_makes_nobody_liquidatable(
    world: EngineWorld, scene: Scene
) -> None:
    assume(scene.current is not None)
    assert scene.current is not None
    scene = replace(scene, current=replace(scene.current, mature=False), baseline=None)
    with world.evm.isolated():
        world.stage(scene)
        equity, maintenance, liquidatable, current = world.health()
        assert not liquidatable
        assert maintenance == (0 if equity < current.maintenance else current.maintenance)


@given(scene=scenes(largest=12), age=st.integers(0, 10**8))
def test_INV_12_the_age_of_a_manifest_makes_nobody_liquidatable(
    world: EngineWorld, scene: Scene, age: int
) -> None:
    """Its prices stay fresh, and what funding its pages owe is the same: only keepers fall silent."""
    assume(scene.current is not None and scene.book)
    assert scene.current is not None
    scene = replace(scene, cash=abs(scene.cash))
    aged = replace(scene, current=replace(scene.current, as_of=scene.current.as_of - age))
    found = []
    for staged in (scene, aged):
        with world.evm.isolated():
            world.stage(staged)
            found.append(world.health()[:3])
    assert found[0] == found[1]


def shown(scene: Scene, book: Book, shortfall: int) -> tuple[Scene, Certificate]:
    """Return the scene with a root that holds a basket, and the certificate that shows it."""
    assert scene.current is not None
    leaf = book_leaf(shortfall, book.words())
    tree = MerkleTree([leaf, book_leaf(1, (1,)), book_leaf(2, (2,))])
    current = replace(scene.current, book_root=tree.root)
    certificate = Certificate(book_shortfall=shortfall, book=book.words(), proof=tree.proof(leaf))
    return replace(scene, current=current), certificate


def basket(scene: Scene, seed: int) -> Book:
    """Return a basket near the account's book: some positions changed, some missing, some new."""
    assert scene.current is not None
    rng = random.Random(seed)
    pages = {}
    for page_id, page in scene.current.pages.items():
        held = [p for p in scene.book.pages.get(page_id, []) if rng.random() < 0.8]
        held = [Position(p.slot, p.generation, p.lots + rng.choice((0, 0, 1, -5))) for p in held]
        if rng.random() < 0.4:
            held += [p for p in positions(rng, page, 2) if p.slot not in {q.slot for q in held}]
        if rng.random() < 0.9:  # most baskets hold only what exists
            listed = [(p, page.records[p.slot]) for p in held if p.slot < len(page.records)]
            held = [p for p, record in listed if record.kind and record.generation == p.generation]
        if held:
            pages[page_id] = held
    return Book(pages)


# Small ones prove nothing of the lower bound; large ones outweigh all legs.
shortfalls = st.integers(0, 2**90) | st.integers(2**120, 2**150)


@given(data=st.data(), scene=scenes(largest=10), seed=st.integers(0, 2**32), shortfall=shortfalls)
def test_INV_10_books_shown_equal_the_reference(
    world: EngineWorld, data: st.DataObject, scene: Scene, seed: int, shortfall: int
) -> None:
    assume(scene.current is not None and scene.book)
    book = basket(scene, seed)
    assume(book)
    scene, certificate = shown(scene, book, shortfall)
    certificate = replace(certificate, atoms=data.draw(certificates(scene.current)).atoms)
    assert scene.current is not None
    with world.evm.isolated():
        world.stage(scene)
        try:
            wanted = reference.assess(
                scene.book,
                cash=scene.cash,
                manifest=scene.current,
                prices=scene.prices,
                now=scene.now,
                open_interest=scene.open_interest,
                settlements=scene.settlements,
                certificate=certificate,
            )
        except Rejected:
            with pytest.raises(Revert, match="BadCertificate"):
                world.assess(certificate=certificate)
            return
        found = world.assess(certificate=certificate)
        assert (found.initial, found.maintenance) == (wanted.initial, wanted.maintenance)


def without_unknown(scene: Scene) -> Scene:
    """Return the scene without positions that the manifest lacks."""
    assert scene.current is not None
    listed = {i: page.records for i, page in scene.current.pages.items()}
    pages = {
        i: [
            p
            for p in held
            if i in listed
            and p.slot < len(listed[i])
            and listed[i][p.slot].kind
            and listed[i][p.slot].generation == p.generation
        ]
        for i, held in scene.book.pages.items()
    }
    return replace(scene, book=Book({i: held for i, held in pages.items() if held}))


@given(data=st.data(), scene=scenes(largest=10), shortfall=shortfalls, whole=st.booleans())
def test_INV_10_a_book_as_stored_is_shown_without_its_words(
    world: EngineWorld, data: st.DataObject, scene: Scene, shortfall: int, whole: bool
) -> None:
    assume(scene.current is not None)
    scene = without_unknown(scene) if whole else scene
    assume(scene.book)
    scene, certificate = shown(scene, scene.book, shortfall)
    certificate = replace(certificate, atoms=data.draw(certificates(scene.current)).atoms)
    found = []
    with world.evm.isolated():
        world.stage(scene)
        for carried in (certificate, replace(certificate, book=())):
            try:
                found.append(tuple(world.assess(certificate=carried)))
            except Revert as revert:
                found.append((revert.name,))
    assert found[0] == found[1]
    assert len(found[0]) > 1 or found[0] == ("BadCertificate",)
    event(f"shown {len(found[0]) > 1}")


@given(scene=scenes(largest=6), flip=st.integers(0, 28))
def test_a_book_that_is_not_under_the_root_is_rejected(world: EngineWorld, scene: Scene, flip: int) -> None:
    assume(scene.current is not None and any(page in scene.current.pages for page in scene.book.pages))
    assert scene.current is not None
    usable = {
        page_id: [
            Position(slot, record.generation, 3)
            for slot, record in enumerate(page.records[:3])
            if record.kind
        ]
        for page_id, page in scene.current.pages.items()
    }
    book = Book({page_id: held for page_id, held in usable.items() if held})
    assume(book)
    scene, certificate = shown(scene, book, 10**9)
    forged = replace(certificate, book_shortfall=certificate.book_shortfall ^ (1 << flip))
    with world.evm.isolated():
        world.stage(scene)
        world.assess(certificate=certificate)
        with pytest.raises(Revert, match="BadCertificate"):
            world.assess(certificate=forged)
