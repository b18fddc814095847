"""Who may do what: any caller, any entry, any amount, on chain and in the reference."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import event, given, note
from hypothesis import strategies as st
from tests.support.evm import Revert, role
from tests.support.system import GOVERNOR, GUARDIAN, TOKEN, VENUE
from tests.support.twin import OPERATOR, PROTOCOL, VENUE_ACCOUNT, Twin, differences
from tests.support.twin_world import address

from seawall.reference import Fill, claim_withdrawal, request_withdrawal, settle, slices, withdraw

OWNERS = ("trader", "dealer", "saver")
LIQUIDATOR = role("liquidator")
callers = st.sampled_from((*OWNERS, OPERATOR, VENUE, GOVERNOR, GUARDIAN, LIQUIDATOR))
owners = st.sampled_from(OWNERS)
# Cash has 104 bits, a request 128; the last two are negative as signed words.
odd = st.sampled_from((0, 1 << 103, (1 << 128) - 1, 1 << 128, 1 << 255, (1 << 256) - 1, (1 << 256) - TOKEN))
units = st.integers(1, 900 * TOKEN) | st.integers(1, 900 * TOKEN) | odd
switch = st.booleans()
Call = tuple[Callable[[], Any], Callable[[], Any]]


def entries(*names: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw a call of one of the entries; most come from where they should."""
    return st.fixed_dictionaries(
        {
            "entry": st.sampled_from(names),
            "who": callers,
            "proper": st.sampled_from((True, True, False)),
            **arguments,
        }
    )


calls = st.one_of(
    entries(
        "setOperator", "approveVenue", name=owners, grantee=st.sampled_from((OPERATOR, VENUE)), on=switch
    ),
    entries("deposit", name=owners, units=st.integers(0, 900 * TOKEN)),
    entries("withdraw", name=owners, to=callers, units=units),
    entries("withdraw", name=owners, to=owners, units=units),
    entries("requestWithdrawal", name=owners, units=units),
    entries("claimWithdrawal", name=owners, to=owners),
    entries("pauseTrading"),
    entries("unpauseTrading"),
    entries("listVenue", on=switch),
    entries("setFeeShares", shares=st.tuples(st.integers(0, 10_001), st.integers(0, 10_001))),
    entries("settle", lots=st.integers(-30, 30), fee=st.integers(0, 9 * TOKEN)),
    entries("settle", lots=st.integers(1, 9), fee=st.just(0)),
    entries(
        "coverLoss",
        "beginAuction",
        "bookLoss",
        name=owners,
        units=st.integers(0, 400 * TOKEN) | st.just(1 << 103),
    ),
    entries("endAuction", name=owners),
    entries("distributeFees"),
    entries("coverLoss", name=owners, units=st.just(1 << 103)),
)


@pytest.fixture(scope="module")
def deployed() -> Twin:
    return Twin.deploy(liquidator_role=LIQUIDATOR)


def caller_of(call: dict[str, Any]) -> str:
    """Return who calls: who should, or anybody."""
    entry, who = call["entry"], call["who"]
    if call["proper"]:
        if entry in ("listVenue", "setFeeShares", "unpauseTrading", "pauseTrading"):
            return GUARDIAN if entry == "pauseTrading" else GOVERNOR
        if entry in ("coverLoss", "beginAuction", "bookLoss", "endAuction"):
            return LIQUIDATOR
        who = VENUE if entry == "settle" else call.get("name", who)
    return at(who)


def at(who: str) -> str:
    """Return the address of an owner, or that address."""
    return role(who) if who in OWNERS else who


def owned(twin: Twin, call: dict[str, Any], caller: str) -> Call:
    """Return the call of an account's entry."""
    vault, ledger, entry = twin.system.vault, twin.vault, call["entry"]
    key, sender = twin.accounts[call["name"]], address(caller)
    amount: int = call.get("units", 0)
    if entry in ("setOperator", "approveVenue"):
        reference = (
            ledger.authority.set_operator if entry == "setOperator" else ledger.authority.approve_venue
        )
        grantee, on = call["grantee"], call["on"]
        return (
            partial(getattr(vault, entry), key, grantee, on, sender=caller),
            partial(reference, key, address(grantee), on, sender=sender),
        )
    if entry == "deposit":
        token = twin.system.token
        token.mint(caller, amount)
        token.approve(vault, amount, sender=caller)
        return partial(vault.deposit, key, amount, sender=caller), partial(ledger.deposit, key, amount)
    if entry == "requestWithdrawal":
        reference = partial(request_withdrawal, ledger, key, amount, sender=sender)
        return partial(vault.requestWithdrawal, key, amount, sender=caller), reference
    if entry in ("withdraw", "claimWithdrawal"):
        to = at(call["to"])
        told = {"to": address(to), "sender": sender}
        if entry == "withdraw":
            reference = partial(withdraw, ledger, key, amount, **told)
            return partial(vault.withdraw, key, amount, to, sender=caller), reference
        reference = partial(claim_withdrawal, ledger, key, **told)
        return partial(vault.claimWithdrawal, key, to, (), sender=caller), reference
    if entry == "endAuction":
        return partial(vault.endAuction, key, sender=caller), partial(
            slices.end_auction, ledger, key, sender=sender
        )
    begun = {
        "coverLoss": slices.cover_loss,
        "beginAuction": slices.begin_auction,
        "bookLoss": slices.book_loss,
    }
    more = (
        (amount & 1,) if entry == "beginAuction" else ()
    )  # the mark: since no live second, perhaps by a proof
    return partial(getattr(vault, entry), key, amount, *more, sender=caller), partial(
        begun[entry], ledger, key, amount, *more, sender=sender
    )


