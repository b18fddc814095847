"""Slices as a source of money: rounded lots, positions of both sides, keys that meet."""

from __future__ import annotations

import pytest
from tests.attacks.moves import ANY_PRICE, ATTACKER, backing, start, tick
from tests.support.market import SPOT
from tests.support.system import System


@pytest.fixture(scope="module")
def deployed() -> System:
    system = System.deploy(underlyings=2, instruments=2)
    system.endow_fund(10_000)
    return system


@pytest.mark.parametrize(("lots", "fraction"), [(1, 1), (2, 6 * 10**17), (100, 10**18 - 10**16 + 1)])
def test_INV_24_a_slice_that_rounding_makes_the_whole_book_leaves_no_hole_unbooked(
    system: System, maker: bytes, lots: int, fraction: int
) -> None:
    """Lots are rounded up: what the fraction leaves of a hole is a loss all the same."""
    account = system.open(ATTACKER)
    system.deposit(account, lots * 15_000_000)
    accomplice = system.open(ATTACKER, 50_000, index=1)
    system.trade(account, maker, lots=lots)
    tick(system)
    system.move(0, SPOT * 80 // 100)
    start(system, account)
    hole = -system.equity(account)
    fund, own = system.fund.totalAssets(), system.equity(accomplice)
    system.liquidator.buy(account, accomplice, fraction, ANY_PRICE, (), (), sender=ATTACKER)
    assert not system.vault.accountWord(account) & ((1 << 96) - 1)
    print(hole, system.equity(account), fund - system.fund.totalAssets(), system.equity(accomplice) - own)
    assert system.equity(account) == 0
    assert fund - system.fund.totalAssets() + system.vault.deficit() >= hole
    assert backing(system, [account, accomplice, maker]) >= 0
