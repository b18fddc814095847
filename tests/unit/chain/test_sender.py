"""The sender on a node that can be told to be slow, dear, deaf or forgetful."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_utils.crypto import keccak
from hexbytes import HexBytes
from hypothesis import given
from hypothesis import strategies as st
from web3.exceptions import ContractLogicError, TransactionNotFound

from seawall.chain.sender import MAX_TRANSACTION_GAS, FeePolicy, Sender, bumped
from seawall.errors import ConfigError, RetryLater, RpcError

GWEI = 10**9
KEY = Account.from_key(b"\x01" * 32)
RECIPIENT = "0x" + "22" * 20


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Node:
    """A node's `eth` namespace. Mines a transaction when its fee reaches `wanted_fee`, or by hash."""

    def __init__(self, *, base_fee: int = GWEI, wanted_fee: int = 0, gas: int = 50_000) -> None:
        self.eth = self
        self.chain_id = 7
        self.base_fee = base_fee
        self.wanted_fee = wanted_fee
        self.gas = gas
        self.received: list[dict[str, Any]] = []
        self.hashes: list[HexBytes] = []
        self.refuses: list[str] = []
        self.mined: set[bytes] = set()
        self.deaf = 0  # so many questions after receipts get no answer
        self.counted = 0
        self.dropped: list[HexBytes] = []

    def get_transaction_count(self, address: str, block: str) -> int:
        assert block == "pending"
        self.counted += 1
        return 5 + len({sent["nonce"] for sent in self.received})

    def get_transaction(self, tx_hash: HexBytes) -> dict[str, Any]:
        if tx_hash not in self.hashes or tx_hash in self.dropped:
            raise TransactionNotFound("never heard of it")
        sent = self.received[self.hashes.index(tx_hash)]
        return {**sent, "hash": tx_hash, "blockNumber": 1 if bytes(tx_hash) in self.mined else None}

    def mine(self, index: int) -> None:
        """Put a transaction in a block, which drops all others of its nonce."""
        self.mined.add(bytes(self.hashes[index]))
        nonce = self.received[index]["nonce"]
        pairs = zip(self.hashes, self.received, strict=True)
        self.dropped += [h for h, sent in pairs if sent["nonce"] == nonce and h != self.hashes[index]]

    def get_block(self, block: str) -> dict[str, int]:
        return {"baseFeePerGas": self.base_fee}

    def estimate_gas(self, call: dict[str, Any]) -> int:
        return self.gas

    def send_raw_transaction(self, raw: HexBytes) -> HexBytes:
        if self.refuses:
            raise ValueError(self.refuses.pop(0))
        fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
        tx_hash = HexBytes(keccak(raw))
        self.received.append(fields)
        self.hashes.append(tx_hash)
        if fields["maxFeePerGas"] >= self.wanted_fee:
            self.mined.add(bytes(tx_hash))
        return tx_hash

    def get_transaction_receipt(self, tx_hash: HexBytes) -> dict[str, Any]:
        if self.deaf:
            self.deaf -= 1
            raise TimeoutError
        if bytes(tx_hash) not in self.mined:
            raise TransactionNotFound("not yet")
        return {"status": 1, "transactionHash": tx_hash, "gasUsed": 21_000, "blockNumber": 1}


def sender_on(node: Node, clock: Clock, *, relays: tuple[Node, ...] = (), **policy: Any) -> Sender:
    fees = FeePolicy(**{"max_fee_wei": 100 * GWEI, "priority_fee_wei": GWEI, **policy})
    return Sender(node, KEY, fees=fees, clock=clock, sleep=clock.sleep, relays=relays)  # type: ignore[arg-type]


@given(st.integers(0, 10**15), st.integers(125, 1000))
def test_a_bump_is_at_least_what_nodes_ask(fee: int, permille: int) -> None:
    assert bumped(fee, permille) * 1000 >= fee * 1125
    assert bumped(fee, permille) > fee


