"""How long the model takes: an estimate by stages, expected shortfalls against a plain sort, a page's bytes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from tests.support.market import Market, page_input, perpetual

from seawall.arrays import Floats
from seawall.margin import perpetuals
from seawall.margin.pricing import black_price
from seawall.margin.settings import ModelSettings
from seawall.margin.shortfall import book_shortfall
from seawall.margin.stress import Role
from seawall.page import encode_page

__all__ = [
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
