"""The books that lanes are to cover, at an expected shortfall of one, and how hard each presses."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seawall.arrays import Bools, Floats, Ints
from seawall.margin.batches import in_batches
from seawall.margin.shortfall import single_pnl, single_precision, sparse_tails, worst_rows

__all__ = [
    "Books",
    "Singles",
    "coverable",
    "pressure",
    "priced_books",
    "reduced_rows",
    "total_pressure",
]

# Single precision, for searches.
Singles = npt.NDArray[np.float32]

# A scenario counts if it is among so many times a tail's depth of the worst, for more than one in so many books.
_DEPTH, _BOOKS_A_ROW = 1.5, 800

# Books evaluated at once.
_BATCH = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Hold books to cover, each of expected shortfall one.

    Attributes
    ----------
    units
        (N, M).
    means
        P&L of every instrument under each book's own tail measure, (N, M).
    log_weight
        Logarithm of what a book counts, (N,).
    sharpness
        Exponent of its soft minimum at the last step, (N,).
    """

    units: Floats
    means: Floats
    log_weight: Floats
    sharpness: Floats

    @classmethod
    def joined(cls, parts: "list[Books]") -> "Books":
        """Return books of several lists as one."""
        return cls(
            units=np.concatenate([part.units for part in parts]),
            means=np.concatenate([part.means for part in parts]),
            log_weight=np.concatenate([part.log_weight for part in parts]),
            sharpness=np.concatenate([part.sharpness for part in parts]),
        )


def coverable(
    shortfall: Floats, books: Floats, legs: Floats, *, minimum: float, maximum_gross: float
) -> Bools:
    """Return which books lanes are meant to cover: not dust, and not so hedged that a floor decides.

    Parameters
    ----------
    shortfall, books
        Expected shortfall, (N,), of books, (N, M).
    legs
        Expected shortfall of one unit long and short, (2, M).
    minimum
        Least expected shortfall.
    maximum_gross
        Largest sum of legs over expected shortfall.
    """
    gross = np.maximum(books, 0.0) @ legs[0] + np.maximum(-books, 0.0) @ legs[1]
    keep: Bools = (shortfall >= minimum) & (gross <= maximum_gross * shortfall)
    return keep


def pressure(
    coverage: Floats | Singles, log_weight: Floats | Singles, sharpness: Floats | Singles
) -> Floats | Singles:
    """Return `log(weight) + sharpness (1 - c)`, the logarithm of the cost of covering a book at c, from -1 up."""
    return log_weight + sharpness * (1.0 - np.maximum(coverage, -1.0))


def total_pressure(pressed: Floats | Singles) -> float:
    """Return the logarithm of the cost of all books, given how hard each presses, (N,)."""
    with np.errstate(under="ignore"):
        return float(np.logaddexp.reduce(np.asarray(pressed, dtype=np.float64)))


def reduced_rows(cube: Floats, books: Floats, weights: Floats, *, tail: float) -> Ints:
    """Return the scenarios that are among the worst for some of the books, increasing, (R,).

    A measure on part of the scenarios is one on all of them, so leaving some out costs quality at most.

    Parameters
    ----------
    cube
        P&L of one unit, (S, M).
    books
        (N, M).
    weights
        Probabilities, (S,).
    tail
        Probability of a tail.
    """
    deep = int(np.searchsorted(np.cumsum(np.sort(weights)), tail)) + 1
    count = min(int(_DEPTH * deep) + 1, len(cube))
    turned = single_precision(cube.T)
    seen = np.zeros(len(cube), dtype=np.int64)
    for i in range(0, len(books), _BATCH):
        pnl = single_pnl(books[i : i + _BATCH], turned)
        seen += (pnl <= np.partition(pnl, count - 1, axis=1)[:, count - 1 : count]).sum(axis=0)
    rows: Ints = np.flatnonzero(seen > len(books) // _BOOKS_A_ROW).astype(np.int64)
    return rows if weights[rows].sum() > 3.0 * tail else np.arange(len(cube), dtype=np.int64)


def priced_books(cube: Floats, weights: Floats, books: Floats, *, tail: float) -> tuple[Floats, Floats]:
    """Return the expected shortfall of books and the P&L of every instrument in their tails, (N,) and (N, M).

    The scenarios of a tail are found in single precision: where two are as bad to seven digits, the wrong one may be
    taken. The tail is a test measure all the same, so the shortfall errs, if at all, to below; and so it does where
    the scenarios are part of all.
    """
    shortfall, means = np.empty(len(books)), np.empty(books.shape)
    turned = single_precision(cube.T)

    def price(some: slice) -> None:
        rows, masses = worst_rows(single_pnl(books[some], turned), weights, tail=tail)
        means[some] = sparse_tails(rows, masses, len(cube)) @ cube
        shortfall[some] = -np.einsum("nm,nm->n", means[some], books[some])

    in_batches(price, len(books), size=_BATCH)
    return shortfall, means
