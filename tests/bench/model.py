"""How long the model takes: an estimate by stages, expected shortfalls against a plain sort, a page's bytes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from tests.support.listings import chain_terms, listed_view, price_bars, with_shifts
from tests.support.market import Market, page_input, perpetual

from seawall.arrays import Floats
from seawall.keeper.books import lot_pnl
from seawall.keeper.compute import compute
from seawall.keeper.settings import KeeperSettings
from seawall.margin import perpetuals
from seawall.margin.atoms import certified_charge
from seawall.margin.lanes import Coverage
from seawall.margin.pricing import black_price
from seawall.margin.settings import ModelSettings
from seawall.margin.shortfall import book_shortfall
from seawall.margin.stress import Role
from seawall.page import Page, decode_page, encode_page

__all__ = [
    "ChainFigures",
    "chain_figures",
    "encode_seconds",
    "estimate_seconds",
    "options_a_second",
    "shortfall_seconds",
    "sorted_shortfall",
]

UNDERLYINGS = 5
ALPHA = 0.99
STAGES = {
    "sigma": "sigma_path",
    "scenarios": "build_scenarios",
    "legs": "leg_shortfall",
    "lanes": "choose_lanes",
}


def _closes(rng: np.random.Generator) -> Floats:
    """Return hourly closes of five correlated underlyings, as long as the model's window and its warm-up."""
    hours = 24 * (int(ModelSettings().window_days) + 31)
    calm = np.exp(0.6 * np.sin(np.arange(hours) / 300.0))[:, None]
    moves = 0.7 * rng.standard_t(4, size=(hours, 1)) + 0.5 * rng.standard_t(4, size=(hours, UNDERLYINGS))
    prices: Floats = 100.0 * np.exp(np.cumsum(0.002 * calm * moves, axis=0))
    return prices


@contextmanager
def _timed_stages() -> Iterator[dict[str, float]]:
    """Time the stages of every `estimate` inside."""
    spent: dict[str, float] = {}
    kept = {name: getattr(perpetuals, name) for name in STAGES.values()}

    def timed(stage: str, run: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **keywords: Any) -> Any:
            start = time.perf_counter()
            try:
                return run(*args, **keywords)
            finally:
                spent[stage] = time.perf_counter() - start

        return wrapped

    try:
        for stage, name in STAGES.items():
            setattr(perpetuals, name, timed(stage, kept[name]))
        yield spent
    finally:
        for name, run in kept.items():
            setattr(perpetuals, name, run)


def estimate_seconds() -> tuple[dict[str, float], perpetuals.RiskEstimate]:
    """Return seconds by stage, `total` among them, and what was estimated."""
    rng = np.random.default_rng(11)
    closes = _closes(rng)
    books = 1e4 * rng.normal(size=(1_000, UNDERLYINGS))
    roles = list(Role)[:UNDERLYINGS]
    roles += [roles[-1]] * (UNDERLYINGS - len(roles))
    with _timed_stages() as spent:
        start = time.perf_counter()
        found = perpetuals.estimate(closes, bar_h=1.0, roles=roles, settings=ModelSettings(), books=books)
        spent["total"] = time.perf_counter() - start
    spent["coverage"] = spent["total"] - sum(spent[stage] for stage in STAGES)
    return spent, found


def sorted_shortfall(pnl: Floats, weights: Floats, books: Floats) -> Floats:
    """Return what `book_shortfall` returns by sorting every book's P&L."""
    by_book = books @ pnl.T
    order = np.argsort(by_book, axis=1)
    mass = weights[order]
    before = np.cumsum(mass, axis=1) - mass
    taken = np.clip(1 - ALPHA - before, 0, mass)
    shortfall: Floats = -(np.take_along_axis(by_book, order, axis=1) * taken).sum(axis=1) / (1 - ALPHA)
    return shortfall


def _best_of_three(run: Callable[[], Any]) -> tuple[float, Any]:
    """Return the shortest of three times, seconds, and the result."""
    best, result = float("inf"), None
    for _ in range(3):
        start = time.perf_counter()
        result = run()
        best = min(best, time.perf_counter() - start)
    return best, result


def shortfall_seconds(pnl: Floats, weights: Floats, *, count: int = 1_000) -> tuple[float, float]:
    """Return seconds for the expected shortfall of so many books, and for the same by sorting."""
    books = np.random.default_rng(12).normal(size=(count, pnl.shape[1]))
    fast, (found, _) = _best_of_three(lambda: book_shortfall(pnl, weights, books, alpha=ALPHA))
    plain, expected = _best_of_three(lambda: sorted_shortfall(pnl, weights, books))
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    return fast, plain


def encode_seconds(rows: int) -> tuple[float, int]:
    """Return seconds to encode a page of so many perpetuals, and its bytes."""
    market = Market(underlying=0, page=0, spot=1_000_000, instruments=[perpetual() for _ in range(rows)])
    given = page_input(market, 1_700_000_000)
    seconds, payload = _best_of_three(lambda: encode_page(given))
    return seconds, len(payload)


def options_a_second(count: int = 1_000_000) -> float:
    """Return how many options of different strikes, volatilities and maturities are priced in a second."""
    rng = np.random.default_rng(13)
    strike, volatility, tau = (
        np.exp(rng.normal(size=count)),
        rng.uniform(0.2, 2, count),
        rng.uniform(0, 1, count),
    )
    seconds, _ = _best_of_three(lambda: black_price(1.0, strike, volatility, tau, is_call=strike > 1))
    return count / seconds


