"""The stage set: a chain, everything deployed and listed on it, and the world that plays there."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from seawall.chain.contracts import System
from seawall.chain.deploy import deploy
from seawall.chain.devchain import open_chain
from seawall.chain.plan import AnchorPlan, DeploySettings, InstrumentPlan, ProbePlan, UnderlyingPlan
from seawall.demo.dated import DatedPlan, listed_instruments
from seawall.demo.settings import LOT_SIZES, DemoSettings
from seawall.demo.world import KEEPERS, QUORUM, TICK, TOKEN_DECIMALS, World
from seawall.market.bars import Bars
from seawall.page.encode import shift_for
from seawall.page.units import lot_ticks

__all__ = ["open_world"]

_WAD = Decimal(10) ** 18


def _underlying(
    symbol: str, price: float, dated: DatedPlan | None, expiries: Sequence[int]
) -> UnderlyingPlan:
    """Return an underlying's listing: its lot, and a shift with room for a tenfold rise of the price."""
    lot_size_wad = int(Decimal(LOT_SIZES[symbol]) * _WAD)
    ticks = lot_ticks(price, lot_size_wad=lot_size_wad, token_decimals=TOKEN_DECIMALS, tick=TICK)
    shift = shift_for(ticks, ticks, headroom=10.0)
    beside = () if dated is None else listed_instruments(dated, expiries, spot=ticks, shift=shift)
    return UnderlyingPlan(
        symbol=symbol,
        lot_size_wad=lot_size_wad,
        bounds=_bounds(symbol),
        instruments=(InstrumentPlan(kind="perpetual", shift=shift), *beside),
    )


def _bounds(symbol: str) -> ProbePlan:
    """Return probe bounds: the start values for majors, a wider cap where a year's worst day tripled the price."""
    if symbol in {"BTC", "ETH"}:
        return ProbePlan(cap_ppm=900_000)
    return ProbePlan(cap_ppm=4_000_000)


def open_world(
    bars: Bars,
    settings: DemoSettings,
    *,
    first_s: int,
    last_s: int,
    people: Sequence[str],
    state_dir: Path,
) -> World:
    """Deploy everything on a chain whose clock stands shortly before the window.

    Raises
    ------
    ConfigError
        If the chain is not installed or cannot be taken over.
    """
    kind = "rpc" if settings.rpc_url else settings.chain
    chain = open_chain(kind, timestamp=first_s - 3600, accounts=20, url=settings.rpc_url)
    prices = bars.until(first_s).closes[-1]
    dated = settings.dated
    expiries = () if dated is None else dated.expiry_hours(last_s=last_s)
    plan = DeploySettings(
        signers=tuple(sorted((a.address for a in chain.accounts[1 : 1 + KEEPERS]), key=str.lower)),
        quorum=QUORUM,
        anchor=AnchorPlan(signers=(chain.accounts[5].address,), quorum=1),
        underlyings=tuple(
            _underlying(s, float(p), dated, expiries) for s, p in zip(settings.symbols, prices, strict=True)
        ),
        tick=TICK,
    )
    deployment = deploy(chain.sender(0), plan)
    return World(
        chain,
        System.connect(chain.w3, deployment),
        bars,
        settings,
        people,
        from_block=deployment.block,
        state_dir=state_dir,
        expiries=expiries,
    )
