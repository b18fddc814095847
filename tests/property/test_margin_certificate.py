"""Certificates found for books: never worse than none, never below the tail risk, what the engine says to the unit."""

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from math import ceil

import hypothesis.strategies as st
import numpy as np
from hypothesis import assume, event, given, note
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

from seawall.margin.certificate import MAX_ATOMS, ShownBook, best_certificate, upper_bound
from seawall.page import MerkleTree, Page, book_leaf, decode_page, encode_page
from seawall.page.layout import Kind, unpack_entries
from seawall.reference import Book, Certificate, assess, certificate_words
from seawall.reference.certificate import charge
from seawall.reference.engine import DUST_REQUIREMENT

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


@given(cube=scenario_cubes(instruments=M), lots=Lots, old=Lots, kept=st.integers(0, len(ATOMS)))
def test_a_certificate_for_both_manifests_lowers_the_larger_requirement_and_is_accepted_by_both(
    cube: Cube, lots: list[int], old: list[int], kept: int
) -> None:
    page, book = page_of(cube), book_of(lots)
    baseline = {0: replace(page, atoms=page.atoms[:kept])}
    found = best_certificate(book, {0: page}, shown=shown_of(cube, old), baseline=baseline)
    under = upper_bound(book, baseline, found.certificate, baseline=True)
    assert max(found.upper, under) <= found.gross
    if kept == len(ATOMS):
        assert max(found.upper, under) == best_certificate(book, {0: page}).upper


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


@given(cube=scenario_cubes(instruments=M), lots=Lots)
def test_one_certificate_shows_a_book_here_and_hedges_it_under_the_baseline(
    cube: Cube, lots: list[int]
) -> None:
    pages, shown, book = {0: page_of(cube)}, shown_of(cube, lots), book_of(lots)
    assume(shown is not None)
    assert shown is not None

    def under_both(certificate: Certificate) -> tuple[int, int]:
        current = upper_bound(book, pages, certificate)
        return current, upper_bound(book, pages, certificate, baseline=True)

    alone = best_certificate(book, pages, baseline=pages).certificate
    both = best_certificate(book, pages, shown=shown, baseline=pages).certificate
    assert max(under_both(both)) <= max(under_both(alone))
    # Atoms that would raise U are left out: here the book counts, there the atoms.
    carried = replace(alone, book_shortfall=shown.shortfall, proof=shown.proof)
    assert under_both(carried) == (shown.shortfall, under_both(alone)[1])
