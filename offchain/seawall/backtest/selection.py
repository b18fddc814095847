"""Choice among variants of the model on the first years, judged on years the choice never saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from seawall.backtest.coverage import Side, cost_table
from seawall.backtest.settings import BacktestSettings
from seawall.backtest.summary import cost_summary
from seawall.errors import ConfigError

__all__ = ["CRITERION", "REFERENCE", "Selection", "select_variant"]

REFERENCE = "plain-fhs"
# A tenth within what is aimed at over all years: the largest rise of a longer record is larger.
_RISE_LIMIT, _PEAK_LIMIT, _BREACH_LIMIT = 0.72, 3.15, 0.006

CRITERION = (
    "Among the variants whose median 5-day rise is at most 72% of plain filtered historical simulation's, whose median"
    " peak-to-trough is at most 3.15 and whose breach rate at face value is at most 0.6% for every symbol and side: the"
    " lowest mean, over breach rates, of cost and shortfall relative to the static margin known in hindsight (median"
    " over symbols and sides, windows from every third hour). If none qualifies, the same among those that miss"
    " the fewest of these limits. The limits are a tenth within those aimed at over all years, as a longer record"
    " holds larger swings."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Hold a choice.

    Attributes
    ----------
    chosen
        Name of the variant.
    before
        What it was chosen on: one row a variant, the best first.
    after
        How the same variants did on the rest; only the chosen one's row is evidence.
    """

    chosen: str
    before: pd.DataFrame
    after: pd.DataFrame


def select_variant(
    variants: Sequence[str], sides: Mapping[str, list[Side]], settings: BacktestSettings
) -> Selection:
    """Return the choice by `CRITERION`.

    Windows that start less than a day before `selection_end_s` end after it; they are in neither part.

    Raises
    ------
    ConfigError
        If the reference was not computed, or one part holds too few windows.
    """
    if REFERENCE not in sides:
        raise ConfigError(f"a choice among variants needs the method {REFERENCE}. Fix: add it to --methods")
    names = [*variants, REFERENCE]
    end = settings.selection_end_s
    before = _summary(names, sides, settings, first_s=0, last_s=end - 86_400)
    after = _summary(names, sides, settings, first_s=end, last_s=settings.last_s)
    if not (len(before) and len(after)):
        raise ConfigError("too few windows before or after the date of the choice. Fix: widen --from, --to")
    before, after = _scored(before, settings), _scored(after, settings)
    tried = before[before["method"] != REFERENCE].sort_values(["missed", "score"], kind="stable")
    order = [*tried["method"], REFERENCE]
    return Selection(
        chosen=str(tried["method"].iloc[0]),
        before=before.set_index("method").loc[order].reset_index(),
        after=after.set_index("method").loc[order].reset_index(),
    )


def _summary(
    names: Sequence[str],
    sides: Mapping[str, list[Side]],
    settings: BacktestSettings,
    *,
    first_s: int,
    last_s: int,
) -> pd.DataFrame:
    parts = []
    for name in names:
        for side in sides.get(name, []):
            part = side.within((side.times_s >= first_s) & (side.times_s <= last_s))
            if len(part.loss):
                parts.append(part)
    return cost_summary(cost_table(parts, settings), settings)


def _scored(table: pd.DataFrame, settings: BacktestSettings) -> pd.DataFrame:
    names = [f"{kind}_{rate:g}" for rate in settings.rates for kind in ("cost", "shortfall")]
    reference = float(table.loc[table["method"] == REFERENCE, "rise_5d"].iloc[0])
    scored = table.copy()
    scored["score"] = scored[names].mean(axis=1)
    scored["missed"] = (
        (scored["rise_5d"] > _RISE_LIMIT * reference).astype(int)
        + (scored["peak_to_trough"] > _PEAK_LIMIT).astype(int)
        + (scored["worst_breach_rate"] > _BREACH_LIMIT).astype(int)
    )
    return scored
