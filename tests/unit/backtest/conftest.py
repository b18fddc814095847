"""A small market drawn from a seed, and settings short enough for tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from seawall.backtest.data import BAR_S, History, Series
from seawall.backtest.settings import BacktestSettings
from seawall.margin.settings import ModelSettings

DAY_S = 24 * BAR_S
START_S = 1_577_836_800  # 2020-01-01


def draw_series(symbol: str, *, days: int, seed: int, start_s: int = START_S, gaps: int = 0) -> Series:
    """Return hourly closes whose volatility wanders, with some bars missing."""
    rng = np.random.default_rng(seed)
    shared = np.random.default_rng(99).standard_t(4, size=days * 24)
    level = 0.006 * np.exp(np.cumsum(0.02 * rng.standard_normal(days * 24)))
    moves = np.clip(level, 0.003, 0.02) * (0.6 * shared + 0.8 * rng.standard_t(4, size=days * 24))
    closes = 100.0 * np.exp(np.cumsum(np.clip(moves, -0.2, 0.2)))
    closes[rng.choice(np.arange(1, days * 24 - 1), size=gaps, replace=False)] = np.nan
    return Series(symbol=symbol, first_s=start_s + BAR_S, values=closes)


@pytest.fixture(scope="session")
def market() -> Callable[..., History]:
    """Make a history of some symbols."""

    def make(*symbols: str, days: int = 160, gaps: int = 12) -> History:
        drawn = {s: draw_series(s, days=days, seed=i + 1, gaps=gaps) for i, s in enumerate(symbols)}
        return History(spot=drawn, digest="drawn")

    return make


@pytest.fixture(scope="session")
def short_model() -> ModelSettings:
    """Return the model with a short memory."""
    return replace(ModelSettings(), window_days=60.0, minimum_history_days=30.0, warmup_days=5.0)


@pytest.fixture(scope="session")
def short_settings(short_model: ModelSettings) -> BacktestSettings:
    """Return a backtest of some months."""
    return BacktestSettings(
        first_s=START_S,
        last_s=START_S + 150 * DAY_S,
        phases_h=(0, 12),
        book_phases_h=(0,),
        history_days=40,
        least_windows=30,
        rates=(0.1, 0.05),
        random_books=3,
        implied_first_s=START_S + 60 * DAY_S,
        selection_end_s=START_S + 90 * DAY_S,
        selection_phases_h=(0, 6, 12),
        model=short_model,
    )
