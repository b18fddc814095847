"""A basket is asked for, an epoch certifies it, a trade to it is margined at its tail risk: on the in-process chain."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from seawall import cli
from seawall.chain.reverts import Reverted
from seawall.cli import EXIT_RETRY, EXIT_USAGE
from seawall.demo.opening import open_world
from seawall.demo.settings import DemoSettings
from seawall.demo.world import TICK, World
from seawall.errors import ConsistencyError, InputError, RetryLater
from seawall.keeper import Keeper, KeeperSettings, SignatureStore, run_round
from seawall.keeper.asking import ask_for_basket, require_proof
from seawall.keeper.baskets import BasketRequest, BasketRules, Position
from seawall.keeper.certify import certify_account
from seawall.keeper.compute import Computed, Proposal
from seawall.keeper.leaves import LeafStore
from seawall.keeper.requests import MAX_REQUEST_BYTES, RequestFolder
from seawall.keeper.view import ChainView
from seawall.margin.settings import LaneSettings, ModelSettings
from seawall.market import embedded_bars
from seawall.page.typed_data import Order, order_domain, sign
from seawall.reference.certificate import EMPTY

START = 1_516_060_800  # 2018-01-16 00:00 UTC
BAR_S = 1_800
SYMBOLS = ("BTC", "ETH")
PEOPLE = ("hedger", "planner", "market maker")
LASTS_S = 14_400
CROWD = 3  # baskets an epoch
SETTINGS = KeeperSettings(
    baskets=BasketRules(per_epoch=CROWD, per_account=2),
    model=ModelSettings(
        probe_books=8,
        lanes=LaneSettings(lanes=16, iterations=2, adversary_starts=1, random_design_books=8),
    ),
)


@dataclass(frozen=True)
class Stage:
    """One chain for the module; every test asks for baskets of its own."""

    world: World
    keepers: list[Keeper]
    leaves: list[LeafStore]
    requests: RequestFolder
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
        for keeper in self.keepers:  # those beyond the quorum were not asked, and keep proofs all the same
            keeper.check_books(done.proposal, computed[0], view)
        return done.proposal

    def account(self, name: str) -> bytes:
        return self.world.people[name].account

    def ask(self, name: str, *changes: Position, signs: bool = True, **options: bool) -> BasketRequest:
        key = self.world.people[name].key if signs else None
        return ask_for_basket(
            *(self.world.system, self.requests, self.account(name)),
            changes=changes,
            lasts_s=LASTS_S,
            owner=key,
            rules=SETTINGS.baskets,
            **options,
        )

    def fill(self, name: str, change: Position, certificates: Sequence[object] = ()) -> None:
        """Fill an order against the market maker at the feed's price."""
        world, (page, slot, generation, lots) = self.world, change
        world.push(world.view())
        price = int(world.system.feed.call("price", page)[0])
        orders: list[object] = []
        for person, signed_lots in ((name, lots), ("market maker", -lots)):
            order = Order(
                account=self.account(person),
                page=page,
                slot=slot,
                generation=generation,
                lots=signed_lots,
                price_ticks=price,
                max_fee=abs(lots) * price * TICK // 1_000,
                expiry=world.chain.now() + 600,
                nonce=world.chain.w3.eth.block_number,
            )
            domain = order_domain(chain_id=world.chain.chain_id, venue=world.system.venue.address)
            orders += [order.as_tuple(), sign(order.digest(domain), bytes(world.people[person].key.key))]
        world.system.venue.transact(world.relayer, "fill", *orders, abs(lots), list(certificates), [])

    def initial(self, name: str, certificate: object, *, baseline: bool = False) -> int:
        return int(self.world.system.vault.call("margin", self.account(name), certificate, baseline).initial)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("baskets")
    bars = embedded_bars(SYMBOLS)
    settings = DemoSettings(symbols=SYMBOLS, cast=(), keeper=SETTINGS)
    with open_world(bars, settings, first_s=START, last_s=START, people=PEOPLE, state_dir=folder) as world:
        requests = RequestFolder(folder / "requests", oracle=world.system.oracle.address)
        leaves = [LeafStore(folder / f"books-{i}.sqlite") for i in range(3)]
        keepers = [
            Keeper(
                world.system,
                world.chain.accounts[1 + i],
                store=SignatureStore(folder / f"signed-{i}.sqlite"),
                history=bars.until,
                settings=SETTINGS,
                leaves=leaves[i],
                requests=requests,
            )
            for i in range(3)
        ]
        stage = Stage(world=world, keepers=keepers, leaves=leaves, requests=requests, folder=folder)
        world.story_time = START
        stage.publish()
        for name, value in (("hedger", 42_000), ("planner", 1_000_000), ("market maker", 3_000_000)):
            world.mint_and_deposit(world.people[name], value)
            world.approve_venue(world.people[name])
        yield stage


