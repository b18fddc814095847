"""A machine that lacks something is told what and how to get it, never shown a traceback."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

FILES = ("pyproject.toml", "constraints.txt", "package.json", "package-lock.json", "scripts/bootstrap.py")
FILES += ("scripts/solc_shim.js", "LICENSE")


@pytest.fixture
def clone(root: Path, tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, tmp_path / name)
    (tmp_path / "offchain" / "seawall").mkdir(parents=True)
    return tmp_path


def run_bootstrap(clone: Path, profile: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it in an empty home, in which no mirror or extra index is configured."""
    home = clone / "home"
    home.mkdir(exist_ok=True)
    kept = {
        k: v
        for k, v in os.environ.items()
        if not k.upper().startswith(("PIP_", "NPM_", "SEAWALL_", "SOLCX_"))
    }
    env = {**kept, "HOME": str(home), "PIP_CONFIG_FILE": os.devnull, **environment}
    return subprocess.run(
        [sys.executable, "scripts/bootstrap.py", profile],
        cwd=clone,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
    )


def assert_says(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode == 1
    assert "Traceback" not in result.stdout + result.stderr
    problem, fix = result.stderr.strip().splitlines()
    assert problem.startswith("error: ")
    assert fix.startswith("Fix: ")
    for word in words:
        assert word in result.stderr


def test_missing_node_is_named_with_its_fix(clone: Path) -> None:
    (clone / "bin").mkdir()
    result = run_bootstrap(clone, "test", PATH=str(clone / "bin"))
    assert_says(result, "Node is not on PATH", "apt install nodejs npm", "make demo")


def test_old_node_is_named_with_its_fix(clone: Path) -> None:
    (clone / "bin").mkdir()
    for name in ("node", "npm"):
        (clone / "bin" / name).write_text("#!/bin/sh\necho v12.22.9\n")
        (clone / "bin" / name).chmod(0o755)
    result = run_bootstrap(clone, "test", PATH=f"{clone / 'bin'}:/usr/bin:/bin")
    assert_says(result, "Node v12.22.9 is too old", "Node 18")


def test_unsupported_python_is_named_with_its_fix(clone: Path) -> None:
    fake = clone / "python3.10"
    fake.write_text("#!/bin/sh\necho 3 10\n")
    fake.chmod(0o755)
    result = run_bootstrap(clone, "demo", SEAWALL_PYTHON=str(fake))
    assert_says(result, "Python 3.11 or 3.12 is needed; found 3.10", "python3.12", "SEAWALL_PYTHON")


def test_unreachable_package_index_is_named_with_its_fix(clone: Path) -> None:
    result = run_bootstrap(
        clone,
        "demo",
        PIP_INDEX_URL="http://127.0.0.1:9/simple",
        PIP_RETRIES="0",
        SEAWALL_PYTHON=sys.executable,
    )
    assert_says(result, "could not be downloaded", "PIP_INDEX_URL", "network or proxy")


@pytest.mark.parametrize(
    "line",
    [
        "npm error code ECONNREFUSED",
        "npm error code E403",
        "npm error network request failed, reason: getaddrinfo ENOTFOUND",
        "ERROR: Could not find a version that satisfies the requirement (from versions: none) No matching distribution",
        "ReadTimeoutError: HTTPSConnectionPool: Read timed out.",
        "503 Server Error: Service Unavailable",
    ],
)
def test_download_failures_are_told_from_others(bootstrap: ModuleType, line: str) -> None:
    assert bootstrap.NO_NETWORK.search(line)


def test_other_failures_are_not_blamed_on_the_network(bootstrap: ModuleType) -> None:
    assert not bootstrap.NO_NETWORK.search(
        "npm error code EUSAGE\nnpm error `npm ci` can only install packages when"
    )
    assert not bootstrap.NO_NETWORK.search(
        "ERROR: Package 'seawall' requires a different Python: 3.13.0 not in"
    )


@pytest.fixture
def shim(bootstrap: ModuleType, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    node = shutil.which("node")
    if node is None or not (root / "node_modules" / "solc").is_dir():
        pytest.skip(
            "the shim runs solc's npm package on Node, and one of them is missing: `make setup` installs it"
        )
    monkeypatch.setenv("SOLCX_BINARY_PATH", str(tmp_path / "with a space"))
    monkeypatch.setattr(bootstrap, "LOGS", tmp_path / "logs")
    (tmp_path / "with a space").mkdir()
    bootstrap.write_shim(node)
    return bootstrap.solc_binary()


def test_shim_answers_as_py_solc_x_expects(shim: Path, bootstrap: ModuleType) -> None:
    from solcx.wrapper import get_version_str_from_solc_binary

    assert get_version_str_from_solc_binary(shim).startswith(f"{bootstrap.solc_version()}+commit.")
    assert bootstrap.solc_ready()


def test_shim_is_rewritten_when_a_part_is_gone_or_old(shim: Path, bootstrap: ModuleType) -> None:
    (bootstrap.shim_folder() / "solc_shim.js").write_text("// of an earlier version\n")
    assert not bootstrap.solc_ready()
    shutil.rmtree(bootstrap.shim_folder())
    assert not bootstrap.solc_ready()
    bootstrap.write_shim(shutil.which("node"))
    assert bootstrap.solc_ready()


def test_shim_is_rewritten_when_node_has_moved(shim: Path, bootstrap: ModuleType) -> None:
    text = shim.read_text()
    shim.write_text(text.replace(f"node='{shutil.which('node')}'", "node='/nowhere/node'"))
    assert not bootstrap.solc_ready()


def test_native_compiler_is_left_alone(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOLCX_BINARY_PATH", str(tmp_path))
    binary = bootstrap.solc_binary()
    binary.write_bytes(b"\x7fELF" + bytes(1000))
    binary.chmod(0o755)
    assert bootstrap.solc_ready()
