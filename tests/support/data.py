"""Where real market data lies for the tests that use it; without it they are skipped, with the reason.

The folder is `SEAWALL_DATA`, or `shared/data` beside the project's folder. Nothing in it is part of the project.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

__all__ = ["data_folder", "needs_real_data", "real_data"]


def data_folder() -> Path:
    """Return where the data should lie, whether it does or not."""
    told = os.environ.get("SEAWALL_DATA")
    return Path(told) if told else Path(__file__).resolve().parents[3] / "shared" / "data"


def real_data(*names: str) -> Path:
    """Return the folder of real data; skip the test that asks if it, or one of the files named, is absent."""
    folder = data_folder()
    absent = [name for name in names if not (folder / name).is_file()] if folder.is_dir() else ["the folder"]
    if absent:
        pytest.skip(
            f"no real market data ({absent[0]} is absent): set SEAWALL_DATA to the folder that holds it"
        )
    return folder


needs_real_data = pytest.mark.skipif(
    not data_folder().is_dir(), reason="no real market data: set SEAWALL_DATA to the folder that holds it"
)
