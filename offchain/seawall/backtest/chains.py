"""Snapshots of option chains, and the books of each family that are set up on them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from seawall.arrays import Bools, Floats, Ints
from seawall.margin.pricing import black_greeks
from seawall.market.readers import read_options
from seawall.market.schema import OptionQuotes

__all__ = ["FAMILIES", "OptionBooks", "Snapshot", "option_books", "read_snapshots"]

FAMILIES = (
    "single options",
    "single options, delta-hedged",
    "vertical spreads",
    "straddles and strangles",
    "risk reversals, delta-hedged",
    "calendars",
    "dispersion, delta-hedged",
    "market maker, delta-hedged",
)

_DAY_S = 86_400
_TENORS_D = (3.0, 10.0, 40.0)
_DEVIATIONS = (-1.5, -0.75, 0.0, 0.75, 1.5)
_LEAST_HOURS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Hold one underlying's chain at a time.

    Attributes
    ----------
    symbol
        The underlying.
    time_s
        When the last quote of it was known.
    spot
        Median index of its quotes.
    quotes
        As read.
    """

    symbol: str
    time_s: int
    spot: float
    quotes: OptionQuotes


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionBooks:
    """Hold the options that families use at a present, and the books.

    Attributes
    ----------
    owner, strike, forward, years, is_call, implied, delta, mark
        Of each option, (D,): underlying; strike and forward over the spot; time to expiry; volatility of its mark;
        delta; mark over the spot.
    row
        Of each option in its chain, (D,).
    options, spots
        Books, (N, D) and (N, M), in value of the underlying: 1 is an option on one settlement unit's worth of it.
    families
        Of each book, the number in `FAMILIES`, (N,).
    """

    owner: Ints
    strike: Floats
    forward: Floats
    years: Floats
    is_call: Bools
    implied: Floats
    delta: Floats
    mark: Floats
    row: Ints
    options: Floats
    spots: Floats
    families: Ints


def read_snapshots(path: Path) -> list[Snapshot]:
    """Return the snapshots of a file, oldest first."""
    found = []
    for quotes in read_options(path):
        edges = np.flatnonzero(np.diff(quotes.times_s) > 1800) + 1
        bounds = [0, *edges.tolist(), len(quotes.times_s)]
        for start, stop in pairwise(bounds):
            part = quotes.rows(slice(start, stop))
            found.append(
                Snapshot(
                    symbol=quotes.symbol,
                    time_s=int(part.times_s[-1]),
                    spot=float(np.median(part.index)),
                    quotes=part,
                )
            )
    return sorted(found, key=lambda s: s.time_s)


def option_books(chains: list[Snapshot], *, makers: int, seed: int) -> OptionBooks | None:
    """Return the books of all families on the chains of some underlyings; None if an expiry is missing.

    Three expiries, closest to 3, 10 and 40 days; five strikes each, at -1.5 to 1.5 deviations, out of the money but for
    the middle, which is there as call and put. Families: single options, vertical spreads, straddles and strangles,
    calendars, delta-hedged options, risk reversals, dispersion (straddles of one underlying against another's, hedged),
    and a dense market maker, hedged.

    Parameters
    ----------
    chains
        Of the same present, one an underlying.
    makers
        Random books of the market maker.
    seed
        Of their positions, which stay the same at all presents.
    """
    picked = [_pick(chain) for chain in chains]
    if any(rows is None for rows in picked):
        return None
    rows = [p for p in picked if p is not None]
    owner = np.repeat(np.arange(len(chains)), [len(r) for r in rows])
    parts = [chain.quotes.rows(r) for chain, r in zip(chains, rows, strict=True)]
    spots = np.array([chain.spot for chain in chains])[owner]

    def joined(name: str) -> Floats:
        found: Floats = np.concatenate([np.asarray(getattr(part, name), dtype=np.float64) for part in parts])
        return found

    years = (joined("expiry_s") - joined("times_s")) / (365.0 * _DAY_S)
    is_call = joined("is_call") > 0
    forward, strike, implied = joined("forward"), joined("strike"), joined("mark_iv")
    delta = _delta(forward, strike, implied, years, is_call)
    options, families = _families(len(chains), len(rows[0]), delta, makers=makers, seed=seed)
    hedged = np.array([name.endswith("hedged") for name in families])
    held = np.where(hedged[:, None], _net_delta(options, delta, owner, len(chains)), 0.0)
    return OptionBooks(
        owner=owner,
        strike=strike / spots,
        forward=forward / spots,
        years=years,
        is_call=is_call,
        implied=implied,
        delta=delta,
        mark=joined("mark") * joined("index") / spots,
        row=np.concatenate(rows),
        options=options,
        spots=-held,
        families=np.array([FAMILIES.index(name) for name in families], dtype=np.int64),
    )


