"""What `seawall demo` does: tell the story on the terminal and write the report."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from seawall.demo.accounts import DEALER
from seawall.demo.history import Epoch, OptionOutcome, Outcome
from seawall.demo.options import HEDGED, option_settings
from seawall.demo.settings import DemoSettings
from seawall.demo.story import tell
from seawall.errors import ConsistencyError

__all__ = ["option_lines", "run"]

_DEFAULT_REPORT = Path("seawall-demo.html")
_SHORT_WINDOW_S = 14 * 3600
_PLAIN_WIDTH = 140


def run(
    *,
    chain: str = "eth-tester",
    rpc: str | None = None,
    first_day: date | None = None,
    last_day: date | None = None,
    report: Path | None = None,
    short: bool = False,
    options: bool = False,
    as_json: bool = False,
) -> Outcome:
    """Run the demo and return its outcome.

    Parameters
    ----------
    chain, rpc
        Where: ``eth-tester``, ``anvil``, or the URL of a development node.
    first_day, last_day
        Window, whole days in UTC; None: found in the data.
    report
        Where the HTML report goes.
    short
        Only the hours around the worst of the window.
    options
        Tell the story of futures and options.
    as_json
        Print the outcome as JSON and nothing else.

    Raises
    ------
    ConsistencyError
        If tokens and claims differ by a single wei at the end.
    """
    settings = DemoSettings(
        chain=chain,
        rpc_url=rpc,
        first_s=_seconds(first_day),
        last_s=_seconds(last_day),
        report=report or _DEFAULT_REPORT,
    )
    if options:
        settings = option_settings(settings, short=short)
    elif short:
        settings = _shortened(settings)
    started = time.monotonic()
    console = Console(stderr=as_json)
    if not console.is_terminal:
        console.width = _PLAIN_WIDTH
    outcome = _with_progress(settings, console)
    if settings.report is not None:
        from seawall.demo.report import write_report  # imports the plotting library, which takes a second

        write_report(outcome, settings.report)
    if as_json:
        json.dump(asdict(outcome), sys.stdout, indent=1, allow_nan=False)
        sys.stdout.write("\n")
    else:
        _print(outcome, settings, console, time.monotonic() - started)
    if outcome.ledger.difference != 0:
        raise ConsistencyError(
            f"tokens and claims differ by {outcome.ledger.difference} wei: do not deploy this"
        )
    return outcome


def _seconds(day: date | None) -> int | None:
    return None if day is None else int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def _shortened(settings: DemoSettings) -> DemoSettings:
    """Return the settings with a window of 14 hours that ends with the worst fall."""
    from seawall.demo.story import choose_window
    from seawall.market import embedded_bars

    _, last = choose_window(embedded_bars(settings.symbols), settings)
    end = last - 5 * 3600
    return replace(settings, first_s=end - _SHORT_WINDOW_S, last_s=end + 2 * 3600)


def _with_progress(settings: DemoSettings, console: Console) -> Outcome:
    """Run with a bar on a terminal and plain lines elsewhere."""
    if not console.is_terminal:
        return tell(settings, progress=lambda done, total, epoch: _line(console, done, total, epoch))
    columns = (
        TextColumn("[bold]epochs"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("deploying", total=None)

        def advance(done: int, total: int, epoch: Epoch) -> None:
            bar.update(task, completed=done, total=total, description=_when(epoch.time_s))
            for event in epoch.events:
                bar.console.print(f"  {_when(epoch.time_s)}  {event}", highlight=False)

        return tell(settings, progress=advance)


def _line(console: Console, done: int, total: int, epoch: Epoch) -> None:
    events = f": {'; '.join(epoch.events)}" if epoch.events else ""
    console.print(f"epoch {done}/{total} {_when(epoch.time_s)}{events}", highlight=False, soft_wrap=True)


def _when(time_s: int) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M")


def _print(outcome: Outcome, settings: DemoSettings, console: Console, seconds: float) -> None:
    console.print(_epoch_table(outcome))
    ledger = outcome.ledger
    console.print(
        f"ledger: {ledger.vault_tokens + ledger.fund_tokens:,} units of tokens in vault and fund,"
        f" {ledger.claims:,} of claims,"
        f" difference {ledger.difference}",
        highlight=False,
        soft_wrap=True,
    )
    for line in (*option_lines(outcome), *outcome.summary):
        console.print(line, highlight=False, soft_wrap=True)
    console.print(
        f"{outcome.transactions} transactions, {outcome.gas / 1e6:,.0f}M gas, {seconds:.0f} s;"
        f" report: {settings.report}",
        highlight=False,
        soft_wrap=True,
    )


def option_lines(outcome: Outcome) -> list[str]:
    """Return what the certificate of the hedged book saved, and what expired positions were paid."""
    if not isinstance(outcome, OptionOutcome):
        return []
    lines = []
    hedged = [saving for saving in outcome.savings if saving.account == HEDGED]
    for when, saving in zip(("opened", "at the end"), hedged[:: max(len(hedged) - 1, 1)], strict=False):
        lines.append(
            f"{HEDGED} {when}: gross {saving.gross:,.0f}, certified {saving.certified:,.0f}"
            f" ({saving.saved:.0%} saved{', book shown' if saving.book_shown else ''}),"
            f" expected shortfall {saving.shortfall:,.0f}"
        )
    for position in (settled for settled in outcome.settled if settled.account != DEALER):
        lines.append(
            f"{position.account}: {position.lots:+,} lots of {position.instrument} settled at"
            f" {position.settlement_price:,.2f} (last price {position.last_price:,.2f}) for {position.cash:+,.0f}"
        )
    return lines


def _epoch_table(outcome: Outcome) -> Table:
    """Return every fourth epoch, and all in which something happened."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    lead, second = outcome.symbols[:2]
    columns = ("time", lead, second, f"IM {lead}", "lambda", "L/ES", "below IM", "below MM", "what happened")
    for name in columns:
        text = name in {"time", "what happened"}
        table.add_column(name, justify="left" if text else "right", no_wrap=not text or name == "time")
    for number, epoch in enumerate(outcome.epochs):
        if number % 4 and not epoch.events:
            continue
        below_im = sum(a.equity < a.initial for a in epoch.accounts.values())
        below_mm = sum(a.equity < a.maintenance for a in epoch.accounts.values())
        table.add_row(
            _when(epoch.time_s)[5:],
            *(f"{epoch.prices[s]:,.0f}" for s in (lead, second)),
            f"{epoch.initial_ratio[lead]:.1%}",
            f"{epoch.lambda_bps / 10_000:.2f}",
            "" if epoch.coverage is None else f"{epoch.coverage:.2f}",
            str(below_im),
            str(below_mm),
            "; ".join(_gathered(epoch.events)),
        )
    return table


def _gathered(events: Sequence[str]) -> list[str]:
    """Return the events in order, trades and slices of one account gathered into one entry each."""
    gathered: Counter[str] = Counter()
    for event in events:
        if " lots of " in event:
            gathered["positions opened"] += 1
        elif " takes " in event:
            gathered[f"slices of {event.split(' of ', 1)[1].split(' at k', 1)[0]} sold"] += 1
        else:
            gathered[event] = 0
    return [f"{count} {entry}" if count else entry for entry, count in gathered.items()]
