"""Development chains behind one interface: in process, anvil, or whatever an RPC URL serves.

The clock of a development chain is set by hand: it starts at a chosen timestamp, each block is one second after the one
before, and `set_time` jumps forward. A replayed year takes as long as its transactions.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import Web3
from web3.providers.eth_tester import EthereumTesterProvider

from seawall.chain.pyevm import DEV_BALANCE_WEI, tester_classes
from seawall.chain.rpc import calling, connect, plain_web3
from seawall.chain.sender import MAX_TRANSACTION_GAS, FeePolicy, Sender
from seawall.errors import ConfigError

__all__ = [
    "BLOCK_GAS_LIMIT",
    "DEV_FEES",
    "Chain",
    "EthTesterChain",
    "RpcChain",
    "dev_accounts",
    "open_chain",
]

BLOCK_GAS_LIMIT = 60_000_000
DEV_FEES = FeePolicy(
    max_fee_wei=100_000_000_000,
    priority_fee_wei=0,
    timeout_s=20.0,
    replace_after_s=60.0,
    poll_s=0.01,
    gas_limit=MAX_TRANSACTION_GAS,
    ask_base_fee=False,
)


def dev_accounts(count: int) -> tuple[LocalAccount, ...]:
    """Return the same well-known keys every time; worthless outside a development chain."""
    keys = (hashlib.sha256(f"seawall development key {index}".encode()).digest() for index in range(count))
    return tuple(Account.from_key(key) for key in keys)


class Chain(ABC):
    """A chain somebody can be somebody on: a connection, funded accounts, a clock that can be set."""

    kind: str
    w3: Web3
    accounts: tuple[LocalAccount, ...]
    fees: FeePolicy

    @property
    def chain_id(self) -> int:
        """Return the chain's id."""
        with calling("eth_chainId"):
            return int(self.w3.eth.chain_id)

    def now(self) -> int:
        """Return the timestamp of the latest block."""
        with calling("eth_getBlockByNumber"):
            return int(self.w3.eth.get_block("latest")["timestamp"])

    def sender(self, account: LocalAccount | int = 0) -> Sender:
        """Return a sender for an account, or for the account of an index."""
        key = self.accounts[account] if isinstance(account, int) else account
        return Sender(self.w3, key, fees=self.fees)

    @abstractmethod
    def set_time(self, timestamp: int) -> None:
        """Mine a block at a timestamp later than the latest block's; do nothing when it is the latest block's."""

    @abstractmethod
    def mine(self, blocks: int = 1) -> None:
        """Mine empty blocks, one second each."""

    @abstractmethod
    def snapshot(self) -> Any:
        """Return a mark to come back to."""

    @abstractmethod
    def restore(self, mark: Any) -> None:
        """Go back to a mark. Senders made before must `forget_nonce`."""

    def close(self) -> None:  # noqa: B027 - most chains hold nothing
        """Release what the chain holds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _forward(self, timestamp: int) -> bool:
        now = self.now()
        if timestamp < now:
            raise ConfigError(f"a chain's clock cannot go back from {now} to {timestamp}")
        return timestamp > now


class EthTesterChain(Chain):
    """A chain in this process: eth-tester over py-evm, mainnet's limits, Prague rules, no randomness."""

    kind = "eth-tester"

    def __init__(self, *, timestamp: int, accounts: int = 20, gas_limit: int = BLOCK_GAS_LIMIT) -> None:
        backend_class, tester_class, private_key = tester_classes()
        self.accounts = dev_accounts(accounts)
        self.fees = DEV_FEES
        state = {
            bytes.fromhex(account.address[2:]): {
                "balance": DEV_BALANCE_WEI,
                "nonce": 0,
                "code": b"",
                "storage": {},
            }
            for account in self.accounts
        }
        genesis = {"timestamp": timestamp, "gas_limit": gas_limit}
        parameters = backend_class.generate_genesis_params(genesis)
        self._backend = backend_class(genesis_parameters=parameters, genesis_state=state)
        self._backend.account_keys = tuple(private_key(bytes(account.key)) for account in self.accounts)
        self._backend.tick_from(timestamp)
        self._tester = tester_class(self._backend)
        self.w3 = plain_web3(EthereumTesterProvider(self._tester))

    def set_time(self, timestamp: int) -> None:  # noqa: D102
        if self._forward(timestamp):
            chain = self._backend.chain
            chain.header = chain.header.copy(timestamp=timestamp)
            self._tester.mine_block()

    def mine(self, blocks: int = 1) -> None:  # noqa: D102
        self._tester.mine_blocks(blocks)

    def snapshot(self) -> Any:  # noqa: D102
        return self._tester.take_snapshot()

    def restore(self, mark: Any) -> None:  # noqa: D102
        self._tester.revert_to_snapshot(mark)
        self._backend.tick_from(self.now())


