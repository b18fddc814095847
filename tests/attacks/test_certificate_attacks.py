"""Attacks by certificates: extreme hedges, baskets of others, forged leaves."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.attacks.moves import ATTACKER, BORROWER, MAKER, refused
from tests.support.evm import Revert
from tests.support.market import LANES, SPOT, TICK, Instrument, scenario_pnl
from tests.support.system import EMPTY, GRACE_S, System

from seawall.page import EMPTY_ROOT
from seawall.page.layout import Kind
from seawall.page.merkle import MerkleTree, book_leaf
from seawall.reference.book import Book, Position
from seawall.reference.certificate import certificate_words

ATOMS = [((0, 1), (1, -1)), ((1, 2), (2, -3)), ((2, 1), (3, 1), (0, -1)), ((1, 32_767), (0, -32_768))]
SLOTS = 4
MAX_LOTS = (1 << 40) - 1  # of an atom
FACTOR_BPS, BPS = 8_000, 10_000

books = st.dictionaries(st.integers(0, SLOTS - 1), st.integers(-40, 40).filter(bool), min_size=1)
hedges = st.lists(
    st.tuples(st.just(0), st.integers(0, len(ATOMS) - 1), st.integers(1, 60) | st.integers(1, MAX_LOTS)),
    max_size=6,
)


@pytest.fixture(scope="module")
def deployed() -> System:
    """Return a system with a perpetual, a future, a call and a put, and atoms of them."""
    system = System.deploy()
    hour = system.evm.timestamp // 3_600 + 100
    for instrument in (
        Instrument(kind=Kind.FUTURE, expiry_hour=hour),
        Instrument(kind=Kind.CALL, strike=SPOT, expiry_hour=hour),
        Instrument(kind=Kind.PUT, strike=SPOT, expiry_hour=hour),
    ):
        system.list_instrument(0, instrument)
    system.markets[0].atoms = list(ATOMS)
    system.publish()
    system.advance(GRACE_S)
    system.publish()
    system.advance(12)
    return system


def hold(system: System, owner: str, lots: Mapping[int, int]) -> bytes:
    """Return an account with these lots by slot."""
    account = system.open(owner, 100_000)
    maker = system.open(MAKER, 0)
    for slot, held in lots.items():
        system.trade(account, maker, lots=held, slot=slot, price=SPOT if slot < 2 else SPOT // 50)
    return account


def tail_risk(system: System, lots: Mapping[int, int]) -> float:
    """Return the largest loss in any scenario, token units."""
    market = system.markets[0]
    each = {slot: scenario_pnl(market, market.instruments[slot], system.evm.timestamp) for slot in lots}
    worst = min(sum(held * each[slot][k] for slot, held in lots.items()) for k in range(LANES))
    return max(0.0, -worst) * TICK


def book_of(lots: Mapping[int, int]) -> Book:
    return Book({0: [Position(slot=slot, generation=1, lots=held) for slot, held in lots.items()]})


def certify(system: System, baskets: list[tuple[int, Book]]) -> MerkleTree:
    """Publish a root over baskets with their tail risk."""
    tree = MerkleTree(list({book_leaf(shortfall, book.words()) for shortfall, book in baskets}))
    system.publish(book_root=tree.root)
    system.advance(12)
    return tree


@given(mine=books, others=books, hedge=hedges, often=st.sampled_from((1, 1, 90)))
def test_INV_06_no_hedge_and_no_basket_of_others_leaves_the_sandwich(
    deployed: System,
    mine: dict[int, int],
    others: dict[int, int],
    hedge: list[tuple[int, int, int]],
    often: int,
) -> None:
    """Any certified basket may be shown by anyone, with any atoms, any number of times: U stays above, L below."""
    with deployed.isolated() as system:
        system.deposit(system.open(MAKER), 10**15)
        account = hold(system, ATTACKER, mine)
        baskets = [(floor(tail_risk(system, lots)) + 1, book_of(lots)) for lots in (mine, others)]
        true = tail_risk(system, mine)
        tree = certify(system, baskets)
        bare = system.vault.margin(account, EMPTY, False)
        for shortfall, book in baskets:
            proof = tree.proof(book_leaf(shortfall, book.words()))
            shown = system.vault.margin(
                account, (certificate_words(hedge) * often, shortfall, book.words(), proof), False
            )
            assert shown.initial >= true
            assert shown.maintenance <= max(bare.maintenance, true * FACTOR_BPS / BPS)


@pytest.mark.parametrize("forgery", ["node", "root", "less", "reordered", "doubled", "other words", "stored"])
def test_what_is_no_leaf_cannot_be_shown(deployed: System, forgery: str) -> None:
    """The tree hashes 64 bytes a node and 32 a leaf; a leaf holds one basket with one tail risk in one form."""
    with deployed.isolated() as system:
        system.deposit(system.open(MAKER), 10**15)
        lots = {0: 3, 1: -3, 2: 1}
        account, book = hold(system, ATTACKER, lots), book_of(lots)
        shortfall = floor(tail_risk(system, lots)) + 1
        tree = certify(system, [(shortfall, book), (7, book_of({3: 1})), (8, book_of({2: 1}))])
        words, leaf = book.words(), book_leaf(shortfall, book.words())
        proof = tree.proof(leaf)
        turned = book_of(dict(reversed(lots.items()))).words()
        node = [int.from_bytes(each, "big") for each in tree.nodes]
        forged = {
            "node": (0, (node[-2], node[-1]), ()),
            "root": (node[0] >> 56, (), ()),
            "less": (shortfall - 1, words, proof),
            "reordered": (shortfall, turned, proof),
            "doubled": (shortfall, words * 2, proof),
            "other words": (shortfall, (*words, 0), proof),
            "stored": (shortfall, (), proof[1:]),
        }[forgery]
        assert system.vault.margin(account, ((), shortfall, words, proof), False).initial
        with pytest.raises(Revert, match="BadCertificate"):
            system.vault.margin(account, ((), *forged), False)


def test_a_leaf_is_worth_nothing_under_another_root(deployed: System) -> None:
    """Neither under a root that came after it, nor the current one's under the baseline, nor under none at all."""
    with deployed.isolated() as system:
        system.deposit(system.open(MAKER), 10**15)
        lots = {0: 3, 1: -3}
        account, book = hold(system, BORROWER, lots), book_of(lots)
        tree = certify(system, [(1, book), (2, book_of({3: 1}))])
        certificate = ((), 1, book.words(), tree.proof(book_leaf(1, book.words())))
        shown = system.vault.margin(account, certificate, False)
        assert shown.initial < system.vault.margin(account, EMPTY, False).initial
        names = {"BadCertificate"}
        assert refused(names, lambda: system.vault.margin(account, certificate, True))
        certify(system, [(2, book), (3, book_of({3: 1}))])
        assert refused(names, lambda: system.vault.margin(account, certificate, False))
        system.publish(book_root=EMPTY_ROOT)
        for proof in ((), certificate[3]):
            assert refused(names, partial(system.vault.margin, account, (*certificate[:3], proof), False))


def test_a_page_that_a_basket_names_hedges_by_its_own_atoms_only(deployed: System) -> None:
    """An atom beyond a page's last, a page nobody holds: refused, however good the entries before it."""
    with deployed.isolated() as system:
        system.deposit(system.open(MAKER), 10**15)
        account = hold(system, ATTACKER, {0: 3, 1: -3})
        for entry in ((0, len(ATOMS), 1), (1, 0, 1), (255, 0, MAX_LOTS), (0, 65_535, 1)):
            bad = (certificate_words([(0, 0, 3), entry]), 0, (), ())
            assert refused({"BadCertificate"}, partial(system.vault.margin, account, bad, False))
