"""What `seawall certificate --request` does: asks keepers to certify the book an account will have after a trade."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from seawall.errors import ConfigError, InputError

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from seawall.chain.contracts import System
    from seawall.config import Config
    from seawall.keeper.baskets import Position

__all__ = ["CHANGE", "KEY", "ask", "has_proof"]


class _Change(click.ParamType):
    """Read `PAGE:SLOT:GENERATION:LOTS`."""

    name = "change"

    def convert(self, value: Any, param: Any, ctx: Any) -> Position:
        match = re.fullmatch(r"(\d{1,3}):(\d{1,3}):(\d{1,5}):([+-]?\d{1,13})", str(value))
        if not match:
            self.fail(f"{value} is not PAGE:SLOT:GENERATION:LOTS, lots whole and signed", param, ctx)
        page, slot, generation, lots = (int(part) for part in match.groups())
        return page, slot, generation, lots


class _Key(click.ParamType):
    """Read the key of a request."""

    name = "key"

    def convert(self, value: Any, param: Any, ctx: Any) -> bytes:
        match = re.fullmatch(
            r"(?:0x)?([0-9a-fA-F]{64})", value.hex() if isinstance(value, bytes) else str(value)
        )
        if not match:
            self.fail(f"{value} is no key of a request: give 64 hexadecimal digits", param, ctx)
        return bytes.fromhex(match[1])


CHANGE, KEY = _Change(), _Key()


def ask(
    config: Config,
    system: System,
    account: bytes,
    changes: tuple[Position, ...],
    *,
    free: bool,
    lasts_s: int,
) -> dict[str, Any]:
    """File a request and return what to say of it; keys.payer signs it if it owns the account."""
    from seawall.keeper.asking import ask_for_basket
    from seawall.keeper.requests import RequestFolder

    if free and not changes:
        raise InputError("--free needs the basket's positions. Fix: give --change once for each")
    folder = RequestFolder(config.keeper.requests, oracle=system.oracle.address)
    request = ask_for_basket(
        system, folder, account, changes=changes, lasts_s=lasts_s, free=free, owner=_owner(config)
    )
    return {
        "basket": "0x" + request.key.hex(),
        "positions": len(request.positions),
        "certified_until": request.expires_at,
        "signed_by_owner": bool(request.signature),
    }


def has_proof(config: Config, system: System, basket: bytes) -> None:
    """Pass if a basket is certified now; else say what it waits for or what is wrong with it."""
    from seawall.keeper.asking import require_proof
    from seawall.keeper.leaves import LeafStore
    from seawall.keeper.requests import RequestFolder

    folder = RequestFolder(config.keeper.requests, oracle=system.oracle.address)
    require_proof(system, folder, LeafStore(config.keeper.books), basket)


def _owner(config: Config) -> LocalAccount | None:
    if config.keys.payer is None:
        return None
    try:
        return config.keys.payer.unlock()
    except ConfigError as error:
        click.echo(f"not signed: {error}", err=True)
        return None
