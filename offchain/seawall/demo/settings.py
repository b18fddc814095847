"""Who takes part and what is fixed before the first price is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from seawall.demo.dated import DatedPlan, LegPlan
from seawall.errors import ConfigError
from seawall.keeper.settings import KeeperSettings
from seawall.liquidator import LiquidatorSettings
from seawall.margin.settings import LaneSettings, ModelSettings

__all__ = ["CAST", "LOT_SIZES", "AccountPlan", "DemoSettings"]

# Units of the underlying in a lot: about ten to twenty dollars each at the prices of 2018.
LOT_SIZES: Mapping[str, str] = {"BTC": "0.001", "ETH": "0.01", "LTC": "0.1", "XRP": "10", "EOS": "1"}


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountPlan:
    """Hold what an account does at the start; what happens to it falls out of the prices.

    Attributes
    ----------
    weights
        Signed shares of its notional by symbol; they need not sum to anything.
    deposit
        Settlement tokens.
    usage
        Initial requirement of the opening positions over the deposit: near 1 is as levered as the rules allow.
    reserve
        Tokens kept outside, spent to cure margin calls.
    legs
        Instead of weights: a book of several instruments an underlying.
    """

    name: str
    weights: Mapping[str, float]
    deposit: float
    usage: float
    reserve: float = 0.0
    legs: tuple[LegPlan, ...] = ()


CAST: tuple[AccountPlan, ...] = (
    AccountPlan(name="levered long", weights={"BTC": 0.6, "ETH": 0.4}, deposit=100_000, usage=0.97),
    AccountPlan(name="long with reserve", weights={"BTC": 1.0}, deposit=100_000, usage=0.90, reserve=150_000),
    AccountPlan(name="altcoin long", weights={"XRP": 1.0}, deposit=80_000, usage=0.97),
    AccountPlan(name="levered short", weights={"ETH": -0.5, "LTC": -0.5}, deposit=120_000, usage=0.70),
    AccountPlan(name="hedged pair", weights={"BTC": 1.0, "ETH": -1.0}, deposit=100_000, usage=0.80),
    AccountPlan(name="cautious", weights={"BTC": 0.5, "LTC": 0.5}, deposit=100_000, usage=0.20),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoSettings:
    """Hold everything a run is told.

    Attributes
    ----------
    chain, rpc_url
        ``eth-tester``, ``anvil``, or ``rpc`` with a URL.
    first_s, last_s
        Window, seconds since 1970; None: around the worst fall of January and November 2018, found in the data.
    fall_s, before_s, after_s
        How long the fall is that the window is found by, and what to show of the time before and after.
    dated
        Futures and options that are listed beside the perpetuals; None: none.
    report
        Where the HTML report goes; None: no report.
    epoch_s
        Seconds between manifests.
    outage
        Shares of the window between which no bidder is online.
    live_step_s
        Seconds between price batches while an account is in trouble.
    dealer_deposit, bidder_deposit, fund_deposit
        Settlement tokens of the market maker, of the bidder, and in the insurance fund.
    """

    chain: str = "eth-tester"
    rpc_url: str | None = None
    symbols: tuple[str, ...] = ("BTC", "ETH", "LTC", "XRP", "EOS")
    first_s: int | None = None
    last_s: int | None = None
    fall_s: int = 24 * 3600
    before_s: int = 2 * 3600
    after_s: int = 2 * 3600
    dated: DatedPlan | None = None
    report: Path | None = None
    epoch_s: int = 3600
    outage: tuple[float, float] = (0.452, 0.918)
    live_step_s: int = 110
    dealer_deposit: float = 3_000_000
    bidder_deposit: float = 1_000_000
    fund_deposit: float = 300_000
    cast: tuple[AccountPlan, ...] = CAST
    keeper: KeeperSettings = field(
        default_factory=lambda: KeeperSettings(
            model=ModelSettings(
                step_h=1.0,  # a year of history: every hour counts, or the phase of the grid shows
                probe_books=64,
                lanes=LaneSettings(iterations=8, adversary_starts=1, random_design_books=64),
            )
        )
    )
    bidder: LiquidatorSettings = field(default_factory=lambda: LiquidatorSettings(slice_fraction=0.2))

    def __post_init__(self) -> None:
        """Reject windows and outages that make no story."""
        if (self.first_s is None) != (self.last_s is None):
            raise ConfigError("give both --from and --to, or neither")
        if self.first_s is not None and self.last_s is not None and self.last_s - self.first_s < 6 * 3600:
            raise ConfigError("the window must be at least six hours long: move --to")
        if not 0 <= self.outage[0] <= self.outage[1] <= 1:
            raise ConfigError("the outage must lie within the window: 0 <= start <= end <= 1")
        traded = {s for plan in self.cast for s in (*plan.weights, *(leg.symbol for leg in plan.legs))}
        missing = traded - set(self.symbols)
        if missing:
            raise ConfigError(f"accounts trade {', '.join(sorted(missing))}, which is not listed")
