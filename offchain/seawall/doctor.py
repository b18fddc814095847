"""Checks what Seawall needs on this machine and says how to get what is missing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from seawall.errors import SeawallError

__all__ = ["Check", "run_checks"]

SUPPORTED_PYTHON = ((3, 11), (3, 12))
OLDEST_NODE = 18
PROBE_S = 4.0
CORE_PACKAGES = (
    "click",
    "eth-account",
    "numpy",
    "pydantic-settings",
    "PyYAML",
    "rich",
    "scipy",
    "structlog",
    "web3",
)
DEMO_PACKAGES = ("eth-tester", "py-evm", "pandas", "matplotlib", "jinja2")
DEV_PACKAGES = (
    "eth-ape",
    "ape-solidity",
    "ape-foundry",
    "hypothesis",
    "pyrevm",
    "py-solc-x",
    "pytest",
    "mypy",
    "ruff",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One thing that was looked at; `needed_for` says who misses it when it is not there."""

    name: str
    ok: bool
    detail: str
    fix: str = ""
    needed_for: str = "everything"

    @property
    def required(self) -> bool:
        """Say whether nothing works without it."""
        return self.needed_for == "everything"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self), "required": self.required}


def run_checks(config_path: Path | None = None, *, rpc: str | None = None) -> list[Check]:
    """Look at everything, in the order in which it is needed; nothing is raised."""
    checks = [
        check_python(),
        *check_packages(),
        *check_node(),
        check_solc(),
        check_anvil(),
        *check_artifacts(),
    ]
    return checks + check_rpc(config_path, rpc=rpc)


def check_python(version: tuple[int, ...] = tuple(sys.version_info[:3])) -> Check:
    """Compare the interpreter with the versions Seawall supports."""
    names = " or ".join(f"{major}.{minor}" for major, minor in SUPPORTED_PYTHON)
    shown = ".".join(str(part) for part in version)
    fix = f"install Python {names} and run `make setup`"
    return Check(name="python", ok=version[:2] in SUPPORTED_PYTHON, detail=shown, fix=fix)


def check_packages() -> Iterator[Check]:
    """Look for the packages of each extra."""
    groups = (
        ("packages", CORE_PACKAGES, "everything", "pip install -c constraints.txt -e ."),
        ("demo packages", DEMO_PACKAGES, "seawall demo", "pip install -c constraints.txt -e '.[demo]'"),
        ("dev packages", DEV_PACKAGES, "tests and deployment scripts", "make setup"),
    )
    for name, packages, needed_for, fix in groups:
        missing = [package for package in packages if not _installed(package)]
        detail = f"missing {', '.join(missing)}" if missing else f"{len(packages)} installed"
        yield Check(name=name, ok=not missing, detail=detail, fix=fix, needed_for=needed_for)


def _installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def check_node(which: Callable[[str], str | None] = shutil.which) -> Iterator[Check]:
    """Look for Node, which the WebAssembly compiler and the npm packages need."""
    needed_for = "compiling contracts, anvil"
    fix = f"install Node {OLDEST_NODE} or later; the demo and keepers do without it"
    binary = which("node")
    text = _output([binary, "--version"]) if binary else None
    match = re.match(r"v(\d+)\.", text or "")
    ok = bool(match) and int(match[1]) >= OLDEST_NODE if match else False
    yield Check(name="node", ok=ok, detail=(text or "not found").strip(), fix=fix, needed_for=needed_for)
    root = _source_tree()
    if root is not None:
        there = (root / "node_modules" / "@openzeppelin" / "contracts").is_dir()
        detail = "installed" if there else "node_modules has no @openzeppelin/contracts"
        yield Check(
            name="npm packages",
            ok=there,
            detail=detail,
            fix="npm ci (or `make setup`)",
            needed_for=needed_for,
        )


def check_solc(
    binary: Path | None = None, *, reachable: Callable[[], bool] | None = None, version: str | None = None
) -> Check:
    """Look for the compiler; when it is missing, find out whether it could be downloaded."""
    version = version or _solc_version()
    folder = os.environ.get("SOLCX_BINARY_PATH")
    override = os.environ.get("SEAWALL_SOLC")
    default = (
        Path(override)
        if override
        else (Path(folder) if folder else Path.home() / ".solcx") / f"solc-v{version}"
    )
    binary = binary or default
    needed_for = "compiling contracts"
    if binary.exists():
        text = _output([str(binary), "--version"])
        found = re.search(r"Version: (\S+)", text or "")
        detail = found[1] if found else "does not run"
        fix = f"delete {binary.name} and run `make setup`"
        ok = bool(found) and version in detail
        return Check(name="solc", ok=ok, detail=detail, fix=fix, needed_for=needed_for)
    if (reachable or _download_host_answers)():
        return Check(name="solc", ok=False, detail="not installed", fix="make setup", needed_for=needed_for)
    return Check(
        name="solc",
        ok=False,
        detail="not installed, and the host of native compilers cannot be reached",
        fix="make setup, which takes the compiler from npm instead; before it `ape compile` ends in ConnectionError",
        needed_for=needed_for,
    )


