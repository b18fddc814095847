"""The chain in process: its clock, its accounts, its limits, its words when a call fails."""

from __future__ import annotations

from typing import Any

import pytest

from seawall.chain.anvil import find_anvil
from seawall.chain.contracts import Contract
from seawall.chain.deploy import deploy_contract
from seawall.chain.devchain import EthTesterChain, dev_accounts, open_chain
from seawall.chain.reverts import Reverted
from seawall.chain.sender import MAX_TRANSACTION_GAS
from seawall.errors import ConfigError

GENESIS = 1_514_764_800


@pytest.fixture
def token(chain: EthTesterChain) -> Contract:
    return deploy_contract(chain.sender(0), "TestToken")


def test_blocks_are_a_second_apart_from_the_chosen_start(chain: EthTesterChain) -> None:
    start = chain.now()
    assert GENESIS <= start < GENESIS + 1000
    chain.mine(3)
    assert chain.now() == start + 3


def test_the_clock_jumps_forward_and_never_back(chain: EthTesterChain, token: Contract) -> None:
    target = chain.now() + 86_400
    chain.set_time(target)
    assert chain.now() == target
    receipt = token.transact(chain.sender(0), "mint", chain.accounts[0].address, 1)
    assert chain.w3.eth.get_block(receipt["blockNumber"])["timestamp"] == target + 1
    with pytest.raises(ConfigError, match="cannot go back"):
        chain.set_time(target - 1)


def test_a_restored_chain_forgets(chain: EthTesterChain, token: Contract) -> None:
    sender, owner = chain.sender(0), chain.accounts[0].address
    before, mark = chain.now(), chain.snapshot()
    token.transact(sender, "mint", owner, 7)
    chain.restore(mark)
    sender.forget_nonce()
    assert (token.call("balanceOf", owner), chain.now()) == (0, before)
    token.transact(sender, "mint", owner, 8)
    assert (token.call("balanceOf", owner), chain.now()) == (8, before + 1)


def test_a_refused_call_and_a_refused_transaction_carry_the_custom_error(
    chain: EthTesterChain, token: Contract
) -> None:
    poor, rich = chain.accounts[1], chain.accounts[2].address
    with pytest.raises(Reverted) as called:
        token.call("transfer", rich, 5, sender=poor.address)
    with pytest.raises(Reverted) as sent:
        token.transact(chain.sender(poor), "transfer", rich, 5)
    for caught in (called.value, sent.value):
        assert caught.name == "ERC20InsufficientBalance"
        assert caught.arguments == {"sender": poor.address, "balance": 0, "needed": 5}
        assert str(caught) == (
            f"TestToken.transfer reverted: ERC20InsufficientBalance(sender={poor.address}, balance=0, needed=5)"
        )
    assert called.value.gas_used is None
    assert sent.value.gas_used is not None


def test_a_call_may_come_from_an_address_without_money(chain: EthTesterChain, token: Contract) -> None:
    assert token.call("decimals", sender="0x" + "99" * 20) == 6


def test_a_transaction_that_runs_out_of_gas_says_so(chain: EthTesterChain, token: Contract) -> None:
    with pytest.raises(Reverted, match="OutOfGas"):
        token.transact(chain.sender(0), "mint", chain.accounts[0].address, 1, gas=30_000)


def test_a_transaction_above_the_cap_of_mainnet_does_not_leave(
    chain: EthTesterChain, token: Contract
) -> None:
    with pytest.raises(ConfigError, match="a transaction may have"):
        token.transact(chain.sender(0), "mint", chain.accounts[0].address, 1, gas=MAX_TRANSACTION_GAS + 1)


def test_the_code_size_limit_of_mainnet_holds(chain: EthTesterChain) -> None:
    def creation(length: int) -> bytes:
        return bytes.fromhex(f"61{length:04x}80600a3d393df3") + bytes(length)

    assert chain.sender(0).send(None, creation(24_576))["status"] == 1
    with pytest.raises(Reverted):
        chain.sender(0).send(None, creation(24_577))


def test_transient_storage_and_mcopy_work(chain: EthTesterChain) -> None:
    # TSTORE 1 := 5, TLOAD 1, MSTORE, MCOPY 32 bytes to 32, RETURN them
    code = bytes.fromhex("600560015d60015c5f5260205f60205e60206020f3")
    receipt = chain.sender(0).send(
        None, bytes.fromhex(f"60{len(code):02x}80600a5f395ff3").ljust(10, b"\0") + code
    )
    request: Any = {"to": receipt["contractAddress"], "data": "0x"}
    answer = chain.w3.eth.call(request)
    assert int.from_bytes(answer, "big") == 5


def test_events_are_decoded_from_receipts_and_from_history(chain: EthTesterChain, token: Contract) -> None:
    owner = chain.accounts[3].address
    receipt = token.transact(chain.sender(0), "mint", owner, 11)
    (event,) = token.events(receipt, "Transfer")
    assert event.args == {"from": "0x" + "00" * 20, "to": owner, "value": 11}
    assert token.logs("Transfer", from_block=int(receipt["blockNumber"])) == [event]
    assert token.events(receipt, "Approval") == []


def test_two_chains_with_the_same_transactions_have_the_same_blocks() -> None:
    hashes = set()
    for _ in range(2):
        with open_chain("eth-tester", timestamp=GENESIS, accounts=2) as chain:
            deploy_contract(chain.sender(0), "TestToken")
            hashes.add(bytes(chain.w3.eth.get_block("latest")["hash"]))
    assert len(hashes) == 1


def test_development_keys_are_the_same_every_time() -> None:
    assert [a.address for a in dev_accounts(3)] == [a.address for a in dev_accounts(5)[:3]]


def test_a_chain_nobody_knows_is_refused_with_the_choices() -> None:
    with pytest.raises(ConfigError, match="eth-tester, anvil"):
        open_chain("ganache", timestamp=GENESIS)


@pytest.mark.skipif(
    find_anvil() is None, reason="anvil is missing: its npm package has no build for some machines"
)
def test_anvil_keeps_the_same_clock_and_words_and_ends_with_the_chain() -> None:
    with open_chain("anvil", timestamp=GENESIS, accounts=3) as chain:
        token = deploy_contract(chain.sender(0), "TestToken")
        start = chain.now()
        assert start == GENESIS + 1
        chain.set_time(start + 1000)
        with pytest.raises(Reverted) as caught:
            token.transact(chain.sender(1), "transfer", chain.accounts[2].address, 5)
        assert (caught.value.name, chain.now()) == ("ERC20InsufficientBalance", start + 1001)
        w3 = chain.w3
    assert not w3.is_connected()
