"""`seawall certificate`: the hedges, and the certified books, that lower an account's initial requirement most."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seawall.cli.admin import config_option
from seawall.cli.basket import CHANGE, KEY, ask, has_proof
from seawall.cli.inspect import account_key, read_config, rpc_option
from seawall.cli.output import json_option, print_json, print_pairs, print_table
from seawall.cli.session import open_session
from seawall.errors import InputError
from seawall.page.layout import CERTIFICATE_ENTRY, unpack, unpack_entries
from seawall.reference.certificate import EMPTY, Certificate

if TYPE_CHECKING:
    from seawall.chain.contracts import System
    from seawall.keeper.baskets import Position
    from seawall.margin.certificate import Certified

__all__ = ["certificate_command"]


@click.command("certificate")
@click.argument("account")
@click.option(
    "--manifest",
    type=click.Choice(["both", "current", "baseline"]),
    default="both",
    show_default=True,
    help="Under which it is to serve: a fill or a withdrawal is judged under both.",
)
@click.option(
    "--max-atoms", type=click.IntRange(0, 4096), default=64, show_default=True, help="Most hedges in it."
)
@click.option(
    "--change", "changes", type=CHANGE, multiple=True, help="For a planned trade: PAGE:SLOT:GENERATION:LOTS."
)
@click.option(
    "--basket", type=KEY, help="Show this basket, asked for before, instead of the account's own book."
)
@click.option(
    "--request", is_flag=True, help="Ask keepers to certify the book after --change; prints its key."
)
@click.option("--free", is_flag=True, help="With --request: the changes alone are the basket.")
@click.option(
    "--lasts",
    default=14_400,
    show_default=True,
    type=click.IntRange(min=60),
    help="With --request: for how long.",
    metavar="SECONDS",
)
@config_option
@rpc_option
@json_option
def certificate_command(
    account: str,
    manifest: str,
    max_atoms: int,
    changes: tuple[Position, ...],
    basket: bytes | None,
    request: bool,
    free: bool,
    lasts: int,
    config_path: Path | None,
    rpc: str | None,
    as_json: bool,
) -> None:
    """Find the certificates that lower an ACCOUNT's initial requirement most.

    What --json prints under "certificates" is the list for a call, or, for one manifest, the one for `margin`, with the
    fields of `IMarginVault.Certificate`, words in hexadecimal. A book is shown if `keeper.books` has its proof.

    Before a trade, ask for the book it leads to: --request --change 0:3:1:-50. After an epoch the same changes with
    --basket KEY give certificates for the trade, at the tail risk of that book.
    """
    from seawall.keeper.certify import certify_account  # imports a solver, which takes a second
    from seawall.keeper.leaves import LeafStore

    config = read_config(config_path, rpc)
    key = account_key(account)
    system = open_session(config).system()
    if request:
        asked = ask(config, system, key, changes, free=free, lasts_s=lasts)
        (print_json if as_json else partial(print_pairs, "Basket asked for"))(asked)
        return
    if basket is not None:
        has_proof(config, system, basket)
    found = certify_account(
        system,
        key,
        leaves=LeafStore(config.keeper.books),
        changes=changes,
        basket=basket,
        baseline=manifest != "current",
        max_atoms=max_atoms,
    )
    if manifest == "baseline" and found.baseline is None:
        raise InputError("the baseline does not know this book, so it does not count: use --manifest current")
    serving = {"current": found.current, "baseline": found.baseline}
    chosen = {name: one for name, one in serving.items() if one is not None and manifest in ("both", name)}
    shown: dict[str, Any] = {"account": key}
    for name, one in chosen.items():
        shown |= _saving(system, key, name, one, planned=bool(changes))
    certificates = found.certificates if manifest == "both" else [one.certificate for one in chosen.values()]
    shown["certificates_needed"] = len(certificates)
    if as_json:
        print_json({**shown, "certificates": [_fields(certificate) for certificate in certificates]})
        return
    print_pairs("Certificates (settlement token units)", shown)
    for name, one in chosen.items():
        if entries := _entries(one.certificate):
            rows = [tuple(entry.values()) for entry in entries]
            print_table(f"Hedges under the {name} manifest", ("page", "atom", "lots"), rows)


def _saving(system: System, key: bytes, name: str, found: Certified, *, planned: bool) -> dict[str, Any]:
    """Return what a certificate does under its manifest; requirements are those of the book there is, not planned."""
    initial: dict[str, Any] = {}
    for what, certificate in (("without", EMPTY), ("with", found.certificate)):
        if not planned:
            margin = system.vault.call("margin", key, certificate.as_tuple(), name == "baseline")
            initial[f"{name}_initial_{what}"] = margin.initial
    return {
        **initial,
        f"{name}_legs_charged_without": found.gross,
        f"{name}_legs_charged_with": found.upper,
        f"{name}_hedges": len(_entries(found.certificate)),
        f"{name}_book_shown": found.certificate.shows,
    }


def _entries(certificate: Certificate) -> list[dict[str, int]]:
    words = unpack_entries(certificate.atoms)
    return [unpack(CERTIFICATE_ENTRY, entry, where="certificate") for entry in words if entry]


def _fields(certificate: Certificate) -> dict[str, Any]:
    """Return a certificate as `IMarginVault.Certificate` names its fields."""
    return {
        "atoms": [f"0x{word:064x}" for word in certificate.atoms],
        "bookShortfall": str(certificate.book_shortfall),
        "book": [f"0x{word:064x}" for word in certificate.book],
        "proof": ["0x" + node.hex() for node in certificate.proof],
    }
