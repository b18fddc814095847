"""Expiries: prices kept live while the settlement price forms, the price fixed, positions turned into cash."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from seawall.demo.accounts import Accounts
from seawall.demo.history import Settled
from seawall.demo.settings import DemoSettings
from seawall.demo.world import World
from seawall.keeper import ChainView
from seawall.keeper.expiries import fix_settlements, settle_expired

__all__ = ["Expiries"]

_HOUR_S = 3600
_WINDOW_S = 1800
_INSTRUMENTS_A_PAGE, _SLOTS = 1 << 22, 1 << 8  # how an instrument is packed: page, generation, slot


class Expiries:
    """Settle what expires within the window."""

    def __init__(self, world: World, accounts: Accounts, settings: DemoSettings) -> None:
        self.world = world
        self.accounts = accounts
        self.settings = settings
        self.settled: list[Settled] = []
        self._due = sorted(world.expiries)

    def watch(self, view: ChainView, time_s: int, *, until_s: int) -> None:
        """Push prices through the last half hour before an expiry, over which the settlement price is the average."""
        world = self.world
        for hour in self._due:
            expiry_s = hour * _HOUR_S
            if not time_s < expiry_s <= until_s + self.settings.live_step_s:
                continue
            now = max(world.chain.now(), expiry_s - _WINDOW_S - self.settings.live_step_s)
            while now < until_s:
                now = min(now + self.settings.live_step_s, until_s)
                world.move_to(now)
                world.story_time = now
                world.push(view)

    def settle(self, time_s: int) -> None:
        """Fix the settlement prices that are due, and turn every expired position into cash."""
        due = [hour for hour in self._due if hour * _HOUR_S <= time_s]
        if not due:
            return
        world, symbols = self.world, self.settings.symbols
        system, view = world.system, world.view()
        for fixed in fix_settlements(system, world.relayer, view):
            world.count(fixed.receipt)
            symbol = symbols[fixed.underlying]
            self.accounts.events.append(
                f"{symbol} settles at {world.unit_price(symbol, fixed.price_ticks):,.2f},"
                f" last price {self._last(symbol):,.2f}"
            )
        for hour in due:
            waiting = [s for u, s in enumerate(symbols) if not system.feed.call("settlement", u, hour)[2]]
            self.accounts.events += [f"{symbol} cannot settle yet" for symbol in waiting]
            if not waiting:
                self._due.remove(hour)
        self._settle_positions(view, time_s)

    def _settle_positions(self, view: ChainView, time_s: int) -> None:
        world = self.world
        names, cash = world.names(), defaultdict[str, float](float)
        for page in settle_expired(world.system, world.relayer, view):
            world.count(page.receipt)
            name = names[page.account]
            for event in world.system.vault.events(page.receipt, "ExpirySettled"):
                self.settled.append(self._settled(event.args, view, name, time_s))
                cash[name] += self.settled[-1].cash
        self.accounts.events += [
            f"{name} settles what expired for {sum_:+,.0f}" for name, sum_ in cash.items()
        ]

    def _settled(self, args: Mapping[str, Any], view: ChainView, name: str, time_s: int) -> Settled:
        world = self.world
        page, slot = divmod(int(args["instrument"]), _INSTRUMENTS_A_PAGE)
        slot %= _SLOTS
        symbol = view.underlyings[view.pages[page].underlying].symbol
        return Settled(
            time_s=time_s,
            account=name,
            instrument=world.instrument_name(symbol, view.pages[page].instruments[slot]),
            lots=int(args["lots"]),
            settlement_price=world.unit_price(symbol, int(args["priceTicks"])),
            last_price=self._last(symbol),
            cash=world.tokens(int(args["worth"])),
        )

    def _last(self, symbol: str) -> float:
        bars = self.world.bars.until(self.world.story_time)
        return float(bars.closes[-1][bars.symbols.index(symbol)])
