"""Arguments and results of contracts to and from bytes.

Most calls of the tests carry plain words, and eth_abi took longer over them than the EVM over the call: they are packed
and read here. All else (arrays, strings, a value out of range, bytes that are no such value) is eth_abi's.
"""

from __future__ import annotations

import functools
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from eth_abi.abi import decode, encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

__all__ = ["Codec", "canonical_type", "named", "selector", "signature"]

Parameter = Mapping[str, Any]
Parameters = Sequence[Parameter]
_WORD = 32


class _NotPlainError(Exception):
    """A value or a word that eth_abi is to judge."""


def canonical_type(parameter: Parameter) -> str:
    """Return a type as selectors and eth_abi spell it."""
    if not parameter["type"].startswith("tuple"):
        return str(parameter["type"])
    inner = ",".join(map(canonical_type, parameter["components"]))
    return f"({inner}){parameter['type'][5:]}"


def signature(entry: Parameter) -> str:
    """Return what the selector of a function, an error or an event is the hash of."""
    return f"{entry['name']}({','.join(map(canonical_type, entry.get('inputs', ())))})"


def selector(entry: Parameter) -> bytes:
    """Return the first four bytes of calldata or of an error's data."""
    return bytes(keccak(text=signature(entry))[:4])


class Codec:
    """Encode and decode values of some parameters.

    Structs go in as sequences or mappings, and come out as named tuples; what has an `address` may stand for it.
    """

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = tuple(parameters)
        self._types = [canonical_type(parameter) for parameter in parameters]
        writers, readers = [_writer(p) for p in parameters], [_reader(p) for p in parameters]
        self._writers = [w for w in writers if w is not None] if all(writers) else None
        self._readers = [r for r in readers if r is not None] if all(readers) else None

    def encode(self, values: Sequence[Any]) -> bytes:
        """Return the bytes of values, one a parameter."""
        if self._writers is not None:
            words: list[bytes] = []
            try:
                for write, value in zip(self._writers, values, strict=True):
                    write(value, words)
            except _NotPlainError:
                pass
            else:
                return b"".join(words)
        plain = [_inward(value, part) for value, part in zip(values, self.parameters, strict=True)]
        return bytes(encode(self._types, plain))

    def decode(self, data: bytes) -> tuple[Any, ...]:
        """Return the values in some bytes, one a parameter."""
        if self._readers is not None:
            words = count(0, _WORD)
            try:
                return tuple(read(data, words) for read in self._readers)
            except _NotPlainError:
                pass
        values = decode(self._types, data)
        return tuple(_outward(value, part) for value, part in zip(values, self.parameters, strict=True))


@functools.cache
def named(name: str, fields: tuple[str, ...]) -> Any:
    """Return the named tuple of some fields."""
    return namedtuple(name, fields, rename=True)


def struct(parameter: Parameter) -> Any:
    """Return the named tuple of a struct."""
    return named("Struct", tuple(part["name"] for part in parameter["components"]))


# Anything, by way of eth_abi


def _inward(value: Any, parameter: Parameter) -> Any:
    kind = parameter["type"]
    if kind.endswith("]"):
        inner = {**parameter, "type": kind[: kind.rindex("[")]}
        return [_inward(item, inner) for item in value]
    if kind == "tuple":
        items = zip(_items(value, parameter), parameter["components"], strict=True)
        return tuple(_inward(item, part) for item, part in items)
    return getattr(value, "address", value) if kind == "address" else value


def _items(value: Any, parameter: Parameter) -> list[Any]:
    parts = parameter["components"]
    items = [value[part["name"]] for part in parts] if isinstance(value, Mapping) else list(value)
    if len(items) != len(parts):
        kind = parameter.get("internalType", "struct")
        raise TypeError(f"{kind} has {len(parts)} fields, {len(items)} given")
    return items


def _outward(value: Any, parameter: Parameter) -> Any:
    kind = parameter["type"]
    if kind.endswith("]"):
        inner = {**parameter, "type": kind[: kind.rindex("[")]}
        return [_outward(item, inner) for item in value]
    if kind == "tuple":
        items = zip(value, parameter["components"], strict=True)
        return struct(parameter)(*(_outward(item, part) for item, part in items))
    return to_checksum_address(value) if kind == "address" else value


