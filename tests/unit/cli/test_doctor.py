"""The doctor finds what is missing and says how to get it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seawall import cli, doctor


@pytest.mark.parametrize(
    ("version", "ok"), [((3, 10, 2), False), ((3, 11, 7), True), ((3, 12, 0), True), ((3, 13, 0), False)]
)
def test_only_supported_pythons_pass(version: tuple[int, ...], ok: bool) -> None:
    check = doctor.check_python(version)
    assert check.ok is ok
    assert check.required
    assert "3.11 or 3.12" in check.fix


def test_a_missing_node_hurts_only_who_needs_it() -> None:
    node = next(iter(doctor.check_node(which=lambda name: None)))
    assert not node.ok
    assert not node.required
    assert "install Node 18" in node.fix


def test_a_node_that_is_too_old_is_missing(tmp_path: Path) -> None:
    old = tmp_path / "node"
    old.write_text("#!/bin/sh\necho v16.1.0\n")
    old.chmod(0o755)
    node = next(iter(doctor.check_node(which=lambda name: str(old))))
    assert (node.ok, node.detail) == (False, "v16.1.0")


def test_a_compiler_that_cannot_be_downloaded_comes_from_npm(tmp_path: Path) -> None:
    absent = tmp_path / "solc"
    blocked = doctor.check_solc(absent, reachable=lambda: False)
    assert not blocked.ok
    assert "cannot be reached" in blocked.detail
    assert "npm" in blocked.fix
    assert doctor.check_solc(absent, reachable=lambda: True).fix == "make setup"


@pytest.mark.parametrize(
    ("says", "ok"), [("Version: 0.8.37+commit.1", True), ("Version: 0.8.30+commit.1", False), ("", False)]
)
def test_a_compiler_of_another_version_is_none(tmp_path: Path, says: str, ok: bool) -> None:
    binary = tmp_path / "solc"
    binary.write_text(f"#!/bin/sh\necho '{says}'\n")
    binary.chmod(0o755)
    assert doctor.check_solc(binary, version="0.8.37").ok is ok


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "CORE_PACKAGES", ("click", "no-such-package"))
    core = next(iter(doctor.check_packages()))
    assert (core.ok, core.detail) == (False, "missing no-such-package")
    assert core.required


def test_missing_artifacts_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seawall.chain.artifacts.artifact_names", lambda: ())
    check = next(iter(doctor.check_artifacts()))
    assert not check.ok
    assert "MarginVault" in check.detail


def test_a_bad_configuration_is_a_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "seawall.yaml"
    path.write_text("chain: {chain_idd: 1}")
    (check,) = doctor.check_rpc(path)
    assert (check.name, check.ok, check.fix) == ("config", False, "did you mean chain.chain_id?")


def test_an_endpoint_that_is_down_is_a_line_of_its_own() -> None:
    (check,) = doctor.check_rpc(None, rpc="http://127.0.0.1:1")
    assert (check.name, check.ok) == ("rpc", False)
    assert "start the node" in check.fix


def test_the_command_prints_json_and_fails_when_something_required_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = doctor.check_python((3, 9, 0))
    monkeypatch.setattr(doctor, "run_checks", lambda config_path, rpc: [wrong])
    assert cli.main(["doctor", "--json"]) == 2
    (shown,) = json.loads(capsys.readouterr().out)
    assert (shown["name"], shown["ok"]) == ("python", False)
    monkeypatch.setattr(doctor, "run_checks", lambda config_path, rpc: [doctor.check_python((3, 11, 0))])
    assert cli.main(["doctor"]) == 0
