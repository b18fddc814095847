"""Books shown under both roots: liquidation goes by their tail risk, and what a proof began only health ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from tests.support.evm import Revert, role
from tests.support.system import EMPTY, TOKEN, System

from seawall.page.layout import pack_entries, unpack_positions
from seawall.page.merkle import MerkleTree, book_leaf
from seawall.reference import Certificate, certificate_words, split
from seawall.reference.liquidator import DELEVERAGE_S

WAD = 10**18
ANY_PRICE = 1 << 200
MINUTE_S = 60
LONG, SHORT = 100, 60
TAIL = 400 * TOKEN  # of 40 lots net, each of which may fall by 10
FACTOR_BPS = 8_000
PROVEN = FACTOR_BPS * (TAIL - 1) // 10_000
OTHERS = (book_leaf(1, (1,)), book_leaf(2, (2,)))
BORROWER, MAKER, BUYER, ATTACKER = map(role, ("borrower", "maker", "buyer", "attacker"))
Certificates = Sequence[tuple[Any, ...]]


def pairs(lots: int) -> tuple[Any, ...]:
    """Return a certificate for so many lots of long against short."""
    return (certificate_words([(0, 0, lots)]), 0, (), ())


@pytest.fixture(scope="module")
def deployed() -> System:
    """Lanes find a tenth of the tail risk; two perpetuals of one underlying hedge each other."""
    system = System.deploy(underlyings=2, instruments=2)
    system.endow_fund(10_000)
    for market in system.markets.values():
        market.lane_share = 0.1
    system.markets[0].atoms = [((0, 1), (1, -1))]
    system.publish()
    system.advance(60 * MINUTE_S)
    system.publish()
    return system


@pytest.fixture
def system(deployed: System) -> Iterator[System]:
    with deployed.isolated() as isolated:
        yield isolated


@pytest.fixture
def maker(system: System) -> bytes:
    return system.open(MAKER, 1_000_000)


@pytest.fixture
def buyer(system: System) -> bytes:
    return system.open(BUYER, 100_000)


@pytest.fixture
def borrower(system: System, maker: bytes) -> bytes:
    """100 lots long against 60 short: a tail risk of 400; maintenance is 48 by floors and 320 by a proof."""
    account = system.open(BORROWER, 450)
    for held in range(0, SHORT, 20):
        for slot, lots in ((0, 20), (1, -20)):
            system.trade(account, maker, lots=lots, slot=slot, certificates=((pairs(held + 20 * slot),), ()))
    system.trade(account, maker, lots=LONG - SHORT, certificates=((pairs(SHORT),), ()))
    system.evm.advance(1)
    return account


@dataclass
class Proofs:
    """The same books under the roots of two manifests."""

    system: System
    trees: list[MerkleTree]

    @classmethod
    def published(cls, system: System, leaves: Sequence[bytes], *, in_both: bool = True) -> Proofs:
        """Publish a manifest that certifies the leaves, or nothing, and one that does, an hour later."""
        system.evm.advance(12)
        trees = [MerkleTree([*(leaves if in_both else []), OTHERS[0]]), MerkleTree([*leaves, *OTHERS])]
        system.publish(book_root=trees[0].root)
        system.advance(60 * MINUTE_S)
        system.publish(book_root=trees[1].root)
        tick(system)
        return cls(system, trees)

    def show(self, account: bytes, tail: int = TAIL, *, stored: bool = False) -> Certificates:
        """Return the certificates of an account's book, the one for the current manifest first."""
        words = words_of(self.system, account)
        shown = Certificate(book_shortfall=tail, book=() if stored else words)
        leaf = book_leaf(tail, words)
        return [replace(shown, proof=tree.proof(leaf)).as_tuple() for tree in reversed(self.trees)]


