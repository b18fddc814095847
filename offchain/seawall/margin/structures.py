"""The hedges that traders hold, two or three instruments in whole ratios: what atoms are chosen from."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations, pairwise

import numpy as np

from seawall.arrays import Floats
from seawall.margin.instruments import Chain

__all__ = ["Legs", "structures", "verticals"]

# (column, lots) pairs in order of column: dated instruments stand behind the underlyings' spots.
Legs = tuple[tuple[int, int], ...]

# Hedge ratios tried besides an option's own delta: the delta that counts in a tail is another.
_HEDGES = (0.25, 0.5, 0.75, 1.0)

# How many expiries further the second leg of a calendar spread may lie.
_CALENDARS = 2

# Strikes of two underlyings, each over its spot, are near if their logarithms are this close.
_ALIKE = 0.06

# Ratios across underlyings are exact to this fraction if 16 bits can be.
_PRECISION, _LARGEST_LOTS = 0.01, 32_767


def structures(
    chain: Chain, delta: Floats, lot_value: Floats, *, largest_ratio: int, neighbours: int
) -> list[Legs]:
    """Return hedges, each once and on one side, in a fixed order.

    Per underlying: options against the spot at several ratios; straddles and strangles, plain and hedged; vertical
    spreads, butterflies and risk reversals; calendar spreads, plain and hedged; conversions against spot and future;
    futures against spot and each other. Across underlyings: spots of equal value, and options of one payoff and expiry
    at the nearest strike, likewise.

    Parameters
    ----------
    chain
        Dated instruments, D; expired ones are left out.
    delta
        Of each, (D,).
    lot_value
        Spot price of a lot by underlying, (M,), in any one unit.
    largest_ratio
        Most lots of an option in a hedge.
    neighbours
        How many strikes further the second strike may lie.
    """
    found: dict[Legs, None] = {}
    for underlying in range(len(lot_value)):
        alive = np.flatnonzero(chain.alive & (chain.underlying == underlying))
        group = _Group(chain, delta, alive.tolist(), underlying, len(lot_value), largest_ratio)
        for legs in group.all(neighbours):
            found.setdefault(_bought(legs))
    for a, b in combinations(range(len(lot_value)), 2):
        lots = _equal_value(float(lot_value[a]), float(lot_value[b]))
        if lots is not None:
            found.setdefault(((a, lots[0]), (b, -lots[1])))
            for first, second in _alike(chain, a, b):
                pair = ((len(lot_value) + first, lots[0]), (len(lot_value) + second, -lots[1]))
                found.setdefault(_bought(tuple(sorted(pair))))
    return list(found)


def verticals(chain: Chain, *, columns: int) -> frozenset[Legs]:
    """Return the spreads of neighbouring strikes, on one side: sums of them are all vertical spreads of an expiry.

    A vertical spread loses its price at most, or its width less that; both add up over neighbours.

    Parameters
    ----------
    chain
        Dated instruments; expired ones are left out.
    columns
        How many columns, the underlyings' spots, stand before the first dated one.
    """
    found = []
    alive = np.flatnonzero(chain.alive & chain.is_option).tolist()
    alike = {i: (int(chain.underlying[i]), float(chain.hours[i]), bool(chain.is_call[i])) for i in alive}
    ranked = sorted(alive, key=lambda i: (*alike[i], float(chain.strike[i])))
    for low, high in pairwise(ranked):
        if alike[low] == alike[high]:
            found.append(_bought(tuple(sorted(((columns + low, 1), (columns + high, -1))))))
    return frozenset(found)


def _bought(legs: Legs) -> Legs:
    """Return the side of a hedge on which its first leg is held long."""
    return legs if legs[0][1] > 0 else tuple((column, -lots) for column, lots in legs)


def _alike(chain: Chain, a: int, b: int) -> Iterator[tuple[int, int]]:
    """Yield options of two underlyings that pay alike, each of the first with the nearest strike of the second."""
    options = [np.flatnonzero(chain.alive & chain.is_option & (chain.underlying == u)) for u in (a, b)]
    for option in options[0].tolist():
        same = (chain.is_call == chain.is_call[option]) & (chain.hours == chain.hours[option])
        others = options[1][same[options[1]]]
        if len(others):
            distance = np.abs(np.log(chain.strike[others] / chain.strike[option]))
            if distance.min() <= _ALIKE:
                yield option, int(others[distance.argmin()])


def _equal_value(a: float, b: float) -> tuple[int, int] | None:
    """Return few lots of two underlyings that are worth about the same."""
    if a < b:
        swapped = _equal_value(b, a)
        return None if swapped is None else (swapped[1], swapped[0])
    ratio = Fraction(b / a)
    for limit in (8, 64, 1024, _LARGEST_LOTS):
        close = ratio.limit_denominator(limit)
        if close and abs(float(close / ratio) - 1.0) <= _PRECISION:
            return close.numerator, close.denominator
    return None


class _Group:
    """Enumerate the structures of one underlying."""

    def __init__(
        self, chain: Chain, delta: Floats, alive: Sequence[int], spot: int, columns: int, largest: int
    ) -> None:
        self.spot, self.largest, self.shift = spot, largest, columns
        self.delta = {i: float(delta[i]) for i in alive}
        self.futures = [i for i in alive if not chain.is_option[i]]
        self.hours = {i: float(chain.hours[i]) for i in alive}
        self.strike = {i: float(chain.strike[i]) for i in alive}
        self.expiries = sorted({self.hours[i] for i in alive if chain.is_option[i]})
        options = sorted(
            (i for i in alive if chain.is_option[i]), key=lambda i: (self.hours[i], self.strike[i])
        )
        self.calls, self.puts = (
            {
                hours: [i for i in options if chain.is_call[i] == side and self.hours[i] == hours]
                for hours in self.expiries
            }
            for side in (True, False)
        )

    def all(self, neighbours: int) -> Iterator[Legs]:
        """Yield every structure, some more than once."""
        for hours in self.expiries:
            calls, puts = self.calls[hours], self.puts[hours]
            for option in calls + puts:
                yield from self.hedged((option, 1))
            yield from self.pairs(calls, puts, neighbours)
            for chosen in (calls, puts):
                yield from self.spreads(chosen, neighbours)
        yield from self.calendars()
        for future in self.futures:
            yield self.legs((future, 1), (self.spot - self.shift, -1))
        for near, far in combinations(self.futures, 2):
            yield self.legs((near, 1), (far, -1))

    def legs(self, *parts: tuple[int, int]) -> Legs:
        """Return (dated index or spot, lots) as legs in order of column."""
        return tuple(sorted((i + self.shift, lots) for i, lots in parts))

    def hedged(self, *parts: tuple[int, int], fixed: bool = True) -> Iterator[Legs]:
        """Yield a combination with the spot that offsets its delta, an option also with round numbers of it."""
        total = sum(lots * self.delta[i] for i, lots in parts)
        sign = 1 if total >= 0 else -1
        tried = [total, *(sign * hedge for hedge in _HEDGES if fixed)]
        for ratio in dict.fromkeys(Fraction(t).limit_denominator(self.largest) for t in tried):
            if ratio:
                scaled = [(i, lots * ratio.denominator) for i, lots in parts]
                yield self.legs(*scaled, (self.spot - self.shift, -ratio.numerator))

    def pairs(self, calls: Sequence[int], puts: Sequence[int], neighbours: int) -> Iterator[Legs]:
        """Yield straddles, strangles, risk reversals and conversions of one expiry."""
        for call in calls:
            below = [put for put in puts if self.strike[put] <= self.strike[call]]
            for put in below[-1 - neighbours :]:
                yield self.legs((call, 1), (put, 1))
                yield from self.hedged((call, 1), (put, 1), fixed=False)
                if self.strike[put] < self.strike[call]:
                    yield from self.hedged((call, 1), (put, -1), fixed=False)
                    continue
                yield self.legs((call, 1), (put, -1), (self.spot - self.shift, -1))
                for future in self.futures:
                    if self.hours[future] == self.hours[call]:
                        yield self.legs((call, 1), (put, -1), (future, -1))

    def spreads(self, options: Sequence[int], neighbours: int) -> Iterator[Legs]:
        """Yield verticals, plain and hedged, and butterflies of one expiry."""
        for at, low in enumerate(options):
            for high in options[at + 1 : at + 1 + neighbours]:
                yield self.legs((low, 1), (high, -1))
                yield from self.hedged((low, 1), (high, -1), fixed=False)
            if at + 2 < len(options):
                yield self.legs((low, 1), (options[at + 1], -2), (options[at + 2], 1))

    def calendars(self) -> Iterator[Legs]:
        """Yield the same option of two expiries, plain and hedged."""
        for at, near in enumerate(self.expiries):
            for far in self.expiries[at + 1 : at + 1 + _CALENDARS]:
                for side in (self.calls, self.puts):
                    strikes = {self.strike[i]: i for i in side[far]}
                    for option in side[near]:
                        other = strikes.get(self.strike[option])
                        if other is not None:
                            yield self.legs((option, -1), (other, 1))
                            yield from self.hedged((option, -1), (other, 1), fixed=False)
