"""Certificates found for books: never worse than none, never below the tail risk, what the engine says to the unit."""

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from math import ceil

import hypothesis.strategies as st
import numpy as np
from hypothesis import assume, event, example, given, note
from tests.property.strategies import (
    NOW,
    Cube,
    books,
    manifests,
    page_from_cube,
    price_maps,
    scenario_cubes,
    shortfall_of,
)

from seawall.margin.certificate import (
    MAX_ATOMS,
    ShownBook,
    best_certificate,
    best_certificates,
    upper_bound,
)
from seawall.page import MerkleTree, Page, book_leaf, decode_page, encode_page
from seawall.page.layout import Kind, unpack_entries
from seawall.reference import Book, Certificate, assess, certificate_words
from seawall.reference.certificate import charge, under
from seawall.reference.engine import DUST_REQUIREMENT
from seawall.reference.rejection import Rejected

TAIL = 4  # of 16 equally likely scenarios: every mean is exact in floating point
M = 4
ATOMS = (
    *(((0, 1), (1, -1)), ((0, 1), (1, -2)), ((0, 1), (1, -3)), ((0, -1), (1, 1)), ((0, -2), (1, 7))),
    *(((1, 1), (2, -1)), ((1, 3), (2, -2)), ((2, 1), (3, -1)), ((2, 5), (3, 4)), ((3, 1), (0, 1))),
    *(((0, 1), (1, 1), (3, -2)), ((0, 3), (2, -1), (3, 1)), ((1, -1), (2, 2), (3, -1))),
)
Lots = st.lists(st.integers(-5000, 5000), min_size=M, max_size=M)
OTHER = book_leaf(1, (1 << 8, 2))


def page_of(cube: Cube) -> Page:
    return decode_page(
        encode_page(page_from_cube(cube, tail=TAIL, lanes=np.ones((16, M), dtype=np.int64), atoms=ATOMS))
    )


def book_of(lots: list[int]) -> Book:
    book = Book()
    for slot, q in enumerate(lots):
        book.add(0, (slot, 1), q)
    return book


def shown_of(cube: Cube, lots: list[int]) -> ShownBook | None:
    """Return a basket as keepers certify it, under a root of two leaves."""
    words = book_of(lots).words()
    if not words:
        return None
    shortfall = max(ceil(shortfall_of(cube @ np.array(lots), tail=TAIL)), 0)
    leaf = book_leaf(shortfall, words)
    return ShownBook(words=words, shortfall=shortfall, proof=MerkleTree([leaf, OTHER]).proof(leaf))


def rounding_of(page: Page) -> int:
    """Return the most that whole lots can cost: a lot of every atom, leg by leg."""
    return sum(charge(page.records[leg.slot], leg.ratio) for atom in page.atoms for leg in atom.legs)


@given(cube=scenario_cubes(instruments=M), lots=Lots)
def test_INV_06_the_best_certificate_is_never_worse_than_none_nor_below_the_tail_risk(
    cube: Cube, lots: list[int]
) -> None:
    found = best_certificate(book_of(lots), {0: page_of(cube)})
    exact = shortfall_of(cube @ np.array(lots), tail=TAIL)
    note(f"ES {float(exact)}  optimum {found.optimum}  U {found.upper}  gross {found.gross}")
    event("helps" if found.upper < found.gross else "does not help")
    assert exact <= found.upper <= found.gross
    assert bool(found.certificate.atoms) == (found.upper < found.gross)


@given(cube=scenario_cubes(instruments=M), lots=Lots, times=st.integers(1, 1000))
def test_whole_lots_cost_at_most_a_lot_of_every_atom_and_nothing_in_proportion(
    cube: Cube, lots: list[int], times: int
) -> None:
    page = page_of(cube)
    once = best_certificate(book_of(lots), {0: page})
    scaled = best_certificate(book_of([times * q for q in lots]), {0: page})
    close = 1e-6 * times * once.gross + 1
    assert once.optimum - 1e-6 * once.gross - 1 <= once.upper <= once.optimum + rounding_of(page) + close
    assert abs(scaled.optimum - times * once.optimum) <= close
    assert times * once.optimum - close <= scaled.upper <= times * once.optimum + rounding_of(page) + close


