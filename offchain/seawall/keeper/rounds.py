"""One epoch among keepers in one process: a leader proposes, the others endorse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seawall.chain.contracts import System
from seawall.chain.sender import Sender
from seawall.errors import QuorumError, SeawallError
from seawall.keeper.compute import Computed, Proposal
from seawall.keeper.keeper import Keeper
from seawall.keeper.post import activate, stage
from seawall.keeper.view import ChainView

__all__ = ["Round", "run_round"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """Hold an activated epoch.

    Attributes
    ----------
    computed
        Of the leader.
    signers
        Who signed.
    refusals
        Why others did not, by address.
    gas_used
        Of staging and activating.
    """

    proposal: Proposal
    computed: Computed
    leader: str
    signers: tuple[str, ...]
    refusals: dict[str, str]
    gas_used: int


def run_round(
    system: System, sender: Sender, keepers: Sequence[Keeper], computed: Sequence[Computed], view: ChainView
) -> Round:
    """Propose, endorse and activate one epoch, trying every keeper as leader once.

    The leader of epoch e is keeper ``e mod n``; each further try burns the next epoch, so nobody signs twice for one.

    Raises
    ------
    QuorumError
        If no leader finds enough signatures; the message lists who refused and why.
    """
    refusals: dict[str, str] = {}
    for attempt in range(len(keepers)):
        epoch = view.epoch + 1 + attempt
        leader = epoch % len(keepers)
        try:
            proposal = keepers[leader].propose(view, computed[leader], epoch=epoch)
            gas = sum(int(receipt["gasUsed"]) for receipt in stage(system, sender, proposal))
        except SeawallError as error:
            refusals[keepers[leader].address] = str(error)
            continue
        signatures: dict[str, bytes] = {}
        for offset in range(len(keepers)):
            member = (leader + offset) % len(keepers)
            try:
                signatures[keepers[member].address] = keepers[member].endorse(
                    proposal, computed[member], view
                )
            except SeawallError as error:
                refusals[keepers[member].address] = str(error)
            if len(signatures) == view.quorum:
                break
        if len(signatures) < view.quorum:
            continue
        receipt = activate(system, sender, proposal, list(signatures.values()), quorum=view.quorum)
        return Round(
            proposal=proposal,
            computed=computed[leader],
            leader=keepers[leader].address,
            signers=tuple(signatures),
            refusals=refusals,
            gas_used=gas + int(receipt["gasUsed"]),
        )
    reasons = "; ".join(f"{address}: {reason}" for address, reason in refusals.items())
    raise QuorumError(f"no quorum of {view.quorum} after {len(keepers)} proposals. {reasons}")
