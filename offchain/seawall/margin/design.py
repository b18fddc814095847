"""Books nobody holds yet: what lanes must also cover, and what they are tried on afterwards."""

from collections.abc import Callable
from itertools import combinations, product

import numpy as np

from seawall.arrays import Floats, Ints, checked
from seawall.margin.instruments import Chain

__all__ = ["design_books", "probe_books", "trader_books"]

# With at most this many instruments every sign pattern is a design book.
_ENUMERATED_INSTRUMENTS = 5

# Second leg of a design pair per unit of risk of the first.
_PAIR_RATIOS = (0.5, 1.0, 2.0)

# With at most this many instruments every pair is a design book.
_PAIRED_INSTRUMENTS = 20

# Sizes of legs are log-normal with this deviation of the logarithm, hedges this far from exact, either way.
_SIZE_DEVIATION, _HEDGE_ERROR = 0.5, 0.2

# Books of few legs hold at most so many, and in spreads so much of the second per unit of the first.
_FEW, _SPREAD_RATIOS = 12, (0.5, 0.7, 1.0, 1.0, 1.5, 2.0)


def _generator(seed: int, stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([seed, stream]))


def design_books(pnl: Floats, weights: Floats, *, random_books: int, seed: int) -> Floats:
    """Return books spread over all directions of risk, in units of each instrument, (N, M).

    Single legs; all sign patterns of equal risk (up to five instruments; else all-long and all-short);
    pairs at three ratios (up to twenty instruments); and random directions, half in units of each leg's
    risk, half also decorrelated,
    so that hedged books count.

    Parameters
    ----------
    pnl
        P&L of one unit of each instrument, (S, M).
    weights
        Scenario probabilities, (S,).
    random_books
        How many random directions.
    seed
        The same seed gives the same books.
    """
    cube = checked(pnl, name="pnl", shape=(None, None))
    instruments = cube.shape[1]
    covariance = cube.T @ (weights[:, None] * cube)
    variance = np.diag(covariance)
    risk = np.sqrt(np.where(variance > 0, variance, 1.0))
    books = [np.eye(instruments), -np.eye(instruments)]
    if instruments <= _ENUMERATED_INSTRUMENTS:
        patterns = [p for p in product((-1.0, 0.0, 1.0), repeat=instruments) if np.count_nonzero(p) > 1]
        books.append(np.array(patterns, dtype=np.float64).reshape(-1, instruments))
    else:
        books += [np.ones((1, instruments)), -np.ones((1, instruments))]
    pairs = list(combinations(range(instruments if instruments <= _PAIRED_INSTRUMENTS else 0), 2))
    shapes = [(pair, ratio, sign) for pair in pairs for ratio in _PAIR_RATIOS for sign in (1.0, -1.0)]
    hedges = np.zeros((2 * len(shapes), instruments))
    for row, ((first, second), ratio, sign) in enumerate(shapes):
        hedges[2 * row, [first, second]] = sign, -sign * ratio
        hedges[2 * row + 1, [first, second]] = sign, sign * ratio
    books.append(hedges)

    rng = _generator(seed, 0)
    plain = rng.standard_normal((random_books - random_books // 2, instruments))
    whole = rng.standard_normal((random_books // 2, instruments))
    values, vectors = np.linalg.eigh(covariance / np.outer(risk, risk))
    whitened = (whole / np.sqrt(np.maximum(values, 1e-4 * values[-1]))) @ vectors.T
    drawn: Floats = np.concatenate([*books, plain, whitened]) / risk
    return drawn


def probe_books(leg_es: Floats, *, count: int, seed: int) -> Floats:
    """Return random sparse books to report coverage on, (count, M), drawn apart from `design_books`.

    Each holds one or more instruments, log-normal in size in units of leg risk, random in sign.

    Parameters
    ----------
    leg_es
        Positive expected shortfall of a unit of each instrument, (M,).
    count
        How many books.
    seed
        The same seed gives the same books.
    """
    rng = _generator(seed, 1)
    instruments = len(leg_es)
    held = rng.integers(1, instruments + 1, size=count)
    order = rng.random((count, instruments)).argsort(axis=1).argsort(axis=1)
    sizes = np.exp(0.6 * rng.standard_normal((count, instruments)))
    signs = rng.choice(np.array([-1.0, 1.0]), size=(count, instruments))
    books: Floats = np.where(order < held[:, None], sizes * signs, 0.0) / leg_es
    return books


def trader_books(
    pnl: Floats,
    weights: Floats,
    owner: Ints,
    *,
    spots: int,
    count: int,
    seed: int,
    chain: Chain | None = None,
) -> Floats:
    """Return books as people hold them who trade options, in units of each instrument, (count, C).

    In turn: some options of one underlying, hedged; two of them against each other, plain and hedged; two on one side;
    options of one underlying against those of another, hedged; dense books, hedged; a few legs of anything; spots. If
    the chain is given also vertical spreads, calendars of any two expiries at the nearest strikes, and straddles and
    strangles, plain and hedged. A hedge is the spot that makes the variance of an option least, roughly.

    Parameters
    ----------
    pnl, weights
        P&L of one unit, the spots first, (S, C), and scenario probabilities, (S,).
    owner
        Underlying of every column, (C,).
    spots
        How many columns are spots.
    count
        How many books; none where nothing but spots is listed.
    seed
        The same seed gives the same books.
    chain
        What stands behind the spots.
    """
    listed = [np.flatnonzero((owner == u) & (np.arange(len(owner)) >= spots)) for u in range(spots)]
    rich = [u for u in range(spots) if len(listed[u]) > 1]
    if not rich:
        return np.empty((0, len(owner)))
    draw = _Desk(_generator(seed, 5), listed, rich, np.zeros((count, len(owner))))
    if chain is not None:
        draw.structured(chain)
    for row in range(count):
        draw.fill(row)
    beta = np.zeros(len(owner))
    for u in range(spots):
        weighted = weights * pnl[:, u]
        beta[listed[u]] = (weighted @ pnl[:, listed[u]]) / max(float(weighted @ pnl[:, u]), 1e-300)
    for u in range(spots):
        rough = 1.0 + _HEDGE_ERROR * draw.rng.uniform(-1.0, 1.0, size=count)
        draw.books[:, u] -= draw.hedged * rough * (draw.books[:, listed[u]] @ beta[listed[u]])
    return draw.books


class _Desk:
    """Fill books one by one, and note which are to be hedged."""

    def __init__(self, rng: np.random.Generator, listed: list[Ints], rich: list[int], books: Floats) -> None:
        self.rng, self.listed, self.rich, self.books = rng, listed, rich, books
        self.hedged = np.zeros(len(books))
        self.strike = np.zeros(0)
        self.expiries: dict[int, list[tuple[Ints, Ints]]] = {}
        self.kinds: tuple[Callable[[Floats, int], float], ...] = (
            *(self.options, self.spread, self.spread, self.pair),
            *(self.across, self.dense, self.sparse, self.straight),
        )

    def structured(self, chain: Chain) -> None:
        """Draw structures of a chain too."""
        spots = len(self.listed)
        self.strike = np.concatenate([np.zeros(spots), chain.strike])
        for u in self.rich:
            mine = chain.alive & chain.is_option & (chain.underlying == u)
            for hours in np.unique(chain.hours[mine]):
                sides = [
                    spots + np.flatnonzero(mine & (chain.hours == hours) & (chain.is_call == call))
                    for call in (True, False)
                ]
                if min(len(side) for side in sides):
                    self.expiries.setdefault(u, []).append((sides[0], sides[1]))
        if self.expiries:
            self.kinds = (*self.kinds, self.vertical, self.calendar, self.calendar, self.straddle)

    def fill(self, row: int) -> None:
        """Fill one book by the kind whose turn it is; of some kinds part is hedged."""
        u = self.rich[self.rng.integers(len(self.rich))]
        chance = self.kinds[row % len(self.kinds)](self.books[row], u)
        self.hedged[row] = float(self.rng.random() < chance)

    def sizes(self, count: int) -> Floats:
        """Return sizes of legs, all on one random side."""
        side = 1.0 - 2.0 * float(self.rng.integers(2))
        found: Floats = side * np.exp(_SIZE_DEVIATION * self.rng.standard_normal(count))
        return found

    def some(self, u: int, count: int) -> Ints:
        """Return so many of what is listed on an underlying, or all."""
        return self.rng.choice(self.listed[u], min(count, len(self.listed[u])), replace=False)

    def options(self, book: Floats, u: int) -> float:
        held = self.some(u, int(self.rng.integers(1, 4)))
        book[held] = self.sizes(len(held))
        return 1.0

    def spread(self, book: Floats, u: int) -> float:
        first, second = self.some(u, 2)
        book[first] = self.sizes(1)[0]
        book[second] = -book[first] * self.ratio()
        return 0.5

    def pair(self, book: Floats, u: int) -> float:
        book[self.some(u, 2)] = self.sizes(2)
        return 0.4

    def expiry(self, u: int) -> list[tuple[Ints, Ints]]:
        """Return the calls and puts of the expiries of an underlying, or of another if it has none, in random order."""
        found = self.expiries.get(u) or next(iter(self.expiries.values()))
        return [found[i] for i in self.rng.permutation(len(found))]

    def ratio(self) -> float:
        """Return how much of the second leg of a spread is held per unit of the first."""
        return _SPREAD_RATIOS[self.rng.integers(len(_SPREAD_RATIOS))]

    def any(self, columns: Ints) -> int:
        """Return one of some columns."""
        return int(columns[self.rng.integers(len(columns))])

    def vertical(self, book: Floats, u: int) -> float:
        both = np.concatenate(self.expiry(u)[0])
        for _ in range(int(self.rng.integers(1, 3))):
            first, second = self.rng.choice(both, 2, replace=False)
            size = self.sizes(1)[0]
            book[first] += size
            book[second] -= size * self.ratio()
        return 0.2

    def calendar(self, book: Floats, u: int) -> float:
        near, far = [*self.expiry(u), *self.expiry(u)][:2]
        side = int(self.rng.integers(2))
        first = self.any(near[side])
        second = far[side][np.abs(self.strike[far[side]] - self.strike[first]).argmin()]
        size = self.sizes(1)[0]
        book[first] += size
        book[second] -= size * self.ratio()
        return 0.5

    def straddle(self, book: Floats, u: int) -> float:
        calls, puts = self.expiry(u)[0]
        size = self.sizes(1)[0]
        book[self.any(calls)] += size
        book[self.any(puts)] += size * self.rng.uniform(0.7, 1.3)
        return 0.3

    def across(self, book: Floats, u: int) -> float:
        others = [other for other in self.rich if other != u] or [u]
        other = others[self.rng.integers(len(others))]
        size = self.sizes(1)[0]
        book[self.some(u, 2)] += size
        book[self.some(other, 2)] -= size * self.rng.uniform(0.5, 1.0)
        return 1.0

    def dense(self, book: Floats, u: int) -> float:
        for held_in in self.rich if self.rng.random() < 1 / 3 else [u]:
            total = len(self.listed[held_in])
            held = self.some(held_in, int(self.rng.integers(max(total // 3, 1), total + 1)))
            sizes = self.rng.standard_normal(len(held)) * np.abs(self.sizes(len(held)))
            book[held] += sizes + 0.3 * self.rng.standard_normal()
        return 1.0

    def sparse(self, book: Floats, u: int) -> float:
        held = self.rng.choice(len(book), min(int(self.rng.integers(2, _FEW)), len(book)), replace=False)
        book[held] = self.rng.standard_normal(len(held))
        return 0.0

    def straight(self, book: Floats, u: int) -> float:
        spots = len(self.listed)
        for held in self.rng.choice(spots, int(self.rng.integers(1, spots + 1)), replace=False):
            book[held] = self.sizes(1)[0]
        if self.rng.random() < 0.5:
            book[self.rng.integers(len(book))] += self.sizes(1)[0]
        return 0.0
