"""Loops over positions value a record, and over lanes add them up, by one function each, which assembly must repeat."""

import re
from pathlib import Path

import pytest

_LIBRARIES = Path(__file__).parents[3] / "contracts" / "libraries"
_VALUE = re.compile(r"^( +)function value\(rec, st\) -> v, d \{\n.*?^\1\}$", re.DOTALL | re.MULTILINE)
_LANES = re.compile(r"^( +)function four\(x, end, base\).*?^\1\}$", re.DOTALL | re.MULTILINE)
_FIRST = "PlainWalk"


def value_of(library: str) -> list[str]:
    """Return the lines of a library's function without comments."""
    found = _VALUE.search((_LIBRARIES / f"{library}.sol").read_text(encoding="utf-8"))
    assert found is not None
    return [line.split("//")[0].strip() for line in found[0].splitlines() if line.split("//")[0].strip()]


@pytest.mark.parametrize("library", ["JointWalk", "UnitWalk", "BaselineWalk"])
def test_every_walk_values_a_record_by_the_same_function(library: str) -> None:
    assert value_of(library) == value_of(_FIRST)


def test_no_other_library_has_one_of_its_own() -> None:
    named = {
        path.stem for path in _LIBRARIES.glob("*.sol") if "function value(rec" in path.read_text("utf-8")
    }
    assert named == {_FIRST, "JointWalk", "UnitWalk", "BaselineWalk"}


def test_narrow_lanes_are_added_by_the_same_function() -> None:
    found = [
        _LANES.search((_LIBRARIES / f"{name}.sol").read_text("utf-8"))
        for name in ("NarrowSums", "LaneAddition")
    ]
    first, second = (one[0] for one in found if one is not None)
    assert first == second
