"""Signed orders: who may be filled, how far, at which price and fee."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from eth_account.signers.local import LocalAccount
from hypothesis import given
from hypothesis import strategies as st
from tests.support.evm import Revert, role
from tests.support.feeds import CHAIN_ID
from tests.support.market import SPOT, TICK
from tests.support.system import GOVERNOR, TOKEN, System, account_id, signer

from seawall.page import Order, order_domain, sign

BUYER, SELLER, OPERATOR, STRANGER = (signer(name) for name in ("buyer", "seller", "operator", "stranger"))
RELAYER = role("relayer")
NONCES = 128  # in a word


@pytest.fixture(scope="module")
def deployed() -> System:
    system = System.deploy(instruments=2)
    system.open(BUYER, 10_000)
    system.open(SELLER, 10_000)
    return system


@pytest.fixture
def system(deployed: System) -> Iterator[System]:
    with deployed.isolated():
        yield deployed


def bid(system: System, lots: int = 5, price: int = SPOT, **changes: object) -> Order:
    return system.order(account_id(BUYER.address), lots, price, **changes)


def ask(system: System, lots: int = 5, price: int = SPOT, **changes: object) -> Order:
    return system.order(account_id(SELLER.address), -lots, price, **changes)


def fill(
    system: System,
    taker: Order,
    maker: Order,
    lots: int,
    keys: tuple[LocalAccount, LocalAccount] = (BUYER, SELLER),
) -> None:
    signatures = [system.sign_order(order, key) for order, key in zip((taker, maker), keys, strict=True)]
    orders = (taker.as_tuple(), signatures[0], maker.as_tuple(), signatures[1])
    system.order_venue.fill(*orders, lots, (), (), sender=RELAYER)


def filled(system: System, order: Order) -> int:
    lots: int = system.order_venue.filledLots(system.order_venue.orderDigest(order.as_tuple()))
    return lots


def position(system: System, key: LocalAccount) -> int:
    return system.lots(account_id(key.address))


# Digest and signature


@given(
    st.builds(
        Order,
        account=st.binary(min_size=32, max_size=32),
        page=st.integers(0, 255),
        slot=st.integers(0, 255),
        generation=st.integers(0, 65_535),
        lots=st.integers(-(1 << 63), (1 << 63) - 1),
        price_ticks=st.integers(0, (1 << 64) - 1),
        max_fee=st.integers(0, (1 << 128) - 1),
        expiry=st.integers(0, (1 << 40) - 1),
        nonce=st.integers(0, (1 << 64) - 1),
        reduce_only=st.booleans(),
    )
)
def test_contract_and_client_agree_on_the_digest(deployed: System, order: Order) -> None:
    domain = order_domain(chain_id=CHAIN_ID, venue=deployed.order_venue.address)
    assert deployed.order_venue.orderDigest(order.as_tuple()) == order.digest(domain)


def test_two_signed_orders_trade(system: System) -> None:
    fill(system, bid(system), ask(system), 3)
    assert (position(system, BUYER), position(system, SELLER)) == (3, -3)


def test_an_order__signed_by_a_stranger__reverts(system: System) -> None:
    with pytest.raises(Revert, match="BadSignature"):
        fill(system, bid(system), ask(system), 1, keys=(STRANGER, SELLER))
    with pytest.raises(Revert, match="BadSignature"):
        fill(system, bid(system), ask(system), 1, keys=(BUYER, BUYER))


def test_an_order__signed_by_an_operator__trades_until_it_is_dismissed(system: System) -> None:
    account = account_id(BUYER.address)
    system.vault.setOperator(account, OPERATOR.address, True, sender=BUYER.address)
    fill(system, bid(system), ask(system), 1, keys=(OPERATOR, SELLER))
    system.vault.setOperator(account, OPERATOR.address, False, sender=BUYER.address)
    with pytest.raises(Revert, match="BadSignature"):
        fill(system, bid(system), ask(system), 1, keys=(OPERATOR, SELLER))


@pytest.mark.parametrize("change", ["chain", "contract", "name", "version"])
def test_an_order__signed_for_another_domain__reverts(system: System, change: str) -> None:
    order, other = bid(system), ask(system)
    domain = order_domain(chain_id=CHAIN_ID, venue=system.order_venue.address)
    wrong = {
        "chain": replace(domain, chain_id=CHAIN_ID + 1),
        "contract": replace(domain, verifying_contract=system.vault.address),
        "name": replace(domain, name="Seawall Margin Oracle"),
        "version": replace(domain, version="2"),
    }[change]
    signature = sign(order.digest(wrong), BUYER.key)
    signed = (order.as_tuple(), signature, other.as_tuple(), system.sign_order(other, SELLER))
    with pytest.raises(Revert, match="BadSignature"):
        system.order_venue.fill(*signed, 1, (), ())


@pytest.mark.parametrize("signature", [b"", b"\1" * 64, b"\0" * 65, b"\xff" * 65])
def test_an_order__with_a_malformed_signature__reverts(system: System, signature: bytes) -> None:
    order, other = bid(system), ask(system)
    signed = (order.as_tuple(), signature, other.as_tuple(), system.sign_order(other, SELLER))
    with pytest.raises(Revert, match="BadSignature"):
        system.order_venue.fill(*signed, 1, (), ())


CHANGES = [
    {"lots": 6},
    {"price_ticks": SPOT + 1},
    {"max_fee": 11 * TOKEN},
    {"expiry": 1 << 39},
    {"nonce": 999},
    {"reduce_only": True},
]


@pytest.mark.parametrize("change", CHANGES, ids=[next(iter(change)) for change in CHANGES])
def test_an_order__changed_after_signing__reverts(system: System, change: dict[str, int]) -> None:
    order, other = bid(system), ask(system)
    forged = replace(order, **change)
    signed = (
        forged.as_tuple(),
        system.sign_order(order, BUYER),
        other.as_tuple(),
        system.sign_order(other, SELLER),
    )
    with pytest.raises(Revert, match="BadSignature"):
        system.order_venue.fill(*signed, 1, (), ())


def test_an_owner_that_is_a_contract_signs_by_accepting(system: System) -> None:
    owner = system.evm.deploy("ContractOwner")
    account = account_id(owner.address)
    approval = system.vault.calldata("approveVenue", account, system.order_venue, True)
    owner.execute(system.vault, approval)
    system.token.mint(RELAYER, 1_000 * TOKEN)
    system.token.approve(system.vault, 1_000 * TOKEN, sender=RELAYER)
    system.vault.deposit(account, 1_000 * TOKEN, sender=RELAYER)
    order, other = system.order(account, 5, SPOT), ask(system)
    signed = (order.as_tuple(), b"anything", other.as_tuple(), system.sign_order(other, SELLER))
    with pytest.raises(Revert, match="BadSignature"):
        system.order_venue.fill(*signed, 1, (), ())
    owner.accept(system.order_venue.orderDigest(order.as_tuple()))
    system.order_venue.fill(*signed, 1, (), ())
    assert system.lots(account) == 1


# Terms


def test_a_fill_of_nothing__reverts(system: System) -> None:
    with pytest.raises(Revert, match="OrderZero"):
        fill(system, bid(system), ask(system), 0)
    with pytest.raises(Revert, match="OrderZero"):
        fill(system, bid(system, 0), ask(system), 1)
    with pytest.raises(Revert, match="OrderZero"):
        fill(system, bid(system), ask(system, 0), 1)


def test_an_order_lives_to_its_last_second(system: System) -> None:
    orders = bid(system, expiry=system.evm.timestamp + 20), ask(system)
    system.evm.advance(20)
    fill(system, *orders, 1)
    system.evm.advance(1)
    with pytest.raises(Revert, match="OrderExpired"):
        fill(system, *orders, 1)


def test_orders_that_do_not_meet__revert(system: System) -> None:
    with pytest.raises(Revert, match="InstrumentsDiffer"):
        fill(system, bid(system, slot=1), ask(system), 1)
    with pytest.raises(Revert, match="SidesEqual"):
        fill(system, bid(system), ask(system, -5), 1)
    with pytest.raises(Revert) as reverted:
        fill(system, bid(system, price=SPOT - 1), ask(system), 1)
    assert (reverted.value.name, reverted.value.args_) == ("PricesDoNotCross", (SPOT - 1, SPOT))
    with pytest.raises(Revert, match="PricesDoNotCross"):
        fill(system, ask(system), bid(system, price=SPOT - 1), 1, keys=(SELLER, BUYER))


@given(
    st.integers(SPOT - 1_000, SPOT + 1_000),
    st.integers(0, 1_000),
    st.booleans(),
)
def test_a_fill_is_priced_by_the_maker(deployed: System, low: int, apart: int, buyer_takes: bool) -> None:
    with deployed.isolated() as system:
        buy, sell = bid(system, price=low + apart), ask(system, price=low)
        before = system.cash(account_id(SELLER.address))
        if buyer_takes:
            fill(system, buy, sell, 2)
        else:
            fill(system, sell, buy, 2, keys=(SELLER, BUYER))
        price = low if buyer_takes else low + apart
        assert system.cash(account_id(SELLER.address)) == before + 2 * price * TICK


# Sizes, replay, cancelling


@given(st.lists(st.integers(1, 4), min_size=1, max_size=8))
def test_partial_fills_never_exceed_the_size(deployed: System, parts: list[int]) -> None:
    with deployed.isolated() as system:
        buy, total = bid(system, 6), 0
        for lots in parts:
            if total + lots <= 6:
                fill(system, buy, ask(system), lots)
                total += lots
                continue
            with pytest.raises(Revert) as reverted:
                fill(system, buy, ask(system), lots)
            expected = ("NonceSpent", buy.nonce) if total == 6 else ("OrderOverfilled", total, 6)
            assert (reverted.value.name, *reverted.value.args_[1:]) == expected
        assert position(system, BUYER) == total
        assert filled(system, buy) == total % 6  # what is filled whole has spent its nonce
        assert system.order_venue.nonceSpent(buy.account, buy.nonce) == (total == 6)


def test_a_filled_order_cannot_be_replayed(system: System) -> None:
    orders = bid(system), ask(system)
    fill(system, *orders, 5)
    for order, other in ((orders[0], ask(system)), (bid(system), orders[1])):
        with pytest.raises(Revert) as reverted:
            fill(system, order, other, 1)
        assert reverted.value.name == "NonceSpent"
    with pytest.raises(Revert, match="NonceSpent"):
        fill(system, *orders, 1)


@pytest.mark.parametrize("first", [1, 4])
def test_an_order_filled_in_parts_cannot_be_replayed(system: System, first: int) -> None:
    order = bid(system)
    fill(system, order, ask(system), first)
    fill(system, order, ask(system), 5 - first)
    for lots in (1, first, 5):
        with pytest.raises(Revert, match="NonceSpent"):
            fill(system, order, ask(system), lots)
    assert position(system, BUYER) == 5


def test_orders_of_one_nonce_are_counted_apart_until_one_is_whole(system: System) -> None:
    first = bid(system)
    second = replace(first, price_ticks=SPOT + 1, lots=3)
    fill(system, first, ask(system), 4)
    fill(system, second, ask(system), 2)
    assert (filled(system, first), filled(system, second)) == (4, 2)
    with pytest.raises(Revert, match="OrderOverfilled"):
        fill(system, first, ask(system), 2)
    fill(system, second, ask(system), 1)
    for order in (first, second):
        with pytest.raises(Revert, match="NonceSpent"):
            fill(system, order, ask(system), 1)
    assert position(system, BUYER) == 7


@given(st.lists(st.tuples(st.integers(0, 300), st.sampled_from(("part", "rest", "cancel"))), max_size=12))
def test_a_nonce_is_spent_by_what_fills_or_cancels_it_and_by_nothing_else(
    deployed: System, steps: list[tuple[int, str]]
) -> None:
    with deployed.isolated() as system:
        account, venue, start = account_id(BUYER.address), system.order_venue, NONCES - 1
        made = replace(bid(system, 2), nonce=start)
        left: dict[int, int] = {}
        for nonce, step in steps:
            order = replace(made, nonce=start + nonce)
            remaining = left.get(nonce, 2)
            if step == "cancel":
                venue.cancel(account, order.nonce, sender=BUYER.address)
                left[nonce] = 0
                continue
            lots = 1 if step == "part" else max(remaining, 1)
            if remaining >= lots:
                fill(system, order, ask(system), lots)
                left[nonce] = remaining - lots
            else:
                with pytest.raises(Revert, match="NonceSpent"):
                    fill(system, order, ask(system), lots)
        for nonce in {*left, *(near + 1 for near in left), *(near + NONCES for near in left)}:
            assert venue.nonceSpent(account, start + nonce) == (left.get(nonce, 2) == 0)
            assert filled(system, replace(made, nonce=start + nonce)) == int(left.get(nonce, 2) == 1) or (
                left.get(nonce) == 0
            )


def test_an_order_filled_in_part_can_be_cancelled(system: System) -> None:
    order = bid(system)
    fill(system, order, ask(system), 2)
    system.order_venue.cancel(order.account, order.nonce, sender=BUYER.address)
    with pytest.raises(Revert, match="NonceSpent"):
        fill(system, order, ask(system), 1)


def test_nonces_of_one_account_spend_none_of_another(system: System) -> None:
    first, other = bid(system), replace(ask(system), nonce=bid(system).nonce)
    system.order_venue.cancel(first.account, other.nonce, sender=BUYER.address)
    assert not system.order_venue.nonceSpent(other.account, other.nonce)
    fill(system, first, other, 5)


def test_a_fill_that_fails_leaves_the_order_open(system: System) -> None:
    buy = bid(system, 10_000)
    with pytest.raises(Revert, match="InitialMargin"):
        fill(system, buy, ask(system, 10_000), 10_000)
    assert filled(system, buy) == 0
    fill(system, buy, ask(system), 1)


def test_an_order__cancelled__reverts(system: System) -> None:
    orders = bid(system), ask(system)
    system.order_venue.cancel(account_id(BUYER.address), orders[0].nonce, sender=BUYER.address)
    with pytest.raises(Revert) as reverted:
        fill(system, *orders, 1)
    assert reverted.value.name == "NonceSpent"
    fill(system, bid(system), orders[1], 1)


def test_every_order_below_a_nonce_is_cancelled_at_once(system: System) -> None:
    orders = [bid(system) for _ in range(3)]
    account = account_id(BUYER.address)
    system.vault.setOperator(account, OPERATOR.address, True, sender=BUYER.address)
    system.order_venue.cancelBelow(account, orders[2].nonce, sender=OPERATOR.address)
    for order in orders[:2]:
        with pytest.raises(Revert, match="NonceSpent"):
            fill(system, order, ask(system), 1)
    fill(system, orders[2], ask(system), 1)
    with pytest.raises(Revert, match="NonceNotRaised"):
        system.order_venue.cancelBelow(account, orders[1].nonce, sender=BUYER.address)


def test_cancelling_one_nonce_cancels_that_one_alone(system: System) -> None:
    account = account_id(BUYER.address)
    first, same, other = (replace(bid(system), nonce=5_000 + i) for i in (0, NONCES, 2 * NONCES))
    for nonce in (same.nonce, same.nonce + 1):
        system.order_venue.cancel(account, nonce, sender=BUYER.address)
    system.order_venue.cancelBelow(account, first.nonce, sender=BUYER.address)
    with pytest.raises(Revert, match="NonceSpent"):
        fill(system, same, ask(system), 1)
    for order in (first, other):
        fill(system, order, ask(system), 1)


def test_cancelling_below_all_nonces_cancels_the_last_one_too(system: System) -> None:
    account, last = account_id(BUYER.address), replace(bid(system), nonce=2**64 - 1)
    system.order_venue.cancelBelow(account, last.nonce, sender=BUYER.address)
    fill(system, last, ask(system), 1)
    system.order_venue.cancelBelow(account, 2**256 - 1, sender=BUYER.address)
    ((_, told),) = system.evm.events(system.order_venue)
    assert told.nonce == 2**64  # what is stored, not what was asked
    assert system.order_venue.leastNonce(account) == 2**64
    with pytest.raises(Revert, match="NonceSpent"):
        fill(system, last, ask(system), 1)


def test_nobody_else_cancels(system: System) -> None:
    for sender in (SELLER.address, RELAYER, GOVERNOR):
        with pytest.raises(Revert, match="NotAuthorised"):
            system.order_venue.cancel(account_id(BUYER.address), 1, sender=sender)
        with pytest.raises(Revert, match="NotAuthorised"):
            system.order_venue.cancelBelow(account_id(BUYER.address), 9, sender=sender)


def test_a_reducing_order_neither_opens_grows_nor_flips(system: System) -> None:
    with pytest.raises(Revert, match="NotReducing"):
        fill(system, bid(system, reduce_only=True), ask(system), 1)
    fill(system, bid(system), ask(system), 3)
    with pytest.raises(Revert, match="NotReducing"):
        fill(system, bid(system, reduce_only=True), ask(system), 1)
    closing = system.order(account_id(BUYER.address), -9, SPOT, reduce_only=True)
    opposite = system.order(account_id(SELLER.address), 9, SPOT)
    with pytest.raises(Revert, match="NotReducing"):
        fill(system, closing, opposite, 4)
    fill(system, closing, opposite, 3)
    assert position(system, BUYER) == 0
    with pytest.raises(Revert, match="NotReducing"):
        fill(system, closing, opposite, 1)


# Fees


@given(
    st.integers(0, 100),
    st.integers(0, 100),
    st.integers(0, 3 * TOKEN),
    st.lists(st.integers(1, 5), min_size=1, max_size=4),
)
def test_no_order_is_charged_more_than_its_share_of_its_largest_fee(
    deployed: System, taker_bps: int, maker_bps: int, max_fee: int, parts: list[int]
) -> None:
    with deployed.isolated() as system:
        system.order_venue.setFees(taker_bps, maker_bps, sender=GOVERNOR)
        buy, charged = bid(system, 20, max_fee=max_fee), 0
        for lots in parts:
            before = system.cash(account_id(BUYER.address)), system.cash(account_id(SELLER.address))
            fill(system, buy, ask(system, 20, max_fee=0), lots)
            fee = before[0] - system.cash(account_id(BUYER.address)) - lots * SPOT * TICK
            assert fee == min(lots * SPOT * TICK * taker_bps // 10_000, max_fee * lots // 20)
            assert system.cash(account_id(SELLER.address)) == before[1] + lots * SPOT * TICK
            charged += fee
        assert charged <= max_fee
        assert system.vault.accruedFees(system.order_venue) == charged


def test_the_governor_sets_fees_up_to_a_percent(system: System) -> None:
    with pytest.raises(Revert, match="AccessManagedUnauthorized"):
        system.order_venue.setFees(1, 1, sender=RELAYER)
    for fees in ((101, 0), (0, 101)):
        with pytest.raises(Revert, match="FeeTooLarge"):
            system.order_venue.setFees(*fees, sender=GOVERNOR)
    system.order_venue.setFees(100, 50, sender=GOVERNOR)
    assert (system.order_venue.takerFeeBps(), system.order_venue.makerFeeBps()) == (100, 50)
    fill(system, bid(system, max_fee=100 * TOKEN), ask(system, max_fee=100 * TOKEN), 2)
    assert system.vault.accruedFees(system.order_venue) == 2 * SPOT * TICK * 150 // 10_000


def test_the_governor_alone_takes_the_venue_s_share_out(system: System) -> None:
    system.order_venue.setFees(100, 50, sender=GOVERNOR)
    fill(system, bid(system, max_fee=100 * TOKEN), ask(system, max_fee=100 * TOKEN), 2)
    system.vault.distributeFees(system.order_venue, sender=RELAYER)
    share = system.cash(bytes.fromhex(system.order_venue.address[2:]) + bytes(12))
    assert share > 0
    with pytest.raises(Revert, match="AccessManagedUnauthorized"):
        system.order_venue.collectFees(share, RELAYER, sender=RELAYER)
    before = system.token.balanceOf(GOVERNOR)
    system.order_venue.collectFees(share, GOVERNOR, sender=GOVERNOR)
    assert system.token.balanceOf(GOVERNOR) == before + share


def test_two_accounts_of_one_owner_may_trade_but_one_with_itself_may_not(system: System) -> None:
    other = system.open(BUYER, 1_000, index=1)
    fill(system, bid(system), system.order(other, -5, SPOT), 1, keys=(BUYER, BUYER))
    assert system.lots(other) == -1
    selling = system.order(account_id(BUYER.address), -5, SPOT)
    with pytest.raises(Revert, match="SameAccount"):
        fill(system, bid(system), selling, 1, keys=(BUYER, BUYER))
