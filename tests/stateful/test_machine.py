"""Anything that anybody may do, in any order, on compiled bytecode and in the reference at once."""

from __future__ import annotations

import inspect
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule
from tests.stateful.auction_rules import AuctionRules
from tests.stateful.machine import SAVER
from tests.stateful.trading_rules import instruments

# Forty runs in the `ci` profile, a second or two each.
EXAMPLES = max(15, settings().max_examples * 2 // 15)


ACTIONS = {
    name: found.arguments for name, found in inspect.getmembers(AuctionRules) if hasattr(found, "arguments")
}


class Everything(AuctionRules):
    @initialize(
        fund=st.sampled_from((0, 0, 10, 500, 50_000)),
        shares=st.sampled_from(((0, 0), (2_000, 1_000), (10_000, 0))),
        trades=st.lists(
            st.tuples(st.sampled_from(("attacker", "bidder")), instruments, st.integers(-95, 95)), max_size=3
        ),
        instrument=instruments,
        percent=st.integers(-95, -60) | st.integers(60, 95),
        bps=st.sampled_from((0, 400, 700, 900, 1_100, 1_300, 1_600, 2_000)),
        flight=st.booleans(),
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
    ) -> None:
        """Let all trade with the dealer; the price may move against the trader, who is put up, and the saver flee."""
        self.begin(fund, shares)
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

    @rule(step=st.one_of(*(st.tuples(st.just(name), ACTIONS[name]) for name in (*ACTIONS, "liquidate"))))
    def act(self, step: tuple[str, dict[str, Any]]) -> None:
        name, arguments = step
        getattr(self, name)(**arguments)


class Test_INV_01_INV_02_INV_04_INV_05_INV_07_INV_10_INV_11_INV_12_INV_18_to_INV_24(Everything.TestCase):
    settings = settings(max_examples=EXAMPLES, stateful_step_count=30)