@dataclass(frozen=True, kw_only=True)
class ChainFigures:
    """What an epoch of a venue with options costs and achieves.

    Attributes
    ----------
    instruments, options, scenarios, atoms, page_bytes
        Sizes.
    seconds
        Of one computation, pages included.
    live, unseen
        L / ES by lanes alone as posted, of the books that lanes were chosen for and of others of the same kinds.
    gross, certified
        U / ES of the others without and with atoms: median, 95%, 99%, most.
    """

    instruments: int
    options: int
    scenarios: int
    atoms: int
    page_bytes: tuple[int, ...]
    seconds: float
    live: Coverage
    unseen: Coverage
    gross: tuple[float, ...]
    certified: tuple[float, ...]


def trader_books(pages: list[Page], leg: Floats, *, count: int, seed: int) -> Floats:
    """Return books in lots: single legs, spreads of two to four, hedged options, and dense hedged makers."""
    rng = np.random.default_rng(seed)
    first = np.cumsum([0, *(len(page.records) for page in pages)])
    delta = np.array([record.delta_x22 / 2**22 for page in pages for record in page.records])
    owner = np.repeat(np.arange(len(pages)), np.diff(first))
    books = np.zeros((count, len(leg)))
    for i, book in enumerate(books):
        # One underlying or all; few legs, or a fifth to all of what is listed.
        pool = np.flatnonzero((owner == rng.integers(len(pages))) | (i % 3 == 0))
        held = int(rng.integers(1, 5)) if i % 2 else int(rng.integers(len(pool) // 5, len(pool)))
        chosen = rng.choice(pool, size=held, replace=False)
        book[chosen] = rng.normal(size=held) * np.exp(0.5 * rng.normal(size=held)) / leg[chosen]
        if i % 4 < 2:
            for u, probe in enumerate(first[:-1]):
                book[probe] -= float(book[owner == u] @ delta[owner == u])
        book[:] = np.round(book * 1e9)
    return books


def chain_figures(*, days: int = 1_491, live: int = 300, unseen: int = 300) -> ChainFigures:
    """Return figures of two underlyings with a perpetual, a future and thirty options each."""
    settings, bars = KeeperSettings(), price_bars(days=days)
    terms = chain_terms()
    rough, _ = with_shifts(listed_view([(0, terms), (1, terms)]), price_bars(days=120))
    pages = [
        decode_page(payload) for payload in compute(rough, price_bars(days=120), settings=settings).payloads
    ]
    leg = np.array(
        [max(r.leg_long, r.leg_short, 1) for page in pages for r in page.records], dtype=np.float64
    )
    view, _ = with_shifts(
        listed_view([(0, terms), (1, terms)], lots=trader_books(pages, leg, count=live, seed=1)), bars
    )
    start = time.perf_counter()
    computed = compute(view, bars, settings=settings)
    seconds = time.perf_counter() - start

    pages = [decode_page(payload) for payload in computed.payloads]
    records = [record for page in pages for record in page.records]
    pnl, weights = lot_pnl(view, computed), computed.risk.scenarios.weights
    lanes = np.array([np.array(r.lanes, dtype=np.float64) * 2.0**r.shift for r in records]).T
    rounding = np.array([2.0**r.shift / 2 for r in records])
    legs = np.array([[r.leg_long for r in records], [r.leg_short for r in records]], dtype=np.float64)

    def gross_of(books: Floats) -> Floats:
        found: Floats = np.maximum(books, 0) @ legs[0] + np.maximum(-books, 0) @ legs[1]
        return found

    def covered(books: Floats) -> tuple[Coverage, Floats, Floats]:
        shortfall, _ = book_shortfall(pnl, weights, books, alpha=ALPHA)
        keep = (shortfall > 0) & (shortfall >= 0.02 * gross_of(books))
        bound = (-(books @ lanes.T)).max(axis=1) - np.abs(books) @ rounding
        ratio = np.maximum(bound, 0.0)[keep] / shortfall[keep]
        low, first, median = np.quantile(ratio, [0.0, 0.01, 0.5])
        summary = Coverage(books=int(keep.sum()), minimum=low, first_percentile=first, median=median)
        return summary, books[keep], shortfall[keep]

    known, _, _ = covered(view.lots)
    other, books, shortfall = covered(trader_books(pages, leg, count=unseen, seed=2))
    atoms, certified_at = _posted_atoms(pages)
    charged = np.array([certified_charge(book, csr_array(atoms), certified_at, legs)[1] for book in books])
    return ChainFigures(
        instruments=len(records),
        options=sum(bool(r.strike) for r in records),
        scenarios=len(weights),
        atoms=len(atoms),
        page_bytes=tuple(len(payload) for payload in computed.payloads),
        seconds=seconds,
        live=known,
        unseen=other,
        gross=tuple(np.quantile(gross_of(books) / shortfall, [0.5, 0.95, 0.99, 1.0])),
        certified=tuple(np.quantile(charged / shortfall, [0.5, 0.95, 0.99, 1.0])),
    )


def _posted_atoms(pages: list[Page]) -> tuple[Floats, Floats]:
    """Return lots by instrument of every atom, and what it is certified at."""
    first = np.cumsum([0, *(len(page.records) for page in pages)])
    listed = [(page.head.page_id, atom) for page in pages for atom in page.atoms]
    lots = np.zeros((len(listed), int(first[-1])))
    for row, (home, atom) in enumerate(listed):
        for part in atom.legs:
            lots[row, first[home if part.page is None else part.page] + part.slot] += part.ratio
    return lots, np.array([float(atom.shortfall) for _, atom in listed])
