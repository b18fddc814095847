r"""List an instrument, or schedule it where the governor has a delay.

    ape run add_instrument --network ethereum:local:foundry --account governor --page 0 --kind call --shift 3 \
        --strike 1200000 --expiry-hour 490000 [--slot 7]

With a slot it takes that of an instrument that expired. With a delay the first run schedules the call and a second run,
after the delay, executes it. Strikes are in ticks a lot, expiries in hours since 1970.
"""

from __future__ import annotations

from pathlib import Path

import click
from ape import accounts, networks
from ape.cli import ConnectedProviderCommand

from seawall.chain.ape import ape_sender, one_line_errors
from seawall.chain.contracts import System
from seawall.chain.deployment import Deployment
from seawall.chain.governance import Outcome, govern
from seawall.chain.plan import KINDS

__all__ = ["cli"]


@click.command(cls=ConnectedProviderCommand)
@click.option("--page", type=int, required=True)
@click.option("--slot", type=int, help="That of an expired instrument; by default the next free one.")
@click.option("--kind", type=click.Choice(sorted(KINDS)), required=True)
@click.option("--shift", type=int, default=0, show_default=True)
@click.option("--strike", type=int, default=0, show_default=True)
@click.option("--expiry-hour", type=int, default=0, show_default=True)
@click.option("--account", help="Alias of the governor's Ape account.")
@click.option(
    "--deployment", type=click.Path(path_type=Path), default=Path("deployment.json"), show_default=True
)
@one_line_errors()
def cli(
    page: int,
    slot: int | None,
    kind: str,
    shift: int,
    strike: int,
    expiry_hour: int,
    account: str | None,
    deployment: Path,
) -> None:
    """List one instrument."""
    provider = networks.active_provider
    known = Deployment.load(deployment)
    known.require_chain(provider.web3)
    system = System.connect(provider.web3, known)
    governor = accounts.load(account) if account else accounts.test_accounts[0]
    terms = (KINDS[kind], shift, strike, expiry_hour)
    sender = ape_sender(provider, governor)
    call = ("listInstrument", page) if slot is None else ("relistInstrument", page, slot)
    if govern(system, sender, system.registry, *call, *terms) is Outcome.SCHEDULED:
        click.echo("scheduled; run the same command again when the delay is over")
    else:
        click.echo(f"page {page} now holds the {kind}")