def _pick(chain: Snapshot) -> Ints | None:
    """Return the rows of 6 options an expiry: put, put, put and call at the money, call, call; expiries in order."""
    quotes = chain.quotes
    hours = (quotes.expiry_s - chain.time_s) / 3600.0
    usable = (hours >= _LEAST_HOURS) & np.isfinite(quotes.mark_iv) & (quotes.mark_iv > 0)
    if not usable.any():
        return None
    expiries = np.unique(quotes.expiry_s[usable])
    days = (expiries - chain.time_s) / _DAY_S
    chosen: list[int] = []
    for tenor in _TENORS_D:
        order = np.argsort(np.abs(np.log(days / tenor)))
        nearest = next((int(i) for i in order if int(expiries[i]) not in chosen), None)
        if nearest is None:
            return None
        chosen.append(int(expiries[nearest]))
    rows = []
    for expiry in sorted(chosen):
        mine = np.flatnonzero(usable & (quotes.expiry_s == expiry))
        money = np.log(quotes.strike[mine] / quotes.forward[mine])
        middle = quotes.mark_iv[mine][np.argmin(np.abs(money))]
        deviations = money / (middle * np.sqrt(max(hours[mine[0]], 1.0) / 8760.0))
        for target in _DEVIATIONS:
            for call in (False, True):
                if (target < 0 and call) or (target > 0 and not call):
                    continue
                side = mine[quotes.is_call[mine] == call]
                if not len(side):
                    return None
                there = deviations[quotes.is_call[mine] == call]
                rows.append(int(side[np.argmin(np.abs(there - target))]))
    return np.array(rows, dtype=np.int64)


def _delta(forward: Floats, strike: Floats, implied: Floats, years: Floats, is_call: Bools) -> Floats:
    found: Floats = black_greeks(forward, strike, implied, years, is_call=is_call).delta
    return found


def _net_delta(options: Floats, delta: Floats, owner: Ints, underlyings: int) -> Floats:
    return np.column_stack([options[:, owner == u] @ delta[owner == u] for u in range(underlyings)])


def _families(
    underlyings: int, each: int, delta: Floats, *, makers: int, seed: int
) -> tuple[Floats, list[str]]:
    """Return positions in options and the family of each book, both sides of every structure."""
    total = underlyings * each
    books: list[Floats] = []
    names: list[str] = []

    def add(family: str, *legs: tuple[int, float]) -> None:
        for sign in (1.0, -1.0):
            book = np.zeros(total)
            for option, units in legs:
                book[option] += sign * units
            books.append(book)
            names.append(family)

    for u in range(underlyings):
        first = u * each
        for expiry in range(len(_TENORS_D)):
            low, below, put, call, above, high = range(first + 6 * expiry, first + 6 * expiry + 6)
            for option in (low, below, put, call, above, high):
                add("single options", (option, 1.0))
                add("single options, delta-hedged", (option, 1.0))
            add("vertical spreads", (call, 1.0), (above, -1.0))
            add("vertical spreads", (put, 1.0), (below, -1.0))
            add("vertical spreads", (above, 1.0), (high, -1.0))
            add("straddles and strangles", (call, 1.0), (put, 1.0))
            add("straddles and strangles", (above, 1.0), (below, 1.0))
            add("risk reversals, delta-hedged", (above, 1.0), (below, -1.0))
            if expiry:
                add("calendars", (call, 1.0), (call - 6, -1.0))
                add("calendars", (put, 1.0), (put - 6, -1.0))
    for other in range(1, underlyings):
        for expiry in range(len(_TENORS_D)):
            put, call = 6 * expiry + 2, 6 * expiry + 3
            one = np.abs(delta[[put, call]]).sum()
            two = np.abs(delta[[other * each + put, other * each + call]]).sum()
            ratio = -float(one / two)
            add(
                "dispersion, delta-hedged",
                (put, 1.0),
                (call, 1.0),
                (other * each + put, ratio),
                (other * each + call, ratio),
            )
    rng = np.random.Generator(np.random.PCG64(seed))
    for _ in range(makers):
        books.append(rng.standard_normal(total))
        names.append("market maker, delta-hedged")
    return np.stack(books), names
