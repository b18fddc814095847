"""What the search for lanes achieves, on fixed prices."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seawall.arrays import Floats
from seawall.errors import DataError
from seawall.margin.adversary import worst_book
from seawall.margin.design import design_books, probe_books
from seawall.margin.lane_search import LaneSearch, all_but_dust
from seawall.margin.lanes import choose_lanes, coverable, lane_bound, lane_coverage
from seawall.margin.settings import LaneSettings
from seawall.margin.shortfall import book_shortfall, expected_shortfall
from seawall.margin.targets import Books

LANES = LaneSettings(lanes=32, iterations=60, random_design_books=64)


@pytest.fixture(scope="module")
def market() -> tuple[Floats, Floats]:
    return correlated(5)


def correlated(seed: int) -> tuple[Floats, Floats]:
    """Return P&L of five correlated instruments and equal weights."""
    rng = np.random.default_rng(seed)
    pnl = 0.03 * (0.8 * rng.standard_t(4, size=(1500, 1)) + 0.5 * rng.standard_t(4, size=(1500, 5)))
    return pnl, np.full(1500, 1 / 1500)


def coverage_of(market: tuple[Floats, Floats], books: Floats, lanes: LaneSettings) -> tuple[float, float]:
    pnl, weights = market
    chosen = choose_lanes(pnl, weights, books, alpha=0.99, settings=lanes, seed=0)
    shortfall, _ = book_shortfall(pnl, weights, books, alpha=0.99)
    legs = expected_shortfall(np.concatenate([pnl, -pnl], axis=1), weights).reshape(2, 5)
    keep = coverable(shortfall, books, legs, minimum=1.0, maximum_gross=50.0)
    report = lane_coverage(chosen.values, books=books[keep], shortfall=shortfall[keep])
    return report.minimum, report.median


def test_sixty_four_lanes_cover_four_fifths_of_every_live_book(
    market: tuple[Floats, Floats], books: Floats
) -> None:
    minimum, median = coverage_of(market, books, LaneSettings())
    assert minimum > 0.8
    assert median > 0.93


def test_a_larger_level_of_design_books_covers_them_better_and_live_ones_worse(
    market: tuple[Floats, Floats], books: Floats
) -> None:
    pnl, weights = market
    design = design_books(pnl, weights, random_books=LANES.random_design_books, seed=0)
    least = []
    for level in (0.1, 0.9):
        settings = replace(LANES, lanes=16, design_level=level)
        chosen = choose_lanes(pnl, weights, books, alpha=0.99, settings=settings, seed=0)
        least.append(
            [
                np.quantile(lane_bound(chosen.values, some) / shortfall, 0.02)
                for some in (books[:200], design)
                for shortfall in (book_shortfall(pnl, weights, some, alpha=0.99)[0],)
            ]
        )
    assert least[0][0] > least[1][0]
    assert least[0][1] < least[1][1]


def test_more_lanes_cover_more(market: tuple[Floats, Floats], books: Floats) -> None:
    medians = [coverage_of(market, books, replace(LANES, lanes=count))[1] for count in (16, 32, 64)]
    assert all(fewer < more for fewer, more in pairwise(medians))


def test_frank_wolfe_steps_alone_cover_more_than_the_greedy_choice(
    market: tuple[Floats, Floats], books: Floats
) -> None:
    never = 10_000
    greedy, _ = coverage_of(market, books, replace(LANES, iterations=0))
    improved, _ = coverage_of(market, books, replace(LANES, reseed_every=never))
    assert improved > greedy


def test_live_books_count_for_the_middle_of_them_too(
    monkeypatch: pytest.MonkeyPatch, market: tuple[Floats, Floats], books: Floats
) -> None:
    settings = replace(LANES, lanes=16)
    _, median = coverage_of(market, books, settings)
    monkeypatch.setattr(LaneSearch, "_add_middle", lambda _, level: None)
    _, without = coverage_of(market, books, settings)
    assert median > without + 0.01


def test_large_books_are_covered_before_small_ones(market: tuple[Floats, Floats], books: Floats) -> None:
    pnl, weights = market
    settings = replace(LANES, lanes=16)
    shortfall, _ = book_shortfall(pnl, weights, books, alpha=0.99)
    large = np.arange(len(books)) < 20
    scaled = books / np.maximum(shortfall, 1.0)[:, None] * np.where(large, 1e6, 10.0)[:, None]
    chosen = choose_lanes(pnl, weights, scaled, alpha=0.99, settings=settings, seed=0)
    scaled_es, _ = book_shortfall(pnl, weights, scaled, alpha=0.99)
    held = scaled_es > 0
    ratios = lane_bound(chosen.values, scaled[held]) / scaled_es[held]
    assert ratios[large[held]].mean() > ratios[~large[held]].mean() + 0.02


def test_many_books_that_together_hold_next_to_nothing_change_nothing(
    market: tuple[Floats, Floats], books: Floats
) -> None:
    """Not a bit, as searches part where they differ by one. Each of these is above the least size that counts."""
    pnl, weights = market
    settings = replace(LANES, iterations=4, minimum_book_es=1e-6)
    held, dust = (
        units / book_shortfall(pnl, weights, units, alpha=0.99)[0][:, None]
        for units in (books[:200], np.random.default_rng(3).normal(size=(700, 5)))
    )
    held = held[np.abs(held).max(axis=1) > 0]
    dust *= 0.9 * settings.dust_share / len(dust) * len(held)
    alone, crowded = (
        choose_lanes(pnl, weights, units, alpha=0.99, settings=settings, seed=0)
        for units in (held, np.concatenate([dust, held]))
    )
    np.testing.assert_array_equal(crowded.values, alone.values)


@given(
    sizes=st.lists(st.floats(1.0, 1.001), min_size=1, max_size=50).map(lambda few: few * 30),
    dust=st.lists(st.floats(1e-9, 1e-6), max_size=50),
)
def test_of_books_of_about_one_size_none_is_dust(sizes: list[float], dust: list[float]) -> None:
    kept = all_but_dust(np.array(sizes + dust), share=0.002)
    assert kept[: len(sizes)].all()
    assert not kept[len(sizes) :].any()


def test_an_adversary_finds_books_worse_than_any_design_book(market: tuple[Floats, Floats]) -> None:
    pnl, weights = market
    chosen = choose_lanes(pnl, weights, np.empty((0, 5)), alpha=0.99, settings=LANES, seed=0)
    tried = design_books(pnl, weights, random_books=64, seed=0)
    shortfall, _ = book_shortfall(pnl, weights, tried, alpha=0.99)
    legs = expected_shortfall(np.concatenate([pnl, -pnl], axis=1), weights).reshape(2, 5)
    keep = coverable(shortfall, tried, legs, minimum=0.0, maximum_gross=50.0)
    report = lane_coverage(chosen.values, books=tried[keep], shortfall=shortfall[keep])
    assert 0 < chosen.adversarial_ratio < report.minimum


def test_what_an_adversary_would_hold_makes_its_best_books_worse_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On one market alone the search ends here or there; four tell the difference."""
    starts = np.random.default_rng(1).normal(size=(6, 5))

    def found(seed: int) -> float:
        pnl, weights = correlated(seed)
        chosen = choose_lanes(pnl, weights, np.empty((0, 5)), alpha=0.99, settings=LANES, seed=0)
        legs = expected_shortfall(np.concatenate([pnl, -pnl], axis=1), weights).reshape(2, 5)
        return worst_book(
            pnl,
            weights,
            chosen.values,
            alpha=0.99,
            starts=starts,
            long_es=legs[0],
            short_es=legs[1],
            maximum_gross=50.0,
        )[1]

    def harmless(_: LaneSearch, values: Floats, books: Books, *, wanted: int) -> Books:
        first = np.arange(wanted)
        return Books(
            units=books.units[first],
            means=books.means[first],
            log_weight=books.log_weight[first],
            sharpness=books.sharpness[first],
        )

    ratios = [found(seed) for seed in range(5, 9)]
    monkeypatch.setattr(LaneSearch, "_hostile", harmless)
    assert np.mean(ratios) > np.mean([found(seed) for seed in range(5, 9)]) + 0.01


