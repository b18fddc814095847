"""Which hedges are offered, which are chosen, and that none is certified below its tail risk."""

from collections.abc import Collection

import numpy as np
import pytest
from tests.unit.margin.test_revaluation import scenario_set

from seawall.arrays import Floats
from seawall.margin.atoms import (
    CertifiedAtom,
    certified_charge,
    choose_atoms,
    structure_books,
    structure_shortfall,
)
from seawall.margin.instruments import Chain, Dated, Payoff
from seawall.margin.moves import joint_moves
from seawall.margin.perpetuals import spot_pnl
from seawall.margin.revaluation import revalued_pnl, value_chain
from seawall.margin.settings import AtomSettings, ModelSettings
from seawall.margin.shortfall import expected_shortfall, leg_shortfall
from seawall.margin.structures import Legs, structures, verticals
from seawall.margin.surface import levels_from

MODEL = ModelSettings()
SPOTS = np.array([1e6, 3e5])
SETTINGS = AtomSettings(selection_books=12)
DATED = [
    Dated(underlying=u, payoff=payoff, strike=strike, hours=24.0 * days)
    for u in (0, 1)
    for days in (7, 30)
    for strike in (0.9, 1.0, 1.1)
    for payoff in (Payoff.CALL, Payoff.PUT)
] + [Dated(underlying=0, payoff=Payoff.FUTURE, strike=0.0, hours=24.0 * days) for days in (7, 30)]
COLUMNS = 2 + len(DATED)


class Market:
    """P&L of one lot of two spots and 26 dated instruments, in ticks."""

    def __init__(self) -> None:
        chain = Chain.of(DATED)
        moves = joint_moves(scenario_set(), settings=MODEL)
        levels = levels_from(np.array([0.6, 0.8]), np.array([0.7, 0.7]), settings=MODEL.surface)
        dated = revalued_pnl(chain, moves, levels, horizon_h=24.0, settings=MODEL.surface)
        self.owner = np.concatenate([np.arange(2), chain.underlying])
        self.weights = moves.scenarios.weights
        self.pnl: Floats = np.hstack([spot_pnl(moves.scenarios.log_returns), dated]) * SPOTS[self.owner]
        self.legs = np.stack(leg_shortfall(self.pnl, self.weights, alpha=0.99))
        self.delta = value_chain(chain, levels, settings=MODEL.surface).delta
        self.listed = structures(chain, self.delta, SPOTS, largest_ratio=20, neighbours=3)

    def choose(
        self, books: Floats, settings: AtomSettings = SETTINGS, *, always: Collection[Legs] = ()
    ) -> list[CertifiedAtom]:
        return choose_atoms(
            self.pnl,
            self.weights,
            self.legs,
            self.listed,
            books,
            alpha=0.99,
            settings=settings,
            seed=0,
            spots=2,
            always=always,
        )


@pytest.fixture(scope="module")
def market() -> Market:
    return Market()


@pytest.fixture(scope="module")
def atoms(market: Market) -> list[CertifiedAtom]:
    return market.choose(np.zeros((0, COLUMNS)))


def gross(legs: Legs, market: Market) -> float:
    return sum(abs(lots) * float(market.legs[0 if lots > 0 else 1, column]) for column, lots in legs)


def test_structures_are_two_or_three_instruments_each_once(market: Market) -> None:
    assert len(set(market.listed)) == len(market.listed)
    for legs in market.listed:
        columns = [column for column, _ in legs]
        assert len(legs) in (2, 3)
        assert columns == sorted(set(columns))
        assert all(lots for _, lots in legs)
        across = set(columns) == {0, 1} or (len(columns) == 2 and columns[0] >= 2)
        assert len({int(market.owner[c]) for c in columns}) == 1 or across


def test_every_kind_of_hedge_is_among_the_structures(market: Market) -> None:
    call, put, far_call = (2 + i for i in (2, 3, 8))  # at the money, 7 and 30 days
    future, far_future = COLUMNS - 2, COLUMNS - 1
    wanted: list[Legs] = [
        ((0, 1), (1, -3)),  # spots of nearly equal value: 1,000,000 against 900,000 is not near
        ((call, 1), (put, 1)),
        ((0, 1), (call, -1), (put, 1)),
        ((call, 1), (put, -1), (future, -1)),
        ((0, 1), (future, -1)),
        ((future, 1), (far_future, -1)),
        ((call, 1), (far_call, -1)),
        ((2, 1), (call, -1)),
        ((2, 1), (call, -2), (6, 1)),
        ((0, 1), (call, -2)),
    ]
    missing = [legs for legs in wanted if legs not in market.listed]
    assert missing == [((0, 1), (1, -3))]
    assert ((0, 3), (1, -10)) in market.listed


