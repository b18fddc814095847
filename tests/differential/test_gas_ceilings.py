"""What users and keepers pay in the whole system stays within 3% of what it was when these ceilings were set."""

from __future__ import annotations

import pytest
from tests.support.engine_bench import book_proof, sized_scene
from tests.support.engine_world import EngineWorld
from tests.support.evm import Evm, role
from tests.support.option_bench import OptionBench
from tests.support.system_bench import SystemBench, activation_gas

# positions: (health view, fill that adds, fill that reduces, start of an auction, purchase of half of it)
ACCOUNTS = {
    1: (46_700, 213_200, 212_600, 105_000, 170_300),
    4: (68_900, 279_200, 278_300, 143_500, 250_400),
    16: (86_600, 328_100, 327_300, 174_200, 355_500),
}
PUSHES = {1: 86_900, 2: 100_600, 3: 113_600}  # signatures: batch of two prices
ACTIVATIONS = {
    (1, 2): 141_000,
    (3, 2): 234_900,
    (3, 5): 256_900,
    (5, 2): 328_800,
    (5, 5): 350_900,
}  # (pages, signatures)
# Measured values and a percent, or what is aimed at if that is less. Aimed at are 48,000 / 75,000 / 140,000 / 215,000 /
# 365,000 for the view of the engine alone, 290,000 / 340,000 / 410,000 / 500,000 / 650,000 for the fill. Nonces are
# taken from a word in use.
# positions: (health view, fill with eight atoms); the fill of 128 is a reduction
OPTIONS = {
    1: (47_500, 255_000),
    8: (77_300, 319_900),
    32: (125_800, 385_300),
    64: (176_200, 457_800),
    128: (281_600, 607_900),
}
# positions: (start, purchase of half by who holds nothing, by who makes a market in the same instruments); aimed at are
# 170,000 / 250,000, 420,000 / 900,000, 680,000 / 1,400,000. Half of it is 22,100 for every word of five new positions.
OPTION_AUCTIONS = {
    8: (160_500, 250_000, 321_400),
    64: (328_700, 782_300, 745_300),
    128: (511_400, 1_327_000, 1_220_600),
}
# The same where the half empties one of two pages.
THIN_AUCTION = (162_800, 275_300, 344_300)
LISTED_ACCOUNTS = 100_000
BOOK_ATOM = 60_000
TRANSACTION = 21_000
# with calldata stores three slots, without loads them
THREE_SLOTS = bytes.fromhex("366010575f54600154600254000000005b60075f5560086001556009600255")
THREE_COLD_LOADS = 3 * 2_100 + 23


@pytest.fixture(scope="module")
def bench() -> SystemBench:
    return SystemBench()


@pytest.fixture(scope="module")
def options() -> OptionBench:
    return OptionBench()


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


@pytest.mark.parametrize("count", OPTIONS)
def test_a_book_of_options_pays_at_most(options: OptionBench, count: int) -> None:
    found = (options.view(count), options.fill(count))
    assert all(gas <= limit for gas, limit in zip(found, OPTIONS[count], strict=True)), found


@pytest.mark.parametrize("count", OPTION_AUCTIONS)
def test_an_auction_of_options_pays_at_most(options: OptionBench, count: int) -> None:
    found = options.auction(count)
    assert all(gas <= limit for gas, limit in zip(found, OPTION_AUCTIONS[count], strict=True)), found


def test_a_page_that_a_slice_empties_costs_at_most(options: OptionBench) -> None:
    found = options.thin_auction()
    assert all(gas <= limit for gas, limit in zip(found, THIN_AUCTION, strict=True)), found


def test_a_book_as_stored_is_shown_without_its_positions_for_at_most() -> None:
    world = EngineWorld()
    scene, certificate = book_proof(sized_scene(64), accounts=LISTED_ACCOUNTS)
    assert certificate.book == ()
    with world.evm.isolated():
        world.stage(scene)
        bare, shown = world.gas(certificate=type(certificate)()), world.gas(certificate=certificate)
        assert shown - bare <= BOOK_ATOM
        assert world.assess(certificate=certificate).initial < world.assess().initial
