"""The joint scenario set: filtered historical simulation, dependence rows and stress rows, with weights."""

from dataclasses import dataclass, field

import numpy as np

from seawall.arrays import Floats, Ints, checked
from seawall.errors import ConfigError, DataError
from seawall.margin.settings import ModelSettings
from seawall.margin.tails import normalise_tails
from seawall.margin.volatility import log_closes

__all__ = [
    "ScenarioSet",
    "block_shuffled_rows",
    "build_scenarios",
    "by_side",
    "comonotone_rows",
    "historical_rows",
    "rescale",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioSet:
    """Hold joint log-returns over one horizon and the probability of each row.

    Attributes
    ----------
    log_returns
        (S, M): historical rows oldest first, then comonotone, block-shuffled and stress rows.
    weights
        (S,), positive, summing to 1.
    sigma_now
        (M,), today's volatility over the horizon.
    historical, dependence, stress
        How many rows are of which kind; they add up to S.
    starts
        Bar at which the move of each historical row began, (historical,); empty where the rows are not of any date.
    """

    log_returns: Floats
    weights: Floats
    sigma_now: Floats
    historical: int
    dependence: int
    stress: int
    starts: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))


def historical_rows(
    logs: Floats, sigma: Floats, *, now: int, horizon_bars: int, step_bars: int, window_bars: int
) -> Ints:
    """Return the starts of past moves: `now - horizon - i step`, where both ends and the volatility exist.

    Parameters
    ----------
    logs, sigma
        Log-prices and volatilities, (T, M), NaN where unknown.
    now
        Row of the present; nothing after it is read.
    horizon_bars, step_bars, window_bars
        Length of a move, distance between starts, and age of the oldest start.

    Returns
    -------
    Ints
        (R,), increasing.
    """
    starts = np.arange(now - horizon_bars, max(now - window_bars, 0) - 1, -step_bars)[::-1]
    known = np.isfinite(logs).all(axis=1)
    usable = np.isfinite(sigma).all(axis=1)
    kept: Ints = starts[known[starts] & known[starts + horizon_bars] & usable[starts]].astype(np.int64)
    return kept


def rescale(moves: Floats, *, sigma_then: Floats, sigma_now: Floats, lower: float, upper: float) -> Floats:
    """Return past moves at today's volatility: `r clip(sigma_now / sigma_then, lower, upper)`.

    Filtered historical simulation (Barone-Adesi, Giannopoulos, Vosper 1999) with a limited factor.

    Parameters
    ----------
    moves, sigma_then
        Log-returns and the volatility known when each began, (R, M).
    sigma_now
        (M,), or (R, M) where it depends on the move.
    lower, upper
        Limits of the factor.
    """
    return moves * np.clip(sigma_now / sigma_then, lower, upper)


def by_side(moves: Floats, down: Floats, up: Floats) -> Floats:
    """Return `down` where a move is a fall and `up` elsewhere, of the shape of `moves`.

    Falls and rises are devolatilised apart: after a crash falls are likelier to be large than rises.
    """
    chosen: Floats = np.where(moves < 0, down, up)
    return chosen


def comonotone_rows(moves: Floats, *, count: int) -> Floats:
    """Return `count` rows in which every underlying moves at the same quantile of its own history.

    Row i holds the `(i + 1/2) / count` quantile of each column: dependence at its upper Frechet bound.

    Parameters
    ----------
    moves
        (R, M).
    count
        Rows to return.
    """
    levels = (np.arange(count) + 0.5) / max(count, 1)
    rows: Floats = np.quantile(moves, levels, axis=0) if count else np.empty((0, moves.shape[1]))
    return rows


