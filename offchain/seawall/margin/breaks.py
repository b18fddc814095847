"""Structural breaks: when moves no longer fit the volatility that was expected of them.

An online CUSUM (Page 1954) on devolatilised moves. A bar's score is `min(|r| / sigma, cap)`, with the volatility known
before it; scores add up as `S = max(0, S + score - allowance)`, and where S exceeds `limit` an alarm is given and S
starts anew. A single bar adds at most `cap - allowance`: no print alone raises an alarm.
"""

from dataclasses import dataclass

import numpy as np

from seawall.arrays import Bools, Floats, Ints
from seawall.errors import ConfigError, DataError

__all__ = [
    "BreakSettings",
    "Drift",
    "alarm_strength",
    "alarms",
    "break_scores",
    "parameter_drift",
    "stress_multiple",
]

# The part of earlier scores that is not their tail.
_TAIL = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakSettings:
    """Say when a structural break is called and what follows.

    Attributes
    ----------
    enabled
        Whether an alarm changes volatilities and the probability of stress rows; it can be reported in any case.
    allowance
        What is taken off every score, above the mean of scores in ordinary times.
    limit
        Sum of excess scores at which an alarm is given.
    score_cap
        Largest score of a single bar.
    decay_days
        Time in which an alarm is forgotten, evenly.
    stress_factor
        Multiple of the probability of stress rows at an alarm.
    recent_days
        The newest part of history that is compared with the rest as `parameter_drift`.
    """

    enabled: bool = False
    allowance: float = 0.9
    limit: float = 30.0
    score_cap: float = 4.0
    decay_days: float = 30.0
    stress_factor: float = 2.0
    recent_days: float = 90.0

    def __post_init__(self) -> None:
        if not 0 < self.allowance < self.score_cap:
            raise ConfigError("breaks: need 0 < allowance < score_cap, or nothing ever adds up")
        if self.limit <= self.score_cap or min(self.decay_days, self.recent_days) <= 0:
            raise ConfigError(
                "breaks: limit must exceed score_cap, and decay_days and recent_days be positive"
            )
        if not 1 <= self.stress_factor <= 10:
            raise ConfigError(f"breaks: stress_factor = {self.stress_factor}: use 1 to 10")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Hold how far recent moves are from those before them, on which the settings of the model rest.

    Attributes
    ----------
    dispersion
        Mean score of recent bars over that of earlier ones, (M,): 1 if volatility is still right on average.
    tail
        Frequency of recent scores beyond the 99% quantile of earlier ones, over 1%, (M,).
    correlation
        Mean correlation of recent moves between underlyings, less that of earlier ones; 0 with one underlying.
    """

    dispersion: Floats
    tail: Floats
    correlation: float


def break_scores(logs: Floats, sigma: Floats, *, horizon_bars: int) -> Floats:
    """Return how large each move was against the volatility known before it, `|r| / sigma`.

    Parameters
    ----------
    logs
        Log-prices, (T, M), NaN in rows that are missing.
    sigma
        Volatility over the horizon known at each row, (T, M), NaN where there is none.
    horizon_bars
        The horizon in bars.

    Returns
    -------
    Floats
        (T, M), NaN in rows that are missing and up to the first one with a volatility. A move across missing bars is
        scored once, by the root of the bars it took.

    Raises
    ------
    DataError
        If the shapes differ.
    """
    if logs.shape != sigma.shape or logs.ndim != 2:
        raise DataError(f"sigma has shape {sigma.shape}, log-prices {logs.shape}: use their sigma_path")
    scores = np.full(logs.shape, np.nan)
    rows = np.flatnonzero(np.isfinite(sigma).all(axis=1))
    if len(rows) > 1:
        bars = np.diff(rows)[:, None] / horizon_bars
        scores[rows[1:]] = np.abs(np.diff(logs[rows], axis=0)) / (sigma[rows[:-1]] * np.sqrt(bars))
    return scores


def alarms(scores: Floats, *, settings: BreakSettings) -> tuple[Bools, Floats]:
    """Return where alarms are given, and the sum S after each bar, (T, M) each; row t uses rows up to t only.

    Parameters
    ----------
    scores
        `break_scores`, (T, M); a NaN leaves the sum as it is.
    settings
        Allowance, limit, cap.
    """
    excess = np.where(np.isnan(scores), 0.0, np.minimum(scores, settings.score_cap) - settings.allowance)
    given = np.zeros(scores.shape, dtype=np.bool_)
    sums = np.zeros(scores.shape)
    for column in range(scores.shape[1]):
        start = 0
        while start < len(scores):
            path = np.cumsum(excess[start:, column])
            path -= np.minimum(np.minimum.accumulate(path), 0.0)
            over = np.flatnonzero(path > settings.limit)
            end = start + (int(over[0]) + 1 if len(over) else len(path))
            sums[start:end, column] = path[: end - start]
            if len(over):
                given[end - 1, column] = True
            start = end
    return given, sums


def alarm_strength(
    logs: Floats, sigma: Floats, *, bar_h: float, horizon_bars: int, settings: BreakSettings
) -> Floats:
    """Return how much of its newest alarm an underlying still remembers: 1 at the alarm, 0 `decay_days` later.

    Parameters
    ----------
    logs, sigma
        As for `break_scores`.
    bar_h
        Distance between rows in hours.
    horizon_bars
        The horizon in bars.
    settings
        Of the detector.

    Returns
    -------
    Floats
        (T, M), in [0, 1].
    """
    given, _ = alarms(break_scores(logs, sigma, horizon_bars=horizon_bars), settings=settings)
    times = np.arange(len(given), dtype=np.float64)[:, None]
    newest = np.maximum.accumulate(np.where(given, times, -np.inf), axis=0)
    ages_days = (times - newest) * (bar_h / 24.0)
    strength: Floats = np.maximum(1.0 - ages_days / settings.decay_days, 0.0)
    return strength


def stress_multiple(strength: Floats, *, settings: BreakSettings) -> float:
    """Return by what the probability of stress rows is multiplied: up to `stress_factor` at an alarm of any underlying.

    Parameters
    ----------
    strength
        `alarm_strength` now, (M,).
    settings
        Of the detector.
    """
    return 1.0 + (settings.stress_factor - 1.0) * float(strength.max(initial=0.0))


def parameter_drift(logs: Floats, sigma: Floats, *, horizon_bars: int, recent_bars: int) -> Drift:
    """Return how recent moves differ from earlier ones once their volatility is allowed for.

    Parameters
    ----------
    logs, sigma, horizon_bars
        As for `break_scores`.
    recent_bars
        How many of the newest rows are recent: those since the settings were last chosen, or a season.

    Raises
    ------
    DataError
        If there are fewer than 100 scores before or after the cut.
    """
    scores = break_scores(logs, sigma, horizon_bars=horizon_bars)
    rows = np.flatnonzero(np.isfinite(scores).all(axis=1))
    recent = rows >= len(scores) - recent_bars
    if min(recent.sum(), (~recent).sum()) < 100:
        raise DataError("drift needs 100 scored bars before and after the cut: supply older bars")
    before, after = scores[rows[~recent]], scores[rows[recent]]
    return Drift(
        dispersion=after.mean(axis=0) / before.mean(axis=0),
        tail=(after > np.quantile(before, _TAIL, axis=0)).mean(axis=0) / (1.0 - _TAIL),
        correlation=_mean_correlation(logs, rows[recent]) - _mean_correlation(logs, rows[~recent]),
    )


def _mean_correlation(logs: Floats, rows: Ints) -> float:
    """Return the mean correlation of moves that end at some rows and took one bar."""
    moves = logs[rows] - logs[rows - 1]
    moves = moves[np.isfinite(moves).all(axis=1)]
    columns = moves.shape[1]
    if columns < 2 or len(moves) < 2:
        return 0.0
    return float(np.corrcoef(moves.T)[np.triu_indices(columns, k=1)].mean())