# A long of one underlying against a short of another of about the same value.
LONG, SHORT = (0, 0, 1, 9_000), (1, 0, 1, -9_000)


def test_a_trade_to_a_proven_basket_needs_its_tail_risk_and_the_liquidity_charge(stage: Stage) -> None:
    system, account, leaves = stage.world.system, stage.account("hedger"), stage.leaves[0]
    stage.fill("hedger", LONG)
    request = stage.ask("hedger", SHORT)
    assert request.positions == (LONG, SHORT)
    with pytest.raises(RetryLater, match="wait for the next epoch"):
        require_proof(system, stage.requests, leaves, request.key)
    proposal = stage.publish()
    assert proposal.baskets == (request,)
    require_proof(system, stage.requests, leaves, request.key)

    plain = certify_account(system, account, leaves=leaves, changes=[SHORT])
    proven = certify_account(system, account, leaves=leaves, changes=[SHORT], basket=request.key)
    (leaf,) = (leaf for leaf in proposal.books if leaf.words == request.words)
    assert leaf.shortfall <= proven.current.upper <= leaf.shortfall + 1
    assert proven.current.upper < min(plain.current.upper, 0.6 * plain.current.gross)
    with pytest.raises(Reverted, match="InitialMargin"):
        stage.fill("hedger", SHORT)
    stage.fill("hedger", SHORT, proven.as_tuples())

    liquidity = stage.initial("hedger", EMPTY.as_tuple()) - plain.current.gross
    assert stage.initial("hedger", proven.as_tuples()[0]) == proven.current.upper + liquidity
    assert liquidity < 0.1 * leaf.shortfall


def test_while_its_request_stands_a_basket_comes_to_be_proven_under_the_baseline_too(stage: Stage) -> None:
    system, leaves = stage.world.system, stage.leaves[1]
    request = stage.ask("planner", LONG, SHORT)
    for _ in range(4):
        assert request in stage.publish().baskets
    stage.fill("planner", LONG)
    proven = certify_account(
        system, stage.account("planner"), leaves=leaves, changes=[SHORT], basket=request.key
    )
    assert [certificate.shows for certificate in proven.certificates] == [True, True]
    stage.fill("planner", SHORT, proven.as_tuples())
    for certificate, baseline in zip(proven.as_tuples(), (False, True), strict=True):
        bare, shown = (
            stage.initial("planner", one, baseline=baseline) for one in (EMPTY.as_tuple(), certificate)
        )
        assert shown < 0.75 * bare


def test_a_request_that_has_ended_is_certified_no_more_and_its_file_is_gone(stage: Stage) -> None:
    world = stage.world
    short = ask_for_basket(
        *(world.system, stage.requests, stage.account("planner")),
        changes=[(0, 0, 1, 77)],
        lasts_s=BAR_S + 60,
        rules=SETTINGS.baskets,
    )
    assert short in stage.publish().baskets
    assert short not in stage.publish().baskets
    with pytest.raises(InputError, match="there is no request"):
        stage.requests.read(short.key)


def test_a_flood_and_broken_files_take_nothing_from_owners_and_hold_up_nothing(stage: Stage) -> None:
    folder = stage.folder / "requests" / stage.world.system.oracle.address.lower()
    now = stage.world.chain.now()
    flood = [BasketRequest(positions=((0, 0, 1, lots),), expires_at=now + LASTS_S) for lots in range(1, 40)]
    for request in flood:
        stage.requests.file(request)
    unlisted = BasketRequest(positions=((9, 9, 9, 9),), expires_at=now + LASTS_S)
    stage.requests.file(unlisted)
    broken = {"ab" * 32: b"{", "cd" * 32: b"x" * (MAX_REQUEST_BYTES + 1), "ef" * 32: b"[" * 9_000}
    for name, content in broken.items():
        (folder / f"{name}.json").write_bytes(content)
    mine = stage.ask("planner", (0, 0, 1, 123))
    proposal = stage.publish()
    assert len(proposal.baskets) == CROWD
    assert mine in proposal.baskets
    assert sum(request in flood for request in proposal.baskets) <= CROWD - 1
    chosen = stage.keepers[0].baskets(stage.world.view(), time_s=now, epoch=1)
    assert {unlisted.key} < set(chosen.refused)
    assert "not listed" in chosen.refused[unlisted.key]
    for request in flood:
        (folder / f"{request.key.hex()}.json").unlink()
    for name in broken:
        (folder / f"{name}.json").unlink()


