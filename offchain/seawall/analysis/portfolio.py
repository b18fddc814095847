"""A book put to the margin model: bars up to its time, its instruments as columns, the model's estimate of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seawall.analysis.book import Book
from seawall.arrays import Floats, Ints
from seawall.errors import DataError, InputError
from seawall.keeper.settings import KeeperSettings
from seawall.margin.instruments import Dated
from seawall.margin.portfolio import PortfolioEstimate, estimate_portfolio
from seawall.market.bars import Bars

__all__ = ["JudgedBook", "judge"]

_DAY_S = 86_400


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgedBook:
    """Hold a book, what was known at its time, and the model's estimate.

    Attributes
    ----------
    book
        As read.
    bars
        Of its underlyings, in the order of `book.symbols`, up to its time.
    dated
        Its dated instruments.
    tokens
        Underlyings of the tokens it holds, each once.
    column
        Of each instrument in the estimate: perpetuals of all underlyings, dated ones, tokens, (N,).
    units
        Signed units by column, (C,).
    estimate
        P&L, legs and lanes as fractions of the spot; atoms of whole units.
    """

    book: Book
    bars: Bars
    dated: tuple[Dated, ...]
    tokens: tuple[int, ...]
    column: Ints
    units: Floats
    estimate: PortfolioEstimate

    @property
    def prices(self) -> Floats:
        """Return the price of one unit of every underlying, settlement tokens, (M,)."""
        last: Floats = self.bars.closes[-1]
        return last

    @property
    def owner(self) -> Ints:
        """Return the underlying of every column, (C,)."""
        m = len(self.bars.symbols)
        return np.array([*range(m), *(d.underlying for d in self.dated), *self.tokens], dtype=np.int64)

    @property
    def pnl(self) -> Floats:
        """Return the P&L of one unit of every column, settlement tokens, (S, C)."""
        found: Floats = self.estimate.risk.pnl * self.prices[self.owner]
        return found

    @property
    def marks(self) -> Floats:
        """Return the value of one unit of every column, settlement tokens, (C,)."""
        relative = self.by_column(self.estimate.valuation.mark, linear=1.0)
        found: Floats = relative * self.prices[self.owner]
        return found

    @property
    def deltas(self) -> Floats:
        """Return the delta of every column, (C,)."""
        return self.by_column(self.estimate.valuation.delta, linear=1.0)

    def by_column(self, of_dated: Floats, *, linear: float) -> Floats:
        """Return something of every column, (C,), from that of dated ones, (D,), and that of all others."""
        return np.concatenate(
            [np.full(len(self.prices), linear), of_dated, np.full(len(self.tokens), linear)]
        )


def judge(book: Book, bars: Bars, *, settings: KeeperSettings) -> JudgedBook:
    """Return what the model says of a book at its time; what a keeper posts, before rounding and with no mark held.

    Parameters
    ----------
    book
        Positions.
    bars
        Of all its underlyings; bars that were not complete at its time are not read.
    settings
        Model and roles.

    Raises
    ------
    InputError
        If an instrument had expired by then.
    DataError
        If there are no bars of an underlying, none at that time, or too few before it.
    """
    known = bars.select(book.symbols)
    if book.at_s is not None:
        known = known.until(book.at_s)
    if not len(known.known_at):
        raise DataError("no bar was complete at the book's time: choose a later one, or supply older bars")
    now_s = int(known.known_at[-1])
    if book.at_s is not None and book.at_s - now_s > _DAY_S:
        raise DataError(
            f"the newest bar is {(book.at_s - now_s) / 3600:.0f} hours older than the book's time: supply newer bars"
        )
    dated = []
    for instrument in book.instruments[book.standing :]:
        owner = known.symbols.index(instrument.symbol)
        if instrument.expires_at <= now_s:
            raise InputError(
                f"{instrument.name} has expired by then. Fix: leave it out, or choose an earlier time"
            )
        dated.append(instrument.dated(underlying=owner, price=known.closes[-1, owner], now_s=now_s))
    m = len(known.symbols)
    tokens = tuple(known.symbols.index(i.symbol) for i in book.instruments if i.spot)
    column = np.array(
        [
            m + i - book.standing
            if instrument.payoff is not None
            else m + len(dated) + tokens.index(known.symbols.index(instrument.symbol))
            if instrument.spot
            else known.symbols.index(instrument.symbol)
            for i, instrument in enumerate(book.instruments)
        ],
        dtype=np.int64,
    )
    units = np.zeros(m + len(dated) + len(tokens))
    np.add.at(units, column, book.quantities)
    _, closes = known.gridded()
    estimate = estimate_portfolio(
        closes,
        bar_h=known.bar_s / 3600.0,
        roles=[settings.role(symbol) for symbol in known.symbols],
        settings=settings.model,
        dated=dated,
        spots=known.closes[-1],
        lots=units[None, :],
        lot_value=known.closes[-1],
        tokens=tokens,
    )
    return JudgedBook(
        book=book,
        bars=known,
        dated=tuple(dated),
        tokens=tokens,
        column=column,
        units=units,
        estimate=estimate,
    )