# Plain words

_Writer = Callable[[Any, list[bytes]], None]
_Reader = Callable[[bytes, Iterator[int]], Any]


def _bounds(kind: str) -> tuple[int, int] | None:
    """Return the least and the largest integer of a type; None if it is not one of integers."""
    for name, signed in (("uint", False), ("int", True)):
        if kind.startswith(name) and kind[len(name) :].isdigit():
            bits = int(kind[len(name) :])
            return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    return None


def _writer(parameter: Parameter) -> _Writer | None:
    """Return what appends the words of a value; None if the type is not made of words alone."""
    kind = parameter["type"]
    if kind == "tuple":
        parts = [_writer(part) for part in parameter["components"]]
        writers = [part for part in parts if part is not None]
        if len(writers) < len(parts):
            return None

        def write_struct(value: Any, words: list[bytes]) -> None:
            for write, item in zip(writers, _items(value, parameter), strict=True):
                write(item, words)

        return write_struct
    if (bounds := _bounds(kind)) is not None:
        least, most = bounds

        def write_integer(value: Any, words: list[bytes]) -> None:
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise _NotPlainError
            words.append(value.to_bytes(_WORD, "big", signed=least < 0))

        return write_integer
    if kind == "bool":

        def write_bool(value: Any, words: list[bytes]) -> None:
            if value is not True and value is not False:
                raise _NotPlainError
            words.append(value.to_bytes(_WORD, "big"))

        return write_bool
    if kind == "address":

        def write_address(value: Any, words: list[bytes]) -> None:
            text = getattr(value, "address", value)
            if not isinstance(text, str) or len(text) != 42:
                raise _NotPlainError
            words.append(bytes.fromhex(text[2:]).rjust(_WORD, b"\0"))

        return write_address
    if kind.startswith("bytes") and kind != "bytes" and not kind.endswith("]"):
        size = int(kind[5:])

        def write_bytes(value: Any, words: list[bytes]) -> None:
            if not isinstance(value, bytes) or len(value) > size:
                raise _NotPlainError
            words.append(value.ljust(_WORD, b"\0"))

        return write_bytes
    return None


def _reader(parameter: Parameter) -> _Reader | None:
    """Return what reads a value from the next words; None if the type is not made of words alone."""
    kind = parameter["type"]
    if kind == "tuple":
        parts = [_reader(part) for part in parameter["components"]]
        readers = [part for part in parts if part is not None]
        if len(readers) < len(parts):
            return None
        made = struct(parameter)
        return lambda data, words: made(*[read(data, words) for read in readers])
    if (bounds := _bounds(kind)) is not None:
        least, most = bounds

        def read_integer(data: bytes, words: Iterator[int]) -> int:
            at = next(words)
            value = int.from_bytes(data[at : at + _WORD], "big", signed=least < 0)
            if not least <= value <= most or at + _WORD > len(data):
                raise _NotPlainError
            return value

        return read_integer
    if kind == "bool":

        def read_bool(data: bytes, words: Iterator[int]) -> bool:
            at = next(words)
            value = int.from_bytes(data[at : at + _WORD], "big")
            if value > 1 or at + _WORD > len(data):
                raise _NotPlainError
            return value == 1

        return read_bool
    if kind == "address":

        def read_address(data: bytes, words: Iterator[int]) -> str:
            at = next(words)
            word = data[at : at + _WORD]
            if len(word) < _WORD or any(word[:12]):
                raise _NotPlainError
            return _checksummed(word[12:])

        return read_address
    if kind.startswith("bytes") and kind != "bytes" and not kind.endswith("]"):
        size = int(kind[5:])

        def read_bytes(data: bytes, words: Iterator[int]) -> bytes:
            at = next(words)
            word = data[at : at + _WORD]
            if len(word) < _WORD or any(word[size:]):
                raise _NotPlainError
            return word[:size]

        return read_bytes
    return None


@functools.lru_cache(maxsize=4096)
def _checksummed(address: bytes) -> str:
    return str(to_checksum_address(address))
