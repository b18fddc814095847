"""Signed orders through Ape, the venue and the vault."""

from __future__ import annotations

from typing import Any

import ape
import pytest
from ape.api import AccountAPI
from eth_account.messages import encode_typed_data
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.ape.world import TOKEN, World

from seawall.page import Order

EXAMPLES = min(15, settings().max_examples)
TYPES = {
    "EIP712Domain": [
        {"name": "name", "type": "string"},
        {"name": "version", "type": "string"},
        {"name": "chainId", "type": "uint256"},
        {"name": "verifyingContract", "type": "address"},
    ],
    "Order": [
        {"name": "account", "type": "bytes32"},
        {"name": "page", "type": "uint8"},
        {"name": "slot", "type": "uint8"},
        {"name": "generation", "type": "uint16"},
        {"name": "lots", "type": "int64"},
        {"name": "priceTicks", "type": "uint64"},
        {"name": "maxFee", "type": "uint128"},
        {"name": "expiry", "type": "uint40"},
        {"name": "nonce", "type": "uint64"},
        {"name": "reduceOnly", "type": "bool"},
    ],
}


@pytest.fixture
def taker_account(world: World, trader: AccountAPI) -> bytes:
    return world.open(trader, 2_000)


@pytest.fixture
def maker_account(world: World, maker: AccountAPI) -> bytes:
    return world.open(maker, 100_000)


@pytest.fixture(autouse=True)
def accounts_open(taker_account: bytes, maker_account: bytes) -> None:
    """Open both accounts before every test."""


def lots_of(world: World, account: bytes) -> int:
    return int(world.vault.positionLots(account, 0, 0, 1))


def fill(
    world: World, taken: tuple[Any, bytes], made: tuple[Any, bytes], lots: int, sender: AccountAPI
) -> Any:
    return world.venue.fill(*taken, *made, lots, (), (), sender=sender)


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lots=st.integers(-60, 60).filter(bool))
def test_INV_02_a_fill_moves_equal_and_opposite_lots_and_loses_only_the_fee(
    world: World,
    trader: AccountAPI,
    maker: AccountAPI,
    taker_account: bytes,
    maker_account: bytes,
    lots: int,
) -> None:
    with world.isolated():
        world.trade(trader, maker, lots)
        assert (lots_of(world, taker_account), lots_of(world, maker_account)) == (lots, -lots)
        fee = abs(lots) * world.markets[0].spot * 100 * 5 // 10_000  # ticks of 100 units, 5 basis points
        assert world.vault.accruedFees(world.venue) == fee
        equity = world.margin(taker_account).equity + world.margin(maker_account).equity
        assert equity == 102_000 * TOKEN - fee


def test_INV_11_a_fill_leaves_the_initial_requirement(
    world: World, trader: AccountAPI, maker: AccountAPI, taker_account: bytes
) -> None:
    world.trade(trader, maker, 100)
    margin = world.margin(taker_account)
    assert margin.equity >= margin.initial >= margin.maintenance > 0
    with ape.reverts(world.vault.InitialMargin):
        world.trade(trader, maker, 200)
    assert lots_of(world, taker_account) == 100


def test_a_wallet_signs_the_same_order(
    world: World, trader: AccountAPI, maker: AccountAPI, taker_account: bytes, attacker: AccountAPI
) -> None:
    order = world.order(trader, 3)
    message = dict(zip((field["name"] for field in TYPES["Order"]), order.as_tuple(), strict=True))
    domain = {
        "name": "Seawall Order Venue",
        "version": "1",
        "chainId": world.chain.chain_id,
        "verifyingContract": world.venue.address,
    }
    signable = encode_typed_data(
        full_message={"types": TYPES, "primaryType": "Order", "domain": domain, "message": message}
    )
    signature = trader.sign_message(signable)
    assert signature is not None
    fill(
        world,
        (order.as_tuple(), signature.encode_rsv()),
        world.signed(world.order(maker, -3), maker),
        3,
        attacker,
    )
    assert lots_of(world, taker_account) == 3


def test_an_order_signed_by_a_stranger__reverts(
    world: World, trader: AccountAPI, maker: AccountAPI, attacker: AccountAPI, taker_account: bytes
) -> None:
    taken = world.signed(world.order(trader, 3), attacker)
    made = world.signed(world.order(maker, -3), maker)
    with ape.reverts(world.venue.BadSignature, account=taker_account):
        fill(world, taken, made, 3, attacker)


