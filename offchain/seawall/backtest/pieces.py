"""The work of a backtest cut into pieces that processes share and that are kept once they are done."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import TYPE_CHECKING, Any

from seawall.arrays import Floats
from seawall.backtest.store import PieceStore
from seawall.errors import ConfigError, StopError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Piece", "Progress", "compute_pieces"]

# Longest that one piece may take before the run is given up.
_PIECE_TIMEOUT_S = 3_600.0

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Name a piece of work.

    Attributes
    ----------
    name
        For people and for the file.
    key
        Digest of everything its result depends on.
    function
        Defined in a module, so that processes can find it; returns columns of equal length.
    arguments
        What it is called with.
    """

    name: str
    key: str
    function: Callable[..., Mapping[str, Floats]]
    arguments: tuple[Any, ...]


def compute_pieces(
    pieces: Sequence[Piece], store: PieceStore, *, jobs: int | None, progress: Progress
) -> dict[str, pd.DataFrame]:
    """Return the tables of all pieces by name: those of the store, and the others computed and kept.

    Parameters
    ----------
    pieces
        Of different names.
    store
        Where they are kept.
    jobs
        Processes, with one thread an array each: on more the last bits depend. None computes in this one.
    progress
        Called with pieces done, all pieces, and the name of the last.

    Raises
    ------
    ConfigError
        If a process died or a piece took too long.
    """
    if jobs is not None and jobs < 1:
        raise ConfigError(f"--jobs {jobs}: must be at least 1")
    found: dict[str, pd.DataFrame] = {}
    missing = []
    for piece in pieces:
        table = store.load(piece.name, piece.key)
        if table is None:
            missing.append(piece)
        else:
            found[piece.name] = table
    done = len(found)
    if done:
        progress(done, len(pieces), "kept from before")

    def finish(piece: Piece, table: Mapping[str, Floats]) -> None:
        nonlocal done
        store.save(piece.name, piece.key, table)
        kept = store.read(piece.name, piece.key)
        found[piece.name] = kept
        done += 1
        progress(done, len(pieces), piece.name)

    if jobs is None:
        for piece in missing:
            finish(piece, piece.function(*piece.arguments))
    elif missing:
        _in_processes(missing, min(jobs, len(missing)), finish)
    return found


def _in_processes(
    pieces: Sequence[Piece], jobs: int, finish: Callable[[Piece, Mapping[str, Floats]], None]
) -> None:
    # Each process has a core to itself: more threads an array only get in each other's way.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    context = get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_end_with_parent) as pool:
        running: dict[Future[Mapping[str, Floats]], Piece] = {}
        waiting = list(reversed(pieces))
        try:
            while waiting or running:
                while waiting and len(running) < 2 * jobs:
                    piece = waiting.pop()
                    running[pool.submit(piece.function, *piece.arguments)] = piece
                ready, _ = wait(running, timeout=_PIECE_TIMEOUT_S, return_when=FIRST_COMPLETED)
                if not ready:
                    raise StopError(f"no piece was finished in {_PIECE_TIMEOUT_S:.0f} s. Fix: start again")
                for future in ready:
                    finish(running.pop(future), future.result())
        except BrokenProcessPool as error:
            raise ConfigError(
                "a process of the backtest died. Fix: use fewer --jobs and start again"
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _end_with_parent() -> None:
    """Let this process end when the one that started it does, however that ended: it would wait for work forever."""
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()
