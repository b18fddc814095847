"""The report's pictures, as SVG text."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, DateFormatter
from matplotlib.figure import Figure

from seawall.backtest.settings import CRISES, Crisis

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from seawall.arrays import Bools, Ints
    from seawall.backtest.coverage import Side

__all__ = [
    "cost_picture",
    "crisis_picture",
    "family_picture",
    "margin_picture",
    "tightness_picture",
    "year_picture",
]

_DAY_S = 86_400
_AROUND_S = 7 * _DAY_S
_SHOWN = ("seawall", "plain-fhs", "garch-t", "historical-var", "deribit-grid", "static")
# Margins that never move cost what the best constant costs: one of them stands for all.
_CONSTANT = ("deribit-grid", "derive-pmrm2", "paradex-grid", "leverage-tiers")
_COLOURS = {
    "seawall": "#1f5fa8",
    "seawall-implied": "#5aa0d8",
    "plain-fhs": "#d98a1f",
    "garch-t": "#8a5fb0",
    "gjr-t": "#b58ad0",
    "historical-var": "#2f8a4c",
    "deribit-grid": "#7a7a7a",
    "static": "#b0b0b0",
    "volatility-alone": "#111111",
    "span-16": "#b5302b",
}
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "seawall",
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "figure.constrained_layout.use": True,
}


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(buffer, format="svg", metadata=metadata)
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _moments(times_s: Ints) -> Any:
    return times_s.astype("datetime64[s]")


def _dates(axis: Axes, *, ticks: int = 6) -> None:
    locator = AutoDateLocator(minticks=2, maxticks=ticks)  # type: ignore[no-untyped-call]
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def _colour(method: str, index: int) -> str:
    return _COLOURS.get(method, f"C{index % 10}")


def year_picture(years: pd.DataFrame) -> str:
    """Draw breach rates at face value by year, one group of bars a year."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.5, 3.2))
        axis = figure.subplots()
        methods = [m for m in dict.fromkeys(years["method"]) if m != "leverage-tiers"]
        labels = sorted(set(years["year"]))
        width = 0.8 / max(len(methods), 1)
        for i, method in enumerate(methods):
            mine = years[years["method"] == method].set_index("year")["breach_rate"].reindex(labels)
            at = np.arange(len(labels)) + i * width
            axis.bar(at, 100 * mine.to_numpy(), width, color=_colour(method, i), label=method)
        axis.axhline(1.0, color="black", linewidth=0.8, linestyle=":")
        axis.set_xticks(np.arange(len(labels)) + 0.4, [str(label) for label in labels])
        axis.set_ylabel("windows with a loss beyond margin, %")
        axis.legend(frameon=False, ncols=4, fontsize=8)
        return _svg(figure)


def crisis_picture(sides: Sequence[Side], symbols: Sequence[str]) -> str:
    """Draw margins of long legs through each crisis, at midnight, and the loss each present met, at all hours.

    A row a symbol, a column a crisis.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.5, 2.1 * len(symbols) + 0.5))
        axes = figure.subplots(len(symbols), len(CRISES), squeeze=False, sharey="row")
        for row, symbol in enumerate(symbols):
            mine = [s for s in sides if s.symbol == symbol and s.side == "long" and s.method in _SHOWN]
            labelled = False
            for axis, crisis in zip(axes[row], CRISES, strict=True):
                _draw_crisis(axis, mine, crisis)
                axis.set_visible(bool(axis.has_data()))
                if axis.get_visible() and not labelled:
                    axis.set_ylabel(f"{symbol} long, %")
                    axis.tick_params(labelleft=True)
                    labelled = True
                if row == 0:
                    axis.set_title(crisis.name, fontsize=8)
                axis.tick_params(labelsize=7)
        known: dict[str, Any] = {}
        for axis in axes.flat:
            for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
                known.setdefault(label, handle)
        figure.legend(
            list(known.values()), list(known), ncols=7, frameon=False, fontsize=8, loc="outside lower center"
        )
        return _svg(figure)


def _draw_crisis(axis: Axes, sides: Sequence[Side], crisis: Crisis) -> None:
    for i, side in enumerate(sides):
        inside = _near(side, crisis)
        if not inside.any():
            continue
        if i == 0:
            losses = 100 * np.maximum(side.loss[inside], 0.0)
            moments = _moments(side.times_s[inside])
            axis.fill_between(moments, losses, color="#b5302b", alpha=0.35, label="loss after 24 h")
        daily = inside & (side.phases == side.phases.min())
        axis.plot(
            _moments(side.times_s[daily]),
            100 * side.margin[daily],
            color=_colour(side.method, i),
            linewidth=1.6 if side.method == "seawall" else 1.0,
            label=side.method,
        )
    axis.xaxis.set_major_locator(AutoDateLocator(minticks=2, maxticks=3))  # type: ignore[no-untyped-call]
    axis.xaxis.set_major_formatter(DateFormatter("%d %b"))  # type: ignore[no-untyped-call]


def _near(side: Side, crisis: Crisis) -> Bools:
    """Say which presents lie in a crisis or around it."""
    found: Bools = (side.times_s >= crisis.first_s - _AROUND_S) & (side.times_s < crisis.last_s + _AROUND_S)
    return found


def margin_picture(sides: Sequence[Side], symbol: str) -> str:
    """Draw margins of one symbol held long over all years, taken at midnight."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.5, 3.2))
        axis = figure.subplots()
        for i, side in enumerate(s for s in sides if s.symbol == symbol and s.side == "long"):
            if side.method not in _SHOWN:
                continue
            first = side.phases == side.phases.min()
            axis.plot(
                _moments(side.times_s[first]),
                100 * side.margin[first],
                color=_colour(side.method, i),
                linewidth=1.8 if side.method == "seawall" else 0.9,
                label=side.method,
            )
        for crisis in CRISES:
            axis.axvspan(
                np.datetime64(crisis.first_s, "s"),  # type: ignore[arg-type]
                np.datetime64(crisis.last_s, "s"),  # type: ignore[arg-type]
                color="#b5302b",
                alpha=0.12,
            )
        axis.set_ylabel(f"{symbol} long, % of price")
        axis.set_ylim(bottom=0)
        axis.legend(frameon=False, ncols=6, fontsize=8)
        _dates(axis, ticks=9)
        return _svg(figure)