def test_options_that_pay_alike_are_paired_across_underlyings_at_equal_value(market: Market) -> None:
    pairs = {legs for legs in market.listed if len({int(market.owner[column]) for column, _ in legs}) == 2}
    options = [i for i, dated in enumerate(DATED) if dated.payoff is not Payoff.FUTURE]
    assert pairs == {((0, 3), (1, -10))} | {
        ((2 + i, 3), (2 + j, -10))
        for i in options
        for j in options
        if DATED[i].underlying < DATED[j].underlying
        and (DATED[i].payoff, DATED[i].strike, DATED[i].hours)
        == (DATED[j].payoff, DATED[j].strike, DATED[j].hours)
    }


@pytest.mark.parametrize(
    ("payoff", "strike", "hours", "paired"),
    [
        (Payoff.CALL, 1.05, 24.0, True),
        (Payoff.CALL, 0.95, 24.0, True),
        (Payoff.CALL, 1.07, 24.0, False),
        (Payoff.CALL, 0.93, 24.0, False),
        (Payoff.PUT, 1.0, 24.0, False),
        (Payoff.CALL, 1.0, 48.0, False),
        (Payoff.CALL, 1.0, -1.0, False),
    ],
)
def test_only_options_of_one_payoff_and_expiry_and_of_near_strikes_are_paired(
    payoff: Payoff, strike: float, hours: float, paired: bool
) -> None:
    dated = [
        Dated(underlying=0, payoff=Payoff.CALL, strike=1.0, hours=24.0),
        Dated(underlying=1, payoff=payoff, strike=strike, hours=hours),
        Dated(underlying=1, payoff=Payoff.CALL, strike=1.2, hours=24.0),
    ]
    found = structures(Chain.of(dated), np.full(3, 0.5), np.full(2, 1e6), largest_ratio=10, neighbours=3)
    assert (((2, 1), (3, -1)) in found) == paired
    assert ((2, 1), (4, -1)) not in found


def test_what_has_expired_is_in_no_structure() -> None:
    dated = [
        Dated(underlying=0, payoff=payoff, strike=1.0, hours=hours)
        for hours in (-1.0, 24.0)
        for payoff in (Payoff.CALL, Payoff.PUT)
    ]
    found = structures(
        Chain.of(dated), np.array([1.0, 0.0, 0.5, -0.5]), SPOTS[:1], largest_ratio=20, neighbours=3
    )
    assert found
    assert {column for legs in found for column, _ in legs} == {0, 3, 4}


def test_an_atom_is_certified_at_its_own_tail_risk(market: Market, atoms: list[CertifiedAtom]) -> None:
    for atom in atoms[::7]:
        total = sum(lots * market.pnl[:, column] for column, lots in atom.legs)
        exact = float(expected_shortfall(total[:, None], market.weights)[0])
        assert atom.shortfall == pytest.approx(max(exact, 0.0), rel=1e-9, abs=1e-6)


def test_every_atom_saves_what_is_asked_for(market: Market, atoms: list[CertifiedAtom]) -> None:
    assert all(atom.shortfall <= 0.95 * gross(atom.legs, market) for atom in atoms)
    few = market.choose(np.zeros((0, COLUMNS)), AtomSettings(selection_books=0, minimum_saving=0.9))
    assert 0 < len(few) < len(atoms) / 2
    assert all(atom.shortfall <= 0.1 * gross(atom.legs, market) for atom in few)


def test_the_first_atoms_hedge_everything_dated_with_its_spot_on_either_side_or_have_no_risk(
    market: Market, atoms: list[CertifiedAtom]
) -> None:
    free = {atom.legs for atom in atoms if atom.shortfall <= 1e-6 * gross(atom.legs, market)}
    first = {atom.legs for atom in atoms[: 2 * len(DATED) + len(free)]}
    assert len(free) == 12  # calls less puts less futures: three strikes of two expiries, on both sides
    assert free < first
    hedges = first - free
    assert all(len(legs) == 2 and legs[0][0] == market.owner[legs[1][0]] for legs in hedges)
    assert {(legs[1][0], legs[1][1] > 0) for legs in hedges} == {
        (column, side) for column in range(2, COLUMNS) for side in (True, False)
    }


