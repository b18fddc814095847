"""Finished pieces of a backtest on disk, found again by a digest of everything they depend on."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seawall.arrays import Floats
from seawall.errors import ConfigError, StoreError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PieceStore", "piece_key", "source_digest", "write_table"]

_PACKAGE = Path(__file__).resolve().parents[1]


def source_digest(*modules: str) -> str:
    """Return a digest of the source of some modules, such as ``margin/volatility.py``.

    Pieces depend on it: a changed formula is computed again as a changed setting is.
    """
    total = hashlib.sha256()
    for module in modules:
        total.update((_PACKAGE / module).read_bytes())
    return total.hexdigest()


def piece_key(name: str, *parts: Any) -> str:
    """Return the digest by which a piece is found, from dataclasses, numbers, texts, arrays and containers of them."""
    total = hashlib.sha256(name.encode())
    for part in parts:
        total.update(b"\x00")
        total.update(_bytes(part))
    return total.hexdigest()[:16]


class PieceStore:
    """Keep tables in a folder, one file a piece; an interrupted write leaves nothing behind.

    Parameters
    ----------
    folder
        Made if it is missing.
    keep
        Whether pieces that are there already may be used.
    """

    def __init__(self, folder: Path, *, keep: bool = True) -> None:
        self._folder = folder
        self._keep = keep
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"cannot make {folder}: {error.strerror}. Fix: choose another --out") from error

    def path(self, name: str, key: str) -> Path:
        """Return where a piece lies."""
        safe = "".join(c if c.isalnum() or c in "-." else "_" for c in name)
        return self._folder / f"{safe}-{key}.parquet"

    def load(self, name: str, key: str) -> pd.DataFrame | None:
        """Return a piece from before; None if there is none, it is broken, or nothing from before counts."""
        path = self.path(name, key)
        if not (self._keep and path.is_file()):
            return None
        try:
            return self.read(name, key)
        except StoreError:
            return None

    def read(self, name: str, key: str) -> pd.DataFrame:
        """Return a piece that was written.

        Raises
        ------
        StoreError
            If it cannot be read.
        """
        import pandas as pd

        path = self.path(name, key)
        try:
            return pd.read_parquet(path)
        except (OSError, ValueError) as error:  # pyarrow's errors are among these
            raise StoreError(f"cannot read {path}. Fix: remove it and start again") from error

    def save(self, name: str, key: str, table: Mapping[str, Floats]) -> None:
        """Write a piece."""
        import pandas as pd

        write_table(pd.DataFrame(dict(table)), self.path(name, key))


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as parquet in one step; the same table gives the same bytes.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        table.to_parquet(partial, index=False, compression="zstd")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StoreError(
            f"cannot write {path}: {error.strerror or error}. Fix: free space, or choose another --out"
        ) from error


def _bytes(part: Any) -> bytes:
    if isinstance(part, np.ndarray):
        return f"{part.dtype}{part.shape}".encode() + np.ascontiguousarray(part).tobytes()
    if is_dataclass(part) and not isinstance(part, type):
        return repr(sorted(asdict(part).items())).encode()
    return repr(part).encode()