def cost_picture(curve: pd.DataFrame, summary: pd.DataFrame) -> str:
    """Draw cost against coverage, and cost at 0.5% breaches against the largest rise of five days and the range."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.5, 3.6))
        left, middle, right = figure.subplots(1, 3)
        curve = curve[~curve["method"].isin(_CONSTANT)]
        summary = summary[~summary["method"].isin(_CONSTANT)]
        for i, method in enumerate(dict.fromkeys(curve["method"])):
            mine = curve[curve["method"] == method]
            left.plot(
                100 * mine["rate"],
                mine["cost"],
                color=_colour(method, i),
                label=method,
                marker=".",
                linewidth=1.0,
            )
        left.set_xscale("log")
        left.set_xlabel("realised breach rate, %")
        left.set_ylabel("margin over the static one known in hindsight")
        costs = [name for name in summary.columns if name.startswith("cost_")]
        shown = costs[len(costs) // 2] if costs else None
        for i, row in enumerate(summary.to_dict("records")):
            method = str(row["method"])
            for axis, name in ((middle, "rise_5d"), (right, "peak_to_trough")):
                if shown is not None:
                    axis.scatter(row[name], row[shown], color=_colour(method, i), s=28)
                    axis.annotate(
                        method, (row[name], row[shown]), fontsize=6, xytext=(3, 3), textcoords="offset points"
                    )
        if shown is not None:
            middle.set_ylabel(f"margin at {100 * float(shown.removeprefix('cost_')):g}% breaches")
        middle.set_xlabel("largest rise within 5 days")
        right.set_xlabel("peak over trough")
        left.set_ylim(bottom=min(0.7, float(curve["cost"].min()) - 0.02))
        left.legend(frameon=False, fontsize=6, ncols=2, loc="lower right")
        return _svg(figure)


def family_picture(families: pd.DataFrame) -> str:
    """Draw breach rates of families of books, the mean and the worst book."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.5, 0.32 * len(families) + 0.9))
        axis = figure.subplots()
        names = [f"{row['family']} ({row['universe']})" for row in families.to_dict("records")][::-1]
        mean, worst = (100 * families[c].to_numpy()[::-1] for c in ("breach_rate", "worst_book_rate"))
        axis.barh(names, worst, color="#b0b0b0", label="worst book")
        axis.barh(names, mean, color="#1f5fa8", label="mean of books", height=0.45)
        axis.axvline(1.0, color="black", linewidth=0.8, linestyle=":")
        axis.set_xlabel("windows with a loss beyond margin, %")
        axis.legend(frameon=False)
        return _svg(figure)


def tightness_picture(table: pd.DataFrame) -> str:
    """Draw the bounds of the requirement over full simulation through time."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.5, 3.0))
        left, right = figure.subplots(1, 2)
        moments = _moments(table["time_s"].to_numpy(dtype=np.int64))
        for kind, colour in (("live", "#1f5fa8"), ("unseen", "#d98a1f")):
            for level, style in ((0.5, "-"), (0.01, "--"), (0.0, ":")):
                lower, upper = table[f"{kind}_lower_{level:g}"], table[f"{kind}_upper_{1 - level:g}"]
                left.plot(moments, lower, style, color=colour, label=f"{kind}, {level:.0%} quantile")
                right.plot(moments, upper, style, color=colour, label=f"{kind}, {1 - level:.0%} quantile")
        left.set_title("lanes over expected shortfall", fontsize=9)
        right.set_title("gross legs over expected shortfall", fontsize=9)
        right.set_yscale("log")
        for axis in (left, right):
            _dates(axis, ticks=5)
            axis.legend(frameon=False, fontsize=7)
        left.set_ylim(0, 1.02)
        return _svg(figure)
