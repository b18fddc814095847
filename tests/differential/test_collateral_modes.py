"""Isolated, cross and portfolio margin are an account of its own, one account, and a certificate: there are no modes.

One engine margins them all. Collateral is one more instrument of it: alone it is haircut by its own tail risk, and
beside a short perpetual of the same underlying it is the other half of a hedge.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.support.desk import Desk
from tests.support.evm import Revert
from tests.support.market import SPOT, TICK
from tests.support.system import EMPTY, TOKEN, System, signer

from seawall.reference.certificate import certificate_words

LOT = SPOT * TICK
PERPETUAL = 0
LOTS = 40


@pytest.fixture(scope="module")
def deployed() -> Desk:
    """Two underlyings; the page of the first certifies collateral against its perpetual, one to one."""
    system = System.deploy(underlyings=2)
    system.markets[0].atoms = [((PERPETUAL, -1), (1, 1))]
    return Desk.open(system)


@pytest.fixture
def desk(deployed: Desk) -> Iterator[Desk]:
    with deployed.system.isolated():
        yield replace(deployed)


@pytest.fixture
def maker(desk: Desk) -> bytes:
    return desk.system.open(signer("maker"), 1_000_000)


def hedge(lots: int) -> Any:
    """Return a certificate for so many lots of collateral against as many lots short."""
    return (certificate_words([(0, 0, lots)]), 0, (), ())


def margin(desk: Desk, account: bytes, certificate: Any = EMPTY) -> Any:
    return desk.system.vault.margin(account, certificate, False)


def test_collateral_alone_is_haircut_by_its_own_tail_risk(desk: Desk) -> None:
    """A shock of 10% asks for 10% and what it costs to leave; nothing of it can become a negative equity."""
    found = margin(desk, desk.account("borrower", lots=LOTS))
    assert found.equity == LOTS * LOT
    assert found.quote == 0
    assert 0.10 <= found.initial / found.equity <= 0.105
    assert 0.079 <= found.maintenance / found.equity <= 0.081


def test_isolated_margin_is_an_account_of_its_own(desk: Desk, maker: bytes) -> None:
    """What one account of an owner loses, another of the same owner never sees."""
    first = desk.account("borrower", lots=LOTS)
    second = desk.account("borrower", tokens=3_000, index=1)
    desk.system.trade(first, maker, lots=60)
    desk.system.trade(second, maker, lots=10, page=1)
    before = margin(desk, second)
    desk.system.evm.advance(12)
    desk.system.move(0, SPOT * 60 // 100)
    desk.system.evm.advance(12)
    desk.system.push()
    assert desk.system.vault.health(first).liquidatable
    desk.system.liquidator.start(first, ())
    after = margin(desk, second)
    assert (after.equity, after.maintenance) == (before.equity, before.maintenance)


def test_cross_margin_is_one_account_without_a_certificate(desk: Desk, maker: bytes) -> None:
    """Collateral in one underlying carries a position in another; every leg is charged, nothing is netted."""
    account = desk.account("borrower", lots=LOTS)
    alone = margin(desk, account).initial
    desk.system.trade(account, maker, lots=20, page=1)
    other = desk.account("keeper", tokens=5_000)
    desk.system.trade(other, maker, lots=20, page=1)
    together = margin(desk, account)
    assert together.equity == LOTS * LOT
    legs = alone + margin(desk, other).initial
    assert 0.99 * legs <= together.initial <= 1.01 * legs


def test_portfolio_margin_is_a_certificate(desk: Desk, maker: bytes) -> None:
    """Collateral against a short perpetual: gross without a certificate, next to nothing but the floor with it."""
    account = desk.account("borrower", lots=LOTS)
    desk.system.trade(maker, account, lots=LOTS)
    gross, netted = margin(desk, account), margin(desk, account, hedge(LOTS))
    assert gross.equity == netted.equity == LOTS * LOT
    assert gross.initial > 0.19 * LOTS * LOT
    assert netted.initial < 0.005 * LOTS * LOT
    assert netted.maintenance == gross.maintenance < netted.initial  # lanes net by themselves


def test_a_certificate_leaves_room_that_legs_do_not(desk: Desk, maker: bytes) -> None:
    """Collateral and its hedge fill the account leg by leg; certified, it carries 640 lots of something else."""
    account = desk.account("borrower", lots=LOTS)
    desk.system.trade(maker, account, lots=LOTS)
    with pytest.raises(Revert, match="InitialMargin"):
        desk.system.trade(maker, account, lots=640, page=1)
    desk.system.trade(maker, account, lots=640, page=1, certificates=((), (hedge(LOTS),)))


def test_a_hedged_account_survives_any_price_but_owes_what_the_short_lost(desk: Desk, maker: bytes) -> None:
    """Equity stays what it was; the loss is owed in the settlement token until somebody converts it."""
    account = desk.account("borrower", lots=LOTS)
    desk.system.trade(maker, account, lots=LOTS)
    for percent in (104, 108, 112, 116, 120):
        desk.system.move(0, SPOT * percent // 100)
        desk.system.publish()
    found = margin(desk, account)
    assert abs(found.equity - LOTS * LOT) < TOKEN
    assert found.quote < -0.19 * LOTS * LOT
    assert not desk.system.vault.health(account).liquidatable