class RpcChain(Chain):
    """A chain behind an RPC URL.

    On anvil and its like the clock can be set. Elsewhere `set_time` is an error, and accounts must be given.
    """

    kind = "rpc"

    def __init__(
        self,
        url: str,
        *,
        accounts: Sequence[LocalAccount] = (),
        chain_id: int | None = None,
        timeout_s: float = 10.0,
        fees: FeePolicy | None = None,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        self.url = url
        self.w3 = connect(url, chain_id=chain_id, timeout_s=timeout_s)
        self.accounts = tuple(accounts)
        self.fees = fees or FeePolicy()
        self._on_close = on_close

    def prepare_development(self, count: int) -> None:
        """Fund development accounts and take over the clock; fails on a real network.

        Raises
        ------
        ConfigError
            When the node is no development node.
        """
        self.accounts = dev_accounts(count)
        self.fees = DEV_FEES
        for account in self.accounts:
            self._control("anvil_setBalance", [account.address, hex(DEV_BALANCE_WEI)])
        self._control("anvil_setBlockTimestampInterval", [1])

    def set_time(self, timestamp: int) -> None:  # noqa: D102
        if self._forward(timestamp):
            self._control("evm_setNextBlockTimestamp", [timestamp])
            self._control("evm_mine", [])

    def mine(self, blocks: int = 1) -> None:  # noqa: D102
        for _ in range(blocks):
            self._control("evm_mine", [])

    def snapshot(self) -> Any:  # noqa: D102
        return self._control("evm_snapshot", [])

    def restore(self, mark: Any) -> None:  # noqa: D102
        self._control("evm_revert", [mark])

    def close(self) -> None:  # noqa: D102
        if self._on_close is not None:
            self._on_close()
            self._on_close = None

    def _control(self, method: str, params: list[Any]) -> Any:
        with calling(method):
            answer = self.w3.provider.make_request(method, params)  # type: ignore[arg-type]
        if "error" in answer:
            raise ConfigError(
                f"the node refused {method}: its clock and balances cannot be set. "
                "Fix: use a development node (anvil), or --chain eth-tester"
            )
        return answer.get("result")


def open_chain(kind: str, *, timestamp: int, accounts: int = 20, url: str | None = None) -> Chain:
    """Open a development chain: `eth-tester`, `anvil`, or `rpc` with a URL of a node that lets its clock be set.

    Raises
    ------
    ConfigError
        When the chain is unknown, not installed, or no development node.
    RpcError
        When the URL does not answer.
    """
    if kind == "rpc" or (url is not None and kind != "anvil"):
        if url is None:
            raise ConfigError("no RPC URL is given. Fix: pass --rpc URL")
        chain = RpcChain(url)
        chain.prepare_development(accounts)
        if chain.now() < timestamp:
            chain.set_time(timestamp)
        return chain
    if kind == "eth-tester":
        return EthTesterChain(timestamp=timestamp, accounts=accounts)
    if kind == "anvil":
        from seawall.chain.anvil import start_anvil

        return start_anvil(timestamp=timestamp, accounts=accounts)
    raise ConfigError(f"unknown chain {kind!r}. Fix: eth-tester, anvil, or --rpc URL")
