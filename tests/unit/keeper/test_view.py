"""What a keeper reads of the chain."""

from __future__ import annotations

import pytest

from seawall.chain.devchain import EthTesterChain
from seawall.errors import ConsistencyError
from seawall.keeper.view import block_time


def test_a_block_that_a_node_lacks_is_a_reason_not_to_sign() -> None:
    """A leader may name any block, one that nodes have dropped by now among them."""
    chain = EthTesterChain(timestamp=1_700_006_400, accounts=1)
    assert block_time(chain.w3, 0) <= chain.now()
    with pytest.raises(ConsistencyError, match="no block 1000000"):
        block_time(chain.w3, 10**6)
