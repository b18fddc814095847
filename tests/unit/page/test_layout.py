import re
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from seawall.errors import PageError
from seawall.page import layout
from seawall.page.layout import (
    ACCOUNT,
    ATOM,
    CERTIFICATE_ENTRY,
    HEADS,
    MAX_LOTS,
    POSITION,
    RECORD,
    Field,
    pack,
    pack_entries,
    pack_positions,
    unpack,
    unpack_entries,
    unpack_positions,
)

CONTRACTS = Path(__file__).resolve().parents[3] / "contracts" / "libraries"
WORDS = {
    **{f"head {i}": (fields, 256) for i, fields in enumerate(HEADS)},
    "record": (RECORD, 256),
    "atom": (ATOM, 128),
    "position": (POSITION, 64),
    "account": (ACCOUNT, 256),
    "certificate entry": (CERTIFICATE_ENTRY, 64),
}
# What Solidity calls by a shorter name.
ALIASES = {
    "leg_long": "leg_long_scaled",
    "leg_short": "leg_short_scaled",
    "expiry": "expiry_hour",
    "delta": "delta_x22",
    "gamma_spot": "gamma_spot_x10",
}


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


@pytest.mark.parametrize("name", WORDS)
def test_fields_of_a_word_neither_overlap_nor_leave_it(name: str) -> None:
    fields, bits = WORDS[name]
    taken = 0
    for field in fields:
        assert field.mask & taken == 0
        taken |= field.mask
    assert taken < 1 << bits


@pytest.mark.parametrize("word", ["head 0", "head 1", "head 2", "head 3", "record"])
def test_the_layout_is_the_one_the_solidity_library_documents(word: str) -> None:
    text = (CONTRACTS / "PageLayout.sol").read_text()
    lines = re.search(rf"^/// {word}:(.*?)^(?:/// \w[\w ]*:|library)", text, re.M | re.S)
    assert lines
    documented = {
        ALIASES.get(snake(name), snake(name)): (int(low), int(width), bool(signed))
        for name, low, width, signed in re.findall(r"(\w+) (\d+)/(\d+)( signed)?", lines[1])
        if name != "reserved"
    }
    assert documented == {f.name: (f.low, f.width, f.signed) for f in WORDS[word][0]}


def test_constants_are_those_of_the_solidity_libraries() -> None:
    text = "".join((CONTRACTS / name).read_text() for name in ("PageLayout.sol", "AccountWord.sol"))
    found = {name: int(value, 0) for name, value in re.findall(r"constant (\w+) = (0x[0-9a-f]+|\d+);", text)}
    for name, value in found.items():
        have = layout.Kind[name.removeprefix("KIND_")] if name.startswith("KIND_") else getattr(layout, name)
        assert have == value, name
    assert layout.TERMS_MASK == (0xFFFFFF << 216) | ((1 << 40) - 1 << 176) | 0x3FFFFF
    assert len(found) > 15


def test_stored_positions_are_those_of_the_solidity_library() -> None:
    text = (CONTRACTS / "PositionWords.sol").read_text()
    found = {name: int(value) for name, value in re.findall(r"constant (\w+) = (\d+);", text)}
    per_word, bits = layout.POSITIONS_PER_WORD, POSITION[-1].low + found["LOTS_BITS"] + 1
    assert 1 << found["LOTS_BITS"] == MAX_LOTS
    assert found == {
        "POSITIONS_PER_WORD": per_word,
        "STORED_WORDS": -(-layout.MAX_POSITIONS // per_word),
        "POSITION_BITS": bits,
        "LOTS_BITS": found["LOTS_BITS"],
    }
    assert per_word * bits <= 256
    merge = (CONTRACTS / "Merge.sol").read_text()
    assert f"LEAST_SHIFT = {(layout.MAX_SCALED_LOTS // MAX_LOTS).bit_length() - 1};" in merge


@given(data=st.data(), name=st.sampled_from(sorted(WORDS)))
def test_a_word_gives_back_what_was_put_in(data: st.DataObject, name: str) -> None:
    fields, _ = WORDS[name]
    values = {f.name: data.draw(st.integers(f.minimum, f.maximum), label=f.name) for f in fields}
    assert unpack(fields, pack(fields, values, where=name), where=name) == values


@given(
    low=st.integers(0, 100),
    width=st.integers(2, 100),
    signed=st.booleans(),
    off=st.integers(1, 10),
    up=st.booleans(),
)
def test_a_value_out_of_range_is_named_with_its_field_and_range(
    low: int, width: int, signed: bool, off: int, up: bool
) -> None:
    field = Field("mark", low, width, signed)
    value = field.maximum + off if up else field.minimum - off
    with pytest.raises(
        PageError, match=re.escape(f"slot 3: mark is {value}, allowed are {field.minimum} to")
    ):
        field.put(value, where="slot 3")


def test_reserved_bits_are_refused() -> None:
    with pytest.raises(PageError, match="head 3: reserved bits are set"):
        unpack(HEADS[3], 1 << 200, where="head 3")


@given(entries=st.lists(st.integers(1, (1 << 64) - 1), max_size=9))
def test_entries_stand_four_a_word_from_the_top(entries: list[int]) -> None:
    words = pack_entries(entries)
    assert len(words) == -(-len(entries) // 4)
    assert [entry for entry in unpack_entries(words) if entry] == entries
    if entries:
        assert words[0] >> 192 == entries[0]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 255),
            st.integers(0, (1 << 14) - 1),
            st.integers(1 - MAX_LOTS, MAX_LOTS - 1).filter(bool),
        ),
        max_size=11,
    )
)
def test_positions_stand_five_a_stored_word_from_the_top(positions: list[tuple[int, int, int]]) -> None:
    entries = [lots % (1 << 42) << 22 | generation << 8 | slot for slot, generation, lots in positions]
    words = pack_positions(entries)
    assert len(words) == -(-len(entries) // 5)
    assert [entry for entry in unpack_positions(words) if entry] == entries
    if positions:
        slot, generation, lots = positions[0]
        assert words[0] >> 205 == lots % (1 << 29) << 22 | generation << 8 | slot


@pytest.mark.parametrize("lots", [MAX_LOTS, -MAX_LOTS])
def test_lots_that_no_stored_position_holds_are_refused(lots: int) -> None:
    with pytest.raises(PageError, match=f"position 1: {lots} lots are not below {MAX_LOTS} either way"):
        pack_positions([1 << 22, lots % (1 << 42) << 22])
