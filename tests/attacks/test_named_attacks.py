"""The four attacks that the design was drawn around. Each is played to the end on the real contracts, and fails."""

from __future__ import annotations

from functools import partial

import pytest
from tests.attacks.moves import (
    ATTACKER,
    BORROWER,
    KEEPER,
    MINUTE_S,
    WAD,
    forge,
    margin,
    refused,
    tick,
    wealth,
)
from tests.support.evm import Revert
from tests.support.market import SPOT
from tests.support.system import EMPTY, TOKEN, System

from seawall.reference.certificate import certificate_words

BAND = SPOT * 40 // 10_000


@pytest.fixture(scope="module")
def deployed() -> System:
    system = System.deploy(underlyings=2, instruments=2)
    system.endow_fund(10_000)
    return system


# 1. Reducing one leg of a hedge at the band's edge to oneself


def pairs(lots: int) -> tuple[object, ...]:
    """Return a certificate for so many lots of the spread."""
    return (certificate_words([(0, 0, lots)]), 0, (), ())


@pytest.fixture
def hedged(system: System, maker: bytes) -> bytes:
    """200 lots long against 200 short of two perpetuals, with 400 tokens: 20 of maintenance, 80 of initial."""
    system.markets[0].atoms = [((0, 1), (1, -1))]
    system.publish()
    system.advance(60 * MINUTE_S)
    system.publish()
    system.push()
    account = system.open(ATTACKER, 400)
    for held in range(0, 200, 20):
        for slot, lots in ((0, 20), (1, -20)):
            system.trade(account, maker, lots=lots, slot=slot, certificates=((pairs(held + 20 * slot),), ()))
    tick(system)
    return account


@pytest.mark.parametrize(("slot", "sign"), [(0, -1), (1, 1)])
@pytest.mark.parametrize("lots", [200, 50])
def test_attack_1_one_leg_of_a_hedge_cannot_be_reduced_at_the_bands_edge_to_oneself(
    system: System, hedged: bytes, slot: int, sign: int, lots: int
) -> None:
    accomplice = system.open(ATTACKER, 100_000, index=1)
    for certificate in (EMPTY, pairs(200 - lots)):
        with pytest.raises(Revert, match="ReduceRaisesRisk"):
            system.trade(
                hedged,
                accomplice,
                lots=sign * lots,
                slot=slot,
                price=SPOT + sign * BAND,
                certificates=((certificate,), ()),
            )


def test_attack_1_nor_lot_by_lot_below_the_initial_requirement(system: System, hedged: bytes) -> None:
    accomplice = system.open(ATTACKER, 100_000, index=1)
    loss = (
        system.equity(hedged) - 100 * TOKEN
    )  # paid as fees, so that little is left above the requirement of 80
    system.trade(hedged, accomplice, lots=1, fees=(loss, 0), certificates=((pairs(200),), ()))
    system.trade(hedged, accomplice, lots=-1, certificates=((pairs(200),), ()))
    before = wealth(system, [hedged, accomplice])
    left, done = [200, 200], 0
    for turn in range(400):
        slot = turn % 2
        left[slot] -= 1
        sign = 1 if slot else -1
        certificate = pairs(min(left))
        sale = partial(
            system.trade,
            hedged,
            accomplice,
            lots=sign,
            slot=slot,
            price=SPOT + sign * BAND,
            certificates=((certificate,), ()),
        )
        if refused({"ReduceRaisesRisk"}, sale):
            break
        done += 1
        needed = system.vault.margin(hedged, certificate, False).initial
        assert system.equity(hedged) >= needed
    assert 0 < done < 400
    assert wealth(system, [hedged, accomplice]) == before


# 2. Withdrawing on a mark that only the newest manifest carries


@pytest.fixture
def marked_up(system: System, maker: bytes) -> bytes:
    """30 lots long, and a newest manifest that marks them two percent above the price."""
    account = system.open(ATTACKER, 400)
    system.vault.requestWithdrawal(account, 50 * TOKEN, sender=ATTACKER)
    system.trade(account, maker, lots=30, slot=1)
    tick(system)
    forge(system, {(0, 1): 200}, legs={(0, 1): 16})
    tick(system)
    return account