def words_of(system: System, account: bytes) -> tuple[int, ...]:
    """Return the words in which a certificate carries a book that is stored."""
    entries, words = int(system.vault.accountWord(account)) & (1 << 96) - 1, []
    while entries:
        page, count = entries & 0xFF, entries >> 8 & 0xFF
        stored = (int(system.vault.bookWord(account, page, i)) for i in range((count + 4) // 5))
        words += [entries & 0xFFFF, *pack_entries(unpack_positions(stored)[:count])]
        entries >>= 16
    return tuple(words)


def leaf_of(system: System, account: bytes, tail: int = TAIL) -> bytes:
    return book_leaf(tail, words_of(system, account))


def tick(system: System) -> None:
    system.evm.advance(12)
    system.push()


def leave(system: System, account: bytes, equity: int) -> None:
    """Let the price fall by four percent and top the account up to this equity."""
    system.move(0, system.spots[0] * 96 // 100)
    system.deposit(account, equity - system.equity(account))
    tick(system)


def running(system: System, account: bytes) -> bool:
    return bool(system.vault.accountWord(account) >> 96 & 1)


@pytest.fixture
def proofs(system: System, borrower: bytes) -> Proofs:
    return Proofs.published(system, [leaf_of(system, borrower)])


@pytest.fixture
def failing(system: System, borrower: bytes, proofs: Proofs) -> bytes:
    """The borrower with 300 tokens: healthy by lanes, not by its tail risk."""
    leave(system, borrower, 300 * TOKEN)
    return borrower


@pytest.fixture
def shown(system: System, failing: bytes, proofs: Proofs) -> Certificates:
    return proofs.show(failing)


# What a proof is worth


@pytest.mark.parametrize("stored", [True, False])
def test_INV_18_a_book_shown_under_both_roots_fails_below_the_factors_share_of_its_tail_risk_exactly(
    system: System, borrower: bytes, proofs: Proofs, stored: bool
) -> None:
    leave(system, borrower, PROVEN - 1)
    certificates = proofs.show(borrower, stored=stored)
    health = system.vault.provenHealth(borrower, certificates)
    assert (health.equity, health.maintenance, health.liquidatable) == (PROVEN - 1, PROVEN, True)
    bare = system.vault.health(borrower)
    assert not bare.liquidatable
    assert bare.maintenance < PROVEN // 5
    with pytest.raises(Revert, match="AccountHealthy"):
        system.liquidator.start(borrower, ())
    with system.isolated():
        system.deposit(borrower, 1)
        with pytest.raises(Revert, match="AccountHealthy"):
            system.liquidator.start(borrower, certificates)
    system.liquidator.start(borrower, certificates)
    assert system.liquidator.auction(borrower).proven


def test_INV_12_a_proof_that_only_the_young_manifest_knows_liquidates_nobody(
    system: System, borrower: bytes
) -> None:
    proofs = Proofs.published(system, [leaf_of(system, borrower)], in_both=False)
    leave(system, borrower, 300 * TOKEN)
    young = Certificate(
        book_shortfall=TAIL,
        book=words_of(system, borrower),
        proof=proofs.trees[1].proof(leaf_of(system, borrower)),
    ).as_tuple()
    for certificates in ([young], [young, EMPTY], [EMPTY, EMPTY]):
        with pytest.raises(Revert, match="AccountHealthy"):
            system.liquidator.start(borrower, certificates)
    with pytest.raises(Revert, match="BadCertificate"):
        system.liquidator.start(borrower, [young, young])
    system.advance(60 * MINUTE_S)  # public for as long as the grace period, it is the baseline itself
    tick(system)
    system.liquidator.start(borrower, [young])


def test_INV_12_a_proof_of_the_baseline_alone_liquidates_nobody(
    system: System, failing: bytes, shown: Certificates
) -> None:
    with pytest.raises(Revert, match="AccountHealthy"):
        system.liquidator.start(failing, [EMPTY, shown[1]])


def test_INV_12_the_smaller_of_what_two_manifests_prove_counts(system: System, borrower: bytes) -> None:
    """Either tail risk is signed twice, so that each manifest can be shown another."""
    lower = TAIL * 3 // 4
    proofs = Proofs.published(system, [leaf_of(system, borrower), leaf_of(system, borrower, lower)])
    leave(system, borrower, 300 * TOKEN)
    high, low = (proofs.show(borrower, tail) for tail in (TAIL, lower))
    drift = system.vault.margin(borrower, EMPTY, True).driftX32
    proven = FACTOR_BPS * (lower - 1) // 10_000
    raised = -(-proven * (2**32 + drift) >> 32)
    for certificates, wanted in (
        (high, PROVEN),
        ([low[0], high[1]], proven),
        ([high[0], low[1]], min(raised, PROVEN)),
    ):
        assert system.vault.provenHealth(borrower, certificates).maintenance == wanted


# What is no proof


def test_a_false_leaf_a_changed_book_and_a_proof_of_another_root_are_refused(
    system: System, failing: bytes, shown: Certificates, proofs: Proofs
) -> None:
    words = words_of(system, failing)
    forged = [
        [(atoms, tail + 1, book, proof) for atoms, tail, book, proof in shown],
        [(atoms, tail, (*book[:-1], book[-1] ^ 1 << 214), proof) for atoms, tail, book, proof in shown],
        [shown[1], shown[0]],
        [shown[0], shown[0]],
        [shown[1]],
        [*shown, EMPTY],
    ]
    assert words == shown[0][2]
    for certificates in forged:
        with pytest.raises(Revert, match="BadCertificate"):
            system.liquidator.start(failing, certificates)


def test_a_proof_of_an_older_root_is_refused(system: System, failing: bytes, shown: Certificates) -> None:
    system.publish(book_root=MerkleTree(OTHERS).root)
    tick(system)
    with pytest.raises(Revert, match="BadCertificate"):
        system.liquidator.start(failing, shown)


def test_INV_18_the_book_of_another_account_proves_no_more_than_it_shares(
    system: System, borrower: bytes, maker: bytes
) -> None:
    """A basket of twice the risk, or of the opposite, does not fail an account that its own book does not."""
    other = system.open(ATTACKER, 100_000)
    for slot, lots in ((0, 2 * LONG), (1, -2 * SHORT)):
        system.trade(other, maker, lots=lots, slot=slot)
    proofs = Proofs.published(system, [leaf_of(system, other, 2 * TAIL), leaf_of(system, borrower)])
    leave(system, borrower, 300 * TOKEN)
    certificates = proofs.show(other, 2 * TAIL)
    assert system.vault.provenHealth(borrower, certificates).maintenance < PROVEN
    with pytest.raises(Revert, match="AccountHealthy"):
        system.liquidator.start(borrower, certificates)
    system.liquidator.start(borrower, proofs.show(borrower))


def test_a_changed_book_proves_what_the_change_leaves_to_the_leg(
    system: System, borrower: bytes, maker: bytes, proofs: Proofs
) -> None:
    certificates = proofs.show(borrower)
    system.deposit(borrower, 100 * TOKEN)
    system.trade(borrower, maker, lots=3, certificates=((pairs(SHORT),), ()))
    tick(system)
    found = system.vault.margin(borrower, certificates[0], False).maintenance
    leg = system.markets[0].shock * system.markets[0].spot + 16  # ticks of a lot; the half unit is the lanes'
    assert found == FACTOR_BPS * (TAIL - 1 - 3 * round(leg) * 100) // 10_000


# What ends an auction that a proof began


def begun(system: System, account: bytes, certificates: Certificates) -> None:
    system.liquidator.start(account, certificates)
    tick(system)


def test_INV_27_an_auction_by_proof_is_not_ended_by_who_shows_none(
    system: System, failing: bytes, shown: Certificates
) -> None:
    begun(system, failing, shown)
    assert not system.vault.health(failing).liquidatable
    for certificates in ((), [pairs(SHORT)] * 2, shown):
        with pytest.raises(Revert, match="InitialMargin"):
            system.liquidator.end(failing, certificates)
    system.deposit(failing, 25 * TOKEN)  # above what the proof requires, below the initial requirement
    with pytest.raises(Revert, match="InitialMargin"):
        system.liquidator.end(failing, [pairs(SHORT)] * 2)
    assert running(system, failing)


@pytest.mark.parametrize("by_book", [True, False])
def test_INV_27_an_auction_by_proof_ends_at_the_initial_requirement_under_both(
    system: System, failing: bytes, shown: Certificates, by_book: bool
) -> None:
    begun(system, failing, shown)
    certificates = shown if by_book else [pairs(SHORT)] * 2
    wanted = max(
        system.vault.margin(failing, certificate, baseline).initial
        for certificate, baseline in zip(certificates, (False, True), strict=True)
    )
    assert wanted > PROVEN
    system.deposit(failing, wanted - system.equity(failing) - 1)
    with pytest.raises(Revert, match="InitialMargin"):
        system.liquidator.end(failing, certificates)
    system.deposit(failing, 1)
    if by_book:  # without a second the baseline sees legs
        with pytest.raises(Revert, match="InitialMargin"):
            system.liquidator.end(failing, certificates[:1])
    system.liquidator.end(failing, certificates, sender=ATTACKER)
    assert not running(system, failing)


def test_INV_27_an_auction_by_proof_does_not_end_on_a_price_that_is_not_fresh(
    system: System, failing: bytes, shown: Certificates
) -> None:
    begun(system, failing, shown)
    system.deposit(failing, 10_000 * TOKEN)
    system.evm.advance(60)
    with pytest.raises(Revert, match="PriceStale"):
        system.liquidator.end(failing, shown)
    system.push()
    system.liquidator.end(failing, shown)


def test_INV_27_an_account_is_not_locked_for_ever_where_no_proof_comes_any_more(
    system: System, failing: bytes, shown: Certificates
) -> None:
    begun(system, failing, shown)
    began = system.liquidator.auction(failing).startedLive
    system.evm.advance(DELEVERAGE_S)  # without prices no second of it counts
    tick(system)
    with pytest.raises(Revert, match="InitialMargin"):
        system.liquidator.end(failing, ())
    left = DELEVERAGE_S - (system.feed.contract.liveSeconds() - began)
    system.advance(left - 24, every=100)
    with pytest.raises(Revert, match="InitialMargin"):
        system.liquidator.end(failing, ())
    system.advance(36, every=12)
    system.liquidator.end(failing, ())
    assert not running(system, failing)


def test_an_auction_that_lanes_could_begin_ends_by_lanes(
    system: System, borrower: bytes, proofs: Proofs
) -> None:
    leave(system, borrower, 300 * TOKEN)
    system.move(0, system.spots[0] * 93 // 100)
    tick(system)
    assert system.vault.health(borrower).liquidatable
    system.liquidator.start(borrower, proofs.show(borrower))
    assert not system.liquidator.auction(borrower).proven
    system.deposit(borrower, 100 * TOKEN)
    system.liquidator.end(borrower, ())


def test_INV_27_buying_a_lot_does_not_end_what_a_proof_began(
    system: System, failing: bytes, shown: Certificates
) -> None:
    begun(system, failing, shown)
    accomplice = system.open(BORROWER, 100_000, index=1)
    system.liquidator.buy(failing, accomplice, 1, ANY_PRICE, (), shown, sender=BORROWER)
    assert words_of(system, accomplice)
    assert system.vault.provenHealth(failing, shown).liquidatable
    assert running(system, failing)
    with pytest.raises(Revert, match="InitialMargin"):
        system.liquidator.end(failing, shown)


@pytest.mark.parametrize("percent", [5, 10, 20])
def test_INV_27_a_part_that_would_use_up_the_proof_is_not_sold(
    system: System, failing: bytes, buyer: bytes, shown: Certificates, percent: int
) -> None:
    """A tenth, taken out leg by leg, costs four tenths of what the proof is worth; 22 hundredths restore health."""
    begun(system, failing, shown)
    with pytest.raises(Revert, match="ProofSpent") as refused:
        system.liquidator.buy(failing, buyer, WAD * percent // 100, ANY_PRICE, (), shown, sender=BUYER)
    least = refused.value.args_[2]
    with pytest.raises(Revert, match="ProofSpent"):
        system.liquidator.buy(failing, buyer, least - 1, ANY_PRICE, (), shown, sender=BUYER)
    system.liquidator.buy(failing, buyer, least, ANY_PRICE, (), shown, sender=BUYER)
    assert not running(system, failing)


def test_without_the_sellers_proof_nothing_is_sold(
    system: System, failing: bytes, buyer: bytes, shown: Certificates
) -> None:
    begun(system, failing, shown)
    with pytest.raises(Revert, match="AccountHealthy"):
        system.liquidator.buy(failing, buyer, WAD, ANY_PRICE, (), (), sender=BUYER)
    with pytest.raises(Revert, match="AccountHealthy"):
        system.liquidator.quote(failing, WAD, ())


def test_INV_20_a_full_slice_restores_health_and_ends_what_a_proof_began(
    system: System, failing: bytes, buyer: bytes, shown: Certificates
) -> None:
    begun(system, failing, shown)
    system.advance(20 * MINUTE_S, every=100)
    k = system.liquidator.premiumFactorWad(failing)
    quoted = system.liquidator.quote(failing, WAD, shown)
    equity, worth = system.equity(failing), system.equity(buyer)
    assert quoted.fractionWad < WAD
    system.liquidator.buy(failing, buyer, WAD, ANY_PRICE, (), shown, sender=BUYER)
    assert not running(system, failing)
    premium, share = split(
        equity=equity,
        maintenance=PROVEN,
        k_wad=k,
        fraction_wad=quoted.fractionWad,
        maintenance_after=system.vault.health(failing).maintenance,
        fund_pays=True,
    )
    assert quoted.premium == premium
    assert system.equity(buyer) - worth == premium
    assert equity - system.equity(failing) == share
    left = 1 - quoted.fractionWad / WAD
    assert system.equity(failing) >= 1.19 * left * PROVEN


def test_the_whole_book_is_sold_where_nothing_is_left(
    system: System, failing: bytes, buyer: bytes, shown: Certificates
) -> None:
    system.move(0, system.spots[0] * 93 // 100)
    tick(system)
    equity = system.equity(failing)
    assert 0 < equity < PROVEN
    system.liquidator.start(failing, shown)
    system.advance(150 * MINUTE_S, every=100)
    assert system.liquidator.quote(failing, WAD, shown).fractionWad == WAD
    system.liquidator.buy(failing, buyer, WAD, ANY_PRICE, (), shown, sender=BUYER)
    assert not running(system, failing)
    assert words_of(system, failing) == ()


def test_a_book_as_stored_cannot_be_shown_of_a_seller_that_keeps_a_part(
    system: System, failing: bytes, buyer: bytes, shown: Certificates, proofs: Proofs
) -> None:
    """The slice changes what is stored: the book must come with its words."""
    begun(system, failing, shown)
    with pytest.raises(Revert, match="BadCertificate"):
        system.liquidator.buy(
            failing, buyer, WAD // 10, ANY_PRICE, (), proofs.show(failing, stored=True), sender=BUYER
        )


def test_INV_23_the_buyers_own_certificate_lets_it_hold_the_slice(
    system: System, failing: bytes, shown: Certificates
) -> None:
    """23 lots against 14: 370 leg by leg, 90 as pairs."""
    begun(system, failing, shown)
    small = system.open(BUYER, 150, index=1)
    with pytest.raises(Revert, match="InitialMargin"):
        system.liquidator.buy(failing, small, WAD, ANY_PRICE, (), shown, sender=BUYER)
    system.liquidator.buy(failing, small, WAD, ANY_PRICE, [pairs(14)], shown, sender=BUYER)
    assert (system.lots(small), system.lots(small, slot=1)) == (23, -14)


def test_lots_are_closed_against_others_by_a_proof(
    system: System, failing: bytes, maker: bytes, shown: Certificates
) -> None:
    begun(system, failing, shown)
    system.advance(DELEVERAGE_S, every=100)
    lots = LONG - SHORT
    with pytest.raises(Revert, match="AccountHealthy"):
        system.liquidator.deleverage(failing, maker, 0, 0, lots, ())
    system.liquidator.deleverage(failing, maker, 0, 0, lots, shown)
    assert system.lots(failing) == SHORT
    assert not running(system, failing)


# What a proof lets pass


@pytest.fixture
def dense(system: System) -> bytes:
    """A maker long and short 200 lots of what no atom joins: 4,000 leg by leg, 80 as a book; it holds 400."""
    account, against = system.open(ATTACKER, 100_000), system.open(MAKER, 1_000_000)
    for slot, lots in ((0, 200), (1, -200)):
        system.trade(account, against, lots=lots, page=1, slot=slot)
    return account


def test_INV_11_a_dense_maker_fills_with_its_book_under_both_roots_where_atoms_alone_would_not_do(
    system: System, dense: bytes, maker: bytes
) -> None:
    proofs = Proofs.published(system, [leaf_of(system, dense, 10 * TOKEN)])
    shown = proofs.show(dense, 10 * TOKEN)
    gross, booked = (system.vault.margin(dense, one, False).initial for one in (EMPTY, shown[0]))
    assert gross > 5 * booked
    loss = system.equity(dense) - 2 * booked
    fill: dict[str, Any] = {"lots": 1, "page": 1}
    for certificates in ((), shown[:1], [EMPTY, shown[1]], [shown[0], EMPTY]):
        with pytest.raises(Revert, match="InitialMargin"):
            system.trade(dense, maker, **fill, fees=(loss, 0), certificates=(certificates, ()))
    system.trade(dense, maker, **fill, fees=(loss, 0), certificates=(shown, ()))
    system.trade(maker, dense, **fill, certificates=((), shown))  # whichever side it is on
    with pytest.raises(Revert, match="BadCertificate"):
        system.trade(dense, maker, **fill, certificates=([*shown, EMPTY], ()))


def test_a_withdrawal_needs_the_book_under_both_roots(system: System, dense: bytes) -> None:
    first = Proofs.published(system, [leaf_of(system, dense, 10 * TOKEN)])
    booked = system.vault.margin(dense, first.show(dense, 10 * TOKEN)[0], False).initial
    wanted = system.equity(dense) - 2 * booked
    assert wanted < system.token.balanceOf(system.vault) // 10
    system.vault.requestWithdrawal(dense, wanted, sender=ATTACKER)
    system.evm.advance(12)
    system.push()
    system.publish(book_root=first.trees[1].root)
    tick(system)
    current, old = first.trees[1], first.trees[0]
    leaf, words = leaf_of(system, dense, 10 * TOKEN), words_of(system, dense)
    shown = [
        Certificate(book_shortfall=10 * TOKEN, book=words, proof=tree.proof(leaf)).as_tuple()
        for tree in (current, old)
    ]
    for certificates in ((), shown[:1], [EMPTY, shown[1]]):
        with pytest.raises(Revert, match="InitialMargin"):
            system.vault.claimWithdrawal(dense, ATTACKER, certificates, sender=ATTACKER)
    assert system.vault.claimWithdrawal(dense, ATTACKER, shown, sender=ATTACKER) == wanted


def test_a_lens_and_a_margin_view_take_the_certificate_of_the_manifest_asked_about(
    system: System, failing: bytes, shown: Certificates
) -> None:
    for baseline in (False, True):
        found = system.vault.margin(failing, shown[baseline], baseline)
        assert found.maintenance == PROVEN
        with pytest.raises(Revert, match="BadCertificate"):
            system.vault.margin(failing, shown[not baseline], baseline)
    assert system.oracle.bookRoot(False) != system.oracle.bookRoot(True)
