"""Certified hedges of two or three instruments, chosen for what they save."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array, hstack, identity

from seawall.arrays import Floats, Ints, checked
from seawall.errors import DataError
from seawall.margin.batches import in_batches
from seawall.margin.settings import AtomSettings
from seawall.margin.shortfall import tails
from seawall.margin.structures import Legs

__all__ = [
    "CertifiedAtom",
    "certified_charge",
    "choose_atoms",
    "first_hedges",
    "priced_atoms",
    "structure_books",
    "structure_shortfall",
]

# Structures evaluated at once.
_BATCH = 256

# A hedge that saves more than this share of its legs has no risk but that of rounding.
_RISKLESS = 1.0 - 1e-6

# Below this many options a random book is one a person would hold; above, a market maker's.
_FEW = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedAtom:
    """Hold a hedge and the expected shortfall of one lot of it, in the unit of the lots' values."""

    legs: Legs
    shortfall: float


def structure_books(listed: Sequence[Legs], *, columns: int) -> csr_array:
    """Return both sides of structures as lots by column, (2 N, C), the opposite of row i at N + i."""
    rows = np.repeat(np.arange(len(listed)), [len(legs) for legs in listed])
    where = np.array([column for legs in listed for column, _ in legs], dtype=np.int64)
    lots = np.array([lots for legs in listed for _, lots in legs], dtype=np.float64)
    return csr_array(
        (
            np.concatenate([lots, -lots]),
            (np.concatenate([rows, rows + len(listed)]), np.concatenate([where, where])),
        ),
        shape=(2 * len(listed), columns),
    )


def structure_shortfall(pnl: Floats, weights: Floats, books: csr_array, *, alpha: float) -> Floats:
    """Return the expected shortfall of sparse books (N, C) on the P&L of one lot, (S, C); at least zero, (N,)."""
    turned = np.ascontiguousarray(pnl.T)
    found = np.empty(books.shape[0])

    def price(some: slice) -> None:
        found[some] = tails(books[some] @ turned, weights, alpha=alpha).shortfall

    in_batches(price, len(found), size=_BATCH)
    return np.maximum(found, 0.0)


def choose_atoms(
    pnl: Floats,
    weights: Floats,
    legs: Floats,
    listed: Sequence[Legs],
    books: Floats,
    *,
    alpha: float,
    settings: AtomSettings,
    seed: int,
    spots: int,
    always: Collection[Legs] = (),
) -> list[CertifiedAtom]:
    """Return the hedges worth posting, the most useful first.

    First the best hedge of everything dated with its spot, on either side, what has no risk at all, and what is asked
    for. Then by use: every selection book is
    certified at least cost from all candidates (`certified_charge`), and an atom scores what it saves there over its
    legs, as a share of the book's. Last the unused, by saving. If all candidates have room nothing is tried.

    Parameters
    ----------
    pnl, weights
        P&L of one lot, (S, C), and scenario probabilities, (S,).
    legs
        Expected shortfall of one lot held long and short, (2, C), not negative.
    listed
        `structures`; they are tried on both sides.
    books
        Live books in lots, (N, C), tried besides random ones and hedged changes of few legs.
    alpha
        Level of the expected shortfall.
    settings
        Least saving, number of random books.
    seed
        Seed of the random books.
    spots
        How many of the columns, the first ones, are spots.
    always
        Structures to post on both sides, however little they save.
    """
    if not listed:
        return []
    cube = checked(pnl, name="pnl", shape=(None, None))
    candidates = structure_books(listed, columns=cube.shape[1])
    shortfall = structure_shortfall(cube, weights, candidates, alpha=alpha)
    gross: Floats = candidates.maximum(0.0) @ legs[0] + (-candidates).maximum(0.0) @ legs[1]
    asked = np.tile(np.array([legs in always for legs in listed], dtype=np.bool_), 2)
    worth = shortfall <= (1.0 - settings.minimum_saving) * gross
    kept = np.flatnonzero((gross > 0) & (worth | (asked & (shortfall < gross))))
    candidates, shortfall, gross = candidates[kept], shortfall[kept], gross[kept]
    if not len(kept):
        return []
    saving = 1.0 - shortfall / gross
    score = np.zeros(len(kept))
    hedges, half = first_hedges(candidates, saving, spots), settings.selection_books // 2
    first = hedges | set(np.flatnonzero(asked[kept] | (saving > _RISKLESS)).tolist())
    tried = np.concatenate(
        [
            _largest(books, legs, count=half),
            _random_books(legs, candidates, count=settings.selection_books - half, seed=seed),
            _hedged_books(legs, candidates, sorted(hedges), count=settings.selection_books, seed=seed),
        ]
    )
    few = len(kept) <= settings.per_instrument * cube.shape[1]
    for book in tried[:0] if few else tried:
        total = float(np.maximum(book, 0.0) @ legs[0] + np.maximum(-book, 0.0) @ legs[1])
        used, _ = certified_charge(book, candidates, shortfall, legs)
        score += used * (gross - shortfall) / total
    order = sorted(
        range(len(kept)),
        key=lambda a: (a not in first, -round(float(score[a]), 9), -round(float(saving[a]), 9), a),
    )
    found = [tuple(listed[int(k) % len(listed)]) for k in kept]
    sides = np.where(kept < len(listed), 1, -1)
    return [
        CertifiedAtom(
            legs=tuple((column, int(sides[a]) * lots) for column, lots in found[a]),
            shortfall=float(shortfall[a]),
        )
        for a in order
    ]


