"""The demo in short form, as a user starts it: figures that add up, a report that needs nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from seawall.demo.history import Outcome
from seawall.demo.report import render
from seawall.demo.settings import DemoSettings
from seawall.demo.story import tell

HOUR_S = 3_600
CRASH_OF_NOVEMBER = int(datetime(2018, 11, 24, 12, tzinfo=UTC).timestamp())
TIMEOUT_S = 900
# On Python 3.12 a fork beside threads warns; the demo forks before it starts any.
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


@pytest.fixture(scope="module")
def report_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "deep" / "report.html"


@pytest.fixture(scope="module")
def command(report_path: Path) -> subprocess.CompletedProcess[str]:
    """Run `seawall demo --short --json` in an empty folder."""
    folder = report_path.parent.parent
    return subprocess.run(
        [sys.executable, "-m", "seawall.cli", "demo", "--short", "--json", "--report", str(report_path)],
        cwd=folder,
        env={**os.environ, "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )


@pytest.fixture(scope="module")
def told(command: subprocess.CompletedProcess[str]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(command.stdout)
    return found


@pytest.fixture(scope="module")
def report(command: subprocess.CompletedProcess[str], report_path: Path) -> str:
    assert command.returncode == 0, command.stderr[-2_000:]
    return report_path.read_text(encoding="utf-8")


def tell_six_hours() -> Outcome:
    settings = DemoSettings(first_s=CRASH_OF_NOVEMBER, last_s=CRASH_OF_NOVEMBER + 6 * HOUR_S)
    return tell(settings, progress=lambda done, total, epoch: None)


@pytest.fixture(scope="module")
def november() -> Outcome:
    return tell_six_hours()


def test_the_command_succeeds_and_prints_json_alone(
    command: subprocess.CompletedProcess[str], told: Mapping[str, Any]
) -> None:
    assert command.returncode == 0, command.stderr[-2_000:]
    assert "Traceback" not in command.stderr
    assert told["epochs"]


def test_the_ledger_closes_to_the_wei(told: Mapping[str, Any]) -> None:
    ledger = told["ledger"]
    claims = ledger["account_claims"] + ledger["fees"] + ledger["reserve"] + ledger["fund_claims"]
    assert ledger["vault_tokens"] + ledger["fund_tokens"] == claims - ledger["deficit"]
    assert ledger["vault_tokens"] > 0


def test_the_tokens_are_those_that_came_in(told: Mapping[str, Any]) -> None:
    came = sum(told["deposited"].values()) - sum(told["withdrawn"].values()) + told["fund_before"]
    held = (told["ledger"]["vault_tokens"] + told["ledger"]["fund_tokens"]) / 1e6
    assert held == pytest.approx(came, abs=1e-3)


def test_margin_rises_with_risk(told: Mapping[str, Any]) -> None:
    first, *later = told["epochs"]
    for symbol in told["symbols"]:
        assert max(epoch["initial_ratio"][symbol] for epoch in later) > 1.1 * first["initial_ratio"][symbol]


def test_the_lanes_never_ask_for_more_than_the_risk(told: Mapping[str, Any]) -> None:
    found = [
        epoch["coverage"] for epoch in told["epochs"] if epoch["coverage"] is not None
    ]  # None: no books yet
    assert len(found) >= len(told["epochs"]) - 1
    assert all(0 < coverage <= 1 for coverage in found)


def test_every_requirement_at_an_epoch_is_at_least_the_maintenance(told: Mapping[str, Any]) -> None:
    accounts = [account for epoch in told["epochs"] for account in epoch["accounts"].values()]
    assert all(account["initial"] >= account["maintenance"] for account in accounts)
    assert any(account["maintenance"] > 0 for account in accounts)


@pytest.mark.parametrize(
    "words",
    [
        r"buys [\d,]+ lots of BTC",
        r"is called and deposits [\d,]+",
        r"is put up for auction",
        r"bidder takes [\d.]+% of",
        r"withdraws [\d,]+",
    ],
)
def test_the_story_goes_from_a_trade_to_a_liquidation(told: Mapping[str, Any], words: str) -> None:
    events = [event for epoch in told["epochs"] for event in epoch["events"]]
    assert any(re.search(words, event) for event in events), events


def test_a_bid_leaves_its_account_no_worse(told: Mapping[str, Any]) -> None:
    runs = [run for run in told["auctions"] if run["bids"]]
    assert runs
    for run in runs:
        assert run["equity"] < run["maintenance"]
        for bid in run["bids"]:
            assert 0 < bid["fraction"] <= 1
            assert 0 <= bid["value"] - bid["paid"] <= bid["factor"] * run["maintenance"] * 1.5


def test_the_report_is_one_file_that_loads_nothing(report: str) -> None:
    # Namespaces and what metadata says of the kind of a picture are names; nobody fetches them.
    text = re.sub(r"<metadata>.*?</metadata>|<!DOCTYPE[^>]*>", "", report, flags=re.DOTALL)
    text = re.sub(r'xmlns(:\w+)?="[^"]*"', "", text)
    assert not re.findall(r"(?:https?:)?//[a-z]", text)
    assert not re.findall(r"<(?:script|link|iframe|img|object|embed)\b", text)
    assert not re.findall(r"@import|url\((?!#)", text)
    assert text.rstrip().endswith("</html>")


def test_the_report_says_what_the_json_says(report: str, told: Mapping[str, Any]) -> None:
    assert report.count("<svg") == 4
    for name in told["final"]:
        assert name in report
    assert f"{told['ledger']['vault_tokens']:,}" in report


def test_the_same_window_twice_gives_the_same_figures_and_the_same_report(november: Outcome) -> None:
    again = tell_six_hours()
    assert asdict(again) == asdict(november)
    assert render(again) == render(november)


def test_another_window_closes_too(november: Outcome) -> None:
    assert november.ledger.difference == 0
    times = [epoch.time_s for epoch in november.epochs]
    assert times == sorted(set(times))
    assert november.first_s <= times[0] < times[-1] <= november.last_s
    assert [epoch.epoch for epoch in november.epochs] == list(range(1, len(times) + 1))