def general(twin: Twin, call: dict[str, Any], caller: str) -> Call:
    """Return the call of any other entry."""
    vault, ledger, entry = twin.system.vault, twin.vault, call["entry"]
    rights, sender = ledger.authority, address(caller)
    if entry == "settle":
        taker, maker = (twin.accounts[name] for name in ("trader", "dealer"))
        price, fee = twin.system.markets[0].spot, call["fee"]
        fill = Fill(
            taker=taker,
            maker=maker,
            page=0,
            slot=0,
            generation=1,
            lots=call["lots"],
            price_ticks=price,
            taker_fee=fee,
        )
        values = (taker, maker, 0, 0, 1, call["lots"], price, fee, 0)
        reference = partial(settle, ledger, fill, sender=sender)
        return partial(vault.settle, values, (), (), sender=caller), reference
    if entry == "distributeFees":
        return partial(vault.distributeFees, VENUE, sender=caller), partial(
            ledger.distribute_fees, address(VENUE)
        )
    if entry == "listVenue":
        on = call["on"]
        reference = partial(rights.list_venue, address(VENUE), on, sender=sender)
        return partial(vault.listVenue, VENUE, on, sender=caller), reference
    if entry == "setFeeShares":
        reference = partial(rights.set_fee_shares, *call["shares"], PROTOCOL, sender=sender)
        return partial(vault.setFeeShares, *call["shares"], PROTOCOL, sender=caller), reference
    paused = rights.pause_trading if entry == "pauseTrading" else rights.unpause_trading
    return partial(getattr(vault, entry), sender=caller), partial(paused, sender=sender)


@given(st.lists(calls, min_size=4, max_size=16), st.sampled_from((0, 0, 50)))
def test_INV_04_any_call_by_anybody_equals_the_reference(
    deployed: Twin, sequence: list[dict[str, Any]], fund: int
) -> None:
    """Refused with the same error or done alike; cash of an account without positions leaves by its own call only."""
    twin = deployed.fresh()
    with twin.system.isolated() as system:
        for name in OWNERS:
            twin.open(name, 600)
        if fund:
            twin.endow(fund)
        keys = [*twin.accounts.values(), PROTOCOL, VENUE_ACCOUNT]
        for call in sequence:
            system.evm.advance(1)
            if call["entry"] == "claimWithdrawal":
                twin.advance(12)
                twin.publish()
            idle = {key: system.cash(key) for key in keys if not system.vault.accountWord(key) % (1 << 96)}
            caller = caller_of(call)
            own = [key for key in keys if system.vault.isAuthorised(key, caller)]
            _, refusal = twin.both(*(owned if "name" in call else general)(twin, call, caller))
            note(f"[{call['entry']}] {refusal or 'done'}")
            event(f"{call['entry']}: {refusal.name if refusal else 'done'}")
            assert not differences(twin.on_chain(keys), twin.expected(keys))
            for key, cash in idle.items():
                # A venue may fill an order of an account that approved it, which is then an account with positions.
                filled = call["entry"] == "settle"
                assert key in own or filled or system.cash(key) >= cash


def test_a_withdrawal__of_what_would_be_negative_as_a_signed_word__reverts(deployed: Twin) -> None:
    """Also where all of an exit is withheld, so that no transfer of that much has to succeed."""
    twin = deployed.fresh()
    with twin.system.isolated() as system:
        key = twin.open("saver", 0)
        system.vault.coverLoss(key, 5, sender=LIQUIDATOR)
        assert system.vault.exitHaircutWad() == 10**18
        for amount in ((1 << 256) - 1, (1 << 256) - TOKEN, 1 << 255):
            with pytest.raises(Revert, match="InsufficientCash"):
                system.vault.withdraw(key, amount, role("saver"), sender=role("saver"))
        assert (system.cash(key), system.vault.deficit(), system.vault.reserve()) == (5, 5, 0)
