"""A venue that lists options: what a keeper would see of it, and prices to compute from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from tests.support.market import FACTORS, TICK

from seawall.arrays import Floats
from seawall.keeper.compute import Computed, compute
from seawall.keeper.listed_pages import InstrumentTerms, PageView
from seawall.keeper.policy import ProbeRange
from seawall.keeper.settings import KeeperSettings
from seawall.keeper.view import ChainView, UnderlyingView
from seawall.margin.settings import AtomSettings, LaneSettings, ModelSettings
from seawall.market.bars import Bars
from seawall.page.decode import decode_page
from seawall.page.encode import shift_for
from seawall.page.layout import Kind

__all__ = [
    "AS_OF",
    "QUICK",
    "SYMBOLS",
    "chain_terms",
    "linear",
    "listed_view",
    "option",
    "price_bars",
    "with_shifts",
]

AS_OF = 1_700_006_400  # a full hour
SYMBOLS = ("BTC", "ETH", "LTC")
TOKEN_DECIMALS = 6
QUICK = KeeperSettings(
    model=ModelSettings(
        lanes=LaneSettings(lanes=32, iterations=6, random_design_books=32),
        atoms=AtomSettings(selection_books=8),
        probe_books=32,
    )
)


def price_bars(
    *, days: int, symbols: Sequence[str] = SYMBOLS[:2], level: float = 0.003, seed: int = 11
) -> Bars:
    """Return hourly bars of correlated underlyings that end at AS_OF, at about 100 tokens."""
    rng = np.random.default_rng(seed)
    hours, columns = 24 * days, len(symbols)
    calm = np.exp(0.6 * np.sin(np.arange(hours) / 300.0))[:, None]
    moves = 0.7 * rng.standard_t(4, size=(hours, 1)) + 0.5 * rng.standard_t(4, size=(hours, columns))
    path = np.cumsum(level * calm * moves, axis=0)
    closes: Floats = 100.0 * np.exp(path - path[-1])
    return Bars(
        symbols=tuple(symbols),
        known_at=AS_OF - 3600 * np.arange(hours, dtype=np.int64)[::-1],
        closes=closes,
        traded_value=np.full(closes.shape, 1e7),
        bar_s=3600,
    )


def linear(kind: Kind = Kind.PERPETUAL) -> InstrumentTerms:
    return InstrumentTerms(kind=kind, shift=6, generation=1, strike=0, expiry_hour=0)


def option(kind: Kind, strike: float, hours: float) -> InstrumentTerms:
    """Return the terms of a dated instrument; the strike over a spot of a million ticks."""
    return InstrumentTerms(
        kind=kind, shift=6, generation=1, strike=round(strike * 1e6), expiry_hour=int(AS_OF / 3600 + hours)
    )


def chain_terms(
    *, days: Sequence[float] = (7, 30, 90), strikes: Sequence[float] = (0.8, 0.9, 1.0, 1.1, 1.2)
) -> list[InstrumentTerms]:
    """Return a perpetual, a future to the last expiry, and a call and a put at every strike and expiry."""
    dated = [
        option(kind, strike, 24 * day) for day in days for strike in strikes for kind in (Kind.CALL, Kind.PUT)
    ]
    return [linear(), option(Kind.FUTURE, 0.0, 24 * days[-1]), *dated]


def listed_view(
    pages: Sequence[tuple[int, Sequence[InstrumentTerms]]], *, lots: Floats | None = None
) -> ChainView:
    """Return a chain with these pages, (underlying, instruments), the first instrument of an underlying its probe."""
    underlyings = sorted({underlying for underlying, _ in pages})
    probes = {u: next(i for i, (owner, _) in enumerate(pages) if owner == u) for u in underlyings}
    columns = sum(len(terms) for _, terms in pages)
    return ChainView(
        chain_id=1,
        oracle="0x" + "11" * 20,
        block_number=1,
        timestamp=AS_OF,
        epoch=0,
        as_of=0,
        activated_at=0,
        config_digest=bytes(32),
        quorum=2,
        signers=(),
        factors=FACTORS,
        tick=TICK,
        token_decimals=TOKEN_DECIMALS,
        underlyings=tuple(
            UnderlyingView(
                index=u,
                symbol=SYMBOLS[u],
                lot_size_wad=10**18,
                probe_page=probes[u],
                probe_slot=0,
                probe_range=ProbeRange(least_ppm=30_000, largest_ppm=600_000),
            )
            for u in underlyings
        ),
        pages=tuple(
            PageView(page_id=i, underlying=u, instruments=tuple(terms), current=None)
            for i, (u, terms) in enumerate(pages)
        ),
        accounts=(),
        books=(),
        lots=np.zeros((0, columns)) if lots is None else lots,
    )


def with_shifts(
    view: ChainView, bars: Bars, *, settings: KeeperSettings = QUICK
) -> tuple[ChainView, Computed]:
    """Return the view with the shifts a governor would list, legs and lanes with twice the room, and its numbers."""
    rough = [
        decode_page(payload) for payload in compute(_shifted(view, 12), bars, settings=settings).payloads
    ]
    pages = []
    for page, found in zip(view.pages, rough, strict=True):
        terms = []
        for listed, record in zip(page.instruments, found.records, strict=True):
            leg = float(max(record.leg_long, record.leg_short))
            terms.append(replace(listed, shift=shift_for(leg, leg)))
        pages.append(replace(page, instruments=tuple(terms)))
    listed_view_ = replace(view, pages=tuple(pages))
    return listed_view_, compute(listed_view_, bars, settings=settings)


def _shifted(view: ChainView, shift: int) -> ChainView:
    pages = [
        replace(page, instruments=tuple(replace(terms, shift=shift) for terms in page.instruments))
        for page in view.pages
    ]
    return replace(view, pages=tuple(pages))
