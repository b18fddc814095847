"""The catalogue of mutants fits the code: it covers every invariant and names what exists. `make mutants` runs it."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from tests.mutants.run import ROOT, CatalogueError, Mutant, load_catalogue, load_catalogues

ENTRY = """
- invariant: INV_01
  file: Makefile
  old: {old}
  new: {new}
  why: something
  tests: {tests}
"""


def invariants() -> set[str]:
    text = (ROOT / "docs" / "invariants.md").read_text(encoding="utf-8")
    return set(re.findall(r"\*\*(INV_\d\d)\*\*", text))


def names_in(path: Path) -> set[str]:
    """Return every test of a file as it stands behind the first `::` of an identifier."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {
                f"{node.name}::{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)
            }
    return found


@pytest.fixture(scope="module")
def mutants() -> list[Mutant]:
    return load_catalogues()  # raises unless each `old` stands once in its file


def test_every_invariant_has_a_mutant_whose_test_carries_its_name(mutants: list[Mutant]) -> None:
    proven = {m.invariant for m in mutants if any(m.invariant in test for test in m.tests)}
    assert invariants() - proven == set()
    assert {m.invariant for m in mutants} - invariants() <= {"SPECIFICATION"}


def test_every_named_test_exists(mutants: list[Mutant]) -> None:
    for mutant in mutants:
        for test in mutant.tests:
            path, _, name = test.split(" -k ")[0].partition("::")
            assert (ROOT / path).is_file(), mutant.where
            known = names_in(ROOT / path)
            assert not name or re.sub(r"\[.*", "", name) in known, f"{mutant.where}: no test {name} in {path}"


def test_every_named_contract_contains_what_is_broken(mutants: list[Mutant], compiler: ModuleType) -> None:
    """Another one would be compiled for nothing, and the tests would run the code as it is."""
    solidity = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["seawall"][
        "solidity"
    ]
    compiled = {name: s for s in compiler.sources(solidity["remappings"]) for name in s.expected}
    for mutant in mutants:
        for contract in mutant.contracts:
            assert contract in compiled, f"{mutant.where}: no contract {contract}"
            assert mutant.file in compiled[contract].files, f"{mutant.where}: {contract} lacks the file"


@pytest.mark.parametrize(
    ("old", "new", "tests", "message"),
    [
        ("no such text", "x", "[a]", "stands 0 times"),
        ("setup", "x", "[a]", "not once"),
        (".DEFAULT_GOAL", ".DEFAULT_GOAL", "[a]", "the same"),
        (".DEFAULT_GOAL", "x", "[]", "tests"),
        (".DEFAULT_GOAL", "[x]", "[a]", "new"),
    ],
)
def test_an_entry_that_proves_nothing_is_refused_by_name(
    tmp_path: Path, old: str, new: str, tests: str, message: str
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(ENTRY.format(old=old, new=new, tests=tests), encoding="utf-8")
    with pytest.raises(CatalogueError, match=rf"(?s)^bad\.yaml, entry 1.*{message}"):
        load_catalogues([path])


def test_a_catalogue_that_is_no_list_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("invariant: INV_01\n", encoding="utf-8")
    with pytest.raises(CatalogueError, match=r"bad\.yaml"):
        load_catalogue(path)
