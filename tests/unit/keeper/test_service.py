"""A follower refuses, says why and goes on, whatever lies in the folder; only what could do harm stops it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from seawall.chain.reverts import Reverted
from seawall.errors import ConsistencyError, EquivocationRisk, PageError, StoreError
from seawall.keeper import service as service_module
from seawall.keeper.service import KeeperService

EPOCH = 7


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
        assert self.service._follow(None, None, EPOCH) is None  # type: ignore[arg-type]


def test_a_bad_proposal_is_refused_once_and_a_good_one_after_it_is_signed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = {"forged": ConsistencyError("marks differ"), "torn": PageError("no page"), "good": b"signature"}
    scene = Scene(monkeypatch, proposals=["forged", "", "forged", "torn", "good", "good"], answers=answers)
    scene.follow()
    assert scene.endorsed == ["forged", "torn", "good"]
    assert scene.signatures == [b"good"]
    assert scene.said == ["marks differ", "no page"]


def test_what_the_oracle_does_not_accept_yet_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    early = Reverted("PageNotStaged", {}, b"")
    scene = Scene(monkeypatch, proposals=["good"] * 3, answers={"good": [early, b"signature"]})
    scene.follow()
    assert scene.endorsed == ["good", "good"]
    assert scene.signatures == [b"good"]


@pytest.mark.parametrize("harm", [EquivocationRisk("signed before"), StoreError("disk full")])
def test_what_could_do_harm_stops_a_follower(monkeypatch: pytest.MonkeyPatch, harm: Exception) -> None:
    scene = Scene(monkeypatch, proposals=["good"], answers={"good": harm})
    with pytest.raises(type(harm)):
        scene.follow()
    assert not scene.signatures
