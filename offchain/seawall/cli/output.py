"""Prints results, as a table for people or as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table

__all__ = ["as_plain", "json_option", "print_json", "print_pairs", "print_table"]

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def as_plain(value: Any) -> Any:
    """Return a value as what JSON knows; bytes in hexadecimal, integers beyond 53 bits as text."""
    if isinstance(value, bool) or value is None or isinstance(value, str | float):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else str(value)
    if isinstance(value, bytes | bytearray):
        return "0x" + bytes(value).hex()
    if isinstance(value, Mapping):
        return {str(key): as_plain(part) for key, part in value.items()}
    if hasattr(value, "_asdict"):
        return as_plain(value._asdict())
    if isinstance(value, Iterable):
        return [as_plain(part) for part in value]
    return str(value)


def print_json(value: Any) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(as_plain(value), indent=2))


def print_pairs(title: str, pairs: Mapping[str, Any]) -> None:
    """Print a table of names and values."""
    print_table(title, ("", ""), [(name, value) for name, value in pairs.items()])


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table; cells are shown as they are, without markup."""
    table = Table(title=title, title_justify="left", show_header=any(columns))
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    Console(highlight=False, soft_wrap=False, markup=False).print(table)


def _cell(value: Any) -> str:
    plain = as_plain(value)
    if isinstance(plain, dict | list):
        return json.dumps(plain)
    return "" if plain is None else str(plain)
