"""Break the code on purpose and see that the test of each invariant notices; `make mutants`.

A catalogue, `tests/mutants/*.yaml`, is a list of entries:

    - invariant: INV_07
      file: contracts/MarginEngine.sol             what is broken; Solidity or Python
      old: margin.initial = DUST                   text that stands exactly once in the file
      new: margin.initial = 0; // DUST             what takes its place
      why: the initial requirement starts from nothing
      tests:                                       pytest identifiers, or a file with `-k words`
        - tests/differential/test_engine_safety.py::test_INV_07_maintenance_never_exceeds_initial
      contracts: [MarginEngine]                    optional: compile only these, if the tests run no others that change

Every mutant lives in a copy of the tree of its own, so nothing here is ever touched. It counts as killed only if a
named test *fails*: code that does not compile, a fixture that breaks or a test that hangs proves nothing.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

__all__ = ["CATALOGUES", "ROOT", "CatalogueError", "Mutant", "load_catalogue", "load_catalogues", "main"]

ROOT = Path(__file__).resolve().parents[2]
CATALOGUES = ROOT / "tests" / "mutants"
TIMEOUT_S = 3_600
_RUNNING: set[subprocess.Popen[str]] = set()
# How often the optimizer counts on code to run, where that is more than by default.
_RUNS_OF = re.compile(r'^("contracts/.+\.sol" = )[\d_]+$', re.M)
_FAILED = re.compile(r"^FAILED (.+?)(?: - .*)?$", re.M)


class CatalogueError(Exception):
    """An entry that cannot be used; the message names it."""


class _UnusableError(Exception):
    """A run that proves nothing: no compilation, no passing tests beforehand, an error instead of a failure."""


class Mutant(BaseModel):
    """One way to break the code, and the tests that must notice."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    invariant: str
    file: str
    old: str
    new: str
    why: str
    tests: list[str] = Field(min_length=1)
    contracts: list[str] = []
    where: str = ""

    def applied_to(self, text: str) -> str:
        """Return the file's text with the replacement made; the old text must stand there exactly once."""
        if (times := text.count(self.old)) != 1:
            raise CatalogueError(f"{self.where}: `old` stands {times} times in {self.file}, not once")
        if self.old == self.new:
            raise CatalogueError(f"{self.where}: `new` is the same as `old`")
        return text.replace(self.old, self.new)


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What became of a mutant: `killed`, `SURVIVED`, or `unusable` with the reason in `detail`."""

    mutant: Mutant
    outcome: str
    detail: str
    seconds: float


def load_catalogue(path: Path) -> list[Mutant]:
    """Return the entries of one file, or raise a `CatalogueError` that says which is not one."""
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(entries, list):
        raise CatalogueError(f"{path.name}: not a list of entries")
    mutants = []
    for number, entry in enumerate(entries, start=1):
        where = f"{path.name}, entry {number}"
        try:
            mutant = Mutant.model_validate(entry)
            mutants.append(mutant.model_copy(update={"where": f"{where} ({mutant.invariant}: {mutant.why})"}))
        except ValidationError as error:
            raise CatalogueError(f"{where}: {error}") from error
    return mutants


def load_catalogues(paths: Sequence[Path] = ()) -> list[Mutant]:
    """Return the mutants of all catalogues, or of these, by invariant; each is known to apply to its file."""
    catalogues = paths or sorted(CATALOGUES.glob("*.yaml"))
    mutants = [mutant for path in catalogues for mutant in load_catalogue(path)]
    for mutant in mutants:
        if not (ROOT / mutant.file).is_file():
            raise CatalogueError(f"{mutant.where}: there is no file {mutant.file}")
        mutant.applied_to((ROOT / mutant.file).read_text(encoding="utf-8"))
    return sorted(mutants, key=lambda mutant: mutant.invariant)


def _run(tree: Path, arguments: Sequence[str]) -> tuple[int, str]:
    """Run this Python on a copy, from which it takes everything; return the exit code and all output."""
    environment = os.environ | {
        "PYTHONPATH": str(tree / "offchain"),
        "PYTHONDONTWRITEBYTECODE": "1",  # a mutant may have the size and the second of the original
        "SEAWALL_HYPOTHESIS_PROFILE": "mutants",
        "OPENBLAS_NUM_THREADS": "1",
    }
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=tree,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    _RUNNING.add(process)
    try:
        output, _ = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        _end(process)
        raise _UnusableError(f"no end after {TIMEOUT_S:,} s") from None
    finally:
        _RUNNING.discard(process)
    return process.returncode, output


def _end(process: subprocess.Popen[str]) -> None:
    """Kill a process and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _copy_sources(target: Path) -> None:
    """Copy what git tracks or would track, and what was compiled; link what npm installed."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
    for name in filter(None, listed.stdout.split("\0")):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # deleted, and git was not told
            shutil.copy2(ROOT / name, target / name)
    shutil.copytree(ROOT / ".build", target / ".build", dirs_exist_ok=True)
    (target / "node_modules").symlink_to(ROOT / "node_modules")


def _compile(tree: Path, contracts: Sequence[str] = ()) -> None:
    code, output = _run(tree, ["scripts/compile.py", "--quiet", *contracts])
    if code != 0:
        raise _UnusableError(f"does not compile: {_last_lines(output)}")


def _make_room(tree: Path) -> None:
    """Let no contract be compiled for speed: what is broken may be larger, and must not become too large to deploy."""
    settings = tree / "pyproject.toml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(_RUNS_OF.sub(r"\g<1>200", text), encoding="utf-8")


def _groups(tests: Sequence[str]) -> Iterator[list[str]]:
    """Yield arguments for pytest: the identifiers together, each file with `-k` alone."""
    if plain := [test for test in dict.fromkeys(tests) if " -k " not in test]:
        yield plain
    yield from (shlex.split(test) for test in dict.fromkeys(tests) if " -k " in test)


def _first_failure(tree: Path, tests: Sequence[str]) -> str | None:
    """Return the first named test that fails in a copy, or none if all pass."""
    for group in _groups(tests):
        options = ["-p", "no:ape_test", "-p", "no:cacheprovider", "-x", "-q", "--tb=short"]
        code, output = _run(tree, ["-m", "pytest", *options, *group])
        failed = _FAILED.findall(output)
        if code == 1 and failed and any(failed[0].startswith(name) for name in group):
            return str(failed[0])
        if code != 0:
            raise _UnusableError(f"pytest ended with {code} and no failed test: {_last_lines(output)}")
    return None


def _last_lines(output: str) -> str:
    return " / ".join(line.strip() for line in output.strip().splitlines()[-3:])[:600]


def _prepare(pristine: Path, tests: Sequence[str]) -> None:
    """Make the copy that all mutants start from, and require that every named test passes in it."""
    _copy_sources(pristine)
    _compile(pristine)
    _, where = _run(pristine, ["-c", "import seawall; print(seawall.__file__)"])
    if not Path(where.strip()).is_relative_to(pristine):
        raise _UnusableError(f"the copy imports seawall from {where.strip()}")
    if failed := _first_failure(pristine, tests):
        raise _UnusableError(f"{failed} fails although nothing is broken")


def _judge(pristine: Path, mutant: Mutant) -> Verdict:
    """Break a fresh copy and run the named tests in it."""
    started = time.monotonic()
    tree = Path(tempfile.mkdtemp(prefix="mutant-", dir=pristine.parent))
    try:
        shutil.copytree(pristine, tree, symlinks=True, dirs_exist_ok=True)
        source = tree / mutant.file
        source.write_text(mutant.applied_to(source.read_text(encoding="utf-8")), encoding="utf-8")
        if source.suffix == ".sol":
            _make_room(tree)
            _compile(tree, mutant.contracts)
        failed = _first_failure(tree, mutant.tests)
        outcome, detail = ("killed", failed) if failed else ("SURVIVED", "none")
    except _UnusableError as error:
        outcome, detail = "unusable", str(error)
    finally:
        shutil.rmtree(tree, ignore_errors=True)
    return Verdict(mutant=mutant, outcome=outcome, detail=detail, seconds=time.monotonic() - started)


@contextmanager
def _progress(console: Console, total: int) -> Iterator[Callable[[Verdict], None]]:
    """Show a bar on a terminal and plain lines elsewhere."""

    columns = (TextColumn("[bold]mutants"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task, numbers = bar.add_task("mutants", total=total), count(1)

        def show(verdict: Verdict) -> None:
            bar.advance(task)
            what = (
                f"{next(numbers)}/{total} {verdict.mutant.invariant} {verdict.outcome}: {verdict.mutant.why}"
            )
            if verdict.outcome != "killed" or not console.is_terminal:
                line = f"{what} ({verdict.detail}, {verdict.seconds:.0f} s)"
                console.print(line, markup=False, highlight=False, soft_wrap=True)

        yield show


def _print_table(console: Console, verdicts: Sequence[Verdict]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("invariant", "file", "what was broken", "test that fell", "seconds"):
        table.add_column(column, overflow="fold")
    for verdict in verdicts:
        mutant = verdict.mutant
        fell = verdict.detail.split("::", 1)[-1] if verdict.outcome == "killed" else verdict.outcome.upper()
        table.add_row(mutant.invariant, mutant.file, mutant.why, fell, f"{verdict.seconds:.0f}")
    console.print(table, markup=False, highlight=False)


def _judge_all(mutants: Sequence[Mutant], jobs: int, console: Console) -> list[Verdict]:
    """Judge every mutant, in the order given."""
    tests = [test for mutant in mutants for test in mutant.tests]
    with tempfile.TemporaryDirectory(prefix="seawall-mutants-") as folder:
        pristine = Path(folder).resolve() / "pristine"
        console.print("every named test first, with nothing broken", highlight=False)
        _prepare(pristine, tests)
        with _progress(console, len(mutants)) as show, ThreadPoolExecutor(jobs) as pool:
            pending = [pool.submit(_judge, pristine, mutant) for mutant in mutants]
            try:
                for future in as_completed(pending):
                    show(future.result())
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for process in list(_RUNNING):
                    _end(process)
                raise
        return [future.result() for future in pending]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 1 if any mutant was not killed."""
    parser = argparse.ArgumentParser(description="Check that each invariant's test fails on broken code.")
    parser.add_argument("catalogues", nargs="*", type=Path, help="all when none is given")
    parser.add_argument("--only", action="append", metavar="INV_07", help="only mutants of this invariant")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="mutants at once")
    options = parser.parse_args(argv)
    console = Console(width=None if sys.stdout.isatty() else 200)
    try:
        everything = load_catalogues(options.catalogues)
        mutants = [m for m in everything if not options.only or m.invariant in options.only]
        if not mutants:
            raise CatalogueError("no mutant matches")
        verdicts = _judge_all(mutants, options.jobs, console)
    except (CatalogueError, _UnusableError) as error:
        sys.exit(f"error: {error}")
    _print_table(console, verdicts)
    killed = sum(verdict.outcome == "killed" for verdict in verdicts)
    print(f"{killed} of {len(verdicts)} mutants killed")
    return 0 if killed == len(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
