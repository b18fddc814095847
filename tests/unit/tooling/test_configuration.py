"""Settings that are written down twice agree, and locks say versions and nothing else."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml


@pytest.fixture(scope="module")
def pyproject(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def ape_config(root: Path) -> dict[str, Any]:
    return yaml.safe_load((root / "ape-config.yaml").read_text())


@pytest.fixture(scope="module")
def pins(root: Path) -> dict[str, str]:
    lines = (root / "constraints.txt").read_text().split()
    return {name.lower().replace("_", "-"): version for name, version in (line.split("==") for line in lines)}


def requirement_name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9_.-]+", requirement)
    assert match is not None
    return match[0].lower().replace("_", "-")


def test_ape_compiles_with_the_settings_of_the_shipped_bytecode(
    pyproject: dict[str, Any], ape_config: dict[str, Any]
) -> None:
    shipped, ape = pyproject["tool"]["seawall"]["solidity"], ape_config["solidity"]
    assert ape["version"] == shipped["version"]
    assert ape["evm_version"] == shipped["evm_version"]
    assert ape["via_ir"] is shipped["via_ir"] is True
    assert ape["optimize"] is shipped["optimizer"] is True
    assert ape["optimization_runs"] == shipped["optimizer_runs"]
    assert ape_config["foundry"]["evm_version"] == shipped["evm_version"]


def test_npm_has_the_compiler_that_the_project_names(root: Path, pyproject: dict[str, Any]) -> None:
    packages = json.loads((root / "package.json").read_text())["devDependencies"]
    assert packages["solc"] == pyproject["tool"]["seawall"]["solidity"]["version"]


def test_ape_plugins_are_the_locked_ones(ape_config: dict[str, Any], pins: dict[str, str]) -> None:
    assert {f"ape-{p['name']}": p["version"] for p in ape_config["plugins"]}.items() <= pins.items()


def test_every_requirement_is_locked(pyproject: dict[str, Any], pins: dict[str, str]) -> None:
    project = pyproject["project"]
    required = [
        *project["dependencies"],
        *(r for extra in project["optional-dependencies"].values() for r in extra),
    ]
    assert {requirement_name(r) for r in required} <= pins.keys()


def test_the_core_needs_neither_ape_nor_a_compiler(pyproject: dict[str, Any]) -> None:
    core = {requirement_name(r) for r in pyproject["project"]["dependencies"]}
    assert not core & {"eth-ape", "ape-foundry", "ape-solidity", "py-solc-x", "eth-tester", "py-evm"}


def test_python_lock_holds_versions_only(root: Path) -> None:
    for line in (root / "constraints.txt").read_text().splitlines():
        assert re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.+!-]+", line), line


def test_npm_lock_holds_no_addresses_of_registries(root: Path) -> None:
    lock = json.loads((root / "package-lock.json").read_text())
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]


def test_npm_lock_names_every_platform_of_the_local_chain(root: Path) -> None:
    lock = json.loads((root / "package-lock.json").read_text())["packages"]
    for tool in ("anvil", "cast", "forge"):
        platforms = lock[f"node_modules/@foundry-rs/{tool}"]["optionalDependencies"]
        assert {f"node_modules/{name}" for name in platforms} <= lock.keys()


def test_no_test_uses_the_isolation_that_swallows_failures(root: Path) -> None:
    banned = re.compile(r"\." + r"isolate\(")  # an assertion that fails inside Ape's passes
    trees = (root / name for name in ("tests", "offchain", "scripts"))
    files = [path for tree in trees for path in tree.rglob("*.py")]
    assert any(path.parent.name == "ape" for path in files)
    assert not [path.name for path in files if banned.search(path.read_text(encoding="utf-8"))]


def test_continuous_integration_runs_the_command_of_the_readme(root: Path) -> None:
    script = root / ".ci" / "run"
    text = script.read_text()
    assert script.stat().st_mode & 0o111
    assert "set -euo pipefail" in text
    assert "make test" in text