def test_worst_book__against_one_lane__finds_what_that_lane_misses(market: tuple[Floats, Floats]) -> None:
    pnl, weights = market
    _, means = book_shortfall(pnl, weights, np.eye(5), alpha=0.99)
    ones = np.full(5, 0.1)
    book, ratio = worst_book(
        pnl,
        weights,
        means[:1],
        alpha=0.99,
        starts=np.eye(5)[1:2],
        long_es=ones,
        short_es=ones,
        maximum_gross=50.0,
    )
    shortfall, _ = book_shortfall(pnl, weights, book[None], alpha=0.99)
    assert shortfall[0] == pytest.approx(1.0)
    assert lane_bound(means[:1], book[None])[0] == pytest.approx(ratio)
    assert ratio < 0.2


def test_worst_book__is_worse_than_any_of_many_random_books(market: tuple[Floats, Floats]) -> None:
    pnl, weights = market
    _, means = book_shortfall(pnl, weights, np.concatenate([np.eye(5), -np.eye(5)]), alpha=0.99)
    legs = expected_shortfall(np.concatenate([pnl, -pnl], axis=1), weights).reshape(2, 5)
    tried = np.random.default_rng(2).normal(size=(500, 5))
    shortfall, _ = book_shortfall(pnl, weights, tried, alpha=0.99)
    _, ratio = worst_book(
        pnl,
        weights,
        means,
        alpha=0.99,
        starts=tried[:4],
        long_es=legs[0],
        short_es=legs[1],
        maximum_gross=50.0,
    )
    assert ratio < (lane_bound(means, tried) / shortfall).min()