def test_a_stuck_transaction_is_replaced_under_the_same_nonce_with_both_fees_raised() -> None:
    node, clock = Node(wanted_fee=4 * GWEI), Clock()
    receipt = sender_on(node, clock).send(RECIPIENT, b"")
    fees = [(sent["maxFeePerGas"], sent["maxPriorityFeePerGas"]) for sent in node.received]
    assert len(fees) > 1
    assert {sent["nonce"] for sent in node.received} == {5}
    for (fee, tip), (next_fee, next_tip) in pairwise(fees):
        assert next_fee * 1000 >= fee * 1125
        assert next_tip * 1000 >= tip * 1125
    assert receipt["transactionHash"] == node.hashes[-1]


def test_replacements_stop_at_the_cap_and_the_pending_hashes_are_named() -> None:
    node, clock = Node(wanted_fee=10**12), Clock()
    with pytest.raises(RpcError, match="was not mined within") as caught:
        sender_on(node, clock, max_fee_wei=5 * GWEI, timeout_s=600).send(RECIPIENT, b"", what="stage")
    assert all(sent["maxFeePerGas"] <= 5 * GWEI for sent in node.received)
    assert all(tx_hash.to_0x_hex() in str(caught.value) for tx_hash in node.hashes)


def test_an_earlier_hash_that_is_mined_after_its_replacement_counts() -> None:
    node, clock = Node(wanted_fee=10**12), Clock()
    sender = sender_on(node, clock)
    original_sleep = clock.sleep

    def sleep_and_mine(seconds: float) -> None:
        original_sleep(seconds)
        if len(node.hashes) == 3:
            node.mined.add(bytes(node.hashes[0]))

    sender._sleep = sleep_and_mine
    assert sender.send(RECIPIENT, b"")["transactionHash"] == node.hashes[0]


def test_nonces_are_counted_here_after_the_first() -> None:
    node, clock = Node(), Clock()
    sender = sender_on(node, clock)
    for _ in range(3):
        sender.send(RECIPIENT, b"")
    assert [sent["nonce"] for sent in node.received] == [5, 6, 7]
    assert node.counted == 1
    sender.forget_nonce()
    sender.send(RECIPIENT, b"")
    assert [node.received[-1]["nonce"], node.counted] == [8, 2]


def given_up(node: Node, clock: Clock, **policy: Any) -> Sender:
    """Return a sender whose first transaction was not mined in time."""
    sender = sender_on(node, clock, timeout_s=45, **policy)
    with pytest.raises(RpcError, match="was not mined within 45 s"):
        sender.send(RECIPIENT, b"old")
    return sender


def test_what_was_not_mined_in_time_is_replaced_by_the_next_transaction() -> None:
    node, clock = Node(wanted_fee=10**12), Clock()
    sender = given_up(node, clock)
    before = node.received[-1]
    node.wanted_fee = 0
    assert sender.send(RECIPIENT, b"new")["transactionHash"] == node.hashes[-1]
    after = node.received[-1]
    assert [after["nonce"], bytes(after["data"])] == [5, b"new"]
    for fee in ("maxFeePerGas", "maxPriorityFeePerGas"):
        assert after[fee] * 1000 >= before[fee] * 1125
    sender.send(RECIPIENT, b"")
    assert [node.received[-1][key] for key in ("nonce", "maxPriorityFeePerGas")] == [6, GWEI]


def test_of_what_was_given_up_and_the_next_one_at_most_is_mined() -> None:
    node, clock = Node(wanted_fee=10**12), Clock()
    sender = given_up(node, clock)
    versions = len(node.hashes)
    original_sleep = clock.sleep

    def sleep_and_mine(seconds: float) -> None:
        original_sleep(seconds)
        node.mine(0)

    sender._sleep = sleep_and_mine
    with pytest.raises(RpcError, match="was not mined within"):
        sender.send(RECIPIENT, b"new")
    assert {sent["nonce"] for sent in node.received[versions:]} == {5}
    node.wanted_fee = 0
    sender.send(RECIPIENT, b"newer")
    assert [node.received[-1][key] for key in ("nonce", "maxPriorityFeePerGas")] == [6, GWEI]


