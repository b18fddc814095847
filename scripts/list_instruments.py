"""List the instruments of a deployment.

ape run list_instruments --network ethereum:local:foundry --deployment deployment.json
"""

from __future__ import annotations

from pathlib import Path

import click
from ape import networks
from ape.cli import ConnectedProviderCommand

from seawall.chain.ape import one_line_errors
from seawall.chain.contracts import System
from seawall.chain.deployment import Deployment
from seawall.page.layout import RECORD, Kind, unpack

__all__ = ["cli"]


@click.command(cls=ConnectedProviderCommand)
@click.option(
    "--deployment", type=click.Path(path_type=Path), default=Path("deployment.json"), show_default=True
)
@one_line_errors()
def cli(deployment: Path) -> None:
    """Print every slot of every page."""
    w3 = networks.active_provider.web3
    known = Deployment.load(deployment)
    known.require_chain(w3)
    registry = System.connect(w3, known).registry
    for page in range(registry.call("pageCount")):
        underlying, rows, _ = registry.call("pageInfo", page)
        symbol = bytes(registry.call("symbol", underlying)).rstrip(b"\0").decode("ascii", "replace")
        for slot in range(rows):
            terms = unpack(RECORD, registry.call("terms", page, slot), where=f"page {page} slot {slot}")
            kind = Kind(terms["kind"]).name.lower()
            click.echo(
                f"page {page:>3} slot {slot:>3}  {symbol:<8} {kind:<10} generation {terms['generation']} "
                f"shift {terms['shift']} strike {terms['strike']} expiry hour {terms['expiry_hour']}"
            )
