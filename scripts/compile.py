"""Compile the contracts into the JSON artifacts that ship with the Python package.

    python scripts/compile.py               compile what changed
    python scripts/compile.py MarginVault   only these contracts or files
    python scripts/compile.py --check       recompile what ships and fail when an artifact differs or solc warns
    python scripts/compile.py --frozen      fail, instead of compiling, when a shipped artifact is out of date
    python scripts/compile.py --sizes       print code size and source lines of each contract, fail above the limits

Every source file is compiled in a run of its own that holds nothing but the files it imports, so an artifact depends
on those files, the compiler version and `[tool.seawall.solidity]` in pyproject.toml, and on nothing else: not on
paths, not on neighbours. The metadata trailer is left out for the same reason.

Output: `offchain/seawall/chain/artifacts/<Contract>.json`, mocks in `mocks/` and examples in `examples/` below it,
contracts of `tests/harness` in `.build/artifacts/`. Interfaces, abstract contracts and libraries without external
functions have none. Format:

    contractName, sourceName, sourceHash (SHA-256 of the imported files and settings), compiler, settings, abi
    bytecode          {object, linkReferences}                      creation code, 0x-prefixed
    deployedBytecode  {object, linkReferences, immutableReferences} runtime code; immutables: [{start, length}]

linkReferences is {source: {library: [{start, length}]}} in bytes, as solc gives it. To link, overwrite those bytes:

    def link(code: dict, addresses: dict[str, str]) -> bytes:
        text = code["object"].removeprefix("0x")
        for libraries in code["linkReferences"].values():
            for library, places in libraries.items():
                for place in places:
                    start, end = 2 * place["start"], 2 * (place["start"] + place["length"])
                    text = text[:start] + addresses[library].lower().removeprefix("0x") + text[end:]
        return bytes.fromhex(text)
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import posixpath
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = [
    "ROOT",
    "CompileError",
    "Source",
    "Toolchain",
    "artifact_path",
    "compile_source",
    "main",
    "sources",
]

ROOT = Path(__file__).resolve().parent.parent
PACKAGE_ARTIFACTS = "offchain/seawall/chain/artifacts"
HARNESS_ARTIFACTS = ".build/artifacts"
SOURCE_ROOTS = ("contracts", "tests/harness")
ASIDE = (
    "examples",
    "mocks",
)  # folders of contracts/ that are not part of the system; their artifacts stand apart too
FORMAT = 1  # raised when the layout of an artifact changes, so that old ones count as stale

# 2394: use of transient storage. Reviewed once, for the reentrancy guard; solc repeats it at every use.
ACCEPTED_WARNINGS = frozenset({"2394"})

_COMMENT_OR_STRING = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)
_IMPORT = re.compile(r"\bimport\b[^;\"']*[\"']([^\"']+)[\"']")
_DECLARATION = re.compile(r"^\s*(abstract\s+contract|contract|library|interface)\s+(\w+)", re.M)
_EXTERNAL = re.compile(r"\b(external|public)\b")
_VERSION = re.compile(r"Version: (\d+\.\d+\.\d+\+commit\.\w+)")


class CompileError(Exception):
    """A contract that does not compile, or a compiler that cannot be run; the message is for people."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Toolchain:
    """The compiler binary, its version and the settings contracts are compiled with."""

    solc: Path
    version: str
    settings: Mapping[str, Any]
    config: Mapping[str, Any]

    @classmethod
    def load(cls) -> Toolchain:
        """Read pyproject.toml and find the compiler it asks for."""
        config = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["seawall"]["solidity"]
        settings = {
            "viaIR": config["via_ir"],
            "evmVersion": config["evm_version"],
            "optimizer": {"enabled": config["optimizer"], "runs": config["optimizer_runs"]},
            "metadata": {"bytecodeHash": "none", "appendCBOR": False},
            "remappings": config["remappings"],
        }
        solc = find_solc(config["version"])
        return cls(solc=solc, version=solc_version(solc), settings=settings, config=config)

    def settings_for(self, source: str) -> dict[str, Any]:
        """Return the settings of one file: how many runs the optimizer counts on may be its own."""
        runs = self.config.get("optimizer_runs_of", {}).get(source, self.config["optimizer_runs"])
        return {**self.settings, "optimizer": {**self.settings["optimizer"], "runs": runs}}


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One Solidity file with everything it imports."""

    name: str
    files: Mapping[str, str]

    @property
    def expected(self) -> tuple[str, ...]:
        """Return the contracts of this file that have code of their own, judged from its text."""
        text = _COMMENT_OR_STRING.sub(" ", self.files[self.name])
        found = list(_DECLARATION.finditer(text))
        ends = [match.start() for match in found[1:]] + [len(text)]
        return tuple(
            match[2]
            for match, end in zip(found, ends, strict=False)
            if match[1] == "contract" or (match[1] == "library" and _EXTERNAL.search(text[match.end() : end]))
        )

    def digest(self, toolchain: Toolchain) -> str:
        """Return the SHA-256 of everything the bytecode depends on."""
        parts = [FORMAT, toolchain.version, toolchain.settings_for(self.name), sorted(self.files.items())]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def find_solc(version: str) -> Path:
    """Return the compiler's path: `SEAWALL_SOLC` when set, else where py-solc-x keeps it."""
    if override := os.environ.get("SEAWALL_SOLC"):
        return Path(override)
    folder = os.environ.get("SOLCX_BINARY_PATH")
    binary = (Path(folder) if folder else Path.home() / ".solcx") / f"solc-v{version}"
    if not binary.exists():
        raise CompileError(f"solc {version} is not installed. Fix: run `make setup`.")
    return binary