def test_what_is_asked_for_is_among_the_first_however_little_it_saves(market: Market) -> None:
    """Vertical spreads of neighbouring strikes, on both sides: any other of their expiry is a sum of them."""
    asked = verticals(Chain.of(DATED), columns=2)
    assert len(asked) == 16
    assert asked < set(market.listed)
    settings = AtomSettings(selection_books=0, minimum_saving=0.9)
    plain = {atom.legs for atom in market.choose(np.zeros((0, COLUMNS)), settings)}
    chosen = [atom.legs for atom in market.choose(np.zeros((0, COLUMNS)), settings, always=asked)]
    both = asked | {tuple((column, -lots) for column, lots in legs) for legs in asked}
    assert set(chosen) == plain | both
    assert not both <= plain
    most = 2 * len(DATED) + 12 + len(both)
    assert both <= set(chosen[:most])


def test_atoms_that_the_books_that_exist_would_use_come_before_the_rest(market: Market) -> None:
    book = np.zeros(COLUMNS)
    book[[2, 5, 9, 12]] = 1000, -2000, 1500, -700
    chosen = market.choose(book[None], AtomSettings(selection_books=2))
    candidates = structure_books(market.listed, columns=COLUMNS)
    shortfall = structure_shortfall(market.pnl, market.weights, candidates, alpha=0.99)
    used, _ = certified_charge(book, candidates, shortfall, market.legs)
    at = {atom.legs: place for place, atom in enumerate(chosen)}
    places = []
    for row in np.flatnonzero(used > 1.0):
        legs, sign = market.listed[row % len(market.listed)], 1 if row < len(market.listed) else -1
        places.append(at[tuple((column, sign * lots) for column, lots in legs)])
    # The first hedges, and no more than a program's basis for each of four books.
    most = 2 * len(DATED) + 4 * COLUMNS
    assert places
    assert max(places) < most < len(chosen) / 3


def test_a_certificate_lies_between_tail_risk_and_gross_margin(market: Market) -> None:
    rng = np.random.default_rng(4)
    candidates = structure_books(market.listed, columns=COLUMNS)
    shortfall = structure_shortfall(market.pnl, market.weights, candidates, alpha=0.99)
    saved = []
    for _ in range(10):
        book = np.round(rng.normal(size=COLUMNS) * 100)
        used, cost = certified_charge(book, candidates, shortfall, market.legs)
        exact = float(expected_shortfall((market.pnl @ book)[:, None], market.weights)[0])
        whole = float(np.maximum(book, 0) @ market.legs[0] + np.maximum(-book, 0) @ market.legs[1])
        assert (used >= 0).all()
        assert exact <= cost * (1 + 1e-9)
        assert cost <= whole * (1 + 1e-9)
        saved.append(cost / whole)
    assert np.median(saved) < 0.5


def test_a_book_that_is_empty_costs_nothing(market: Market) -> None:
    candidates = structure_books(market.listed, columns=COLUMNS)
    used, cost = certified_charge(np.zeros(COLUMNS), candidates, np.ones(candidates.shape[0]), market.legs)
    assert cost == 0.0
    assert not used.any()


def test_the_same_inputs_give_the_same_atoms(market: Market, atoms: list[CertifiedAtom]) -> None:
    assert market.choose(np.zeros((0, COLUMNS))) == atoms


def test_without_structures_there_are_no_atoms(market: Market) -> None:
    one = leg_shortfall(market.pnl[:, :1], market.weights, alpha=0.99)
    found = choose_atoms(
        market.pnl[:, :1],
        market.weights,
        np.stack(one),
        [],
        np.zeros((0, 1)),
        alpha=0.99,
        settings=SETTINGS,
        seed=0,
        spots=1,
    )
    assert found == []


@pytest.mark.parametrize("value", [1e6, 999_999.0, 3e5, 1e4, 777.0, 40.0, 1e8, 3e10])
def test_spots_are_paired_at_equal_value_however_their_lots_compare(value: float) -> None:
    nothing = Chain.of([])
    ((first, second),) = structures(
        nothing, np.empty(0), np.array([1e6, value]), largest_ratio=20, neighbours=3
    )
    assert first[1] * 1e6 == pytest.approx(-second[1] * value, rel=0.0101)
    assert 0 < max(first[1], -second[1]) <= 32_767


def test_lots_too_different_for_sixteen_bits_are_not_paired() -> None:
    assert not structures(Chain.of([]), np.empty(0), np.array([1e9, 1.0]), largest_ratio=20, neighbours=3)
