"""Full pages and books of a given size, to measure what an assessment costs."""

from __future__ import annotations

import random
from dataclasses import replace

from eth_utils.crypto import keccak
from tests.support.engine_world import NOW, Scene, random_page

from seawall.page.decode import Atom
from seawall.page.layout import Kind
from seawall.page.merkle import book_leaf
from seawall.reference.book import Book, Position
from seawall.reference.certificate import Certificate, certificate_words
from seawall.reference.state import ManifestState, Price

__all__ = ["atoms_certificate", "book_proof", "full_pages", "sized_scene"]

ROWS = 110
ATOMS = 420
SPOT = 1_000_000


def full_pages() -> ManifestState:
    """Return a manifest of two pages as large as pages get: 110 records of 64 lanes, 420 atoms, 24,448 bytes."""
    rng = random.Random(5)
    pages = {}
    for page_id in (0, 1):
        page = random_page(rng, page_id=page_id, underlying=page_id, spot=SPOT, lane_words=4, rows=ROWS)
        kinds = [Kind.PERPETUAL, *([Kind.CALL, Kind.PUT] * ROWS)][:ROWS]
        records = tuple(
            replace(
                record,
                kind=kind,
                shift=0,
                generation=1,
                drift_shift=0,
                strike=SPOT,
                expiry_hour=2**24 - 1,
                gamma_spot_x10=500,
                delta_x22=2**21,
            )
            for record, kind in zip(page.records, kinds, strict=True)
        )
        atom = random_page_atoms(rng)[0]
        head = replace(
            page.head,
            reference_spot=SPOT,
            flags=0,
            max_drift_bps=500,
            tick=100,
            daily_volume=10**13,
            maintenance_factor_bps=8_000,
        )
        pages[page_id] = replace(page, head=head, records=records, atoms=(atom,) * ATOMS)
    return ManifestState(as_of=NOW - 40, activated_at=NOW - 30, mature=True, pages=pages, epoch=9)


def random_page_atoms(rng: random.Random) -> list[Atom]:
    while True:
        page = random_page(rng, page_id=0, underlying=0, spot=SPOT, lane_words=4, rows=ROWS)
        if page.atoms:
            return list(page.atoms)


def sized_scene(count: int) -> Scene:
    """Return a book of so many positions, on two underlyings from eight on."""
    rng = random.Random(count)
    manifest = full_pages()
    shares = {0: count} if count < 8 else {0: count // 2, 1: count // 2}
    pages = {
        page: [
            Position(slot=slot, generation=1, lots=rng.choice((-1, 1)) * rng.randint(1, 1_000))
            for slot in rng.sample(range(ROWS), share)
        ]
        for page, share in shares.items()
    }
    prices = {u: Price(ticks=SPOT + 4_321, observed_at=NOW - 3, fresh_since=NOW - 9_000) for u in (0, 1)}
    return Scene(
        book=Book(pages),
        cash=10**24,
        current=manifest,
        baseline=manifest,
        prices=prices,
        open_interest={0: 10**6, 1: 10**6},
    )


def atoms_certificate(count: int) -> Certificate:
    """Return so many entries, one atom each."""
    return Certificate(atoms=certificate_words([(i % 2, i, 3) for i in range(count)]))


def book_proof(scene: Scene, *, accounts: int, shortfall: int = 10**9) -> tuple[Scene, Certificate]:
    """Return the scene under a root of so many books, and the certificate that shows the account's as stored."""
    assert scene.current is not None
    root, proof = book_leaf(shortfall, scene.book.words()), []
    for depth in range((accounts - 1).bit_length()):
        proof.append(keccak(text=f"sibling {depth}"))
        root = keccak(b"".join(sorted((root, proof[-1]))))
    shown = replace(scene, current=replace(scene.current, book_root=root))
    return shown, Certificate(book_shortfall=shortfall, proof=tuple(proof))
