"""What made a book's requirement: the terms of section 3 of the specification, before rounding to lots and ticks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seawall.analysis.portfolio import JudgedBook
from seawall.analysis.tail import TailRow, mass_by_kind, tail_rows
from seawall.arrays import Floats
from seawall.chain.plan import FactorsPlan
from seawall.keeper.settings import KeeperSettings
from seawall.margin.atoms import CertifiedAtom, certified_charge, structure_books
from seawall.margin.lanes import lane_bound
from seawall.margin.liquidity import daily_volume_from_bars, liquidity_charge, liquidity_coefficients
from seawall.margin.shortfall import tails

__all__ = ["Breakdown", "PositionPart", "RequirementTerms", "break_down"]

_BPS = 10_000.0
_LEAST_USED = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class PositionPart:
    """Hold one position's part in the numbers, settlement tokens.

    Attributes
    ----------
    name, quantity
        As in the book.
    value, delta
        Mark and delta notional of the position.
    leg
        Its own expected shortfall, standing alone.
    tail
        Its part of the book's: `-E_Q[P&L]` under the book's tail measure (Euler allocation); parts add up.
    """

    name: str
    quantity: float
    value: float
    delta: float
    leg: float
    tail: float


@dataclass(frozen=True, kw_only=True, slots=True)
class RequirementTerms:
    """Hold the terms of the requirements, settlement tokens.

    Attributes
    ----------
    gross, certified, shortfall
        U by legs alone, U with the hedges below, and the full-simulation tail risk.
    liquidity, vega
        Charges for the net delta and the net vega of each underlying.
    lanes
        L by lanes chosen for this book and the design books alone.
    initial_floor, maintenance_floor
        By net and gross notional.
    initial, maintenance
        The requirements, with the certificate.
    """

    gross: float
    certified: float
    shortfall: float
    liquidity: float
    vega: float
    lanes: float
    initial_floor: float
    maintenance_floor: float
    initial: float
    maintenance: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Breakdown:
    """Hold what made a requirement.

    Attributes
    ----------
    as_of
        Seconds since 1970 of the newest bar.
    equity
        Cash and marks of what is held, settlement tokens; futures and perpetuals count as opened at the mark.
    terms
        Of the requirements.
    positions
        In the order of the book.
    tail
        The scenarios of the tail, the largest part of the shortfall first.
    hedges
        Structures of the certificate: how many, of what (name, units a structure), and expected shortfall of all.
    lane_kinds
        Mass of the binding lane on historical, dependence and stress rows.
    """

    as_of: int
    equity: float
    terms: RequirementTerms
    positions: tuple[PositionPart, ...]
    tail: tuple[TailRow, ...]
    hedges: tuple[tuple[float, tuple[tuple[str, int], ...], float], ...]
    lane_kinds: tuple[float, float, float]


def break_down(judged: JudgedBook, *, factors: FactorsPlan, settings: KeeperSettings) -> Breakdown:
    """Return what made the requirement of a judged book.

    Parameters
    ----------
    judged
        `portfolio.judge` of it.
    factors
        Of the deployment.
    settings
        Spreads and model of the keeper.
    """
    risk, units = judged.estimate.risk, judged.units
    pnl, weights = judged.pnl, risk.scenarios.weights
    legs = np.stack([risk.long_es, risk.short_es]) * judged.prices[judged.owner]
    worst = tails((pnl @ units)[None, :], weights, alpha=settings.model.alpha)
    rows, masses = worst.rows[0], worst.masses[0]
    used, certified = _certificate(judged, legs)
    scaled = risk.lanes.values * judged.prices[judged.owner]
    binding = int((-(scaled @ units)).argmax())
    floor_i, floor_m, liquidity, vega = _add_ons(judged, factors=factors, settings=settings)
    parts = _positions(judged, legs, -(masses @ pnl[rows]))
    lanes = max(0.0, float(lane_bound(scaled, units[None, :])[0]))
    maintenance = max(factors.maintenance_factor_bps / _BPS * lanes, floor_m)
    return Breakdown(
        as_of=int(judged.bars.known_at[-1]),
        equity=judged.book.cash + _held_value(judged),
        terms=RequirementTerms(
            gross=sum(part.leg for part in parts),
            certified=certified,
            shortfall=max(0.0, float(worst.shortfall[0])),
            liquidity=liquidity,
            vega=vega,
            lanes=lanes,
            initial_floor=floor_i,
            maintenance_floor=floor_m,
            initial=max(max(certified, floor_i) + liquidity + vega, maintenance),
            maintenance=maintenance,
        ),
        positions=parts,
        tail=tail_rows(judged, rows, masses, model=settings.model),
        hedges=used,
        lane_kinds=mass_by_kind(judged, risk.lanes.measures[binding]),
    )


def _positions(judged: JudgedBook, legs: Floats, tail: Floats) -> tuple[PositionPart, ...]:
    """Return every position's part; `tail` is the tail's mean loss of one unit of each column."""
    found = []
    for instrument, q, c in zip(judged.book.instruments, judged.book.quantities, judged.column, strict=True):
        found.append(
            PositionPart(
                name=instrument.name,
                quantity=float(q),
                value=float(q * judged.marks[c]),
                delta=float(q * judged.deltas[c] * judged.prices[judged.owner[c]]),
                leg=float(max(q, 0.0) * legs[0, c] + max(-q, 0.0) * legs[1, c]),
                tail=float(q * tail[c]),
            )
        )
    return tuple(found)


def _certificate(
    judged: JudgedBook, legs: Floats
) -> tuple[tuple[tuple[float, tuple[tuple[str, int], ...], float], ...], float]:
    """Return the hedges of the best certificate in fractions of units, and U with it."""
    atoms, units = [*_carries(judged), *judged.estimate.atoms], judged.units
    if not atoms:
        return (), float(np.maximum(units, 0.0) @ legs[0] + np.maximum(-units, 0.0) @ legs[1])
    books = structure_books([atom.legs for atom in atoms], columns=len(units))[: len(atoms)]
    shortfall = np.array([atom.shortfall for atom in atoms])
    theta, charge = certified_charge(units, books, shortfall, legs)
    names = _column_names(judged)
    largest = np.abs(units).max(initial=0.0)
    return tuple(
        (
            float(theta[a]),
            tuple((names[c], lots) for c, lots in atoms[a].legs),
            float(theta[a] * atoms[a].shortfall),
        )
        for a in np.argsort(-theta * np.maximum(shortfall, 1e-12), kind="stable")
        if theta[a] > _LEAST_USED * largest
    ), charge


def _carries(judged: JudgedBook) -> list[CertifiedAtom]:
    """Return every token held against its perpetual sold short."""
    first = len(judged.units) - len(judged.tokens)
    return [
        CertifiedAtom(legs=((u, -1), (first + i, 1)), shortfall=float(shortfall * judged.prices[u]))
        for i, (u, shortfall) in enumerate(zip(judged.tokens, judged.estimate.carry_es, strict=True))
    ]


def _add_ons(
    judged: JudgedBook, *, factors: FactorsPlan, settings: KeeperSettings
) -> tuple[float, float, float, float]:
    """Return the floors of initial and maintenance margin, and the charges for net delta and net vega."""
    m, owner = len(judged.prices), judged.owner
    notional = judged.units * judged.prices[owner]
    net = np.abs(np.bincount(owner, notional * judged.deltas, m))
    contracts = np.array([0.0 if i.spot else 1.0 for i in judged.book.instruments])
    held = np.abs(judged.book.quantities) * contracts * judged.prices[owner[judged.column]]
    gross = np.bincount(owner[judged.column], held, m)
    vegas = judged.by_column(judged.estimate.valuation.vega, linear=0.0)
    vega = np.abs(np.bincount(owner, notional * vegas, m)).sum() * settings.half_volatility_spread
    volume = daily_volume_from_bars(judged.bars.traded_value, bar_h=judged.bars.bar_s / 3600.0)
    coefficients = liquidity_coefficients(
        spread=np.full(m, 2 * settings.half_spread),
        sigma_day=judged.estimate.risk.sigma,
        daily_volume=np.maximum(volume, 1.0),
    )
    initial = factors.initial_net_floor_bps * net + factors.initial_gross_floor_bps * gross
    maintenance = factors.maintenance_net_floor_bps * net + factors.maintenance_gross_floor_bps * gross
    charge = float(liquidity_charge(net, coefficients=coefficients))
    return float(initial.sum() / _BPS), float(maintenance.sum() / _BPS), charge, float(vega)


def _held_value(judged: JudgedBook) -> float:
    """Return the value of spots and options; a perpetual or a future is opened at its mark, so it adds nothing."""
    worth = 0.0
    for instrument, q, c in zip(judged.book.instruments, judged.book.quantities, judged.column, strict=True):
        if instrument.spot or instrument.strike:
            worth += float(q * judged.marks[c])
    return worth


def _column_names(judged: JudgedBook) -> list[str]:
    dated = judged.book.instruments[judged.book.standing :]
    symbols = judged.bars.symbols
    perpetuals, tokens = (
        [f"{symbols[u]}-{kind}" for u in us]
        for kind, us in (("PERP", range(len(symbols))), ("SPOT", judged.tokens))
    )
    return [*perpetuals, *(instrument.name for instrument in dated), *tokens]