def priced_atoms(
    pnl: Floats, weights: Floats, legs: Floats, chosen: Sequence[Legs], *, alpha: float
) -> list[CertifiedAtom]:
    """Return hedges that were selected before, at their tail risk now, in their order; those of no use are left out.

    Parameters
    ----------
    pnl, weights, legs, alpha
        As for `choose_atoms`.
    chosen
        Each on the side that is to be posted.

    Raises
    ------
    DataError
        If one names a column that there is not.
    """
    cube = checked(pnl, name="pnl", shape=(None, None))
    largest = max((column for hedge in chosen for column, _ in hedge), default=-1)
    if largest >= cube.shape[1]:
        raise DataError(
            f"a selected hedge names column {largest}, there are {cube.shape[1]}: select anew for what is listed"
        )
    if not chosen:
        return []
    books = structure_books(chosen, columns=cube.shape[1])[: len(chosen)]
    shortfall = structure_shortfall(cube, weights, books, alpha=alpha)
    gross: Floats = books.maximum(0.0) @ legs[0] + (-books).maximum(0.0) @ legs[1]
    return [
        CertifiedAtom(legs=hedge, shortfall=float(risk))
        for hedge, risk, alone in zip(chosen, shortfall, gross, strict=True)
        if risk < alone
    ]


def certified_charge(
    book: Floats, candidates: csr_array, shortfall: Floats, legs: Floats
) -> tuple[Floats, float]:
    """Return how much of each atom certifies a book at least cost, (A,), and that cost.

    `min sum theta ES(b) + sum |r| leg(sign r)` over `theta >= 0`, `r = w - sum theta b`: a linear program; its cost is
    an upper bound of the book's expected shortfall whatever the solver returns.

    Parameters
    ----------
    book
        Lots, (C,).
    candidates
        Lots of one atom, (A, C).
    shortfall
        Expected shortfall of one atom, (A,).
    legs
        Of one lot held long and short, (2, C).
    """
    # In units of a leg, and of a structure's legs, so that the solver's absolute tolerances mean something.
    unit = np.maximum(legs.max(axis=0), 1e-12 * max(float(legs.max()), 1e-300))
    size = np.maximum(abs(candidates) @ unit, 1e-300)
    scaled = (candidates * unit[None, :]).T * (1.0 / size)[None, :]
    eye = identity(len(unit), format="csr")
    held = book * unit
    total = float(np.abs(held).sum())
    if total <= 0:
        return np.zeros(len(shortfall)), 0.0
    solved = linprog(
        np.concatenate([shortfall / size, legs[0] / unit, legs[1] / unit]),
        A_eq=hstack([scaled, eye, -eye], format="csc"),
        b_eq=held / total,
        method="highs",
    )
    if solved.x is None:
        return np.zeros(len(shortfall)), float(
            np.maximum(book, 0.0) @ legs[0] + np.maximum(-book, 0.0) @ legs[1]
        )
    used: Floats = np.maximum(solved.x[: len(shortfall)], 0.0) * total / size
    rest = book - candidates.T @ used
    charge = used @ shortfall + np.maximum(rest, 0.0) @ legs[0] + np.maximum(-rest, 0.0) @ legs[1]
    return used, float(charge)


def _largest(books: Floats, legs: Floats, *, count: int) -> Floats:
    """Return the live books of largest gross legs."""
    gross = np.maximum(books, 0.0) @ legs[0] + np.maximum(-books, 0.0) @ legs[1]
    ranked = np.argsort(-gross, kind="stable")[:count]
    chosen: Floats = books[ranked[gross[ranked] > 0]]
    return chosen


def _random_books(legs: Floats, candidates: csr_array, *, count: int, seed: int) -> Floats:
    """Return books of structures and of single instruments, half of few parts, half of many."""
    rng = np.random.Generator(np.random.PCG64([seed, 3]))
    unit = np.maximum(legs.max(axis=0), 1e-12 * float(legs.max()))
    columns = len(unit)
    books = np.zeros((count, columns))
    for i in range(count):
        parts = int(rng.integers(1, _FEW)) if i % 2 else int(rng.integers(_FEW, max(columns, _FEW + 1)))
        held: Ints = rng.integers(0, columns, size=parts)
        np.add.at(books[i], held, rng.standard_normal(parts) / unit[held])
        for row in rng.integers(0, candidates.shape[0], size=max(parts // 2, 1)):
            structure = candidates[[row]].toarray()[0]
            books[i] += structure * np.exp(0.5 * rng.standard_normal()) / (np.abs(structure) @ unit)
    return books


def _hedged_books(
    legs: Floats, candidates: csr_array, hedges: Sequence[int], *, count: int, seed: int
) -> Floats:
    """Return books of one to four legs, each with its spot: what changes a book that is shown beside its atoms."""
    rng = np.random.Generator(np.random.PCG64([seed, 4]))
    unit = np.maximum(legs.max(axis=0), 1e-12 * float(legs.max()))
    books = np.zeros((count if hedges else 0, len(unit)))
    for book in books:
        for row in rng.choice(hedges, size=int(rng.integers(1, 5))):
            structure = candidates[[row]].toarray()[0]
            book += structure * np.exp(0.5 * rng.standard_normal()) / (np.abs(structure) @ unit)
    return books


def first_hedges(candidates: csr_array, saving: Floats, spots: int) -> frozenset[int]:
    """Return for everything dated, on either side, the hedge with its spot that saves most."""
    best: dict[tuple[int, bool], int] = {}
    for row in range(candidates.shape[0]):
        low, high = candidates.indptr[row], candidates.indptr[row + 1]
        where, lots = candidates.indices[low:high], candidates.data[low:high]
        if len(where) != 2 or where.min() >= spots or where.max() < spots:
            continue
        key = (int(where.max()), bool(lots[where.argmax()] > 0))
        if key not in best or saving[row] > saving[best[key]]:
            best[key] = row
    return frozenset(best.values())
