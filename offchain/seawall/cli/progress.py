"""Shows how far a long command is: a bar on a terminal, plain lines elsewhere, both on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

__all__ = ["progress_shown"]

_LINE_EVERY_S = 5.0


@contextmanager
def progress_shown(what: str) -> Iterator[Callable[[int, int, str], None]]:
    """Give what is to be called with how many are done, of how many, and what is done now; a line every few seconds.

    Parameters
    ----------
    what
        Is counted, in the plural.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        started = shown = time.monotonic()

        def line(done: int, total: int, name: str) -> None:
            nonlocal shown
            now = time.monotonic()
            if done == total or now - shown >= _LINE_EVERY_S:
                shown = now
                click.echo(f"{done}/{total} {what} after {now - started:.0f} s: {name}", err=True)
                sys.stderr.flush()

        yield line
        return
    columns = (
        TextColumn(f"[bold]{what}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("starting", total=None)
        yield lambda done, total, name: bar.update(task, completed=done, total=total, description=name)
