"""A chain in process with the whole system on it, deployed once a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from seawall.chain.contracts import System
from seawall.chain.deploy import deploy
from seawall.chain.deployment import Deployment
from seawall.chain.devchain import EthTesterChain
from seawall.chain.plan import AnchorPlan, DeploySettings, UnderlyingPlan

GENESIS = 1_514_764_800  # 2018-01-01, far from any machine's clock


@pytest.fixture(scope="module")
def fresh_chain() -> EthTesterChain:
    return EthTesterChain(timestamp=GENESIS, accounts=10)


@pytest.fixture
def chain(fresh_chain: EthTesterChain) -> Iterator[EthTesterChain]:
    """Lend the module's chain and put it back as it was."""
    mark = fresh_chain.snapshot()
    try:
        yield fresh_chain
    finally:
        fresh_chain.restore(mark)


def plan_for(chain: EthTesterChain, **changes: object) -> DeploySettings:
    """Return a small plan: two underlyings, 2 of 3 keepers, an anchor of its own."""
    values: dict[str, object] = {
        "signers": tuple(account.address for account in chain.accounts[1:4]),
        "quorum": 2,
        "anchor": AnchorPlan(signers=(chain.accounts[5].address,)),
        "underlyings": (
            UnderlyingPlan(symbol="BTC", lot_size_wad=10**16),
            UnderlyingPlan(symbol="ETH", lot_size_wad=10**17),
        ),
    }
    return DeploySettings.model_validate({**values, **changes})


@pytest.fixture(scope="module")
def deployed(fresh_chain: EthTesterChain) -> Deployment:
    return deploy(fresh_chain.sender(0), plan_for(fresh_chain))


@pytest.fixture(scope="module")
def system(fresh_chain: EthTesterChain, deployed: Deployment) -> System:
    return System.connect(fresh_chain.w3, deployed)