def test_a_follower_checks_what_was_asked_for_and_signs_without_having_seen_it(stage: Stage) -> None:
    view = stage.world.view()
    own = stage.compute(view)[1]
    stage.ask("planner", (1, 0, 1, 50))
    honest = stage.keepers[0].propose(view, own, epoch=view.epoch + 1)
    assert honest.baskets
    blind = Keeper(
        stage.world.system,
        stage.world.chain.accounts[2],
        store=SignatureStore(stage.folder / "blind.sqlite"),
        history=lambda _: pytest.fail("needs no bars"),
        settings=SETTINGS,
    )
    blind.check_books(honest, own, view)
    bare = stage.keepers[0].propose(replace(view, pages=view.pages), own, epoch=view.epoch + 1)
    assert bare.baskets == honest.baskets
    many = tuple(
        BasketRequest(positions=((0, 0, 1, lots),), expires_at=own.as_of + 60) for lots in range(1, CROWD + 2)
    )
    cases = {
        "certified, at most": many,
        "not listed": (BasketRequest(positions=((0, 9, 1, 5),), expires_at=own.as_of + 60),),
        "ended": (replace(honest.baskets[0], expires_at=own.as_of),),
        "or they differ": (),
    }
    for says, baskets in cases.items():
        with pytest.raises(ConsistencyError, match=says):
            blind.check_books(replace(honest, baskets=baskets), own, view)
    words = honest.baskets[0].words
    for factor in (8, 12):
        books = tuple(
            replace(leaf, shortfall=leaf.shortfall * factor // 10) if leaf.words == words else leaf
            for leaf in honest.books
        )
        with pytest.raises(ConsistencyError, match=r"is .*, own value"):
            blind.check_books(replace(honest, books=books), own, view)


def test_the_command_line_asks_and_later_fetches_the_proof(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    session = SimpleNamespace(system=lambda: stage.world.system)
    monkeypatch.setattr("seawall.cli.certificate.open_session", lambda _: session)
    monkeypatch.setenv("SEAWALL__KEEPER__BOOKS", str(stage.folder / "books-0.sqlite"))
    monkeypatch.setenv("SEAWALL__KEEPER__REQUESTS", str(stage.folder / "requests"))
    account = "0x" + stage.account("planner").hex()
    change = ["--change", "0:0:1:-2000", "--change", "1:0:1:2000"]
    command = ["certificate", account, *change, "--manifest", "current", "--json"]
    assert cli.main([*command, "--request", "--lasts", "3600"]) == 0
    asked = json.loads(capsys.readouterr().out)
    assert asked["positions"] == 2
    assert not asked["signed_by_owner"]
    fetch = [*command, "--basket", asked["basket"]]
    assert cli.main(fetch) == EXIT_RETRY
    assert "wait for the next epoch" in capsys.readouterr().err
    stage.publish()
    capsys.readouterr()  # what keepers log
    assert cli.main(fetch) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["current_book_shown"]
    (certificate,) = shown["certificates"]
    found = stage.leaves[0].find(
        bytes(stage.world.system.oracle.call("bookRoot", False)), bytes.fromhex(asked["basket"][2:])
    )
    assert found is not None
    assert certificate["book"] == []  # as stored, once the trade is done
    assert certificate["proof"] == ["0x" + node.hex() for node in found.proof]
    assert int(certificate["bookShortfall"]) == found.shortfall == shown["current_legs_charged_with"]

    refusals = {
        "not listed": ["--change", "0:7:1:5", "--request"],
        "cannot change": ["--change", f"0:0:1:{1 << 42}", "--request"],
        "PAGE:SLOT:GENERATION:LOTS": ["--change", "0:0:1:0.5", "--request"],
        "at most 86400 s": ["--change", "0:0:1:5", "--request", "--lasts", "90000"],
        "give --change": ["--request", "--free"],
        "there is no request": ["--basket", "0x" + "12" * 32],
        "no key of a request": ["--basket", "12"],
    }
    for says, arguments in refusals.items():
        assert cli.main(["certificate", account, *arguments]) == EXIT_USAGE
        assert says in capsys.readouterr().err
    free = ["certificate", account, "--change", "0:0:1:11", "--request", "--free"]
    assert cli.main(free) == 0
    assert "signed_by_owner" in capsys.readouterr().out
