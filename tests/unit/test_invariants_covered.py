"""Every invariant that docs/invariants.md states has a test that carries its identifier."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
DOCUMENT = TESTS.parent / "docs" / "invariants.md"


def names_of_tests() -> set[str]:
    names: set[str] = set()
    for path in TESTS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names.add(node.name)
    return names


def test_every_invariant_has_a_test_that_names_it() -> None:
    stated = set(re.findall(r"\*\*(INV_\d\d)\*\*", DOCUMENT.read_text(encoding="utf-8")))
    named = {match for name in names_of_tests() for match in re.findall(r"INV_\d\d", name)}
    assert stated, "docs/invariants.md states no invariants"
    assert stated <= named, f"no test names {sorted(stated - named)}"
