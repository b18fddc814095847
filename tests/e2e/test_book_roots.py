"""Keepers certify live books, an account shows its own, the contracts charge its tail risk: on the in-process chain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from seawall import cli
from seawall.chain.reverts import Reverted
from seawall.demo.opening import open_world
from seawall.demo.settings import DemoSettings
from seawall.demo.world import Person, World
from seawall.errors import ConsistencyError
from seawall.keeper import ChainView, Keeper, KeeperSettings, SignatureStore, run_round
from seawall.keeper.books import BookLeaf, book_tree
from seawall.keeper.certify import certify_account
from seawall.keeper.compute import Computed, Proposal
from seawall.keeper.leaves import LeafStore
from seawall.keeper.mailbox import Mailbox
from seawall.margin.settings import LaneSettings, ModelSettings
from seawall.market import embedded_bars
from seawall.page.decode import decode_page, pack_page
from seawall.page.merkle import EMPTY_ROOT
from seawall.reference import Book, Certificate

START = 1_516_060_800  # 2018-01-16 00:00 UTC
BAR_S = 1_800
SYMBOLS = ("BTC", "ETH")
PEOPLE = ("hedger", "rebalancer", "planner", "market maker", "newcomer")
SETTINGS = KeeperSettings(
    model=ModelSettings(
        probe_books=8,
        lanes=LaneSettings(lanes=16, iterations=2, adversary_starts=1, random_design_books=8),
    )
)


@dataclass(frozen=True)
class Stage:
    """What happens here happens to one chain: tests trade on accounts of their own and restore nothing."""

    world: World
    keepers: list[Keeper]
    leaves: list[LeafStore]
    folder: Path

    def compute(self, view: ChainView) -> list[Computed]:
        """Return every keeper's numbers; they have the same bars, so it is done once."""
        return [self.keepers[0].compute(view, time_s=self.world.story_time)] * len(self.keepers)

    def publish(self) -> Proposal:
        """Go on to the next bar and put a manifest in force; those asked all endorse it."""
        world = self.world
        world.story_time += BAR_S
        world.move_to(world.story_time)
        world.push(world.view())
        view = world.view()
        computed = self.compute(view)
        done = run_round(world.system, world.relayer, self.keepers, computed, view)
        assert not done.refusals
        return done.proposal

    def trade(self, name: str, page: int, lots: int) -> None:
        world = self.world
        world.push(world.view())
        price = int(world.system.feed.call("price", page)[0])
        maker = world.people["market maker"]
        world.trade(world.people[name], maker, page=page, slot=0, generation=1, lots=lots, price=price)

    def person(self, name: str) -> Person:
        return self.world.people[name]

    def initial(self, name: str, certificate: Certificate) -> int:
        account = self.person(name).account
        return int(self.world.system.vault.call("margin", account, certificate.as_tuple(), False).initial)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("books")
    bars = embedded_bars(SYMBOLS)
    settings = DemoSettings(symbols=SYMBOLS, cast=(), keeper=SETTINGS)
    with open_world(bars, settings, first_s=START, last_s=START, people=PEOPLE, state_dir=folder) as world:
        leaves = [LeafStore(folder / f"books-{i}.sqlite") for i in range(3)]
        keepers = [
            Keeper(
                world.system,
                world.chain.accounts[1 + i],
                store=SignatureStore(folder / f"signed-{i}.sqlite"),
                history=bars.until,
                settings=SETTINGS,
                leaves=leaves[i],
            )
            for i in range(3)
        ]
        stage = Stage(world=world, keepers=keepers, leaves=leaves, folder=folder)
        world.story_time = START
        assert stage.publish().manifest.book_root == EMPTY_ROOT
        for name in PEOPLE[:-1]:
            world.mint_and_deposit(stage.person(name), 1_000_000)
            world.approve_venue(stage.person(name))
        for name, lots in (("hedger", 9_000), ("rebalancer", 5_000), ("planner", 3_000)):
            stage.trade(name, 0, lots)
            stage.trade(name, 1, -lots)
        stage.publish()
        yield stage


def shortfall(stage: Stage, name: str) -> float:
    """Return the tail risk of a book over the keepers' scenarios, tokens' units, from first principles."""
    view = stage.world.view()
    computed = stage.compute(view)[0]
    (book,) = (b for b in view.books if b.account == stage.person(name).account)
    pnl = sum(
        position.lots * np.rint(computed.spots[page]) * computed.risk.pnl[:, page]
        for page, position in Book.from_words(book.words)
    )
    weights = computed.risk.scenarios.weights
    order = np.argsort(pnl, kind="stable")
    taken = np.minimum(np.cumsum(weights[order]), 0.01)
    masses = np.diff(np.concatenate([[0.0], taken]))
    return float(-(masses @ pnl[order]) / 0.01)


