"""`seawall backtest` as a user starts it: on drawn prices in files, started again, and with files that are broken."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seawall import cli

TIMEOUT_S = 300


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write half a year more than a year of hourly bars of two symbols."""
    folder = tmp_path_factory.mktemp("data")
    hours = 24 * 460
    rng = np.random.default_rng(3)
    shared = rng.standard_t(4, size=hours)
    for number, symbol in enumerate(("BTCUSDT", "ETHUSDT")):
        moves = 0.005 * (0.7 * shared + 0.7 * rng.standard_t(4, size=hours))
        table = pd.DataFrame(
            {
                "timestamp": pd.Timestamp("2019-01-01", tz="UTC")
                + pd.to_timedelta(np.arange(hours), unit="h"),
                "close": 100 * (number + 1) * np.exp(np.cumsum(np.clip(moves, -0.1, 0.1))),
                "volume": 1.0,
                "symbol": symbol,
            }
        )
        table.to_parquet(folder / f"binance_spot_1h_{symbol}.parquet")
    return folder


def run(data: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "seawall.cli", "backtest", "--data", str(data), "--out", str(out), *more]
    return subprocess.run(
        command,
        env={**os.environ, "HOME": str(out.parent), "MPLCONFIGDIR": str(out.parent / "mpl")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )


def here(data: Path, out: Path, *more: str) -> int:
    """Run in this process, which is quicker."""
    return cli.main(["backtest", "--data", str(data), "--out", str(out), *more])


SOME = ("--methods", "seawall,plain-fhs,static", "--from", "2020-01-03", "--to", "2020-02-20")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def first(
    data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    out = tmp_path_factory.mktemp("run") / "out"
    return out, run(data, out, *SOME, "--jobs", "2")


def test_it_prints_promises_and_writes_a_report(first: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    out, done = first
    assert done.returncode == 0, done.stderr[-2_000:]
    assert "breaches at face value" in done.stdout
    assert "report: " in done.stdout
    assert re.search(
        r"^\d+/\d+ pieces after", done.stderr, re.MULTILINE
    )  # plain lines, as this is no terminal
    assert "Warning" not in done.stderr
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "plain-fhs" in page
    for name in ("coverage", "years", "regimes", "crises", "cost", "families", "pairs", "tightness"):
        assert (out / f"{name}.parquet").is_file()


def test_a_run_that_is_started_again_gives_the_same_bytes(
    data: Path, first: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    out, _ = first
    before = contents(out)
    pieces = sorted((out / "pieces").glob("*.parquet"))
    for path in pieces[::2]:  # as though it had been interrupted
        path.unlink()
    (out / "report.html").unlink()
    kept = {path: path.stat().st_mtime_ns for path in pieces[1::2]}
    assert run(data, out, *SOME, "--jobs", "1").returncode == 0  # a process of its own: one thread an array
    assert contents(out) == before
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_a_changed_setting_is_computed_again(
    data: Path, first: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    out, _ = first
    count = len(list((out / "pieces").glob("*.parquet")))
    more = ("--methods", "static", "--parts", "legs", "--from", "2020-01-10", "--to", "2020-02-20")
    assert here(data, out, *more, "--jobs", "1") == 0
    assert len(list((out / "pieces").glob("*.parquet"))) == count + 2


def test_a_variant_is_judged_in_place_of_the_defaults(
    data: Path, first: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    out, _ = first
    before = set((out / "pieces").glob("*.parquet"))
    assert here(data, out, *SOME, "--parts", "legs", "--variant", "curve-1-free", "--jobs", "1") == 0
    # only the model asks for anything else
    assert len(set((out / "pieces").glob("*.parquet")) - before) == 2
    assert "<td>long_run_floor</td><td>0.3</td>" in (out / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--variant", "luck"), "no such variant. Fix: choose from chosen, day-and-long-run"),
        (("--from", "2020-02-01", "--to", "2020-01-01"), "Fix: swap them"),
        (("--methods", "magic"), "no method magic"),
        (("--parts", "luck"), "no part luck"),
        (("--jobs", "0"), "jobs"),
    ],
)
def test_bad_options_end_in_one_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], message: str
) -> None:
    assert here(data, tmp_path / "out", *more) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.strip().splitlines()) == 1


def test_missing_and_broken_data_end_in_one_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert here(tmp_path / "nowhere", tmp_path / "out") == 2
    assert "no folder" in capsys.readouterr().err
    broken = tmp_path / "broken"
    broken.mkdir()
    whole = (data / "binance_spot_1h_BTCUSDT.parquet").read_bytes()
    (broken / "binance_spot_1h_BTCUSDT.parquet").write_bytes(whole[: len(whole) // 2])
    assert here(broken, tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert "binance_spot_1h_BTCUSDT.parquet" in said
    assert len(said.strip().splitlines()) == 1
