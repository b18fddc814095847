"""From observations to a proposal: the same inputs give the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from seawall.errors import DataError, PageError
from seawall.keeper.baskets import BasketRequest, basket_books
from seawall.keeper.books import BookLeaf, book_tree, certify_books
from seawall.keeper.digest import inputs_hash, model_hash
from seawall.keeper.hedges import HedgeUse, SelectedHedges, most_hedges, use_hedges
from seawall.keeper.lanes import FittedLanes, fit_lanes
from seawall.keeper.listing import Listing, list_columns
from seawall.keeper.live_books import heaviest_books
from seawall.keeper.marks import HeldMark, held_instruments, held_marks
from seawall.keeper.pages import Numbers, page_inputs
from seawall.keeper.policy import PostedRisk, post_within
from seawall.keeper.settings import KeeperSettings
from seawall.keeper.view import ChainView, spot_ticks
from seawall.margin.depth import liquidity_inputs
from seawall.margin.liquidity import LiquidityCoefficients, daily_volume_from_bars, liquidity_coefficients
from seawall.margin.perpetuals import RiskEstimate
from seawall.margin.portfolio import estimate_portfolio
from seawall.margin.volatility import YEAR_H, sigma_path
from seawall.market.bars import Bars
from seawall.market.depth import DepthUse, use_depth
from seawall.market.implied import ImpliedQuotes, ImpliedUse, use_implied
from seawall.market.perpetuals import PerpetualHistory, PerpetualUse, use_perpetuals
from seawall.market.schema import OptionQuotes, OrderBook
from seawall.market.surfaces import SurfaceUse, use_chains
from seawall.page.encode import encode_page
from seawall.page.manifest import Manifest, init_code_hash
from seawall.page.units import quote_value, value_ticks

__all__ = ["Computed", "Proposal", "compute", "propose"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_HOUR_S = 3600


@dataclass(frozen=True, kw_only=True, slots=True)
class Computed:
    """Hold one keeper's own numbers for one time.

    Attributes
    ----------
    as_of
        Time of the newest observation, seconds.
    spots
        Price of one lot by underlying, ticks, (M,).
    listing
        Which column of the arrays stands for which instrument.
    risk
        What the model says, as fractions of spot, by column.
    posted
        What the oracle would accept of the perpetuals.
    lanes
        As posted, and which records they outgrew.
    delta
        Of the dated columns, (D,).
    liquidity
        Coefficients by underlying; volume in ticks.
    payloads
        Bytes of page i for every page id i.
    implied, depth, surfaces
        What was taken from quotes of implied volatility, order books, chains of options; None without a source of them.
    hedges
        What was taken of a selection made before; None without one.
    perpetuals
        Past basis; None without a source of it.
    held
        Instruments whose mark the oracle would not accept yet, and where it is posted instead.
    """

    as_of: int
    spots: Floats
    listing: Listing
    risk: RiskEstimate
    posted: PostedRisk
    lanes: FittedLanes
    delta: Floats
    liquidity: LiquidityCoefficients
    payloads: tuple[bytes, ...]
    implied: ImpliedUse | None = None
    depth: DepthUse | None = None
    surfaces: SurfaceUse | None = None
    hedges: HedgeUse | None = None
    perpetuals: PerpetualUse | None = None
    held: tuple[HeldMark, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """Hold a manifest, the pages it names, the leaves under its book root, and which baskets were asked for."""

    manifest: Manifest
    payloads: tuple[bytes, ...]
    books: tuple[BookLeaf, ...] = ()
    baskets: tuple[BasketRequest, ...] = ()


def compute(
    view: ChainView,
    bars: Bars,
    *,
    settings: KeeperSettings,
    implied: ImpliedQuotes | None = None,
    depth: Sequence[OrderBook] | None = None,
    chains: Sequence[OptionQuotes] | None = None,
    hedges: SelectedHedges | None = None,
    perpetuals: PerpetualHistory | None = None,
) -> Computed:
    """Return a keeper's numbers from its own bars, all of which must be complete at the time.

    Parameters
    ----------
    view
        The chain; its underlyings must be among the bars' symbols.
    bars
        History up to now and not a bar later.
    implied
        Quotes of implied volatility: they enter the volatility, and the surface goes through them; without one young
        enough the surface of an underlying is the model's own volatility.
    depth
        Order books, from which liquidity is taken where they count; else from traded volume.
    chains
        Option quotes, to which the surface of an underlying is fitted where they can be; it stands before `implied`.
    hedges
        Selected before: atoms are those of them that still stand, or chosen now if none does.
    perpetuals
        Past prices and funding, from which perpetuals move against their spot; elsewhere by assumption.

    Raises
    ------
    DataError
        If there are no bars, a symbol is missing, or the history is too short.
    PageError
        If a number does not fit the page.
    """
    if not len(bars.known_at):
        raise DataError("there are no bars: give the keeper a price history")
    own = bars.select([u.symbol for u in view.underlyings])
    bar_h = own.bar_s / _HOUR_S
    spots = spot_ticks(view, own.closes[-1])
    as_of, references = int(own.known_at[-1]), np.rint(spots)
    for underlying, spot in zip(view.underlyings, references, strict=True):
        if spot < 1:
            raise PageError(f"{underlying.symbol}: a lot is worth less than a tick: use a larger lot")
    listing = list_columns(view, spots=references, as_of=as_of)
    times, closes = own.gridded()
    use = None if implied is None else _implied(own.symbols, times, closes, bar_h, implied, settings)
    fitted = None if chains is None else use_chains(chains, own.symbols, as_of)
    basis = None if perpetuals is None else use_perpetuals(perpetuals, own.symbols, times, closes)
    selected = None
    if hedges is not None:
        most = most_hedges(view, per_instrument=settings.model.atoms.per_instrument)
        selected = use_hedges(hedges, view, listing, most=most)
    run = partial(
        estimate_portfolio,
        closes,
        bar_h=bar_h,
        roles=[settings.role(u.symbol) for u in view.underlyings],
        settings=settings.model,
        dated=listing.dated,
        spots=references,
        lots=listing.by_column(heaviest_books(view, references, most=settings.lane_books)),
        lot_value=np.array([quote_value(s * view.tick, token_decimals=view.token_decimals) for s in spots]),
        implied=None if use is None else use.history,
        quotes=None if use is None else use.quotes,
        surfaces=None if fitted is None else fitted.surfaces,
        hedges=None if selected is None else selected.hedges or None,
        tokens=listing.tokens,
        carried=None if basis is None else basis.carried,
    )
    estimate = run()
    posted = _posted(view, estimate.risk)
    held = held_marks(
        view, listing, estimate.valuation.mark, spots=references, as_of=as_of, lambda_bps=posted.lambda_bps
    )
    if held is not None:  # once more, with P&L from where they are held
        estimate = run(held=held)
        posted = _posted(view, estimate.risk)
    risk, m = estimate.risk, len(spots)
    volume = daily_volume_from_bars(own.traded_value, bar_h=bar_h)
    books = None if depth is None else use_depth(depth, own.symbols, as_of)
    spread, daily = liquidity_inputs(
        (None,) * m if books is None else books.books,
        half_spread=settings.half_spread,
        sigma_day=risk.sigma,
        volume=volume,
    )
    liquidity = liquidity_coefficients(
        spread=spread,
        sigma_day=risk.sigma,
        daily_volume=np.array(
            [value_ticks(v, token_decimals=view.token_decimals, tick=view.tick) for v in daily]
        ),
    )
    # One factor for everything; what raises an underlying's probe raises all its legs.
    factor = posted.lambda_bps / 10_000
    raised = factor * posted.raised[listing.underlying[m:]]
    lanes = fit_lanes(view, listing, risk.lanes.values * factor, spots=references)
    pages = page_inputs(
        view,
        Numbers(
            as_of=as_of,
            spots=references,
            listing=listing,
            estimate=estimate,
            posted=posted,
            long_es=np.concatenate([posted.long_es, risk.long_es[m:] * raised]),
            short_es=np.concatenate([posted.short_es, risk.short_es[m:] * raised]),
            lanes=lanes.values,
            liquidity=liquidity,
        ),
        settings=settings,
    )
    return Computed(
        as_of=as_of,
        spots=spots,
        listing=listing,
        risk=risk,
        posted=posted,
        lanes=lanes,
        delta=estimate.valuation.delta,
        liquidity=liquidity,
        payloads=tuple(encode_page(page) for page in pages),
        implied=use,
        depth=books,
        surfaces=fitted,
        hedges=selected,
        perpetuals=basis,
        held=() if held is None else held_instruments(view, listing, held.shift, spots=references),
    )


def _posted(view: ChainView, risk: RiskEstimate) -> PostedRisk:
    """Return what the oracle would accept of the perpetuals' risk."""
    m, ranges = len(view.underlyings), [u.probe_range for u in view.underlyings]
    return post_within(risk.long_es[:m], risk.short_es[:m], risk.lanes.values[:, :m], ranges=ranges)


