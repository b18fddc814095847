"""Turns what a node says about a failed call into an exception that carries the custom error's name and values."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from seawall.chain.artifacts import artifact_names, load_artifact
from seawall.chain.codec import Item, decode_values, selector_of, signature_of
from seawall.errors import ConfigError, InputError

__all__ = ["Reverted", "decode_revert", "known_errors", "revert_data"]

_BUILT_IN: tuple[Item, ...] = (
    {"name": "Error", "inputs": [{"name": "reason", "type": "string"}]},
    {"name": "Panic", "inputs": [{"name": "code", "type": "uint256"}]},
)
_HEX = re.compile(r"0x((?:[0-9a-fA-F]{2})*)(?![0-9a-fA-F])")
_BYTES_LITERAL = re.compile(r"b(?:'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\")", re.DOTALL)


class Reverted(InputError):
    """Report a call or a transaction that the contracts refused.

    `name` is the custom error's name, empty when the revert carried none; `arguments` its values by parameter name, in
    order; `what` the call that was refused.
    """

    def __init__(self, name: str, arguments: Mapping[str, Any], data: bytes, *, what: str = "") -> None:
        self.name = name
        self.arguments = dict(arguments)
        self.data = data
        self.what = what
        self.gas_used: int | None = None
        super().__init__(name, self.arguments, data, what)

    def __str__(self) -> str:
        values = ", ".join(f"{key}={_readable(value)}" for key, value in self.arguments.items())
        reason = f"{self.name}({values})" if self.name else "without a reason"
        return f"{self.what} reverted: {reason}" if self.what else f"reverted: {reason}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.name, self.arguments, self.data, self.what)


def _rebuild(name: str, arguments: Mapping[str, Any], data: bytes, what: str) -> Reverted:
    return Reverted(name, arguments, data, what=what)


@cache
def known_errors() -> Mapping[bytes, Item]:
    """Return every custom error of every compiled contract, by selector."""
    found = {selector_of(item): item for item in _BUILT_IN}
    for name in artifact_names():
        try:
            abi = load_artifact(name).abi
        except ConfigError:
            continue  # a damaged file; whoever needs that contract is told
        found.update({selector_of(item): item for item in abi if item["type"] == "error"})
    return found


def decode_revert(data: bytes, *, what: str = "") -> Reverted:
    """Return the exception for the bytes a revert carried."""
    item = known_errors().get(bytes(data[:4]))
    if item is None:
        name = f"unknown error 0x{data[:4].hex()}" if data else ""
        return Reverted(name, {}, data, what=what)
    inputs = item.get("inputs", ())
    try:
        values = decode_values(inputs, bytes(data[4:]))
    except InputError:
        return Reverted(f"malformed {signature_of(item)}", {}, data, what=what)
    names = [str(p["name"]) or str(i) for i, p in enumerate(inputs)]
    return Reverted(str(item["name"]), dict(zip(names, values, strict=True)), data, what=what)


def revert_data(error: BaseException) -> bytes | None:
    """Return the bytes a node attached to a failed call, empty when it only said so, None when this was no revert."""
    for candidate in _candidates(error):
        if isinstance(candidate, bytes | bytearray):
            return bytes(candidate)
        if isinstance(candidate, str) and (found := _from_text(candidate)) is not None:
            return found
    text = str(error).lower()
    return b"" if "revert" in text or "TransactionFailed" in type(error).__name__ else None


def _candidates(error: BaseException) -> list[Any]:
    found: list[Any] = [getattr(error, "data", None)]
    response = getattr(error, "rpc_response", None)
    if isinstance(response, Mapping) and isinstance(response.get("error"), Mapping):
        inner = response["error"].get("data")
        found.append(inner.get("data") if isinstance(inner, Mapping) else inner)
    return found + [part for part in error.args if isinstance(part, str | bytes)]


def _from_text(text: str) -> bytes | None:
    match = _HEX.search(text)
    if match and len(match[1]) % 64 in (0, 8) and (text.startswith("0x") or "revert" in text):
        return bytes.fromhex(match[1])
    literal = _BYTES_LITERAL.search(text) if "revert" in text else None
    if literal:
        try:
            return bytes(ast.literal_eval(literal[0]))
        except (SyntaxError, ValueError):
            return None
    return None


def _readable(value: Any) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
