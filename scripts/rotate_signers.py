"""Replace the keepers of a deployment, or schedule it where the governor has a delay.

    ape run rotate_signers --network ethereum:local:foundry --account governor --quorum 2 ADDRESS ADDRESS ADDRESS

With a delay the first run schedules the call and a second run, after the delay, executes it.
"""

from __future__ import annotations

from pathlib import Path

import click
from ape import accounts, networks
from ape.cli import ConnectedProviderCommand
from eth_utils.address import to_checksum_address

from seawall.chain.ape import ape_sender, one_line_errors
from seawall.chain.contracts import System
from seawall.chain.deployment import Deployment
from seawall.chain.governance import Outcome, govern

__all__ = ["cli"]


@click.command(cls=ConnectedProviderCommand)
@click.argument("signers", nargs=-1, required=True)
@click.option("--quorum", type=int, required=True)
@click.option(
    "--target", type=click.Choice(["oracle", "feed", "anchor_feed"]), default="oracle", show_default=True
)
@click.option("--account", help="Alias of the governor's Ape account.")
@click.option(
    "--deployment", type=click.Path(path_type=Path), default=Path("deployment.json"), show_default=True
)
@one_line_errors()
def cli(signers: tuple[str, ...], quorum: int, target: str, account: str | None, deployment: Path) -> None:
    """Set the signers and the quorum of one contract."""
    provider = networks.active_provider
    known = Deployment.load(deployment)
    known.require_chain(provider.web3)
    system = System.connect(provider.web3, known)
    governor = accounts.load(account) if account else accounts.test_accounts[0]
    ordered = sorted((to_checksum_address(signer) for signer in signers), key=lambda signer: int(signer, 16))
    outcome = govern(
        system, ape_sender(provider, governor), getattr(system, target), "setSigners", ordered, quorum
    )
    if outcome is Outcome.SCHEDULED:
        click.echo("scheduled; run the same command again when the delay is over")
    else:
        click.echo(f"{target} now has {quorum} of {len(ordered)} signers")
