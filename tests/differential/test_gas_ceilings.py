"""What users and keepers pay in the whole system stays within 3% of what it was when these ceilings were set."""

from __future__ import annotations

import pytest
from tests.support.evm import Evm, role
from tests.support.system_bench import SystemBench, activation_gas

# positions: (health view, fill that adds, fill that reduces, start of an auction, purchase of half of it)
ACCOUNTS = {
    1: (56_300, 338_300, 338_300, 154_200, 312_200),
    4: (84_700, 426_300, 426_100, 204_800, 476_900),
    16: (114_000, 535_300, 535_000, 259_300, 714_800),
}
PUSHES = {1: 86_900, 2: 100_600, 3: 113_600}  # signatures: batch of two prices
ACTIVATIONS = {(1, 2): 146_200, (3, 2): 243_800, (5, 2): 341_500, (5, 5): 364_200}  # (pages, signatures)
TRANSACTION = 21_000
# with calldata stores three slots, without loads them
THREE_SLOTS = bytes.fromhex("366010575f54600154600254000000005b60075f5560086001556009600255")
THREE_COLD_LOADS = 3 * 2_100 + 23


@pytest.fixture(scope="module")
def bench() -> SystemBench:
    return SystemBench()


@pytest.mark.parametrize("count", ACCOUNTS)
def test_an_account_pays_at_most(bench: SystemBench, count: int) -> None:
    found = (
        bench.view(count),
        bench.fill(count, lots=1),
        bench.fill(count, lots=-1),
        *bench.auction(count),
    )
    assert all(gas <= limit for gas, limit in zip(found, ACCOUNTS[count], strict=True)), found


@pytest.mark.parametrize(("signatures", "limit"), PUSHES.items())
def test_a_batch_of_prices_costs_at_most(bench: SystemBench, signatures: int, limit: int) -> None:
    assert bench.push(prices=2, signatures=signatures) <= limit


@pytest.mark.parametrize(("pages", "signatures", "limit"), [(*key, gas) for key, gas in ACTIVATIONS.items()])
def test_an_activation_costs_at_most(pages: int, signatures: int, limit: int) -> None:
    assert activation_gas(pages=pages, signatures=signatures) <= limit


@pytest.mark.parametrize("full", [False, True])
def test_staging_costs_217_a_byte_and_little_else(bench: SystemBench, full: bool) -> None:
    size, gas = bench.stage(full=full)
    assert gas <= TRANSACTION + 45_000 + 217 * size


def test_measuring_again_gives_the_same(bench: SystemBench) -> None:
    assert bench.auction(4) == bench.auction(4)
    assert SystemBench().fill(4, lots=1) == bench.fill(4, lots=1)


def test_nothing_is_warm_in_a_cold_copy() -> None:
    evm, place = Evm(), role("three slots")
    evm.put_code(place, THREE_SLOTS)
    evm.message(role("borrower"), place, b"\1")
    cold = evm.cold()
    cold.message(role("borrower"), place)
    assert cold.gas_used == TRANSACTION + THREE_COLD_LOADS
