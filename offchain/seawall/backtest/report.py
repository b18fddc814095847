"""One self-contained HTML file for a risk committee: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup

from seawall.backtest.pictures import (
    cost_picture,
    crisis_picture,
    family_picture,
    margin_picture,
    tightness_picture,
    year_picture,
)
from seawall.backtest.run import Results
from seawall.backtest.selection import CRITERION
from seawall.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["render", "write_report"]

_PERCENT = ("rate", "margin", "floor", "loss", "beyond", "binds", "rejected", "not_green")
_COUNT = ("windows", "books", "presents", "breaches", "sides", "missed", "year", "phase", "days")
_PICTURED = ("BTC", "ETH", "DOGE")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grid:
    columns: list[str]
    rows: list[list[str]]


def render(results: Results) -> str:
    """Return the report as HTML. The same results give the same bytes."""
    environment = Environment(
        loader=PackageLoader("seawall.backtest", "."), autoescape=select_autoescape(["html", "j2"])
    )
    environment.filters["when"] = lambda s: datetime.fromtimestamp(s, UTC).strftime("%Y-%m-%d")
    tables = results.tables
    return environment.get_template("report.html.j2").render(
        results=results,
        pictures=_pictures(results),
        tables={name: _grid(table) for name, table in tables.items() if name != "cost_curve"},
        worst=_worst(tables),
        criterion=CRITERION,
        model=asdict(results.settings.model),
    )


def write_report(results: Results, path: Path) -> None:
    """Write the report in one step.

    Raises
    ------
    ConfigError
        If the file cannot be written.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(render(results), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise ConfigError(
            f"cannot write the report {path}: {error.strerror}. Fix: choose another --out"
        ) from error


def _pictures(results: Results) -> dict[str, Markup]:
    tables = results.tables
    found: dict[str, str] = {}
    sides = [side for method in results.methods for side in results.sides.get(method.name, [])]
    known = list(dict.fromkeys(side.symbol for side in sides))
    symbols = [symbol for symbol in _PICTURED if symbol in known] or known[:2]
    if sides:
        found["years"] = year_picture(tables["years"])
        found["crises"] = crisis_picture(sides, symbols)
        found["margins"] = margin_picture(sides, symbols[0])
        if len(tables["cost_summary"]):
            found["cost"] = cost_picture(tables["cost_curve"], tables["cost_summary"])
    if len(tables.get("families", ())):
        found["families"] = family_picture(tables["families"])
    if len(tables.get("tightness", ())):
        found["tightness"] = tightness_picture(tables["tightness"])
    return {name: Markup(text) for name, text in found.items()}


def _worst(tables: dict[str, pd.DataFrame]) -> dict[str, _Grid]:
    """Return the short tables that the report leads with, made from the long ones."""
    found = {}
    if "crises" in tables and len(tables["crises"]):
        wide = tables["crises"].pivot_table(
            index="method", columns="crisis", values="breaches", aggfunc="max", sort=False
        )
        found["crises"] = _grid(wide.reset_index())
    if "pairs" in tables and len(tables["pairs"]):
        groups = tables["pairs"].groupby(["universe", "rate"], sort=False)["cost_over_legs"]
        found["pairs"] = _grid(groups.agg(["median", "max"]).reset_index())
    return found


def _grid(table: pd.DataFrame) -> _Grid:
    """Return a table as text: shares in per cent, counts whole, the rest with three digits."""
    columns = [str(name) for name in table.columns]
    rows = [
        [_cell(name, value) for name, value in zip(columns, row, strict=True)]
        for row in table.itertuples(index=False)
    ]
    return _Grid(columns=[name.replace("_", " ") for name in columns], rows=rows)


def _cell(column: str, value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    number = float(value)
    if number != number:
        return ""
    if column == "time_s":
        return datetime.fromtimestamp(number, UTC).strftime("%Y-%m-%d")
    if any(part in column for part in _COUNT) or (column.endswith("rejected") and number == int(number) > 1):
        return f"{number:,.0f}"
    if any(part in column for part in _PERCENT):
        return f"{number:.2%}"
    return f"{number:.3f}"
