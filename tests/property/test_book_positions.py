"""The packed book of an account behaves as a mapping from instrument to lots."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.evm import Contract, Evm, Revert

from seawall.page.layout import ACCOUNT, MAX_LOTS, MAX_PAGES, POSITION, unpack, unpack_positions

ACCOUNT_ID = bytes.fromhex("aa" * 20 + "00" * 12)
LARGEST_LOTS = MAX_LOTS - 1

# A change of one position: few instruments, so that positions meet; lots of every size.
changes = st.tuples(
    st.integers(0, MAX_PAGES - 1),
    st.integers(0, 11),
    st.sampled_from((1, 2, 0x3FFF)),
    st.integers(-3, 3) | st.integers(-(1 << 20), 1 << 20),
)
# A change, or the place of a position that is to be closed among those that are open.
moves = changes | st.integers(0, 99)


@pytest.fixture(scope="module")
def harness() -> Contract:
    return Evm().deploy("BookHarness")


def apply(
    harness: Contract, model: dict[tuple[int, int, int], int], change: tuple[int, int, int, int] | int
) -> None:
    if isinstance(change, int):
        if not model:
            return
        key = list(model)[change % len(model)]
        change = (*key, -model[key])
    page, slot, generation, lots = change
    before = model.get((page, slot, generation), 0)
    moved = harness.addLots(ACCOUNT_ID, page, slot, generation, lots)
    assert (moved.oldLots, moved.newLots) == (before, before + lots)
    model[page, slot, generation] = before + lots
    if before + lots == 0:
        del model[page, slot, generation]


def stored(harness: Contract) -> dict[tuple[int, int, int], int]:
    """Return every position as the layout says it is stored, and check that nothing else is."""
    word = unpack(ACCOUNT, harness.accountWord(ACCOUNT_ID), where="account")
    found: dict[tuple[int, int, int], int] = {}
    ended = False
    for entry in range(MAX_PAGES):
        page, count = word[f"page_{entry}"], word[f"count_{entry}"]
        ended = ended or not count
        assert not (ended and (page or count)), "the page list is dense"
        if ended:
            continue
        entries = unpack_positions(harness.bookWords(ACCOUNT_ID, page))
        assert not any(entries[count:]), "nothing stands behind the last position"
        for packed in entries[:count]:
            position = unpack(POSITION, packed, where="position")
            key = (page, position["slot"], position["generation"])
            assert position["lots"] != 0
            assert key not in found
            found[key] = position["lots"]
    return found


@given(st.lists(moves, max_size=60))
def test_a_book_holds_the_sum_of_all_changes(
    harness: Contract, sequence: list[tuple[int, int, int, int] | int]
) -> None:
    model: dict[tuple[int, int, int], int] = {}
    with harness.evm.isolated():
        for change in sequence:
            apply(harness, model, change)
        assert stored(harness) == model
        assert harness.positions(ACCOUNT_ID) == len(model)
        for (page, slot, generation), lots in model.items():
            assert harness.lotsIn(ACCOUNT_ID, page, slot, generation) == lots


@given(st.lists(moves, max_size=40))
def test_open_interest_is_the_sum_of_long_positions(
    harness: Contract, sequence: list[tuple[int, int, int, int] | int]
) -> None:
    model: dict[tuple[int, int, int], int] = {}
    with harness.evm.isolated():
        for change in sequence:
            apply(harness, model, change)
        for page in range(MAX_PAGES):
            longs = sum(max(lots, 0) for (at, _, _), lots in model.items() if at == page)
            assert harness.openInterest(page) == longs


@given(st.lists(changes, max_size=20), st.integers(0, (1 << 160) - 1))
def test_changing_positions_leaves_the_rest_of_the_account_word(
    harness: Contract, sequence: list[tuple[int, int, int, int]], rest: int
) -> None:
    with harness.evm.isolated():
        harness.setWord(ACCOUNT_ID, rest << 96)
        for page, slot, generation, lots in sequence:
            harness.addLots(ACCOUNT_ID, page, slot, generation, lots)
        assert harness.accountWord(ACCOUNT_ID) >> 96 == rest


@given(st.lists(changes, max_size=20), st.randoms(use_true_random=False))
def test_closing_every_position_leaves_no_trace(
    harness: Contract, sequence: list[tuple[int, int, int, int]], order
) -> None:
    model: dict[tuple[int, int, int], int] = {}
    with harness.evm.isolated():
        for change in sequence:
            apply(harness, model, change)
        keys = list(model)
        order.shuffle(keys)
        for key in keys:
            apply(harness, model, (*key, -model[key]))
        assert harness.accountWord(ACCOUNT_ID) == 0
        assert all(not any(harness.bookWords(ACCOUNT_ID, page)) for page in range(MAX_PAGES))


@given(st.sampled_from((-1, 1)))
def test_a_page_takes_as_many_positions_as_its_words_hold(harness: Contract, sign: int) -> None:
    with harness.evm.isolated():
        for slot in range(130):
            harness.addLots(ACCOUNT_ID, 9, slot, 1, sign * (slot + 1))
        assert harness.positions(ACCOUNT_ID) == 130
        assert stored(harness) == {(9, slot, 1): sign * (slot + 1) for slot in range(130)}
        with pytest.raises(Revert, match="Panic"):
            harness.addLots(ACCOUNT_ID, 9, 130, 1, sign)


def test_a_seventh_page__reverts(harness: Contract) -> None:
    with harness.evm.isolated():
        for page in range(MAX_PAGES):
            harness.addLots(ACCOUNT_ID, page, 0, 1, 5)
        with pytest.raises(Revert, match="TooManyPages"):
            harness.addLots(ACCOUNT_ID, MAX_PAGES, 0, 1, 5)
        harness.addLots(ACCOUNT_ID, 2, 0, 1, -5)
        harness.addLots(ACCOUNT_ID, MAX_PAGES, 0, 1, 5)


@given(st.sampled_from((-1, 1)), st.integers(1, LARGEST_LOTS))
def test_lots_beyond_twenty_eight_bits__revert(harness: Contract, sign: int, lots: int) -> None:
    with harness.evm.isolated():
        harness.addLots(ACCOUNT_ID, 0, 0, 1, sign * lots)
        assert harness.lotsIn(ACCOUNT_ID, 0, 0, 1) == sign * lots
        with pytest.raises(Revert, match="LotsOutOfRange"):
            harness.addLots(ACCOUNT_ID, 0, 0, 1, sign * (LARGEST_LOTS + 1 - lots))


@given(st.integers(-(1 << 41), 1 << 41), st.integers(0, 31))
def test_a_position_is_in_range__iff_its_scaled_lots_fit(harness: Contract, lots: int, shift: int) -> None:
    assert harness.inRange(lots, shift) == (abs(lots) < 1 << 28 and abs(lots) << shift < 1 << 39)


@given(
    st.integers(0, 255),
    st.integers(0, 0x3FFF),
    st.integers(-LARGEST_LOTS, LARGEST_LOTS).filter(bool),
)
def test_a_position_is_stored_as_the_layout_says(
    harness: Contract, slot: int, generation: int, lots: int
) -> None:
    with harness.evm.isolated():
        harness.addLots(ACCOUNT_ID, 0, slot, generation, lots)
        packed = (lots % (1 << 29)) << 22 | generation << 8 | slot
        assert harness.bookWords(ACCOUNT_ID, 0)[0] == packed << 205
