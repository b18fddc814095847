"""The package's view of a deployed system, answered by the EVM of the tests in place of a node."""

from __future__ import annotations

from dataclasses import asdict, dataclass, is_dataclass
from types import SimpleNamespace
from typing import Any

from tests.support.evm import Contract, Evm, Revert
from tests.support.system import System

from seawall.chain.reverts import Reverted

__all__ = ["Caller", "session_of"]

_PADDING = 33  # bytes that the engine keeps behind code so that no instruction runs past it


@dataclass(frozen=True)
class Caller:
    """Who sends transactions."""

    address: str


@dataclass(frozen=True)
class Answered:
    """One contract as `seawall.chain` sees it: calls, transactions and the events of the last one by name."""

    contract: Contract
    w3: Any

    def call(self, name: str, *arguments: Any) -> Any:
        return self._sent(name, *arguments)

    def transact(self, sender: Caller, name: str, *arguments: Any) -> dict[str, Any]:
        self._sent(name, *arguments, sender=sender.address)
        return {}

    def events(self, receipt: Any, name: str) -> list[Any]:
        found = self.contract.evm.events(self.contract)
        return [SimpleNamespace(args=_fields(event)) for kind, event in found if kind == name]

    def _sent(self, name: str, *arguments: Any, **options: Any) -> Any:
        try:
            return getattr(self.contract, name)(*arguments, **options)
        except Revert as revert:
            raise Reverted(revert.name, {}, revert.data) from revert


def _fields(event: Any) -> dict[str, Any]:
    return asdict(event) if is_dataclass(event) and not isinstance(event, type) else dict(event._asdict())


def session_of(system: System) -> Any:
    """Return what a bot or an integrator holds of a system."""
    evm: Evm = system.evm
    eth = SimpleNamespace(
        get_code=lambda address: evm.engine.basic(address).code[:-_PADDING],
        get_block=lambda _: {"timestamp": evm.timestamp},
    )
    w3 = SimpleNamespace(eth=eth)
    lens = evm.deploy("MarginLens", system.vault, system.oracle, system.feed.contract)
    contracts = {
        "vault": system.vault,
        "oracle": system.oracle,
        "liquidator": system.liquidator,
        "feed": system.feed.contract,
        "lens": lens,
    }
    return SimpleNamespace(**{name: Answered(contract, w3) for name, contract in contracts.items()})
