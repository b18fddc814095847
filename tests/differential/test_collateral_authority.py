"""Who may do what with collateral: any caller, any entry of the desk and the vault's part in it, on both sides."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from eth_utils.abi import function_abi_to_4byte_selector
from hypothesis import event, given, note
from hypothesis import strategies as st
from tests.support.desk import spot
from tests.support.evm import role
from tests.support.system import GOVERNOR, GOVERNOR_ROLE, GUARDIAN, TOKEN
from tests.support.twin import OPERATOR, Twin, differences
from tests.support.twin_desk import CONVERTER, ON_PAGE_0, ON_PAGE_1, TwinDesk
from tests.support.twin_world import address

from seawall.reference import deposit_collateral, request_collateral, slices, withdraw_collateral
from seawall.reference.desk import adjust_collateral, charge_interest

OWNERS = ("borrower", "saver")
LIQUIDATOR = role("liquidator")
DESK = role("desk")
GOVERNED = ("setCollateralDesk", "setDepositCap", "setDebtCap", "setInterestRate")
LARGE = 1 << 40
MOST_DEPOSITED = 61
callers = st.sampled_from((*OWNERS, "operator", "governor", "guardian", "stranger"))
lots = st.integers(1, 60) | st.sampled_from((0, LARGE - 1, LARGE))
Call = tuple[Callable[[], Any], Callable[[], Any]]


def entries(*names: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw a call of one of the entries; most come from where they should."""
    fixed: dict[str, st.SearchStrategy[Any]] = {
        "entry": st.sampled_from(names),
        "who": callers,
        "proper": st.sampled_from((True, True, False)),
        "where": st.sampled_from((ON_PAGE_0, ON_PAGE_1)),
        "lots": lots,
    }
    return st.fixed_dictionaries(fixed | arguments)


calls = st.one_of(
    entries("deposit", "withdraw", "requestWithdrawal", name=st.sampled_from(OWNERS), to=callers),
    entries("setDepositCap", "stopDeposits", "setCollateralDesk"),
    entries("setDebtCap", "setInterestRate", value=st.integers(0, 10_001) | st.just(1 << 104)),
)
moves = st.fixed_dictionaries(
    {
        "by": st.sampled_from((DESK, DESK, DESK, GOVERNOR, GUARDIAN, role("borrower"))),
        "name": st.sampled_from(OWNERS),
        "slot": st.sampled_from((2, 2, 2, 0)),
        "lots": st.integers(-60, 60) | st.sampled_from((LARGE, -LARGE)),
        "interest": st.none() | st.integers(0, 900 * TOKEN),
        "shut": st.booleans(),
    }
)


@pytest.fixture(scope="module")
def deployed() -> TwinDesk:
    return TwinDesk.deploy()


@pytest.fixture(scope="module")
def named() -> Twin:
    """Return a system whose desk is a role; page 0 has collateral in slot 2."""
    twin = Twin.deploy(liquidator_role=LIQUIDATOR)
    system = twin.system
    selector = function_abi_to_4byte_selector(system.vault.function("setCollateralDesk", 1))
    system.manager.setTargetFunctionRole(system.vault, [selector], GOVERNOR_ROLE)
    system.vault.setCollateralDesk(DESK, sender=GOVERNOR)
    token = system.evm.deploy("CollateralToken", 18)
    assert system.registry.listCollateral(0, 4, token, sender=GOVERNOR) == 2
    system.markets[0].instruments.append(spot())
    twin.advance(12)
    assert twin.publish() is None
    return twin


@given(st.lists(moves, min_size=4, max_size=12))
def test_INV_25_what_is_the_desks_alone_equals_the_reference(
    named: Twin, sequence: list[dict[str, Any]]
) -> None:
    with named.system.isolated() as system:
        twin = named.fresh()
        twin.vault.authority.set_collateral_desk(address(DESK), sender=address(GOVERNOR))
        for name in OWNERS:
            twin.open(name, 600)
        keys = list(twin.accounts.values())
        vault, ledger = system.vault, twin.vault
        for move in sequence:
            key, by, told = twin.accounts[move["name"]], move["by"], {"sender": address(move["by"])}
            system.evm.advance(1)
            if move["shut"]:  # nothing moves in an auction; interest waits only because the desk does
                twin.both(
                    partial(vault.beginAuction, key, 0, 0, sender=LIQUIDATOR),
                    partial(slices.begin_auction, ledger, key, 0, 0, sender=address(LIQUIDATOR)),
                )
            if move["interest"] is not None:
                pair: Call = (
                    partial(vault.chargeInterest, key, move["interest"], sender=by),
                    partial(charge_interest, ledger, key, move["interest"], **told),
                )
            else:
                moved = 0, move["slot"], move["lots"]
                pair = (
                    partial(vault.adjustCollateral, key, *moved, True, sender=by),
                    partial(adjust_collateral, ledger, key, *moved, checked=True, **told),
                )
            before = {k: vault.accountWord(k) for k in keys}
            _, refusal = twin.both(*pair)
            event(
                f"{'interest' if move['interest'] is not None else 'lots'}: {refusal.name if refusal else 'done'}"
            )
            assert by == DESK or refusal is not None
            assert refusal is None or before == {k: vault.accountWord(k) for k in keys}
            assert not differences(twin.on_chain(keys), twin.expected(keys))
            if move["shut"]:
                twin.both(
                    partial(vault.endAuction, key, sender=LIQUIDATOR),
                    partial(slices.end_auction, ledger, key, sender=address(LIQUIDATOR)),
                )


