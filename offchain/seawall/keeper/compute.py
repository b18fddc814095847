"""From observations to a proposal: the same inputs give the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seawall.errors import DataError
from seawall.keeper.policy import PostedRisk, post_within
from seawall.keeper.settings import KeeperSettings
from seawall.keeper.view import ChainView, PageView, UnderlyingView
from seawall.margin.liquidity import LiquidityCoefficients, daily_volume_from_bars, liquidity_coefficients
from seawall.margin.perpetuals import RiskEstimate, estimate
from seawall.market.bars import Bars
from seawall.page.encode import accrued_funding_x32, encode_page
from seawall.page.inputs import FundingInput, LiquidityInput, PageInput, RecordInput
from seawall.page.layout import Kind
from seawall.page.manifest import Manifest, init_code_hash
from seawall.page.units import lot_ticks, quote_value, value_ticks

__all__ = ["Computed", "Proposal", "compute", "live_exposures", "propose", "spot_ticks"]

Floats = npt.NDArray[np.float64]

_SECONDS_8H = 8 * 3600
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
    risk
        What the model says, as fractions of spot.
    posted
        What the oracle would accept of it.
    liquidity
        Coefficients by underlying; volume in ticks.
    payloads
        Bytes of page i for every page id i.
    """

    as_of: int
    spots: Floats
    risk: RiskEstimate
    posted: PostedRisk
    liquidity: LiquidityCoefficients
    payloads: tuple[bytes, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """Hold a manifest and the pages it names."""

    manifest: Manifest
    payloads: tuple[bytes, ...]


def spot_ticks(view: ChainView, closes: Floats) -> Floats:
    """Return the price of one lot of every underlying, ticks, (M,)."""
    return np.array(
        [
            lot_ticks(close, lot_size_wad=u.lot_size_wad, token_decimals=view.token_decimals, tick=view.tick)
            for u, close in zip(view.underlyings, closes, strict=True)
        ]
    )


def live_exposures(view: ChainView, spots: Floats) -> Floats:
    """Return the live books as signed spot exposure by underlying, settlement tokens, (N, M)."""
    exposure = np.zeros((len(view.lots), len(view.underlyings)))
    column = 0
    for page in view.pages:
        for _ in page.instruments:
            value = quote_value(spots[page.underlying] * view.tick, token_decimals=view.token_decimals)
            exposure[:, page.underlying] += view.lots[:, column] * value
            column += 1
    return exposure


def compute(view: ChainView, bars: Bars, *, settings: KeeperSettings) -> Computed:
    """Return a keeper's numbers from its own bars, all of which must be complete at the time.

    Parameters
    ----------
    view
        The chain; its underlyings must be among the bars' symbols.
    bars
        History up to now and not a bar later.

    Raises
    ------
    DataError
        If there are no bars, a symbol is missing, or the history is too short.
    """
    if not len(bars.known_at):
        raise DataError("there are no bars: give the keeper a price history")
    own = bars.select([u.symbol for u in view.underlyings])
    bar_h = own.bar_s / _HOUR_S
    spots = spot_ticks(view, own.closes[-1])
    risk = estimate(
        own.closes,
        bar_h=bar_h,
        roles=[settings.role(u.symbol) for u in view.underlyings],
        settings=settings.model,
        books=live_exposures(view, spots),
    )
    posted = post_within(
        risk.long_es, risk.short_es, risk.lanes.values, ranges=[u.probe_range for u in view.underlyings]
    )
    volume = daily_volume_from_bars(own.traded_value, bar_h=bar_h)
    liquidity = liquidity_coefficients(
        spread=np.full(len(spots), 2 * settings.half_spread),
        sigma_day=risk.sigma,
        daily_volume=np.array(
            [value_ticks(v, token_decimals=view.token_decimals, tick=view.tick) for v in volume]
        ),
    )
    as_of = int(own.known_at[-1])
    pages = [
        _page(page, view.underlyings[page.underlying], view, as_of, spots, posted, liquidity, settings)
        for page in view.pages
    ]
    return Computed(
        as_of=as_of,
        spots=spots,
        risk=risk,
        posted=posted,
        liquidity=liquidity,
        payloads=tuple(encode_page(page) for page in pages),
    )


def _page(
    page: PageView,
    underlying: UnderlyingView,
    view: ChainView,
    as_of: int,
    spots: Floats,
    posted: PostedRisk,
    liquidity: LiquidityCoefficients,
    settings: KeeperSettings,
) -> PageInput:
    u = page.underlying
    spot = float(np.rint(spots[u]))
    records = [_record(page, slot, spot, u, posted, underlying) for slot in range(len(page.instruments))]
    carried = 0 if page.head is None else accrued_funding_x32(page.head, at_s=as_of)
    return PageInput(
        underlying=u,
        page_id=page.page_id,
        as_of_s=as_of,
        tick=view.tick,
        reference_spot=spot,
        max_drift=settings.max_drift,
        liquidity=LiquidityInput(
            half_spread=float(liquidity.half_spread[u]),
            y_volatility=float(liquidity.impact[u]),
            daily_volume=float(liquidity.daily_volume[u]),
            half_volatility_spread=0.0,
        ),
        factors=view.factors,
        records=records,
        funding=FundingInput(
            cumulative_x32=carried,
            rate=settings.funding_per_8h * spot / _SECONDS_8H,
            cap_s=settings.funding_cap_s,
        ),
        lambda_factor=posted.lambda_bps / 10_000,
        lane_count=posted.lanes.shape[0],
        probe_slot=underlying.probe_slot if underlying.probe_page == page.page_id else 0,
    )


def _record(
    page: PageView, slot: int, spot: float, u: int, posted: PostedRisk, underlying: UnderlyingView
) -> RecordInput:
    terms = page.instruments[slot]
    if terms.kind != Kind.PERPETUAL:
        raise DataError(
            f"slot {slot} of page {page.page_id} is no perpetual: this keeper prices perpetuals only"
        )
    return RecordInput(
        name=f"{underlying.symbol} perpetual (page {page.page_id}, slot {slot})",
        kind=terms.kind,
        shift=terms.shift,
        generation=terms.generation,
        mark=spot,
        delta=1.0,
        leg_long=float(posted.long_es[u]) * spot,
        leg_short=float(posted.short_es[u]) * spot,
        lanes=[float(lane) for lane in posted.lanes[:, u] * spot],
    )


def propose(
    view: ChainView, computed: Computed, bars: Bars, *, epoch: int, settings: KeeperSettings
) -> Proposal:
    """Return the manifest for an epoch, naming the computed pages."""
    return Proposal(
        manifest=Manifest(
            epoch=epoch,
            as_of=computed.as_of,
            valid_until=computed.as_of + settings.validity_s,
            config_digest=view.config_digest,
            book_root=bytes(32),
            book_block=view.block_number,
            inputs_hash=_hash(
                ",".join(bars.symbols).encode(),
                bars.known_at.astype("<i8").tobytes(),
                bars.closes.astype("<f8").tobytes(),
                bars.traded_value.astype("<f8").tobytes(),
                view.lots.astype("<f8").tobytes(),
            ),
            model_hash=_hash(repr(settings).encode()),
            pages=tuple(init_code_hash(payload) for payload in computed.payloads),
        ),
        payloads=computed.payloads,
    )


def _hash(*parts: Sequence[int] | bytes) -> bytes:
    """Return SHA-256 over length-prefixed parts."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(bytes(part))
    return digest.digest()
