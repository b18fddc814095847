"""Bad input to commands: one line that names what is wrong and says the fix, and never a traceback."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from seawall.cli import EXIT_USAGE, main

FILES = {
    "empty": b"",
    "bytes": bytes(range(256)),
    "list.yaml": b"- 1\n",
    "torn.yaml": b"positions: [",
    "day.yaml": b"at: 2019-02-30T00:00:00Z\npositions: {BTC-PERP: 1}\n",
    "book.yaml": b"positions: {BTC-PERP: 1}\n",
    "zero.yaml": b"positions: {BTC-PERP: 0, ETH-PERP: 0}\n",
    "huge.yaml": b"positions: {BTC-PERP: 1.0e+300}\n",
    "other.yaml": b"positions: {XYZ-PERP: 1}\n",
    "few.csv": b"timestamp,symbol,close\n1,BTC,3\n3601,BTC,3\n7201,BTC,4\n",
    "times.csv": b"timestamp,symbol,close\nnoon,BTC,3\n",
    "moves.yaml": b"scenarios: [{name: a, moves: [1]}]\n",
    "item.yaml": b"scenarios: [5]\n",
    "hedges.yaml": b"keeper: {hedges: hedges.json}\n",
    "never.yaml": b"keeper: {hedges: hedges.json, hedges_every_h: -1}\n",
    "typo.yaml": b"keeper: {hedge: hedges.json}\n",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the one line a command says of bad input."""
    assert main(arguments) == EXIT_USAGE
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(said) == 1
    assert "Fix:" in said[0]
    assert "Errno" not in said[0]
    assert "unexpected" not in said[0]
    return said[0]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("explain missing.yaml", "the book missing.yaml: No such file"),
        ("explain folder", "the book folder: Is a directory"),
        ("explain bytes", "the book bytes: it is not YAML"),
        ("explain torn.yaml", "the book torn.yaml: it is not YAML in line 1"),
        ("explain day.yaml", "the book day.yaml: it is not YAML"),
        ("explain empty", "empty lists no positions"),
        ("explain list.yaml", "list.yaml lists no positions"),
        ("explain zero.yaml", "zero.yaml holds nothing"),
        ("explain huge.yaml", "huge.yaml: BTC-PERP is 1e+300"),
        ("explain other.yaml", "no bars of XYZ"),
        ("explain book.yaml --data missing.csv", "market data missing.csv: No such file"),
        ("explain book.yaml --data folder", "folder holds no .csv"),
        ("explain book.yaml --data few.csv", "no time has a bar of all of BTC"),
        ("explain book.yaml --data times.csv", "times.csv: timestamp holds what is no time"),
        ("stress missing.yaml", "the book missing.yaml: No such file"),
        ("stress book.yaml --scenarios missing.yaml", "the scenarios missing.yaml: No such file"),
        ("stress book.yaml --scenarios bytes", "the scenarios bytes: it is not YAML"),
        ("stress book.yaml --scenarios empty", "empty lists no scenarios"),
        ("stress book.yaml --scenarios moves.yaml", "moves.yaml: moves of a are [1]"),
        ("stress book.yaml --scenarios item.yaml", "item.yaml: 5 is no scenario"),
        ("keeper hedges", "there is no file to write hedges to"),
        ("keeper hedges --config missing.yaml", "cannot read missing.yaml"),
        ("keeper hedges --config hedges.yaml", "no RPC endpoint is set"),
        ("keeper hedges --config never.yaml", "keeper.hedges_every_h"),
        ("keeper hedges --config typo.yaml", "unknown setting keeper.hedge."),
        ("keeper once --dry-run --config bytes", "bytes is not YAML"),
        ("inspect page bytes", "bytes holds no page"),
        ("inspect page empty", "empty holds no page"),
        ("inspect page folder", "folder is neither a file nor a page id"),
        ("deploy --plan missing.yaml", "cannot read missing.yaml"),
        ("demo --from 1999-01-01 --to 1999-02-01", "the window holds 0 bars"),
    ],
)
def test_bad_input_is_named_with_the_fix(
    arguments: str, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert named in complaint(capsys, *arguments.split())


@pytest.mark.parametrize(
    ("package", "arguments", "extra"),
    [
        ("pyarrow", "explain book.yaml --data prices.parquet", "seawall[parquet]"),
        ("pandas", "backtest --data folder --out out", "seawall[backtest]"),
        ("ccxt", "record index BTC --out index.csv", "seawall[exchange]"),
        ("matplotlib", "demo --short", "seawall[demo]"),
        ("eth_tester", "demo --short", "seawall[demo]"),
    ],
)
def test_an_absent_extra_is_named_before_any_work(
    package: str,
    arguments: str,
    extra: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (folder / "prices.parquet").write_bytes(b"")
    for name in [n for n in sys.modules if n == package or n.startswith(f"{package}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    assert extra in complaint(capsys, *arguments.split())
