"""Past prices and funding of perpetuals from files, and what a keeper takes from them for the basis in its scenarios.

A folder of files, or one of them: candles of perpetuals, and what their holders paid, told apart by the column
`funding_rate`. Candles pass the rules for bad data. The basis of an underlying is known at the bars that have a close
of its perpetual, and where funding of any is known, from its own first payment to `FUNDING_AGE_S` after its last;
elsewhere the model assumes one. Perpetuals must be quoted in what the spot is quoted in, or the ratio of the two
currencies counts as basis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog

from seawall.arrays import Floats, Ints
from seawall.errors import DataError
from seawall.market.readers import read_candles, read_funding
from seawall.market.rules import clean_candles
from seawall.market.schema import Candles, Funding, underlying_of
from seawall.market.tables import read_table

__all__ = ["FUNDING_AGE_S", "PerpetualHistory", "PerpetualUse", "read_perpetuals", "use_perpetuals"]

# Past the last payment known for this long, funding counts as unknown.
FUNDING_AGE_S = 86_400

_log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class PerpetualHistory:
    """Hold what sources said of perpetuals: prices, and what was paid."""

    candles: tuple[Candles, ...] = ()
    funding: tuple[Funding, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class PerpetualUse:
    """Hold what a keeper takes from them for one epoch.

    Attributes
    ----------
    carried
        As `margin.basis.PastBasis` has it, (T, M).
    missing
        Symbols of which nothing is known.
    """

    carried: Floats
    missing: tuple[str, ...]


def read_perpetuals(path: Path) -> PerpetualHistory:
    """Return what there is, or nothing if a file cannot be read, for which the log has the reason.

    Candles have the columns of `readers.read_candles`; the mark price counts where there is one.
    """
    candles: list[Candles] = []
    funding: list[Funding] = []
    try:
        for file in _files(path):
            table = read_table(file, required=("timestamp", "symbol"))
            if table.has("funding_rate"):
                funding += read_funding(file)
            else:
                candles += read_candles(file, price="mark" if table.has("mark_close") else "trade")
    except DataError as error:
        _log.warning("no prices of perpetuals, their basis is assumed", reason=str(error))
        return PerpetualHistory()
    return PerpetualHistory(candles=tuple(candles), funding=tuple(funding))


def use_perpetuals(
    history: PerpetualHistory, symbols: Sequence[str], times_s: Ints, closes: Floats
) -> PerpetualUse:
    """Return the basis of every underlying at the bars' times; nothing later is looked at.

    `ln(perpetual) - ln(spot) - sum of funding up to then`. Of several perpetuals of an underlying the first counts.

    Parameters
    ----------
    history
        As read.
    symbols
        M underlyings.
    times_s, closes
        When the bars of the spots were known, (T,), and their closes, (T, M), NaN where missing.
    """
    carried = np.full(closes.shape, np.nan)
    known = {underlying_of(c.symbol): c for c in reversed(history.candles)}
    paid = {underlying_of(f.symbol): f for f in reversed(history.funding)}
    chosen = [known[symbol] for symbol in symbols if symbol in known]
    last_s = int(times_s[-1]) if len(times_s) else 0
    for candles in clean_candles(chosen, now_s=last_s, confirm=False).candles:
        u = symbols.index(underlying_of(candles.symbol))
        premium = np.log(_at(candles, times_s)) - np.log(closes[:, u])
        carried[:, u] = premium - _paid(paid.get(symbols[u]), times_s, any_funding=bool(history.funding))
    nothing = [s for u, s in enumerate(symbols) if not np.isfinite(carried[:, u]).any()]
    return PerpetualUse(carried=carried, missing=tuple(nothing))


def _files(path: Path) -> list[Path]:
    """Return a file, or those of a folder that can be read."""
    if not path.is_dir():
        return [path]
    files = sorted(p for p in path.iterdir() if p.suffix in (".csv", ".parquet", ".pq"))
    if not files:
        raise DataError(f"{path} holds no .csv and no .parquet file. Fix: correct keeper.perpetual_data")
    return files


def _at(candles: Candles, times_s: Ints) -> Floats:
    """Return the closes known exactly at some times, NaN where there is none."""
    found = np.full(len(times_s), np.nan)
    if len(candles.start_s):
        at = np.minimum(np.searchsorted(candles.known_at, times_s), len(candles.start_s) - 1)
        there = candles.known_at[at] == times_s
        found[there] = candles.close[at[there]]
    return found


def _paid(funding: Funding | None, times_s: Ints, *, any_funding: bool) -> Floats:
    """Return what a long has paid by each time, a fraction of the price, NaN where it is not known."""
    if funding is None or not len(funding.times_s):
        return np.full(len(times_s), np.nan if any_funding else 0.0)
    total = np.concatenate([[0.0], np.cumsum(np.nan_to_num(funding.rate))])
    found: Floats = total[np.searchsorted(funding.times_s, times_s, side="right")]
    first, last = int(funding.times_s[0]), int(funding.times_s[-1])
    return np.where((times_s >= first) & (times_s <= last + FUNDING_AGE_S), found, np.nan)