@pytest.mark.parametrize("changed", ["lots", "price_ticks", "max_fee", "expiry", "nonce", "reduce_only"])
def test_an_order_altered_after_signing__reverts(
    world: World, trader: AccountAPI, maker: AccountAPI, attacker: AccountAPI, changed: str
) -> None:
    order = world.order(trader, 3)
    _, signature = world.signed(order, trader)
    values = {name: getattr(order, name) for name in Order.__slots__}
    altered = Order(**{**values, changed: values[changed] + 1 if changed != "reduce_only" else True})
    made = world.signed(world.order(maker, -3), maker)
    with ape.reverts(world.venue.BadSignature):
        fill(world, (altered.as_tuple(), signature), made, 3, attacker)


def test_an_order__filled_twice_over_its_size__reverts(
    world: World, trader: AccountAPI, maker: AccountAPI, attacker: AccountAPI
) -> None:
    taken = world.signed(world.order(trader, 3), trader)
    made = world.signed(world.order(maker, -10), maker)
    fill(world, taken, made, 2, attacker)
    with ape.reverts(world.venue.OrderOverfilled):
        fill(world, taken, made, 2, attacker)
    fill(world, taken, made, 1, attacker)


def test_an_order__cancelled_or_expired__reverts(
    world: World, trader: AccountAPI, maker: AccountAPI, taker_account: bytes, attacker: AccountAPI
) -> None:
    taken = world.signed(world.order(trader, 3, nonce=77), trader)
    late = world.signed(world.order(trader, 3), trader)
    made = world.signed(world.order(maker, -3, expiry=world.now + 3_600), maker)
    with ape.reverts(world.venue.NotAuthorised):
        world.venue.cancel(taker_account, 77, sender=attacker)
    world.venue.cancel(taker_account, 77, sender=trader)
    with ape.reverts(world.venue.NonceSpent, account=taker_account, nonce=77):
        fill(world, taken, made, 3, attacker)
    world.advance(700)
    with ape.reverts(world.venue.OrderExpired):
        fill(world, late, made, 3, attacker)


def test_prices_that_do_not_cross__revert(
    world: World, trader: AccountAPI, maker: AccountAPI, attacker: AccountAPI
) -> None:
    spot = world.markets[0].spot
    taken = world.signed(world.order(trader, 3, price_ticks=spot - 1), trader)
    made = world.signed(world.order(maker, -3), maker)
    with ape.reverts(world.venue.PricesDoNotCross, buyTicks=spot - 1, sellTicks=spot):
        fill(world, taken, made, 3, attacker)


def test_a_reduce_only_order__that_would_open__reverts(
    world: World, trader: AccountAPI, maker: AccountAPI, taker_account: bytes
) -> None:
    with ape.reverts(world.venue.NotReducing, account=taker_account):
        world.trade(trader, maker, 3, reduce_only=True)
    world.trade(trader, maker, 3)
    world.trade(trader, maker, -2, reduce_only=True)
    assert lots_of(world, taker_account) == 1


def test_a_venue_that_is_no_longer_approved__settles_nothing(
    world: World, trader: AccountAPI, maker: AccountAPI, taker_account: bytes
) -> None:
    world.vault.approveVenue(taker_account, world.venue, False, sender=trader)
    with ape.reverts(world.vault.VenueNotApproved, account=taker_account, venue=world.venue.address):
        world.trade(trader, maker, 1)


def test_settle__by_whom_governance_did_not_list__reverts(
    world: World, attacker: AccountAPI, taker_account: bytes, maker_account: bytes
) -> None:
    terms = (taker_account, maker_account, 0, 0, 1, 1, world.markets[0].spot, 0, 0)
    with ape.reverts(world.vault.NotVenue, caller=attacker.address):
        world.vault.settle(terms, (), (), sender=attacker)


def test_trading_on_old_prices__reverts(world: World, trader: AccountAPI, maker: AccountAPI) -> None:
    world.chain.mine(timestamp=world.now + 31)
    with ape.reverts(world.vault.PriceNotFresh):
        world.trade(trader, maker, 1)


def test_the_guardian_stops_trading_and_only_the_governor_resumes_it(
    world: World, trader: AccountAPI, maker: AccountAPI, attacker: AccountAPI
) -> None:
    with ape.reverts(world.vault.AccessManagedUnauthorized):
        world.vault.pauseTrading(sender=attacker)
    world.vault.pauseTrading(sender=world.guardian)
    with ape.reverts(world.vault.TradingPaused):
        world.trade(trader, maker, 1)
    with ape.reverts(world.vault.AccessManagedUnauthorized):
        world.vault.unpauseTrading(sender=world.guardian)
    world.vault.unpauseTrading(sender=world.deployer)
    world.trade(trader, maker, 1)