def test_what_was_mined_after_all_is_not_replaced() -> None:
    node, clock = Node(wanted_fee=10**12), Clock()
    sender = given_up(node, clock)
    node.mine(len(node.hashes) - 1)
    node.wanted_fee = 0
    sender.send(RECIPIENT, b"")
    assert node.received[-1]["nonce"] == 6


def test_a_forgotten_transaction_is_not_replaced() -> None:
    node, clock = Node(wanted_fee=10**12), Clock()
    sender = given_up(node, clock)
    sender.forget_nonce()
    node.wanted_fee = 0
    sender.send(RECIPIENT, b"")
    assert node.received[-1]["nonce"] == 6


def test_a_node_that_tries_a_replacement_and_says_it_reverts_is_no_answer() -> None:
    node, clock = Node(wanted_fee=10**12), Clock()
    sender = sender_on(node, clock)
    original_send = node.send_raw_transaction

    def mine_and_revert(raw: HexBytes) -> HexBytes:
        if not node.hashes:
            return original_send(raw)
        node.mine(0)
        raise ContractLogicError("execution reverted")

    node.send_raw_transaction = mine_and_revert  # type: ignore[method-assign]
    assert sender.send(RECIPIENT, b"")["transactionHash"] == node.hashes[0]


def test_the_same_call_again_is_mined_once() -> None:
    node, clock = Node(wanted_fee=10**12), Clock()
    sender = given_up(node, clock)
    node.dropped = list(node.hashes)
    original_sleep, versions = clock.sleep, len(node.hashes)

    def sleep_and_mine(seconds: float) -> None:
        original_sleep(seconds)
        node.mine(len(node.hashes) - 1)

    sender._sleep = sleep_and_mine
    node.received, node.hashes = [], []
    receipt = sender.send(RECIPIENT, b"old")
    assert receipt["transactionHash"] == node.hashes[-1]
    assert len(node.hashes) == 1 < versions


def test_what_somebody_else_sent_with_the_key_is_not_replaced() -> None:
    node, clock = Node(), Clock()
    sender = sender_on(node, clock, timeout_s=45)
    node.refuses = ["server is busy"]
    with pytest.raises(RpcError, match="busy"):
        sender.send(RECIPIENT, b"")
    sender_on(node, clock).send(RECIPIENT, b"another's")
    sender.send(RECIPIENT, b"")
    assert [sent["nonce"] for sent in node.received] == [5, 6]


def test_a_refused_replacement_raises_no_fees() -> None:
    node, clock = Node(wanted_fee=10**12), Clock()
    sender = given_up(node, clock)
    held = node.received[-1]["maxFeePerGas"]
    for _ in range(30):
        node.refuses = ["server is busy"]
        with pytest.raises(RpcError, match="busy"):
            sender.send(RECIPIENT, b"")
    node.wanted_fee = 0
    sender.send(RECIPIENT, b"")
    assert [node.received[-1][key] for key in ("nonce", "maxFeePerGas")] == [5, bumped(held, 125)]


def test_what_is_never_mined_raises_tips_to_the_cap_and_then_is_waited_behind() -> None:
    node, clock = Node(wanted_fee=10**12), Clock()
    sender = given_up(node, clock, max_priority_fee_wei=2 * GWEI)
    for _ in range(20):
        with pytest.raises(RpcError, match="was not mined within"):
            sender.send(RECIPIENT, b"")
    assert max(sent["maxPriorityFeePerGas"] for sent in node.received) <= 2 * GWEI
    assert node.received[-1]["nonce"] > 5


def test_what_the_node_has_dropped_raises_no_fees() -> None:
    node, clock = Node(wanted_fee=10**12), Clock()
    sender = given_up(node, clock)
    node.received, node.hashes, node.wanted_fee = [], [], 0  # dropped without a trace
    sender.send(RECIPIENT, b"")
    assert [node.received[0][key] for key in ("nonce", "maxPriorityFeePerGas")] == [5, GWEI]


