"""`seawall keeper hedges`."""

from __future__ import annotations

from pathlib import Path

import click

from seawall.cli.admin import config_option
from seawall.cli.logs import configure_logs
from seawall.cli.output import json_option, print_json, print_pairs
from seawall.cli.progress import progress_shown
from seawall.errors import ConfigError

__all__ = ["hedges_command"]


@click.command("hedges")
@config_option
@json_option
def hedges_command(config_path: Path | None, as_json: bool) -> None:
    """Select hedges for what is listed, and write them to the file keeper.hedges, which every epoch reads.

    Takes minutes, and no key. A keeper that runs does it by itself every keeper.hedges_every_h hours.
    """
    from seawall.config import load_config

    config = load_config(config_path)
    configure_logs(config.log)
    if config.keeper.hedges is None:
        raise ConfigError("there is no file to write hedges to. Fix: set keeper.hedges")
    from seawall.keeper.reselecting import select_now

    click.echo("pricing a library of hedges, then choosing from it", err=True)
    with progress_shown("books tried") as progress:
        result = select_now(config, progress=lambda done, most: progress(done, most, "selecting hedges"))
    if as_json:
        print_json(result)
    else:
        print_pairs("hedges", result)