def caller_of(call: dict[str, Any]) -> str:
    """Return who calls: who should, or anybody."""
    entry, who = call["entry"], call["who"]
    if call["proper"]:
        if entry in GOVERNED:
            who = "governor"
        elif entry == "stopDeposits":
            who = "guardian"
        else:
            who = call["name"]
    return at(who)


def at(who: str) -> str:
    named = {"operator": OPERATOR, "governor": GOVERNOR, "guardian": GUARDIAN}
    return named.get(who) or role(who)


def governing(world: TwinDesk, call: dict[str, Any], caller: str) -> Call:
    """Return the call of an entry of governance."""
    desk, reference, told = world.desks[call["where"]], world.reference, {"sender": address(caller)}
    place, entry = (desk.page, desk.slot), call["entry"]
    if entry == "setCollateralDesk":
        vault, rights = world.twin.system.vault, world.twin.vault.authority
        reference_call = partial(rights.set_collateral_desk, address(CONVERTER), **told)
        return partial(vault.setCollateralDesk, CONVERTER, sender=caller), reference_call
    if entry == "setDepositCap":
        reference_call = partial(reference.set_deposit_cap, *place, call["lots"], **told)
        return partial(world.contract.setDepositCap, *place, call["lots"], sender=caller), reference_call
    if entry == "stopDeposits":
        reference_call = partial(reference.stop_deposits, *place, **told)
        return partial(world.contract.stopDeposits, *place, sender=caller), reference_call
    setter = reference.set_debt_cap if entry == "setDebtCap" else reference.set_interest_rate
    return partial(getattr(world.contract, entry), call["value"], sender=caller), partial(
        setter, call["value"], **told
    )


def owning(world: TwinDesk, call: dict[str, Any], caller: str) -> Call:
    """Return the call of an entry that names an account."""
    desk, key = world.desks[call["where"]], world.key(call["name"])
    contract, entry, told = world.contract, call["entry"], {"sender": address(caller)}
    place = desk.page, desk.slot
    if entry == "requestWithdrawal":
        asked = partial(request_collateral, world.reference, key, *place, call["lots"], **told)
        return partial(contract.requestWithdrawal, key, *place, call["lots"], sender=caller), asked
    if entry == "deposit":
        desk.mint(caller, min(call["lots"], MOST_DEPOSITED))
        added = partial(deposit_collateral, world.reference, key, *place, call["lots"], **told)
        return partial(contract.deposit, key, *place, call["lots"], sender=caller), added
    to = at(call["to"])
    taken = partial(withdraw_collateral, world.reference, key, *place, call["lots"], to=address(to), **told)
    return partial(contract.withdraw, key, *place, call["lots"], to, sender=caller), taken


@given(st.lists(calls, min_size=4, max_size=16))
def test_INV_25_any_call_by_anybody_equals_the_reference(
    deployed: TwinDesk, sequence: list[dict[str, Any]]
) -> None:
    """Refused with the same error or done alike; nobody but the authorised adds lots, or takes them."""
    with deployed.twin.system.isolated() as system:
        world = deployed.fresh()
        for name in OWNERS:
            world.twin.open(name, 2_000)
            world.permit(name)
        keys = list(world.twin.accounts.values())
        for call in sequence:
            system.evm.advance(1)
            if (
                call["entry"] == "deposit" and call["lots"] < LARGE
            ):  # what nobody has is the token's to refuse
                call = call | {"lots": min(call["lots"], MOST_DEPOSITED)}
            caller = caller_of(call)
            before = {key: [desk.lots(key) for desk in world.desks] for key in keys}
            pair = (owning if "name" in call else governing)(world, call, caller)
            _, refusal = world.twin.both(*pair)
            note(f"[{call['entry']}] {refusal or 'done'}")
            event(f"{call['entry']}: {refusal.name if refusal else 'done'}")
            world.agree()
            for key in keys:
                may = system.vault.isAuthorised(key, caller)
                assert may or before[key] == [desk.lots(key) for desk in world.desks], "INV_25"


def test_the_vault_names_its_desk_once(deployed: TwinDesk) -> None:
    twin = Twin.deploy()
    rights, vault = twin.vault.authority, twin.system.vault
    for _ in range(2):
        for caller in (role("stranger"), GUARDIAN, GOVERNOR):
            twin.both(
                lambda caller=caller: vault.setCollateralDesk(deployed.contract, sender=caller),
                lambda caller=caller: rights.set_collateral_desk(
                    address(deployed.contract.address), sender=address(caller)
                ),
            )
            assert twin.governance() == twin.expected_governance()
    assert address(vault.collateralDesk()) == address(deployed.contract.address)
