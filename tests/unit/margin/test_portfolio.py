"""The composed model of all instruments: what it adds to that of perpetuals, and what it leaves as it was."""

from dataclasses import replace

import numpy as np
import pytest

from seawall.arrays import Floats
from seawall.errors import ConfigError, DataError
from seawall.margin import (
    AtomSettings,
    Dated,
    LaneSettings,
    ModelSettings,
    Payoff,
    PortfolioEstimate,
    Role,
    estimate,
    estimate_portfolio,
)
from seawall.margin.lanes import lane_bound
from seawall.margin.shortfall import expected_shortfall

QUICK = ModelSettings(
    lanes=LaneSettings(lanes=16, iterations=4, random_design_books=16),
    atoms=AtomSettings(selection_books=4),
    probe_books=32,
)
ROLES = [Role.MAJOR, Role.LARGE]
SPOTS, VALUE = np.array([1e6, 4e5]), np.array([100.0, 40.0])
DATED = [
    *(
        Dated(underlying=u, payoff=payoff, strike=strike, hours=24.0 * days)
        for u in (0, 1)
        for days in (5, 40)
        for strike in (0.85, 1.0, 1.5)
        for payoff in (Payoff.CALL, Payoff.PUT)
    ),
    Dated(underlying=1, payoff=Payoff.FUTURE, strike=0.0, hours=24.0 * 90),
    Dated(underlying=0, payoff=Payoff.CALL, strike=1.0, hours=-2.0),
]
COLUMNS = 2 + len(DATED)
FUTURE, EXPIRED = COLUMNS - 2, COLUMNS - 1
OWNER = np.array([0, 1, *(d.underlying for d in DATED)])


def run(
    closes: Floats, lots: Floats, *, settings: ModelSettings = QUICK, dated: list[Dated] = DATED
) -> PortfolioEstimate:
    return estimate_portfolio(
        closes[:, :2],
        bar_h=1.0,
        roles=ROLES,
        settings=settings,
        dated=dated,
        spots=SPOTS,
        lots=lots,
        lot_value=VALUE,
    )


@pytest.fixture(scope="module")
def lots() -> Floats:
    rng = np.random.default_rng(9)
    held: Floats = np.round(rng.normal(size=(30, COLUMNS)) * 100) * (rng.random((30, COLUMNS)) < 0.4)
    return held


@pytest.fixture(scope="module")
def found(closes: Floats, lots: Floats) -> PortfolioEstimate:
    return run(closes, lots)


def test_without_dated_instruments_and_basis_it_is_the_model_of_perpetuals(closes: Floats) -> None:
    held = np.round(np.random.default_rng(2).normal(size=(20, 2)) * 100)
    flat = replace(QUICK, surface=replace(QUICK.surface, perpetual_residual=0.0))
    whole = run(closes, held, dated=[], settings=flat).risk
    plain = estimate(closes[:, :2], bar_h=1.0, roles=ROLES, settings=QUICK, books=held * VALUE)
    np.testing.assert_array_equal(whole.long_es, plain.long_es)
    np.testing.assert_array_equal(whole.lanes.values, plain.lanes.values)
    np.testing.assert_array_equal(whole.book_es, plain.book_es)


def test_legs_and_books_are_priced_by_their_own_shortfall(found: PortfolioEstimate, lots: Floats) -> None:
    risk, weights = found.risk, found.risk.scenarios.weights
    np.testing.assert_allclose(risk.long_es, np.maximum(expected_shortfall(risk.pnl, weights), 0), atol=1e-15)
    np.testing.assert_allclose(
        risk.short_es, np.maximum(expected_shortfall(-risk.pnl, weights), 0), atol=1e-15
    )
    by_book = risk.pnl @ (lots * VALUE[OWNER]).T
    np.testing.assert_allclose(risk.book_es, expected_shortfall(by_book, weights), rtol=1e-9)


def test_the_sandwich_holds_over_options_and_perpetuals(found: PortfolioEstimate, lots: Floats) -> None:
    risk, books = found.risk, lots * VALUE[OWNER]
    upper = np.maximum(books, 0.0) @ risk.long_es + np.maximum(-books, 0.0) @ risk.short_es
    lower = lane_bound(risk.lanes.values, books)
    slack = 1e-12 * upper + 1e-12
    assert (lower <= risk.book_es + slack).all()
    assert (risk.book_es <= upper + slack).all()
    assert float(np.median(lower / risk.book_es)) > 0.8


def test_lanes_are_chosen_for_the_books_in_their_own_money(closes: Floats) -> None:
    """A book of options that are cheap beside the spot draws a lane to itself."""
    lots = np.zeros((1, COLUMNS))
    lots[0, [6, 12]] = 500, -700  # calls far above the money, of both maturities
    settings = replace(QUICK, lanes=replace(QUICK.lanes, lanes=48, iterations=12))
    with_book, without = (run(closes, held, settings=settings).risk for held in (lots, lots[:0]))
    book = lots * VALUE[OWNER]
    shortfall = float(with_book.book_es[0])
    covered, before = (float(lane_bound(r.lanes.values, book)[0]) / shortfall for r in (with_book, without))
    assert with_book.live.books == 1
    assert with_book.live.minimum == pytest.approx(covered)
    assert covered > max(0.97, before)


