"""A follower refuses, says why and goes on, whatever lies in the folder; only what could do harm stops it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from seawall.chain.reverts import Reverted
from seawall.errors import (
    ConsistencyError,
    EquivocationRisk,
    PageError,
    QuorumError,
    RetryLater,
    RpcError,
    StoreError,
)
from seawall.keeper import service as service_module
from seawall.keeper.service import KeeperService
from seawall.keeper.store import SignatureStore

EPOCH = 7
PRICES = KeeperService._prices


class Scene:
    """A follower whose mailbox holds one proposal after another, and whose chain never moves on."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *, proposals: list[str], answers: dict[str, Any]
    ) -> None:
        self.endorsed: list[str] = []
        self.signatures: list[bytes] = []
        self.said: list[str] = []
        self._proposals = iter(proposals)
        self._answers = answers
        self._clock = 0
        monkeypatch.setattr(service_module, "ChainReader", lambda _: None)
        monkeypatch.setattr(service_module.time, "monotonic", lambda: self._clock)
        monkeypatch.setattr(service_module.time, "sleep", self._sleep)
        monkeypatch.setattr(
            service_module._log, "warning", lambda _, **fields: self.said.append(fields["reason"])
        )
        monkeypatch.setattr(KeeperService, "_digest", lambda _, view, proposal: proposal.name.encode())
        self._timeout = len(proposals)
        config = SimpleNamespace(keeper=SimpleNamespace(leader_timeout_s=len(proposals)))
        keeper = SimpleNamespace(address="0xme", endorse=self._endorse, fallbacks=0)
        mailbox = SimpleNamespace(
            proposal=self._proposal, put_signature=lambda *given: self.signatures.append(given[1])
        )
        oracle = SimpleNamespace(call=lambda _: (EPOCH - 1, 0, 0, bytes(32)))
        self.service = KeeperService(config, keeper, None, mailbox, SimpleNamespace(oracle=oracle))  # type: ignore[arg-type]

    def _sleep(self, seconds: float) -> None:
        self._clock += 1

    def _proposal(self, epoch: int) -> SimpleNamespace | None:
        name = next(self._proposals)
        return None if not name else SimpleNamespace(name=name, manifest=SimpleNamespace(epoch=epoch))

    def _endorse(self, proposal: SimpleNamespace, *_: object) -> bytes:
        self.endorsed.append(proposal.name)
        answers = self._answers[proposal.name]
        answer = answers.pop(0) if isinstance(answers, list) else answers
        if isinstance(answer, Exception):
            raise answer
        return bytes(answer)

    def follow(self) -> None:
        until = self._clock + self._timeout
        assert self.service._follow(None, None, EPOCH, until) is None  # type: ignore[arg-type]


def test_a_bad_proposal_is_refused_once_and_a_good_one_after_it_is_signed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = {
        "forged": ConsistencyError("marks differ"),
        "torn": PageError("no page"),
        "second": EquivocationRisk("signed another"),
        "good": b"signature",
    }
    proposals = ["forged", "", "forged", "torn", "second", "second", "good", "good"]
    scene = Scene(monkeypatch, proposals=proposals, answers=answers)
    scene.follow()
    assert scene.endorsed == ["forged", "torn", "second", "good"]
    assert scene.signatures == [b"good"]
    assert scene.said == ["marks differ", "no page", "signed another"]


def test_what_the_oracle_does_not_accept_yet_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    early = Reverted("PageNotStaged", {}, b"")
    scene = Scene(monkeypatch, proposals=["good"] * 3, answers={"good": [early, b"signature"]})
    scene.follow()
    assert scene.endorsed == ["good", "good"]
    assert scene.signatures == [b"good"]


def test_what_could_do_harm_stops_a_follower(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, proposals=["good"], answers={"good": StoreError("disk full")})
    with pytest.raises(StoreError):
        scene.follow()
    assert not scene.signatures


