"""`seawall keeper hedges`."""

from __future__ import annotations

from pathlib import Path

import click

from seawall.cli.admin import config_option
from seawall.cli.logs import configure_logs
from seawall.cli.output import json_option, print_json, print_pairs
from seawall.cli.progress import progress_shown
from seawall.errors import ConfigError, DataError

__all__ = ["hedges_command"]


@click.command("hedges")
@config_option
@json_option
def hedges_command(config_path: Path | None, as_json: bool) -> None:
    """Select hedges for what is listed, and write them to the file keeper.hedges, which every epoch reads.

    Takes minutes, and no key. Do it again when much has been listed or deltas have moved far.
    """
    from seawall.config import load_config

    config = load_config(config_path)
    configure_logs(config.log)
    if config.keeper.hedges is None:
        raise ConfigError("there is no file to write hedges to. Fix: set keeper.hedges")
    from seawall.cli.session import open_session
    from seawall.keeper.hedges import HedgeFile, SelectedHedges
    from seawall.keeper.observing import compute_now, keeper_settings
    from seawall.keeper.selecting import select_listed

    system, settings = open_session(config).system(), keeper_settings(config)
    file = HedgeFile(
        config.keeper.hedges, chain_id=int(system.oracle.w3.eth.chain_id), oracle=system.oracle.address
    )
    file.prepare()
    view, computed = compute_now(config, system, settings=settings)
    click.echo("pricing a library of hedges, then choosing from it", err=True)
    with progress_shown("linear programs") as progress:
        selected: SelectedHedges = select_listed(
            view,
            computed,
            settings=settings,
            progress=lambda done, most: progress(done, most, "selecting hedges"),
        )
    if not selected.hedges:
        raise DataError(
            "no book uses any hedge of what is listed, so nothing was written. "
            "Fix: select when dated instruments are listed, or leave keeper.hedges out"
        )
    file.write(selected)
    most = settings.model.atoms.per_instrument * sum(len(page.instruments) for page in view.pages)
    result = {
        "file": str(config.keeper.hedges),
        "instruments": sum(len(page.instruments) for page in view.pages),
        "hedges": len(selected.hedges),
        "atoms a manifest has room for, at most": most,
        "as of": selected.as_of,
    }
    if as_json:
        print_json(result)
    else:
        print_pairs("hedges", result)
