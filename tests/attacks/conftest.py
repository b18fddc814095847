"""What every attack stands on: the module's `deployed` system, taken back after each test, and a rich counterparty."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.attacks.moves import MAKER
from tests.support.system import System


@pytest.fixture
def system(deployed: System) -> Iterator[System]:
    with deployed.isolated() as isolated:
        yield isolated


@pytest.fixture
def maker(system: System) -> bytes:
    return system.open(MAKER, 1_000_000)
