"""Compiled contracts in process: a small layer over pyrevm.

::

    evm = Evm(timestamp=1_700_000_000)
    vault = evm.deploy("MarginVault", token.address, ...)   # links and deploys the libraries it needs
    vault.deposit(account, 5, sender=BORROWER)              # a view is called statically, all else is a transaction
    with evm.isolated():                                    # snapshot and restore; exceptions pass through
        with pytest.raises(Revert, match="InAuction"):
            vault.settle(fill, empty, empty, sender=venue)
    evm.gas_used, evm.events(vault)                         # of the last message
    evm.cold()                                              # a copy in which nothing is warm, to measure gas

Structs go in as sequences or mappings and come out as named tuples. A failed call raises `Revert` with the
error's name and arguments, looked up among the errors of every artifact.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyrevm
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from tests.support.abi import Codec, named, selector, signature

__all__ = ["DEPLOYER", "ROOT", "Contract", "Evm", "Revert", "artifact", "role"]

ROOT = Path(__file__).resolve().parents[2]
ARTIFACT_FOLDERS = (
    "offchain/seawall/chain/artifacts",
    "offchain/seawall/chain/artifacts/mocks",
    "offchain/seawall/chain/artifacts/examples",
    ".build/artifacts",
)
GAS_CAP = 10**10
_CODE_SIZE = re.compile(r"state: Analysed \{ len: (\d+)")
_OUTPUT = re.compile(r"output: 0x([0-9a-f]*)")
_GAS = re.compile(r"gas_used: (\d+)")
_REASON = re.compile(r"reason: (\w+)")
_ACCOUNT = re.compile(r"(0x[0-9a-fA-F]{40}): Account \{ info")
_STORAGE = re.compile(r" storage: \{(.*?)\}, status: ", re.S)
_SLOT = re.compile(r"(\d+): StorageSlot \{ previous_or_original_value: \d+, present_value: (\d+) \}")


def role(name: str) -> str:
    """Return the address of a role such as `"borrower"`."""
    return to_checksum_address(keccak(text=f"seawall role {name}")[-20:])


DEPLOYER = role("deployer")
_BUILTIN = {
    bytes.fromhex("08c379a0"): ("Error", "string"),
    bytes.fromhex("4e487b71"): ("Panic", "uint256"),
}


class Revert(Exception):
    """A call failed: `name` and `args_` of the error (or `Panic`, `Error`, `Halt`, `Empty`), and the gas it used."""

    def __init__(self, name: str, args: tuple[Any, ...], data: bytes, gas_used: int) -> None:
        super().__init__(f"{name}({', '.join(map(str, args))})")
        self.name, self.args_, self.data, self.gas_used = name, args, data, gas_used


@functools.cache
def artifact(name: str) -> dict[str, Any]:
    """Return the compiled artifact of a contract."""
    for folder in ARTIFACT_FOLDERS:
        path = ROOT / folder / f"{name}.json"
        if path.exists():
            loaded: dict[str, Any] = json.loads(path.read_text())
            return loaded
    raise FileNotFoundError(f"no artifact of {name}; run `make compile`")


@functools.cache
def _errors() -> dict[bytes, Mapping[str, Any]]:
    found: dict[bytes, Mapping[str, Any]] = {}
    for folder in ARTIFACT_FOLDERS:
        for path in sorted((ROOT / folder).glob("*.json")):
            entries = json.loads(path.read_text()).get("abi", [])
            found |= {selector(entry): entry for entry in entries if entry["type"] == "error"}
    return found


@functools.cache
def _codec(kind: str) -> Codec:
    return Codec([{"name": "", "type": kind}])


class _Function:
    """A function's ABI entry, and what its calls are made of and read with."""

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self.entry = entry
        self.selector = selector(entry)
        self.inputs, self.outputs = Codec(entry["inputs"]), Codec(entry.get("outputs", ()))
        self.is_view = entry["stateMutability"] in {"view", "pure"}
        self._result = named(entry["name"], tuple(part["name"] for part in entry.get("outputs", ())))

    def decoded(self, output: bytes) -> Any:
        """Return what a call returned: nothing, a value, or several by name."""
        if not self.outputs.parameters:
            return None
        values = self.outputs.decode(output)
        return values[0] if len(values) == 1 else self._result(*values)


@functools.cache
def _functions(contract: str) -> dict[str, dict[int, _Function]]:
    """Return the functions of a contract by name and number of arguments."""
    found: dict[str, dict[int, _Function]] = {}
    for entry in artifact(contract)["abi"]:
        if entry["type"] == "function":
            found.setdefault(entry["name"], {}).setdefault(len(entry["inputs"]), _Function(entry))
    return found


