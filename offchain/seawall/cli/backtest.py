"""`seawall backtest`: walk-forward validation of the margin model on real prices."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from seawall.cli.extras import require_packages
from seawall.cli.progress import progress_shown
from seawall.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from seawall.backtest.run import Results

__all__ = ["backtest_command"]

DATE = click.DateTime(formats=["%Y-%m-%d"])
_PLAIN_WIDTH = 160


@click.command("backtest")
@click.option(
    "--data", type=click.Path(path_type=Path), required=True, help="Folder of market data (parquet)."
)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder of results; made if missing."
)
@click.option("--from", "first_day", type=DATE, help="First day, UTC. [default: 2020-01-01]")
@click.option("--to", "last_day", type=DATE, help="Day after the last, UTC. [default: 2024-07-01]")
@click.option("--jobs", type=click.IntRange(1), help="Processes. [default: one a core]")
@click.option("--methods", help="Some methods, separated by commas. [default: all]", metavar="NAMES")
@click.option("--parts", help="Some parts, separated by commas. [default: all]", metavar="NAMES")
@click.option("--variant", help="Judge a variant of the model in place of the defaults.", metavar="NAME")
@click.option("--select", is_flag=True, help="Choose among variants of the model on the years before 2022.")
@click.option(
    "--resume/--fresh", default=True, show_default=True, help="Use finished pieces of earlier runs."
)
def backtest_command(
    data: Path,
    out: Path,
    first_day: datetime | None,
    last_day: datetime | None,
    jobs: int | None,
    methods: str | None,
    parts: str | None,
    variant: str | None,
    select: bool,
    resume: bool,
) -> None:
    """Judge the margin model on real prices, without look-ahead, beside other ways to set margin."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # processes share the cores
    if first_day is not None and last_day is not None and last_day <= first_day:
        raise InputError(f"--to {last_day:%Y-%m-%d} is not after --from {first_day:%Y-%m-%d}. Fix: swap them")
    require_packages("pandas", "pyarrow", "matplotlib", "jinja2", command="the backtest", extra="backtest")
    from seawall.backtest.data import read_history
    from seawall.backtest.methods import chosen, methods_of, read_variants, variant_methods
    from seawall.backtest.report import write_report
    from seawall.backtest.run import PARTS, run_backtest
    from seawall.backtest.settings import BacktestSettings, seconds

    told: dict[str, Any] = {}
    if first_day is not None:
        told["first_s"] = seconds(first_day.date())
    if last_day is not None:
        told["last_s"] = seconds(last_day.date())
    known = read_variants()
    if variant is not None:
        if variant not in known:
            raise InputError(f"--variant {variant}: no such variant. Fix: choose from {', '.join(known)}")
        told["model"] = known[variant][1]
    settings = BacktestSettings(**told)
    compared = chosen(_names(methods), methods_of(settings))
    variants = variant_methods(known) if select else ()
    history = read_history(data)
    with progress_shown("pieces") as progress:
        results = run_backtest(
            history,
            settings,
            out=out,
            methods=compared,
            variants=variants,
            parts=_names(parts) or PARTS,
            jobs=jobs or os.cpu_count() or 1,
            resume=resume,
            progress=progress,
        )
    write_report(results, out / "report.html")
    _print(results)
    click.echo(f"report: {out / 'report.html'}; tables beside it")


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _print(results: Results) -> None:
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = _PLAIN_WIDTH
    summary = results.tables.get("cost_summary")
    if summary is not None and len(summary):
        names = [c for c in summary.columns if c.startswith(("cost_", "shortfall_"))]
        names += ["rise_5d", "peak_to_trough", "breach_rate", "worst_breach_rate", "mean_margin"]
        console.print(
            _table("cost (c) and shortfall (s) over the static margin of hindsight", summary, names)
        )
    if results.selection is not None:
        scored = ["missed", "score"]
        console.print(f"chosen before {_day(results.settings.selection_end_s)}: {results.selection.chosen}")
        for title, table in (
            ("on which the choice was made", results.selection.before),
            ("afterwards, unseen by the choice", results.selection.after),
        ):
            costs = [c for c in table.columns if c.startswith(("cost_", "shortfall_"))]
            swings = ["rise_5d", "peak_to_trough", "breach_rate", "worst_breach_rate"]
            console.print(_table(title, table, [*scored, *costs, *swings]))
    for target in results.targets:
        verdict = "met   " if target.met else "MISSED"
        where = f" ({target.detail})" if target.detail else ""
        console.print(
            f"{verdict} {target.measured:.4g} of at most {target.limit:g}: {target.name}{where}",
            soft_wrap=True,
        )


def _table(title: str, rows: pd.DataFrame, names: list[str]) -> Table:
    table = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    table.add_column("method", no_wrap=True)
    for name in names:
        short = name.replace("cost_", "c ").replace("shortfall_", "s ").replace("peak_to_trough", "p2t")
        table.add_column(short.replace("_", " ").replace("breach rate", "breach"), justify="right")
    for row in rows.to_dict("records"):
        cells = (f"{row[n]:.2%}" if "rate" in n else f"{row[n]:.3g}" for n in names)
        table.add_row(str(row["method"]), *cells)
    return table


def _day(time_s: int) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d")
