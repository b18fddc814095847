"""Every contract fits on the chain and every source on a reader's desk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
ARTIFACTS = sorted((ROOT / "offchain/seawall/chain/artifacts").glob("*.json"))
CONTRACTS = sorted((ROOT / "contracts").rglob("*.sol"))
LIBRARIES = sorted((ROOT / "contracts/libraries").glob("*.sol"))


@pytest.mark.parametrize("path", ARTIFACTS, ids=[path.stem for path in ARTIFACTS])
def test_runtime_code_is_below_24576_bytes(path: Path) -> None:
    code = json.loads(path.read_text())["deployedBytecode"]["object"].removeprefix("0x")
    assert len(code) // 2 < 24_576


@pytest.mark.parametrize("path", CONTRACTS, ids=[path.stem for path in CONTRACTS])
def test_a_source_has_at_most_400_lines_and_a_library_150(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= (150 if path in LIBRARIES else 400)
