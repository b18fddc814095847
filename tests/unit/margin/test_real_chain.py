"""On real chains, where the data is there: the sandwich holds, and the bench's own arithmetic is right."""

import numpy as np
import pytest
from tests.bench.chains import choose, drawn
from tests.bench.cliques import clique, midpoints
from tests.support.data import needs_real_data, real_data
from tests.support.real_chain import ALPHA, FILES, RealChain, real_chain

from seawall.margin.atoms import certified_charge, priced_atoms, structure_books
from seawall.margin.lanes import lane_bound
from seawall.margin.library import hedge_library
from seawall.margin.settings import LaneSettings, ModelSettings
from seawall.margin.shortfall import expected_shortfall

SIZE = 1e9


@pytest.fixture(scope="module")
def chain() -> RealChain:
    settings = ModelSettings(step_h=24.0)
    return real_chain(real_data(*FILES), options=(4, 4), settings=settings, newest=40)


@needs_real_data
def test_a_real_chain_has_options_of_two_underlyings_that_lose_no_more_than_their_price(
    chain: RealChain,
) -> None:
    options = 3 + np.flatnonzero(chain.chain.is_option)
    assert len(options) > 40
    assert set(chain.owner[options]) == {0, 1}
    assert (chain.legs[1, options] > chain.legs[0, options]).mean() > 0.9
    assert (chain.legs > 0).all()


@needs_real_data
def test_lanes_and_atoms_bound_the_tail_risk_of_real_books_from_both_sides(chain: RealChain) -> None:
    live, _ = drawn(chain, 120, seed=1)
    values, _ = choose(chain, live, LaneSettings(lanes=32, iterations=20, random_design_books=32))
    unseen, _ = drawn(chain, 40, seed=2)
    exact = expected_shortfall(chain.pnl @ unseen.T, chain.weights, alpha=ALPHA)
    np.testing.assert_allclose(exact, SIZE, rtol=1e-9)
    lower = lane_bound(values, unseen)
    library = hedge_library(chain.chain, chain.delta, np.full(3, 1e6), largest_ratio=8, neighbours=2)
    some = priced_atoms(chain.pnl, chain.weights, chain.legs, library[::40], alpha=ALPHA)
    books = structure_books([atom.legs for atom in some], columns=len(chain.owner))[: len(some)]
    tails = np.array([atom.shortfall for atom in some])
    upper = np.array([certified_charge(book, books, tails, chain.legs)[1] for book in unseen])
    assert (lower <= exact * (1 + 1e-12)).all()
    assert (upper >= exact * (1 - 1e-9)).all()
    assert lane_bound(values, live).min() > 0.6 * SIZE
    assert (upper <= chain.gross(unseen) * (1 + 1e-9)).all()


@needs_real_data
def test_midpoints_of_books_have_their_own_tail_risk(chain: RealChain) -> None:
    books = drawn(chain, 6, seed=1)[0] / SIZE
    counted: list[tuple[int, int]] = []
    found = midpoints(chain, books, lambda done, most: counted.append((done, most)))
    both = 0.5 * (books[1] + books[4])
    exact = float(expected_shortfall((chain.pnl @ both)[:, None], chain.weights, alpha=ALPHA)[0])
    assert found[1, 4] == found[4, 1] == pytest.approx(exact, rel=1e-5)
    assert counted[-1] == (len(books), len(books))


def test_a_clique_is_found_where_it_is_planted() -> None:
    rng = np.random.default_rng(1)
    apart = rng.random((60, 60)) < 0.2
    apart = np.triu(apart, 1)
    planted = rng.choice(60, 9, replace=False)
    apart[np.ix_(planted, planted)] = True
    apart = np.triu(apart, 1)
    assert clique(apart | apart.T) == 9
    assert clique(np.zeros((5, 5), dtype=np.bool_)) == 1
