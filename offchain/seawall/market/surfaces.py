"""Surfaces from chains of option quotes that somebody records: the newest that can be fitted, by underlying.

A snapshot is the quotes of the `snapshot_s` seconds up to the newest one. If it cannot be fitted (`margin.calibration`
says why), the ones before it are tried, newest first. The volatilities of what is found are raised by 2% for each hour
that it is older than `fresh_s`, by a quarter at most. With none in `last_good_s`, or without quotes, an underlying has
no surface, and its volatility is the model's own or the one quoted. What is found depends on the file and the time
alone, so keepers with the same file agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import structlog

from seawall.errors import ConfigError, DataError
from seawall.margin.calibration import CalibrationSettings, Fit, aged, calibrate
from seawall.margin.essvi import Slices
from seawall.margin.screening import ChainQuotes
from seawall.market.readers import read_options
from seawall.market.schema import OptionQuotes, underlying_of

__all__ = ["SurfaceSource", "SurfaceUse", "chain_quotes", "read_chains", "use_chains"]

_YEAR_S, _HOUR_S = 365.0 * 86_400.0, 3600.0

_log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class SurfaceSource:
    """Say which snapshots count, and how they are fitted.

    Attributes
    ----------
    snapshot_s
        Time over which the quotes of one snapshot were collected, at most.
    fresh_s
        Age up to which a surface is taken as it is.
    last_good_s
        Age beyond which it is not taken at all.
    tries
        Snapshots that are fitted, at most, until one can be.
    calibration
        Screening, weights, widening.
    """

    snapshot_s: int = 600
    fresh_s: int = 3600
    last_good_s: int = 86_400
    tries: int = 3
    calibration: CalibrationSettings = field(default_factory=CalibrationSettings)

    def __post_init__(self) -> None:
        """Reject limits that make no sense."""
        if not 0 < self.snapshot_s <= self.fresh_s <= self.last_good_s or self.tries < 1:
            raise ConfigError(
                "surfaces: snapshot_s must be positive and at most fresh_s, that at most last_good_s, tries at least 1"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class SurfaceUse:
    """Hold what a keeper takes from chains for one epoch, by underlying.

    Attributes
    ----------
    surfaces
        None where there is none.
    fits
        How it was fitted, and to what; None where there is none.
    notes
        Why the newest snapshot was not taken as it is; empty where it was.
    settings
        By which they were found.
    """

    surfaces: tuple[Slices | None, ...]
    notes: tuple[str, ...]
    settings: SurfaceSource
    fits: tuple[Fit | None, ...] = field(repr=False)


def read_chains(path: Path) -> tuple[OptionQuotes, ...]:
    """Return the option quotes of a file, or none if it cannot be read, for which the log has the reason."""
    try:
        return read_options(path)
    except DataError as error:
        _log.warning("no option chains", reason=str(error))
        return ()


def chain_quotes(quotes: OptionQuotes) -> ChainQuotes:
    """Return one snapshot as it is fitted: premiums over the forward, years to expiry from each quote's own time."""
    unit = np.ones(len(quotes.forward)) if quotes.inverse else quotes.forward
    sound = np.where(unit > 0, unit, np.nan)
    return ChainQuotes(
        expiry=quotes.expiry_s,
        tau_y=(quotes.expiry_s - quotes.times_s) / _YEAR_S,
        strike=quotes.strike,
        forward=quotes.forward,
        is_call=quotes.is_call,
        bid=quotes.bid / sound,
        ask=quotes.ask / sound,
        mark=quotes.mark / sound,
        volatility=quotes.mark_iv,
    )


def use_chains(
    chains: Sequence[OptionQuotes],
    symbols: Sequence[str],
    time_s: int,
    *,
    settings: SurfaceSource | None = None,
) -> SurfaceUse:
    """Return the surface of every underlying at a time; later quotes are not looked at.

    Parameters
    ----------
    chains
        Of any symbols that `underlying_of` knows; of several of one underlying the first counts.
    symbols
        M underlyings.
    """
    limits = settings or SurfaceSource()
    found = []
    for symbol in symbols:
        own = next((quotes for quotes in chains if underlying_of(quotes.symbol) == symbol), None)
        found.append((None, None, "there are no quotes") if own is None else _newest(own, time_s, limits))
    for symbol, (_, _, note) in zip(symbols, found, strict=True):
        if note:
            _log.warning("surface not from a new chain", symbol=symbol, reason=note)
    return SurfaceUse(
        surfaces=tuple(surface for surface, _, _ in found),
        fits=tuple(fit for _, fit, _ in found),
        notes=tuple(note for _, _, note in found),
        settings=limits,
    )


def _newest(
    quotes: OptionQuotes, time_s: int, limits: SurfaceSource
) -> tuple[Slices | None, Fit | None, str]:
    """Return the surface of one underlying, how it was fitted, and why it is not that of a new snapshot."""
    until, reasons = time_s, []
    for _ in range(limits.tries):
        snapshot = quotes.snapshot(until, within_s=limits.snapshot_s)
        if not len(snapshot.times_s) or time_s - int(snapshot.times_s[-1]) > limits.last_good_s:
            break
        age_s, until = time_s - int(snapshot.times_s[-1]), int(snapshot.times_s[0]) - 1
        made = calibrate(chain_quotes(snapshot), settings=limits.calibration)
        if made.slices is None:
            reasons.append(made.failure)
            continue
        if age_s <= limits.fresh_s:
            return made.slices, made.fit, "; ".join(reasons)
        kept, part = aged(made.slices, age_h=(age_s - limits.fresh_s) / _HOUR_S, settings=limits.calibration)
        reasons.append(f"the newest that fits is {age_s} s old, its volatilities raised by {part:.1%}")
        return kept, made.fit, "; ".join(reasons)
    return None, None, "; ".join([*reasons, "no snapshot that fits is young enough"])
