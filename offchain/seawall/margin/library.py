"""Every hedge of two or three instruments worth a thought: the library that atoms are selected from, now and then.

Far larger than `structures`: any two options of an underlying against or beside each other, in several ratios, plain
and hedged. It is searched when listings or deltas have moved, not every epoch.
"""

from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations, permutations

import numpy as np

from seawall.arrays import Floats, Ints
from seawall.margin.instruments import Chain
from seawall.margin.structures import Legs, structures

__all__ = ["hedge_library"]

# Lots of the first and of the second option.
_PAIRS = ((1, -1), (2, -1), (1, -2), (3, -2), (2, -3), (1, 1), (2, 1), (1, 2))

# Parts of an option's delta that its spot may offset.
_PARTS = (0.5, 0.75, 1.0, 1.25, 1.5)

# Value of the second spot, and of a second and a third, per value of the first.
_SPOT_RATIOS = (0.2, 0.35, 0.5, 0.65, 0.8, 1.0, 1.25)
_SPOT_PAIRS = ((0.3, 0.2), (0.3, 0.4), (0.3, 0.7), (0.6, 0.2), (0.6, 0.4), (0.9, 0.2))

# Options of two underlyings are alike if deltas and maturities are so close.
_DELTA_APART, _MATURITY_RATIO = 0.12, 1.7
_ACROSS = (0.5, 0.7, 1.0)

# Pairs across underlyings are hedged in steps of one spot to so many of them.
_FINER = 10

_LARGEST_LOTS = 32_767


def hedge_library(
    chain: Chain, delta: Floats, lot_value: Floats, *, largest_ratio: int, neighbours: int
) -> list[Legs]:
    """Return hedges, each once and on one side, in a fixed order; parameters as for `structures`."""
    found = dict.fromkeys(
        structures(chain, delta, lot_value, largest_ratio=largest_ratio, neighbours=neighbours)
    )
    spots = len(lot_value)
    for u in range(spots):
        alive: Ints = np.flatnonzero(chain.alive & (chain.underlying == u))
        held = _Hedged(u, spots, delta, largest_ratio)
        for group in (
            _hedges(held, chain, alive),
            _pairs(held, chain, alive),
            _butterflies(chain, alive, spots),
        ):
            found.update(dict.fromkeys(map(_bought, group)))
    for group in (_spots(lot_value), _across(chain, delta, lot_value)):
        found.update(dict.fromkeys(map(_bought, group)))
    return list(found)


def _bought(legs: Legs) -> Legs:
    """Return the side of a hedge on which its first leg is held long."""
    return legs if legs[0][1] > 0 else tuple((column, -lots) for column, lots in legs)


class _Hedged:
    """Offset the delta of dated legs by their spot, in whole ratios."""

    def __init__(self, spot: int, spots: int, delta: Floats, largest: int) -> None:
        self.spot, self.spots, self.delta, self.largest = spot, spots, delta.tolist(), largest

    def legs(self, parts: tuple[tuple[int, int], ...], *, share: float = 1.0) -> Legs | None:
        """Return dated legs with the spot that offsets so much of their delta, if that is not next to nothing."""
        total = share * sum(lots * self.delta[i] for i, lots in parts)
        ratio = Fraction(total).limit_denominator(self.largest)
        if not ratio:
            return None
        scaled = [(i + self.spots, lots * ratio.denominator) for i, lots in parts]
        return tuple(sorted([(self.spot, -ratio.numerator), *scaled]))


def _hedges(held: _Hedged, chain: Chain, alive: Ints) -> Iterator[Legs]:
    """Yield everything dated against its spot, and options against futures."""
    futures = [i for i in alive.tolist() if not chain.is_option[i]]
    for i in alive.tolist():
        for share in _PARTS:
            legs = held.legs(((i, 1),), share=share)
            if legs is not None:
                yield legs
        for future in futures if chain.is_option[i] else []:
            ratio = Fraction(held.delta[i] / held.delta[future]).limit_denominator(held.largest)
            if ratio:
                pair = ((i + held.spots, ratio.denominator), (future + held.spots, -ratio.numerator))
                yield tuple(sorted(pair))


