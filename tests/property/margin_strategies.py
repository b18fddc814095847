"""Strategies and slow twins shared by the properties of the margin model."""

from collections.abc import Iterator

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis.extra import numpy as hnp

from seawall.arrays import Floats
from seawall.margin.settings import ModelSettings

# A short model, so that a few days of bars are enough.
SHORT = ModelSettings(warmup_days=2.0, minimum_history_days=4.0, window_days=20.0, probe_books=16)


@pytest.fixture(autouse=True, scope="module")
def float_errors_raise() -> Iterator[None]:
    """Turn silent overflow, invalid operations and division by zero into failures."""
    with np.errstate(all="raise"):
        yield


def levels() -> st.SearchStrategy[float]:
    """Draw a level of the expected shortfall, coarse and fine."""
    return st.sampled_from([0.0, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99])


def pnl_columns(*, columns: int, scenarios: int = 60) -> st.SearchStrategy[Floats]:
    """Draw P&L with many ties (whole numbers) or none (random)."""
    rows = st.integers(2, scenarios)
    tied = rows.flatmap(lambda n: hnp.arrays(np.float64, (n, columns), elements=st.integers(-3, 3)))
    smooth = st.builds(
        lambda n, seed: np.random.default_rng(seed).standard_t(3, size=(n, columns)),
        rows,
        st.integers(0, 2**32),
    )
    return st.one_of(tied, smooth)


@st.composite
def counts_for(draw: st.DrawFn, pnl: Floats) -> Floats:
    """Draw whole-number weights of the scenarios, from equal to very unequal."""
    counts = draw(hnp.arrays(np.int64, len(pnl), elements=st.sampled_from([1, 1, 2, 3, 40])))
    return counts.astype(np.float64)


@st.composite
def close_paths(draw: st.DrawFn, *, days: float, bar_h: float, columns: int, gaps: bool = False) -> Floats:
    """Draw prices with calm and wild spells, perhaps with bars missing."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    bars = round(days * 24 / bar_h)
    spells = np.exp(np.repeat(rng.normal(0.0, 1.0, size=(bars // 12 + 1, columns)), 12, axis=0)[:bars])
    moves = 0.005 * spells * rng.standard_t(4, size=(bars, columns))
    closes: Floats = 100.0 * np.exp(np.cumsum(np.clip(moves, -0.5, 0.5), axis=0))
    if gaps:
        missing = rng.random(bars) < draw(st.sampled_from([0.0, 0.02, 0.3]))
        missing[[0, -1]] = False
        closes[missing, rng.integers(columns)] = np.nan
    return closes


def shortfall_by_minimum(pnl: Floats, weights: Floats, alpha: float) -> float:
    """Return ES as `min over c of c + E[(loss - c)+] / (1 - alpha)`, which some scenario's loss attains."""
    losses = -pnl
    return min(float(c + weights @ np.maximum(losses - c, 0.0) / (1.0 - alpha)) for c in losses)
