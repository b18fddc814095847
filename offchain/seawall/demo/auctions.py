"""Auctions of accounts that fail: prices kept live, starts, bids, ends."""

from __future__ import annotations

from seawall.demo.accounts import BIDDER, Accounts
from seawall.demo.history import AuctionRun, Bid
from seawall.demo.settings import DemoSettings
from seawall.demo.world import World
from seawall.keeper import ChainView
from seawall.liquidator import Bidder

__all__ = ["Auctions"]

_START_DELAY_S = 330  # five live minutes after a gap, and a little


class Auctions:
    """Start auctions, and bid in them while the bidder is online."""

    def __init__(self, world: World, accounts: Accounts, settings: DemoSettings) -> None:
        self.world = world
        self.accounts = accounts
        self.settings = settings
        person = world.people[BIDDER]
        self.bidder = Bidder(
            world.system, person.sender, person.account, settings=settings.bidder, leaves=world.leaves
        )
        self.open: dict[str, AuctionRun] = {}
        self.closed: list[AuctionRun] = []
        self.events: list[str] = []

    def run(self, view: ChainView, time_s: int, *, until_s: int, online: bool) -> None:
        """Keep prices live while somebody fails maintenance, start auctions, and let the bidder bid if it is online."""
        world = self.world
        waiting = [name for name in self.accounts.failing() if name not in self.open]
        if not waiting and not (self.open and online):
            return
        now = max(world.chain.now(), time_s)
        while (waiting or (self.open and online)) and now + self.settings.live_step_s <= until_s:
            now += self.settings.live_step_s
            world.move_to(now)
            world.story_time = now
            world.push(view)
            if now - time_s < _START_DELAY_S:
                continue
            for name in waiting:
                self.start(name, now)
            waiting = []  # whoever does not start now is still safe under the baseline
            if online:
                self.bids(now)

    def start(self, name: str, now: int) -> None:
        """Put an account up if it fails under current and baseline."""
        if not self.bidder.start(self.world.people[name].account):
            return
        margin = self.world.margin(name)
        self.open[name] = AuctionRun(
            account=name,
            time_s=now,
            equity=self.world.tokens(margin.equity),
            maintenance=self.world.tokens(margin.maintenance),
        )
        self.events.append(f"{name} is put up for auction")

    def bids(self, now: int) -> None:
        """Bid once in every auction."""
        world = self.world
        for name, run in list(self.open.items()):
            account = world.people[name].account
            health = self.bidder.health(account)
            if not health.liquidatable:
                if self.bidder.close(account):
                    self.end(name, now, "recovers")
                continue
            live = world.system.feed.call("liveSeconds") - world.system.liquidator.call("auction", account)[1]
            run.curve.append((live, self.bidder.factor(account)))
            bought = self.bidder.bid(account, health)
            if bought is None:
                continue
            margin = self.accounts.margins[name] = world.margin(name)
            run.bids.append(
                Bid(
                    at_s=live,
                    factor=bought.factor,
                    fraction=bought.fraction,
                    paid=world.tokens(bought.paid),
                    value=world.tokens(bought.value),
                    fund_paid=world.tokens(bought.fund_paid),
                    deficit_added=world.tokens(bought.deficit_added),
                    health_after=margin.equity / margin.maintenance if margin.maintenance else None,
                )
            )
            self.events.append(f"bidder takes {bought.fraction:.1%} of {name} at k = {bought.factor:.3f}")
            if bought.ended:
                self.end(name, now, "is back at health" if margin.maintenance else "is closed")

    def end(self, name: str, now: int, how: str) -> None:
        """Note the end of an auction."""
        run = self.open.pop(name)
        run.ended_s = now
        self.closed.append(run)
        self.events.append(f"{name} {how}")
