"""The bytecode in the package is what the compiler makes of the sources; `make check` recompiles all of it."""

from __future__ import annotations

from types import ModuleType

import pytest

SMALL = ("RatioAggregator", "ChainlinkPriceFeed")
LINKED = "MarginVault"  # its libraries are external


def test_recompiled_sources_give_the_shipped_artifacts(
    compiler: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    path = compiler.artifact_path(f"contracts/{LINKED}.sol", LINKED)
    assert compiler.read_artifact(path)["bytecode"]["linkReferences"]
    assert compiler.main(["--check", *SMALL, LINKED]) == 0, capsys.readouterr().err
