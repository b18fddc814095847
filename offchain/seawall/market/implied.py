"""Implied volatilities from a file that somebody appends to, and how far a keeper follows it.

::

    observed_at,underlying,tenor_days,volatility,smile_correlation,smile_slope
    2026-01-16T00:00:00Z,BTC,30,0.62,-0.21,0.91
    2026-01-16T00:00:00Z,BTC,7,0.68,,
    2026-01-16T00:00:00Z,ETH,,0.71,,

`observed_at` is when the quote was known, seconds since 1970 or ISO 8601 in UTC; `volatility` is annual, at the money,
a fraction; a row of 30 days (or no tenor) is the level, without which the rows of other tenors say nothing. The smile,
rho and eta of `margin.surface`, stands in rows of 30 days; where it is empty, or the columns are missing, the model's
settings stand. What becomes of a quote:

1. A row is left out and counted if a number is missing or no number, the volatility is not within 1% to 500%, the
   tenor not within 1 to 1,000 days, rho not within -0.9 to 0.9, eta not within 0.1 to 2.
2. Quotes of one underlying and tenor are followed by at most `move_per_h` in logarithms an hour: 0.5 lets a level rise
   to 1.65 times itself, or fall to 0.61 of it, in an hour, and a wrong quote that is mended after five minutes move it
   by 4.3%. After a gap of more than `max_age_s` the next quote is taken as it is. rho and the logarithm of eta move as
   slowly.
3. The level is held within the model's own volatility over `model_ratio` and times it, and other tenors with it.
4. A level older than `max_age_s` is none: the surface then is the model's own, as without a file.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from seawall.errors import ConfigError, DataError
from seawall.margin.quotes import Quote, followed, within_ratio

__all__ = [
    "LEVEL_DAYS",
    "ImpliedQuotes",
    "ImpliedSettings",
    "ImpliedUse",
    "Track",
    "read_implied",
    "use_implied",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LEVEL_DAYS = 30.0
_VOLATILITY = (0.01, 5.0)
_TENOR_DAYS = (1.0, 1000.0)
_CORRELATION = (-0.9, 0.9)
_SLOPE = (0.1, 2.0)
_COLUMNS = ("observed_at", "underlying", "tenor_days", "volatility")
_SMILE = ("smile_correlation", "smile_slope")


@dataclass(frozen=True, kw_only=True, slots=True)
class ImpliedSettings:
    """Say how long a quote counts and how far it is followed.

    Attributes
    ----------
    max_age_s
        Age at which a quote no longer counts, seconds.
    move_per_h
        Largest move that is followed, in logarithms an hour.
    model_ratio
        Largest ratio of a level to the model's own volatility, either way.
    """

    max_age_s: int = 3600
    move_per_h: float = 0.5
    model_ratio: float = 2.5

    def __post_init__(self) -> None:
        """Reject limits that make no sense."""
        if self.max_age_s < 1 or not 0 < self.move_per_h <= 10 or not 1 <= self.model_ratio <= 10:
            raise ConfigError(
                "implied volatilities: max_age_s must be at least 1, move_per_h within 0 to 10, model_ratio 1 to 10"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Track:
    """Hold the quotes of one underlying and tenor, oldest first."""

    times_s: Ints
    volatility: Floats
    correlation: Floats
    slope: Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class ImpliedQuotes:
    """Hold usable quotes by underlying and tenor.

    Attributes
    ----------
    tracks
        By symbol and days.
    rejected
        Rows that were left out.
    """

    tracks: dict[tuple[str, float], Track]
    rejected: int = 0

    def levels(
        self, symbol: str, days: float, times_s: Ints, *, settings: ImpliedSettings
    ) -> tuple[Floats, Floats, Floats]:
        """Return volatility, rho and eta as followed at some times, (T,) each; NaN where there is none young enough."""
        none = np.full(len(times_s), np.nan)
        track = self.tracks.get((symbol, days))
        if track is None:
            return none, none, none
        at = np.searchsorted(track.times_s, times_s, side="right") - 1
        age = times_s - track.times_s[np.maximum(at, 0)]
        young = (at >= 0) & (age <= settings.max_age_s)

        def sampled(values: Floats) -> Floats:
            return np.where(young, values[np.maximum(at, 0)], np.nan)

        return (
            sampled(np.exp(_followed(np.log(track.volatility), track.times_s, settings))),
            sampled(_followed(track.correlation, track.times_s, settings)),
            sampled(np.exp(_followed(np.log(track.slope), track.times_s, settings))),
        )


def _followed(values: Floats, times_s: Ints, settings: ImpliedSettings) -> Floats:
    """Return values as far as they are followed; NaN where there is none."""
    known = np.isfinite(values)
    found = np.full(len(values), np.nan)
    found[known] = followed(
        values[known], times_s[known], move_per_h=settings.move_per_h, restart_s=settings.max_age_s
    )
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class ImpliedUse:
    """Hold what a keeper takes from quotes for one epoch.

    Attributes
    ----------
    history
        Levels at the bars' times, annualised, (T, M), NaN where there is none.
    quotes
        For the surface now, by underlying; None where the model's own volatility stands.
    bounded
        Symbols whose level is held at the limit to the model's own.
    missing
        Symbols without a level young enough.
    rejected
        Rows left out.
    """

    history: Floats
    quotes: tuple[Quote | None, ...]
    bounded: tuple[str, ...]
    missing: tuple[str, ...]
    rejected: int


def use_implied(
    found: ImpliedQuotes, symbols: Sequence[str], times_s: Ints, model: Floats, *, settings: ImpliedSettings
) -> ImpliedUse:
    """Return what quotes say at the bars' times, and now, which is the last of them.

    Parameters
    ----------
    found
        Quotes; later ones than the last bar are not looked at.
    symbols
        M underlyings.
    times_s
        Of the bars, (T,).
    model
        The model's volatility without quotes, annualised, (T, M), NaN where there is none yet.
    """
    history = np.full(model.shape, np.nan)
    quotes: list[Quote | None] = []
    bounded = []
    now = times_s[-1:]
    for u, symbol in enumerate(symbols):
        level, correlation, slope = found.levels(symbol, LEVEL_DAYS, times_s, settings=settings)
        history[:, u] = within_ratio(level, model[:, u], ratio=settings.model_ratio)
        if not np.isfinite(history[-1, u]):
            quotes.append(None)
            continue
        if history[-1, u] != level[-1]:
            bounded.append(symbol)
        limits = model[-1, u] / settings.model_ratio, model[-1, u] * settings.model_ratio
        tenors = []
        for days in sorted(days for name, days in found.tracks if name == symbol and days != LEVEL_DAYS):
            there = float(found.levels(symbol, days, now, settings=settings)[0][0])
            if np.isfinite(there):
                tenors.append((days, float(np.clip(there, *limits))))
        rho, eta = float(correlation[-1]), float(slope[-1])
        quotes.append(
            Quote(
                level=float(history[-1, u]),
                tenors=tuple(tenors),
                correlation=rho if np.isfinite(rho) else None,
                slope=eta if np.isfinite(eta) else None,
            )
        )
    missing = tuple(s for s, quote in zip(symbols, quotes, strict=True) if quote is None)
    return ImpliedUse(
        history=history,
        quotes=tuple(quotes),
        bounded=tuple(bounded),
        missing=missing,
        rejected=found.rejected,
    )


def read_implied(path: Path) -> ImpliedQuotes:
    """Return the quotes of a CSV file; of several rows of one time, underlying and tenor the first counts.

    Raises
    ------
    DataError
        If the file cannot be read or lacks a column.
    """
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            reader = csv.DictReader(lines)
            header = reader.fieldnames or []
            missing = [name for name in _COLUMNS if name not in header]
            if missing:
                raise DataError(
                    f"{path.name} lacks the column {missing[0]}. Fix: its header is {','.join((*_COLUMNS, *_SMILE))}"
                )
            rows = [_row(row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"cannot read implied volatilities {path}: {error}. Fix: correct keeper.implied_data"
        ) from error
    known: dict[tuple[str, float], dict[int, tuple[float, float, float]]] = {}
    rejected = 0
    for row in rows:
        if row is None:
            rejected += 1
            continue
        time_s, symbol, days, values = row
        known.setdefault((symbol, days), {}).setdefault(time_s, values)
    return ImpliedQuotes(tracks={key: _track(values) for key, values in known.items()}, rejected=rejected)


def _track(values: dict[int, tuple[float, float, float]]) -> Track:
    times = sorted(values)
    volatility, correlation, slope = np.array([values[t] for t in times]).T
    return Track(
        times_s=np.array(times, dtype=np.int64), volatility=volatility, correlation=correlation, slope=slope
    )


def _row(row: dict[str, str | None]) -> tuple[int, str, float, tuple[float, float, float]] | None:
    """Return time, underlying, tenor and numbers of a row, or None if one is unusable."""
    try:
        time_s = _seconds(row["observed_at"] or "")
        symbol = (row["underlying"] or "").strip()
        days = _within(row["tenor_days"] or str(LEVEL_DAYS), _TENOR_DAYS)
        volatility = _within(row["volatility"] or "", _VOLATILITY)
        correlation, slope = (
            _within(text, limits) if (text := (row.get(name) or "").strip()) else np.nan
            for name, limits in zip(_SMILE, (_CORRELATION, _SLOPE), strict=True)
        )
    except ValueError:
        return None
    return (time_s, symbol, days, (volatility, correlation, slope)) if symbol else None


def _within(text: str, limits: tuple[float, float]) -> float:
    value = float(text)
    if not limits[0] <= value <= limits[1]:
        raise ValueError(text)
    return value


def _seconds(text: str) -> int:
    if text.strip().isdecimal() and len(text) < 12:
        return int(text)
    moment = datetime.fromisoformat(text.strip())
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
