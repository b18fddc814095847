"""Every error that publishing, pricing and listing can raise is reached by a test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = (
    "interfaces/IMarginOracle.sol",
    "interfaces/IInstrumentRegistry.sol",
    "interfaces/IQuorumPriceFeed.sol",
    "interfaces/IAnchoredPriceFeed.sol",
    "interfaces/IChainlinkPriceFeed.sol",
    "libraries/Quorum.sol",
    "feeds/RatioAggregator.sol",
)
SUITES = ("test_oracle_*.py", "test_feeds_*.py", "test_registry_*.py", "test_expiry_*.py")


@pytest.mark.parametrize("source", SOURCES)
def test_every_error_is_reached_by_a_test(source: str) -> None:
    declared = re.findall(r"^    error (\w+)\(", (ROOT / "contracts" / source).read_text(), re.M)
    suites = (path.read_text() for pattern in SUITES for path in (ROOT / "tests/differential").glob(pattern))
    named = set(re.findall(r"\w+", " ".join(suites)))
    assert declared
    assert not set(declared) - named
