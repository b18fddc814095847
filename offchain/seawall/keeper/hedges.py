"""Hedges selected before, in a file: instruments as the chain names them, so that it outlives columns and epochs.

::

    {"version": 1, "chainId": 31337, "oracle": "0x...", "asOf": 1768521600,
     "hedges": [[[page, slot, generation, lots], ...], ...]}

The first hedge is the last to be given up. A slot that was listed anew has another generation: what names the old one
no longer counts. Nothing in the file needs trust: hedges are priced every epoch, and other keepers hold each to their
own tail risk of its legs.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from seawall.errors import ConfigError, DataError
from seawall.keeper.listing import Listing
from seawall.keeper.view import ChainView
from seawall.margin.structures import Legs
from seawall.page.layout import ATOM, ATOM_LEGS, POSITION

__all__ = [
    "MAX_HEDGE_BYTES",
    "HedgeFile",
    "HedgeLeg",
    "HedgeUse",
    "SelectedHedges",
    "most_hedges",
    "use_hedges",
]

MAX_HEDGE_BYTES = 8 << 20
FILE_VERSION = 1

HedgeLeg = tuple[int, int, int, int]
"""Page, slot, generation, lots."""

# Hedges kept for every atom that pages have room for: some become useless, some find their page full.
_SPARE = 4

_DEEPEST = 16
_LAST_PAGE = 255
_LIMITS = {field.name: field.maximum for field in (*ATOM, *POSITION)}


@dataclass(frozen=True, kw_only=True, slots=True)
class SelectedHedges:
    """Hold a selection: whose it is, the time of its numbers in seconds, and the hedges, the most useful first."""

    chain_id: int
    oracle: str
    as_of: int
    hedges: tuple[tuple[HedgeLeg, ...], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class HedgeUse:
    """Hold what an epoch makes of a selection.

    Attributes
    ----------
    as_of
        Time of the selection, seconds.
    hedges
        On the columns of the epoch, the most useful first.
    dropped
        How many name an instrument that has expired, is gone, or was listed anew.
    uncovered
        How many live dated instruments no hedge names: with some of them it is time to select anew.
    instruments
        How many live dated instruments there are.
    """

    as_of: int
    hedges: tuple[Legs, ...]
    dropped: int
    uncovered: int
    instruments: int


def most_hedges(view: ChainView, *, per_instrument: int) -> int:
    """Return how many hedges are kept of a selection, given the most atoms an instrument."""
    return _SPARE * per_instrument * sum(len(page.instruments) for page in view.pages)


def use_hedges(selected: SelectedHedges, view: ChainView, listing: Listing, *, most: int) -> HedgeUse:
    """Return a selection on the columns of what is listed now, at most so many of them."""
    spots = len(view.underlyings)
    dated = range(spots, spots + len(listing.dated))
    alive = {c for c in listing.places if c not in dated or listing.dated[c - spots].hours > 0}
    columns = {
        instrument: int(column)
        for instrument, column in zip(view.columns, listing.columns, strict=True)
        if column in alive
    }
    found: list[Legs] = []
    dropped = 0
    for hedge in selected.hedges:
        legs = {columns.get(leg[:3], -1): leg[3] for leg in hedge}
        if -1 in legs or len(legs) < len(hedge):
            dropped += 1
        else:
            found.append(tuple(sorted(legs.items())))
    kept = tuple(found[:most])
    named = {column for column, _ in chain.from_iterable(kept)}
    live = alive.intersection(dated)
    return HedgeUse(
        as_of=selected.as_of, hedges=kept, dropped=dropped, uncovered=len(live - named), instruments=len(live)
    )


class HedgeFile:
    """Read and write the selection for one oracle.

    Parameters
    ----------
    path
        JSON file; need not be there.
    chain_id, oracle
        Whose selection it must be.
    """

    def __init__(self, path: Path, *, chain_id: int, oracle: str) -> None:
        self._path, self._chain_id, self._oracle = path, chain_id, oracle

    def read(self) -> SelectedHedges | None:
        """Return the selection, None if there is no file.

        Raises
        ------
        DataError
            If the file cannot be read, is too large, malformed, or another chain's.
        """
        path = self._path
        try:
            with path.open("rb") as file:
                content = file.read(MAX_HEDGE_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}. Fix: correct keeper.hedges") from error
        if len(content) > MAX_HEDGE_BYTES:
            raise DataError(
                f"{path.name} has more than {MAX_HEDGE_BYTES:,} bytes. Fix: run `seawall keeper hedges` again"
            )
        try:
            _refuse_deep(content)
            selected = _decoded(json.loads(content))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DataError(
                f"{path.name} holds no hedges ({error}). Fix: run `seawall keeper hedges` again"
            ) from error
        if (selected.chain_id, selected.oracle.lower()) != (self._chain_id, self._oracle.lower()):
            raise DataError(
                f"{path.name} is for oracle {selected.oracle} on chain {selected.chain_id}, this is"
                f" {self._oracle} on chain {self._chain_id}. Fix: correct keeper.hedges, or run `seawall keeper hedges`"
            )
        return selected

    def prepare(self) -> None:
        """Find out that the file can be written before it takes minutes to have something to write.

        Raises
        ------
        ConfigError
            If it cannot.
        """
        self._write(b"", done=False)

    def write(self, selected: SelectedHedges) -> None:
        """Write a selection in one step: whoever reads finds the old one or the new one.

        Raises
        ------
        ConfigError
            If it cannot be written.
        DataError
            If it is larger than what is read.
        """
        hedges = ",\n".join(json.dumps(hedge, separators=(",", ":")) for hedge in selected.hedges)
        head = {
            "version": FILE_VERSION,
            "chainId": selected.chain_id,
            "oracle": selected.oracle,
            "asOf": selected.as_of,
        }
        content = f'{json.dumps(head)[:-1]}, "hedges": [\n{hedges}\n]}}\n'.encode()
        if len(content) > MAX_HEDGE_BYTES:
            raise DataError(
                f"{len(selected.hedges):,} hedges take more than {MAX_HEDGE_BYTES:,} bytes: keep fewer"
            )
        self._write(content, done=True)

    def _write(self, content: bytes, *, done: bool) -> None:
        # Of this process alone: another may select at the same time.
        partial = self._path.with_name(f"{self._path.name}.{os.getpid()}.partial")
        try:
            partial.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(content)
            if done:
                partial.replace(self._path)
            else:
                partial.unlink()
        except OSError as error:
            raise ConfigError(
                f"cannot write {self._path}: {error.strerror}. Fix: correct keeper.hedges"
            ) from error


def _refuse_deep(content: bytes) -> None:
    """Refuse nesting that no selection has: where libraries let Python recurse far, it would end the process."""
    text = np.frombuffer(content, dtype=np.uint8)
    opened = np.isin(text, np.frombuffer(b"[{", dtype=np.uint8)).astype(np.int8)
    closed = np.isin(text, np.frombuffer(b"]}", dtype=np.uint8)).astype(np.int8)
    if np.cumsum(opened - closed, dtype=np.int64).max(initial=0) > _DEEPEST:
        raise ValueError(f"it is nested more than {_DEEPEST} deep")


def _decoded(values: Any) -> SelectedHedges:
    if not isinstance(values, dict):
        raise TypeError("it is not an object")
    if values["version"] != FILE_VERSION:
        raise ValueError(f"version {values['version']}, not {FILE_VERSION}")
    if not isinstance(values["oracle"], str) or not isinstance(values["hedges"], list):
        raise TypeError("oracle must be an address, hedges a list")
    return SelectedHedges(
        chain_id=_integer(values["chainId"], "chainId", 0, (1 << 256) - 1),
        oracle=values["oracle"],
        as_of=_integer(values["asOf"], "asOf", 0, (1 << 40) - 1),
        hedges=tuple(_hedge(hedge, f"hedge {i}") for i, hedge in enumerate(values["hedges"])),
    )


def _hedge(legs: Any, where: str) -> tuple[HedgeLeg, ...]:
    if not isinstance(legs, list) or not 2 <= len(legs) <= ATOM_LEGS:
        raise TypeError(f"{where} must have 2 to {ATOM_LEGS} legs")
    found = tuple(_leg(leg, where) for leg in legs)
    if len({leg[:2] for leg in found}) < len(found):
        raise ValueError(f"{where} names a slot twice")
    return found


def _leg(leg: Any, where: str) -> HedgeLeg:
    if not isinstance(leg, list) or len(leg) != 4:
        raise TypeError(f"a leg of {where} must be page, slot, generation, lots")
    lots = _integer(leg[3], f"lots of {where}", -_LIMITS["ratio_0"], _LIMITS["ratio_0"])
    if not lots:
        raise ValueError(f"lots of {where} are 0")
    return (
        _integer(leg[0], f"page of {where}", 0, _LAST_PAGE),
        _integer(leg[1], f"slot of {where}", 0, _LIMITS["slot"]),
        _integer(leg[2], f"generation of {where}", 0, _LIMITS["generation"]),
        lots,
    )


def _integer(value: Any, name: str, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{name} must be a whole number of {least} to {most}")
    return value