def test_an_unchanged_book_is_required_its_tail_risk_and_the_liquidity_charge(stage: Stage) -> None:
    account = stage.person("hedger").account
    found = certify_account(stage.world.system, account, leaves=stage.leaves[0], baseline=False)
    assert found.current.certificate.proof
    assert not found.current.certificate.book  # as stored
    assert not found.current.certificate.atoms
    exact = shortfall(stage, "hedger")
    assert exact <= found.current.upper <= exact + 1
    assert found.current.upper < 0.6 * found.current.gross
    liquidity = stage.initial("hedger", Certificate()) - found.current.gross
    assert stage.initial("hedger", found.current.certificate) == found.current.upper + liquidity


def test_INV_07_what_a_shown_book_proves_of_maintenance_is_its_tail_risk(stage: Stage) -> None:
    system, account = stage.world.system, stage.person("hedger").account
    found = certify_account(system, account, leaves=stage.leaves[0], baseline=False)
    bare, shown = (
        system.vault.call("margin", account, certificate.as_tuple(), False)
        for certificate in (Certificate(), found.current.certificate)
    )
    factor = system.oracle.call("factors").maintenanceFactorBps
    assert bare.maintenance <= shown.maintenance <= shown.initial
    assert shown.maintenance == max(bare.maintenance, factor * (found.current.upper - 1) // 10_000)


def test_after_a_small_hedged_change_the_requirement_stays_close(stage: Stage) -> None:
    stage.trade("rebalancer", 0, 100)  # two percent more of both legs
    stage.trade("rebalancer", 1, -100)
    account = stage.person("rebalancer").account
    found = certify_account(stage.world.system, account, leaves=stage.leaves[0], baseline=False)
    exact = shortfall(stage, "rebalancer")
    assert found.current.certificate.book
    assert exact <= found.current.upper <= 1.15 * exact
    liquidity = stage.initial("rebalancer", Certificate()) - found.current.gross
    assert stage.initial("rebalancer", found.current.certificate) == found.current.upper + liquidity


def test_a_certificate_for_a_planned_fill_counts_the_fill(stage: Stage) -> None:
    system, account = stage.world.system, stage.person("planner").account
    planned = certify_account(
        system, account, leaves=stage.leaves[0], changes=[(0, 0, 1, 180)], baseline=False
    )
    stage.trade("planner", 0, 180)
    assert planned == certify_account(system, account, leaves=stage.leaves[0], baseline=False)


def test_a_follower_signs_books_of_an_older_and_of_a_newer_block_than_its_own(stage: Stage) -> None:
    world = stage.world
    older = world.view()
    world.mint_and_deposit(world.people["newcomer"], 1_000_000)
    world.approve_venue(world.people["newcomer"])
    stage.trade("newcomer", 1, 70)
    newer = world.view()
    assert len(newer.books) == len(older.books) + 1
    for leads, follows in ((older, newer), (newer, older)):
        own = stage.compute(follows)[1]
        proposal = stage.keepers[0].propose(leads, stage.compute(leads)[0], epoch=leads.epoch + 1)
        assert len(proposal.books) == len({book.words for book in leads.books})
        stage.keepers[1].check_books(proposal, own, follows)
        account = leads.books[-1].account
        kept = stage.leaves[1].find(proposal.manifest.book_root, account)
        assert kept is not None
        assert kept.words == leads.books[-1].words


def test_a_follower_refuses_books_that_are_not_those_on_the_chain_or_not_of_their_tail_risk(
    stage: Stage,
) -> None:
    world = stage.world
    view = world.view()
    own = stage.compute(view)[1]
    honest = stage.keepers[0].propose(view, own, epoch=view.epoch + 1)
    first, *others = honest.books
    lower = BookLeaf(words=first.words, shortfall=first.shortfall * 9 // 10)
    cases = {
        "is .*, own value": [lower, *others],
        "or they differ": others,
        "differ": [*honest.books, BookLeaf(words=(1 << 8, 1 << 214), shortfall=1)],
        "certified": [*honest.books, first],
    }
    stage.keepers[1].check_books(honest, own, view)
    for says, leaves in cases.items():
        root = book_tree(list({leaf.digest: leaf for leaf in leaves}.values())).root
        forged = replace(honest, books=tuple(leaves), manifest=replace(honest.manifest, book_root=root))
        with pytest.raises(ConsistencyError, match=says):
            stage.keepers[1].check_books(forged, own, view)
    for root in (EMPTY_ROOT, book_tree([lower]).root):
        forged = replace(honest, manifest=replace(honest.manifest, book_root=root))
        with pytest.raises(ConsistencyError, match="book root"):
            stage.keepers[1].check_books(forged, own, view)
    for block, says in ((view.block_number + 1, "not there yet"), (0, "old")):
        forged = replace(honest, manifest=replace(honest.manifest, book_block=block))
        with pytest.raises(ConsistencyError, match=says):
            stage.keepers[1].check_books(forged, own, view)


def test_leaves_are_scaled_like_legs_when_the_bucket_binds(stage: Stage) -> None:
    view = stage.world.view()
    own = stage.compute(view)[0]
    half = replace(own, posted=replace(own.posted, lambda_bps=own.posted.lambda_bps // 2))
    books, scaled = (stage.keepers[0].propose(view, c, epoch=view.epoch + 1).books for c in (own, half))
    for leaf, less in zip(books, scaled, strict=True):
        assert less.words == leaf.words
        assert abs(less.shortfall - leaf.shortfall / 2) <= 1
    payloads = []
    for payload in own.payloads:
        page = decode_page(payload)
        payloads.append(pack_page(replace(page, head=replace(page.head, lambda_bps=half.posted.lambda_bps))))
    proposal = stage.keepers[0].propose(view, half, epoch=view.epoch + 1)
    stage.keepers[1].check_books(replace(proposal, payloads=tuple(payloads)), half, view)
    for pages in (tuple(payloads), own.payloads):  # by the follower's factor, whatever the pages say
        with pytest.raises(ConsistencyError, match=r"is .*, own value"):
            stage.keepers[1].check_books(replace(proposal, payloads=pages), own, view)
    with pytest.raises(ConsistencyError, match="different factors"):
        stage.keepers[1].check_books(replace(proposal, payloads=(payloads[0], own.payloads[1])), own, view)


@pytest.mark.parametrize("command", [["certificate", "--manifest", "current"], ["inspect", "account"]])
def test_the_command_line_shows_what_a_certificate_saves(
    stage: Stage, command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    session = SimpleNamespace(system=lambda: stage.world.system)
    for module in ("seawall.cli.certificate", "seawall.cli.inspect"):
        monkeypatch.setattr(f"{module}.open_session", lambda _: session)
    monkeypatch.setenv("SEAWALL__KEEPER__BOOKS", str(stage.folder / "books-0.sqlite"))
    account = stage.person("hedger").account
    assert cli.main([*command, "0x" + account.hex(), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    found = certify_account(stage.world.system, account, leaves=stage.leaves[0], baseline=False)
    names = ("current_initial_without", "current_initial_with")
    if command[0] == "inspect":
        names = ("initial_without_certificate", "initial_with_certificate")
    without, certified = (shown[name] for name in names)
    assert without == stage.initial("hedger", Certificate())
    assert certified == stage.initial("hedger", found.current.certificate)
    assert certified < without
    if "certificates" in shown:
        assert shown["current_book_shown"]
        (only,) = shown["certificates"]
        sent = {name: value for name, value in only.items() if name != "bookShortfall"}
        words = {name: [int(word, 16) for word in listed] for name, listed in sent.items()}
        proof = [int.from_bytes(node, "big") for node in found.current.certificate.proof]
        assert words == {"atoms": [], "book": list(found.current.certificate.book), "proof": proof}
        assert int(only["bookShortfall"]) == found.current.certificate.book_shortfall
    assert cli.main([*command, "0x" + account.hex()]) == 0
    assert names[1] in capsys.readouterr().out


def test_leaves_survive_the_mailbox(stage: Stage) -> None:
    view = stage.world.view()
    proposal = stage.keepers[0].propose(view, stage.compute(view)[0], epoch=view.epoch + 1)
    mailbox = Mailbox(stage.folder / "mailbox", oracle=view.oracle)
    mailbox.put_proposal(proposal)
    assert proposal.books
    assert mailbox.proposal(proposal.manifest.epoch) == proposal


def test_an_unchanged_book_is_shown_under_both_roots(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An hour on, its proof under the baseline's root is still kept; each certificate is good for one manifest only."""
    for _ in range(3):
        stage.publish()
    system, account = stage.world.system, stage.person("hedger").account
    assert system.oracle.call("bookRoot", True) != system.oracle.call("bookRoot", False)
    found = certify_account(system, account, leaves=stage.leaves[0])
    assert found.baseline is not None
    assert found.certificates == (found.current.certificate, found.baseline.certificate)
    for baseline, one in ((False, found.current), (True, found.baseline)):
        assert one.certificate.shows
        bare, shown = (
            system.vault.call("margin", account, certificate.as_tuple(), baseline)
            for certificate in (Certificate(), one.certificate)
        )
        assert bare.initial - shown.initial == one.gross - one.upper > 0
        with pytest.raises(Reverted, match="BadCertificate"):
            system.vault.call("margin", account, one.certificate.as_tuple(), not baseline)
    session = SimpleNamespace(system=lambda: system)
    monkeypatch.setattr("seawall.cli.certificate.open_session", lambda _: session)
    monkeypatch.setenv("SEAWALL__KEEPER__BOOKS", str(stage.folder / "books-0.sqlite"))
    for manifest, count in (("both", 2), ("baseline", 1), ("current", 1)):
        assert cli.main(["certificate", "--manifest", manifest, "0x" + account.hex(), "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert len(told["certificates"]) == count == told["certificates_needed"]
        assert ("baseline_book_shown" in told) == (manifest != "current")
    assert cli.main(["certificate", "0x" + account.hex()]) == 0
    assert "baseline_initial_with" in capsys.readouterr().out
