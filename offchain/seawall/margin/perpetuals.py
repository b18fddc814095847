"""The model for perpetual futures, composed: closes and books in, legs and lanes out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from seawall.arrays import Floats, checked
from seawall.errors import DataError
from seawall.margin.breaks import stress_multiple
from seawall.margin.design import probe_books
from seawall.margin.lanes import Coverage, Lanes, choose_lanes, coverable, lane_coverage
from seawall.margin.scenarios import ScenarioSet, build_scenarios
from seawall.margin.settings import ModelSettings
from seawall.margin.shortfall import book_shortfall, leg_shortfall
from seawall.margin.stress import Role, stress_log_returns
from seawall.margin.volatility import break_strength, sigma_path

__all__ = ["RiskEstimate", "assess", "estimate", "joint_returns", "spot_pnl"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskEstimate:
    """Hold one epoch's risk as fractions of spot: of perpetuals on M underlyings, and of C - M instruments behind them.

    Where there are none of those C is M.

    Attributes
    ----------
    scenarios
        The joint log-returns and weights everything below is computed from.
    pnl
        P&L of one unit of spot exposure, (S, C).
    long_es, short_es
        Expected shortfall of one unit of spot exposure held long and short, at least zero, (C,).
    book_es
        Expected shortfall of each live book in settlement units, (N,); may be negative.
    lanes
        `values` are P&L per unit of spot exposure, (K, C).
    live, unseen
        Coverage of the books passed in and of random ones drawn afterwards, without dust and near-perfect
        hedges.
    """

    scenarios: ScenarioSet
    pnl: Floats
    long_es: Floats
    short_es: Floats
    book_es: Floats
    lanes: Lanes
    live: Coverage
    unseen: Coverage

    @property
    def sigma(self) -> Floats:
        """Return today's volatility over the horizon, (M,)."""
        return self.scenarios.sigma_now


def spot_pnl(log_returns: Floats) -> Floats:
    """Return the P&L of one unit of spot exposure, `exp(r) - 1`, for log-returns of any shape."""
    pnl: Floats = np.expm1(log_returns)
    return pnl


def estimate(
    closes: Floats,
    *,
    bar_h: float,
    roles: Sequence[Role],
    settings: ModelSettings,
    books: Floats | None = None,
    implied: Floats | None = None,
) -> RiskEstimate:
    """Return the risk of perpetuals as of the last bar: volatility, scenarios, legs, lanes, coverage.

    Parameters
    ----------
    closes
        Prices, (T, M), oldest first, on a regular grid; a row with a NaN is a missing bar.
    bar_h
        Distance between rows in hours.
    roles
        Which stress moves each underlying takes, M of them.
    settings
        Everything else.
    books
        Live books as signed spot exposure by underlying in settlement units, (N, M); none by default.
    implied
        Annualised implied volatilities, (T, M), NaN where there is none.

    Raises
    ------
    DataError
        If an input is malformed or too short; the message says what to supply.
    ConfigError
        If `bar_h` does not divide the horizon and the step.
    """
    _, scenarios = joint_returns(closes, bar_h=bar_h, roles=roles, settings=settings, implied=implied)
    live = np.empty((0, len(roles))) if books is None else books
    return assess(scenarios, spot_pnl(scenarios.log_returns), live, settings=settings)


def joint_returns(
    closes: Floats,
    *,
    bar_h: float,
    roles: Sequence[Role],
    settings: ModelSettings,
    implied: Floats | None = None,
) -> tuple[Floats, ScenarioSet]:
    """Return the volatilities of all bars, (T, M), and the scenarios as of the last; parameters as for `estimate`."""
    sigma = sigma_path(closes, bar_h=bar_h, settings=settings, implied=implied)
    if len(roles) != sigma.shape[1]:
        raise DataError(f"{len(roles)} roles for {sigma.shape[1]} underlyings: give one each")
    sides = None
    if settings.side_share:
        down, up = (
            sigma_path(closes, bar_h=bar_h, settings=settings, implied=implied, side=side) for side in (-1, 1)
        )
        sides = down, up
    if settings.breaks.enabled:
        strength = break_strength(closes, bar_h=bar_h, settings=settings, implied=implied)[-1]
        multiple = stress_multiple(strength, settings=settings.breaks)
        settings = replace(settings, stress_probability=multiple * settings.stress_probability)
    stress = stress_log_returns(roles)
    return sigma, build_scenarios(closes, sigma, bar_h=bar_h, settings=settings, stress=stress, sides=sides)


def assess(
    scenarios: ScenarioSet,
    pnl: Floats,
    books: Floats,
    *,
    settings: ModelSettings,
    structures: Floats | None = None,
) -> RiskEstimate:
    """Return legs, lanes and coverage of instruments whose P&L is known.

    Parameters
    ----------
    scenarios
        Joint scenarios.
    pnl
        P&L of one unit of each instrument in them, (S, C).
    books
        Live books in these units, (N, C).
    settings
        Level, lanes, probe books, seed.
    structures
        Books of these instruments that people tend to hold, for lanes to cover, (D, C); none by default.

    Raises
    ------
    DataError
        If an array is malformed.
    """
    weights, columns = scenarios.weights, pnl.shape[1]
    long_es, short_es = leg_shortfall(pnl, weights, alpha=settings.alpha)
    live = checked(books, name="books", shape=(None, columns))
    lanes = choose_lanes(
        pnl,
        weights,
        live,
        alpha=settings.alpha,
        settings=settings.lanes,
        seed=settings.seed,
        structures=structures,
    )
    legs = np.stack([long_es, short_es])
    unseen = probe_books(np.maximum(legs.max(axis=0), 1e-12), count=settings.probe_books, seed=settings.seed)

    def covered(tried: Floats, shortfall: Floats, minimum: float) -> Coverage:
        keep = (shortfall > 0) & coverable(
            shortfall, tried, legs, minimum=minimum, maximum_gross=settings.lanes.maximum_gross_over_es
        )
        return lane_coverage(lanes.values, books=tried[keep], shortfall=shortfall[keep])

    book_es, _ = book_shortfall(pnl, weights, live, alpha=settings.alpha)
    unseen_es, _ = book_shortfall(pnl, weights, unseen, alpha=settings.alpha)
    return RiskEstimate(
        scenarios=scenarios,
        pnl=pnl,
        long_es=long_es,
        short_es=short_es,
        book_es=book_es,
        lanes=lanes,
        live=covered(live, book_es, settings.lanes.minimum_book_es),
        unseen=covered(unseen, unseen_es, 0.0),
    )
