"""One deployment a session; every test runs between a snapshot and a restore."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from ape.api import AccountAPI
from ape.managers.chain import ChainManager
from tests.ape.world import GRACE_S, World


@pytest.fixture(scope="session")
def deployed(chain: ChainManager, accounts: Sequence[AccountAPI]) -> World:
    """Return the system with prices pushed and a manifest in force longer than the grace period."""
    world = World(chain, accounts)
    world.push(anchor=True)
    world.publish()
    chain.mine(timestamp=world.now + GRACE_S)
    world.push(anchor=True)
    world.publish()
    world.advance(320)
    return world


@pytest.fixture
def world(deployed: World) -> Iterator[World]:
    with deployed.isolated():
        yield deployed


@pytest.fixture(scope="session")
def trader(accounts: Sequence[AccountAPI]) -> AccountAPI:
    return accounts[10]


@pytest.fixture(scope="session")
def maker(accounts: Sequence[AccountAPI]) -> AccountAPI:
    return accounts[11]


@pytest.fixture(scope="session")
def bidder(accounts: Sequence[AccountAPI]) -> AccountAPI:
    return accounts[12]


@pytest.fixture(scope="session")
def attacker(accounts: Sequence[AccountAPI]) -> AccountAPI:
    return accounts[13]
