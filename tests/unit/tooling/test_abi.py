"""The tests' own packing of plain words says what eth_abi says, of any value and of any bytes."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError, EncodingError
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st
from tests.support.abi import Codec, canonical_type, selector

WORDS = ("uint256", "uint40", "uint8", "int256", "int64", "int24", "bool", "address", "bytes32", "bytes4")
OTHERS = ("uint256[]", "int24[2]", "bytes", "string", "address[]")


def parameters(kinds: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    plain = st.sampled_from(kinds).map(lambda kind: {"name": "x", "type": kind})
    return st.recursive(
        plain,
        lambda inner: st.lists(inner, min_size=1, max_size=3).map(
            lambda parts: {
                "name": "x",
                "type": "tuple",
                "components": [{**part, "name": f"f{i}"} for i, part in enumerate(parts)],
            }
        ),
        max_leaves=4,
    )


def values(parameter: dict[str, Any]) -> st.SearchStrategy[Any]:
    kind = parameter["type"]
    if kind == "tuple":
        return st.tuples(*map(values, parameter["components"]))
    if kind.endswith("]"):
        size = {"[2]": 2}.get(kind[kind.index("[") :])
        inner = values({"type": kind[: kind.index("[")]})
        return st.lists(inner, min_size=size or 0, max_size=size or 3)
    if "int" in kind:
        bits = int(kind.lstrip("uint"))
        low, high = (0, 1 << bits) if kind[0] == "u" else (-(1 << bits - 1), 1 << bits - 1)
        return st.integers(low, high - 1)
    if kind.startswith("bytes"):
        return st.binary(max_size=int(kind[5:] or 70))
    return {
        "bool": st.booleans(),
        "string": st.text(max_size=40),
        "address": st.binary(min_size=20, max_size=20).map(to_checksum_address),
    }[kind]


@given(st.data(), st.sampled_from((WORDS, WORDS + OTHERS)))
def test_what_goes_in_and_comes_out_is_what_eth_abi_makes_of_it(
    data: st.DataObject, kinds: tuple[str, ...]
) -> None:
    listed = data.draw(st.lists(parameters(kinds), min_size=1, max_size=4))
    given_ = [data.draw(values(parameter)) for parameter in listed]
    types, codec = [canonical_type(parameter) for parameter in listed], Codec(listed)
    encoded = codec.encode(given_)
    assert encoded == encode(types, given_)
    assert plain(codec.decode(encoded)) == plain(decode(types, encoded))


@given(st.data())
def test_any_bytes_are_read_or_refused_as_eth_abi_does(data: st.DataObject) -> None:
    listed = data.draw(st.lists(parameters(WORDS), min_size=1, max_size=3))
    word = st.one_of(
        st.integers(0, 3).map(lambda x: x.to_bytes(32, "big")),
        st.binary(min_size=32, max_size=32),
        st.integers(1, 1 << 31).map(lambda x: (-x).to_bytes(32, "big", signed=True)),
        st.binary(min_size=4, max_size=4).map(lambda x: x.ljust(32, b"\0")),
    )
    given_ = b"".join(data.draw(st.lists(word, max_size=8))) + data.draw(st.binary(max_size=3))
    try:
        expected = decode([canonical_type(parameter) for parameter in listed], given_)
    except DecodingError as error:
        with pytest.raises(type(error)):
            Codec(listed).decode(given_)
    else:
        assert plain(Codec(listed).decode(given_)) == plain(expected)


def plain(value: Any) -> Any:
    """Return a value without names, and addresses in small letters."""
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    return value.lower() if isinstance(value, str) and value[:2] == "0x" else value


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("uint8", 256),
        ("uint8", -1),
        ("int8", 128),
        ("uint256", True),
        ("uint256", 1.0),
        ("bool", 1),
        ("address", "0x12"),
        ("bytes4", b"12345"),
    ],
)
def test_a_value_out_of_range_is_an_error(kind: str, value: Any) -> None:
    with pytest.raises(EncodingError):
        Codec([{"name": "x", "type": kind}]).encode([value])


def test_structs_go_in_by_name_or_in_order_and_come_out_by_name() -> None:
    parts = [{"name": "page", "type": "uint8"}, {"name": "lots", "type": "int64"}]
    codec = Codec([{"name": "leg", "type": "tuple", "components": parts}])
    assert codec.encode([{"lots": -2, "page": 1}]) == codec.encode([(1, -2)])
    (leg,) = codec.decode(codec.encode([(1, -2)]))
    assert (leg.page, leg.lots) == (1, -2)
    with pytest.raises(TypeError, match="struct has 2 fields, 3 given"):
        codec.encode([(1, 2, 3)])


def test_a_selector_is_the_first_four_bytes_of_the_hash() -> None:
    parts = [{"name": "to", "type": "address"}, {"name": "amount", "type": "uint256"}]
    assert selector({"name": "transfer", "inputs": parts}).hex() == "a9059cbb"
