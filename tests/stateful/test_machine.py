"""Anything that anybody may do, in any order, on compiled bytecode and in the reference at once."""

from __future__ import annotations

import inspect
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule
from tests.stateful.auction_rules import AuctionRules
from tests.stateful.authority_rules import AuthorityRules
from tests.stateful.collateral_rules import CollateralRules
from tests.stateful.dated_rules import DatedRules, dated
from tests.stateful.machine import SAVER
from tests.stateful.trading_rules import instruments
from tests.stateful.wind_down_rules import WindDownRules

# Forty runs in the `ci` profile, a second or two each.
EXAMPLES = max(15, settings().max_examples * 2 // 15)
CLOSING_EXAMPLES = EXAMPLES // 2


class Everything(AuctionRules, AuthorityRules, CollateralRules, DatedRules, WindDownRules):
    @initialize(
        fund=st.sampled_from((0, 0, 10, 500, 50_000)),
        shares=st.sampled_from(((0, 0), (2_000, 1_000), (10_000, 0))),
        trades=st.lists(
            st.tuples(st.sampled_from(("attacker", "bidder")), instruments | dated, st.integers(-95, 95)),
            max_size=3,
        ),
        instrument=instruments | dated,
        percent=st.integers(-95, -60) | st.integers(60, 95),
        bps=st.sampled_from((0, 400, 700, 900, 1_100, 1_300, 1_600, 2_000)),
        flight=st.booleans(),
        rate=st.sampled_from((0.0, 0.1, -0.1)),
    )
    def open_market(
        self,
        fund: int,
        shares: tuple[int, int],
        trades: list[tuple[str, tuple[int, int], int]],
        instrument: tuple[int, int],
        percent: int,
        bps: int,
        flight: bool,
        rate: float,
    ) -> None:
        """Let all trade with the dealer; the price may move against the trader, who is put up, and the saver flee."""
        self.begin(fund, shares)
        for market in self.system.markets.values():
            market.funding_rate = rate
        assert self.twin.publish() is None
        for name, held, size in (*trades, ("trader", instrument, percent)):
            taker, maker = self.twin.accounts[name], self.twin.accounts["dealer"]
            self.fill(f"TRADE {name} dealer", taker, maker, held, size)
        self.twin.advance(400)
        if bps:
            self.shock(self.system.markets[instrument[0]].underlying, -bps if percent > 0 else bps)
            self.twin.advance(12)
            self.start(0)
        if flight:
            self.withdraw(SAVER, 20)

    def perform(self, step: tuple[str, dict[str, Any]]) -> None:
        name, arguments = step
        getattr(self, name)(**arguments)


ACTIONS = {
    name: found.arguments for name, found in inspect.getmembers(Everything) if hasattr(found, "arguments")
}


def some(*names: str) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """Draw one of the actions, with its arguments; a name may be given twice."""
    return st.one_of(*(st.tuples(st.just(name), ACTIONS[name]) for name in names))


# What anybody may try at any time, and mostly in vain.
VAIN = ("close", "govern", "grant", "intrude")
USUAL = tuple(name for name in ACTIONS if name not in (*VAIN, "evacuate"))


class Going(Everything):
    """While keepers publish."""

    @rule(step=some(*VAIN, *USUAL, *USUAL, "liquidate", "liquidate"))
    def act(self, step: tuple[str, dict[str, Any]]) -> None:
        self.perform(step)


class Closing(Everything):
    """When they do not; whoever is left does what can still be done."""

    closing = True

    @rule(
        step=some(*VAIN, *(name for name in USUAL if name != "squeeze"), *("close",) * 8, *("evacuate",) * 4)
    )
    def act(self, step: tuple[str, dict[str, Any]]) -> None:
        self.perform(step)


class Test_INV_01_INV_02_INV_04_INV_05_INV_07_INV_10_INV_11_INV_12_INV_18_to_INV_24(Going.TestCase):
    settings = settings(max_examples=EXAMPLES, stateful_step_count=30)


class Test_INV_01_INV_02_INV_04_INV_10_INV_17_INV_24_in_a_wind_down(Closing.TestCase):
    settings = settings(max_examples=CLOSING_EXAMPLES, stateful_step_count=20)
