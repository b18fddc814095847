"""The report's pictures, as SVG text."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure

from seawall.demo.history import AuctionRun, OptionOutcome, Outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["account_picture", "auction_picture", "payer_picture", "price_picture", "saving_picture"]

_STATIC = "#b0b0b0"
_BLUE, _RED, _ORANGE, _GREEN = "#1f5fa8", "#b5302b", "#d98a1f", "#2f8a4c"
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
    figure.savefig(
        buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
    )
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _times(outcome: Outcome) -> list[float]:
    return [float(date2num(datetime.fromtimestamp(e.time_s, UTC))) for e in outcome.epochs]  # type: ignore[no-untyped-call]


def _dates(axis: Axes, *, ticks: int = 9) -> None:
    locator = AutoDateLocator(maxticks=ticks)  # type: ignore[no-untyped-call]
    axis.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
    axis.xaxis.set_major_formatter(formatter)


def price_picture(outcome: Outcome) -> str:
    """Draw prices over the window, and initial margin over spot against a margin fixed at the start."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.5, 5.4))
        upper, lower = figure.subplots(2, 1, sharex=True)
        times = _times(outcome)
        for i, symbol in enumerate(outcome.symbols):
            first = outcome.epochs[0].prices[symbol]
            colour = f"C{i}"
            upper.plot(times, [e.prices[symbol] / first for e in outcome.epochs], color=colour, label=symbol)
            ratios = [e.initial_ratio[symbol] for e in outcome.epochs]
            lower.plot(times, ratios, color=colour, drawstyle="steps-post", label=symbol)
            lower.axhline(ratios[0], color=colour, linestyle=":", linewidth=0.9)
        upper.set_ylabel("price, start = 1")
        lower.set_ylabel("initial margin / spot, long")
        lower.set_ylim(bottom=0)
        lower.plot([], [], color=_STATIC, linestyle=":", label="fixed at the start")
        _shade(outcome, upper, times)
        _shade(outcome, lower, times)
        upper.legend(ncols=5, frameon=False, loc="lower left")
        lower.legend(ncols=6, frameon=False, loc="lower left")
        _dates(lower)
        return _svg(figure)


def _shade(outcome: Outcome, axis: Axes, times: Sequence[float]) -> None:
    dark = [t for t, e in zip(times, outcome.epochs, strict=True) if not e.bidders_online]
    if dark:
        axis.axvspan(dark[0], dark[-1], color="#000000", alpha=0.06, label="_no bidder online")


def account_picture(outcome: Outcome, names: Sequence[str]) -> str:
    """Draw equity against initial and maintenance requirement, one small picture an account."""
    with mpl.rc_context(_STYLE):
        rows = (len(names) + 2) // 3
        figure = Figure(figsize=(9.5, 2.5 * rows))
        axes = figure.subplots(rows, 3, squeeze=False, sharex=True)
        times = _times(outcome)
        for axis, name in zip(axes.flat, names, strict=False):
            for field, colour, label in (
                ("equity", _BLUE, "equity"),
                ("initial", _ORANGE, "initial"),
                ("maintenance", _RED, "maintenance"),
            ):
                values = [getattr(e.accounts[name], field) / 1000 for e in outcome.epochs]
                axis.plot(times, values, color=colour, label=label, linewidth=1.2)
            axis.axhline(0, color="black", linewidth=0.6)
            _shade(outcome, axis, times)
            axis.set_title(name, fontsize=9)
            _dates(axis, ticks=4)
        for axis in list(axes.flat)[len(names) :]:
            axis.set_visible(False)
        axes.flat[0].legend(frameon=False, fontsize=8)
        figure.supylabel("thousand settlement tokens", fontsize=9)
        return _svg(figure)


def auction_picture(outcome: Outcome) -> str:
    """Draw the premium curve of every auction and the slices bought on it."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.5, 3.4))
        axis = figure.subplots()
        for i, run in enumerate(outcome.auctions):
            _draw_auction(axis, run, f"C{i}")
        axis.set_xlabel("live minutes since the start")
        axis.set_ylabel("premium k, in units of the maintenance requirement")
        axis.set_ylim(bottom=0)
        if outcome.auctions:
            axis.legend(frameon=False)
        return _svg(figure)


def _draw_auction(axis: Axes, run: AuctionRun, colour: str) -> None:
    label = run.account
    if run.curve:
        axis.plot([t / 60 for t, _ in run.curve], [k for _, k in run.curve], color=colour, label=label)
        label = "_"
    sizes = [40 + 500 * bid.fraction for bid in run.bids]
    axis.scatter(
        [bid.at_s / 60 for bid in run.bids],
        [bid.factor for bid in run.bids],
        s=sizes,
        color=colour,
        alpha=0.5,
        label=label,
    )


def payer_picture(outcome: Outcome) -> str:
    """Draw what everybody gained or lost over the window."""
    gains = {
        name: outcome.final[name] + outcome.withdrawn[name] - outcome.deposited[name]
        for name in outcome.final
    }
    gains["insurance fund"] = outcome.fund_after - outcome.fund_before
    gains = {name: gain for name, gain in gains.items() if abs(gain) >= 0.005}
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.5, 0.4 * len(gains) + 0.9))
        axis = figure.subplots()
        names = list(gains)[::-1]
        values = [gains[name] / 1000 for name in names]
        axis.barh(names, values, color=[_GREEN if v >= 0 else _RED for v in values])
        axis.axvline(0, color="black", linewidth=0.6)
        axis.set_xlabel("gain or loss, thousand settlement tokens")
        return _svg(figure)


def saving_picture(outcome: OptionOutcome, account: str) -> str:
    """Draw one account's requirement without and with its certificate over the window, and every account's saving."""
    kinds = (("gross", _STATIC, "every leg alone"), ("certified", _ORANGE, "certified"))
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.5, 3.6))
        left, right = figure.subplots(1, 2)
        mine = [saving for saving in outcome.savings if saving.account == account]
        times = [float(date2num(datetime.fromtimestamp(s.time_s, UTC))) for s in mine]  # type: ignore[no-untyped-call]
        for field, colour, label in kinds:
            left.plot(times, [getattr(s, field) / 1000 for s in mine], color=colour, label=label)
        left.plot(
            times,
            [s.shortfall / 1000 for s in mine],
            color=_BLUE,
            linestyle=":",
            label="expected shortfall",
        )
        left.set_title(account, fontsize=9)
        left.set_ylabel("thousand settlement tokens")
        left.set_ylim(bottom=0)
        left.legend(frameon=False)
        _dates(left, ticks=5)
        mean: dict[str, list[float]] = {}
        for saving in outcome.savings:
            mean.setdefault(saving.account, []).append(saving.saved)
        names = list(mean)[::-1]
        right.barh(names, [100 * sum(mean[n]) / len(mean[n]) for n in names], color=_GREEN)
        right.set_xlim(0, 100)
        right.set_xlabel("percent saved, mean over the window")
        return _svg(figure)