def _pairs(held: _Hedged, chain: Chain, alive: Ints) -> Iterator[Legs]:
    """Yield two options of one underlying, plain and hedged."""
    for first, second in combinations([i for i in alive.tolist() if chain.is_option[i]], 2):
        for a, b in _PAIRS:
            parts = ((first, a), (second, b))
            yield tuple(sorted((i + held.spots, lots) for i, lots in parts))
            legs = held.legs(parts)
            if legs is not None:
                yield legs


def _butterflies(chain: Chain, alive: Ints, spots: int) -> Iterator[Legs]:
    """Yield three strikes of one expiry and payoff, the middle against what lies on the line between the outer ones."""
    options = [i for i in alive.tolist() if chain.is_option[i]]
    options.sort(key=lambda i: (chain.hours[i], chain.is_call[i], chain.strike[i]))
    for low, mid, high in combinations(options, 3):
        if chain.hours[low] != chain.hours[high] or chain.is_call[low] != chain.is_call[high]:
            continue
        part = (chain.strike[high] - chain.strike[mid]) / (chain.strike[high] - chain.strike[low])
        ratio = Fraction(float(part)).limit_denominator(8)
        if 0 < ratio < 1:
            lots = (ratio.numerator, -ratio.denominator, ratio.denominator - ratio.numerator)
            yield tuple(sorted((i + spots, q) for i, q in zip((low, mid, high), lots, strict=True)))


def _lots_of_value(ratio: float) -> tuple[int, int] | None:
    """Return few lots (of the first, of the second) whose quotient, second over first, is close to a ratio."""
    for limit in (8, 64, 1024, _LARGEST_LOTS):
        close = Fraction(ratio).limit_denominator(limit)
        if close and abs(float(close) / ratio - 1.0) <= 0.05 and close.numerator <= _LARGEST_LOTS:
            return close.denominator, close.numerator
    return None


def _spots(lot_value: Floats) -> Iterator[Legs]:
    """Yield spots against each other, two and three."""
    spots = range(len(lot_value))
    for a, b in permutations(spots, 2):
        for ratio in _SPOT_RATIOS:
            lots = _lots_of_value(ratio * float(lot_value[a] / lot_value[b]))
            if lots is not None:
                yield tuple(sorted(((a, lots[0]), (b, -lots[1]))))
    for a, b, c in permutations(spots, 3):
        for shares in _SPOT_PAIRS:
            second, third = (
                Fraction(share * float(lot_value[a] / lot_value[u])).limit_denominator(64)
                for share, u in zip(shares, (b, c), strict=True)
            )
            whole = second.denominator * third.denominator
            lots_b, lots_c = int(second * whole), int(third * whole)
            if lots_b and lots_c and max(whole, lots_b, lots_c) <= _LARGEST_LOTS:
                for side in (-1, 1):
                    yield tuple(sorted(((a, whole), (b, -lots_b), (c, side * lots_c))))


def _across(chain: Chain, delta: Floats, lot_value: Floats) -> Iterator[Legs]:
    """Yield options of two underlyings that are alike against each other, plain and with either spot."""
    spots = len(lot_value)
    for a, b in combinations(range(spots), 2):
        options = [np.flatnonzero(chain.alive & chain.is_option & (chain.underlying == u)) for u in (a, b)]
        for i in options[0].tolist():
            others = options[1][chain.is_call[options[1]] == chain.is_call[i]]
            apart = np.abs(np.log(chain.hours[others] / chain.hours[i]))
            close = (np.abs(delta[others] - delta[i]) <= _DELTA_APART) & (apart <= np.log(_MATURITY_RATIO))
            for j in others[close].tolist():
                for ratio in _ACROSS:
                    lots = _lots_of_value(ratio * float(lot_value[a] / lot_value[b]))
                    if lots is None:
                        continue
                    pair = ((i + spots, lots[0]), (j + spots, -lots[1]))
                    yield pair
                    fine = tuple((column, _FINER * held) for column, held in pair)
                    rest = (lots[0] * float(delta[i]), -lots[1] * float(delta[j]))
                    for spot, left in zip((a, b), rest, strict=True):
                        hedge = -round(_FINER * left)
                        if hedge and _FINER * max(lots) <= _LARGEST_LOTS:
                            yield tuple(sorted((*fine, (spot, hedge))))