class Contract:
    """A contract at an address; its functions are attributes, overloads are told apart by the number of arguments."""

    def __init__(self, evm: Evm, name: str, address: str) -> None:
        self.evm, self.name, self.address = evm, name, address
        self._functions = _functions(name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._functions:
            raise AttributeError(f"{self.name} has no function {name}")
        return functools.partial(self._invoke, name)

    @property
    def abi(self) -> Sequence[Mapping[str, Any]]:
        """Return the ABI."""
        entries: Sequence[Mapping[str, Any]] = artifact(self.name)["abi"]
        return entries

    def __repr__(self) -> str:
        return f"{self.name}({self.address})"

    def function(self, name: str, count: int) -> Mapping[str, Any]:
        """Return the ABI entry of a function with so many arguments."""
        return self._function(name, count).entry

    def _function(self, name: str, count: int) -> _Function:
        found = self._functions.get(name, {}).get(count)
        if found is None:
            raise TypeError(f"{self.name}.{name} does not take {count} arguments")
        return found

    def calldata(self, name: str, *args: Any) -> bytes:
        """Return the calldata of a call."""
        function = self._function(name, len(args))
        return function.selector + function.inputs.encode(args)

    def _invoke(
        self,
        name: str,
        *args: Any,
        sender: str | Contract = DEPLOYER,
        value: int = 0,
        gas: int = GAS_CAP,
        static: bool | None = None,
    ) -> Any:
        function = self._function(name, len(args))
        static = function.is_view if static is None else static
        source = sender.address if isinstance(sender, Contract) else sender
        data = function.selector + function.inputs.encode(args)
        output = self.evm.message(source, self.address, data, value=value, gas=gas, static=static)
        return function.decoded(output)


class Evm:
    """One chain. Every call is a message of its own; only `isolated` takes anything back."""

    def __init__(self, *, timestamp: int = 1_700_000_000, number: int = 1, engine: Any = None) -> None:
        self.engine = engine or pyrevm.EVM(spec_id="CANCUN")
        self.libraries: dict[str, str] = {}
        self.gas_used = 0
        self._logs: list[Any] = []
        self._seeded: dict[str, dict[int, int]] = {}  # slots written past the journal, by address
        self._set_block(timestamp, number)

    def _set_block(self, timestamp: int, number: int) -> None:
        self._timestamp, self._number = timestamp, number
        self.engine.set_block_env(pyrevm.BlockEnv(number=number, timestamp=timestamp))

    @property
    def timestamp(self) -> int:
        """Return or set the time of the block, seconds."""
        return self._timestamp

    @timestamp.setter
    def timestamp(self, value: int) -> None:
        self._set_block(value, self._number)

    @property
    def number(self) -> int:
        """Return or set the number of the block."""
        return self._number

    @number.setter
    def number(self, value: int) -> None:
        self._set_block(self._timestamp, value)

    def advance(self, seconds: int = 12, *, blocks: int = 1) -> None:
        """Move to a later block."""
        self._set_block(self._timestamp + seconds, self._number + blocks)

    def message(
        self,
        sender: str,
        to: str,
        data: bytes = b"",
        *,
        value: int = 0,
        gas: int = GAS_CAP,
        static: bool = False,
    ) -> bytes:
        """Send one message and return what it returns."""
        self.engine.reset_transient_storage()
        with self._translated():
            return bytes(
                self.engine.message_call(sender, to, calldata=data, value=value, gas=gas, is_static=static)
            )

    def deploy(
        self, name: str, *args: Any, sender: str = DEPLOYER, libraries: Mapping[str, str] | None = None
    ) -> Contract:
        """Deploy a contract by the name of its artifact, with the libraries it links to."""
        made = artifact(name)
        constructor: Mapping[str, Any] = next(
            (e for e in made["abi"] if e["type"] == "constructor"), {"inputs": ()}
        )
        code = self._linked(made["bytecode"], libraries or {}) + Codec(constructor["inputs"]).encode(args)
        return Contract(self, name, self.create(code, sender=sender))

    def create(self, code: bytes, *, sender: str = DEPLOYER) -> str:
        """Run creation code and return the address."""
        self.engine.reset_transient_storage()
        with self._translated():
            return to_checksum_address(self.engine.deploy(sender, code, gas=GAS_CAP))

    def at(self, name: str, address: str) -> Contract:
        """Return a contract that exists, seen through the ABI of an artifact."""
        return Contract(self, name, to_checksum_address(address))

    def put_code(self, address: str, code: bytes) -> None:
        """Place runtime code at an address."""
        self.engine.insert_account_info(address, pyrevm.AccountInfo(nonce=1, code=code))

    def put_storage(self, address: str, slot: int, value: int) -> None:
        """Write a slot of a contract. The engine may keep it where its journal does not show it, so `cold` is told."""
        self._seeded.setdefault(address.lower(), {})[slot] = value
        self.engine.insert_account_storage(address, slot, value)

    def events(self, contract: Contract) -> list[tuple[str, Any]]:
        """Return (name, arguments) of the last message's events that a contract emitted."""
        entries = _events(contract.name)
        found = []
        for log in self._logs:
            topics = [bytes.fromhex(topic.removeprefix("0x")) for topic in log.topics]
            entry = entries.get(topics[0]) if topics else None
            if entry and to_checksum_address(log.address) == contract.address:
                found.append((entry["name"], _event(entry, topics[1:], log.data)))
        return found

    @contextmanager
    def isolated(self) -> Iterator[Evm]:
        """Take back everything done inside. Exceptions pass through."""
        kept = (dict(self.libraries), self._timestamp, self._number)
        checkpoint = self.engine.snapshot()
        try:
            yield self
        finally:
            self.engine.revert(checkpoint)
            self.libraries, timestamp, number = kept
            self._set_block(timestamp, number)

    def cold(self) -> Evm:
        """Return a copy in which no account and no slot is warm: here all messages count as one transaction's."""
        copy = Evm(timestamp=self._timestamp, number=self._number)
        copy.libraries = dict(self.libraries)
        for address in self.engine.db_accounts:
            self.engine.basic(address)  # what was put in place and never touched enters the journal
        text = self.engine.journal_str
        starts = [(match[1], match.start()) for match in _ACCOUNT.finditer(text)]
        ends = [start for _, start in starts[1:]] + [text.index("transient_storage: {")]
        for (address, start), end in zip(starts, ends, strict=True):
            basic = self.engine.basic(address)
            made: Any = pyrevm.AccountInfo  # its stub lacks the balance
            code = self.engine.get_code(address) or b""
            if analysed := _CODE_SIZE.search(text, start, end):
                code = code[
                    : int(analysed[1])
                ]  # the rest is the engine's padding, which extcodesize would count
            info = made(nonce=basic.nonce, balance=basic.balance, code=code)
            copy.engine.insert_account_info(address, info)
            slots = dict(self._seeded.get(address.lower(), {}))
            if storage := _STORAGE.search(text, start, end):
                slots |= {int(key): int(value) for key, value in _SLOT.findall(storage[1])}
            for key, value in slots.items():
                checkpoint = copy.engine.snapshot()
                copy.engine.insert_account_storage(address, key, value)
                copy.engine.revert(checkpoint)  # else the account stays loaded, and later slots come in warm
            copy._seeded[address.lower()] = slots
        return copy

    def _linked(self, code: Mapping[str, Any], given: Mapping[str, str]) -> bytes:
        text = code["object"].removeprefix("0x")
        for libraries in code["linkReferences"].values():
            for library, places in libraries.items():
                if library not in given and library not in self.libraries:
                    self.libraries[library] = self.deploy(library).address
                address = given.get(library, self.libraries.get(library, "")).lower().removeprefix("0x")
                for place in places:
                    start, end = 2 * place["start"], 2 * (place["start"] + place["length"])
                    text = text[:start] + address + text[end:]
        return bytes.fromhex(text)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            self._logs = []
            raise _revert(str(error)) from None
        result: Any = self.engine.result
        self.gas_used, self._logs = result.gas_used, list(result.logs)


def _revert(text: str) -> Revert:
    gas = int(match[1]) if (match := _GAS.search(text)) else 0
    if not (match := _OUTPUT.search(text)):
        return Revert("Halt", (reason[1] if (reason := _REASON.search(text)) else text,), b"", gas)
    data = bytes.fromhex(match[1])
    if not data:
        return Revert("Empty", (), data, gas)
    if data[:4] in _BUILTIN:
        name, kind = _BUILTIN[data[:4]]
        return Revert(name, _codec(kind).decode(data[4:]), data, gas)
    if entry := _errors().get(data[:4]):
        return Revert(entry["name"], Codec(entry["inputs"]).decode(data[4:]), data, gas)
    return Revert("0x" + data[:4].hex(), (data[4:],), data, gas)


@functools.cache
def _events(contract: str) -> dict[bytes, Mapping[str, Any]]:
    """Return the events of a contract by their first topic."""
    entries = artifact(contract)["abi"]
    return {bytes(keccak(text=signature(entry))): entry for entry in entries if entry["type"] == "event"}


def _event(entry: Mapping[str, Any], topics: Sequence[bytes], data: Any) -> Any:
    body = data[1] if isinstance(data, tuple) else data
    values = iter(Codec([part for part in entry["inputs"] if not part["indexed"]]).decode(bytes(body)))
    indexed = iter(topics)
    found = [_topic(part, next(indexed)) if part["indexed"] else next(values) for part in entry["inputs"]]
    return named(entry["name"], tuple(part["name"] for part in entry["inputs"]))(*found)


def _topic(parameter: Mapping[str, Any], topic: bytes) -> Any:
    """Return an indexed argument: its hash if it is dynamic."""
    kind = parameter["type"]
    hashed = kind in {"string", "bytes", "tuple"} or kind.endswith("]")
    return topic if hashed else _codec(kind).decode(topic)[0]
