"""Calls restricted functions as whoever holds the role: at once, or scheduled and later executed."""

from __future__ import annotations

from enum import Enum
from typing import Any

from seawall.chain.contracts import Contract, System
from seawall.chain.sender import Sender
from seawall.errors import ConfigError, StaleError

__all__ = ["Outcome", "govern"]


class Outcome(Enum):
    """What became of a governed call."""

    DONE = "done"
    SCHEDULED = "scheduled"


def govern(system: System, sender: Sender, target: Contract, function: str, *args: Any) -> Outcome:
    """Call a restricted function; with an execution delay schedule it, and execute it the next time.

    Raises
    ------
    ConfigError
        When the sender lacks the role.
    StaleError
        When the call is scheduled and its delay is not over.
    """
    access = system.access_manager
    call = target.encode(function, *args)
    immediate, delay = access.call("canCall", sender.address, target.address, target.selector(function))
    if immediate:
        target.transact(sender, function, *args)
        return Outcome.DONE
    if not delay:
        raise ConfigError(
            f"{sender.address} may not call {target.name}.{function}. Fix: use the governor's account"
        )
    operation = access.call("hashOperation", sender.address, target.address, call)
    ready_at = int(access.call("getSchedule", operation))
    if not ready_at:
        access.transact(sender, "schedule", target.address, call, 0)
        return Outcome.SCHEDULED
    now = int(access.w3.eth.get_block("latest")["timestamp"])
    if now < ready_at:
        raise StaleError(f"{target.name}.{function} can be executed in {ready_at - now} s. Fix: wait")
    access.transact(sender, "execute", target.address, call)
    return Outcome.DONE
