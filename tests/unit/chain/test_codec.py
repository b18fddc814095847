"""Arguments go in by name or in order, and come out as they went in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seawall.chain.codec import decode_values, encode_values, selector_of, signature_of
from seawall.errors import InputError

POINT = {
    "name": "p",
    "type": "tuple",
    "components": [{"name": "asOf", "type": "uint64"}, {"name": "y", "type": "int64"}],
}
POINTS = {**POINT, "name": "ps", "type": "tuple[]"}
WORDS = {"name": "words", "type": "bytes32[2]"}

u64 = st.integers(0, 2**64 - 1)
i64 = st.integers(-(2**63), 2**63 - 1)
points = st.lists(st.tuples(u64, i64), max_size=4)
words = st.lists(st.binary(min_size=32, max_size=32), min_size=2, max_size=2)


@dataclass(frozen=True)
class Point:
    as_of: int
    y: int


@given(points, words)
def test_what_is_encoded_is_what_is_decoded(
    given_points: list[tuple[int, int]], given_words: list[bytes]
) -> None:
    payload = encode_values([POINTS, WORDS], [given_points, given_words], what="f")
    back_points, back_words = decode_values([POINTS, WORDS], payload)
    assert [tuple(point) for point in back_points] == given_points
    assert back_words == given_words


@given(u64, i64)
def test_a_struct_may_be_given_in_order_by_name_or_as_a_dataclass(x: int, y: int) -> None:
    ways: list[Any] = [(x, y), [x, y], {"y": y, "asOf": x}, {"as_of": x, "y": y}, Point(as_of=x, y=y)]
    assert len({encode_values([POINT], [way], what="f") for way in ways}) == 1


def test_structs_come_out_with_their_field_names() -> None:
    (point,) = decode_values([POINT], encode_values([POINT], [(7, -1)], what="f"))
    assert (point.asOf, point.y) == (7, -1)


def test_a_signature_spells_structs_as_tuples() -> None:
    item = {"name": "f", "inputs": [POINTS, WORDS]}
    assert signature_of(item) == "f((uint64,int64)[],bytes32[2])"
    assert (
        selector_of({"name": "transfer", "inputs": [{"type": "address"}, {"type": "uint256"}]}).hex()
        == "a9059cbb"
    )


@pytest.mark.parametrize("values", [[], [(1, 2), (3, 4)], [(2**64, 0)], [(1,)], [{"asOf": 1}], ["x"]])
def test_arguments_that_do_not_fit_name_the_call(values: list[Any]) -> None:
    with pytest.raises(InputError, match=r"Oracle\.f"):
        encode_values([POINT], values, what="Oracle.f")


def test_bytes_that_are_no_encoding_are_refused() -> None:
    with pytest.raises(InputError, match="do not decode"):
        decode_values([POINT], b"\x01" * 31)
