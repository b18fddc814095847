"""What linear programs find against the sandwich: no charge below the tail risk, and how far lanes alone fall short."""

from dataclasses import replace
from math import ceil

import numpy as np
import pytest
from tests.bench.venue import book_atoms
from tests.support.families import Traders
from tests.support.hunter import corners, least_charged, least_maintained, maintenance
from tests.support.listings import QUICK, chain_terms, listed_view, price_bars, with_shifts
from tests.support.market import FACTORS
from tests.support.published import Floats, Lots, Published
from tests.support.sandwich import with_factors

from seawall.margin.certificate import best_certificate
from seawall.margin.settings import LaneSettings
from seawall.page import MerkleTree, book_leaf
from seawall.reference import Book, Certificate, ManifestState, Price, assess

# Fractions of the adversary's books become whole lots of legs that add up to this, ticks.
_SIZE = 1e10


@pytest.fixture(scope="module")
def published() -> Published:
    """Return a venue of options on two underlyings, with as many lanes for its size as a keeper would post.

    They are searched for as long as a keeper searches: how little lanes leave an adversary is no matter of luck then.
    """
    terms = chain_terms(days=(7, 30), strikes=(0.9, 1.0, 1.1))
    lanes = replace(QUICK.model.lanes, iterations=LaneSettings().iterations)
    settings = replace(QUICK, model=replace(QUICK.model, lanes=lanes))
    return Published(
        *with_shifts(listed_view([(0, terms), (1, terms)]), price_bars(days=120), settings=settings)
    )


@pytest.fixture(scope="module")
def starts(published: Published) -> Lots:
    books, _ = Traders(published, seed=1).books(40)
    return books


def whole(published: Published, book: Floats) -> Lots:
    """Return a book in whole lots, (1, I)."""
    gross = float(np.maximum(book, 0) @ published.legs[0] + np.maximum(-book, 0) @ published.legs[1])
    found: Lots = np.round(book * (_SIZE / gross)).astype(np.int64)[None]
    return found


def test_INV_06_no_leg_and_no_atom_is_charged_less_than_its_tail_risk(published: Published) -> None:
    """So no book is: U is the least charge of a sum of them, tail risk at most that of the sum."""
    books, charges = corners(published)
    dense = books.toarray()
    assert (published.shortfall(dense) <= charges + published.noise(dense)).all()
    assert (charges >= 0).all()


def test_INV_06_an_adversary_finds_no_book_charged_less_than_its_tail_risk(
    published: Published, starts: Lots
) -> None:
    found = least_charged(published, starts, rounds=8)
    assert 1.0 - 1e-12 <= found.ratio <= 1.001  # it finds the tightest atoms, so it does search
    lots = whole(published, found.book)
    exact = float(published.shortfall(lots)[0])
    certified = best_certificate(published.book(lots[0]), published.pages)
    assert exact - float(published.noise(lots)[0]) <= certified.upper / published.view.tick <= 1.001 * exact


def test_INV_06_beside_a_basket_shown_no_leg_and_no_atom_is_charged_less_than_it_adds(
    published: Published, starts: Lots
) -> None:
    """The corners of what a basket and a change of a given charge may be."""
    books, charges = corners(published)
    paid = charges > 0
    directions = books[paid].toarray() / charges[paid][:, None]
    for basket in starts[:10]:
        certified = float(published.shortfall(basket[None])[0])
        for share in (0.001, 0.1, 1.0, 10.0):
            around = basket + share * certified * directions
            slack = published.noise(around)
            assert (published.shortfall(around) <= certified * (1 + share) + slack).all()


def test_an_adversary_finds_no_book_that_lanes_and_floors_leave_below_22_hundredths_of_its_tail_risk(
    published: Published,
) -> None:
    """A guard on lanes and floors, not a promise: whoever needs more shows the book.

    Which lanes a search ends at depends on the processor, so the adversary starts from many books.
    """
    many, _ = Traders(published, seed=1).books(160)
    found = least_maintained(published, np.concatenate([many, 10**5 * published.atoms]), rounds=10)
    lots = whole(published, found.book)
    left = float((maintenance(published, lots, published.lower(lots)) / published.shortfall(lots))[0])
    assert 0.22 <= left <= 0.28
    assert found.ratio == pytest.approx(left, rel=1e-3)


def test_INV_06_shown_with_its_proof_the_worst_book_is_maintained_at_the_factor_and_never_above(
    published: Published, starts: Lots
) -> None:
    """At 0.79 of its tail risk and more, by the engine's reference, with floors and factor as they are in force."""
    found = least_maintained(published, np.concatenate([starts, 10**5 * published.atoms]), rounds=10)
    lots = whole(published, found.book)
    book, exact = published.book(lots[0]), published.view.tick * float(published.shortfall(lots)[0])
    shown = ceil(exact)
    leaf = book_leaf(shown, book.words())
    tree = MerkleTree([leaf, book_leaf(1, (1 << 8, 2))])
    alone = maintained(published, book, tree.root, Certificate())
    proven = maintained(published, book, tree.root, Certificate(book_shortfall=shown, proof=tree.proof(leaf)))
    assert alone < 0.3 * exact
    assert 0.79 * exact <= proven <= FACTORS.maintenance_factor_bps * exact / 10_000 + 1


def test_a_book_shown_is_charged_its_tail_risk_and_after_a_hedged_change_of_a_tenth_little_more(
    published: Published,
) -> None:
    unchanged, changed = (
        book_atoms(published, count=80, share=share, seed=4, gross_ticks=_SIZE) for share in (0.0, 0.1)
    )
    assert unchanged.upper.max() <= 1.0001
    assert min(unchanged.upper.min(), changed.upper.min()) >= 1.0 - 1e-9
    assert np.median(changed.upper) <= 1.07
    assert (np.maximum(unchanged.lower, changed.lower) <= 1.0 + 1e-9).all()
    assert unchanged.lower.min() >= 0.9999


def maintained(published: Published, book: Book, root: bytes, certificate: Certificate) -> int:
    """Return the maintenance requirement at the reference spots, token units."""
    as_of = published.pages[0].head.as_of
    prices = {
        page.head.underlying: Price(ticks=page.head.reference_spot, observed_at=as_of)
        for page in published.pages.values()
    }
    manifest = ManifestState(
        as_of=as_of,
        activated_at=as_of,
        mature=True,
        pages={i: with_factors(page) for i, page in published.pages.items()},
        epoch=1,
        book_root=root,
    )
    return assess(
        book,
        cash=0,
        manifest=manifest,
        prices=prices,
        now=as_of,
        open_interest={},
        certificate=certificate,
    ).maintenance
