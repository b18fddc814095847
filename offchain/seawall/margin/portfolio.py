"""The model for all instruments, composed: closes, listings and books in; marks, legs, lanes and atoms out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from seawall.arrays import Floats, Ints, checked
from seawall.errors import DataError
from seawall.margin.atoms import (
    CertifiedAtom,
    choose_atoms,
    priced_atoms,
    structure_books,
    structure_shortfall,
)
from seawall.margin.basis import PastBasis, perpetual_moves, perpetual_pnl
from seawall.margin.design import trader_books
from seawall.margin.essvi import Slices
from seawall.margin.instruments import Chain, Dated
from seawall.margin.moves import joint_moves
from seawall.margin.perpetuals import RiskEstimate, assess, joint_returns, spot_pnl
from seawall.margin.quotes import Quote, calibrated_levels, quoted_levels
from seawall.margin.revaluation import Valuation, revalued_pnl, value_chain
from seawall.margin.scenarios import ScenarioSet
from seawall.margin.settings import ModelSettings
from seawall.margin.shortfall import leg_shortfall
from seawall.margin.stress import Role
from seawall.margin.structures import Legs, structures, verticals
from seawall.margin.surface import Levels, levels_from
from seawall.margin.volatility import YEAR_H

__all__ = ["MarkShift", "PortfolioEstimate", "estimate_portfolio", "without_tokens"]

# An instrument whose legs are below this part of the spot has expired or can hardly move: lanes leave it out.
_NOTHING = 1e-9

# Design books as people hold them, for each that is drawn without regard to what is listed.
_PEOPLE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioEstimate:
    """Hold one epoch's risk of everything listed, over the spot of each instrument's underlying.

    Columns are the perpetuals of the M underlyings, behind them the D dated instruments, and last the tokens.

    Attributes
    ----------
    risk
        P&L, legs, lanes by column.
    valuation
        Marks and sensitivities of the dated instruments.
    levels
        Of implied variance by underlying.
    atoms
        Certified hedges, the most useful first; shortfall in the unit of the spots given.
    carry_es
        Expected shortfall of one unit of each token against its perpetual sold short, a fraction of spot, (K,).
    """

    risk: RiskEstimate
    valuation: Valuation
    levels: Levels
    atoms: tuple[CertifiedAtom, ...]
    carry_es: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkShift:
    """Say at which marks dated instruments are posted, where that is not the model's.

    Attributes
    ----------
    shift
        By how much a posted mark stands above the model's, a fraction of spot, (D,).
    factor
        What legs, lanes and tail risks are going to be multiplied by, lambda. P&L moves by ``-shift / factor``, so that
        they carry the shift, a loss or gain that is certain, whole.
    """

    shift: Floats
    factor: float


def estimate_portfolio(
    closes: Floats,
    *,
    bar_h: float,
    roles: Sequence[Role],
    settings: ModelSettings,
    dated: Sequence[Dated],
    spots: Floats,
    lots: Floats,
    lot_value: Floats,
    implied: Floats | None = None,
    quotes: Sequence[Quote | None] | None = None,
    surfaces: Sequence[Slices | None] | None = None,
    hedges: Sequence[Legs] | None = None,
    tokens: Sequence[int] = (),
    carried: Floats | None = None,
    held: MarkShift | None = None,
) -> PortfolioEstimate:
    """Return the risk of tokens, perpetuals, futures and options as of the last bar.

    A perpetual moves with its spot and by a basis of its own (`margin.basis`), a token with the spot alone. Hedges are
    chosen as though a token were the perpetual: `carry_es` says what the one against the other can lose.

    Parameters
    ----------
    closes, bar_h, roles, settings, implied
        As for `estimate`.
    dated
        D instruments; expired ones have no risk.
    spots
        Reference spot of a lot by underlying, (M,), in the unit in which atoms are to be certified.
    lots
        Live books in lots by column, (N, M + D + K).
    lot_value
        Spot price of a lot by underlying, (M,), in settlement tokens.
    quotes
        What options trade at now, by underlying: the surface goes through it. Where there is none, and by default,
        the surface is the model's own volatility.
    surfaces
        Calibrated to chains of quotes (`margin.calibration`), by underlying; they stand before `quotes`.
    hedges
        Atoms selected before for the same columns (`selection.select_hedges`), the most useful first: they are priced
        anew. By default some are chosen now, from fewer.
    tokens
        The underlying of every token that is itself listed, K of them.
    carried
        Past prices of perpetuals as `PastBasis` has them, (T, M); none by default.
    held
        Marks other than the model's, from which P&L counts then.

    Raises
    ------
    DataError
        If an input is malformed or too short; the message says what to supply.
    ConfigError
        If `bar_h` does not divide the horizon and the step.
    """
    sigma, scenarios = joint_returns(closes, bar_h=bar_h, roles=roles, settings=settings, implied=implied)
    m, chain, token_owner = len(roles), Chain.of(dated), np.array(tokens, dtype=np.int64)
    if max([*chain.underlying.tolist(), *token_owner.tolist()], default=0) >= m:
        raise DataError(f"a dated instrument or token is on an underlying beyond the {m} that there are")
    owner = np.concatenate([np.arange(m), chain.underlying, token_owner])
    plain = m + len(dated)
    live = checked(lots, name="lots", shape=(None, len(owner)))
    levels = _levels(sigma, scenarios, settings, [None] * m if quotes is None else quotes)
    if surfaces is not None:
        levels = calibrated_levels(surfaces, levels, settings=settings.surface)
    valuation = value_chain(chain, levels, settings=settings.surface)
    if held is not None:
        valuation = replace(valuation, mark=valuation.mark + held.shift)
    moves = joint_moves(scenarios, settings=settings) if len(dated) else None
    scenarios = scenarios if moves is None else moves.scenarios
    past = None
    if carried is not None:
        past = PastBasis(
            carried=carried, sigma=sigma, horizon_bars=settings.bars(settings.horizon_h, bar_h=bar_h)
        )
    parts = [
        perpetual_pnl(scenarios.log_returns, perpetual_moves(scenarios, settings=settings, past=past)),
        spot_pnl(scenarios.log_returns[:, token_owner]),
    ]
    if moves is not None:
        dated_pnl = revalued_pnl(
            chain, moves, levels, horizon_h=settings.horizon_h, settings=settings.surface
        )
        parts.insert(1, dated_pnl if held is None else dated_pnl - held.shift / held.factor)
    pnl = np.hstack(parts)
    listed = structures(
        chain,
        valuation.delta,
        spots,
        largest_ratio=settings.atoms.largest_ratio,
        neighbours=settings.atoms.neighbours,
    )
    design = _design(scenarios, pnl[:, :plain], listed, chain, owner[:plain], spots, settings=settings)
    wide = np.pad(design, ((0, 0), (0, len(tokens))))
    risk = _assess(scenarios, pnl, live * lot_value[owner], wide, settings=settings, spots=m)
    legs = (np.stack([risk.long_es, risk.short_es]) * spots[owner])[:, :plain]
    by_lot = (pnl * spots[owner])[:, :plain]
    if hedges is not None:
        atoms = priced_atoms(by_lot, scenarios.weights, legs, hedges, alpha=settings.alpha)
    else:
        atoms = choose_atoms(
            by_lot,
            scenarios.weights,
            legs,
            listed,
            without_tokens(live, tokens),
            alpha=settings.alpha,
            settings=settings.atoms,
            seed=settings.seed,
            spots=m,
            always=verticals(chain, columns=m),
        )
    carry = structure_books(
        [((u, -1), (plain + i, 1)) for i, u in enumerate(token_owner.tolist())], columns=len(owner)
    )[: len(tokens)]
    return PortfolioEstimate(
        risk=risk,
        valuation=valuation,
        levels=levels,
        atoms=tuple(atoms),
        carry_es=structure_shortfall(pnl, scenarios.weights, carry, alpha=settings.alpha),
    )


def without_tokens(lots: Floats, tokens: Sequence[int]) -> Floats:
    """Return books in lots by column with tokens counted as perpetuals, (N, M + D), from (N, M + D + K)."""
    plain = lots.shape[1] - len(tokens)
    found: Floats = lots[:, :plain].copy()
    for i, underlying in enumerate(tokens):
        found[:, underlying] += lots[:, plain + i]
    return found


def _design(
    scenarios: ScenarioSet,
    pnl: Floats,
    listed: Sequence[Legs],
    chain: Chain,
    owner: Ints,
    spots: Floats,
    *,
    settings: ModelSettings,
) -> Floats:
    """Return books that lanes are also to cover, in spot exposure: some of every structure, and as people hold them."""
    both = structure_books(listed, columns=len(owner))
    room = min(settings.atoms.design_structures, both.shape[0])
    picks = np.arange(room) * both.shape[0] // max(room, 1)
    people = trader_books(
        pnl,
        scenarios.weights,
        owner,
        spots=len(spots),
        count=_PEOPLE * settings.lanes.random_design_books,
        seed=settings.seed,
        chain=chain,
    )
    return np.concatenate([both[picks].toarray() * spots[owner], people])


def _levels(
    sigma: Floats, scenarios: ScenarioSet, settings: ModelSettings, quotes: Sequence[Quote | None]
) -> Levels:
    """Return levels of implied variance: as quoted, or today's model volatility drawn to its root mean square."""
    if len(quotes) != sigma.shape[1]:
        raise DataError(f"{len(quotes)} quotes for {sigma.shape[1]} underlyings: give one each, or None")
    yearly = np.sqrt(YEAR_H / settings.horizon_h)
    long_run = np.sqrt(np.nanmean(sigma**2, axis=0))
    own = levels_from(scenarios.sigma_now * yearly, long_run * yearly, settings=settings.surface)
    if all(quote is None for quote in quotes):
        return own
    return quoted_levels(quotes, own, long_run * yearly, settings=settings.surface)


