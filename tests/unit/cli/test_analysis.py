from __future__ import annotations

import json
from pathlib import Path

import pytest

from seawall.cli import EXIT_USAGE, main

BOOK = "at: 2019-06-27T00:00:00Z\npositions: {BTC-PERP: -2, BTC-27SEP19-14000-C: 4}\n"


@pytest.fixture
def book(tmp_path: Path) -> str:
    path = tmp_path / "book.yaml"
    path.write_text(BOOK, encoding="utf-8")
    return str(path)


def test_explain_prints_what_made_the_number(book: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", book, "--rows", "3"]) == 0
    shown = capsys.readouterr().out
    for part in ("ES, full simulation", "Positions", "Hedges of the certificate", "Tail: 3 of its"):
        assert part in shown
    assert main(["explain", book, "--json", "--rows", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["tail"]) == 2
    assert found["terms"]["initial"] >= found["terms"]["shortfall"]


def test_stress_prints_every_scenario(book: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stress", book, "--worst", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    kinds = [scenario["kind"] for scenario in found["scenarios"]]
    assert kinds.count("past") == 2
    assert {"historical", "hypothetical"} <= set(kinds)
    for scenario in found["scenarios"]:
        assert scenario["pnl"] == pytest.approx(sum(scenario["by_position"].values()))
    assert main(["stress", book]) == 0
    assert "all double" in capsys.readouterr().out


def test_prices_of_ones_own_are_read(tmp_path: Path, book: str, capsys: pytest.CaptureFixture[str]) -> None:
    prices = tmp_path / "prices.csv"
    prices.write_text("known_at,BTC.close,BTC.traded_value\n1561593600,100,1\n1561597200,101,1\n")
    assert main(["explain", book, "--data", str(prices)]) == EXIT_USAGE
    assert "supply older bars" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "none.yaml"]) == EXIT_USAGE
    assert "cannot read the book none.yaml" in capsys.readouterr().err
