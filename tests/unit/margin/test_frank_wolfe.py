"""The search for measures: what it may err in, what it may not, and that its steps help."""

from dataclasses import replace

import numpy as np
import pytest

from seawall.arrays import Floats
from seawall.margin import frank_wolfe
from seawall.margin.frank_wolfe import Measures, greedy_choice, improved
from seawall.margin.shortfall import book_shortfall, tail_measures
from seawall.margin.targets import Books, pressure, priced_books, reduced_rows

TAIL = 0.05


@pytest.fixture(scope="module")
def market() -> tuple[Floats, Floats]:
    """Return P&L of six instruments in 600 scenarios of unequal weight."""
    rng = np.random.default_rng(8)
    pnl = 0.8 * rng.standard_t(4, size=(600, 1)) + rng.standard_t(4, size=(600, 6))
    weights = rng.choice([1.0, 3.0], size=600)
    return pnl - pnl.mean(axis=0), weights / weights.sum()


def normalised(market: tuple[Floats, Floats], units: Floats, *, sharpness: float = 60.0) -> Books:
    shortfall, means = priced_books(*market, units, tail=TAIL)
    count = len(units)
    return Books(
        units=units / shortfall[:, None],
        means=means,
        log_weight=np.full(count, -np.log(count)),
        sharpness=np.full(count, sharpness),
    )


@pytest.fixture(scope="module")
def books(market: tuple[Floats, Floats]) -> Books:
    return normalised(market, np.random.default_rng(9).normal(size=(300, 6)))


def starts(market: tuple[Floats, Floats], books: Books, count: int) -> Measures:
    pnl, weights = market
    chosen = greedy_choice(books, np.arange(len(books.units)), count=count, sharpness=20.0)
    masses = tail_measures(pnl @ books.units[chosen].T, weights, alpha=1 - TAIL)
    return Measures(masses=masses, values=masses @ pnl)


def search(market: tuple[Floats, Floats], books: Books, start: Measures, steps: int) -> Measures:
    return improved(start, books, *market, tail=TAIL, steps=steps, softest=8.0, reseed_every=4)


def least(measures: Measures, books: Books) -> float:
    return float((-(measures.values @ books.units.T)).max(axis=0).min())


def test_books_priced_in_single_precision_are_never_above_their_shortfall_and_hardly_below(
    market: tuple[Floats, Floats],
) -> None:
    units = np.random.default_rng(1).normal(size=(200, 6)) * 1e5
    exact, means = book_shortfall(*market, units, alpha=1 - TAIL)
    found, found_means = priced_books(*market, units, tail=TAIL)
    assert (found <= exact * (1 + 1e-12)).all()
    np.testing.assert_allclose(found, exact, rtol=1e-5)
    np.testing.assert_allclose(-np.einsum("nm,nm->n", found_means, units), found, rtol=1e-9)
    assert np.median(np.abs(found_means - means)) < 1e-9


def test_scenarios_left_out_are_no_ones_worst(market: tuple[Floats, Floats], books: Books) -> None:
    pnl, weights = market
    rows = reduced_rows(pnl, books.units, weights, tail=TAIL)
    assert 0 < len(rows) < len(pnl)
    whole, _ = book_shortfall(pnl, weights, books.units, alpha=1 - TAIL)
    part, _ = priced_books(pnl[rows], weights[rows], books.units, tail=TAIL)
    np.testing.assert_allclose(part, whole, rtol=1e-5)


def test_scenarios_are_all_kept_where_few_books_tell_little(market: tuple[Floats, Floats]) -> None:
    pnl, equal = market[0], np.full(600, 1 / 600)
    rows = reduced_rows(pnl, np.eye(6)[:1], equal, tail=TAIL)
    np.testing.assert_array_equal(rows, np.arange(len(pnl)))


def test_steps_leave_test_measures_and_raise_the_worst_coverage(
    market: tuple[Floats, Floats], books: Books
) -> None:
    pnl, weights = market
    start = starts(market, books, 12)
    before = start.masses.copy()
    found = search(market, books, start, 40)
    np.testing.assert_array_equal(start.masses, before)
    assert (found.masses >= 0).all()
    assert (found.masses <= weights / TAIL * (1 + 1e-12)).all()
    np.testing.assert_allclose(found.masses.sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(found.values, found.masses @ pnl, rtol=1e-9, atol=1e-12)
    assert least(found, books) > least(start, books) + 0.03


def test_without_steps_measures_stay(market: tuple[Floats, Floats], books: Books) -> None:
    start = starts(market, books, 5)
    np.testing.assert_array_equal(search(market, books, start, 0).masses, start.masses)


def test_books_that_count_less_are_covered_less(market: tuple[Floats, Floats], books: Books) -> None:
    favoured = np.arange(300) < 40
    heavy = replace(books, log_weight=np.where(favoured, 0.0, -12.0))
    start = starts(market, heavy, 6)
    covered = [
        (-(search(market, some, start, 40).values @ books.units.T)).max(axis=0)[favoured].min()
        for some in (heavy, books)
    ]
    assert covered[0] > covered[1] + 0.02


def test_blunt_books_give_way_to_sharp_ones(market: tuple[Floats, Floats], books: Books) -> None:
    sharp = np.arange(300) < 150
    mixed = replace(books, sharpness=np.where(sharp, 100.0, 15.0))
    found = search(market, mixed, starts(market, mixed, 8), 60)
    covered = (-(found.values @ books.units.T)).max(axis=0)
    assert covered[sharp].min() > covered[~sharp].min() + 0.03


def test_books_looked_at_count_for_all_books(
    monkeypatch: pytest.MonkeyPatch, market: tuple[Floats, Floats], books: Books
) -> None:
    monkeypatch.setattr(frank_wolfe, "_LOOKED_AT", 100)
    uneven = replace(books, log_weight=np.where(np.arange(300) < 20, 3.0, 0.0))
    start = starts(market, books, 8)
    search = frank_wolfe._Steps(start, uneven, *market, TAIL)
    covered = (-(start.values @ books.units.T)).max(axis=0)
    hardest = np.argsort(-pressure(covered, uneven.log_weight, uneven.sharpness), kind="stable")
    for part in (0.0, 0.25, 1.0):
        for _ in range(3):
            search.look(search.coverage(search.single).max(axis=0), uneven.sharpness, part)
            assert len(set(search.chosen)) == 100
            pressing = int(100 * frank_wolfe._MOST_PRESSING * min(part / 0.5, 1.0))
            counts = np.exp(search.log_weight)
            np.testing.assert_array_equal(np.sort(search.chosen[:pressing]), np.sort(hardest[:pressing]))
            np.testing.assert_allclose(
                counts[:pressing], np.exp(uneven.log_weight[hardest[:pressing]]), rtol=1e-6
            )
            stands_for = counts[pressing:] / np.exp(uneven.log_weight[search.chosen[pressing:]])
            assert stands_for.sum() == pytest.approx(300 - pressing, rel=1e-6)