@given(
    cube=scenario_cubes(instruments=M),
    old=Lots,
    change=st.lists(st.integers(-50, 50), min_size=M, max_size=M),
)
def test_INV_06_a_shown_book_is_charged_its_tail_risk_and_a_change_little_more(
    cube: Cube, old: list[int], change: list[int]
) -> None:
    page, shown = page_of(cube), shown_of(cube, old)
    lots = [q + d for q, d in zip(old, change, strict=True)]
    bare = best_certificate(book_of(lots), {0: page})
    found = best_certificate(book_of(lots), {0: page}, shown=shown)
    exact = shortfall_of(cube @ np.array(lots), tail=TAIL)
    assert exact <= found.upper <= bare.upper
    if shown is not None:
        turned = sum(charge(page.records[slot], d) for slot, d in enumerate(change))
        assert found.upper <= shown.shortfall + turned
    if shown is not None and not any(change):
        assert found.upper == min(shown.shortfall, bare.upper) <= max(exact, Fraction(0)) + 1


@given(data=st.data(), max_atoms=st.integers(0, 4))
def test_the_bound_is_the_engines_to_the_unit(data: st.DataObject, max_atoms: int) -> None:
    """On random pages, where nothing is a tail risk: strays, atoms across pages, books shown."""
    manifest = data.draw(manifests())
    manifest = replace(manifest, pages={i: _only_legs(page) for i, page in manifest.pages.items()})
    emptied = data.draw(st.sampled_from([None, *manifest.pages]))
    if emptied is not None:
        manifest = replace(manifest, pages={**manifest.pages, emptied: _emptied(manifest.pages[emptied])})
    book, basket = data.draw(books(manifest)), data.draw(books(manifest))
    shortfall = data.draw(st.integers(0, 10**12))
    leaf = book_leaf(shortfall, basket.words())
    tree = MerkleTree([leaf, OTHER])
    manifest = replace(manifest, book_root=tree.root)
    shown = ShownBook(words=basket.words(), shortfall=shortfall, proof=tree.proof(leaf))
    found = best_certificate(book, manifest.pages, shown=shown, max_atoms=max_atoms)
    prices = data.draw(price_maps(manifest))

    def initial(certificate: Certificate) -> int:
        margin = assess(
            book,
            cash=0,
            manifest=manifest,
            prices=prices,
            now=NOW,
            open_interest={},
            certificate=certificate,
        )
        return margin.initial

    known = book.pages.keys() & manifest.pages.keys()
    least = DUST_REQUIREMENT if known else initial(Certificate())
    assert initial(Certificate()) == max(found.gross, least)
    assert initial(found.certificate) == max(found.upper, least)
    assert found.upper <= found.gross
    assert sum(1 for entry in unpack_entries(found.certificate.atoms) if entry) <= max_atoms
    assert best_certificate(book, manifest.pages, shown=shown, max_atoms=max_atoms) == found


def _only_legs(page: Page) -> Page:
    """Return a page under which the initial requirement is U, or the dust."""
    names = ("half_spread_x32", "y_volatility_x32", "vega_charge", "maintenance_factor_bps")
    floors = [name for name in page.head.__dataclass_fields__ if name.endswith("_floor_bps")]
    return replace(page, head=replace(page.head, **dict.fromkeys([*names, *floors], 0)))


def _emptied(page: Page) -> Page:
    """Return a page whose first slot holds nothing any more, though atoms may name it."""
    return replace(page, records=(replace(page.records[0], kind=Kind.NONE), *page.records[1:]))


# Three lots of each: rounded down, the hedges of the program save nothing, and hide the one that does.
@example(cube=np.vstack([[0, -43, -43, -43], np.full((15, M), -43)]), lots=[0, 3, 0, 3])
@given(cube=scenario_cubes(instruments=M), lots=Lots)
def test_no_hedge_alone_could_be_set_better(cube: Cube, lots: list[int]) -> None:
    assume(any(lots))
    page, book = page_of(cube), book_of(lots)
    found = best_certificate(book, {0: page})
    entries = [
        e for e in unpack_entries(found.certificate.atoms) if e
    ]  # less the padding, which names atom 0
    taken = Counter({e >> 8 & 0xFFFF: e >> 24 for e in entries})
    for atom in range(len(ATOMS)):
        for step in (-1, 1):
            other = taken + Counter({atom: step}) if step > 0 else taken - Counter({atom: 1})
            words = certificate_words([(0, index, count) for index, count in other.items()])
            assert upper_bound(book, {0: page}, Certificate(atoms=words)) >= found.upper


