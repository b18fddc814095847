"""What attackers do in these tests: forge manifests that a quorum signs, trade with themselves, empty flat accounts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from tests.support.evm import Revert, role
from tests.support.market import page_input
from tests.support.system import EMPTY, System

from seawall.page import encode_page, init_code_hash

__all__ = [
    "ANY_PRICE",
    "ATTACKER",
    "BORROWER",
    "KEEPER",
    "MAKER",
    "MINUTE_S",
    "WAD",
    "backing",
    "forge",
    "margin",
    "refused",
    "start",
    "tick",
    "wealth",
]

WAD = 10**18
ANY_PRICE = 1 << 200
MINUTE_S = 60
ATTACKER, BORROWER, KEEPER, MAKER = map(role, ("attacker", "borrower", "keeper", "maker"))


def forge(
    system: System,
    marks_bps: Mapping[tuple[int, int], int],
    *,
    legs: Mapping[tuple[int, int], float] | None = None,
) -> None:
    """Activate a signed manifest with marks so far off the price; a leg given has no loss in any lane either."""
    now = system.evm.timestamp
    hashes = []
    for page in sorted(system.markets):
        honest = page_input(system.markets[page], now)
        records = list(honest.records)
        for slot, record in enumerate(records):
            leg = (legs or {}).get((page, slot))
            records[slot] = replace(
                record,
                mark=record.mark * (10_000 + marks_bps.get((page, slot), 0)) / 10_000,
                **(
                    {}
                    if leg is None
                    else {"leg_long": leg, "leg_short": leg, "lanes": [0.0] * len(record.lanes)}
                ),
            )
        payload = encode_page(replace(honest, records=records))
        system.oracle.stage(payload)
        hashes.append(init_code_hash(payload))
    manifest, _ = system.manifest(pages=tuple(hashes))
    system.oracle.activate(manifest.as_tuple(), system.signatures(manifest))
    system.epoch = manifest.epoch


def tick(system: System, seconds: int = 12) -> None:
    """Go to a later block with new prices."""
    system.evm.advance(seconds)
    system.push()


def start(system: System, account: bytes) -> None:
    """Start an auction in a new block on a new price."""
    tick(system)
    system.liquidator.start(account, ())


def wealth(system: System, accounts: Sequence[bytes]) -> int:
    """Return the equity of all these accounts together."""
    return sum(map(system.equity, accounts))


def backing(system: System, accounts: Sequence[bytes]) -> int:
    """Return the tokens of vault and fund less what solvent accounts own; negative if somebody's money is gone."""
    owed = sum(max(0, system.equity(account)) for account in accounts)
    held: int = system.token.balanceOf(system.vault) + system.fund.totalAssets()
    return held - owed


def margin(system: System, account: bytes, *, baseline: bool = False) -> tuple[int, int, int]:
    """Return equity, initial and maintenance requirement of an account."""
    found = system.vault.margin(account, EMPTY, baseline)
    return found.equity, found.initial, found.maintenance


def refused(names: Collection[str], call: Callable[[], object]) -> bool:
    """Return whether a call reverts; it may do so with these errors only."""
    try:
        call()
    except Revert as revert:
        if revert.name not in names:
            raise
        return True
    return False