def test_what_was_refused_raises_no_fees() -> None:
    node, clock = Node(), Clock()
    sender = sender_on(node, clock)
    node.refuses = ["insufficient funds"]
    with pytest.raises(RpcError, match="insufficient funds"):
        sender.send(RECIPIENT, b"")
    sender.send(RECIPIENT, b"")
    assert [node.received[0][key] for key in ("nonce", "maxPriorityFeePerGas")] == [5, GWEI]


def test_a_node_that_does_not_answer_for_a_while_is_asked_again() -> None:
    node, clock = Node(), Clock()
    node.deaf = 7
    sender_on(node, clock).send(RECIPIENT, b"")
    assert [len(node.received), node.deaf] == [1, 0]


def test_a_node_that_never_answers_again_is_named_and_asked_once_a_poll() -> None:
    node, clock = Node(), Clock()
    node.deaf = 10**6
    with pytest.raises(
        RpcError, match=r"was not mined within 180 s.*did not answer eth_getTransactionReceipt"
    ):
        sender_on(node, clock).send(RECIPIENT, b"")
    assert 10**6 - node.deaf <= 182


@pytest.mark.parametrize(("tip", "most"), [(0, GWEI), (GWEI, 10 * GWEI), (30 * GWEI, 300 * GWEI)])
def test_replacements_tip_ten_times_the_first_at_most_by_default(tip: int, most: int) -> None:
    assert FeePolicy(priority_fee_wei=tip).largest_priority_fee_wei == most


def test_a_base_fee_above_the_cap_means_wait() -> None:
    node, clock = Node(base_fee=101 * GWEI), Clock()
    with pytest.raises(RetryLater, match="above the cap"):
        sender_on(node, clock).send(RECIPIENT, b"")
    assert node.received == []


def test_no_transaction_asks_for_more_gas_than_one_may_have() -> None:
    node, clock = Node(gas=MAX_TRANSACTION_GAS + 1), Clock()
    with pytest.raises(ConfigError, match="gas"):
        sender_on(node, clock).send(RECIPIENT, b"")
    node.gas = MAX_TRANSACTION_GAS - 1  # the margin on top is cut off
    sender_on(node, clock).send(RECIPIENT, b"")
    assert node.received[-1]["gas"] == MAX_TRANSACTION_GAS


def test_every_endpoint_gets_the_same_signed_transaction_and_one_is_enough() -> None:
    first, second, clock = Node(), Node(), Clock()
    first.refuses = ["server is busy"]
    first.get_transaction_receipt = second.get_transaction_receipt  # type: ignore[method-assign]
    sender_on(first, clock, relays=(second,)).send(RECIPIENT, b"")
    assert len(second.received) == 1


def test_a_node_that_refuses_alone_is_reported_with_its_words() -> None:
    node, clock = Node(), Clock()
    node.refuses = ["insufficient funds for gas"]
    with pytest.raises(RpcError, match="insufficient funds"):
        sender_on(node, clock).send(RECIPIENT, b"")


def test_a_transaction_is_announced_before_it_leaves() -> None:
    node, clock, seen = Node(), Clock(), []
    fees = FeePolicy()
    sender = Sender(
        node,  # type: ignore[arg-type]
        KEY,
        fees=fees,
        on_broadcast=lambda tx_hash, raw: seen.append((tx_hash, len(node.received))),
        clock=clock,
        sleep=clock.sleep,
    )
    sender.send(RECIPIENT, b"")
    assert seen == [(node.hashes[0].to_0x_hex(), 0)]


@pytest.mark.parametrize(
    "changes",
    [
        {"bump_permille": 124},
        {"priority_fee_wei": 101 * GWEI},
        {"priority_fee_wei": 2, "max_priority_fee_wei": 1},
        {"gas_limit": MAX_TRANSACTION_GAS + 1},
    ],
)
def test_a_policy_that_no_node_would_take_is_refused(changes: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        FeePolicy(**{"max_fee_wei": 100 * GWEI, **changes})  # type: ignore[arg-type]
