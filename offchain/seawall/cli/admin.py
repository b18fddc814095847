"""`seawall deploy`, `seawall doctor` and `seawall config`."""

from __future__ import annotations

from pathlib import Path

import click

from seawall.cli.output import json_option, print_json, print_pairs, print_table

__all__ = ["config_group", "config_option", "deploy_command", "doctor_command"]

config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Settings (YAML).",
    metavar="FILE",
)


@click.command("doctor")
@config_option
@click.option("--rpc", help="Also ask this endpoint for its chain.", metavar="URL")
@json_option
@click.pass_context
def doctor_command(context: click.Context, config_path: Path | None, rpc: str | None, as_json: bool) -> None:
    """Check this machine: Python, packages, Node, solc, anvil, artifacts, RPC.

    Exit code 2 when something that nothing works without is missing.
    """
    from seawall.doctor import run_checks

    checks = run_checks(config_path, rpc=rpc)
    if as_json:
        print_json([check.as_dict() for check in checks])
    else:
        rows = []
        for check in checks:
            state = "ok" if check.ok else "MISSING" if check.required else "missing"
            fix = (
                ""
                if check.ok
                else f"fix: {check.fix}" + ("" if check.required else f" (for {check.needed_for})")
            )
            rows.append((state, check.name, check.detail, fix))
        print_table("", ("", "what", "found", "how to fix"), rows)
    context.exit(2 if any(check.required and not check.ok for check in checks) else 0)


@click.group("config")
def config_group() -> None:
    """Read settings."""


@config_group.command("show")
@config_option
@json_option
def config_show(config_path: Path | None, as_json: bool) -> None:
    """Show the settings in force, secrets hidden. Checks them on the way."""
    import yaml

    from seawall.config import load_config

    shown = load_config(config_path).redacted()
    if as_json:
        print_json(shown)
    else:
        click.echo(yaml.safe_dump(shown, sort_keys=False).rstrip())


@click.command("deploy")
@config_option
@click.option("--rpc", help="Endpoint; wins over the settings.", metavar="URL")
@click.option(
    "--plan",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="What to deploy (YAML): signers, underlyings, bounds.",
    metavar="FILE",
)
@click.option("--dry-run", is_flag=True, help="Read and check the plan, deploy nothing. Needs no key.")
@json_option
def deploy_command(
    config_path: Path | None, rpc: str | None, plan: Path, dry_run: bool, as_json: bool
) -> None:
    """Deploy the whole system and write the deployment file. The payer's key pays."""
    from seawall.chain.deploy import deploy
    from seawall.chain.plan import load_plan
    from seawall.cli.session import open_session
    from seawall.config import load_config
    from seawall.errors import ConfigError

    config = load_config(config_path, overrides={"chain": {"rpc_urls": [rpc]}} if rpc else None)
    settings = load_plan(plan)
    if dry_run:
        count, signers = len(settings.underlyings), len(settings.signers)
        click.echo(f"{plan.name}: {count} underlyings, {settings.quorum} of {signers} signers")
        return
    if config.chain.deployment.exists():
        raise ConfigError(
            f"{config.chain.deployment} exists already. Fix: move it away, or set chain.deployment"
        )
    session = open_session(config)
    deployment = deploy(session.payer(), settings)
    deployment.save(config.chain.deployment)
    if as_json:
        print_json(deployment.addresses)
    else:
        print_pairs(f"Deployed on chain {deployment.chain_id}", deployment.addresses)