def test_an_expiry_that_thousands_hold_holds_up_no_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lot each costs a token of margin an account, which comes back; a transaction each costs an epoch its time."""
    sent: list[int] = []

    def settled(*_: object) -> Iterator[SimpleNamespace]:
        for page in range(5_000):
            sent.append(page)
            yield SimpleNamespace(account=bytes(32), page=page)

    monkeypatch.setattr(service_module, "fix_settlements", lambda *_: ())
    monkeypatch.setattr(service_module, "settle_expired", settled)
    Scene(monkeypatch, proposals=[], answers={}).service._settle(None)  # type: ignore[arg-type]
    assert 0 < len(sent) <= 50


class Rounds:
    """One of three keepers that runs round after round; the others sign nothing."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, store: SignatureStore) -> None:
        self.proposed: list[int] = []
        self.signed: list[int] = []
        self._store = store
        monkeypatch.setattr(service_module.time, "monotonic", count().__next__)
        monkeypatch.setattr(service_module.time, "sleep", lambda _: None)
        monkeypatch.setattr(service_module, "stage", lambda *_: None)
        for name in ("_prices", "_settle"):
            monkeypatch.setattr(KeeperService, name, lambda *_: None)
        monkeypatch.setattr(KeeperService, "_digest", lambda _, view, proposal: proposal.digest)
        self._view = SimpleNamespace(
            signers=("0xa", "0xb", "0xme"), epoch=EPOCH, as_of=1, timestamp=2, quorum=2
        )
        monkeypatch.setattr(service_module, "ChainReader", lambda _: SimpleNamespace(read=lambda: self._view))
        self._mailbox = SimpleNamespace(
            proposal=lambda _: None,
            put_proposal=lambda _: None,
            put_signature=lambda epoch, *_: self.signed.append(epoch),
            signatures=lambda *_: {},
        )

    def service(self) -> KeeperService:
        """Start the keeper, or start it again."""
        config = SimpleNamespace(keeper=SimpleNamespace(leader_timeout_s=2))
        keeper = SimpleNamespace(
            address="0xme",
            fallbacks=0,
            compute=lambda *_, **__: SimpleNamespace(as_of=2, hedges=None),
            watch=lambda *_, **__: Watched(),
            propose=self._propose,
            endorse=self._endorse,
        )
        oracle = SimpleNamespace(call=lambda _: (EPOCH, 0, 0, bytes(32)))
        return KeeperService(config, keeper, None, self._mailbox, SimpleNamespace(oracle=oracle))  # type: ignore[arg-type]

    def others_propose(self) -> None:
        """Let the others lead when it is their turn."""

        def proposal(epoch: int) -> SimpleNamespace | None:
            if epoch % 3 == 2:
                return None
            return SimpleNamespace(manifest=SimpleNamespace(epoch=epoch), digest=epoch.to_bytes(32, "little"))

        self._mailbox.proposal = proposal

    def find_all_signatures(self) -> None:
        """Let the others sign what this keeper proposes."""
        self._mailbox.signatures = lambda *_: {"0xa": b"a", "0xme": b"me"}

    def price(
        self, monkeypatch: pytest.MonkeyPatch, service: KeeperService, push: Callable[..., None]
    ) -> None:
        """Let prices be pushed by a function, as they are by the service."""
        monkeypatch.setattr(KeeperService, "_prices", PRICES)
        monkeypatch.setattr(service_module, "gather_prices", lambda *_, **__: [])
        monkeypatch.setattr(service_module, "push_prices", push)
        service._keeper.sign_prices = lambda *_, **__: None  # type: ignore[method-assign]
        service._system.feed = SimpleNamespace(address="0xfeed")

    def _propose(self, *_: object, epoch: int) -> SimpleNamespace:
        self.proposed.append(epoch)
        manifest = SimpleNamespace(epoch=epoch)  # of a later block than the last one
        return SimpleNamespace(manifest=manifest, digest=len(self.proposed).to_bytes(32, "big"))

    def _endorse(self, proposal: SimpleNamespace, *_: object) -> bytes:
        where = {"chain_id": 1, "contract": "0x1", "signer": "0xme", "epoch": proposal.manifest.epoch}
        return self._store.sign_once(proposal.digest, lambda digest: digest, **where)


@dataclass
class Watched:
    alarmed: bool = False


@pytest.mark.parametrize("restarts", [False, True])
def test_INV_27_rounds_without_a_quorum_leave_epochs_to_lead(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, restarts: bool
) -> None:
    """A leader that found nobody has signed for its epoch all the same, and by now there are other blocks."""
    rounds = Rounds(monkeypatch, SignatureStore(tmp_path / "store.sqlite"))
    service = rounds.service()
    for _ in range(6):
        with pytest.raises(QuorumError):
            service.step()
        service = rounds.service() if restarts else service
    assert len(rounds.signed) == len(set(rounds.signed)) == 6
    assert restarts or rounds.proposed == rounds.signed, "pages are staged for nothing"
    assert rounds.signed == sorted(rounds.signed)


@pytest.mark.parametrize(
    "error", [RetryLater("the base fee is above the cap"), RpcError("not mined in time")]
)
@pytest.mark.parametrize("fails", ["stage", "activate", "push"])
def test_a_keeper_whose_transactions_are_not_taken_signs_what_others_lead(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: RetryLater, fails: str
) -> None:
    """It is first in turn for as long as no epoch is in force: if it left the round, its signature would be missing."""
    rounds = Rounds(monkeypatch, SignatureStore(tmp_path / "store.sqlite"))
    service = rounds.service()

    def refuse(*_: object, **__: object) -> None:
        raise error

    if fails == "push":
        rounds.price(monkeypatch, service, refuse)
    else:
        monkeypatch.setattr(service_module, fails, refuse)
        rounds.find_all_signatures()
    rounds.others_propose()
    with pytest.raises(QuorumError):
        service.step()
    others = {epoch for epoch in range(EPOCH + 1, EPOCH + 4) if epoch % 3 != 2}
    assert others <= set(rounds.signed)


@pytest.mark.parametrize("started", [0.0, 60.5, 120.0, 299.9])
def test_keepers_started_at_any_time_step_together(monkeypatch: pytest.MonkeyPatch, started: float) -> None:
    """Three a hundred seconds apart that each waited 60 s for prices and 300 s more would never meet."""
    clock, stepped = [1_700_000_000.0 + started], list[float]()

    class Stop:
        def is_set(self) -> bool:
            return len(stepped) == 4

        def wait(self, seconds: float) -> None:
            clock[0] += seconds

    def step(**_: object) -> dict[str, Any]:
        stepped.append(clock[0])
        clock[0] += 60.0
        raise QuorumError("nobody published prices")

    service = Scene(monkeypatch, proposals=[], answers={}).service
    service._config = SimpleNamespace(keeper=SimpleNamespace(interval_s=300.0))  # type: ignore[assignment]
    monkeypatch.setattr(service_module.time, "time", lambda: clock[0])
    monkeypatch.setattr(service, "step", step)
    service.run(Stop())  # type: ignore[arg-type]
    assert [time_s % 300 for time_s in stepped[1:]] == pytest.approx([30.0] * 3)
