"""The library of hedges, the selection from it, and its repricing."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from tests.unit.margin.test_atoms import COLUMNS, DATED, SPOTS, Market

from seawall.arrays import Floats
from seawall.errors import ConfigError, DataError
from seawall.margin.atoms import CertifiedAtom, certified_charge, priced_atoms, structure_books
from seawall.margin.design import trader_books
from seawall.margin.hedge_programs import Certified, HedgePrograms
from seawall.margin.instruments import Chain
from seawall.margin.library import hedge_library
from seawall.margin.selection import select_hedges
from seawall.margin.settings import AtomSettings, LaneSettings
from seawall.margin.shortfall import expected_shortfall
from seawall.margin.structures import Legs, verticals

SETTINGS = AtomSettings(tried_books=64, entering_rounds=3, exchange_rounds=3)


@pytest.fixture(scope="module")
def market() -> Market:
    return Market()


@pytest.fixture(scope="module")
def library(market: Market) -> list[Legs]:
    return hedge_library(Chain.of(DATED), market.delta, SPOTS, largest_ratio=8, neighbours=2)


def people(market: Market, *, count: int, seed: int) -> Floats:
    return trader_books(market.pnl, market.weights, market.owner, spots=2, count=count, seed=seed)


def worth_trying(market: Market, books: Floats) -> Floats:
    """Return books that floors do not charge."""
    exact = expected_shortfall(market.pnl @ books.T, market.weights)
    gross = np.maximum(books, 0) @ market.legs[0] + np.maximum(-books, 0) @ market.legs[1]
    found: Floats = books[exact > 0.02 * gross]
    return found


def rays(books: Floats) -> Floats:
    """Return each direction of books once."""
    found: Floats = np.unique(np.round(books / np.abs(books).max(axis=1)[:, None], 9), axis=0)
    return found


def selected(market: Market, library: list[Legs], **settings: Any) -> list[Legs]:
    return select_hedges(
        market.pnl,
        market.weights,
        market.legs,
        library,
        people(market, count=24, seed=1),
        people(market, count=120, seed=6),
        alpha=0.99,
        settings=replace(SETTINGS, **settings),
        spots=2,
        always=verticals(Chain.of(DATED), columns=2),
    )


@pytest.fixture(scope="module")
def chosen(market: Market, library: list[Legs]) -> list[Legs]:
    return selected(market, library)


@pytest.fixture(scope="module")
def atoms(market: Market, chosen: list[Legs]) -> list[CertifiedAtom]:
    return priced_atoms(market.pnl, market.weights, market.legs, chosen, alpha=0.99)


def charges(market: Market, atoms: list[CertifiedAtom], books: Floats) -> Floats:
    """Return U of books with some atoms, over their tail risk."""
    lots = structure_books([atom.legs for atom in atoms], columns=COLUMNS)[: len(atoms)]
    tails = np.array([atom.shortfall for atom in atoms])
    exact = expected_shortfall(market.pnl @ books.T, market.weights)
    upper = np.array([certified_charge(book, lots, tails, market.legs)[1] for book in books])
    return upper / exact


def test_library_holds_two_or_three_instruments_each_once_in_small_whole_ratios(library: list[Legs]) -> None:
    assert len(set(library)) == len(library)
    for legs in library:
        columns = [column for column, _ in legs]
        assert len(legs) in (2, 3)
        assert columns == sorted(set(columns))
        assert legs[0][1] > 0
        assert all(lots and abs(lots) <= 32_767 for _, lots in legs)


def test_library_pairs_any_two_options_of_an_underlying_plain_and_hedged(
    market: Market, library: list[Legs]
) -> None:
    held = {frozenset(column for column, _ in legs) for legs in library}
    first = [2 + i for i, dated in enumerate(DATED[:12])]
    for a in first:
        for b in first:
            if a < b:
                assert {a, b} in held
                assert {0, a, b} in held


def test_library_hedges_offset_the_delta_they_mean_to(market: Market, library: list[Legs]) -> None:
    spread: Legs = next(legs for legs in library if [c for c, _ in legs] == [0, 2, 9])
    delta = sum(lots * (market.delta[column - 2] if column > 1 else 1.0) for column, lots in spread)
    dated = max(abs(lots) for column, lots in spread if column > 1)
    assert abs(delta) <= 0.5 * dated / 2


def test_what_has_expired_is_in_no_hedge_of_the_library(market: Market) -> None:
    hours = np.where(np.arange(len(DATED)) % 2, -1.0, 24.0)
    chain = replace(Chain.of(DATED), hours=hours)
    found = hedge_library(chain, market.delta, SPOTS, largest_ratio=8, neighbours=2)
    assert found
    assert all(column < 2 or column % 2 == 0 for legs in found for column, _ in legs)


def test_selected_atoms_certify_unseen_books_above_tail_risk_and_below_what_structures_do(
    market: Market, atoms: list[CertifiedAtom]
) -> None:
    books = worth_trying(market, people(market, count=48, seed=2))
    few = 16 * COLUMNS
    ratios = charges(market, atoms[:few], books)
    plain = charges(market, market.choose(books[:0])[:few], books)
    assert (ratios >= 1.0 - 1e-9).all()
    assert np.quantile(ratios, 0.95) - 1.0 < 0.8 * (np.quantile(plain, 0.95) - 1.0)


def test_more_of_a_selection_never_charges_more(market: Market, atoms: list[CertifiedAtom]) -> None:
    books = people(market, count=8, seed=3)
    by_count = [charges(market, atoms[:count], books) for count in (4 * COLUMNS, 8 * COLUMNS, 16 * COLUMNS)]
    for fewer, more in pairwise(by_count):
        assert (more <= fewer * (1 + 1e-7)).all()
    assert by_count[-1].mean() < by_count[0].mean()


def test_what_must_be_posted_comes_first(
    market: Market, chosen: list[Legs], atoms: list[CertifiedAtom]
) -> None:
    """The spreads asked for, what has no risk, and everything dated with its spot on either side."""
    asked = verticals(Chain.of(DATED), columns=2)
    both = asked | {tuple((column, -lots) for column, lots in legs) for legs in asked}
    free = {atom.legs for atom in atoms if atom.shortfall <= 1e-6}
    hedges = {(2 + i, side) for i in range(len(DATED)) for side in (True, False)}
    first = set(chosen[: len(both | free) + len(hedges)])
    assert both | free <= first
    pairs = {legs[1] for legs in first - both if len(legs) == 2 and legs[0][0] < 2}
    assert hedges <= {(column, lots > 0) for column, lots in pairs}


def test_each_hedge_is_selected_once_and_the_same_inputs_select_the_same(
    market: Market, library: list[Legs], chosen: list[Legs]
) -> None:
    assert len(set(chosen)) == len(chosen)
    some = library[::8]
    assert selected(market, some, tried_books=8) == selected(market, some, tried_books=8)


def test_without_exchanges_books_tried_are_charged_as_by_the_whole_library(
    market: Market, library: list[Legs]
) -> None:
    books = worth_trying(market, people(market, count=16, seed=1))
    found = select_hedges(
        *(market.pnl, market.weights, market.legs, library, books, books[:0]),
        alpha=0.99,
        settings=replace(SETTINGS, entering_rounds=12, exchange_rounds=0),
        spots=2,
    )
    everything = [*library, *(tuple((column, -lots) for column, lots in legs) for legs in library)]
    pools = [
        priced_atoms(market.pnl, market.weights, market.legs, hedges, alpha=0.99)
        for hedges in (found, everything)
    ]
    assert len(pools[0]) < len(pools[1]) / 10
    some, whole = (charges(market, atoms, books) for atoms in pools)
    assert some == pytest.approx(whole, rel=2e-3)


def test_exchanges_serve_books_that_are_not_tried(
    market: Market, library: list[Legs], atoms: list[CertifiedAtom]
) -> None:
    """Of as many hedges, those exchanged charge less than those of largest saving among what programs used."""
    entered = priced_atoms(
        *(market.pnl, market.weights, market.legs, selected(market, library, exchange_rounds=0)), alpha=0.99
    )
    gross = [
        sum(lots * market.legs[0 if lots > 0 else 1][c] * np.sign(lots) for c, lots in a.legs)
        for a in entered
    ]
    by_saving = [
        entered[i] for i in np.argsort([a.shortfall / g for a, g in zip(entered, gross, strict=True)])
    ]
    books = worth_trying(market, people(market, count=48, seed=2))
    few = 5 * COLUMNS
    assert len(entered) > few
    exchanged, plain = (charges(market, some[:few], books) for some in (atoms, by_saving))
    assert np.median(exchanged) < np.median(plain) - 0.01


def test_every_round_tries_other_books_half_of_them_live(
    market: Market, library: list[Legs], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Floats] = []

    def noted(self: HedgePrograms, books: Floats) -> Certified:
        seen.append(books)
        return certified(self, books)

    certified = HedgePrograms.certified
    monkeypatch.setattr(HedgePrograms, "certified", noted)
    live, drawn = (rays(worth_trying(market, people(market, count=48, seed=seed))) for seed in (1, 6))
    drawn = np.array([ray for ray in drawn if (ray != live).any(axis=1).all()])
    for given, of_live in (((live, drawn), 8), ((live[:4], drawn), 4), ((live, drawn[:3]), 13)):
        seen.clear()
        select_hedges(
            *(market.pnl, market.weights, market.legs, library[:300], *given),
            alpha=0.99,
            settings=replace(SETTINGS, tried_books=16),
            spots=2,
        )
        assert len(seen) == 1 + 2 * SETTINGS.exchange_rounds
        lived = set(map(tuple, given[0]))
        for books in seen:
            held = [tuple(ray) for ray in rays(books)]
            assert len(held) == len(books) == 16
            assert sum(ray in lived for ray in held) == of_live
        assert len({books.tobytes() for books in seen}) == len(seen)


def test_programs_charge_what_a_certificate_does_and_rises_are_what_one_without_the_hedge_does(
    market: Market, atoms: list[CertifiedAtom]
) -> None:
    some = atoms[: 6 * COLUMNS]
    lots = structure_books([atom.legs for atom in some], columns=COLUMNS)[: len(some)].tocsr()
    tails = np.array([atom.shortfall for atom in some])
    books = people(market, count=12, seed=7)
    programs, everything = HedgePrograms(lots, tails, market.legs), np.arange(len(some))
    found = programs.certified(books)
    programs.improve(found, everything, rounds=20, entering=10, least=1e-9)
    exact = [certified_charge(book, lots, tails, market.legs)[1] for book in books]
    assert found.charge == pytest.approx(exact, rel=1e-7)
    # The prices are those of the dual: they value a book at its charge.
    assert (found.prices * programs.unit * books).sum(axis=1) == pytest.approx(exact, rel=1e-6)
    programs.improve(found, everything, rounds=2, entering=len(some), least=-np.inf)
    spared = np.arange(len(some)) % 3 == 0
    book, hedge, rise = programs.rises(found, spared)
    assert set(zip(book.tolist(), hedge.tolist(), strict=True)) == {
        (i, a) for i, used in enumerate(found.used) for a in used.tolist() if not spared[a]
    }
    for i, a, more in zip(book[::3].tolist(), hedge[::3].tolist(), rise[::3].tolist(), strict=True):
        left = np.delete(everything, a)
        without = certified_charge(books[i], lots[left], tails[left], market.legs)[1]
        assert more == pytest.approx(without - exact[i], rel=1e-6, abs=1e-6 * exact[i])


def test_progress_counts_the_books_of_every_pass(market: Market, library: list[Legs]) -> None:
    seen: list[tuple[int, int]] = []
    select_hedges(
        market.pnl,
        market.weights,
        market.legs,
        library[:50],
        people(market, count=8, seed=1),
        people(market, count=8, seed=6),
        alpha=0.99,
        settings=replace(SETTINGS, tried_books=8, exchange_rounds=2),
        spots=2,
        progress=lambda done, most: seen.append((done, most)),
    )
    each = seen[0][0]
    assert each == 8
    assert seen == [(each * (i + 1), each * (1 + 2 * 5)) for i in range(11)]


@pytest.mark.parametrize("empty", ["library", "books"])
def test_selection_of_nothing_or_for_nobody_is_no_error(
    market: Market, library: list[Legs], empty: str
) -> None:
    found = select_hedges(
        market.pnl,
        market.weights,
        market.legs,
        [] if empty == "library" else library[:200],
        np.zeros((0 if empty == "books" else 2, COLUMNS)),
        np.zeros((0, COLUMNS)),
        alpha=0.99,
        settings=SETTINGS,
        spots=2,
    )
    assert bool(found) == (empty == "books")


def test_repriced_atoms_keep_order_and_side_and_are_at_their_own_tail_risk(
    market: Market, chosen: list[Legs], atoms: list[CertifiedAtom]
) -> None:
    kept = [atom.legs for atom in atoms]
    assert kept == [legs for legs in chosen if legs in set(kept)]
    for atom in atoms[::101]:
        total = sum(lots * market.pnl[:, column] for column, lots in atom.legs)
        exact = float(expected_shortfall(total[:, None], market.weights)[0])
        assert atom.shortfall == pytest.approx(max(exact, 0.0), rel=1e-9, abs=1e-6)


def test_a_hedge_that_saves_nothing_any_more_is_left_out(market: Market) -> None:
    both_long: Legs = ((0, 1), (COLUMNS - 2, 1))  # spot and its future: they fall together
    found = priced_atoms(market.pnl, market.weights, market.legs, [both_long], alpha=0.99)
    assert all(atom.shortfall < sum(market.legs[0][[0, COLUMNS - 2]]) for atom in found)
    assert priced_atoms(market.pnl, market.weights, market.legs, [], alpha=0.99) == []


def test_a_selection_for_another_listing_is_refused(market: Market) -> None:
    with pytest.raises(DataError, match=f"names column {COLUMNS}"):
        priced_atoms(market.pnl, market.weights, market.legs, [((0, 1), (COLUMNS, -1))], alpha=0.99)


@pytest.mark.parametrize(
    "wrong",
    [
        {"entering_rounds": 0},
        {"tried_books": 0},
        {"exchange_rounds": -1},
        {"exchanged": 0.0},
        {"exchanged": 1.1},
        {"remembered": -0.1},
        {"remembered": 1.0},
    ],
)
def test_atom_settings__out_of_range__are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        AtomSettings(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"design_sharpness": 4.0},
        {"design_sharpness": 131.0},
        {"polish_programs": -1},
        {"greedy_sharpness": 0.0},
        {"dust_share": 1.0},
        {"dust_share": -0.1},
    ],
)
def test_lane_settings__of_the_search__out_of_range__are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        LaneSettings(**wrong)


def test_trader_books__are_hedged_in_part_and_none_without_options(market: Market) -> None:
    books = people(market, count=80, seed=4)
    assert (books != 0).any(axis=1).all()
    hedged = books[::8]  # options of one side with their spot
    assert (np.abs(hedged[:, :2]).max(axis=1) > 0).all()
    variance = (market.weights @ (market.pnl @ hedged.T) ** 2) / (
        market.weights @ (market.pnl[:, 2:] @ hedged[:, 2:].T) ** 2
    )
    assert np.median(variance) < 0.7
    spots_only = trader_books(market.pnl[:, :2], market.weights, np.arange(2), spots=2, count=8, seed=0)
    assert spots_only.shape == (0, 2)


def test_trader_books__of_a_chain__hold_spreads_within_expiries_and_across_them(market: Market) -> None:
    chain = Chain.of(DATED)
    books = trader_books(market.pnl, market.weights, market.owner, spots=2, count=120, seed=4, chain=chain)[
        :, 2:
    ]
    assert (books[:, ~chain.alive] == 0).all()
    for row in range(8, len(books), 12):
        near, far = (np.flatnonzero(book) for book in books[row + 1 : row + 3])
        for calendar in (near, far):
            assert len(set(chain.is_call[calendar])) == 1
            assert len(set(chain.underlying[calendar])) == 1
            assert books[row + 1 : row + 3].min() < 0 < books[row + 1 : row + 3].max()
        call, put = np.flatnonzero(books[row + 3])
        assert chain.is_call[call] != chain.is_call[put]
        assert chain.hours[call] == chain.hours[put]
