"""The story, epoch by epoch. Who takes part is fixed before; what happens falls out of the prices."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory

from seawall.demo.accounts import BIDDER, DEALER, INSURER, Accounts
from seawall.demo.auctions import Auctions
from seawall.demo.expiries import Expiries
from seawall.demo.history import AccountEpoch, Epoch, Ledger, OptionOutcome, Outcome
from seawall.demo.opening import open_world
from seawall.demo.options import OptionAccounts
from seawall.demo.settings import DemoSettings
from seawall.demo.summary import summarise
from seawall.demo.world import World
from seawall.errors import DataError
from seawall.keeper import Round, run_round
from seawall.keeper.compute import compute
from seawall.market import embedded_bars, worst_window
from seawall.market.bars import Bars

__all__ = ["Story", "choose_window", "tell"]

_HOUR = 3600
_COMPUTE_TIMEOUT_S = 120


def choose_window(bars: Bars, settings: DemoSettings) -> tuple[int, int]:
    """Return the window: as asked, or around the worst fall of January and November 2018.

    With dated instruments it begins with an hour, as they expire with one.

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
                f"the window holds {len(inside.known_at)} bars. Fix: choose dates between {first} and {last}"
            )
        return settings.first_s, settings.last_s
    months = [("2018-01-01", "2018-02-01"), ("2018-11-01", "2018-12-01")]
    ranges = [
        tuple(int(datetime.fromisoformat(d).replace(tzinfo=UTC).timestamp()) for d in month)
        for month in months
    ]
    first_s, last_s = worst_window(
        bars,
        ranges=[(a, b) for a, b in ranges],
        fall_s=settings.fall_s,
        before_s=settings.before_s,
        after_s=settings.after_s,
    )
    return (first_s if settings.dated is None else first_s // _HOUR * _HOUR), last_s


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
        open_world(
            bars, settings, first_s=first_s, last_s=last_s, people=people, state_dir=Path(state_dir)
        ) as world,
        ProcessPoolExecutor(max_workers=len(world.keepers)) as pool,
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
        self.view = world.view()
        self.accounts = (
            Accounts(world, settings) if settings.dated is None else OptionAccounts(world, settings)
        )
        self.auctions = Auctions(world, self.accounts, settings)
        self.expiries = Expiries(world, self.accounts, settings)

    def run(self, progress: Callable[[int, int, Epoch], None]) -> Outcome:
        """Run every epoch and balance the books."""
        times = self.epoch_times()
        epochs = []
        for number, time_s in enumerate(times):
            self.world.story_time = time_s
            self.world.move_to(time_s)
            round_ = self.publish()
            self.accounts.events, self.auctions.events = [], []
            if number == 0:
                self.accounts.open_accounts()
            self.expiries.settle(time_s)
            if number == len(times) - 1:
                self.accounts.claim()
            self.accounts.read_margins()
            self.accounts.certify(self.view, round_, time_s)
            self.accounts.margin_calls(auctioned=self.auctions.open)
            online = not self.in_outage(time_s)
            until_s = times[number + 1] - 60 if number + 1 < len(times) else time_s
            self.auctions.run(self.view, time_s, until_s=until_s, online=online)
            self.expiries.watch(self.view, time_s, until_s=until_s)
            if number == len(times) - 2:
                self.accounts.request(auctioned=self.auctions.open)
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
        quotes = self.accounts.quotes() if isinstance(self.accounts, OptionAccounts) else ()
        jobs = [
            self.pool.submit(compute, view, bars, settings=self.settings.keeper, implied=given)
            for _, given in zip_longest(world.keepers, quotes)
        ]
        computed = [job.result(timeout=_COMPUTE_TIMEOUT_S) for job in jobs]
        round_ = run_round(world.system, world.relayer, world.keepers, computed, view)
        world.transactions += len(view.pages) + 1
        world.gas += round_.gas_used
        return round_

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
            coverage=float(computed.risk.live.minimum) if computed.risk.live.books else None,
            bidders_online=online,
            accounts={
                name: AccountEpoch(
                    equity=world.tokens(margin.equity),
                    initial=world.tokens(margin.initial),
                    maintenance=world.tokens(margin.maintenance),
                )
                for name, margin in self.accounts.margins.items()
            },
            events=(*self.accounts.events, *self.auctions.events),
            gas=round_.gas_used,
        )

    def outcome(self, epochs: list[Epoch]) -> Outcome:
        """Balance the ledger to the wei and say what moved."""
        world = self.world
        system = world.system
        self.accounts.read_margins()
        fund_tokens = system.token.call("balanceOf", system.fund.address)
        ledger = Ledger(
            vault_tokens=system.token.call("balanceOf", system.vault.address),
            fund_tokens=fund_tokens,
            account_claims=sum(margin.equity for margin in self.accounts.margins.values()),
            fees=system.vault.call("accruedFees", system.venue.address),
            reserve=system.vault.call("reserve"),
            deficit=system.vault.call("deficit"),
            fund_claims=system.fund.call("totalAssets"),
        )
        auctions = (*self.auctions.closed, *self.auctions.open.values())
        final = {name: world.tokens(margin.equity) for name, margin in self.accounts.margins.items()}
        outcome = Outcome(
            chain=world.chain.kind,
            first_s=self.first_s,
            last_s=self.last_s,
            symbols=self.settings.symbols,
            epochs=tuple(epochs),
            auctions=auctions,
            deposited=dict(self.accounts.deposited),
            withdrawn=dict(self.accounts.withdrawn),
            final=final,
            fund_before=self.settings.fund_deposit,
            fund_after=world.tokens(fund_tokens),
            ledger=ledger,
            summary=(),
            transactions=world.transactions,
            gas=world.gas,
        )
        if not isinstance(self.accounts, OptionAccounts):
            return summarise(outcome)
        given = {name: getattr(outcome, name) for name in Outcome.__dataclass_fields__}
        return summarise(
            OptionOutcome(**given, savings=tuple(self.accounts.savings), settled=tuple(self.expiries.settled))
        )
