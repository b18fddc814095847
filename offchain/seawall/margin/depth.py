"""Liquidity from an order book: its spread, what rests near its mid, and how much of either is believed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seawall.arrays import Floats, checked
from seawall.errors import ConfigError, DataError
from seawall.margin.liquidity import daily_volume_from_depth

__all__ = ["BookDepth", "book_depth", "liquidity_inputs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BookDepth:
    """Hold what an order book says of liquidity.

    Attributes
    ----------
    half_spread
        Half the distance of best bid and ask, as a fraction of the mid.
    band
        Distance from the mid, a fraction, up to which both sides are known.
    depth
        Resting notional within `band` of the mid on the thinner side, settlement units.
    """

    half_spread: float
    band: float
    depth: float


def book_depth(bids: Floats, asks: Floats, *, band: float) -> BookDepth | None:
    """Return an order book's spread and its depth within a band; None if a side is empty or the book is crossed.

    Where the levels given end nearer to the mid than `band`, the band is the smaller distance of the two sides.

    Parameters
    ----------
    bids, asks
        Price and quantity of each level, (levels, 2), the best first; settlement units for one unit of the underlying.
    band
        Distance from the mid, as a fraction.

    Raises
    ------
    ConfigError
        If `band` does not lie in (0, 1).
    """
    if not 0 < band < 1:
        raise ConfigError(f"band = {band}: must lie in (0, 1)")
    if not len(bids) or not len(asks) or bids[0, 0] >= asks[0, 0]:
        return None
    mid = (bids[0, 0] + asks[0, 0]) / 2.0
    below, above = 1.0 - bids[:, 0] / mid, asks[:, 0] / mid - 1.0
    reach = float(min(band, below[-1], above[-1]))
    if reach <= 0:
        return None
    resting = [
        float((levels[:, 0] * levels[:, 1])[away <= reach].sum())
        for levels, away in ((bids, below), (asks, above))
    ]
    return BookDepth(half_spread=float(above[0]), band=reach, depth=min(resting))


def liquidity_inputs(
    books: Sequence[BookDepth | None],
    *,
    half_spread: float,
    sigma_day: Floats,
    volume: Floats,
    haircut: float = 0.5,
    most_spreads: float = 10.0,
    least_share: float = 0.1,
) -> tuple[Floats, Floats]:
    """Return quoted spread and daily volume of every underlying, (M,) each, from depth where there is some.

    Without an order book the spread is `2 half_spread` and the volume the traded one. With one the half spread is the
    book's, within `half_spread` and `most_spreads` times it; the volume is the one at which the square-root law
    reproduces the book's depth (`daily_volume_from_depth`), within `least_share` of `volume` and `volume / (1 -
    haircut)`, the traded one before its haircut. So a book, however wrong, raises the impact of a size by at most
    `1 / sqrt(least_share)` times, 3.2, and lowers it by at most `1 - sqrt(1 - haircut)`, 29%.

    Parameters
    ----------
    books
        By underlying, M of them; None where there is no order book.
    half_spread
        Half the quoted spread over the price that is assumed at least.
    sigma_day
        Volatility over a day, (M,).
    volume
        Daily volume after the haircut, as `daily_volume_from_bars` returns it, settlement units, (M,).
    haircut
        Fraction of depth that vanishes in a crash.
    most_spreads, least_share
        Limits of what is taken from an order book.

    Raises
    ------
    DataError
        If there is not one entry an underlying, or a volatility is not positive.
    """
    sigma = checked(sigma_day, name="sigma_day", shape=(None,))
    traded = checked(volume, name="volume", shape=sigma.shape)
    if len(books) != len(sigma):
        raise DataError(f"{len(books)} order books for {len(sigma)} underlyings: give one or None each")
    spread, daily = np.full(len(sigma), 2.0 * half_spread), traded.copy()
    for u, book in enumerate(books):
        if book is None:
            continue
        spread[u] = 2.0 * float(np.clip(book.half_spread, half_spread, most_spreads * half_spread))
        resting = np.array([max(book.depth, 1e-300)])  # nothing rests within the band of a wide book
        volumes = daily_volume_from_depth(
            resting, band=book.band, sigma_day=sigma[u : u + 1], haircut=haircut
        )
        daily[u] = np.clip(volumes[0], least_share * traded[u], traded[u] / (1.0 - haircut))
    return spread, daily
