"""Expected shortfall of weighted scenarios, and the test measures that attain it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from seawall.arrays import Bools, Floats, checked
from seawall.errors import ConfigError, DataError
from seawall.margin.batches import in_batches

__all__ = [
    "Tails",
    "book_shortfall",
    "checked_weights",
    "expected_shortfall",
    "leg_shortfall",
    "shortfall_alone",
    "single_pnl",
    "single_precision",
    "sparse_tails",
    "tail_measures",
    "tails",
    "worst_rows",
]

# P&L in double precision, or in single for searches.
_Values = Floats | npt.NDArray[np.float32]

# Books evaluated at once.
_BATCH = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Tails:
    """Hold the worst tails of N books, each as a few scenarios with a probability.

    Attributes
    ----------
    rows
        Scenario indices, (N, m).
    masses
        Probability of each under the tail measure Q, (N, m): `0 <= q <= w / (1 - alpha)`, summing to 1.
    shortfall
        `-E_Q[P&L]`, (N,): the expected shortfall, positive for a loss.
    """

    rows: npt.NDArray[np.intp]
    masses: Floats
    shortfall: Floats


def checked_weights(weights: Floats, *, scenarios: int) -> Floats:
    """Return scenario weights (S,), positive and summing to 1.

    Raises
    ------
    DataError
        If they are not.
    """
    array = checked(weights, name="weights", shape=(scenarios,))
    if not ((array > 0).all() and abs(float(array.sum()) - 1.0) < 1e-9):
        raise DataError("weights must be positive and sum to 1")
    return array


def tails(pnl_by_book: Floats, weights: Floats, *, alpha: float) -> Tails:
    """Return the worst `1 - alpha` of probability of each book, with a fraction of the scenario at its edge.

    `ES = max of -E_Q[X] over Q with dQ/dP <= 1 / (1 - alpha)` (Rockafellar, Uryasev 2002): the maximiser
    fills the worst scenarios up to their limits and the one at the edge in part. A selection, never a full
    sort: no tail holds more scenarios than the lightest ones that reach `1 - alpha`.

    Parameters
    ----------
    pnl_by_book
        P&L, (N, S), one book a row.
    weights
        Scenario probabilities, (S,), positive, summing to 1.
    alpha
        Level, in [0, 1).

    Raises
    ------
    DataError
        If an array is malformed.
    ConfigError
        If `alpha` is out of range.
    """
    if not 0 <= alpha < 1:
        raise ConfigError(f"alpha = {alpha}: must lie in [0, 1)")
    pnl = checked(pnl_by_book, name="pnl", shape=(None, None))
    probabilities = checked_weights(weights, scenarios=pnl.shape[1])
    rows, masses = worst_rows(pnl, probabilities, tail=1.0 - alpha)
    losses = -np.take_along_axis(pnl, rows, axis=1)
    return Tails(rows=rows, masses=masses, shortfall=np.einsum("nm,nm->n", masses, losses))


def worst_rows(
    pnl_by_book: _Values, probabilities: Floats, *, tail: float
) -> tuple[npt.NDArray[np.intp], Floats]:
    """Return the scenarios of the worst tail of each book, worst first, and their masses in it, (N, m) each.

    Unchecked, for searches that ask often: single precision will do, and scenarios may be part of all.

    Parameters
    ----------
    pnl_by_book
        (N, S).
    probabilities
        (S,), positive, adding up to at least `tail`.
    tail
        Probability of the tail.
    """
    lightest = np.cumsum(np.sort(probabilities))
    deep = min(int(np.searchsorted(lightest, tail * (1.0 - 1e-12))) + 1, len(probabilities))
    rows = np.empty((len(pnl_by_book), deep), dtype=np.intp)
    for i in range(0, len(pnl_by_book), _BATCH):
        rows[i : i + _BATCH] = _lowest(pnl_by_book[i : i + _BATCH], deep)
    values = np.take_along_axis(pnl_by_book, rows, axis=1)
    rows = np.take_along_axis(rows, np.argsort(values, axis=1, kind="stable"), axis=1)
    masses = probabilities[rows]
    before = np.cumsum(masses, axis=1) - masses
    masses = np.clip(tail - before, 0.0, masses)
    masses /= masses.sum(axis=1, keepdims=True)
    return rows, masses


def sparse_tails(rows: npt.NDArray[np.intp], masses: _Values, scenarios: int) -> csr_array:
    """Return tails, of the same number of scenarios each, as sparse measures, (N, S)."""
    ends = np.arange(len(rows) + 1) * rows.shape[1]
    return csr_array((masses.ravel(), rows.ravel(), ends), shape=(len(rows), scenarios))


def single_precision(values: Floats) -> npt.NDArray[np.float32]:
    """Return values in single precision, in rows, for searches; what is too small for it is zero."""
    with np.errstate(under="ignore"):
        return np.ascontiguousarray(values, dtype=np.float32)


def single_pnl(books: _Values, turned: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the P&L of books (N, M) in single precision, (N, S), for searches.

    Parameters
    ----------
    books
        Units held.
    turned
        `single_precision` of the P&L of one unit, (M, S).
    """
    with np.errstate(under="ignore"):
        found: npt.NDArray[np.float32] = np.asarray(books, dtype=np.float32) @ turned
    return found


