"""Hedges selected anew beside a keeper's epochs: when, in a process that nothing waits for, and what if it fails."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from structlog.testing import capture_logs

from seawall.config import Config, KeeperConfig
from seawall.errors import DataError
from seawall.keeper.hedges import HedgeFile, HedgeUse, SelectedHedges
from seawall.keeper.reselecting import Reselection, remembering

HOUR_S = 3600
NOW = 1_700_006_400
Logs = list[MutableMapping[str, Any]]


def use(*, age_h: float = 1.0, uncovered: int = 0) -> HedgeUse:
    return HedgeUse(
        as_of=NOW - round(age_h * HOUR_S), hedges=(), dropped=0, uncovered=uncovered, instruments=40
    )


def config_of(tmp_path: Path, **changes: float) -> Config:
    return Config(keeper=KeeperConfig(hedges=tmp_path / "hedges.json", **changes))  # type: ignore[arg-type]


# What the process does. It finds functions by name, and has no `tests` to find them in.
FUNCTIONS = """
import os, time
from seawall.errors import DataError
from seawall.keeper.hedges import HedgeFile, SelectedHedges

def write_one(config):
    hedges = (((0, 0, 1, 1), (0, 1, 1, -1)),)
    found = SelectedHedges(chain_id=1, oracle="0xab", as_of=1_700_006_409, hedges=hedges)
    HedgeFile(config.keeper.hedges, chain_id=1, oracle="0xab").write(found)
    return {"hedges": 1}

def refuse(config):
    raise DataError("the bars are too old")

def die(config):
    os._exit(3)

def hang(config):
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    folder = tmp_path_factory.mktemp("functions")
    (folder / "selecting_functions.py").write_text(FUNCTIONS)
    sys.path.insert(0, str(folder))
    yield importlib.import_module("selecting_functions")
    sys.path.remove(str(folder))


def selection(as_of: int) -> SelectedHedges:
    return SelectedHedges(chain_id=1, oracle="0xab", as_of=as_of, hedges=(((0, 0, 1, 1), (0, 1, 1, -1)),))


class Hand:
    """A clock that is moved by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def watched(tmp_path: Path, hand: Hand, functions: ModuleType) -> Iterator[Callable[..., Reselection]]:
    made: list[Reselection] = []

    def make(select: str = "hang", **changes: float) -> Reselection:
        chosen = getattr(functions, select)
        made.append(Reselection(config=config_of(tmp_path, **changes), select=chosen, clock=hand))
        return made[-1]

    yield make
    for one in made:
        one.close()


def tend_until_done(watch: Reselection) -> Logs:
    with capture_logs() as logs:
        deadline = time.monotonic() + 60
        while watch.running and time.monotonic() < deadline:
            before = time.monotonic()
            watch.tend(use(), as_of=NOW)
            assert time.monotonic() - before < 10  # no epoch waits for it
            time.sleep(0.02)
    assert not watch.running
    return logs


def test_an_old_selection_is_done_anew_beside_the_epochs_and_swapped_in_one_step(
    watched: Callable[..., Reselection], tmp_path: Path
) -> None:
    file = HedgeFile(tmp_path / "hedges.json", chain_id=1, oracle="0xAB")
    file.write(selection(NOW))
    watch = watched("write_one")
    watch.tend(use(age_h=23.9), as_of=NOW)
    assert not watch.running
    watch.tend(use(age_h=24.0), as_of=NOW)
    assert watch.running
    (said,) = tend_until_done(watch)
    assert (said["event"], said["hedges"]) == ("hedges selected", 1)
    found = file.read()
    assert found is not None
    assert found.as_of == NOW + 9
    assert [path.name for path in tmp_path.iterdir()] == ["hedges.json"]


@pytest.mark.parametrize(
    ("select", "reason"), [("refuse", "the bars are too old"), ("die", "the process died")]
)
def test_a_selection_that_fails_leaves_the_file_and_is_tried_again_later(
    watched: Callable[..., Reselection],
    hand: Hand,
    tmp_path: Path,
    select: str,
    reason: str,
) -> None:
    path = tmp_path / "hedges.json"
    path.write_text("as it was")
    watch = watched(select)
    watch.tend(None, as_of=NOW)
    (said,) = tend_until_done(watch)
    assert (said["log_level"], said["reason"]) == ("warning", reason)
    assert "seawall keeper hedges" in said["fix"]
    assert path.read_text() == "as it was"
    hand.now = HOUR_S - 1
    watch.tend(None, as_of=NOW)
    assert not watch.running
    hand.now = HOUR_S
    watch.tend(None, as_of=NOW)
    assert watch.running


def test_a_selection_that_takes_too_long_is_ended(watched: Callable[..., Reselection], hand: Hand) -> None:
    watch = watched(hedges_timeout_s=100.0)
    watch.tend(None, as_of=NOW)
    hand.now = 100.0
    watch.tend(None, as_of=NOW)
    assert watch.running
    hand.now = 101.0
    (said,) = tend_until_done(watch)
    assert "hedges_timeout_s, 100 s" in said["reason"]


def test_never_means_never(watched: Callable[..., Reselection], hand: Hand) -> None:
    watch = watched(hedges_every_h=0.0)
    hand.now = 1e9
    for given in (None, use(age_h=1e5), use(uncovered=40)):
        watch.tend(given, as_of=NOW)
    assert not watch.running


def test_what_is_listed_since_the_selection_is_a_reason_and_what_it_left_out_is_none(
    watched: Callable[..., Reselection],
) -> None:
    watch = watched()
    for _ in range(2):
        watch.tend(use(uncovered=3), as_of=NOW)
    assert not watch.running
    watch.tend(use(uncovered=13), as_of=NOW)
    assert watch.running


def test_instruments_without_a_hedge_are_said_once_for_every_number_of_them(
    watched: Callable[..., Reselection],
) -> None:
    watch = watched(hedges_every_h=0.0)
    with capture_logs() as logs:
        for uncovered in (0, 3, 3, 13, 13):
            watch.look(use(uncovered=uncovered))
        watch.look(None)
    assert [(e["uncovered"], e["instruments"]) for e in logs] == [(3, 40), (13, 40)]
    assert all(e["fix"] == "run `seawall keeper hedges`" for e in logs)
    with capture_logs() as logs:
        watched().look(use(uncovered=3))
    assert "every 24 h" in logs[0]["fix"]


def test_the_last_good_selection_stays_while_the_file_is_gone_or_broken(tmp_path: Path) -> None:
    file = HedgeFile(tmp_path / "hedges.json", chain_id=1, oracle="0xab")
    read = remembering(file.read, None)
    assert read() is None
    (tmp_path / "hedges.json").write_text("{")
    with pytest.raises(DataError, match="holds no hedges"):
        read()
    file.write(selection(NOW))
    assert read() == selection(NOW)
    (tmp_path / "hedges.json").write_text("{")
    with capture_logs() as logs:
        assert read() == selection(NOW)
        (tmp_path / "hedges.json").unlink()
        assert read() == selection(NOW)
    assert ["stay" in entry["event"] for entry in logs] == [True, True]
    file.write(selection(NOW + 5))
    assert read() == selection(NOW + 5)
