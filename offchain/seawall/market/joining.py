"""From candles of several symbols and sources to joint bars."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seawall.arrays import Floats
from seawall.errors import DataError
from seawall.market.bars import Bars
from seawall.market.consensus import ConsensusSettings, agree
from seawall.market.rules import RuleSettings, clean_candles
from seawall.market.schema import Candles, underlying_of

__all__ = ["join_candles", "usable_bars"]


def join_candles(candles: Sequence[Candles]) -> Bars:
    """Return the bars of the times at which every symbol has one; nothing is filled.

    The traded value is volume times close, 0 where the source tells no volume.

    Parameters
    ----------
    candles
        Cleaned, one of each symbol, of the same bar length.

    Raises
    ------
    DataError
        If there are none, two have the same symbol, bars differ in length, no time is common to all, or bars were not
        cleaned.
    """
    if not candles:
        raise DataError("there are no candles to join: give at least one symbol")
    symbols = tuple(c.symbol for c in candles)
    if len(set(symbols)) < len(symbols):
        raise DataError(f"{', '.join(symbols)}: a symbol comes twice; use usable_bars for several sources")
    lengths = {c.bar_s for c in candles}
    if len(lengths) > 1:
        raise DataError(f"bars are {sorted(lengths)} seconds long: read all with the same length")
    common, union = candles[0].start_s, candles[0].start_s
    for one in candles[1:]:
        common, union = np.intersect1d(common, one.start_s), np.union1d(union, one.start_s)
    if not len(common):
        raise DataError(
            f"no time has a bar of all of {', '.join(symbols)}. "
            "Fix: give longer histories of the same hours; the first 24 h of a symbol do not count"
        )
    if any(np.any(np.diff(c.start_s) == 0) for c in candles):
        raise DataError("a bar comes twice: clean the candles with clean_candles first")
    rows = [np.searchsorted(c.start_s, common) for c in candles]
    closes: Floats = np.column_stack([c.close[r] for c, r in zip(candles, rows, strict=True)])
    volumes = np.column_stack([c.volume[r] for c, r in zip(candles, rows, strict=True)])
    return Bars(
        symbols=symbols,
        known_at=common + candles[0].bar_s,
        closes=closes,
        traded_value=np.nan_to_num(volumes, nan=0.0) * closes,
        bar_s=candles[0].bar_s,
        dropped=len(union) - len(common),
    )


def usable_bars(
    candles: Sequence[Candles],
    *,
    now_s: int | None = None,
    rules: RuleSettings | None = None,
    consensus: ConsensusSettings | None = None,
) -> Bars:
    """Return joint bars by underlying: every source cleaned, several of one underlying agreed upon, all joined.

    A large move of the newest bar waits for the next bar where an underlying has one source; several sources confirm
    each other. What is left out is counted and logged.

    Parameters
    ----------
    candles
        One of each symbol at each source; what they price is told by `underlying_of`.
    now_s
        Nothing that was complete later is used; without it everything given counts as complete.

    Raises
    ------
    DataError
        If too little is left, or bars differ in length.
    """
    by_underlying: dict[str, list[Candles]] = {}
    names = [underlying_of(c.symbol) for c in candles]
    single = [names.count(name) == 1 for name in names]
    for confirm in (True, False):
        chosen = [c for c, alone in zip(candles, single, strict=True) if alone == confirm]
        for one in clean_candles(chosen, now_s=now_s, settings=rules, confirm=confirm).candles:
            by_underlying.setdefault(underlying_of(one.symbol), []).append(one)
    agreed = [agree(u, by_underlying[u], settings=consensus).candles for u in dict.fromkeys(names)]
    return join_candles(agreed)