def test_worst_book__of_two_instruments__is_the_worst_of_all_directions(
    market: tuple[Floats, Floats],
) -> None:
    """In a plane all books can be tried: one a hundredth of a degree."""
    pnl, weights = market[0][:, :2], market[1]
    _, means = book_shortfall(pnl, weights, np.array([[1.0, 0.0], [0.3, 1.0], [-1.0, 0.2]]), alpha=0.99)
    legs = expected_shortfall(np.concatenate([pnl, -pnl], axis=1), weights).reshape(2, 2)
    angles = np.arange(36_000) * (2 * np.pi / 36_000)
    tried = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    shortfall, _ = book_shortfall(pnl, weights, tried, alpha=0.99)
    bound = lane_bound(means, tried)
    gross = np.maximum(tried, 0.0) @ legs[0] + np.maximum(-tried, 0.0) @ legs[1]
    allowed = gross <= 50.0 * bound  # what a linear program may hold: lanes see a fiftieth of the legs
    book, ratio = worst_book(
        pnl,
        weights,
        means,
        alpha=0.99,
        starts=tried[::4_500],
        long_es=legs[0],
        short_es=legs[1],
        maximum_gross=50.0,
    )
    assert ratio == pytest.approx((bound / shortfall)[allowed].min(), rel=0.01)
    found, _ = book_shortfall(pnl, weights, book[None], alpha=0.99)
    assert lane_bound(means, book[None])[0] == pytest.approx(ratio * found[0])


@pytest.mark.parametrize("degrees", [-40, -20, 0, 20, 40])
def test_worst_book__in_one_round__finds_none_better_covered_than_where_it_starts(
    market: tuple[Floats, Floats], degrees: int
) -> None:
    """Lanes see books on the other side of the plane well, and those on this side badly: it must not change sides."""

    def plane(angles: list[int]) -> Floats:
        turns = np.radians(np.array(angles, dtype=np.float64))
        return np.stack([np.cos(turns), np.sin(turns)], axis=1)

    pnl, weights = market[0][:, :2], market[1]
    _, means = book_shortfall(pnl, weights, plane([*range(75, 300, 10)]), alpha=0.99)
    start = plane([degrees])
    shortfall, _ = book_shortfall(pnl, weights, start, alpha=0.99)
    legs = np.ones(2)
    _, ratio = worst_book(
        pnl,
        weights,
        means,
        alpha=0.99,
        starts=start,
        long_es=legs,
        short_es=legs,
        maximum_gross=1e4,
        rounds=1,
    )
    assert ratio <= float(lane_bound(means, start)[0] / shortfall[0]) + 1e-9


