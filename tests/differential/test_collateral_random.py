"""Random use of collateral: chain and reference agree after every step, and the tokens are what the positions say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import event, given, note, settings
from hypothesis import strategies as st
from tests.support.evm import role
from tests.support.system import GRACE_S
from tests.support.twin_desk import ON_PAGE_0, ON_PAGE_1, TwinDesk
from tests.support.twin_world import address

from seawall.reference import price_wind_down, settle_wind_down, start_wind_down

WAD = 10**18
DAY_S = 86_400
ROLES = ("borrower", "keeper")  # the maker is the other side of perpetuals
wheres = st.sampled_from((ON_PAGE_0, ON_PAGE_0, ON_PAGE_1))
names = st.sampled_from(("borrower", "borrower", "keeper"))
lots = st.integers(1, 60) | st.just(0)
moves = st.sampled_from((0.9, 0.97, 1.02, 1.04, 1.15))
waits = st.sampled_from((12, 12, 100, 1_000, 5_000))
steps = st.one_of(
    st.tuples(st.just("deposit"), names, lots, wheres),
    st.tuples(st.just("withdraw"), names, lots, wheres),
    st.tuples(st.just("request"), names, lots, wheres),
    st.tuples(st.just("claim"), names),
    st.tuples(st.just("short"), names, st.integers(-30, 60), wheres),
    st.tuples(st.just("spot"), st.integers(-20, 20), st.integers(-3_000, 3_000)),
    st.tuples(st.just("move"), st.sampled_from((0, 1)), moves),
    st.tuples(st.just("wait"), waits),
    st.tuples(st.just("publish")),
    st.tuples(st.sampled_from(("flag", "clear", "accrue")), names),
    st.tuples(st.just("convert"), names, lots, wheres),
    st.tuples(st.just("cash"), names, st.integers(1, 300)),
    st.tuples(st.just("auction"), names, st.sampled_from((WAD, WAD // 3))),
)
# What leads to a debt is too rare to be met by chance alone.
into_debt: list[tuple[Any, ...]] = [
    ("deposit", "borrower", 50, ON_PAGE_0),
    ("short", "borrower", 30, ON_PAGE_0),
    ("publish",),
    ("move", 0, 1.04),
]


@pytest.fixture(scope="module")
def deployed() -> TwinDesk:
    return TwinDesk.deploy()


def take(world: TwinDesk, step: tuple[Any, ...]) -> str:
    """Take one step on both sides and return what came of it."""
    twin, (what, *rest) = world.twin, step
    if what in {"deposit", "withdraw", "request", "convert"}:
        name, count, where = rest
        refusal = getattr(world, what)(name, count, where)[1]
    elif what == "claim":
        refusal = world.claim(*rest)[1]
    elif what == "short":
        name, count, where = rest
        refusal = world.trade("maker", name, lots=count, page=where)[1] if count else None
    elif what == "spot":
        count, off = rest
        slot = world.desks[0].slot
        refusal = world.trade("borrower", "keeper", lots=count, slot=slot, off=off)[1] if count else None
    elif what == "move":
        underlying, factor = rest
        refusal = None
        twin.system.move(underlying, round(twin.system.spots[underlying] * factor))
    elif what == "wait":
        refusal = twin.advance(*rest)
    elif what == "publish":
        twin.advance(12)
        refusal = twin.publish()
    elif what == "cash":
        refusal = world.cash_out(*rest)[1]
    elif what == "auction":
        refusal = auction(world, *rest)
    else:
        refusal = world.debt(what, *rest)[1]
    return str(getattr(refusal, "name", refusal) or "done")


def auction(world: TwinDesk, name: str, fraction: int) -> Any:
    """Start an auction of a failing account, and let the maker buy."""
    twin, key, maker = world.twin, world.key(name), world.key("maker")
    liquidator, owner = twin.system.liquidator, role("maker")
    refusal = twin.both(lambda: liquidator.start(key, ()), lambda: twin.liquidator.start(key))[1]
    if refusal is not None:
        return refusal
    twin.advance(12)
    return twin.both(
        lambda: liquidator.buy(key, maker, fraction, 1 << 200, (), (), sender=owner),
        lambda: twin.liquidator.buy(key, maker, fraction, sender=address(owner)),
    )[1]


@given(st.booleans(), st.lists(steps, min_size=4, max_size=10), st.sampled_from((0, 0, 100)))
def test_INV_25_the_desk_holds_what_the_positions_say_and_agrees_with_the_reference(
    deployed: TwinDesk, owing: bool, chosen: list[tuple[Any, ...]], cap: int
) -> None:
    with deployed.twin.system.isolated():
        world = deployed.fresh()
        for name, tokens in (("borrower", 0), ("keeper", 2_000), ("maker", 1_000_000)):
            world.twin.open(name, tokens)
        world.set_interest_rate(1_000)
        world.set_debt_cap(cap)
        for step in (into_debt if owing else []) + chosen:
            note(f"[{step[0].upper()}] {step[1:]}")
            event(f"{step[0]}: {take(world, step)}")
            world.compare()


@pytest.mark.parametrize("cap", [0, 30])
def test_a_debt_is_flagged_converted_and_charged_alike(deployed: TwinDesk, cap: int) -> None:
    with deployed.twin.system.isolated():
        world = deployed.fresh()
        for name, tokens in (("borrower", 0), ("maker", 1_000_000)):
            world.twin.open(name, tokens)
        world.set_interest_rate(2_000)
        world.set_debt_cap(cap)
        for step in into_debt:
            take(world, step)
        assert world.debt("flag", "borrower")[1] is None
        world.twin.advance(1_800)
        assert world.debt("accrue", "borrower")[1] is None
        world.compare()
        _, refusal = world.convert("borrower", 60)
        assert refusal is None
        world.compare()
        assert world.debt("flag", "borrower")[1].name == "NoDebt"
        assert world.withdraw("borrower", 1)[1].name == "PositionsOpen"
        world.request("borrower", 2)
        world.twin.advance(GRACE_S)
        assert world.twin.publish() is None
        world.twin.advance(12)
        assert world.claim("borrower")[1] is None
        world.compare()


@given(
    st.sampled_from((0.8, 0.97, 1.03, 1.2, 2.0)),
    st.integers(0, 5),
    st.sampled_from((0, 600, 4_000, 3 * DAY_S, 40 * DAY_S)),
    st.integers(1, 60),
)
@settings(max_examples=20)
def test_a_wind_down_leaves_collateral_and_debt_alike(
    deployed: TwinDesk, factor: float, fund: int, waited: int, bite: int
) -> None:
    with deployed.twin.system.isolated():
        world = deployed.fresh()
        twin, system = world.twin, world.twin.system
        for name, tokens in (("borrower", 0), ("keeper", 0), ("maker", 1_000_000)):
            twin.open(name, tokens)
        twin.endow(fund * 500)
        for step in ("deposit", "borrower", 50, ON_PAGE_0), ("deposit", "keeper", 9, ON_PAGE_1):
            assert take(world, step) == "done"
        assert take(world, ("short", "borrower", 30, ON_PAGE_0)) == "done"
        system.evm.advance(3 * DAY_S)
        system.push()
        twin.both(system.vault.startWindDown, lambda: start_wind_down(twin.vault))
        system.move(0, round(system.spots[0] * factor))
        twin.advance(600)
        system.evm.advance(DAY_S)
        twin.both(system.vault.priceWindDown, lambda: price_wind_down(twin.vault))
        for name in ("keeper", "borrower", "maker"):
            key = world.key(name)
            twin.both(
                lambda key=key: system.vault.settleWindDown(key),
                lambda key=key: settle_wind_down(twin.vault, key),
            )
            world.compare()
        assert twin.vault.holders == 0
        event(f"flag: {take(world, ('flag', 'borrower'))}")
        system.evm.advance(waited)
        for step in (
            ("convert", "borrower", bite, ON_PAGE_0),
            ("withdraw", "borrower", 3, ON_PAGE_0),
            ("withdraw", "keeper", 9, ON_PAGE_1),
            ("convert", "borrower", 60, ON_PAGE_0),
            ("withdraw", "borrower", 3, ON_PAGE_0),
            ("claim", "borrower"),
        ):
            event(f"{step[0]}: {take(world, step)}")
            world.compare()