def solc_version(solc: Path) -> str:
    """Return `X.Y.Z+commit.hash`, the same for native and WebAssembly builds."""
    try:
        output = subprocess.run([solc, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise CompileError(
            f"{solc.name} does not run ({error}). Fix: delete it and run `make setup`."
        ) from error
    if not (match := _VERSION.search(output)):
        raise CompileError(f"{solc.name} --version prints no version. Fix: delete it and run `make setup`.")
    return match[1]


def sources(remappings: Iterable[str]) -> Iterator[Source]:
    """Yield every Solidity file of ours, sorted by name."""
    pairs = [tuple(entry.split("=", 1)) for entry in remappings]
    cache: dict[str, tuple[str, tuple[str, ...]]] = {}
    for root in SOURCE_ROOTS:
        for path in sorted((ROOT / root).rglob("*.sol")):
            name = path.relative_to(ROOT).as_posix()
            if "/." in name:
                continue  # Ape leaves copies of its dependencies in contracts/.cache
            yield Source(name=name, files=_closure(name, pairs, cache))


def _closure(
    name: str, pairs: list[tuple[str, ...]], cache: dict[str, tuple[str, tuple[str, ...]]]
) -> dict[str, str]:
    files: dict[str, str] = {}
    todo = [name]
    while todo:
        current = todo.pop()
        if current in files:
            continue
        if current not in cache:
            try:
                text = (ROOT / current).read_text()
            except FileNotFoundError:
                continue  # solc reports the missing import, with its line
            imports = _IMPORT.findall(re.sub(r"//[^\n]*|/\*.*?\*/", " ", text, flags=re.S))
            cache[current] = (text, tuple(_resolve(path, current, pairs) for path in imports))
        files[current], imported = cache[current]
        todo.extend(imported)
    return files


def _resolve(path: str, importer: str, pairs: list[tuple[str, ...]]) -> str:
    if path.startswith("."):
        path = posixpath.normpath(posixpath.join(posixpath.dirname(importer), path))
    for prefix, target in sorted(pairs, key=lambda pair: -len(pair[0])):
        if path.startswith(prefix):
            return target + path[len(prefix) :]
    return path


def artifact_path(source_name: str, contract: str) -> Path:
    """Return where a contract's artifact is kept."""
    if source_name.startswith("tests/"):
        return ROOT / HARNESS_ARTIFACTS / f"{contract}.json"
    parts = source_name.split("/")
    folder = parts[1] if parts[1] in ASIDE else "."
    return ROOT / PACKAGE_ARTIFACTS / folder / f"{contract}.json"


def compile_source(source: Source, toolchain: Toolchain) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Compile one file and return its artifacts by contract name, and the compiler's warnings.

    Raises
    ------
    CompileError
        With the compiler's own words when the file does not compile.
    """
    outputs = ["abi", "evm.methodIdentifiers"]
    outputs += [
        f"evm.{kind}.{part}"
        for kind in ("bytecode", "deployedBytecode")
        for part in ("object", "linkReferences")
    ]
    outputs.append("evm.deployedBytecode.immutableReferences")
    request = {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in sorted(source.files.items())},
        # The empty key asks for a check of the file even where it has no contract to emit.
        "settings": {
            **toolchain.settings_for(source.name),
            "outputSelection": {source.name: {"*": outputs, "": ["ast"]}},
        },
    }
    run = subprocess.run(
        [toolchain.solc, "--standard-json"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    try:
        answer = json.loads(run.stdout)
    except json.JSONDecodeError as error:
        detail = (run.stderr or run.stdout).strip()[:2000]
        raise CompileError(
            f"{source.name}: the compiler stopped (exit {run.returncode}): {detail}"
        ) from error
    messages = answer.get("errors", [])
    if fatal := [entry["formattedMessage"] for entry in messages if entry["severity"] == "error"]:
        raise CompileError("\n".join(fatal))
    warnings = [
        entry["formattedMessage"]
        for entry in messages
        if entry["severity"] == "warning"
        and entry.get("errorCode") not in ACCEPTED_WARNINGS
        and not entry.get("sourceLocation", {}).get("file", "").startswith("node_modules/")
    ]
    digest = source.digest(toolchain)
    artifacts = {
        contract: _artifact(source.name, contract, output, digest, toolchain)
        for contract, output in answer.get("contracts", {}).get(source.name, {}).items()
        if contract in source.expected
    }
    if missing := set(source.expected) - set(artifacts):
        raise CompileError(f"{source.name}: no output for {', '.join(sorted(missing))}")
    return artifacts, warnings


def _artifact(
    source_name: str, contract: str, output: Mapping[str, Any], digest: str, toolchain: Toolchain
) -> dict[str, Any]:
    creation, runtime = output["evm"]["bytecode"], output["evm"]["deployedBytecode"]
    immutables = [place for places in runtime.get("immutableReferences", {}).values() for place in places]
    return {
        "contractName": contract,
        "sourceName": source_name,
        "sourceHash": digest,
        "compiler": toolchain.version,
        "settings": toolchain.settings_for(source_name),
        "abi": output["abi"],
        "bytecode": {"object": "0x" + creation["object"], "linkReferences": creation["linkReferences"]},
        "deployedBytecode": {
            "object": "0x" + runtime["object"],
            "linkReferences": runtime["linkReferences"],
            "immutableReferences": sorted(immutables, key=lambda place: place["start"]),
        },
    }


def read_artifact(path: Path) -> dict[str, Any]:
    """Return an artifact, or an empty one when it is missing or damaged."""
    try:
        loaded = json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return loaded if isinstance(loaded, dict) else {}


def write_artifact(path: Path, artifact: Mapping[str, Any]) -> None:
    """Write an artifact in one step, so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(artifact, indent=1, sort_keys=True) + "\n")
    partial.replace(path)


def is_fresh(source: Source, toolchain: Toolchain) -> bool:
    """Say whether every artifact of a file was made from its present text."""
    digest = source.digest(toolchain)
    if source.expected:
        found = (read_artifact(artifact_path(source.name, contract)) for contract in source.expected)
        return all(a.get("sourceHash") == digest and a.get("sourceName") == source.name for a in found)
    return _stamp(source).exists() and _stamp(source).read_text() == digest


def _stamp(source: Source) -> Path:
    return ROOT / ".build" / "checked" / (source.name.replace("/", "_") + ".stamp")


def remove_orphans(everything: list[Source]) -> list[str]:
    """Delete artifacts whose contract is gone, and name them."""
    kept = {artifact_path(source.name, contract) for source in everything for contract in source.expected}
    present = [*(ROOT / PACKAGE_ARTIFACTS).rglob("*.json"), *(ROOT / HARNESS_ARTIFACTS).glob("*.json")]
    orphans = [path for path in present if path not in kept and "sourceHash" in read_artifact(path)]
    for path in orphans:
        path.unlink()
    return [path.stem for path in orphans]


def _duplicates(everything: list[Source]) -> list[str]:
    owners: dict[Path, str] = {}
    clashes = []
    for source in everything:
        for contract in source.expected:
            path = artifact_path(source.name, contract)
            if path in owners:
                clashes.append(f"{contract} is declared in {owners[path]} and in {source.name}")
            owners[path] = source.name
    return clashes


def print_sizes(everything: list[Source], config: Mapping[str, Any]) -> list[str]:
    """Print a table of sizes and return what exceeds a limit."""
    problems = []
    print(f"{'contract':<28}{'runtime':>9}{'creation':>10}{'lines':>7}")
    for source in everything:
        lines = source.files[source.name].count("\n")
        is_library = source.name.startswith("contracts/libraries/")
        limit = config["max_library_lines"] if is_library else config["max_contract_lines"]
        ours = source.name.startswith("contracts/") and not source.name.startswith("contracts/mocks/")
        if ours and lines > limit:
            problems.append(f"{source.name} has {lines} lines, more than {limit}")
        for contract in source.expected:
            artifact = read_artifact(artifact_path(source.name, contract))
            if not artifact:
                problems.append(f"{contract} has no artifact")
                continue
            runtime, creation = (
                len(artifact[k]["object"]) // 2 - 1 for k in ("deployedBytecode", "bytecode")
            )
            print(f"{contract:<28}{runtime:>9,}{creation:>10,}{lines:>7}")
            if ours and runtime > config["max_runtime_bytes"]:
                limit = config["max_runtime_bytes"]
                problems.append(f"{contract} has {runtime:,} bytes of runtime code, more than {limit:,}")
    return problems


def _wanted(source: Source, names: list[str]) -> bool:
    return not names or source.name in names or bool({*source.expected, Path(source.name).stem} & set(names))


def _compile_all(
    stale: list[Source], toolchain: Toolchain, *, check: bool, quiet: bool
) -> tuple[list[str], list[str]]:
    """Compile files side by side; return the problems and the warnings."""
    problems: list[str] = []
    notes: list[str] = []
    failures: dict[str, list[str]] = {}

    def one(source: Source) -> tuple[Source, dict[str, dict[str, Any]], list[str], str, float]:
        started = time.monotonic()
        try:
            artifacts, warnings = compile_source(source, toolchain)
        except CompileError as error:
            return source, {}, [], str(error), time.monotonic() - started
        return source, artifacts, warnings, "", time.monotonic() - started

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for source, artifacts, warnings, error, seconds in pool.map(one, stale):
            notes += warnings
            if error:
                failures.setdefault(error, []).append(source.name)
                continue
            if not quiet:
                print(f"  {source.name}  {seconds:.1f} s", flush=True)
            for contract, artifact in artifacts.items():
                path = artifact_path(source.name, contract)
                if not check:
                    write_artifact(path, artifact)
                elif read_artifact(path) != artifact:
                    problems.append(
                        f"{contract}: the artifact is not what {source.name} compiles to; run `make compile`"
                    )
            if not artifacts and not warnings:
                _stamp(source).parent.mkdir(parents=True, exist_ok=True)
                _stamp(source).write_text(source.digest(toolchain))
    problems += [f"{', '.join(names)}\n{error}" for error, names in failures.items()]
    return problems, list(dict.fromkeys(notes))


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(description="Compile the contracts.")
    parser.add_argument("names", nargs="*", help="contracts or files; all when none is given")
    parser.add_argument(
        "--check", action="store_true", help="recompile what ships and compare, write nothing"
    )
    parser.add_argument("--frozen", action="store_true", help="fail when a shipped artifact is out of date")
    parser.add_argument("--sizes", action="store_true", help="print sizes and enforce the limits")
    parser.add_argument("--force", action="store_true", help="compile even what has not changed")
    parser.add_argument("--quiet", action="store_true", help="print problems only")
    options = parser.parse_args(argv)
    try:
        toolchain = Toolchain.load()
    except CompileError as error:
        print(error, file=sys.stderr)
        return 1
    everything = list(sources(toolchain.config["remappings"]))
    if unknown := [n for n in options.names if not any(_wanted(source, [n]) for source in everything)]:
        print(f"no such contract or file: {', '.join(unknown)}", file=sys.stderr)
        return 2
    problems = _duplicates(everything)
    wanted = [
        s
        for s in everything
        if _wanted(s, options.names) and not (options.check and s.name.startswith("tests/"))
    ]
    covered = {
        name for s in wanted if s.expected for name in s.files
    }  # compiled with the contracts that import them
    units = [s for s in wanted if s.expected or s.name not in covered]
    stale = [s for s in units if options.check or options.force or not is_fresh(s, toolchain)]
    stale.sort(
        key=lambda s: -sum(map(len, s.files.values()))
    )  # the long ones first keeps every core busy to the end
    if options.frozen:
        outdated = [source for source in stale if source.expected and source.name.startswith("contracts/")]
        problems += [f"{source.name}: its artifact is out of date; run `make compile`" for source in outdated]
        stale = [source for source in stale if source not in outdated]
    started = time.monotonic()
    compile_problems, warnings = _compile_all(stale, toolchain, check=options.check, quiet=options.quiet)
    problems += compile_problems
    if warnings:
        print("\n".join(warnings), file=sys.stderr)
        if options.check:
            problems.append(f"{len(warnings)} compiler warnings")
    if not options.check and not options.names and (gone := remove_orphans(everything)):
        print(f"removed artifacts without a contract: {', '.join(gone)}")
    if not options.quiet:
        print(f"{len(stale)} of {len(units)} files compiled in {time.monotonic() - started:.1f} s")
    if options.sizes:
        problems += print_sizes(wanted, toolchain.config)
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
