"""Linear programs that raise the worst covered books, and leave test measures."""

from itertools import pairwise

import numpy as np
import pytest
from tests.unit.margin.test_frank_wolfe import TAIL, market, normalised, search, starts

from seawall.arrays import Floats
from seawall.margin.frank_wolfe import Measures
from seawall.margin.polish import polished
from seawall.margin.targets import Books, pressure, total_pressure

__all__ = ["market"]


@pytest.fixture(scope="module")
def books(market: tuple[Floats, Floats]) -> Books:
    rng = np.random.default_rng(9)
    sharp = normalised(market, rng.normal(size=(120, 6)))
    blunt = normalised(market, rng.normal(size=(200, 6)), sharpness=20.0)
    return Books.joined([sharp, blunt])


@pytest.fixture(scope="module")
def found(market: tuple[Floats, Floats], books: Books) -> Measures:
    """Return measures after a few steps only: many would leave little to raise."""
    return search(market, books, starts(market, books, 10), 5)


def sharp(books: Books, measures: Measures) -> Floats:
    chosen = books.sharpness == books.sharpness.max()
    covered: Floats = (-(measures.values @ books.units.T)).max(axis=0)[chosen]
    return covered


def cost(books: Books, measures: Measures) -> float:
    covered = (-(measures.values @ books.units.T)).max(axis=0)
    return total_pressure(pressure(covered, books.log_weight, books.sharpness))


def test_polish_raises_the_worst_covered_of_the_books_that_press_hardest(
    market: tuple[Floats, Floats], books: Books, found: Measures
) -> None:
    better = polished(found, books, *market, tail=TAIL, programs=40)
    assert sharp(books, better).min() > sharp(books, found).min() + 0.02
    assert cost(books, better) < cost(books, found) - 1.0


def test_polish_leaves_test_measures(market: tuple[Floats, Floats], books: Books, found: Measures) -> None:
    pnl, weights = market
    better = polished(found, books, pnl, weights, tail=TAIL, programs=40)
    assert (better.masses >= 0).all()
    assert (better.masses <= weights / TAIL * (1 + 1e-12)).all()
    np.testing.assert_allclose(better.masses.sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(better.values, better.masses @ pnl, rtol=1e-9, atol=1e-12)


def test_more_programs_never_cost_more(market: tuple[Floats, Floats], books: Books, found: Measures) -> None:
    costs = [
        cost(books, polished(found, books, *market, tail=TAIL, programs=count)) for count in (0, 1, 5, 20, 40)
    ]
    assert all(more <= fewer + 1e-9 for fewer, more in pairwise(costs))
    assert costs[-1] < costs[0]


def test_without_programs_measures_stay(market: tuple[Floats, Floats], books: Books, found: Measures) -> None:
    same = polished(found, books, *market, tail=TAIL, programs=0)
    np.testing.assert_array_equal(same.masses, found.masses)
