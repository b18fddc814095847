"""Binds deployed contracts: calls, transactions and events by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from web3 import Web3
from web3.types import TxReceipt

from seawall.chain.artifacts import load_artifact
from seawall.chain.codec import Item, abi_type, decode_values, encode_values, selector_of, signature_of
from seawall.chain.rpc import calling
from seawall.chain.sender import Sender
from seawall.errors import InputError

if TYPE_CHECKING:
    from seawall.chain.deployment import Deployment

__all__ = ["Contract", "Event", "System"]

NOBODY = "0x" + "00" * 20  # who calls when nobody is named, as nodes have it


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One decoded log."""

    name: str
    args: Mapping[str, Any]
    address: str
    block_number: int
    transaction_hash: str
    log_index: int


class Contract:
    """A contract at an address, with its ABI.

    Functions are named as in Solidity; an overloaded one by its signature, `f(uint256)`.
    """

    def __init__(self, w3: Web3, address: str, abi: Iterable[Item], *, name: str) -> None:
        self.w3 = w3
        self.address: str = to_checksum_address(address)
        self.name = name
        self._functions: dict[str, Item] = {}
        self._events: dict[bytes, Item] = {}
        for item in abi:
            if item["type"] == "function":
                self._functions[signature_of(item)] = item
                self._functions.setdefault(str(item["name"]), item)
            elif item["type"] == "event" and not item.get("anonymous"):
                self._events[bytes(keccak(text=signature_of(item)))] = item

    @classmethod
    def at(cls, w3: Web3, address: str, artifact: str) -> Contract:
        """Bind an address with the ABI of a compiled contract."""
        return cls(w3, address, load_artifact(artifact).abi, name=artifact)

    def __repr__(self) -> str:
        return f"{self.name}({self.address})"

    def has(self, function: str) -> bool:
        """Say whether there is a function of this name or signature."""
        return function in self._functions

    def selector(self, function: str) -> bytes:
        """Return a function's four bytes."""
        return selector_of(self._function(function))

    def encode(self, function: str, *args: Any) -> bytes:
        """Return the calldata of a call."""
        item = self._function(function)
        what = f"{self.name}.{function}"
        return selector_of(item) + encode_values(item["inputs"], args, what=what)

    def call(self, function: str, *args: Any, sender: str | None = None, block: int | str = "latest") -> Any:
        """Return what a call returns: nothing, one value, or a tuple.

        Raises
        ------
        Reverted
            When the contract refused.
        RpcError
            When the node did not answer.
        """
        item = self._function(function)
        what = f"{self.name}.{function}"
        caller = sender or self.w3.eth.default_account or NOBODY
        request: Any = {"from": caller, "to": self.address, "data": self.encode(function, *args)}
        with calling(what):
            output = bytes(self.w3.eth.call(request, block))  # type: ignore[arg-type]
        if not output and item["outputs"]:
            raise InputError(
                f"{what}: there is no such contract at {self.address}. Fix: check the deployment file"
            )
        values = decode_values(item["outputs"], output)
        return None if not values else values[0] if len(values) == 1 else tuple(values)

    def transact(
        self, sender: Sender, function: str, *args: Any, value: int = 0, gas: int | None = None
    ) -> TxReceipt:
        """Send a transaction and return its receipt.

        Raises
        ------
        Reverted
            When the contract refused.
        """
        data = self.encode(function, *args)
        return sender.send(self.address, data, value=value, gas=gas, what=f"{self.name}.{function}")

    def events(self, receipt: TxReceipt, name: str | None = None) -> list[Event]:
        """Return this contract's events in a receipt, all or those of one name."""
        return self._decode(receipt["logs"], name)

    def logs(self, *names: str, from_block: int, to_block: int | str = "latest") -> list[Event]:
        """Return past events of these names, oldest first."""
        topics = ["0x" + topic.hex() for topic, item in self._events.items() if item["name"] in names]
        if missing := set(names) - {str(item["name"]) for item in self._events.values()}:
            raise InputError(f"{self.name} has no event {', '.join(sorted(missing))}")
        request: Any = {
            "address": self.address,
            "fromBlock": from_block,
            "toBlock": to_block,
            "topics": [topics],
        }
        with calling(f"logs of {self.name}"):
            found = self.w3.eth.get_logs(request)
        return self._decode(found, None)

    def _function(self, function: str) -> Item:
        try:
            return self._functions[function]
        except KeyError:
            raise InputError(f"{self.name} has no function {function}") from None

    def _decode(self, logs: Sequence[Any], name: str | None) -> list[Event]:
        found = []
        for log in logs:
            topics = [bytes(topic) for topic in log["topics"]]
            if to_checksum_address(log["address"]) != self.address or not topics:
                continue
            item = self._events.get(topics[0])
            if item is None or (name is not None and item["name"] != name):
                continue
            found.append(
                Event(
                    name=str(item["name"]),
                    args=_event_args(item, topics[1:], bytes(log["data"])),
                    address=self.address,
                    block_number=int(log["blockNumber"]),
                    transaction_hash="0x" + bytes(log["transactionHash"]).hex(),
                    log_index=int(log["logIndex"]),
                )
            )
        return found


def _event_args(item: Item, topics: list[bytes], data: bytes) -> dict[str, Any]:
    plain = iter(decode_values([p for p in item["inputs"] if not p["indexed"]], data))
    hashed = iter(topics)
    args: dict[str, Any] = {}
    for index, parameter in enumerate(item["inputs"]):
        key = str(parameter["name"]) or str(index)
        if not parameter["indexed"]:
            args[key] = next(plain)
        elif abi_type(parameter) in {"string", "bytes"} or abi_type(parameter).endswith((")", "]")):
            args[key] = next(hashed)  # only the hash is kept
        else:
            args[key] = decode_values([parameter], next(hashed))[0]
    return args


@dataclass(frozen=True, kw_only=True, slots=True)
class System:
    """All contracts of one deployment."""

    access_manager: Contract
    token: Contract
    feed: Contract
    anchor_feed: Contract
    registry: Contract
    oracle: Contract
    vault: Contract
    desk: Contract
    liquidator: Contract
    fund: Contract
    venue: Contract
    lens: Contract

    @classmethod
    def connect(cls, w3: Web3, deployment: Deployment) -> System:
        """Bind every contract of a deployment."""
        bound = {
            field.name: Contract.at(w3, deployment.addresses[field.name], deployment.artifacts[field.name])
            for field in fields(cls)
        }
        return cls(**bound)
