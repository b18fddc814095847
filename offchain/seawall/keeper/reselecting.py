"""Selected hedges kept up to date while a keeper runs: what they no longer cover is said, and they are selected anew.

The selection takes minutes; it runs in a process of its own, of low priority and with a time limit, and no epoch waits
for it. It writes the file in one step when it is done. If it fails the file stays as it is, and so do the hedges.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

import structlog

from seawall.config import Config
from seawall.errors import ConfigError, DataError, SeawallError

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

    from seawall.chain.contracts import System
    from seawall.keeper.hedges import HedgeFile, HedgeUse, SelectedHedges

__all__ = ["Reselection", "hedge_file", "remembering", "select_now"]

_HOUR_S = 3600.0
# Between two selections, whatever has been listed, and whether the last one failed.
_LEAST_WAIT_S = 3600.0
_NICENESS = 10
_COMMAND = "seawall keeper hedges"

_log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Running:
    process: SpawnProcess
    said: Connection
    started: float


@dataclass(kw_only=True)
class Reselection:
    """Watch what a selection covers, and select anew when it is old or no longer covers what is listed.

    Parameters
    ----------
    config
        For `keeper.hedges_every_h`, hours between selections, 0 for never, and `keeper.hedges_timeout_s`.
    select
        What the process does: a function of a module, which takes the settings; `select_now` by default.
    clock
        Seconds that only run forward.
    """

    config: Config
    select: Callable[[Config], Any] | None = None
    clock: Callable[[], float] = time.monotonic
    _running: _Running | None = field(default=None, init=False)
    _last_start: float | None = field(default=None, init=False)
    _warned: tuple[int, int] | None = field(default=None, init=False)
    _left: tuple[int, int] | None = field(default=None, init=False)

    def look(self, use: HedgeUse | None) -> None:
        """Warn of instruments without any selected hedge, once for every number of them.

        Parameters
        ----------
        use
            What the epoch made of the selection; None if there is none.
        """
        if use is None or not use.uncovered or self._warned == (use.as_of, use.uncovered):
            return
        self._warned = use.as_of, use.uncovered
        every_h = self.config.keeper.hedges_every_h
        _log.warning(
            "instruments without a selected hedge",
            uncovered=use.uncovered,
            instruments=use.instruments,
            fix=f"run `{_COMMAND}`"
            + (f"; a selection runs every {every_h:g} h by itself" if every_h else ""),
        )

    def tend(self, use: HedgeUse | None, *, as_of: int) -> None:
        """Start a selection if it is time, and take note of one that has ended or takes too long; never waits for it.

        Parameters
        ----------
        use
            As for `look`.
        as_of
            Time of the epoch's numbers, seconds.
        """
        if self._running is not None:
            self._poll(self._running)
        elif self._due(use, as_of):
            self._start()

    def close(self) -> None:
        """End a selection that runs."""
        if self._running is not None:
            self._stop(self._running)

    @property
    def running(self) -> bool:
        """Say whether a selection runs."""
        return self._running is not None

    def _due(self, use: HedgeUse | None, as_of: int) -> bool:
        every_s = self.config.keeper.hedges_every_h * _HOUR_S
        wait_s = min(_LEAST_WAIT_S, every_s)
        if not every_s or (self._last_start is not None and self.clock() - self._last_start < wait_s):
            return False
        if use is None:
            return True
        # Some instruments are worth no hedge at all: only what has been listed since the selection counts.
        if self._left is None or self._left[0] != use.as_of:
            self._left = use.as_of, use.uncovered
        return as_of - use.as_of >= every_s or use.uncovered > self._left[1]

    def _start(self) -> None:
        # More threads an array only get in the way of the keeper.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        context = multiprocessing.get_context("spawn")
        said, tells = context.Pipe(duplex=False)
        process = context.Process(
            target=_run, args=(self.config, self.select or select_now, tells), daemon=True, name="hedges"
        )
        process.start()
        tells.close()
        self._last_start = self.clock()
        self._running = _Running(process=process, said=said, started=self._last_start)
        _log.info("selecting hedges", timeout_s=self.config.keeper.hedges_timeout_s)

    def _poll(self, running: _Running) -> None:
        taken_s = self.clock() - running.started
        if running.said.poll():
            try:
                problem, result = running.said.recv()
            except EOFError:
                problem, result = "the process died", None
            if problem is None:
                _log.info("hedges selected", taken_s=round(taken_s), **result)
            else:
                self._failed(problem)
            self._stop(running)
        elif not running.process.is_alive():
            self._failed("the process died")
            self._stop(running)
        elif taken_s > self.config.keeper.hedges_timeout_s:
            self._failed(
                f"it took more than keeper.hedges_timeout_s, {self.config.keeper.hedges_timeout_s:g} s"
            )
            self._stop(running)

    def _failed(self, reason: str) -> None:
        _log.warning("no hedges selected, the last file stays", reason=reason, fix=f"run `{_COMMAND}`")

    def _stop(self, running: _Running) -> None:
        self._running = None
        if running.process.is_alive():
            running.process.join(timeout=0.1)  # it has said all it had to say, or is to be ended
            running.process.kill()
        running.process.join(timeout=5.0)
        running.said.close()


def hedge_file(config: Config, system: System) -> HedgeFile | None:
    """Return where the selection for a chain is, None if the settings name no file."""
    if config.keeper.hedges is None:
        return None
    from seawall.keeper.hedges import HedgeFile

    oracle = system.oracle
    return HedgeFile(config.keeper.hedges, chain_id=int(oracle.w3.eth.chain_id), oracle=oracle.address)


def remembering(
    read: Callable[[], SelectedHedges | None], first: SelectedHedges | None
) -> Callable[[], SelectedHedges | None]:
    """Return a reader of selections that goes on with the last good one when there is none to be read, and says so.

    Parameters
    ----------
    read
        Returns the selection there is.
    first
        What it returned before.
    """
    last = first

    def latest() -> SelectedHedges | None:
        nonlocal last
        try:
            found = read()
        except DataError as error:
            if last is None:
                raise
            _log.warning("selected hedges cannot be read, the last ones stay", reason=str(error))
            return last
        if found is None and last is not None:
            _log.warning("the file of selected hedges is gone, the last ones stay")
        last = last if found is None else found
        return last

    return latest


def select_now(config: Config, *, progress: Callable[[int, int], None] | None = None) -> dict[str, str | int]:
    """Select hedges for what is listed now, write them to `keeper.hedges`, and return what was done.

    Raises
    ------
    ConfigError
        If there is no file to write to, or it cannot be written.
    DataError
        If no book uses any hedge: nothing is written then.
    SeawallError
        Whatever keeps a keeper from an epoch.
    """
    from seawall.cli.session import open_session
    from seawall.keeper.observing import compute_now, keeper_settings
    from seawall.keeper.selecting import select_listed

    system, settings = open_session(config).system(), keeper_settings(config)
    file = hedge_file(config, system)
    if file is None:
        raise ConfigError("there is no file to write hedges to. Fix: set keeper.hedges")
    file.prepare()
    view, computed = compute_now(config, system, settings=settings)
    selected = select_listed(view, computed, settings=settings, progress=progress)
    if not selected.hedges:
        raise DataError(
            "no book uses any hedge of what is listed, so nothing was written. "
            "Fix: select when dated instruments are listed, or leave keeper.hedges out"
        )
    file.write(selected)
    instruments = sum(len(page.instruments) for page in view.pages)
    return {
        "file": str(config.keeper.hedges),
        "instruments": instruments,
        "hedges": len(selected.hedges),
        "atoms a manifest has room for, at most": settings.model.atoms.per_instrument * instruments,
        "as of": selected.as_of,
    }


def _run(config: Config, select: Callable[[Config], Any], tells: Connection) -> None:
    """Select in a process of its own, and tell what came of it as (problem, result)."""
    from seawall.cli.logs import configure_logs

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it ends it
    with suppress(OSError, AttributeError):
        os.nice(_NICENESS)
    configure_logs(config.log)
    try:
        told: tuple[str | None, Any] = (None, {"hedges": select(config)["hedges"]})
    except SeawallError as error:
        told = (str(error), None)
    except Exception as error:  # what nobody foresaw must be said too
        told = (f"unexpected {type(error).__name__}: {error}", None)
    tells.send(told)
    tells.close()