def test_what_has_expired_has_neither_legs_nor_lanes_nor_atoms(found: PortfolioEstimate) -> None:
    assert found.risk.long_es[EXPIRED] == found.risk.short_es[EXPIRED] == 0.0
    assert not found.risk.lanes.values[:, EXPIRED].any()
    assert all(column != EXPIRED for atom in found.atoms for column, _ in atom.legs)


def test_no_leg_is_left_out_however_little_it_can_lose(closes: Floats) -> None:
    """Many lots of next to nothing are something: U is above the tail risk of every book."""
    far = [Dated(underlying=0, payoff=Payoff.CALL, strike=strike, hours=36.0) for strike in (1.1, 9.0)]
    risk = run(closes, np.zeros((0, 4)), dated=far).risk
    exact = expected_shortfall(np.hstack([risk.pnl, -risk.pnl]), risk.scenarios.weights).reshape(2, 4)
    assert (exact > 0).all()
    assert exact[:, 3].max() < 1e-9 < exact[:, 2].min()
    np.testing.assert_allclose(np.stack([risk.long_es, risk.short_es]), exact, rtol=1e-12)
    assert not risk.lanes.values[:, 3].any()


def test_a_token_against_its_perpetual_keeps_the_risk_of_the_basis_and_a_token_alone_that_of_the_spot(
    closes: Floats,
) -> None:
    found = estimate_portfolio(
        closes[:, :2],
        bar_h=1.0,
        roles=ROLES,
        settings=QUICK,
        dated=DATED[:2],
        spots=SPOTS,
        lots=np.array([[0.0, -50.0, 0.0, 0.0, 50.0]]),
        lot_value=VALUE,
        tokens=[1],
    )
    pnl, weights = found.risk.pnl, found.risk.scenarios.weights
    np.testing.assert_array_equal(pnl[:, 4], np.expm1(found.risk.scenarios.log_returns[:, 1]))
    pair = float(expected_shortfall((pnl[:, 4] - pnl[:, 1])[:, None], weights)[0])
    assert found.carry_es == pytest.approx([pair])
    assert found.risk.book_es == pytest.approx([pair * 50 * VALUE[1]])
    assert 1 < pair / (0.03 * found.risk.sigma[1]) < 5  # some deviations of the basis that is assumed
    assert all(column != 4 for atom in found.atoms for column, _ in atom.legs)


def test_a_future_against_its_spot_keeps_the_risk_of_the_basis(found: PortfolioEstimate) -> None:
    basis = found.risk.pnl[:, FUTURE] - found.risk.pnl[:, 1]
    shortfall = float(expected_shortfall(basis[:, None], found.risk.scenarios.weights)[0])
    assert 0.005 < shortfall < 0.2 * float(found.risk.long_es[1])
    falls = found.risk.scenarios.log_returns[:, 1] < -0.05
    assert float(basis[falls].mean()) < -0.002  # forwards fall further than the spot


def test_options_lose_their_time_value_while_nothing_happens(found: PortfolioEstimate) -> None:
    still = np.flatnonzero(
        (np.abs(found.risk.scenarios.log_returns[:, 0]) < 2e-3)
        & (np.abs(found.risk.scenarios.log_returns[:, 0]) > 0)
    )
    straddle = found.risk.pnl[still, 4] + found.risk.pnl[still, 5]  # at the money, five days
    assert len(still) > 5
    decay = float(found.valuation.mark[2] + found.valuation.mark[3]) * (1 - np.sqrt(4 / 5))
    assert float(np.median(straddle)) == pytest.approx(-decay, rel=0.5)


def test_atoms_are_certified_in_the_unit_of_the_spots(found: PortfolioEstimate) -> None:
    weights = found.risk.scenarios.weights
    for atom in found.atoms[::11]:
        total = sum(lots * SPOTS[OWNER[column]] * found.risk.pnl[:, column] for column, lots in atom.legs)
        exact = float(expected_shortfall(total[:, None], weights)[0])
        assert atom.shortfall == pytest.approx(max(exact, 0.0), rel=1e-9, abs=1e-6)


def test_volatility_is_quoted_between_todays_and_the_long_run(found: PortfolioEstimate) -> None:
    assert (found.levels.short > 0).all()
    assert (found.levels.long > 0).all()


def test_the_same_inputs_give_the_same_numbers(
    closes: Floats, lots: Floats, found: PortfolioEstimate
) -> None:
    again = run(closes, lots)
    assert again.atoms == found.atoms
    np.testing.assert_array_equal(again.risk.lanes.values, found.risk.lanes.values)


def test_an_option_on_nothing_listed_is_refused(closes: Floats) -> None:
    stray = Dated(underlying=2, payoff=Payoff.CALL, strike=1.0, hours=24.0)
    with pytest.raises(DataError, match="beyond the 2 that there are"):
        run(closes, np.zeros((0, 3)), dated=[stray])


def test_books_of_another_width_are_refused(closes: Floats) -> None:
    with pytest.raises(DataError, match="lots"):
        run(closes, np.zeros((1, 2)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"per_instrument": -1},
        {"minimum_saving": 1.0},
        {"selection_books": -1},
        {"largest_ratio": 0},
        {"neighbours": 0},
        {"design_structures": -1},
    ],
)
def test_settings_of_atoms_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        AtomSettings(**wrong)