def _solc_version() -> str:
    root = _source_tree()
    if root is not None:
        settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
        return str(settings["tool"]["seawall"]["solidity"]["version"])
    return "0.8.37"


def _download_host_answers() -> bool:
    try:
        import requests
        from solcx import install
    except ImportError:
        return False
    try:
        url = install.BINARY_DOWNLOAD_BASE.format(install._get_os_name(), "list.json")
        return bool(requests.head(url, timeout=PROBE_S).ok)
    except (requests.RequestException, OSError, AttributeError):
        return False


def check_anvil() -> Check:
    """Look for anvil, an alternative to the chain in process."""
    needed_for = "seawall demo --chain anvil, tests/ape"
    fix = "npm ci, or put anvil on PATH; --chain eth-tester needs nothing"
    try:
        from seawall.chain.anvil import find_anvil

        binary = find_anvil()
    except ImportError as error:
        return Check(
            name="anvil", ok=False, detail=f"{error.name} is missing", fix="make setup", needed_for=needed_for
        )
    text = _output([str(binary), "--version"]) if binary else None
    detail = text.splitlines()[0].removeprefix("anvil Version: ") if text else "not found"
    return Check(name="anvil", ok=text is not None, detail=detail, fix=fix, needed_for=needed_for)


def check_artifacts(root: Path | None = None) -> Iterator[Check]:
    """Look for the compiled contracts and, in a source tree, compare them with their sources."""
    from seawall.chain.artifacts import artifact_names, load_artifact
    from seawall.chain.deploy import REQUIRED_CONTRACTS

    missing = sorted(set(REQUIRED_CONTRACTS) - set(artifact_names()))
    detail = f"missing {', '.join(missing)}" if missing else f"{len(artifact_names())} contracts"
    yield Check(name="artifacts", ok=not missing, detail=detail, fix="make compile, or reinstall the package")
    root = root or _source_tree()
    script = root / "scripts" / "compile.py" if root else None
    if script is None or not script.exists() or missing:
        return
    try:
        compiler = _module(script)
        toolchain = compiler.Toolchain.load()
        stale = []
        for source in compiler.sources(toolchain.config["remappings"]):
            if source.name.startswith("contracts/"):
                digest = source.digest(toolchain)
                stale += [name for name in source.expected if load_artifact(name).source_hash != digest]
    except Exception as error:  # a broken compiler has a line of its own
        detail = f"cannot compare ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
        yield Check(
            name="artifacts match sources",
            ok=False,
            detail=detail,
            fix="make setup",
            needed_for="development",
        )
        return
    detail = f"changed since they were compiled: {', '.join(stale)}" if stale else "all"
    yield Check(
        name="artifacts match sources",
        ok=not stale,
        detail=detail,
        fix="make compile",
        needed_for="development",
    )


def check_rpc(config_path: Path | None, *, rpc: str | None = None) -> list[Check]:
    """Read the configuration and ask each endpoint for its chain, when there is any."""
    from seawall.chain.rpc import connect, redact_url
    from seawall.config import load_config

    try:
        config = load_config(config_path)
    except SeawallError as error:
        return [_failed("config", error)]
    urls = (rpc,) if rpc else config.chain.rpc_urls
    checks = [Check(name="config", ok=True, detail=str(config_path))] if config_path else []
    for url in urls:
        try:
            w3 = connect(url, chain_id=config.chain.chain_id, timeout_s=config.chain.timeout_s)
            detail = f"{redact_url(url)} serves chain {w3.eth.chain_id}"
            checks.append(Check(name="rpc", ok=True, detail=detail))
        except SeawallError as error:
            checks.append(_failed("rpc", error))
    return checks


def _failed(name: str, error: SeawallError) -> Check:
    detail, _, fix = str(error).partition(". Fix: ")
    return Check(name=name, ok=False, detail=detail, fix=fix)


def _output(command: list[str]) -> str | None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or done.stderr.strip()


def _source_tree() -> Path | None:
    root = Path(__file__).resolve().parents[2]
    return root if (root / "contracts").is_dir() and (root / "pyproject.toml").exists() else None


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("seawall_compile_script", path)
    if spec is None or spec.loader is None:
        raise ImportError(str(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
