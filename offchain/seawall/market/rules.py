"""Rules for bad data. Each is counted and logged, and each leaves out; none fills, repairs or guesses.

=========== ============================================ =============================================================
rule        leaves out                                   what a bad observation can still do
=========== ============================================ =============================================================
incomplete  bars that end after `now_s`                  nothing
late        nothing; names a symbol whose newest bar     nothing: what needs fresh data asks `require_fresh`
            is older than `max_age_s`
listing     the first `listing_h` of a symbol            nothing
bad price   prices that are not positive and finite, a   what a missing bar does
            close outside low and high
duplicate   repetitions of a bar                         nothing
conflict    every bar of a time for which two differ     what a missing bar does
spike       a close beyond the medians of the three      a close that is wrong by d, below the limit, makes two
            before and the three after it, on the same   returns wrong by d: a norm of returns, as every part of the
            side, by more than the limit: `spike_least`  model's volatility is, moves by at most the norm of those
            or `spike_scales` local scales               two errors
unconfirmed the newest bar, if it moved by more than     the newest price is wrong by at most the limit
            the limit, until the next bar: `jump_least`
            or `jump_scales` scales, at most `jump_most`
stuck       all but the first of `stuck_bars` or more    up to `stuck_bars - 1` returns are 0 and the next is their
            equal closes without volume, or while the    sum: a close is wrong by what the market moves in so many
            others move by `stuck_move`                  bars; of longer runs what missing bars do
gap         nothing; counts missing bars                 the model counts a move across missing bars once, per bar
=========== ============================================ =============================================================

docs/keepers.md says what that makes of margin requirements, in numbers. A local scale is 1.4826 times the median of 49
absolute log-returns around the bar (for the newest: of those before it). Spikes of one or two bars are found; of a
third wrong bar in a row of the same source nothing is known: use several sources and `seawall.market.consensus`. The
newest bar of several sources that agree needs no confirmation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy.ndimage import median_filter

from seawall.arrays import Bools, Floats
from seawall.errors import ConfigError, StaleError
from seawall.market.findings import ALL_RULES, Finding, Rule, finding, log_findings
from seawall.market.schema import Candles

__all__ = ["Cleaned", "RuleSettings", "clean_candles", "require_fresh"]

_Judge = Callable[[Candles], Bools]
_HOUR_S = 3600
_SCALE_BARS = 49
_TO_DEVIATION = 1.4826
_SIDE = 3
_CLOSE_TOLERANCE = 1e-6  # files may hold open, high and low with fewer digits than the close


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleSettings:
    """Say what counts as bad; moves are in logarithms.

    Attributes
    ----------
    rules
        Those in force; all by default.
    max_age_s
        Age of a symbol's newest bar at which it is late.
    listing_h
        Hours after a symbol's first bar that are left out.
    spike_least, spike_scales
        Least size of a spike, and in local scales.
    jump_least, jump_scales, jump_most
        Least and largest limit of what the newest bar may move by unconfirmed, and in local scales.
    stuck_bars, stuck_move
        Equal closes that are stuck, and what the others must have moved by if there was volume.
    """

    rules: frozenset[Rule] = ALL_RULES
    max_age_s: int = 7200
    listing_h: float = 24.0
    spike_least: float = 0.02
    spike_scales: float = 6.0
    jump_least: float = 0.10
    jump_scales: float = 10.0
    jump_most: float = 0.25
    stuck_bars: int = 6
    stuck_move: float = 0.01

    def __post_init__(self) -> None:
        """Reject limits that make no sense."""
        limits = (self.spike_least, self.spike_scales, self.jump_least, self.jump_scales, self.stuck_move)
        if min(limits) <= 0 or self.jump_most < self.jump_least:
            raise ConfigError("limits of rules must be positive, and jump_most at least jump_least")
        if self.max_age_s < 1 or self.listing_h < 0 or self.stuck_bars < 2:
            raise ConfigError("max_age_s must be at least 1, listing_h at least 0, stuck_bars at least 2")


@dataclass(frozen=True, kw_only=True, slots=True)
class Cleaned:
    """Hold what is left of candles, in the order they came, and what was found."""

    candles: tuple[Candles, ...]
    findings: tuple[Finding, ...]

    def count(self, rule: Rule) -> int:
        """Return how often a rule found something."""
        return sum(f.count for f in self.findings if f.rule is rule)

    @property
    def late(self) -> tuple[str, ...]:
        """Return the symbols whose newest bar is too old."""
        return tuple(f.symbol for f in self.findings if f.rule is Rule.LATE)


def clean_candles(
    candles: Sequence[Candles],
    *,
    now_s: int | None = None,
    settings: RuleSettings | None = None,
    confirm: bool = True,
) -> Cleaned:
    """Return the bars that may be used at a time, and what was found.

    Parameters
    ----------
    candles
        Of any symbols; those of the same source and bar length are held against each other where a price is stuck.
    now_s
        Nothing that was complete later is used; without it everything given counts as complete, and nothing as late.
    confirm
        Whether a large move of the newest bar waits for the next; not needed where several sources must agree.
    """
    rules = settings or RuleSettings()
    findings: list[Finding] = []
    kept: list[Candles] = []
    alone: list[tuple[Rule, _Judge]] = [
        (Rule.INCOMPLETE, lambda b: np.full(len(b.start_s), now_s is not None) & (b.known_at > (now_s or 0))),
        (Rule.BAD_PRICE, _bad_prices),
        (Rule.CONFLICT, _conflicts),
        (Rule.DUPLICATE, lambda b: np.diff(b.start_s, prepend=-1) == 0),
        (Rule.LISTING, lambda b: b.start_s < b.start_s[:1].sum() + rules.listing_h * _HOUR_S),
    ]
    first = [_judged(bars, alone, rules, findings) for bars in candles]
    for i, bars in enumerate(first):
        others = [other for j, other in enumerate(first) if j != i and other.bar_s == bars.bar_s]
        together: list[tuple[Rule, _Judge]] = [
            (Rule.STUCK, partial(_stuck, others=others, rules=rules)),
            (Rule.SPIKE, partial(_spikes, rules=rules)),
        ]
        if confirm:
            together.append((Rule.UNCONFIRMED, partial(_unconfirmed, rules=rules)))
        kept.append(_judged(bars, together, rules, findings))
        _note(kept[-1], now_s, rules, findings)
    log_findings(findings)
    return Cleaned(candles=tuple(kept), findings=tuple(findings))


def require_fresh(newest_s: int, *, now_s: int, max_age_s: int, what: str) -> None:
    """Refuse to go on with data that ended too long ago.

    Raises
    ------
    StaleError
        If `newest_s`, when the newest was known, is more than `max_age_s` before `now_s`.
    """
    if now_s - newest_s > max_age_s:
        raise StaleError(
            f"{what}: the newest is {now_s - newest_s} s old, allowed are {max_age_s}: wait for data"
        )


def _judged(
    bars: Candles, judges: Sequence[tuple[Rule, _Judge]], rules: RuleSettings, findings: list[Finding]
) -> Candles:
    """Return the bars without those that a rule in force leaves out, one rule after the other."""
    for rule, judge in judges:
        if rule in rules.rules and len(bars.start_s):
            bad = judge(bars)
            if bad.any():
                findings.append(finding(rule, bars.symbol, bars.start_s[bad]))
                bars = bars.rows(~bad)
    return bars


def _note(bars: Candles, now_s: int | None, rules: RuleSettings, findings: list[Finding]) -> None:
    """Count missing bars, and say whether the newest is late; nothing is left out."""
    missing = np.diff(bars.start_s) // bars.bar_s - 1
    before = bars.start_s[:-1][missing > 0]
    if Rule.GAP in rules.rules and len(before):
        found = finding(Rule.GAP, bars.symbol, before + bars.bar_s)
        findings.append(replace(found, count=int(missing[missing > 0].sum())))
    newest = bars.known_at[-1:]
    if Rule.LATE in rules.rules and now_s is not None and not (newest >= now_s - rules.max_age_s).any():
        stamp = bars.start_s[-1:] if len(newest) else np.array([now_s])
        findings.append(finding(Rule.LATE, bars.symbol, stamp))


def _bad_prices(bars: Candles) -> Bools:
    prices = np.stack([bars.open, bars.high, bars.low, bars.close])
    good = np.all(np.isfinite(prices) & (prices > 0), axis=0)
    room = _CLOSE_TOLERANCE * np.abs(bars.close)
    good &= (bars.close >= bars.low - room) & (bars.close <= bars.high + room)
    good &= ~(bars.volume < 0)
    bad: Bools = ~good
    return bad


def _conflicts(bars: Candles) -> Bools:
    """Return which bars share a time with one that says otherwise."""
    times, place = np.unique(bars.start_s, return_inverse=True)
    values = np.stack([bars.open, bars.high, bars.low, bars.close, np.nan_to_num(bars.volume, nan=-1.0)])
    least = np.full((len(values), len(times)), np.inf)
    most = -least
    for row, low, high in zip(values, least, most, strict=True):
        np.minimum.at(low, place, row)
        np.maximum.at(high, place, row)
    bad: Bools = (least != most).any(axis=0)[place]
    return bad


def _moves(bars: Candles) -> tuple[Floats, Floats]:
    """Return log-closes and the log-return into each bar, 0 for the first."""
    logs = np.log(bars.close)
    return logs, np.diff(logs, prepend=logs[:1])


def _side_medians(logs: Floats) -> Floats:
    """Return the median of the up to three values before each, NaN for the first."""
    found = np.full(len(logs), np.nan)
    for i in range(1, min(_SIDE, len(logs))):
        found[i] = np.median(logs[:i])
    if len(logs) > _SIDE:
        windows = np.lib.stride_tricks.sliding_window_view(logs, _SIDE)[:-1]
        found[_SIDE:] = np.median(windows, axis=1)
    return found


def _spikes(bars: Candles, *, rules: RuleSettings) -> Bools:
    logs, moves = _moves(bars)
    above = logs - _side_medians(logs)
    beyond = logs - _side_medians(logs[::-1])[::-1]
    same = np.sign(above) == np.sign(beyond)
    size = np.where(same, np.minimum(np.abs(above), np.abs(beyond)), 0.0)
    bad: Bools = size > np.maximum(rules.spike_least, rules.spike_scales * _local_scale(moves))
    return bad


def _local_scale(moves: Floats) -> Floats:
    """Return the scale of the bars around each, of the first and last of them where there are not enough beyond."""
    half = _SCALE_BARS // 2
    if len(moves) < _SCALE_BARS:
        return np.full(len(moves), _TO_DEVIATION * np.median(np.abs(moves)))
    medians: Floats = median_filter(np.abs(moves), size=_SCALE_BARS)
    return _TO_DEVIATION * medians[np.clip(np.arange(len(moves)), half, len(moves) - 1 - half)]


def _unconfirmed(bars: Candles, *, rules: RuleSettings) -> Bools:
    _, moves = _moves(bars)
    bad = np.zeros(len(moves), dtype=bool)
    earlier = np.abs(moves[1:-1][-_SCALE_BARS:])
    if len(earlier):
        scale = _TO_DEVIATION * float(np.median(earlier))
        limit = min(max(rules.jump_least, rules.jump_scales * scale), rules.jump_most)
        bad[-1] = abs(moves[-1]) > limit
    return bad


def _stuck(bars: Candles, *, others: Sequence[Candles], rules: RuleSettings) -> Bools:
    bad = np.zeros(len(bars.close), dtype=bool)
    first = np.flatnonzero(np.diff(bars.close, prepend=-1.0) != 0)
    length = np.diff(first, append=len(bars.close))
    for i, n in zip(first[length >= rules.stuck_bars], length[length >= rules.stuck_bars], strict=True):
        run = slice(i + 1, i + n)
        span = int(bars.start_s[i]), int(bars.start_s[i + n - 1])
        ranges = [_log_range(other, *span) for other in others]
        moved = bool(ranges) and float(np.median(ranges)) >= rules.stuck_move
        bad[run] = moved or not (bars.volume[run] != 0).any()
    return bad


def _log_range(bars: Candles, first_s: int, last_s: int) -> float:
    """Return by how much the closes of bars that start within a span differ at most, in logarithms."""
    inside = bars.close[
        np.searchsorted(bars.start_s, first_s) : np.searchsorted(bars.start_s, last_s, "right")
    ]
    return float(np.log(inside.max() / inside.min())) if len(inside) else 0.0
