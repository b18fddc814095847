"""Positions walked under two manifests at once: what risk is added by equals the integer reference, to a unit."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st
from tests.differential.test_engine_margin import assert_same
from tests.differential.test_engine_proofs import assess, at_the_edge, equal_or_refused, standing
from tests.support.engine_bench import sized_scene
from tests.support.engine_world import NOW, EngineWorld, Scene, certificates, scenes

from seawall.page.decode import Page, Record
from seawall.page.layout import Kind
from seawall.reference.certificate import EMPTY, Certificate
from seawall.reference.state import Flag, Price

FAR = NOW // 3_600 + 1_000


@pytest.fixture(scope="module")
def world() -> EngineWorld:
    return EngineWorld()


def later(record: Record, rng: random.Random) -> Record:
    """Return a record on the same terms as keepers might post it at another time."""
    return replace(
        record,
        drift_shift=rng.randrange(4),
        mark=rng.getrandbits(rng.randint(1, 40)),
        delta_x22=rng.randint(-(2**23), 2**23 - 1),
        gamma_spot_x10=rng.randint(-(2**23), 2**23 - 1),
        leg_long_scaled=rng.getrandbits(rng.randint(1, 32)),
        leg_short_scaled=rng.getrandbits(rng.randint(1, 32)),
        vega=rng.getrandbits(16),
    )


def plain(page: Page, rng: random.Random, odd: float) -> Page:
    """Return the page with records that are plain, but for a share of them."""

    def made(record: Record) -> Record:
        if rng.random() < odd:
            return record
        kind = rng.choice((Kind.PERPETUAL, Kind.FUTURE, Kind.CALL, Kind.PUT))
        return replace(record, kind=kind, expiry_hour=0 if kind == Kind.PERPETUAL else FAR)

    return replace(page, records=tuple(map(made, page.records)))


def free(page: Page) -> Page:
    """Return the page with records that require nothing but floors."""
    lanes = (0,) * len(page.records[0].lanes)
    free_of = {"leg_long_scaled": 0, "leg_short_scaled": 0, "vega": 0, "lanes": lanes}
    return replace(page, records=tuple(replace(record, **free_of) for record in page.records))


@st.composite
def twins(draw: st.DrawFn) -> Scene:
    """Draw a scene whose baseline has the same terms, with another head and other parameters; few terms differ."""
    scene = draw(scenes(largest=20))
    assume(scene.current is not None and scene.baseline is not None and scene.book)
    assert scene.current is not None
    assert scene.baseline is not None
    rng = random.Random(draw(st.integers(0, 2**32)))
    odd, moved = draw(st.sampled_from((0.0, 0.0, 0.05))), draw(st.sampled_from((0.0, 0.0, 0.03)))
    current = {i: plain(page, rng, odd) for i, page in scene.current.pages.items()}
    light = draw(st.booleans())  # the current manifest asks for little, so that the baseline decides
    baseline = {}
    for i, page in current.items():
        head = replace(scene.baseline.pages[i].head, flags=int(rng.random() < 0.1))
        if rng.random() < moved:
            head = replace(head, underlying=(head.underlying + 1) % 3)
        records = tuple(
            replace(
                record if light else later(record, rng),
                **({"strike": record.strike ^ 1} if rng.random() < moved else {}),
            )
            for record in page.records
        )
        baseline[i] = replace(page, head=head, records=records)
        current[i] = free(page) if light else page
    fresh = Price(ticks=1_000_003, observed_at=NOW - 1, fresh_since=NOW - 9_000)
    prices = scene.prices if rng.random() < 0.2 else {u: scene.prices.get(u, fresh) for u in range(3)}
    if rng.random() < 0.8:
        prices = {
            u: replace(price, ticks=price.ticks or 7, observed_at=NOW - 1) for u, price in prices.items()
        }
    return replace(
        scene,
        current=replace(scene.current, pages=current, mature=False),
        baseline=replace(scene.baseline, pages=baseline),
        prices=prices,
    )


@st.composite
def hedges(draw: st.DrawFn, scene: Scene) -> list[Certificate]:
    """Draw certificates for neither manifest, either or both."""
    young, old = draw(certificates(scene.current)), draw(certificates(scene.baseline))
    return draw(st.sampled_from(([], [], [young], [young, old], [young, EMPTY], [EMPTY, old])))


@given(st.data(), twins(), st.integers(0, 1), st.sampled_from((True, True, False)))
def test_INV_10_two_manifests_in_one_walk_equal_the_reference(
    world: EngineWorld, data: st.DataObject, scene: Scene, missing: int, baseline: bool
) -> None:
    shown = data.draw(hedges(scene))
    if data.draw(st.integers(0, 3)):  # only one of the two may fall short of enough
        shift = 2**90 if baseline else 0
        scene = replace(scene, cash=scene.cash + shift)
    try:
        margin = assess(scene, shown, baseline=baseline, lanes=not baseline)
        scene = at_the_edge(scene, margin.initial, margin.equity, missing)
        current = assess(scene, shown, baseline=False)
        event(f"baseline decides {baseline and current.equity >= current.initial}")
    except Exception as error:  # a certificate that names what is not there
        event(type(error).__name__)
    with world.evm.isolated():
        world.stage(scene)
        equal_or_refused(lambda: world.standing(shown), lambda: standing(scene, shown), assert_same)


@pytest.mark.parametrize("count", [1, 5, 40, 128])
@pytest.mark.parametrize("missing", [0, 1])
def test_what_the_baseline_requires_of_a_large_book_is_exact(
    world: EngineWorld, count: int, missing: int
) -> None:
    scene, rng = sized_scene(count), random.Random(count)
    assert scene.current is not None
    pages = {
        i: replace(page, records=tuple(replace(later(r, rng), mark=r.mark // 2) for r in page.records))
        for i, page in scene.current.pages.items()
    }
    scene = replace(
        scene,
        current=replace(scene.current, mature=False),
        baseline=replace(scene.current, pages=pages, mature=True),
    )
    assert scene.current is not None
    scene = replace(
        scene,
        current=replace(scene.current, pages={i: free(page) for i, page in scene.current.pages.items()}),
    )
    margin = assess(scene, [], baseline=True, lanes=False)
    scene = replace(scene, cash=scene.cash + margin.initial - margin.equity - missing)
    with world.evm.isolated():
        world.stage(scene)
        found, wanted = world.standing([]), standing(scene, [])
        assert_same(found, wanted)
        assert not wanted.flags & Flag.MISSING
        assert (wanted.equity < wanted.initial) == bool(missing)


@pytest.mark.parametrize("missing", [0, 1])
@pytest.mark.parametrize("change", ["strike", "underlying", "generation"])
def test_a_baseline_on_other_terms_is_walked_by_itself(world: EngineWorld, change: str, missing: int) -> None:
    scene, rng = sized_scene(5), random.Random(7)
    assert scene.current is not None
    page = scene.current.pages[0]
    moved = {"strike": {"strike": 1_000}, "generation": {"generation": 2}}.get(change, {})
    records = tuple(replace(record, **moved) for record in page.records)
    head = replace(page.head, underlying=1) if change == "underlying" else page.head
    kinds = [replace(r, kind=Kind.CALL, mark=rng.getrandbits(18), delta_x22=2**22) for r in page.records]
    young = replace(page, records=tuple(kinds))
    asked = {"leg_long_scaled": 2**32 - 1, "leg_short_scaled": 2**32 - 1}  # no account has so much
    old = [
        replace(k, **asked, strike=r.strike, generation=r.generation)
        for r, k in zip(records, kinds, strict=True)
    ]
    scene = replace(
        scene,
        current=replace(scene.current, pages={0: free(young)}, mature=False),
        baseline=replace(scene.current, pages={0: replace(page, head=head, records=tuple(old))}, mature=True),
        prices={u: replace(price, ticks=price.ticks + 40_000 * u) for u, price in scene.prices.items()},
    )
    margin, current = assess(scene, [], baseline=True, lanes=False), assess(scene, [], baseline=False)
    lacking = max(margin.initial - margin.equity - missing, current.initial - current.equity)
    scene = replace(scene, cash=scene.cash + lacking)
    with world.evm.isolated():
        world.stage(scene)
        assert_same(world.standing([]), standing(scene, []))
