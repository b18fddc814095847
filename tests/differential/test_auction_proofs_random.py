"""Auctions with books shown, truly or not, under either root: the whole system does what the reference does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import event, given, note, settings
from hypothesis import strategies as st
from tests.support.evm import role
from tests.support.system import GRACE_S, VENUE
from tests.support.twin import Twin, differences
from tests.support.twin_world import address

from seawall.page.merkle import MerkleTree, book_leaf
from seawall.reference import Certificate, Fill, settle
from seawall.reference.certificate import EMPTY
from seawall.reference.liquidator import DELEVERAGE_S

WAD = 10**18
ANY_PRICE = 1 << 200
SHARES = (75, 90, 100)  # of the charge of the legs, percent
OTHER = book_leaf(1, (1,))
NAMES = ("borrower", "maker", "buyer")

shows = st.sampled_from(("both", "both", "both", "stored", "young", "old", "swapped", "none"))
fractions = st.sampled_from((1, WAD // 3, WAD // 10, WAD, WAD))
steps = st.one_of(
    st.tuples(st.just("start"), shows),
    st.tuples(st.just("start"), st.just("both")),
    st.tuples(st.just("buy"), fractions, shows, shows),
    st.tuples(st.just("buy"), fractions, st.just("both"), shows),
    st.tuples(st.just("end"), shows),
    st.tuples(st.just("deleverage"), st.integers(1, 30), shows),
    st.tuples(st.just("certify"), st.sampled_from(SHARES)),
    st.tuples(st.just("wait"), st.sampled_from((12, 600, GRACE_S, DELEVERAGE_S))),
    st.tuples(st.just("move"), st.sampled_from((985, 995, 1005))),
    st.tuples(st.just("pay"), st.integers(1, 200)),
)
sizes = st.tuples(st.integers(20, 60), st.integers(-15, 30), st.integers(-15, 30)).map(
    lambda q: [n for n in q if n]
)
PLACES = [(0, 0), (0, 1), (1, 0)]


@pytest.fixture(scope="module")
def deployed() -> Twin:
    """Lanes find a fifth of the tail risk."""
    twin = Twin.deploy()
    for market in twin.system.markets.values():
        market.lane_share = 0.2
    assert twin.publish() is None
    twin.advance(GRACE_S)
    assert twin.publish() is None
    return twin


@dataclass
class Scene:
    """A twin and what its roots certify."""

    twin: Twin
    trees: dict[bytes, tuple[MerkleTree, dict[bytes, tuple[int, tuple[int, ...]]]]] = field(
        default_factory=dict
    )

    def key(self, name: str) -> bytes:
        return self.twin.accounts[name]

    def both(self, what: str, arguments: Sequence[Any], kept: dict[str, Any], *, by: str = "buyer") -> str:
        """Call the liquidator on both sides and compare everything."""
        on_chain = getattr(self.twin.system.liquidator, what)
        reference = getattr(self.twin.liquidator, what)
        _, refusal = self.twin.both(
            lambda: on_chain(*arguments, sender=role(by)),
            lambda: reference(**kept),
        )
        return "done" if refusal is None else refusal.name

    def certify(self, share: int) -> str:
        """Publish a root over everybody's book."""
        held = {key: self.twin.vault.account(key).book.words() for key in map(self.key, NAMES)}
        known = {}
        self.twin.sync()
        for key, words in held.items():
            if words:
                gross = self.twin.vault.margin(key).initial
                known[key] = (gross * share // 100, words)
        leaves = list(dict.fromkeys(book_leaf(*leaf) for leaf in known.values()))
        tree = MerkleTree([*leaves, OTHER])
        self.twin.advance(12)
        refused = self.twin.publish(book_root=tree.root)
        if refused is None:
            self.trees[tree.root] = tree, known
        return refused or "done"

    def certificates(self, name: str, how: str) -> tuple[Certificate, ...]:
        """Return what an account shows: its book under both roots, or something else."""
        if how == "none":
            return ()
        self.twin.sync()
        found, world = [], self.twin.vault.world
        for manifest in (world.current, world.baseline):
            tree, known = self.trees.get(manifest.book_root if manifest else b"", (None, {}))
            if tree is None or self.key(name) not in known:
                found.append(EMPTY)
                continue
            tail, words = known[self.key(name)]
            proof = tree.proof(book_leaf(tail, words))
            found.append(Certificate(book_shortfall=tail, book=words, proof=proof))
        young, old = found
        if how == "stored":
            return tuple(replace(one, book=()) for one in found)
        return {
            "both": (young, old),
            "young": (young,),
            "old": (EMPTY, old),
            "swapped": (old, young),
        }[how]

    def take(self, step: tuple[Any, ...]) -> str:
        """Do one step on both sides and return what became of it."""
        match step:
            case "start", str(how):
                shown = self.certificates("borrower", how)
                arguments = (self.key("borrower"), [one.as_tuple() for one in shown])
                return self.both("start", arguments, {"key": arguments[0], "certificates": shown})
            case "end", str(how):
                shown = self.certificates("borrower", how)
                arguments = (self.key("borrower"), [one.as_tuple() for one in shown])
                return self.both("end", arguments, {"key": arguments[0], "certificates": shown})
            case "buy", int(fraction), str(how), str(own):
                return self.buy(fraction, self.certificates("borrower", how), self.certificates("buyer", own))
            case "deleverage", int(lots), str(how):
                return self.deleverage(lots, self.certificates("borrower", how))
            case "certify", int(share):
                return self.certify(share)
            case "wait", int(seconds):
                self.twin.advance(seconds)
            case "move", int(thousandths):
                system = self.twin.system
                system.move(0, system.spots[0] * thousandths // 1000)
            case "pay", int(tokens):
                self.twin.system.deposit(self.key("borrower"), tokens * 10**6)
                self.twin.vault.deposit(self.key("borrower"), tokens * 10**6)
        return "done"

    def buy(self, fraction: int, shown: Sequence[Certificate], own: Sequence[Certificate]) -> str:
        key, buyer = self.key("borrower"), self.key("buyer")
        lists = [[one.as_tuple() for one in given_] for given_ in (own, shown)]
        kept = {
            "key": key,
            "buyer": buyer,
            "sender": address(role("buyer")),
            "max_fraction_wad": fraction,
            "buyer_certificates": own,
            "seller_certificates": shown,
        }
        return self.both("buy", (key, buyer, fraction, ANY_PRICE, *lists), kept)

    def deleverage(self, lots: int, shown: Sequence[Certificate]) -> str:
        key, maker = self.key("borrower"), self.key("maker")
        kept = {"key": key, "opposite": maker, "page": 0, "slot": 0, "lots": lots, "certificates": shown}
        arguments = (key, maker, 0, 0, lots, [one.as_tuple() for one in shown])
        return self.both("deleverage", arguments, kept)


def opened(twin: Twin, lots: Sequence[int], spare: int) -> Scene:
    """Open a borrower with a book, and cash of so many percent of what its legs require; the rest goes as a fee."""
    scene = Scene(twin)
    for name, tokens in (("borrower", 100_000), ("maker", 1_000_000), ("buyer", 4_000)):
        twin.open(name, tokens)
    for (page, slot), size in zip(PLACES, lots, strict=False):
        trade(scene, page, slot, size, fee=0)
    margin = twin.vault.margin(scene.key("borrower"))
    wanted = (
        margin.initial + twin.system.markets[0].spot * 15
    )  # a lot more needs less than 15 percent of its price
    trade(scene, 0, 0, 1, fee=max(margin.equity - wanted * spare // 100, 0))
    return scene


def trade(scene: Scene, page: int, slot: int, lots: int, *, fee: int) -> None:
    """Let the borrower trade with the maker at the spot, on both sides."""
    twin, price = scene.twin, scene.twin.system.markets[page].spot
    keys = scene.key("borrower"), scene.key("maker")
    place = {"page": page, "slot": slot, "generation": 1, "lots": lots, "price_ticks": price}
    fill = Fill(taker=keys[0], maker=keys[1], **place, taker_fee=fee)
    _, refused = twin.both(
        lambda: twin.system.vault.settle((*keys, page, slot, 1, lots, price, fee, 0), (), (), sender=VENUE),
        lambda: settle(twin.vault, fill, sender=address(VENUE)),
    )
    assert refused is None


@settings(max_examples=max(10, settings().max_examples // 2))  # half a second each
@given(
    lots=sizes,
    spare=st.integers(100, 105),
    share=st.sampled_from(SHARES),
    falls=st.integers(4, 6),
    chosen=st.lists(steps, min_size=2, max_size=7),
)
def test_INV_10_auctions_by_proof_equal_the_reference(
    deployed: Twin, lots: list[int], spare: int, share: int, falls: int, chosen: list[tuple[Any, ...]]
) -> None:
    with deployed.system.isolated():
        twin = deployed.fresh()
        scene = opened(twin, lots, spare)
        first = [("certify", share), ("wait", GRACE_S), ("certify", share), *[("move", 988)] * falls]
        for step in [*first, ("wait", 12), ("start", "both"), *chosen]:
            told = scene.take(step)
            note(f"{step}: {told}")
            event(f"{step[0]}: {told}")
            keys = list(twin.accounts.values())
            assert differences(twin.on_chain(keys), twin.expected(keys)) == {}
        found = scene.twin.liquidator.auctions.get(scene.key("borrower"))
        event("by proof" if found is not None and found.proven else "not by proof")
        on_chain = twin.system.liquidator.auction(scene.key("borrower"))
        assert bool(on_chain.proven) == bool(found is not None and found.proven)
