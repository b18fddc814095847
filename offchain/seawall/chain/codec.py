"""Encodes calls and decodes results, events and custom errors by ABI, without a node.

Structs go in as mappings, dataclasses or sequences and come out as named tuples, so that `health.current.equity` reads
like the Solidity.
"""

from __future__ import annotations

import re
from collections import namedtuple
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError, EncodingError
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from seawall.errors import InputError

__all__ = ["Item", "abi_type", "decode_values", "encode_values", "selector_of", "signature_of"]

Item = Mapping[str, Any]

_ARRAY = re.compile(r"^(.*)\[\d*\]$")


def abi_type(parameter: Item) -> str:
    """Return a parameter's canonical type, with structs written as tuples."""
    kind = str(parameter["type"])
    if not kind.startswith("tuple"):
        return kind
    inner = ",".join(abi_type(component) for component in parameter["components"])
    return f"({inner}){kind[len('tuple') :]}"


def signature_of(item: Item) -> str:
    """Return `name(type,type)` of a function, an event or an error."""
    return f"{item['name']}({','.join(abi_type(p) for p in item.get('inputs', ()))})"


def selector_of(item: Item) -> bytes:
    """Return the first four bytes of the hash of an item's signature."""
    return bytes(keccak(text=signature_of(item))[:4])


def encode_values(parameters: Sequence[Item], values: Sequence[Any], *, what: str) -> bytes:
    """Encode values by their parameters.

    Raises
    ------
    InputError
        When their number or a type does not fit; `what` names the call.
    """
    if len(parameters) != len(values):
        raise InputError(f"{what} takes {len(parameters)} arguments, not {len(values)}")
    try:
        lowered = [_lower(p, value) for p, value in zip(parameters, values, strict=True)]
        return encode([abi_type(p) for p in parameters], lowered)
    except (EncodingError, TypeError, KeyError, ValueError, OverflowError) as error:
        raise InputError(f"arguments do not fit {what}: {error}") from error


def decode_values(parameters: Sequence[Item], payload: bytes) -> list[Any]:
    """Decode bytes by their parameters.

    Raises
    ------
    InputError
        When the bytes are no such encoding.
    """
    try:
        raw = decode([abi_type(p) for p in parameters], payload)
    except (DecodingError, OverflowError, ValueError) as error:
        raise InputError(f"{len(payload)} bytes do not decode: {error}") from error
    return [_raise(p, value) for p, value in zip(parameters, raw, strict=True)]


def _element(parameter: Item) -> Item | None:
    match = _ARRAY.match(str(parameter["type"]))
    return {**parameter, "type": match[1]} if match else None


def _lower(parameter: Item, value: Any) -> Any:
    if (element := _element(parameter)) is not None:
        return [_lower(element, part) for part in value]
    if parameter["type"] != "tuple":
        return value
    components = parameter["components"]
    if is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        parts = [_field(value, str(component["name"])) for component in components]
    else:
        parts = list(value)
    return tuple(_lower(component, part) for component, part in zip(components, parts, strict=True))


def _field(value: Mapping[str, Any], name: str) -> Any:
    if name in value:
        return value[name]
    return value[re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()]  # Python's spelling of a Solidity name


def _raise(parameter: Item, value: Any) -> Any:
    if (element := _element(parameter)) is not None:
        return [_raise(element, part) for part in value]
    if parameter["type"] == "address":
        return to_checksum_address(value)
    if parameter["type"] != "tuple":
        return value
    components = parameter["components"]
    names = tuple(str(c["name"]) or f"field{i}" for i, c in enumerate(components))
    return _struct(names)(*(_raise(c, part) for c, part in zip(components, value, strict=True)))


@cache
def _struct(names: tuple[str, ...]) -> Any:
    return namedtuple("Struct", names)
