"""What a keeper computes from, as its settings name it: the chain, and files of market data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import structlog

from seawall.chain.contracts import System
from seawall.config import Config
from seawall.errors import InputError
from seawall.keeper.compute import Computed, compute
from seawall.keeper.hedges import SelectedHedges
from seawall.keeper.settings import KeeperSettings
from seawall.keeper.view import ChainReader, ChainView
from seawall.market.bars import Bars
from seawall.market.depth import read_depth
from seawall.market.embedded import embedded_bars
from seawall.market.files import read_bars
from seawall.market.implied import ImpliedSettings
from seawall.market.implied_files import read_implied_volatilities
from seawall.market.perpetuals import read_perpetuals
from seawall.market.surfaces import read_chains

__all__ = ["bars_until", "compute_now", "keeper_settings", "with_hedges"]

_log = structlog.get_logger()


def bars_until(source: Path | None, time_s: int) -> Bars:
    """Return the bars known at a time: a source's, or those that ship with the package."""
    return (embedded_bars() if source is None else read_bars(source, now_s=time_s)).until(time_s)


def keeper_settings(config: Config) -> KeeperSettings:
    """Return a keeper's settings as an operator configured them."""
    return KeeperSettings(implied=ImpliedSettings(max_age_s=config.keeper.implied_max_age_s))


def compute_now(
    config: Config, system: System, *, settings: KeeperSettings, hedges: SelectedHedges | None = None
) -> tuple[ChainView, Computed]:
    """Return the chain as it is now and a keeper's numbers for it; nothing is signed or sent.

    Raises
    ------
    SeawallError
        Whatever keeps a keeper from an epoch.
    """
    files = config.keeper
    view = ChainReader(system).read()
    computed = compute(
        view,
        bars_until(files.market_data, view.timestamp),
        settings=settings,
        implied=None if files.implied_data is None else read_implied_volatilities(files.implied_data),
        depth=None if files.depth_data is None else read_depth(files.depth_data),
        chains=None if files.chain_data is None else read_chains(files.chain_data),
        hedges=hedges,
        perpetuals=None if files.perpetual_data is None else read_perpetuals(files.perpetual_data),
    )
    return view, computed


def with_hedges(run: Callable[..., Computed], source: Callable[[], SelectedHedges | None] | None) -> Computed:
    """Return numbers with atoms from a selection; if anything is wrong with it, as without one, and say so in the log.

    Parameters
    ----------
    run
        `compute` but for its `hedges`.
    source
        Returns the selection there is.
    """
    try:
        selected = None if source is None else source()
        computed = run() if selected is None else run(hedges=selected)
    except InputError as error:
        if source is None:
            raise
        computed = run()  # what has other reasons is raised again
        _log.warning("selected hedges not used, atoms are chosen anew", reason=str(error))
    if (use := computed.hedges) is not None:
        (_log.info if use.hedges else _log.warning)(
            "selected hedges",
            used=len(use.hedges),
            dropped=use.dropped,
            uncovered=use.uncovered,
            age_s=computed.as_of - use.as_of,
        )
    return computed
