"""The story with options in short form, as a user starts it: what is saved, auctioned and settled adds up."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

TIMEOUT_S = 900
HEDGED = "hedged option book"


@pytest.fixture(scope="module")
def report_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("options") / "report.html"


@pytest.fixture(scope="module")
def told(report_path: Path) -> Mapping[str, Any]:
    """Run `seawall demo --options --short --json` in an empty folder."""
    folder = report_path.parent
    arguments = ["demo", "--options", "--short", "--json", "--report", str(report_path)]
    run = subprocess.run(
        [sys.executable, "-m", "seawall.cli", *arguments],
        cwd=folder,
        env={**os.environ, "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert run.returncode == 0, run.stderr[-2_000:]
    found: Mapping[str, Any] = json.loads(run.stdout)
    return found


@pytest.fixture(scope="module")
def events(told: Mapping[str, Any]) -> list[str]:
    return [event for epoch in told["epochs"] for event in epoch["events"]]


def test_the_ledger_closes_to_the_wei(told: Mapping[str, Any]) -> None:
    ledger = told["ledger"]
    claims = ledger["account_claims"] + ledger["fees"] + ledger["reserve"] + ledger["fund_claims"]
    assert ledger["vault_tokens"] + ledger["fund_tokens"] == claims - ledger["deficit"]
    came = sum(told["deposited"].values()) + told["fund_before"]
    assert (ledger["vault_tokens"] + ledger["fund_tokens"]) / 1e6 == pytest.approx(came, abs=1e-3)
    assert len(told["summary"]) == 3


def test_no_certificate_goes_below_the_tail_risk_or_above_the_gross_requirement(
    told: Mapping[str, Any],
) -> None:
    assert told["savings"]
    for saving in told["savings"]:
        # The unit by which a leaf's tail risk is rounded up.
        assert saving["shortfall"] <= saving["certified"] + 1e-6
        assert saving["certified"] <= saving["gross"]


def test_the_hedged_book_is_certified_far_below_its_gross_requirement(told: Mapping[str, Any]) -> None:
    opened, *later = [saving for saving in told["savings"] if saving["account"] == HEDGED]
    assert opened["atoms"] > 0  # nobody certified a book before it existed
    assert not opened["book_shown"]
    assert opened["certified"] < 0.2 * opened["gross"]
    assert told["deposited"][HEDGED] < opened["gross"]
    for saving in later:
        assert saving["book_shown"]
        assert saving["certified"] == pytest.approx(saving["shortfall"], rel=1e-6)


def test_the_hedged_book_meets_its_certified_requirement_throughout(told: Mapping[str, Any]) -> None:
    for epoch in told["epochs"]:
        account = epoch["accounts"][HEDGED]
        assert account["equity"] >= account["initial"] >= account["maintenance"] > 0


def test_the_short_straddle_is_auctioned_back_to_health(told: Mapping[str, Any]) -> None:
    run = next(run for run in told["auctions"] if run["account"] == "short straddle")
    assert run["equity"] < run["maintenance"]
    assert run["ended_s"] is not None
    assert run["bids"]
    assert run["bids"][-1]["health_after"] >= 1


def test_what_expires_is_paid_at_the_average_price(told: Mapping[str, Any]) -> None:
    settled = told["settled"]
    assert sum(position["lots"] for position in settled) == 0
    assert sum(position["cash"] for position in settled) == pytest.approx(0, abs=1e-5)
    put = next(p for p in settled if p["account"] == "long with put" and " put " in p["instrument"])
    strike = float(re.search(r"[\d,]+", put["instrument"]).group().replace(",", ""))  # type: ignore[union-attr]
    units = put["lots"] * 0.001  # Bitcoin in a lot
    assert put["settlement_price"] != put["last_price"]
    assert put["cash"] == pytest.approx(units * max(strike - put["settlement_price"], 0), rel=1e-3, abs=1)


def test_the_events_tell_of_all_of_it(events: list[str]) -> None:
    for words in (
        r"buys [\d,]+ lots of BTC [\d,]+ call",
        r"sells [\d,]+ lots of ETH [\d,]+ put",
        r"buys [\d,]+ lots of ETH future",
        r"BTC settles at [\d,.]+, last price",
        r"bidder takes [\d.]+% of short straddle",
    ):
        assert any(re.search(words, event) for event in events), words


def test_keepers_cover_the_books_with_lanes(told: Mapping[str, Any]) -> None:
    found = [epoch["coverage"] for epoch in told["epochs"] if epoch["coverage"] is not None]
    assert len(found) >= len(told["epochs"]) - 1
    assert all(0 < coverage <= 1 for coverage in found)


def test_the_report_shows_what_was_saved(told: Mapping[str, Any], report_path: Path) -> None:
    report = report_path.read_text(encoding="utf-8")
    assert report.count("<svg") == 5
    assert "What certificates save" in report
    for position in told["settled"]:
        assert position["instrument"] in report
