"""`seawall certificate`: the hedges, and the certified book, that lower an account's initial requirement most."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from seawall.cli.admin import config_option
from seawall.cli.inspect import account_key, read_config, rpc_option
from seawall.cli.output import json_option, print_json, print_pairs, print_table
from seawall.cli.session import open_session
from seawall.page.layout import CERTIFICATE_ENTRY, unpack, unpack_entries

__all__ = ["certificate_command"]


@click.command("certificate")
@click.argument("account")
@click.option("--current", is_flag=True, help="For the current manifest alone, not the baseline too.")
@click.option(
    "--max-atoms", type=click.IntRange(0, 4096), default=64, show_default=True, help="Most hedges in it."
)
@config_option
@rpc_option
@json_option
def certificate_command(
    account: str, current: bool, max_atoms: int, config_path: Path | None, rpc: str | None, as_json: bool
) -> None:
    """Find the certificate that lowers an ACCOUNT's initial requirement most.

    What --json prints under "certificate" are the fields of `IMarginVault.Certificate`, words in hexadecimal. A book is
    shown if `keeper.books` has its proof.
    """
    from seawall.keeper.certify import certify_account  # imports a solver, which takes a second
    from seawall.keeper.leaves import LeafStore

    config = read_config(config_path, rpc)
    key = account_key(account)
    system = open_session(config).system()
    found = certify_account(
        system, key, leaves=LeafStore(config.keeper.books), baseline=not current, max_atoms=max_atoms
    )
    without, certified = system.lens.call("certified", key, found.certificate.as_tuple())
    entries = [
        unpack(CERTIFICATE_ENTRY, entry, where="certificate")
        for entry in unpack_entries(found.certificate.atoms)
        if entry
    ]
    shown: dict[str, Any] = {
        "account": key,
        "initial_without_certificate": without,
        "initial_with_certificate": certified,
        "legs_charged_without": found.gross,
        "legs_charged_with": found.upper,
        "hedges": len(entries),
        "book_shown": found.certificate.shows,
    }
    if as_json:
        atoms, shortfall, book, proof = found.certificate.as_tuple()
        certificate = {
            "atoms": [f"0x{word:064x}" for word in atoms],
            "bookShortfall": str(shortfall),
            "book": [f"0x{word:064x}" for word in book],
            "proof": ["0x" + node.hex() for node in proof],
        }
        print_json({**shown, "certificate": certificate})
        return
    print_pairs("Certificate (settlement token units)", shown)
    if entries:
        rows = [tuple(entry.values()) for entry in entries]
        print_table("Hedges", ("page", "atom", "lots"), rows)
