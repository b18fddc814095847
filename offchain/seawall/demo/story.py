"""The story, epoch by epoch. Who takes part is fixed before; what happens falls out of the prices."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from seawall.chain.reverts import Reverted
from seawall.demo.history import AccountEpoch, AuctionRun, Bid, Epoch, Ledger, Outcome
from seawall.demo.settings import AccountPlan, DemoSettings
from seawall.demo.summary import summarise
from seawall.demo.world import Person, Position, World, open_world
from seawall.errors import DataError
from seawall.keeper import ChainView, Round, run_round
from seawall.keeper.compute import compute
from seawall.liquidator import Bidder
from seawall.liquidator.bot import EMPTY_CERTIFICATE
from seawall.market import embedded_bars, worst_window
from seawall.market.bars import Bars

__all__ = ["Story", "choose_window", "tell"]

DEALER, BIDDER, INSURER = "market maker", "bidder", "insurer"
_HOUR = 3600
_COMPUTE_TIMEOUT_S = 120
_START_DELAY_S = 330  # five live minutes after a gap, and a little
_CURE_TARGET = 1.2
_SIZING_ROOM = 1.06  # liquidity charge and fees on top of the legs


def choose_window(bars: Bars, settings: DemoSettings) -> tuple[int, int]:
    """Return the window: as asked, or around the worst day of January and November 2018.

    Raises
    ------
    DataError
        If the window lies outside the data.
    """
    if settings.first_s is not None and settings.last_s is not None:
        inside = bars.between(settings.first_s, settings.last_s)
        if len(inside.known_at) < 12:
            first, last = (datetime.fromtimestamp(t, UTC).date() for t in bars.known_at[[0, -1]].tolist())
            raise DataError(
                f"the window holds {len(inside.known_at)} bars: choose dates between {first} and {last}"
            )
        return settings.first_s, settings.last_s
    months = [("2018-01-01", "2018-02-01"), ("2018-11-01", "2018-12-01")]
    ranges = [
        tuple(int(datetime.fromisoformat(d).replace(tzinfo=UTC).timestamp()) for d in month)
        for month in months
    ]
    return worst_window(
        bars, ranges=[(a, b) for a, b in ranges], fall_s=24 * _HOUR, before_s=4 * _HOUR, after_s=4 * _HOUR
    )


def tell(settings: DemoSettings, *, progress: Callable[[int, int, Epoch], None]) -> Outcome:
    """Run the story and return its outcome; `progress` gets each epoch as it ends.

    Raises
    ------
    SeawallError
        If anything of it fails: nothing is made up.
    """
    bars = embedded_bars(settings.symbols)
    first_s, last_s = choose_window(bars, settings)
    people = [plan.name for plan in settings.cast] + [DEALER, BIDDER, INSURER]
    with (
        TemporaryDirectory(prefix="seawall-") as state_dir,
        open_world(bars, settings, first_s=first_s, people=people, state_dir=Path(state_dir)) as world,
        ProcessPoolExecutor(max_workers=min(len(world.keepers), os.cpu_count() or 1)) as pool,
    ):
        return Story(world, settings, pool, first_s=first_s, last_s=last_s).run(progress)


class Story:
    """Walk a world through a window."""

    def __init__(
        self, world: World, settings: DemoSettings, pool: Executor, *, first_s: int, last_s: int
    ) -> None:
        self.world = world
        self.settings = settings
        self.pool = pool
        self.first_s = first_s
        self.last_s = last_s
        bidder = world.people[BIDDER]
        self.view = world.view()
        self.bidder = Bidder(world.system, bidder.sender, bidder.account, settings=settings.bidder)
        self.plans = {plan.name: plan for plan in settings.cast}
        self.reserves = {plan.name: plan.reserve for plan in settings.cast}
        self.deposited = dict.fromkeys(world.people, 0.0)
        self.withdrawn = dict.fromkeys(world.people, 0.0)
        self.auctions: dict[str, AuctionRun] = {}
        self.closed: list[AuctionRun] = []
        self.events: list[str] = []
        self.called: set[str] = set()
        self.margins: dict[str, Position] = {}
        self.fund_before = 0.0

    def run(self, progress: Callable[[int, int, Epoch], None]) -> Outcome:
        """Run every epoch and balance the books."""
        times = self.epoch_times()
        epochs = []
        for number, time_s in enumerate(times):
            self.events = []
            self.world.story_time = time_s
            self.world.move_to(time_s)
            round_ = self.publish()
            if number == 0:
                self.open_accounts()
            if number == len(times) - 1:
                self.claim()
            self.read_margins()
            self.margin_calls()
            online = not self.in_outage(time_s)
            self.liquidations(
                time_s, until_s=times[number + 1] - 60 if number + 1 < len(times) else time_s, online=online
            )
            if number == len(times) - 2:
                self.request()
            epochs.append(self.record(time_s, round_, online=online))
            progress(number + 1, len(times), epochs[-1])
        return self.outcome(epochs)

    def epoch_times(self) -> list[int]:
        """Return the times of bars at which manifests are due, one every `epoch_s`."""
        times: list[int] = []
        for time_s in self.world.bars.between(self.first_s, self.last_s).known_at.tolist():
            if not times or time_s - times[-1] >= self.settings.epoch_s:
                times.append(time_s)
        return times

    def in_outage(self, time_s: int) -> bool:
        """Say whether no bidder is online."""
        share = (time_s - self.first_s) / max(self.last_s - self.first_s, 1)
        return self.settings.outage[0] <= share < self.settings.outage[1]

    def publish(self) -> Round:
        """Push prices, let three keepers compute on their own, two of them sign, and put the manifest in force."""
        world = self.world
        world.push(self.view)
        self.view = view = world.view()
        bars = world.bars.until(world.story_time)
        jobs = [self.pool.submit(compute, view, bars, settings=self.settings.keeper) for _ in world.keepers]
        computed = [job.result(timeout=_COMPUTE_TIMEOUT_S) for job in jobs]
        round_ = run_round(world.system, world.relayer, world.keepers, computed, view)
        world.transactions += len(view.pages) + 1
        world.gas += round_.gas_used
        return round_

    def open_accounts(self) -> None:
        """Deposit and open the positions of the cast against the market maker."""
        world, settings = self.world, self.settings
        world.fund_insurance(world.people[INSURER], settings.fund_deposit)
        self.fund_before = settings.fund_deposit
        for name, value in ((DEALER, settings.dealer_deposit), (BIDDER, settings.bidder_deposit)):
            self.deposit(world.people[name], value)
        world.approve_venue(world.people[DEALER])
        for plan in settings.cast:
            person = world.people[plan.name]
            self.deposit(person, plan.deposit)
            world.approve_venue(person)
        view = world.view()
        for plan in settings.cast:
            self.open_positions(plan, view)

    def deposit(self, person: Person, value: float) -> None:
        """Deposit and keep count."""
        self.world.mint_and_deposit(person, value)
        self.deposited[person.name] += value

    def open_positions(self, plan: AccountPlan, view: ChainView) -> None:
        """Trade the plan's positions at the live price; their legs use the planned share of the deposit."""
        world = self.world
        pages = {view.underlyings[page.underlying].symbol: page for page in view.pages}
        legs = {}
        for symbol, weight in plan.weights.items():
            current = pages[symbol].current
            if current is None:
                raise DataError(f"no page of {symbol} is in force: publish before trading")
            record = current.records[0]
            leg = record.leg_long_scaled if weight > 0 else record.leg_short_scaled
            legs[symbol] = (leg << record.shift) / current.head.reference_spot
        ask = sum(abs(weight) * legs[symbol] for symbol, weight in plan.weights.items())
        notional = plan.deposit * plan.usage / (ask * _SIZING_ROOM)
        for symbol, weight in plan.weights.items():
            page = pages[symbol]
            current = page.current
            price = 0 if current is None else current.head.reference_spot
            lots = int(notional * weight / world.tokens(price))
            world.freshen(view)
            world.trade(
                world.people[plan.name],
                world.people[DEALER],
                page=page.page_id,
                slot=0,
                generation=page.instruments[0].generation,
                lots=lots,
                price=price,
            )
            self.events.append(
                f"{plan.name} {'buys' if lots > 0 else 'sells'} {abs(lots):,} lots of {symbol}"
            )

    def read_margins(self) -> None:
        """Read every account's margin once; what follows in the epoch re-reads only whom it touches."""
        self.margins = {name: self.world.margin(name) for name in self.world.people if name != INSURER}

    def margin_calls(self) -> None:
        """Call accounts below their initial requirement; those with a reserve cure."""
        for name in self.plans:
            margin = self.margins[name]
            if not margin.initial or margin.equity >= margin.initial or name in self.auctions:
                continue
            wanted = self.world.tokens(_CURE_TARGET * margin.initial - margin.equity)
            value = round(min(self.reserves[name], wanted), 2)
            if value > 0:
                self.deposit(self.world.people[name], value)
                self.reserves[name] -= value
                self.margins[name] = self.world.margin(name)
                self.events.append(f"{name} is called and deposits {value:,.0f}")
            elif name not in self.called:
                self.events.append(f"{name} is called")
            self.called.add(name)

    def liquidations(self, time_s: int, *, until_s: int, online: bool) -> None:
        """Keep prices live while somebody fails maintenance, start auctions, and let the bidder bid if it is online."""
        world = self.world
        failing = [n for n in self.plans if self.margins[n].equity < self.margins[n].maintenance]
        waiting = [name for name in failing if name not in self.auctions]
        if not waiting and not (self.auctions and online):
            return
        now = max(world.chain.now(), time_s)
        while (waiting or (self.auctions and online)) and now + self.settings.live_step_s <= until_s:
            now += self.settings.live_step_s
            world.move_to(now)
            world.story_time = now
            world.push(self.view)
            if now - time_s < _START_DELAY_S:
                continue
            for name in waiting:
                self.start_auction(name, now)
            waiting = []  # whoever does not start now is still safe under the baseline
            if online:
                self.bids(now)

    def start_auction(self, name: str, now: int) -> None:
        """Put an account up if it fails under current and baseline."""
        if not self.bidder.start(self.world.people[name].account):
            return
        margin = self.world.margin(name)
        self.auctions[name] = AuctionRun(
            account=name,
            time_s=now,
            equity=self.world.tokens(margin.equity),
            maintenance=self.world.tokens(margin.maintenance),
        )
        self.events.append(f"{name} is put up for auction")

    def bids(self, now: int) -> None:
        """Bid once in every auction."""
        world = self.world
        for name, run in list(self.auctions.items()):
            account = world.people[name].account
            health = self.bidder.health(account)
            if not health.liquidatable:
                self.bidder.close(account)
                self.end(name, now, "recovers")
                continue
            live = world.system.feed.call("liveSeconds") - world.system.liquidator.call("auction", account)[1]
            run.curve.append((live, self.bidder.factor(account)))
            bought = self.bidder.bid(account, health)
            if bought is None:
                continue
            margin = self.margins[name] = world.margin(name)
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
        run = self.auctions.pop(name)
        run.ended_s = now
        self.closed.append(run)
        self.events.append(f"{name} {how}")

    def request(self) -> None:
        """Let the levered short ask for part of its profit; the claim waits for a newer manifest."""
        person = self.world.people.get("levered short")
        if person is None or person.name in self.auctions:
            return
        margin = self.margins[person.name]
        spare = (10 * margin.equity - 13 * margin.initial) // 20
        if spare > 0:
            self.world.count(
                self.world.system.vault.transact(person.sender, "requestWithdrawal", person.account, spare)
            )
            self.events.append(f"{person.name} asks for {self.world.tokens(spare):,.0f}")

    def claim(self) -> None:
        """Claim what was asked for."""
        person = self.world.people.get("levered short")
        if person is None:
            return
        vault = self.world.system.vault
        try:
            receipt = vault.transact(
                person.sender, "claimWithdrawal", person.account, person.key.address, EMPTY_CERTIFICATE
            )
        except Reverted as error:
            self.events.append(f"{person.name} cannot claim: {error.name}")
            return
        self.world.count(receipt)
        paid = self.world.tokens(vault.events(receipt, "Withdrawn")[0].args["paid"])
        self.withdrawn[person.name] += paid
        self.events.append(f"{person.name} withdraws {paid:,.0f}")

    def record(self, time_s: int, round_: Round, *, online: bool) -> Epoch:
        """Return the epoch's figures."""
        world = self.world
        computed = round_.computed
        symbols = self.settings.symbols
        closes = world.bars.until(time_s).closes[-1]
        return Epoch(
            time_s=time_s,
            epoch=round_.proposal.manifest.epoch,
            prices={s: float(p) for s, p in zip(symbols, closes, strict=True)},
            initial_ratio={s: float(r) for s, r in zip(symbols, computed.posted.long_es, strict=True)},
            lambda_bps=computed.posted.lambda_bps,
            coverage=float(computed.risk.live.minimum),
            bidders_online=online,
            accounts={
                name: AccountEpoch(
                    equity=world.tokens(margin.equity),
                    initial=world.tokens(margin.initial),
                    maintenance=world.tokens(margin.maintenance),
                )
                for name, margin in self.margins.items()
            },
            events=tuple(self.events),
            gas=round_.gas_used,
        )

    def outcome(self, epochs: list[Epoch]) -> Outcome:
        """Balance the ledger to the wei and say what moved."""
        world = self.world
        system = world.system
        self.read_margins()
        fund_tokens = system.token.call("balanceOf", system.fund.address)
        ledger = Ledger(
            vault_tokens=system.token.call("balanceOf", system.vault.address),
            fund_tokens=fund_tokens,
            account_claims=sum(margin.equity for margin in self.margins.values()),
            fees=system.vault.call("accruedFees", system.venue.address),
            reserve=system.vault.call("reserve"),
            deficit=system.vault.call("deficit"),
            fund_claims=system.fund.call("totalAssets"),
        )
        auctions = tuple(self.closed) + tuple(self.auctions.values())
        final = {name: world.tokens(margin.equity) for name, margin in self.margins.items()}
        outcome = Outcome(
            chain=world.chain.kind,
            first_s=self.first_s,
            last_s=self.last_s,
            symbols=self.settings.symbols,
            epochs=tuple(epochs),
            auctions=auctions,
            deposited=dict(self.deposited),
            withdrawn=dict(self.withdrawn),
            final=final,
            fund_before=self.fund_before,
            fund_after=world.tokens(fund_tokens),
            ledger=ledger,
            summary=(),
            transactions=world.transactions,
            gas=world.gas,
        )
        return summarise(outcome)