def test_attack_2_a_mark_that_only_the_newest_manifest_carries_cannot_be_claimed(
    system: System, marked_up: bytes
) -> None:
    equity, initial, _ = margin(system, marked_up)
    assert equity - 150 * TOKEN >= initial  # under the newest manifest alone it could be had
    system.vault.requestWithdrawal(marked_up, 150 * TOKEN, sender=ATTACKER)
    tick(system)
    forge(system, {(0, 1): 200}, legs={(0, 1): 16})
    tick(system)
    with pytest.raises(Revert, match="InitialMargin"):
        system.vault.claimWithdrawal(marked_up, ATTACKER, (), sender=ATTACKER)


@pytest.mark.parametrize("price_bps", [200, 100, 0])
def test_attack_2_nor_be_sold_to_oneself_and_withdrawn_from_the_flat_account(
    system: System, marked_up: bytes, price_bps: int
) -> None:
    """Sold at the forged mark to an accomplice with the forged margin, the profit would be cash of a flat account."""
    accomplice = system.open(ATTACKER, 300 if price_bps else 240, index=1)
    forged, real = margin(system, accomplice), SPOT * (10_000 + price_bps) // 10_000
    assert forged[0] > 30 * 100 * TOKEN * 2 // 100
    with pytest.raises(Revert, match=r"InitialMargin|PriceOutsideBand"):
        system.trade(accomplice, marked_up, lots=30, slot=1, price=real)
    assert system.vault.withdraw(accomplice, 1, ATTACKER, sender=ATTACKER) == 1


# 3. One signer set forging every price


def test_attack_3_signers_of_every_price_cannot_leave_the_anchors_band(system: System, maker: bytes) -> None:
    account = system.open(BORROWER, 400)
    system.trade(account, maker, lots=30)
    for forged in (SPOT * 2, SPOT * 103 // 100 + 1, SPOT * 97 // 100 - 1, 1):
        with system.isolated():
            system.evm.advance(12)
            system.feed.contract.push(*system.feed.batches({0: forged, 1: system.spots[1]}))
            assert system.feed.contract.price(0)[0] == SPOT
            assert system.feed.contract.price(1)[1] == system.evm.timestamp
            with pytest.raises(Revert, match="AccountHealthy"):
                system.liquidator.start(account, ())


def test_attack_3_a_lie_kept_up_makes_the_underlying_stale_and_nothing_else(
    system: System, maker: bytes
) -> None:
    account = system.open(BORROWER, 400)
    system.trade(account, maker, lots=30)
    for _ in range(6):
        system.evm.advance(60)
        system.feed.contract.push(*system.feed.batches({0: SPOT // 2, 1: system.spots[1]}))
    with pytest.raises(Revert, match="PriceStale"):
        system.liquidator.start(account, ())
    with pytest.raises(Revert, match="PriceNotFresh"):
        system.trade(account, maker, lots=1)
    manifest, payloads = system.manifest()
    for payload in payloads.values():
        system.oracle.stage(payload)
    with pytest.raises(Revert, match="PriceStale"):
        system.oracle.activate(manifest.as_tuple(), system.signatures(manifest))


# 4. A dead feed of one underlying shielding an account from liquidation


def test_attack_4_a_dead_feed_of_one_underlying_shields_no_account(system: System, maker: bytes) -> None:
    account = system.open(ATTACKER, 3_000)
    system.trade(account, maker, lots=100)
    system.trade(account, maker, lots=1, page=1)  # the shield: one lot on the feed that is about to die
    buyer = system.open(KEEPER, 100_000)
    system.advance(5 * MINUTE_S, dead=[1])
    system.markets[0].spot = SPOT * 72 // 100
    system.push([0])
    system.liquidator.start(account, ())
    system.evm.advance(60)
    system.push([0])
    system.liquidator.buy(account, buyer, WAD, 1 << 200, (), (), sender=KEEPER)
    assert system.lots(account) < 100
    assert system.lots(account, page=1) == 1
    assert system.lots(buyer, page=1) == 0
