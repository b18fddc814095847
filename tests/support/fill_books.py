"""Random books and certificates on pages of two manifests."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from seawall.page.decode import Page
from seawall.page.layout import MAX_LOTS, MAX_SCALED_LOTS, Kind
from seawall.page.merkle import MerkleTree, book_leaf
from seawall.reference.book import Book, Position
from seawall.reference.certificate import EMPTY, Certificate, certificate_words
from seawall.reference.state import ManifestState

__all__ = ["random_book", "random_certificates"]


def _positions(rng: random.Random, page: Page, count: int) -> list[Position]:
    slots = rng.sample(range(len(page.records)), min(count, len(page.records)))
    held = []
    for slot in slots:
        record = page.records[slot]
        if record.kind == 0 and rng.random() < 0.9:
            continue
        generation = record.generation if rng.random() < 0.995 else record.generation ^ 1
        limit = min(MAX_LOTS, MAX_SCALED_LOTS >> record.shift) - 1
        size = min(limit, max(1, rng.choice((1, rng.randint(1, 50), rng.randint(1, max(limit, 1))))))
        sign = 1 if record.kind == Kind.SPOT else rng.choice((-1, 1))
        held.append(Position(slot, generation, size * sign))
    return held


def _with_former(rng: random.Random, page: Page, held: list[Position], room: int) -> list[Position]:
    """Return the positions, in any order, with some of instruments that were replaced.

    Such a one may stand beside its successor in the same slot, or in a slot that the page no longer has.
    """
    share, twice = rng.choice((0.0, 0.03, 0.3)), rng.choice((0.0, 0.0, 0.3))
    moved = [p._replace(generation=p.generation ^ 2) if rng.random() < share else p for p in held]
    beside = [
        p._replace(generation=p.generation ^ 1, lots=rng.choice((p.lots, -p.lots, 1, 2**20)))
        for p in held
        if rng.random() < twice
    ]
    if rng.random() < 0.05 and len(page.records) < 255:
        beside.append(Position(len(page.records), 1, rng.choice((-1, 7))))
    every = [*moved, *beside[: max(room - len(moved), 0)]]
    return rng.sample(every, len(every))


def random_book(
    rng: random.Random, pages: dict[int, Page], ids: Sequence[int], *, unlike: bool = False
) -> Book:
    """Return a book on some of the pages; if `unlike`, with many positions of instruments that were replaced."""
    room = rng.choice((128, 63, 64))
    chosen = rng.sample(list(ids), min(len(ids), rng.choice((0, 1, 1, 2, 3, 5, 6))))
    book: dict[int, list[Position]] = {}
    for i in chosen:
        most = rng.choice((1, 2, 5, 20, 64))
        held = _positions(rng, pages[i], min(most, room))
        if unlike:
            held = _with_former(rng, pages[i], held, room)
        room -= len(held)
        if held:
            book[i] = held
    return Book(book)


def _atoms(rng: random.Random, pages: dict[int, Page], named: Sequence[int]) -> tuple[int, ...]:
    listed = [(i, a) for i in named if i in pages for a in range(len(pages[i].atoms))]
    if not listed:
        return ()
    drawn = [(rng.choice(listed), rng.choice((0, 1, rng.randint(1, 60)))) for _ in range(rng.randint(0, 5))]
    return certificate_words([(i, a, lots) for (i, a), lots in drawn])


def _basket(rng: random.Random, pages: dict[int, Page], after: Book) -> Book:
    """Return a basket near the book, now and then with something on a page that the account lacks."""
    made: dict[int, list[Position]] = {}
    for i, held in after.pages.items():
        kept = [
            Position(p.slot, p.generation, p.lots + rng.choice((0, 0, 1, -1)))
            for p in held
            if rng.random() < 0.8
        ]
        if i in pages and rng.random() < 0.9:
            known = pages[i].records
            kept = [p for p in kept if p.slot < len(known) and known[p.slot].kind]
            kept = [p for p in kept if known[p.slot].generation == p.generation]
        if kept:
            made[i] = kept
    foreign = [i for i in pages if i not in after.pages]
    if foreign and rng.random() < 0.4:
        i = rng.choice(foreign)
        if extra := [p for p in _positions(rng, pages[i], 3) if pages[i].records[p.slot].kind]:
            made[i] = [Position(p.slot, pages[i].records[p.slot].generation, p.lots % 40 + 1) for p in extra]
    return Book(made)


def _shown(
    rng: random.Random, manifest: ManifestState, after: Book, leaves: list[bytes]
) -> tuple[Certificate, bytes | None]:
    """Return a certificate without its proof, and its leaf."""
    atoms = _atoms(rng, dict(manifest.pages), list(after.pages)) if rng.random() < 0.5 else ()
    if not after or rng.random() < 0.4:
        return Certificate(atoms=atoms), None
    stored = rng.random() < 0.5
    book = after if stored else _basket(rng, dict(manifest.pages), after)
    if not book:
        return Certificate(atoms=atoms), None
    tail = rng.getrandbits(rng.choice((20, 40, 60, 80)))
    leaf = book_leaf(tail, book.words())
    leaves.append(leaf)
    words = () if stored and rng.random() < 0.8 else book.words()
    return Certificate(atoms=atoms, book_shortfall=tail, book=words), leaf


def random_certificates(
    rng: random.Random, current: ManifestState, baseline: ManifestState, books: Sequence[Book]
) -> tuple[ManifestState, ManifestState, list[list[Certificate]]]:
    """Return the manifests with roots, and certificates of both accounts under both."""
    given: list[list[Certificate]] = [[], []]
    states = [current, baseline]
    for which, state in enumerate(states):
        leaves = [book_leaf(1, (1,)), book_leaf(2, (2,))]
        made = [_shown(rng, state, book, leaves) for book in books]
        tree = MerkleTree(list(dict.fromkeys(leaves)))
        for account, (certificate, leaf) in enumerate(made):
            given[account].append(replace(certificate, proof=tree.proof(leaf)) if leaf else certificate)
        states[which] = replace(state, book_root=tree.root)
    if states[0].mature and current is baseline:
        states[1] = states[0]
    for account, pair in enumerate(given):
        given[account] = rng.choice(([], pair, pair, pair, pair[:1], [EMPTY, pair[1]], [pair[0], EMPTY]))
    return states[0], states[1], given