def _lowest(pnl: _Values, count: int) -> npt.NDArray[np.intp]:
    """Return the indices of the `count` lowest entries of each row, in no order.

    A value partition is far faster than an index partition; rows with ties at the edge take the latter.
    """
    edge = np.partition(pnl, count - 1, axis=1)[:, count - 1]
    below: Bools = np.less_equal(pnl, edge[:, None])
    clean = below.sum(axis=1) == count
    rows = np.empty((len(pnl), count), dtype=np.intp)
    rows[clean] = (np.flatnonzero(below[clean]) % pnl.shape[1]).reshape(-1, count)
    if not clean.all():
        rows[~clean] = np.argpartition(pnl[~clean], count - 1, axis=1)[:, :count]
    return rows


def expected_shortfall(pnl: Floats, weights: Floats, *, alpha: float = 0.99) -> Floats:
    """Return the expected shortfall of each column of `pnl`, positive for a loss.

    Exact for the weighted discrete distribution (`tails`). It may be negative: a book that gains in its worst
    `1 - alpha` has a negative shortfall, and callers that need a requirement take `max(0, .)` themselves.

    Parameters
    ----------
    pnl
        P&L, (S, N), one book a column.
    weights
        Scenario probabilities, (S,), positive, summing to 1.
    alpha
        Level, in [0, 1).

    Returns
    -------
    Floats
        (N,).
    """
    columns = checked(pnl, name="pnl", shape=(None, None))
    shortfall = np.empty(columns.shape[1])

    def price(some: slice) -> None:
        shortfall[some] = tails(np.ascontiguousarray(columns[:, some].T), weights, alpha=alpha).shortfall

    in_batches(price, len(shortfall), size=_BATCH)
    return shortfall


def leg_shortfall(pnl: Floats, weights: Floats, *, alpha: float) -> tuple[Floats, Floats]:
    """Return the expected shortfall of one unit of each instrument, long and short, (M,) each.

    `max(0, ES)`: a leg that gains even in its tail asks for nothing, and gives nothing to others.

    Parameters
    ----------
    pnl
        (S, M).
    weights
        (S,).
    alpha
        Level of the expected shortfall.
    """
    long_es, short_es = (expected_shortfall(side, weights, alpha=alpha) for side in (pnl, -pnl))
    return np.maximum(long_es, 0.0), np.maximum(short_es, 0.0)


def tail_measures(pnl: Floats, weights: Floats, *, alpha: float = 0.99) -> Floats:
    """Return for each column of `pnl` (S, N) a test measure Q, (N, S), with `-E_Q[pnl] = ES`.

    Each row lies in `C = {0 <= q <= w / (1 - alpha), sum q = 1}`. Parameters as for `expected_shortfall`.
    """
    columns = checked(pnl, name="pnl", shape=(None, None))
    worst = tails(np.ascontiguousarray(columns.T), weights, alpha=alpha)
    dense = np.zeros((columns.shape[1], columns.shape[0]))
    np.put_along_axis(dense, worst.rows, worst.masses, axis=1)
    return dense


def book_shortfall(
    pnl: Floats, weights: Floats, books: Floats, *, alpha: float = 0.99
) -> tuple[Floats, Floats]:
    """Return each book's expected shortfall, (N,), and the tail mean of every instrument, (N, M).

    The tail mean is `v = E_Q[pnl]` under the book's own tail measure, so `ES(w) = -v . w`.

    Parameters
    ----------
    pnl
        P&L of one unit of each instrument, (S, M).
    weights
        Scenario probabilities, (S,).
    books
        Units held, (N, M).
    alpha
        Level, in [0, 1).
    """
    cube = checked(pnl, name="pnl", shape=(None, None))
    held = checked(books, name="books", shape=(None, cube.shape[1]))
    shortfall, means = np.empty(len(held)), np.empty(held.shape)

    def price(some: slice) -> None:
        worst = tails(held[some] @ cube.T, weights, alpha=alpha)
        shortfall[some] = worst.shortfall
        means[some] = sparse_tails(worst.rows, worst.masses, len(cube)) @ cube

    in_batches(price, len(held), size=_BATCH)
    return shortfall, means


def shortfall_alone(pnl: Floats, weights: Floats, books: Floats, *, alpha: float = 0.99) -> Floats:
    """Return each book's expected shortfall, (N,): `book_shortfall` without the means, for a great many books."""
    cube = checked(pnl, name="pnl", shape=(None, None))
    held = checked(books, name="books", shape=(None, cube.shape[1]))
    shortfall = np.empty(len(held))

    def price(some: slice) -> None:
        shortfall[some] = tails(held[some] @ cube.T, weights, alpha=alpha).shortfall

    in_batches(price, len(held), size=_BATCH)
    return shortfall
