"""Expiries: prices kept live while the settlement price forms, the price fixed, positions turned into cash."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seawall.chain.reverts import Reverted
from seawall.demo.accounts import Accounts
from seawall.demo.history import Settled
from seawall.demo.settings import DemoSettings
from seawall.demo.world import World
from seawall.keeper import ChainView
from seawall.keeper.accounts import book_entries

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
        while self._due and self._due[0] * _HOUR_S <= time_s:
            if not self._fix(self._due[0]):
                return
            self._settle_positions(self._due.pop(0), time_s)

    def _fix(self, hour: int) -> bool:
        """Fix the prices of an expiry; a feed that saw too little of its last half hour wants to see more first."""
        world, feed = self.world, self.world.system.feed
        for underlying, symbol in enumerate(self.settings.symbols):
            try:
                world.count(feed.transact(world.relayer, "fixSettlement", underlying, hour))
            except Reverted as error:
                if error.name != "SettlementTooEarly":
                    raise
                self.accounts.events.append(f"{symbol} cannot settle yet")
                return False
            price = world.unit_price(symbol, int(feed.call("settlement", underlying, hour)[0]))
            self.accounts.events.append(
                f"{symbol} settles at {price:,.2f}, last price {self._last(symbol):,.2f}"
            )
        return True

    def _settle_positions(self, hour: int, time_s: int) -> None:
        world, vault = self.world, self.world.system.vault
        view = world.view()
        names = world.names()
        for book in view.books:
            pages = {
                page for (page, slot, _), _ in book_entries(book.words) if _expires(view, page, slot) == hour
            }
            cash = 0.0
            for page in sorted(pages):
                receipt = world.count(vault.transact(world.relayer, "settleExpired", book.account, page))
                found = [
                    self._settled(event.args, view, names[book.account], time_s)
                    for event in vault.events(receipt, "ExpirySettled")
                ]
                self.settled += found
                cash += sum(position.cash for position in found)
            if pages:
                self.accounts.events.append(f"{names[book.account]} settles what expired for {cash:+,.0f}")

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


def _expires(view: ChainView, page: int, slot: int) -> int:
    return view.pages[page].instruments[slot].expiry_hour