def _implied(
    symbols: Sequence[str],
    times: Ints,
    closes: Floats,
    bar_h: float,
    quotes: ImpliedQuotes,
    settings: KeeperSettings,
) -> ImpliedUse:
    """Return what quotes say, held to the model's own volatility."""
    yearly = np.sqrt(YEAR_H / settings.model.horizon_h)
    model = sigma_path(closes, bar_h=bar_h, settings=settings.model) * yearly
    return use_implied(quotes, symbols, times, model, settings=settings.implied)


def propose(
    view: ChainView,
    computed: Computed,
    bars: Bars,
    *,
    epoch: int,
    settings: KeeperSettings,
    baskets: Sequence[BasketRequest] = (),
) -> Proposal:
    """Return the manifest for an epoch, naming the computed pages and the root over books of the view and baskets."""
    books = certify_books(
        view,
        computed,
        (*view.books, *basket_books(baskets)),
        lambda_bps=computed.posted.lambda_bps,
        settings=settings,
    )
    return Proposal(
        manifest=Manifest(
            epoch=epoch,
            as_of=computed.as_of,
            valid_until=computed.as_of + settings.validity_s,
            config_digest=view.config_digest,
            book_root=book_tree(books).root,
            book_block=view.block_number,
            inputs_hash=inputs_hash(view, computed, bars),
            model_hash=model_hash(settings),
            pages=tuple(init_code_hash(payload) for payload in computed.payloads),
        ),
        payloads=computed.payloads,
        books=books,
        baskets=tuple(baskets),
    )