def test_worst_book__with_more_rounds__never_finds_a_better_covered_book(
    market: tuple[Floats, Floats],
) -> None:
    pnl, weights = market
    _, means = book_shortfall(pnl, weights, np.concatenate([np.eye(5), -np.eye(5)]), alpha=0.99)
    legs = expected_shortfall(np.concatenate([pnl, -pnl], axis=1), weights).reshape(2, 5)
    starts = np.random.default_rng(2).normal(size=(4, 5))
    once, often = (
        worst_book(
            pnl,
            weights,
            means,
            alpha=0.99,
            starts=starts,
            long_es=legs[0],
            short_es=legs[1],
            maximum_gross=50.0,
            rounds=rounds,
        )[1]
        for rounds in (1, 6)
    )
    assert often < once


@pytest.mark.parametrize("instruments", [1, 2, 8])
def test_choose_lanes__for_any_number_of_instruments__returns_k_lanes(instruments: int) -> None:
    pnl = 0.02 * np.random.default_rng(3).standard_t(4, size=(400, instruments))
    none = np.empty((0, instruments))
    chosen = choose_lanes(pnl, np.full(400, 1 / 400), none, alpha=0.95, settings=LANES, seed=0)
    assert chosen.values.shape == (32, instruments)
    legs = np.concatenate([np.eye(instruments), -np.eye(instruments)])
    shortfall, _ = book_shortfall(pnl, np.full(400, 1 / 400), legs, alpha=0.95)
    assert (lane_bound(chosen.values, legs) > 0.8 * shortfall).all()


@pytest.mark.parametrize("premium", [1e-20, 1e-42])
def test_an_option_of_no_value_is_left_to_floors_and_spoils_no_lane(
    market: tuple[Floats, Floats], premium: float
) -> None:
    cube, weights = market
    option = np.full(len(cube), -premium)
    option[cube[:, 0].argmax()] = 1.0
    found = choose_lanes(
        np.column_stack([cube, option]),
        weights,
        np.empty((0, cube.shape[1] + 1)),
        alpha=0.99,
        settings=LANES,
        seed=0,
    )
    ones = np.concatenate([np.eye(cube.shape[1] + 1), -np.eye(cube.shape[1] + 1)])
    exact, _ = book_shortfall(np.column_stack([cube, option]), weights, ones, alpha=0.99)
    bound = lane_bound(found.values, ones)
    assert (bound <= np.maximum(exact, 0.0) + 1e-9).all()
    assert (bound[: cube.shape[1]] >= 0.5 * exact[: cube.shape[1]]).all()


def test_choose_lanes__when_nothing_can_lose__refuses() -> None:
    with pytest.raises(DataError, match="no loss to cover"):
        choose_lanes(np.zeros((50, 2)), np.full(50, 0.02), np.ones((1, 2)), alpha=0.9, settings=LANES, seed=0)


def test_lane_coverage__of_no_book__is_not_a_number() -> None:
    report = lane_coverage(np.ones((16, 2)), books=np.empty((0, 2)), shortfall=np.empty(0))
    assert report.books == 0
    assert np.isnan([report.minimum, report.first_percentile, report.median]).all()


def test_design_books__hold_every_leg_and_sign_pattern(market: tuple[Floats, Floats]) -> None:
    signs = {tuple(row) for row in np.sign(design_books(*market, random_books=0, seed=0))}
    assert len(signs) == 3**5 - 1


def test_probe_books__hold_at_least_one_instrument_each() -> None:
    probes = probe_books(np.array([0.1, 0.2, 0.1]), count=200, seed=0)
    held = np.count_nonzero(probes, axis=1)
    assert set(held) == {1, 2, 3}
