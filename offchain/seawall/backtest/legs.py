"""Requirements of single legs through time: the keeper's own numbers, computed for many times at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from seawall.arrays import Floats, Ints
from seawall.backtest.walk import walk_forward
from seawall.errors import DataError
from seawall.margin.scenarios import block_shuffled_rows, by_side, rescale
from seawall.margin.settings import ModelSettings
from seawall.margin.stress import Role
from seawall.margin.tails import normalise_tails
from seawall.margin.volatility import log_closes

__all__ = ["PastMoves", "leg_path", "past_moves"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PastMoves:
    """Hold all overlapping moves of one symbol, from which any present may take those that lie behind it.

    Attributes
    ----------
    moves
        Log-return over the horizon from each row, (T,), NaN where an end is missing.
    down, up
        Volatility known at each row by which falls and rises are rescaled, (T,), NaN where there is none.
    horizon, step, window
        In bars.
    """

    moves: Floats
    down: Floats
    up: Floats
    horizon: int
    step: int
    window: int

    def at(self, row: int, *, lower: float, upper: float) -> Floats:
        """Return the moves that were over at `row`, newest last, rescaled to its volatility."""
        starts = np.arange(row - self.horizon, max(row - self.window, 0) - 1, -self.step)[::-1]
        starts = starts[np.isfinite(self.moves[starts]) & np.isfinite(self.down[starts])]
        raw = self.moves[starts]
        if self.down is self.up:
            then, now = self.down[starts], self.down[row : row + 1]
        else:
            then = by_side(raw, self.down[starts], self.up[starts])
            now = by_side(raw, self.down[row : row + 1], self.up[row : row + 1])
        return rescale(raw, sigma_then=then, sigma_now=now, lower=lower, upper=upper)


def past_moves(
    closes: Floats,
    sigma: Floats,
    *,
    settings: ModelSettings,
    sides: tuple[Floats, Floats] | None = None,
    bar_h: float = 1.0,
) -> PastMoves:
    """Return the moves of one symbol.

    Parameters
    ----------
    closes
        (T,), NaN where missing.
    sigma
        Volatility over the horizon known at each row, (T,).
    settings
        Horizon, step and window.
    sides
        Volatilities by which falls and rises are rescaled, (T,) each; `sigma` by default.
    bar_h
        Distance between rows, hours.
    """
    logs = log_closes(closes[:, None])[:, 0]
    horizon = settings.bars(settings.horizon_h, bar_h=bar_h)
    moves = np.full(len(logs), np.nan)
    moves[:-horizon] = logs[horizon:] - logs[:-horizon]
    down, up = (sigma, sigma) if sides is None else sides
    return PastMoves(
        moves=moves,
        down=down,
        up=up,
        horizon=horizon,
        step=settings.bars(settings.step_h, bar_h=bar_h),
        window=settings.bars(settings.window_days * 24.0, bar_h=bar_h),
    )


def leg_path(
    closes: Floats,
    rows: Ints,
    *,
    settings: ModelSettings,
    role: Role,
    implied: Floats | None = None,
    bar_h: float = 1.0,
) -> Floats:
    """Return expected shortfall and value at risk of one symbol alone at many rows, over its price then.

    Equal to `margin.perpetuals.joint_returns` and `leg_shortfall` on the closes up to each row, for this symbol
    alone: the same volatility, moves, dependence rows (which for one symbol resample its own history), stress rows
    and weights. Row t uses rows up to t only.

    Parameters
    ----------
    closes
        (T,), oldest first, hourly by default, NaN where missing.
    rows
        Presents, (N,).
    settings
        Of the model.
    role
        Which stress moves the symbol takes.
    implied
        Annualised implied volatilities, (T,), NaN where there is none.
    bar_h
        Distance between rows, hours.

    Returns
    -------
    Floats
        (N, 4): expected shortfall long and short, at least zero; value at risk long and short.

    Raises
    ------
    DataError
        If a row has no close or no volatility, or no past move.
    """
    joint = None if implied is None else implied[:, None]
    walk = walk_forward(closes[:, None], bar_h=bar_h, roles=[role], settings=settings, implied=joint)
    sigma, stress = walk.sigma[:, 0], walk.stress[:, 0]
    down, up = walk.down[:, 0], walk.up[:, 0]
    sides = (down, up) if settings.side_share else None
    past = past_moves(closes, sigma, settings=settings, sides=sides, bar_h=bar_h)
    found = np.empty((len(rows), 4))
    for i, row in enumerate(rows):
        if not np.isfinite(sigma[row]):
            raise DataError(f"row {row} has no close or no volatility: ask for rows after the warm-up only")
        moves = past.at(int(row), lower=settings.rescale_min, upper=settings.rescale_max)
        if not len(moves):
            raise DataError(f"row {row} has no past move: supply more history")
        now = slice(row, row + 1)
        moves = normalise_tails(
            moves[:, None], down=down[now], up=up[now], alpha=settings.alpha, settings=settings.tails
        )[:, 0]
        found[i] = _tails(moves, stress, walk.stress_probability(int(row)), settings)
    return found


@lru_cache(maxsize=4096)
def _shuffle_picks(total: int, count: int, block_rows: int, seed: int) -> Ints:
    """Return which rows `block_shuffled_rows` takes of so many."""
    if not count:
        return np.empty(0, dtype=np.int64)
    numbers = np.arange(total, dtype=np.float64)[:, None]
    return block_shuffled_rows(numbers, count=count, block_rows=block_rows, seed=seed)[:, 0].astype(np.int64)


def _tails(
    moves: Floats, stress: Floats, chance: float, settings: ModelSettings
) -> tuple[float, float, float, float]:
    """Return shortfall long and short and value at risk long and short, from the ends of the distribution alone.

    Only the lowest and highest rows of `build_scenarios` are formed: no comonotone row beyond the edge of a tail can
    be among them, as the moves between which it lies are not.
    """
    count = round(settings.dependence_share * len(moves) / 2)
    total = len(moves)
    ordinary = (1.0 - len(stress) * chance) / (total + 2 * count)
    tail = 1.0 - settings.alpha
    deep = min(int(tail / ordinary) + 2, total)
    parted = np.partition(moves, (deep - 1, total - deep))
    at = (np.arange(count) + 0.5) / max(count, 1) * (total - 1)
    at = at[at < deep - 1]
    picks = _shuffle_picks(total, count, settings.shuffle_block_rows, settings.seed)
    shuffled = moves[picks]
    extra = len(at) + count
    weights = np.concatenate([np.full(deep + extra, ordinary), np.full(len(stress), chance)])

    def gains(end: Floats, sign: float) -> Floats:
        ordered = sign * np.sort(sign * end)
        moved: Floats = sign * np.expm1(np.concatenate([ordered, _between(ordered, at), shuffled, stress]))
        return moved

    low = _worst(-gains(parted[:deep], 1.0), weights, tail)
    high = _worst(-gains(parted[total - deep :], -1.0), weights, tail)
    return max(low[0], 0.0), max(high[0], 0.0), low[1], high[1]


def _between(ordered: Floats, at: Floats) -> Floats:
    """Return values at fractional positions of an array."""
    low = at.astype(np.intp)
    part = at - low
    found: Floats = ordered[low] * (1.0 - part) + ordered[np.minimum(low + 1, len(ordered) - 1)] * part
    return found


def _worst(losses: Floats, weights: Floats, tail: float) -> tuple[float, float]:
    """Return the mean of the worst `tail` of probability, and the smallest loss within it."""
    order = np.argsort(-losses, kind="stable")
    losses, weights = losses[order], weights[order]
    before = np.cumsum(weights) - weights
    masses = np.clip(tail - before, 0.0, weights)
    held = masses > 0
    return float(masses @ losses / masses.sum()), float(losses[held][-1])
