"""Deploy Seawall to the network Ape is connected to.

    ape run deploy --network ethereum:local:foundry --plan plan.yaml --account NAME --out deployment.json

The account is one of `ape accounts list`; without it the first test account pays, which exists on local networks only.
"""

from __future__ import annotations

from pathlib import Path

import click
from ape import accounts, networks
from ape.cli import ConnectedProviderCommand

from seawall.chain.ape import ape_sender, one_line_errors
from seawall.chain.deploy import deploy
from seawall.chain.plan import load_plan

__all__ = ["cli"]


@click.command(cls=ConnectedProviderCommand)
@click.option("--plan", type=click.Path(path_type=Path, dir_okay=False), required=True)
@click.option("--account", help="Alias of an Ape account.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("deployment.json"),
    show_default=True,
)
@one_line_errors()
def cli(plan: Path, account: str | None, out: Path) -> None:
    """Deploy the whole system and write the deployment file."""
    if out.exists():
        raise click.ClickException(f"{out} exists already. Fix: move it away or pass --out")
    payer = accounts.load(account) if account else accounts.test_accounts[0]
    deployment = deploy(ape_sender(networks.active_provider, payer), load_plan(plan))
    deployment.save(out)
    for role, address in deployment.addresses.items():
        click.echo(f"{role:<16} {address}")
