"""A book of instruments by name, from a YAML file.

::

    at: 2019-06-26T20:00:00Z       # the time to judge it at; the newest bar if left out
    cash: 100_000                  # settlement tokens; 0 if left out
    positions:
      BTC-SPOT: 2                  # a token held as collateral
      BTC-PERP: -1.5               # units of the underlying, negative if sold
      BTC-27SEP19: 1               # a future
      BTC-27SEP19-14000-C: -4      # a call; -P is a put

Names are those that option exchanges use; dated instruments expire at 08:00 UTC.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import yaml

from seawall.arrays import Floats
from seawall.errors import InputError
from seawall.margin.instruments import Dated, Payoff

__all__ = ["Book", "Instrument", "parse_instrument", "read_book", "read_yaml"]

_EXPIRY_HOUR = 8
_MOST_UNITS = 1e15  # more than the contracts hold of anything, and squares of it are still numbers
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_NAME = re.compile(r"([A-Z0-9]{1,16})-(?:(SPOT|PERP)|(\d{1,2})([A-Z]{3})(\d{2})(?:-(\d+(?:\.\d+)?)-([CP]))?)")
_KEYS = ("at", "cash", "positions")


@dataclass(frozen=True, kw_only=True, slots=True)
class Instrument:
    """Hold what a name says.

    Attributes
    ----------
    name, symbol
        As written, and the underlying in it.
    payoff
        What it pays at expiry; None for spots and perpetuals.
    spot
        Whether it is the token itself.
    strike
        Settlement tokens; 0 if it is no option.
    expires_at
        Seconds since 1970; 0 if it does not expire.
    """

    name: str
    symbol: str
    payoff: Payoff | None = None
    spot: bool = False
    strike: float = 0.0
    expires_at: int = 0

    def dated(self, *, underlying: int, price: float, now_s: int) -> Dated:
        """Return it as the model sees it, `underlying` its column and `price` the reference spot."""
        if self.payoff is None:
            raise InputError(f"{self.name} does not expire")
        return Dated(
            underlying=underlying,
            payoff=self.payoff,
            strike=self.strike / price,
            hours=(self.expires_at - now_s) / 3600.0,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Book:
    """Hold positions, and when to judge them.

    Attributes
    ----------
    instruments
        Spots and perpetuals first, then dated ones; in the order of the file otherwise.
    quantities
        Signed units of the underlying, one an instrument.
    cash
        Settlement tokens.
    at_s
        Seconds since 1970; None: the newest bar.
    """

    instruments: tuple[Instrument, ...]
    quantities: Floats
    cash: float = 0.0
    at_s: int | None = None

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return the underlyings, each once."""
        return tuple(dict.fromkeys(i.symbol for i in self.instruments))

    @property
    def standing(self) -> int:
        """Return how many instruments do not expire; they come first."""
        return sum(i.payoff is None for i in self.instruments)


def parse_instrument(name: str) -> Instrument:
    """Return what a name such as `BTC-PERP` or `ETH-27SEP19-250-P` says.

    Raises
    ------
    InputError
        If it is no such name.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise InputError(
            f"{name} is no instrument. Fix: write BTC-SPOT, BTC-PERP, BTC-27SEP19 or BTC-27SEP19-14000-C"
        )
    symbol, standing, day, month, year, strike, right = match.groups()
    if standing is not None:
        return Instrument(name=name, symbol=symbol, spot=standing == "SPOT")
    try:
        expiry = date(2000 + int(year), _MONTHS.index(month) + 1, int(day))
    except ValueError as error:
        raise InputError(f"{name} expires on no day there is. Fix: write the expiry like 27SEP19") from error
    at = datetime(expiry.year, expiry.month, expiry.day, _EXPIRY_HOUR, tzinfo=UTC)
    payoff = Payoff.FUTURE if right is None else Payoff.CALL if right == "C" else Payoff.PUT
    level = float(strike) if strike else 0.0
    if right is not None and level <= 0:
        raise InputError(f"{name} has no strike. Fix: give it a positive one")
    return Instrument(name=name, symbol=symbol, payoff=payoff, strike=level, expires_at=int(at.timestamp()))


def read_book(path: Path) -> Book:
    """Return the book of a file.

    Raises
    ------
    InputError
        If it cannot be read, holds what it should not, or no position.
    """
    found = read_yaml(path, "book", "positions: {BTC-PERP: -1.5}")
    if not isinstance(found, dict) or not isinstance(found.get("positions"), dict) or not found["positions"]:
        raise InputError(
            f"{path.name} lists no positions. Fix: add `positions:` with lines like `BTC-PERP: -1.5`"
        )
    unknown = [str(key) for key in found if key not in _KEYS]
    if unknown:
        raise InputError(f"{path.name}: {unknown[0]} means nothing. Fix: use {', '.join(_KEYS)}")
    held = _positions(found["positions"], path.name)
    if not any(held.values()):
        raise InputError(f"{path.name} holds nothing: every position is 0. Fix: give one another quantity")
    order = sorted(held, key=lambda i: i.payoff is not None)
    return Book(
        instruments=tuple(order),
        quantities=np.array([held[i] for i in order]),
        cash=_number(found.get("cash", 0), f"{path.name}: cash"),
        at_s=_time(found["at"], path.name) if "at" in found else None,
    )


def read_yaml(path: Path, what: str, example: str) -> object:
    """Return what a YAML file holds.

    Parameters
    ----------
    what, example
        What the file is, and a line of one, for people.

    Raises
    ------
    InputError
        If it cannot be read, or is not YAML.
    """
    fix = f"Fix: give a YAML file such as `{example}`"
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read the {what} {path}: {error.strerror}. {fix}") from error
    except (ValueError, yaml.YAMLError) as error:  # of a date that there is not, too
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise InputError(f"cannot read the {what} {path}: it is not YAML{where}. {fix}") from error


def _positions(listed: Mapping[object, object], where: str) -> dict[Instrument, float]:
    held: dict[Instrument, float] = {}
    for name, quantity in listed.items():
        instrument = parse_instrument(str(name))
        held[instrument] = _number(quantity, f"{where}: {name}")
        if abs(held[instrument]) > _MOST_UNITS:
            raise InputError(f"{where}: {name} is {quantity}. Fix: give at most {_MOST_UNITS:.0e} units")
        if instrument.spot and held[instrument] < 0:
            raise InputError(
                f"{where}: {name} is negative. Fix: sell a perpetual instead; a token cannot be sold short"
            )
    return held


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise InputError(f"{name} is {value}. Fix: give a finite number")
    return float(value)


def _time(value: object, where: str) -> int:
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError as error:
        raise InputError(f"{where}: at is {value}. Fix: write it like 2019-06-26T20:00:00Z") from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
