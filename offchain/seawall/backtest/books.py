"""Books of several symbols through time: joint scenarios as keepers build them, and what happened a day later."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np

from seawall.arrays import Floats, Ints
from seawall.backtest.data import BAR_S
from seawall.backtest.walk import walk_forward
from seawall.margin.design import probe_books
from seawall.margin.perpetuals import spot_pnl
from seawall.margin.scenarios import ScenarioSet
from seawall.margin.settings import ModelSettings
from seawall.margin.shortfall import leg_shortfall, tails
from seawall.margin.stress import Role

__all__ = [
    "GROSS_FLOOR",
    "NET_FLOOR",
    "BookKind",
    "Universe",
    "book_kinds",
    "book_path",
    "books_at",
    "margin_floor",
    "risk_of_books",
]

# Floors of the initial requirement: a share of the net delta notional and of the gross notional, by underlying.
NET_FLOOR, GROSS_FLOOR = 0.02, 0.002
_BATCH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Universe:
    """Hold the joint prices of some symbols.

    Attributes
    ----------
    name
        For the report.
    symbols
        M of them.
    roles
        Which stress each takes.
    first_s
        When the first row was known, seconds since 1970; rows are hours.
    closes
        (T, M), NaN rows where one misses.
    """

    name: str
    symbols: tuple[str, ...]
    roles: tuple[Role, ...]
    first_s: int
    closes: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class BookKind:
    """Name a book that is set up anew at each present.

    Attributes
    ----------
    family
        What its kind is.
    name
        Which.
    """

    family: str
    name: str


def book_kinds(symbols: tuple[str, ...], *, random_books: int) -> list[BookKind]:
    """Return the books in the order of `books_at`."""
    kinds = [BookKind(family="single leg", name=f"{side} {s}") for side in ("long", "short") for s in symbols]
    pairs = list(permutations(symbols, 2))
    kinds += [BookKind(family="pair, equal value", name=f"{a} against {b}") for a, b in pairs]
    kinds += [BookKind(family="pair, hedged", name=f"long {a}, {b} hedges") for a, b in pairs]
    kinds += [BookKind(family="pair, hedged", name=f"short {a}, {b} hedges") for a, b in pairs]
    kinds += [BookKind(family="one against all, hedged", name=f"long {s}") for s in symbols]
    kinds += [BookKind(family="one against all, hedged", name=f"short {s}") for s in symbols]
    kinds += [BookKind(family="random", name=f"random {i}") for i in range(random_books)]
    kinds += [BookKind(family="dense, decorrelated", name=f"dense {i}") for i in range(random_books)]
    return kinds


def books_at(scenarios: ScenarioSet, *, alpha: float, random_books: int, seed: int) -> Floats:
    """Return the books of `book_kinds` as exposures to each symbol with a gross of 1, (N, M).

    Hedge ratios are the regression coefficients in the scenarios, so they are known at the present.

    Parameters
    ----------
    scenarios
        As of the present.
    alpha
        Level of the shortfall by which random books are sized.
    random_books, seed
        How many of each kind of random book; sizes and signs are drawn once for all presents.
    """
    pnl = spot_pnl(scenarios.log_returns)
    count = pnl.shape[1]
    centred = pnl - scenarios.weights @ pnl
    covariance = centred.T @ (scenarios.weights[:, None] * centred)
    eye = np.eye(count)
    pairs = list(permutations(range(count), 2))
    equal = np.array([eye[a] - eye[b] for a, b in pairs])
    hedged = np.array([eye[a] - covariance[a, b] / covariance[b, b] * eye[b] for a, b in pairs])
    against = np.linalg.inv(covariance)
    against /= np.diag(against)[:, None]  # the residual of each symbol after its regression on all others
    legs = np.maximum(*leg_shortfall(pnl, scenarios.weights, alpha=alpha))
    drawn = probe_books(legs, count=random_books, seed=seed)
    rng = np.random.Generator(np.random.PCG64([seed, 2]))
    values, vectors = np.linalg.eigh(covariance)
    dense = rng.standard_normal((random_books, count)) @ (vectors / np.sqrt(values)).T
    books = np.concatenate([eye, -eye, equal, hedged, -hedged, against, -against, drawn, dense])
    normalised: Floats = books / np.abs(books).sum(axis=1, keepdims=True)
    return normalised


def book_path(
    universe: Universe, times_s: Ints, *, settings: ModelSettings, random_books: int, seed: int
) -> dict[str, Floats]:
    """Return one row a present and book: what the model asks and what happened.

    Parameters
    ----------
    universe
        Joint prices.
    times_s
        Presents whose closes, and those a day later, are there, (N,).
    settings
        Of the model.
    random_books, seed
        As for `books_at`.

    Returns
    -------
    dict
        Columns `time_s`, `book` (its number), `shortfall`, `at_risk`, `legs` (the sum of the legs' shortfalls),
        `floor`, `pnl`, and exposures `x0`, `x1`, ... in the order of the symbols.
    """
    walk = walk_forward(universe.closes, bar_h=1.0, roles=universe.roles, settings=settings)
    rows = (times_s - universe.first_s) // BAR_S
    parts: list[Floats] = []
    for time_s, row in zip(times_s, rows, strict=True):
        scenarios = walk.scenarios(int(row))
        books = books_at(scenarios, alpha=settings.alpha, random_books=random_books, seed=seed)
        pnl = spot_pnl(scenarios.log_returns)
        long_es, short_es = leg_shortfall(pnl, scenarios.weights, alpha=settings.alpha)
        shortfall, at_risk = risk_of_books(pnl, scenarios.weights, books, alpha=settings.alpha)
        change = universe.closes[row + 24] / universe.closes[row] - 1.0
        legs = np.maximum(books, 0.0) @ long_es + np.maximum(-books, 0.0) @ short_es
        number = np.arange(len(books), dtype=np.float64)
        at = np.full(len(books), float(time_s))
        parts.append(
            np.column_stack(
                [at, number, shortfall, at_risk, legs, margin_floor(books), books @ change, books]
            )
        )
    names = ["time_s", "book", "shortfall", "at_risk", "legs", "floor", "pnl"]
    names += [f"x{i}" for i in range(len(universe.symbols))]
    table = np.concatenate(parts)
    return {name: table[:, i].copy() for i, name in enumerate(names)}


def margin_floor(books: Floats) -> Floats:
    """Return the floor of the initial requirement of books of one instrument an underlying, (N,)."""
    floor: Floats = (NET_FLOOR + GROSS_FLOOR) * np.abs(books).sum(axis=1)
    return floor


def risk_of_books(pnl: Floats, weights: Floats, books: Floats, *, alpha: float) -> tuple[Floats, Floats]:
    """Return expected shortfall and value at risk of each book, (N,) each; parameters as for `book_shortfall`."""
    shortfall, at_risk = np.empty(len(books)), np.empty(len(books))
    for i in range(0, len(books), _BATCH):
        held = books[i : i + _BATCH] @ pnl.T
        worst = tails(held, weights, alpha=alpha)
        losses = -np.take_along_axis(held, worst.rows, axis=1)
        shortfall[i : i + _BATCH] = worst.shortfall
        at_risk[i : i + _BATCH] = np.where(worst.masses > 0, losses, np.inf).min(axis=1)
    return shortfall, at_risk
