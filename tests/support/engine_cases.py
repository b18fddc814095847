"""Random accounts under two manifests that have little in common, with certificates that fit neither or both.

A registry and an oracle refuse most of this; the engine's answer must be the reference's all the same.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from tests.support.engine_manifests import UNDERLYINGS, unlike_manifests
from tests.support.engine_world import ACCOUNT, NOW, EngineWorld, Scene
from tests.support.fill_manifests import HOUR

from seawall.page.decode import Page
from seawall.page.layout import MAX_LOTS, MAX_PAGES, MAX_SCALED_LOTS
from seawall.page.merkle import EMPTY_ROOT, MerkleTree, book_leaf
from seawall.reference.book import Book, Position, account_word
from seawall.reference.certificate import EMPTY, Certificate, certificate_words
from seawall.reference.state import ManifestState, Price, Settling

__all__ = ["EngineCase", "engine_case"]

Manifests = tuple[ManifestState, ManifestState]


@dataclass(frozen=True, kw_only=True)
class EngineCase:
    """A scene, and certificates for one manifest each or for both.

    `broken` are pages (baseline, id) whose head contradicts the oracle: the scene's manifests lack them.
    """

    scene: Scene
    certificates: tuple[Certificate, ...]
    broken: tuple[tuple[bool, int, Page], ...]

    def stage(self, world: EngineWorld) -> None:
        """Put the scene and the broken pages on chain."""
        world.stage(self.scene)
        for baseline, i, page in self.broken:
            world.put_broken(page, i, baseline=baseline)

    def with_cash(self, world: EngineWorld, cash: int) -> EngineCase:
        """Return the case with other cash, which the staged account then has too."""
        world.harness.setAccount(ACCOUNT, account_word(self.scene.book, cash=cash))
        return replace(self, scene=replace(self.scene, cash=cash))


def _book(rng: random.Random, states: Manifests) -> Book:
    """Return positions of either manifest, of both, or of neither; now and then of two generations of a slot."""
    known = rng.choice(((states[0],), (states[0],), (states[1],), states))
    every = list(dict.fromkeys(i for state in known for i in state.pages))
    if not every or rng.random() < 0.05:
        every.append(rng.randrange(256))
    chosen = rng.sample(every, rng.randint(1, min(len(every), MAX_PAGES)))
    room, book = 128, {}
    former, twice, near = (rng.choice((0.0, 0.0, share)) for share in (0.2, 0.4, 1.0))
    for i in chosen:
        sides = [state.pages[i].records for state in states if i in state.pages]
        drawn = [state.pages[i].records for state in known if i in state.pages]
        held: dict[tuple[int, int], int] = {}
        for _ in range(min(room, rng.choice((1, 3, 8, 20, 64, 128)))):
            records = rng.choice(drawn) if drawn else ()
            slot = (
                rng.randrange(256)
                if not records or rng.random() < former / 20
                else rng.randrange(len(records))
            )
            if slot < len(records) and not records[slot].kind and rng.random() < 0.95:
                continue
            generations = [records[slot].generation if slot < len(records) else 1]
            if rng.random() < former:
                generations = [generations[0] ^ rng.choice((1, 2, 3))]
            elif rng.random() < twice:
                generations.append(generations[0] ^ rng.choice((1, 2)))
            for generation in generations:
                shift = max((r[slot].shift for r in sides if slot < len(r)), default=0)
                limit = min(MAX_LOTS, MAX_SCALED_LOTS >> shift) - 1
                size = rng.choice((1, 1, rng.randint(1, 9), rng.randint(1, max(limit, 1)), limit))
                size = min(size, 40) if rng.random() < near else size
                held[slot, generation] = max(1, min(size, limit)) * rng.choice((-1, 1))
        listed = [Position(slot, generation, lots) for (slot, generation), lots in held.items()][:room]
        room -= len(listed)
        if listed:
            book[i] = rng.sample(listed, len(listed))
    return Book(book)


def _atoms(rng: random.Random, states: Manifests, baseline: bool, book: Book) -> tuple[int, ...]:
    """Return entries on atoms of the manifest, seldom of the other one, of pages not held, or of none."""
    state = states[baseline if rng.random() < 0.97 else not baseline]
    wild = rng.random() < 0.1

    def reached(i: int, slot: int) -> bool:
        records = state.pages[i].records if i in state.pages and i in book.pages else ()
        return slot < len(records) and records[slot].kind != 0

    listed = [
        (i, a)
        for i, page in state.pages.items()
        for a, atom in enumerate(page.atoms)
        if wild or all(reached(i if leg.page is None else leg.page, leg.slot) for leg in atom.legs)
    ]
    entries = []
    for _ in range(rng.randint(0, 6)):
        lots = rng.choice((0, 1, rng.randint(1, 60), rng.getrandbits(40)))
        page, atom = rng.choice(listed) if listed and rng.random() < 0.97 else (rng.randrange(24), 1_000)
        entries.append((page, atom, lots if atom < 1_000 or wild else 0))
    return certificate_words(entries)


def _basket(rng: random.Random, state: ManifestState, book: Book) -> list[tuple[int, list[Position]]]:
    """Return a basket: most of a book as the manifest knows it, changed, with pages twice, not held, or empty."""
    strict, made = rng.random() < 0.95, []
    others = [i for i in state.pages if i not in book.pages]
    for i in (*book.pages, *rng.sample(others, min(len(others), rng.choice((0, 0, 1))))):
        records = state.pages[i].records if i in state.pages else ()
        held = [
            p._replace(lots=p.lots + rng.choice((0, 0, 1, -p.lots, -2 * p.lots)))
            for p in book.pages.get(i, ())
        ]
        if rng.random() < 0.4:
            new = rng.randrange(max(len(records), 1))
            held.append(Position(new, 1, rng.choice((-(2**41), 2**41 - 1, 0, 5, -5))))
        if strict:
            held = [p for p in held if p.slot < len(records) and records[p.slot].kind]
            held = [p._replace(generation=records[p.slot].generation) for p in held if rng.random() < 0.9]
            if i not in state.pages:
                continue
        made += [(i, held)] if rng.random() < 0.9 else [(i, held[:1]), (i, held)]
    return made


def _words(rng: random.Random, basket: list[tuple[int, list[Position]]]) -> tuple[int, ...]:
    """Return a basket as a certificate carries it, now and then with something behind the last of its positions."""
    words: list[int] = []
    for i, held in basket:
        packed = [p.packed for p in held]
        words.append(len(packed) << 8 | i)
        for at in range(0, len(packed), 4):
            four = packed[at : at + 4] + [rng.getrandbits(64) if rng.random() < 0.05 else 0] * 3
            words.append(sum(one << (192 - 64 * k) for k, one in enumerate(four[:4])))
    return tuple(words)


def _certificates(
    rng: random.Random, states: Manifests, book: Book
) -> tuple[Manifests, tuple[Certificate, ...]]:
    made, rooted = [], []
    for baseline, state in enumerate(states):
        atoms = _atoms(rng, states, bool(baseline), book) if rng.random() < 0.6 else ()
        certificate, leaves = (
            Certificate(atoms=atoms),
            [book_leaf(n, (n,)) for n in range(rng.choice((0, 1, 2)))],
        )
        if book and rng.random() < 0.6:
            own = rng.random() < 0.4
            words = book.words() if own else _words(rng, _basket(rng, state, book))
            tail = rng.choice((0, rng.getrandbits(30), rng.getrandbits(90), rng.getrandbits(200), 2**200))
            leaf = book_leaf(tail, words)
            tree = MerkleTree(list({*leaves, leaf}))
            shown = () if own and rng.random() < 0.7 else words
            if rng.random() < 0.03:
                shown = shown[:-1]
            certificate = replace(certificate, book_shortfall=tail, book=shown, proof=tree.proof(leaf))
            rooted.append(tree.root if rng.random() < 0.97 else EMPTY_ROOT)
        else:
            rooted.append(MerkleTree(leaves).root)
        made.append(certificate)
    if rng.random() < 0.03:  # proofs of the other manifest's root
        rooted.reverse()
    young, aged = (replace(state, book_root=root) for state, root in zip(states, rooted, strict=True))
    a, b = made
    shapes = ((), (a,), (a, EMPTY), (EMPTY, b), (a, a), (b, b), (b, a), (a, b, a), *[(a, b)] * 9)
    return (young, aged), rng.choice(shapes)


def _broken(rng: random.Random, state: ManifestState) -> tuple[ManifestState, list[tuple[int, Page]]]:
    """Return the manifest without some pages, and those."""
    gone = [(i, page) for i, page in state.pages.items() if rng.random() < 0.02]
    return replace(state, pages={i: p for i, p in state.pages.items() if (i, p) not in gone}), gone


def engine_case(seed: int) -> EngineCase:
    """Return a case; every seed has one."""
    rng = random.Random(seed)
    now = rng.choice((NOW, NOW, (HOUR + 1) * 3_600 - rng.randint(0, 1_800), NOW + 1_000))
    states = unlike_manifests(rng, now)
    book = _book(rng, states) if rng.random() < 0.99 else Book()
    states, certificates = _certificates(rng, states, book)
    (young, first), (aged, second) = (_broken(rng, state) for state in states)
    stale = rng.random() < 0.3
    prices = {}
    for u in UNDERLYINGS[:3]:
        spot = next((p.head.reference_spot for p in young.pages.values() if p.head.underlying == u), 7)
        age = rng.choice((-5, 30, 31, 120, 121, 5_000) if stale else (0, 5))
        ticks = max(0, min(int(spot * rng.choice((1, 1, 0.97, 1.31, 40))), 2**44))
        if stale and rng.random() < 0.2:
            ticks = rng.choice((0, 1, 2**64 - 1))
        if not stale or rng.random() < 0.9:
            prices[u] = Price(ticks=ticks, observed_at=now - age, fresh_since=now - rng.randrange(9_000))
    weights = (0, 1, rng.getrandbits(16), 0xFFFF, 0x10000, 0x10001)
    settlements = {
        (u, hour): Settling(
            average=rng.choice((0, 7, prices[u].ticks, 2**41)), weight_x16=rng.choice(weights)
        )
        for u in prices
        for hour in (HOUR, HOUR + 1, HOUR - 50)
        if rng.random() < 0.9
    }
    scene = Scene(
        book=book,
        cash=rng.getrandbits(rng.randint(1, 100)) * rng.choice((-1, 1)),
        current=young if rng.random() < 0.98 else None,
        baseline=aged if rng.random() < 0.95 else None,
        prices=prices,
        open_interest={u: rng.getrandbits(rng.randint(1, 60)) for u in UNDERLYINGS},
        settlements=settlements,
        now=now,
        seed=seed,
    )
    broken = [(False, *one) for one in first if scene.current] + [
        (True, *one) for one in second if scene.baseline
    ]
    return EngineCase(scene=scene, certificates=certificates, broken=tuple(broken))