def block_shuffled_rows(moves: Floats, *, count: int, block_rows: int, seed: int) -> Floats:
    """Return `count` rows whose columns come from unrelated dates, in blocks of `block_rows`.

    Each column is its own circular block bootstrap (Politis, Romano 1992): marginals stay, dependence goes.

    Parameters
    ----------
    moves
        (R, M).
    count
        Rows to return.
    block_rows
        Consecutive rows kept together.
    seed
        The same seed gives the same rows.
    """
    total, columns = moves.shape
    rng = np.random.Generator(np.random.PCG64(seed))
    starts = rng.integers(total, size=(-(-count // block_rows), columns))
    picks = (starts[:, None, :] + np.arange(block_rows)[None, :, None]).reshape(-1, columns)[:count] % total
    rows: Floats = np.take_along_axis(moves, picks, axis=0)
    return rows


def build_scenarios(
    closes: Floats,
    sigma: Floats,
    *,
    bar_h: float,
    settings: ModelSettings,
    stress: Floats,
    now: int | None = None,
    sides: tuple[Floats, Floats] | None = None,
) -> ScenarioSet:
    """Return the joint scenarios as seen at bar `now`.

    Overlapping moves of one horizon, started every `step_h` over the last `window_days`, each divided by
    its own volatility and multiplied by today's (`rescale`, `by_side`), then by a factor an underlying and side
    (`tails.normalise_tails`), plus comonotone and block-shuffled rows made from them, plus stress rows of fixed
    probability, none if it is 0. Historical and dependence rows share the remaining probability equally.

    Parameters
    ----------
    closes
        Prices, (T, M), oldest first, regular grid, NaN where missing.
    sigma
        `volatility.sigma_path` of the same closes, (T, M).
    bar_h
        Distance between rows in hours.
    settings
        Horizon, step, window, limits, shares, seed.
    stress
        Log-returns of the stress rows, (N, M); may have no row.
    now
        Row of the present, the last one by default. Later rows are not read.
    sides
        Volatilities by which falls and rises are rescaled, (T, M) each, NaN where `sigma` is; `sigma` by default.

    Raises
    ------
    DataError
        If the present bar is missing, the history is shorter than `minimum_history_days`, or shapes differ.
    ConfigError
        If the stress rows leave no probability for the others.
    """
    logs = log_closes(closes)
    down, up = (sigma, sigma) if sides is None else sides
    for path in (sigma, down, up):
        if path.shape != logs.shape:
            raise DataError(f"sigma has shape {path.shape}, closes {logs.shape}: use their sigma_path")
    stressed = checked(stress, name="stress", shape=(None, logs.shape[1]))
    stressed = stressed if settings.stress_probability else stressed[:0]
    row = len(logs) - 1 if now is None else now
    if not 0 <= row < len(logs):
        raise DataError(f"now = {now} is not a row of closes, which has {len(logs)}")
    _require_history(logs[: row + 1], bar_h=bar_h, settings=settings)

    horizon_bars = settings.bars(settings.horizon_h, bar_h=bar_h)
    starts = historical_rows(
        logs,
        sigma,
        now=row,
        horizon_bars=horizon_bars,
        step_bars=settings.bars(settings.step_h, bar_h=bar_h),
        window_bars=settings.bars(settings.window_days * 24.0, bar_h=bar_h),
    )
    if not len(starts):
        raise DataError("no past move has both ends and a volatility: supply closes with fewer missing bars")
    moves = logs[starts + horizon_bars] - logs[starts]
    past = rescale(
        moves,
        sigma_then=by_side(moves, down[starts], up[starts]),
        sigma_now=by_side(moves, down[row], up[row]),
        lower=settings.rescale_min,
        upper=settings.rescale_max,
    )
    past = normalise_tails(past, down=down[row], up=up[row], alpha=settings.alpha, settings=settings.tails)
    together = round(settings.dependence_share * len(past) / 2)
    parts = [
        past,
        comonotone_rows(past, count=together),
        block_shuffled_rows(past, count=together, block_rows=settings.shuffle_block_rows, seed=settings.seed),
        stressed,
    ]
    log_returns = np.concatenate(parts)
    return ScenarioSet(
        log_returns=log_returns,
        weights=_weights(len(log_returns), len(stressed), probability=settings.stress_probability),
        sigma_now=sigma[row].copy(),
        historical=len(past),
        dependence=2 * together,
        stress=len(stressed),
        starts=starts,
    )


def _weights(rows: int, stressed: int, *, probability: float) -> Floats:
    """Return `probability` for the last `stressed` rows and equal shares of the rest for the others."""
    rest = 1.0 - stressed * probability
    if rest <= 0:
        raise ConfigError(f"{stressed} stress rows of probability {probability} leave none for history")
    ordinary = rows - stressed
    return np.concatenate([np.full(ordinary, rest / ordinary), np.full(stressed, probability)])


def _require_history(logs: Floats, *, bar_h: float, settings: ModelSettings) -> None:
    observed = np.isfinite(logs).all(axis=1)
    if not observed[-1]:
        raise DataError("the newest bar is missing for an underlying: drop it or wait for the price")
    days = (len(logs) - 1 - int(observed.argmax())) * bar_h / 24.0
    if days < settings.minimum_history_days:
        raise DataError(
            f"closes span {days:.1f} days, needed are {settings.minimum_history_days:g}: supply older bars"
        )
