"""Columns of CSV and parquet files, as arrays."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seawall.arrays import Floats, Ints
from seawall.errors import ConfigError, DataError

__all__ = ["Table", "read_table", "seconds_of"]

_PARQUET = (".parquet", ".pq")


class Table:
    """Columns of one file by name."""

    def __init__(self, path: Path, columns: dict[str, Any], *, rows: int) -> None:
        self.path = path
        self.rows = rows
        self._columns = columns

    def has(self, name: str) -> bool:
        """Say whether there is such a column."""
        return name in self._columns

    def times(self, name: str) -> Ints:
        """Return a column as whole seconds since 1970, rounded down.

        Raises
        ------
        DataError
            If it is missing, or an entry is no time.
        """
        try:
            return np.array([seconds_of(v) for v in self._column(name)], dtype=np.int64)
        except (ValueError, TypeError) as error:
            raise DataError(
                f"{self.path.name}: {name} holds what is no time ({error}). "
                "Fix: give seconds since 1970, or ISO 8601 in UTC"
            ) from error

    def numbers(self, name: str) -> Floats:
        """Return a column as floats, NaN where it is empty, no number, or where there is no such column."""
        if not self.has(name):
            return np.full(self.rows, np.nan)
        values = self._column(name)
        if isinstance(values, np.ndarray) and values.dtype.kind in "fiu":
            return values.astype(np.float64)
        return np.array([_number(v) for v in values], dtype=np.float64)

    def texts(self, name: str) -> npt.NDArray[np.str_]:
        """Return a column as text.

        Raises
        ------
        DataError
            If it is missing.
        """
        return np.array([str(v) for v in self._column(name)], dtype=np.str_)

    def _column(self, name: str) -> Any:
        if name not in self._columns:
            raise DataError(
                f"{self.path.name} lacks the column {name}: it has {', '.join(self._columns)}. "
                "Fix: see the columns in docs/keepers.md"
            )
        return self._columns[name]


def seconds_of(value: object) -> int:
    """Return whole seconds since 1970 of a number, or of a text that holds one or an ISO 8601 time in UTC.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if isinstance(value, int | float | np.integer | np.floating):
        return int(value)
    text = str(value).strip()
    if text.lstrip("-").isdecimal():
        return int(text)
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() // 1)


def read_table(path: Path, *, required: Sequence[str] = ()) -> Table:
    """Return the columns of a CSV file with a header, or of a parquet file.

    Raises
    ------
    DataError
        If the file cannot be read, or lacks a required column.
    ConfigError
        If it is parquet and pyarrow is not installed.
    """
    table = _read_parquet(path) if path.suffix in _PARQUET else _read_csv(path)
    for name in required:
        if not table.has(name):
            table.texts(name)
    return table


def _read_csv(path: Path) -> Table:
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            reader = csv.reader(lines)
            header = next(reader, [])
            rows = [row for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"cannot read {path}: {error}. Fix: correct the path, or write the file again"
        ) from error
    width = len(header)
    whole = [row[:width] + [""] * (width - len(row)) for row in rows]
    columns = {name: [row[i] for row in whole] for i, name in enumerate(header)}
    return Table(path, columns, rows=len(rows))


def _read_parquet(path: Path) -> Table:
    try:
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ConfigError(
            f"{path.name} is parquet, and pyarrow is not installed. Fix: pip install 'seawall[parquet]'"
        ) from error
    try:
        found = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"cannot read {path}: {error}. Fix: correct the path, or write the file again"
        ) from error
    columns: dict[str, Any] = {}
    for name in found.column_names:
        column = found[name].combine_chunks()
        if pa.types.is_timestamp(column.type):
            if column.null_count:
                raise DataError(f"{path.name}: {name} holds empty times. Fix: drop those rows")
            column = pc.floor_temporal(column, unit="second").cast(pa.timestamp("s", column.type.tz))
            column = column.cast(pa.int64())
        if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
            columns[name] = column.to_numpy(zero_copy_only=False)
        else:
            columns[name] = column.to_pylist()
    return Table(path, columns, rows=found.num_rows)


def _number(value: object) -> float:
    try:
        return float(value) if value is not None else np.nan  # type: ignore[arg-type]
    except (ValueError, TypeError):
        return np.nan
