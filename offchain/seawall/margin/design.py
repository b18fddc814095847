"""Books nobody holds yet: what lanes must also cover, and what they are tried on afterwards."""

from itertools import combinations, product

import numpy as np

from seawall.arrays import Floats, checked

__all__ = ["design_books", "probe_books"]

# With at most this many instruments every sign pattern is a design book.
_ENUMERATED_INSTRUMENTS = 5

# Second leg of a design pair per unit of risk of the first.
_PAIR_RATIOS = (0.5, 1.0, 2.0)

# At most this many pairs of instruments, the first in listing order.
_MAXIMUM_PAIRS = 200


def _generator(seed: int, stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([seed, stream]))


def design_books(pnl: Floats, weights: Floats, *, random_books: int, seed: int) -> Floats:
    """Return books spread over all directions of risk, in units of each instrument, (N, M).

    Single legs; all sign patterns of equal risk (up to five instruments; else all-long and all-short);
    pairs at three ratios; and random directions, half in units of each leg's risk, half also decorrelated,
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
    pairs = list(combinations(range(instruments), 2))[:_MAXIMUM_PAIRS]
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
