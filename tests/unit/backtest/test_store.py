"""Pieces are found again by what they depend on, and nothing half-written is taken for whole."""

from __future__ import annotations

import fcntl
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seawall.arrays import Floats
from seawall.backtest.pieces import Piece, compute_pieces
from seawall.backtest.store import PieceStore, piece_key, source_digest, write_table
from seawall.errors import ConfigError, StoreError
from seawall.margin.settings import ModelSettings

CALLS: list[int] = []
WAIT_S = 30.0
# A backtest of one piece, whose process holds a lock for as long as it lives.
ENDLESS = """
import fcntl, sys, time
from pathlib import Path
from seawall.backtest.pieces import Piece, compute_pieces
from seawall.backtest.store import PieceStore

def endless(name):
    lock = open(name, "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    Path(name + ".held").touch()
    time.sleep(600)

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    piece = Piece(name="endless", key="1", function=endless, arguments=(str(folder / "lock"),))
    compute_pieces([piece], PieceStore(folder), jobs=1, progress=print)
"""


def square(number: int) -> Mapping[str, Floats]:
    CALLS.append(number)
    return {"value": np.array([float(number * number)])}


def pieces(*numbers: int) -> list[Piece]:
    return [
        Piece(name=f"square {n}", key=piece_key("square", n), function=square, arguments=(n,))
        for n in numbers
    ]


def run(folder: Path, *numbers: int, jobs: int | None = None, keep: bool = True) -> dict[str, float]:
    lines: list[tuple[int, int]] = []
    found = compute_pieces(
        pieces(*numbers),
        PieceStore(folder, keep=keep),
        jobs=jobs,
        progress=lambda done, total, name: lines.append((done, total)),
    )
    assert lines[-1] == (len(numbers), len(numbers))
    assert [done for done, _ in lines] == sorted(done for done, _ in lines)
    return {name: float(table["value"].iloc[0]) for name, table in found.items()}


def test_finished_pieces_are_not_computed_again(tmp_path: Path) -> None:
    CALLS.clear()
    assert run(tmp_path, 2, 3) == {"square 2": 4.0, "square 3": 9.0}
    assert run(tmp_path, 2, 3, 4)["square 4"] == 16.0
    assert CALLS == [2, 3, 4]
    run(tmp_path, 2, keep=False)
    assert CALLS == [2, 3, 4, 2]


def test_processes_find_what_one_process_finds(tmp_path: Path) -> None:
    # A process can only find what a module defines: `dict` returns the columns it is given.
    given = [
        Piece(name=f"{n}", key=str(n), function=dict, arguments=({"value": np.arange(n, dtype=np.float64)},))
        for n in (2, 3, 4)
    ]
    one, two = (
        compute_pieces(given, PieceStore(tmp_path / str(jobs)), jobs=jobs, progress=lambda *_: None)
        for jobs in (1, 2)
    )
    assert one.keys() == two.keys()
    for name, table in one.items():
        pd.testing.assert_frame_equal(table, two[name])


def test_an_error_in_a_process_reaches_the_caller(tmp_path: Path) -> None:
    given = [Piece(name=f"{n}", key=str(n), function=dict, arguments=(n,)) for n in (2, 3)]
    with pytest.raises(TypeError, match="not iterable"):
        compute_pieces(given, PieceStore(tmp_path), jobs=2, progress=lambda *_: None)


@pytest.mark.parametrize("ended_by", [signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_a_backtest_that_is_ended(tmp_path: Path, ended_by: signal.Signals) -> None:
    script = tmp_path / "endless.py"
    script.write_text(ENDLESS)
    lock = tmp_path / "lock"
    run = subprocess.Popen([sys.executable, str(script), str(tmp_path)], stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + WAIT_S
        while not (tmp_path / "lock.held").exists():
            assert run.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        run.send_signal(ended_by)
        run.wait(WAIT_S)
    deadline = time.monotonic() + WAIT_S
    with lock.open() as held:
        while True:
            try:
                return fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                assert time.monotonic() < deadline, "its process still runs"
                time.sleep(0.02)


def test_a_broken_piece_is_computed_again(tmp_path: Path) -> None:
    run(tmp_path, 5)
    path = next(tmp_path.glob("*.parquet"))
    path.write_bytes(path.read_bytes()[:40])
    CALLS.clear()
    assert run(tmp_path, 5) == {"square 5": 25.0}
    assert CALLS == [5]


def test_no_jobs_is_no_way_to_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        compute_pieces([], PieceStore(tmp_path), jobs=0, progress=lambda *_: None)


def test_keys_differ_where_anything_differs() -> None:
    model = ModelSettings()
    values = np.arange(3.0)
    keys = {
        piece_key("a", model, values),
        piece_key("b", model, values),
        piece_key("a", replace(model, fast_cap=2.0), values),
        piece_key("a", replace(model, surface=replace(model.surface, premium=1.1)), values),
        piece_key("a", model, values + 1e-12),
        piece_key("a", model, values[:, None]),
        piece_key("a", model),
    }
    assert len(keys) == 7
    assert piece_key("a", ModelSettings(), np.arange(3.0)) in keys


def test_the_source_is_part_of_a_key() -> None:
    assert source_digest("margin/volatility.py") != source_digest("margin/scenarios.py")


def test_a_table_is_written_with_the_same_bytes(tmp_path: Path) -> None:
    table = pd.DataFrame({"name": ["a", "b"], "value": [0.1, np.nan]})
    write_table(table, tmp_path / "one.parquet")
    write_table(table, tmp_path / "two.parquet")
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    assert not list(tmp_path.glob("*.partial"))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="Fix: choose another --out"):
        PieceStore(tmp_path / "file" / "below")
    with pytest.raises(StoreError, match="Fix: free space"):
        write_table(pd.DataFrame({"x": [1]}), tmp_path / "missing" / "x.parquet")
