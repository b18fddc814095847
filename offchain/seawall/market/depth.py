"""Order books that somebody records, and what a keeper takes from them for its liquidity coefficients.

Every book is reduced to its half spread and its depth (`seawall.margin.depth.book_depth`). What counts is the book
in the middle of those of the last `window_s`: by half spread for the spread, and for the depth by the volume that it
stands for. So while fewer than half of the books of a window are wrong, each lies between the values of honest books;
and whatever they say, `liquidity_inputs` holds them to the traded volume and to the half spread that is set. With fewer
than `least_books`, or none younger than `max_age_s`, there is no depth, and the traded volume counts as without a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog

from seawall.errors import ConfigError, DataError
from seawall.margin.depth import BookDepth, book_depth
from seawall.market.readers import read_order_books
from seawall.market.schema import OrderBook, underlying_of

__all__ = ["DepthSettings", "DepthUse", "read_depth", "use_depth"]

_log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class DepthSettings:
    """Say which order books count.

    Attributes
    ----------
    band
        Distance from the mid within which orders count, a fraction.
    window_s, max_age_s
        Age of the oldest book that counts, and largest age of the newest.
    least_books
        Books of an underlying without which there is no depth.
    """

    band: float = 0.01
    window_s: int = 86_400
    max_age_s: int = 3600
    least_books: int = 12

    def __post_init__(self) -> None:
        """Reject limits that make no sense."""
        if not 0 < self.band < 1 or not 0 < self.max_age_s <= self.window_s or self.least_books < 1:
            raise ConfigError(
                "depth: band must lie in (0, 1), max_age_s within 1 and window_s, least_books be at least 1"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class DepthUse:
    """Hold what a keeper takes from order books for one epoch.

    Attributes
    ----------
    books
        By underlying; None where there is no depth.
    settings
        By which they were chosen.
    """

    books: tuple[BookDepth | None, ...]
    settings: DepthSettings


def read_depth(path: Path) -> tuple[OrderBook, ...]:
    """Return the books of a file, or none if it cannot be read, for which the log has the reason."""
    try:
        return read_order_books(path)
    except DataError as error:
        _log.warning("no order books", reason=str(error))
        return ()


def use_depth(
    books: Sequence[OrderBook], symbols: Sequence[str], time_s: int, *, settings: DepthSettings | None = None
) -> DepthUse:
    """Return the depth of every underlying at a time; later books are not looked at.

    Parameters
    ----------
    books
        Of any symbols that `underlying_of` knows; of several symbols of one underlying all count alike.
    symbols
        M underlyings.
    """
    limits = settings or DepthSettings()
    found: list[BookDepth | None] = []
    for symbol in symbols:
        young = [
            b
            for b in books
            if underlying_of(b.symbol) == symbol and time_s - limits.window_s < b.time_s <= time_s
        ]
        depths = [d for b in young if (d := book_depth(b.bids, b.asks, band=limits.band)) is not None]
        fresh = any(time_s - b.time_s <= limits.max_age_s for b in young)
        if not fresh or len(depths) < limits.least_books:
            _log.warning("no depth", symbol=symbol, books=len(depths), fresh=fresh)
            found.append(None)
            continue
        found.append(_middle(depths))
    return DepthUse(books=tuple(found), settings=limits)


def _middle(depths: Sequence[BookDepth]) -> BookDepth:
    """Return the median half spread, and band and depth of the book whose `depth / band^2` is the lower median."""
    stands_for = np.array([d.depth / d.band**2 for d in depths])
    middle = depths[int(np.argsort(stands_for, kind="stable")[(len(depths) - 1) // 2])]
    return BookDepth(
        half_spread=float(np.median([d.half_spread for d in depths])), band=middle.band, depth=middle.depth
    )