@given(
    cube=scenario_cubes(instruments=M),
    lots=Lots,
    basket=Lots,
    older=Lots,
    kept=st.integers(0, len(ATOMS)),
    sees=st.tuples(st.booleans(), st.booleans()),
)
def test_certificates_for_both_manifests_do_under_each_what_the_best_alone_does(
    cube: Cube, lots: list[int], basket: list[int], older: list[int], kept: int, sees: tuple[bool, bool]
) -> None:
    page, book = page_of(cube), book_of(lots)
    pages, baseline = {0: page}, {0: replace(page, atoms=page.atoms[:kept])}
    shown, before = (
        shown_of(cube, basket) if sees[0] else None,
        shown_of(cube, older) if sees[1] else None,
    )
    found = best_certificates(book, pages, baseline, shown=shown, shown_before=before)
    assert found.current == best_certificate(book, pages, shown=shown)
    assert found.baseline == best_certificate(book, baseline, shown=before)
    assert found.baseline is not None
    event(f"{len(found.certificates)} certificates")
    given_under = [under(found.certificates, baseline=old) for old in (False, True)]
    assert upper_bound(book, pages, given_under[0]) == found.current.upper
    assert upper_bound(book, baseline, given_under[1]) <= found.baseline.upper
    if len(found.certificates) == 2:  # a second one is carried only where it is needed
        atoms = Certificate(atoms=found.certificates[0].atoms)
        assert _refused(book, baseline, atoms) or upper_bound(book, baseline, atoms) > found.baseline.upper


def _refused(book: Book, pages: dict[int, Page], certificate: Certificate) -> bool:
    try:
        upper_bound(book, pages, certificate)
    except Rejected:
        return True
    return False


@given(cube=scenario_cubes(instruments=M), lots=Lots)
def test_a_baseline_that_does_not_count_gets_no_certificate(cube: Cube, lots: list[int]) -> None:
    page, book = page_of(cube), book_of(lots)
    assume(lots[0])
    for baseline in (None, {}, {0: _emptied(page)}):
        found = best_certificates(book, {0: page}, baseline, shown=shown_of(cube, lots))
        assert found.baseline is None
        assert len(found.certificates) <= 1


@given(cube=scenario_cubes(instruments=M), lots=Lots, more=st.booleans())
def test_a_book_is_shown_without_words_only_as_it_is_stored(cube: Cube, lots: list[int], more: bool) -> None:
    """An expired position is in storage, not in the book that counts."""
    shown, book, stored = shown_of(cube, lots), book_of(lots), book_of(lots)
    assume(shown is not None)
    if more:
        stored.add(0, (M, 1), 1)
    certificate = best_certificate(book, {0: page_of(cube)}, shown=shown, stored=stored).certificate
    assume(certificate.shows)
    assert bool(certificate.book) == more


def test_an_atom_on_a_slot_without_an_instrument_is_left_alone() -> None:
    rng = np.random.default_rng(1)
    cube = rng.integers(-(10**6), 10**6, (16, M))
    cube[:, 1] = cube[:, 0]
    page, book = page_of(cube), book_of([0, -3000, 0, 0])
    free = replace(page.records[0], leg_short_scaled=0)
    listed, empty = (
        replace(page, records=(r, *page.records[1:])) for r in (free, replace(free, kind=Kind.NONE))
    )
    assert best_certificate(book, {0: listed}).upper == 0
    found = best_certificate(book, {0: empty})
    assert found.upper == found.gross > 0


def test_more_hedges_than_calldata_should_carry_are_cut_to_those_that_save_most() -> None:
    rng = np.random.default_rng(1)
    cube = rng.integers(-(10**6), 10**6, (16, M))
    cube[:, 1], cube[:, 3] = cube[:, 0] + rng.integers(-9, 9, 16), cube[:, 2] + rng.integers(-9, 9, 16)
    pages, large, small = {0: page_of(cube)}, (0, 0, 3000), (0, 7, 20)
    book = book_of([3000, -3000, 20, -20])
    for most, entries in ((MAX_ATOMS, [large, small]), (1, [large]), (0, [])):
        found = best_certificate(book, pages, max_atoms=most)
        assert found.certificate.atoms == certificate_words(entries)