def _assess(
    scenarios: ScenarioSet,
    pnl: Floats,
    books: Floats,
    design: Floats,
    *,
    settings: ModelSettings,
    spots: int,
) -> RiskEstimate:
    """Return the risk of all columns; the search for lanes sees dated ones in units of their leg, and only live ones.

    Otherwise options of hardly any value would be hidden from its tolerances.
    """
    columns = pnl.shape[1]
    if columns == spots:
        return assess(scenarios, pnl, books, settings=settings)
    unit = np.ones(columns)
    dated = np.stack(leg_shortfall(pnl[:, spots:], scenarios.weights, alpha=settings.alpha))
    unit[spots:] = dated.max(axis=0)
    live = np.flatnonzero(unit > _NOTHING)
    found = assess(
        scenarios,
        pnl[:, live] / unit[live],
        books[:, live] * unit[live],
        settings=settings,
        structures=design[:, live] * unit[live],
    )
    # However little what is left out of the search can lose, its legs say so: U is above the tail risk of every book.
    long_es = np.concatenate([found.long_es[:spots], dated[0]])
    short_es = np.concatenate([found.short_es[:spots], dated[1]])
    values = np.zeros((len(found.lanes.values), columns))
    values[:, live] = found.lanes.values * unit[live]
    return replace(
        found, pnl=pnl, long_es=long_es, short_es=short_es, lanes=replace(found.lanes, values=values)
    )
