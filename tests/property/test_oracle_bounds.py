"""Whatever a quorum signs, a probe's value moves no faster than its buckets; a preview tells what activation does."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support.evm import Revert
from tests.support.oracle_world import BOUNDS, GRACE_S, SPOTS, OracleWorld, changed, recorded

from seawall.page.decode import Page

FLOOR, CAP, RISE, FALL = BOUNDS[:4]
PPM = 1_000_000
SLOW = settings(max_examples=max(20, settings.default.max_examples // 4))  # every step signs a manifest


@dataclass
class Bucket:
    """The twin of one probe: what it may still rise and fall by, scaled by 2^16, as the contract rounds it."""

    value: int
    at: int
    up: int
    down: int

    @classmethod
    def first(cls, value: int, at: int) -> Bucket:
        return cls(value=value, at=at, up=(value * RISE << 16) // PPM, down=(value * FALL << 16) // PPM)

    def refilled(self, now: int) -> tuple[int, int]:
        levels = []
        for level, rate, period in ((self.up, RISE, 3_600), (self.down, FALL, 86_400)):
            refill = (self.value * rate * (now - self.at) << 16) // (PPM * period)
            levels.append(min(level + refill, (self.value * rate << 16) // PPM))
        return levels[0], levels[1]

    def move(self, value: int, now: int) -> bool:
        """Move to a value if that is allowed, and say so."""
        if not FLOOR <= value <= CAP:
            return False
        up, down = self.refilled(now)
        rise = value - self.value << 16
        if rise > up or -rise > down:
            return False
        self.up, self.down = (up - rise, down) if rise > 0 else (up, down + rise)
        self.value, self.at = value, now
        return True

    def allowed(self, now: int) -> tuple[int, int]:
        up, down = self.refilled(now)
        return max(FLOOR, self.value - (down >> 16)), min(CAP, self.value + (up >> 16))


@pytest.fixture(scope="module")
def single() -> OracleWorld:
    """One underlying, one signer, a first value of 10%."""
    world = OracleWorld(underlyings=1, quorum=1, keepers=1)
    world.publish()
    return world


@pytest.fixture(scope="module")
def trio() -> OracleWorld:
    world = OracleWorld(quorum=1, keepers=1)
    world.publish()
    world.wait(GRACE_S)
    world.publish()
    world.wait(600)
    return world


def attempt(world: OracleWorld, ratio: int) -> bool:
    try:
        world.publish([world.page(0, ratio_ppm=ratio)])
    except Revert as failure:
        if failure.name in {"ProbeOutOfBounds", "ProbeRoseTooFast", "ProbeFellTooFast"}:
            return False
        raise
    return True


STEPS = st.lists(
    st.tuples(
        st.one_of(st.integers(1, 60), st.integers(1, 20_000)),
        st.one_of(st.sampled_from(["least", "largest", "above", "below"]), st.integers(20_000, 700_000)),
    ),
    min_size=1,
    max_size=15,
)


@SLOW
@given(STEPS)
@example([(1, "largest")] * 15)
@example([(1, "least")] * 15)
def test_INV_14_the_buckets_are_those_of_the_twin(
    single: OracleWorld, steps: list[tuple[int, str | int]]
) -> None:
    with single.evm.isolated():
        twin = Bucket.first(100_000, single.evm.timestamp)
        for gap, wish in steps:
            single.wait(gap)
            now = single.evm.timestamp
            least, largest = twin.allowed(now)
            assert tuple(single.oracle.probeRange(0)) == (least, largest)
            named = {"least": least, "largest": largest, "above": largest + 1, "below": least - 1}
            target = named[wish] if isinstance(wish, str) else wish
            assert attempt(single, target) == twin.move(target, now)


@SLOW
@given(st.lists(st.integers(1, 1_200) | st.integers(1, 20_000), min_size=1, max_size=20))
@example([20_000, 1])
def test_INV_14_no_number_of_updates_beats_the_bucket(single: OracleWorld, gaps: list[int]) -> None:
    """Always rise as far as allowed: within t a value rises at most by its capacity, compounded by the refill in t."""
    with single.evm.isolated():
        history = [(single.evm.timestamp, 100_000)]
        for gap in gaps:
            single.wait(gap)
            history.append((single.evm.timestamp, history[-1][1]))
            _, largest = single.oracle.probeRange(0)
            assert not attempt(single, largest + 1)
            assert attempt(single, largest)
            history.append((single.evm.timestamp, largest))
        for i, (start, low) in enumerate(history):
            for end, high in history[i:]:
                hours = (end - start) / 3_600
                assert high <= low * (1 + RISE / PPM) * math.exp(RISE / PPM * hours) + 1


@SLOW
@given(
    st.lists(st.tuples(st.integers(1, 60) | st.integers(1, 7_200), st.booleans()), min_size=2, max_size=20)
)
@example([(1, True), (1, False), (1, True)])
def test_INV_14_going_up_and_down_makes_no_room(single: OracleWorld, moves: list[tuple[int, bool]]) -> None:
    """The upward moves of any run of updates sum to no more than capacity and refill, whatever falls lie between."""
    with single.evm.isolated():
        rises, refills, value = 0, (100_000 * RISE << 16) // PPM, 100_000
        for gap, upward in moves:
            single.wait(gap)
            refills += (value * RISE * gap << 16) // (PPM * 3_600)
            target = single.oracle.probeRange(0)[1 if upward else 0]
            assert attempt(single, target)
            rises, value = rises + max(0, target - value), target
            assert rises << 16 <= refills


def _edits(spot: int) -> dict[str, Any]:
    word = st.integers(0, 2**16 - 1)
    near = st.integers(spot * 9 // 10, spot * 11 // 10)
    return {
        "head": st.sampled_from(
            [
                {"version": 1},
                {"flags": 1},
                {"flags": 3},
                {"page_id": 1},
                {"underlying": 2},
                {"lane_words": 0},
                {"probe_slot": 3},
                {"max_drift_bps": 0},
                {"max_drift_bps": 5_000},
                {"lambda_bps": 0},
                {"daily_volume": 0},
                {"tick": 7},
            ]
        ),
        "field": st.tuples(
            st.sampled_from(
                ["maintenance_factor_bps", "open_interest_divisor", "max_drift_bps", "lambda_bps"]
            ),
            word,
        ),
        "spot": near,
        "mark": near,
        "leg": st.integers(0, spot),
        "delta": st.integers(-(2**23), 2**23 - 1),
        "funding": st.integers(-(2**60), 2**60),
        "rate": st.integers(-(2**40), 2**40),
        "as_of": st.integers(-2_000, 2_000),
        "valid": st.integers(-2_000, 4_000),
        "epoch": st.integers(0, 5),
        "price_age": st.integers(0, 300),
        "price": near,
        "pages": st.integers(0, 4),
        "unstaged": st.just(0),
    }


@st.composite
def mutations(draw: st.DrawFn) -> list[tuple[str, int, Any]]:
    """Up to three changes, each to one of three pages, its feed, or the manifest."""
    chosen = draw(st.lists(st.tuples(st.sampled_from(sorted(_edits(1_000))), st.integers(0, 2)), max_size=3))
    return [(kind, page, draw(_edits(SPOTS[page])[kind])) for kind, page in chosen]


def _edited(page: Page, kind: str, value: Any) -> Page:
    if kind == "head":
        page = changed(page, **{k: v for k, v in value.items() if k != "lane_words"})
        return recorded(changed(page, lane_words=0), lanes=()) if "lane_words" in value else page
    if kind == "field":
        return changed(page, **{value[0]: value[1]})
    name = {"spot": "reference_spot", "funding": "funding_x32", "rate": "funding_rate_x32"}.get(kind)
    if name:
        return changed(page, **{name: value})
    record = {"mark": "mark", "leg": "leg_long_scaled", "delta": "delta_x22"}.get(kind)
    return recorded(page, **{record: value}) if record else page


@settings(max_examples=settings.default.max_examples)
@given(mutations())
def test_a_preview_tells_what_activation_does(trio: OracleWorld, changes: list[tuple[str, int, Any]]) -> None:
    with trio.evm.isolated():
        pages = trio.pages()
        for kind, page, value in changes:
            pages[page] = _edited(pages[page], kind, value)
            if kind == "price":
                trio.tell({page: value})
            if kind == "price_age":
                trio.tell({page: SPOTS[page]}, age=value)
        fields: dict[str, int] = {}
        now = trio.evm.timestamp
        for kind, _, value in changes:
            if kind == "as_of":
                fields["as_of"] = now + value
                pages = [changed(page, as_of=now + value) for page in pages]
            if kind == "valid":
                fields["valid_until"] = now + value
            if kind == "epoch":
                fields["epoch"] = value
        count = next((value for kind, _, value in changes if kind == "pages"), 3)
        staged = all(kind != "unstaged" for kind, _, _ in changes)
        manifest = trio.propose([*pages, *pages][:count], stage=staged, **fields)
        outcome, names = [], []
        for call in (
            lambda: trio.oracle.previewActivate(manifest.as_tuple()),
            lambda: trio.activate(manifest),
        ):
            try:
                call()
                outcome.append(b"")
            except Revert as failure:
                outcome.append(failure.data)
                names.append(failure.name)
        assert outcome[0] == outcome[1]
        assert not {"Panic", "Halt", "Empty"} & set(names)
        active = trio.oracle.currentManifest()
        assert (active.epoch == manifest.epoch and active.activatedAt == now) == (outcome[0] == b"")


def test_the_twin_can_tell_a_wrong_bucket_from_a_right_one() -> None:
    """A twin whose bucket does not leak would let a second full rise pass at once."""
    right = Bucket.first(100_000, 0)
    assert right.move(150_000, 1)
    leaky = replace(right, up=right.value << 16)
    assert leaky.move(200_000, 2)
    assert not right.move(200_000, 2)
