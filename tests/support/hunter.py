"""An adversary with linear programs: books that are charged least for their tail risk, and books liquidated last.

Tail risk is convex, so it is maximised over a convex set of books by maximising, again and again, the linear function
that touches it at the last book: `-v_Q . w` with Q that book's tail measure. It never falls, and what is found is a
book; what is not found is no proof. For the initial requirement there is one: `{U <= 1}` is the hull of legs and atoms,
each at a charge of one, and a convex function is largest at a corner.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array, vstack
from tests.support.market import FACTORS
from tests.support.published import Floats, Lots, Published

from seawall.margin.shortfall import book_shortfall
from seawall.page.layout import Kind

__all__ = ["Found", "corners", "least_charged", "least_maintained", "maintenance"]

_BPS = 10_000
_CONVERGED = 1e-6


@dataclass(frozen=True, kw_only=True)
class Found:
    """Hold the worst book of a search, (I,), in lots and parts of lots, and requirement over tail risk there."""

    book: Floats
    ratio: float


def corners(published: Published) -> tuple[csr_array, Floats]:
    """Return the books whose hull is `{U <= 1}`, (N, I), before scaling, and what each is charged, ticks, (N,)."""
    eye = csr_array(np.eye(len(published.keys)))
    books = vstack([eye, -eye, csr_array(published.atoms.astype(np.float64))], format="csr")
    return csr_array(books), np.concatenate([*published.legs, published.tails]).astype(np.float64)


def least_charged(published: Published, starts: Lots | Floats, *, rounds: int) -> Found:
    """Return the book of least U over tail risk that is found from these, (N, I): `max ES` over `{U <= 1}`.

    Only corners that are charged something: the others hedge away everything there is.
    """
    books, charges = corners(published)
    paid = charges > 0
    books, charges = csr_array(books[paid]), charges[paid]

    def step(direction: Floats) -> Floats:
        value = books @ direction / charges
        value /= np.abs(value).max()
        solved = linprog(-value, A_ub=np.ones((1, len(value))), b_ub=[1.0], method="highs")
        assert solved.x is not None
        found: Floats = books.T @ (solved.x / charges)
        return found

    def ratio(book: Floats, shortfall: float) -> float:
        return 1.0 / shortfall  # U is one there, or less

    return _ascend(published, starts, step, ratio, rounds=rounds)


def least_maintained(
    published: Published, starts: Lots | Floats, *, rounds: int, floors: bool = True
) -> Found:
    """Return the book of least maintenance requirement by lanes and floors over tail risk: `max ES` over `{MM <= 1}`.

    Without floors the requirement is L, and what bounds books is that their legs cost at most 50 of it.
    """
    lanes, count = published.lanes.T.astype(np.float64), len(published.keys)
    slopes, spot, contract = _exposure(published)
    share = FACTORS.maintenance_factor_bps / _BPS if floors else 1.0
    m = len(slopes)
    net, gross = (
        (FACTORS.maintenance_net_floor_bps / _BPS, FACTORS.maintenance_gross_floor_bps / _BPS)
        if floors
        else (0.0, 0.0)
    )
    size = spot * contract * gross if floors else published.legs.max(axis=0) / 50.0
    unit = np.maximum(published.legs.max(axis=0), 1).astype(np.float64)
    rows = [np.hstack([-share * lanes, share * lanes, np.zeros((len(lanes), m))])]
    rows += [np.hstack([sign * slopes, -sign * slopes, -np.eye(m)]) for sign in (1.0, -1.0)]
    rows += [np.concatenate([size, size, np.full(m, net)])[None]]
    scale = np.concatenate([1 / unit, 1 / unit, np.ones(m)])
    table = np.vstack(rows) * scale
    limits = np.concatenate([np.ones(len(lanes)), np.zeros(2 * m), [1.0]])

    def step(direction: Floats) -> Floats:
        goal = np.concatenate([direction, -direction, np.zeros(m)]) * scale
        solved = linprog(-goal / np.abs(goal).max(), A_ub=table, b_ub=limits, method="highs")
        if solved.x is None:
            return np.zeros(count)
        held = solved.x * scale
        found: Floats = held[:count] - held[count : 2 * count]
        return found

    def ratio(book: Floats, shortfall: float) -> float:
        lower = max(float((-(lanes @ book)).max()), 0.0)
        floor = net * float(np.abs(slopes @ book).sum()) + gross * float(np.abs(book) @ (spot * contract))
        return max(share * lower, floor) / shortfall

    return _ascend(published, starts, step, ratio, rounds=rounds)


def maintenance(published: Published, lots: Lots, lower: Lots) -> Lots:
    """Return ``max(factor L, floorMM)`` of books (N, I) with these L, ticks, (N,), at the reference spots."""
    slopes, spot, contract = _exposure(published)
    net = np.abs(lots @ slopes.T).sum(axis=1) * FACTORS.maintenance_net_floor_bps
    gross = np.abs(lots) @ (spot * contract) * FACTORS.maintenance_gross_floor_bps
    found: Lots = np.maximum(lower * FACTORS.maintenance_factor_bps // _BPS, (net + gross) // _BPS).astype(
        np.int64
    )
    return found


def _exposure(published: Published) -> tuple[Floats, Floats, Floats]:
    """Return delta notional of a lot by underlying, ticks, (M, I), its spot, (I,), and 1 for a contract, (I,)."""
    owner = np.array([published.pages[page].head.underlying for page, _ in published.keys])
    spot = np.array([float(published.pages[page].head.reference_spot) for page, _ in published.keys])
    delta = np.array([record.delta_x22 / 2**22 for record in published.records])
    contract = np.array([float(record.kind != Kind.SPOT) for record in published.records])
    slopes = np.array([np.where(owner == u, delta * spot, 0.0) for u in range(int(owner.max()) + 1)])
    return slopes, spot, contract


def _ascend(
    published: Published,
    starts: Lots | Floats,
    step: Callable[[Floats], Floats],
    ratio: Callable[[Floats, float], float],
    *,
    rounds: int,
) -> Found:
    """Return the book of least ratio over all starts; each is improved until it gains nothing more."""
    best = Found(book=np.asarray(starts[0], dtype=np.float64), ratio=np.inf)
    for start in starts:
        book, last = np.asarray(start, dtype=np.float64), np.inf
        for _ in range(rounds):
            _, mean = book_shortfall(published.pnl, published.weights, book[None], alpha=published.alpha)
            book = step(mean[0])
            shortfall = float(published.shortfall(book[None])[0])
            if shortfall <= 0:
                break
            reached = ratio(book, shortfall)
            if reached < best.ratio:
                best = Found(book=book / shortfall, ratio=reached)
            if reached > last - _CONVERGED:
                break
            last = reached
    return best
