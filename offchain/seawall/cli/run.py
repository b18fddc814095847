"""`seawall demo` and `seawall keeper`."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import click

from seawall.cli.admin import config_option
from seawall.cli.extras import require_packages
from seawall.cli.hedges import hedges_command
from seawall.cli.logs import configure_logs
from seawall.cli.output import json_option
from seawall.errors import ConfigError, InputError

__all__ = ["demo_command", "keeper_group"]

KIND = click.Choice(["eth-tester", "anvil"])
DATE = click.DateTime(formats=["%Y-%m-%d"])


@click.command("demo")
@click.option("--chain", "chain_kind", type=KIND, default="eth-tester", show_default=True)
@click.option("--rpc", help="A development node (anvil) that runs already.", metavar="URL")
@click.option("--from", "first_day", type=DATE, help="First day, UTC.")
@click.option("--to", "last_day", type=DATE, help="Last day, UTC.")
@click.option("--report", type=click.Path(path_type=Path), help="Where the report goes.", metavar="PATH")
@click.option("--short", is_flag=True, help="A shorter story.")
@click.option("--options", is_flag=True, help="The story of futures and options instead.")
@json_option
def demo_command(
    chain_kind: str,
    rpc: str | None,
    first_day: datetime | None,
    last_day: datetime | None,
    report: Path | None,
    short: bool,
    options: bool,
    as_json: bool,
) -> None:
    """Replay a crash of real prices through contracts and keepers on a chain of its own."""
    if first_day is not None and last_day is not None and last_day <= first_day:
        raise InputError(f"--to {last_day:%Y-%m-%d} is not after --from {first_day:%Y-%m-%d}. Fix: swap them")
    own_chain = ("eth_tester", "eth") if rpc is None and chain_kind == "eth-tester" else ()
    require_packages("matplotlib", "jinja2", *own_chain, command="the demo", extra="demo")
    # Three keepers share the cores, each in a process of its own: more threads an array only get in each other's way.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from seawall.demo.run import run

    run(
        chain=chain_kind,
        rpc=rpc,
        first_day=first_day.date() if first_day else None,
        last_day=last_day.date() if last_day else None,
        report=report,
        short=short,
        options=options,
        as_json=as_json,
    )


@click.group("keeper")
def keeper_group() -> None:
    """Observe, compute, check, sign, post."""


dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Compute and check, sign and send nothing. Needs no key."
)


@keeper_group.command("once")
@config_option
@dry_run_option
@json_option
def keeper_once(config_path: Path | None, dry_run: bool, as_json: bool) -> int:
    """Take part in one epoch and stop."""
    return _keep(config_path, dry_run=dry_run, once=True, as_json=as_json)


@keeper_group.command("run")
@config_option
@dry_run_option
def keeper_run(config_path: Path | None, dry_run: bool) -> int:
    """Take part in every epoch until told to stop (SIGTERM, SIGINT)."""
    return _keep(config_path, dry_run=dry_run, once=False, as_json=False)


keeper_group.add_command(hedges_command)


def _keep(config_path: Path | None, *, dry_run: bool, once: bool, as_json: bool) -> int:
    from seawall.config import load_config

    config = load_config(config_path)
    configure_logs(config.log)
    if not dry_run and config.keys.signer is None:
        raise ConfigError("a keeper needs a key to sign with. Fix: set keys.signer, or pass --dry-run")
    from seawall.keeper.service import run_keeper

    return run_keeper(config, dry_run=dry_run, once=once, as_json=as_json)
