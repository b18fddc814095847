"""The scenarios in a book's tail, by name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from seawall.analysis.portfolio import JudgedBook
from seawall.arrays import Floats
from seawall.margin.scenarios import historical_rows
from seawall.margin.settings import ModelSettings
from seawall.margin.stress import STRESS_ROWS
from seawall.margin.volatility import log_closes, sigma_path

__all__ = ["TailRow", "mass_by_kind", "scenario_names", "tail_rows"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TailRow:
    """Hold a scenario of the book's tail: its share of the tail, the book's loss, simple moves of the underlyings."""

    name: str
    share: float
    loss: float
    moves: tuple[float, ...]


def scenario_names(judged: JudgedBook, *, settings: ModelSettings) -> list[str]:
    """Return what each scenario is: the hours of a past move, a kind of synthetic row, or a stress row's name."""
    bars, scenarios = judged.bars, judged.estimate.risk.scenarios
    times, closes = bars.gridded()
    bar_h = bars.bar_s / 3600.0
    horizon = settings.bars(settings.horizon_h, bar_h=bar_h)
    starts = historical_rows(
        log_closes(closes),
        sigma_path(closes, bar_h=bar_h, settings=settings),
        now=len(closes) - 1,
        horizon_bars=horizon,
        step_bars=settings.bars(settings.step_h, bar_h=bar_h),
        window_bars=settings.bars(settings.window_days * 24.0, bar_h=bar_h),
    )
    past = [f"{_when(int(times[s]))} to {_when(int(times[s + horizon]))}" for s in starts]
    if len(past) != scenarios.historical:
        past = ["past move"] * scenarios.historical
    half = scenarios.dependence // 2
    synthetic = ["all at the same quantile"] * half + ["columns from unrelated dates"] * (
        scenarios.dependence - half
    )
    stressed = [row.name for row in STRESS_ROWS]
    stressed += ["volatility alone"] * (scenarios.stress - len(stressed))
    return past + synthetic + stressed


def tail_rows(
    judged: JudgedBook, rows: npt.NDArray[np.intp], masses: Floats, *, model: ModelSettings
) -> tuple[TailRow, ...]:
    """Return the scenarios of a tail, the largest part of the shortfall first.

    Parameters
    ----------
    judged
        The book and its estimate.
    rows, masses
        Scenarios and their probabilities under the tail measure, (m,).
    model
        Settings the estimate was made with.
    """
    names = scenario_names(judged, settings=model)
    moves = np.expm1(judged.estimate.risk.scenarios.log_returns)
    losses = -(judged.pnl @ judged.units)
    found = [
        TailRow(
            name=names[int(row)],
            share=float(mass),
            loss=float(losses[int(row)]),
            moves=tuple(float(x) for x in moves[int(row)]),
        )
        for row, mass in zip(rows, masses, strict=True)
        if mass > 0
    ]
    return tuple(sorted(found, key=lambda row: -row.share * row.loss))


def mass_by_kind(judged: JudgedBook, measure: Floats) -> tuple[float, float, float]:
    """Return the mass of a measure (S,) on historical, dependence and stress rows."""
    scenarios = judged.estimate.risk.scenarios
    past, synthetic = scenarios.historical, scenarios.historical + scenarios.dependence
    return float(measure[:past].sum()), float(measure[past:synthetic].sum()), float(measure[synthetic:].sum())


def _when(time_s: int) -> str:
    return f"{datetime.fromtimestamp(time_s, UTC):%Y-%m-%d %H:%M}"
