"""Any account that fails, sold in any slices at any time: what every purchase must leave behind."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from tests.support.evm import Revert, role
from tests.support.system import EMPTY, TOKEN, System

from seawall.reference.auction import lots_moved

WAD = 10**18
ANY_PRICE = 1 << 200
UNDERLYINGS, SLOTS = 2, 3
INSTRUMENTS = [(page, slot) for page in range(UNDERLYINGS) for slot in range(SLOTS)]
BORROWER, MAKER, BUYER = map(role, ("borrower", "maker", "buyer"))

# Mostly one-sided books, so that prices can hurt them, of single lots to thousands.
books = st.dictionaries(
    st.sampled_from(INSTRUMENTS),
    st.integers(1, 5) | st.integers(1, 3_000) | st.integers(-40, -1),
    min_size=1,
)
# Fraction asked for, minutes before, and a move of the first underlying meanwhile, tenths of a percent.
purchases = st.lists(
    st.tuples(
        st.sampled_from((WAD, WAD // 2, WAD // 7, 1)) | st.integers(1, WAD),
        st.integers(0, 30),
        st.integers(-20, 10),
    ),
    min_size=1,
    max_size=5,
)


@pytest.fixture(scope="module")
def deployed() -> System:
    return System.deploy(underlyings=UNDERLYINGS, instruments=SLOTS)


@dataclass
class Auction:
    """An account in auction, its buyer, and who stands on the other side of everything."""

    system: System
    borrower: bytes
    buyer: bytes
    maker: bytes

    def wealth(self) -> int:
        owned = sum(map(self.system.equity, (self.borrower, self.buyer, self.maker)))
        return int(owned + self.system.fund.totalAssets() - self.system.vault.deficit())

    def lots(self) -> dict[tuple[int, int], int]:
        return {(page, slot): self.system.lots(self.borrower, page, slot) for page, slot in INSTRUMENTS}

    def running(self) -> bool:
        return bool(self.system.vault.accountWord(self.borrower) >> 96 & 1)


def opened(
    system: System, book: dict[tuple[int, int], int], held: dict[tuple[int, int], int], loss: int
) -> Auction:
    """Open an account that just meets its initial requirement, then let it lose so many percent of that."""
    auction = Auction(
        system=system,
        borrower=system.open(BORROWER, 10**7),
        buyer=system.open(BUYER, 10**7),
        maker=system.open(MAKER, 10**9),
    )
    for account, lots in ((auction.buyer, held), (auction.borrower, book)):
        for (page, slot), size in lots.items():
            system.trade(account, auction.maker, lots=size, page=page, slot=slot)
    margin = system.vault.margin(auction.borrower, EMPTY, False)
    page, slot = next(iter(book))
    sign = 1 if book[page, slot] > 0 else -1
    spare = margin.equity - margin.initial - margin.initial // 20 - 100 * TOKEN
    system.trade(auction.borrower, auction.maker, lots=sign, page=page, slot=slot, fees=(max(spare, 0), 0))
    for underlying in range(UNDERLYINGS):
        net = sum(size for (page, _), size in book.items() if page == underlying)
        fall = system.spots[underlying] * loss // 1000 * (1 if net > 0 else -1)
        system.move(underlying, system.spots[underlying] - fall)
    system.evm.advance(1)
    return auction


def check_purchase(auction: Auction, fraction: int) -> None:
    """Buy a slice and check all that holds whatever was bought."""
    system, vault = auction.system, auction.system.vault
    equity, maintenance, *_ = vault.health(auction.borrower)
    k = system.liquidator.premiumFactorWad(auction.borrower)
    lots, wealth, deficit = auction.lots(), auction.wealth(), vault.deficit()
    fund, room, worth = system.fund.totalAssets(), system.fund.coverable(), system.equity(auction.buyer)
    try:
        sold, _ = system.liquidator.buy(
            auction.borrower, auction.buyer, fraction, ANY_PRICE, (), (), sender=BUYER
        )
    except Revert as revert:
        if revert.name != "HealthFell" or fraction == WAD:  # the whole book can always be sold
            raise
        event("refused")
        return
    after = vault.margin(auction.borrower, EMPTY, False)
    left = vault.health(auction.borrower).maintenance
    paid, added = fund - system.fund.totalAssets(), vault.deficit() - deficit
    assert abs(auction.wealth() - wealth) <= 2, "INV_05"
    assert {key: size - lots_moved(size, sold) for key, size in lots.items()} == auction.lots(), "INV_19"
    if equity * WAD >= k * maintenance:
        assert after.equity * maintenance >= equity * left, "INV_19"
        assert paid + added == 0, "INV_24"
    assert (system.equity(auction.buyer) - worth) * WAD <= k * (maintenance - left), "INV_21"
    bought = vault.margin(auction.buyer, EMPTY, False)
    assert bought.equity >= bought.initial, "INV_23"
    assert paid + added <= max(0, -equity) + k * maintenance // WAD, "INV_24"
    assert added == 0 or paid == room, "INV_24"
    assert vault.bookedLosses() == (max(0, -after.equity) if auction.running() else 0), "INV_24"


@settings(max_examples=max(10, settings().max_examples // 6))  # seconds each
@given(
    book=books, held=books, loss=st.integers(40, 220), steps=purchases, fund=st.sampled_from((0, 10, 10**5))
)
def test_INV_05_INV_19_INV_21_INV_23_INV_24_hold_for_every_purchase(
    deployed: System,
    book: dict[tuple[int, int], int],
    held: dict[tuple[int, int], int],
    loss: int,
    steps: list[tuple[int, int, int]],
    fund: int,
) -> None:
    with deployed.isolated() as system:
        if fund:
            system.endow_fund(fund)
        auction = opened(system, book, held, loss)
        assume(system.vault.health(auction.borrower).liquidatable)
        system.liquidator.start(auction.borrower, ())
        for fraction, minutes, tenths in steps:
            system.advance(60 * minutes, every=110)
            system.move(0, system.spots[0] * (1000 + tenths) // 1000)
            if not auction.running():
                event("recovered")
                break
            if not system.vault.health(auction.borrower).liquidatable:
                system.liquidator.end(auction.borrower, ())
                event("ended")
                break
            check_purchase(auction, fraction)
        assert sum(system.lots(a) for a in (auction.borrower, auction.buyer, auction.maker)) == 0
