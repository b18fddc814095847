"""The cast's accounts: what they open, how they answer margin calls, what they take out."""

from __future__ import annotations

from collections.abc import Container

from seawall.chain.reverts import Reverted
from seawall.demo.settings import AccountPlan, DemoSettings
from seawall.demo.world import Person, Position, World
from seawall.errors import DataError
from seawall.keeper import ChainView, Round

__all__ = ["BIDDER", "DEALER", "INSURER", "Accounts"]

DEALER, BIDDER, INSURER = "market maker", "bidder", "insurer"
_CURE_TARGET = 1.2
_SIZING_ROOM = 1.06  # liquidity charge and fees on top of the legs
_LEAVER = "levered short"


class Accounts:
    """Act for the cast; `events` collects what it did until somebody takes it."""

    def __init__(self, world: World, settings: DemoSettings) -> None:
        self.world = world
        self.settings = settings
        self.plans = {plan.name: plan for plan in settings.cast}
        self.reserves = {plan.name: plan.reserve for plan in settings.cast}
        self.deposited = dict.fromkeys(world.people, 0.0)
        self.withdrawn = dict.fromkeys(world.people, 0.0)
        self.called: set[str] = set()
        self.margins: dict[str, Position] = {}
        self.events: list[str] = []

    def open_accounts(self) -> None:
        """Deposit and open the positions of the cast against the market maker."""
        world, settings = self.world, self.settings
        world.fund_insurance(world.people[INSURER], settings.fund_deposit)
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

    def certify(self, view: ChainView, round_: Round, time_s: int) -> None:
        """Note what certificates save; books of perpetuals alone show none."""

    def margin_calls(self, *, auctioned: Container[str]) -> None:
        """Call accounts below their initial requirement; those with a reserve cure."""
        for name in self.plans:
            margin = self.margins[name]
            if not margin.initial or margin.equity >= margin.initial or name in auctioned:
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

    def failing(self) -> list[str]:
        """Return who of the cast is below its maintenance requirement."""
        return [name for name in self.plans if self.margins[name].equity < self.margins[name].maintenance]

    def request(self, *, auctioned: Container[str]) -> None:
        """Let the levered short ask for part of its profit; the claim waits for a newer manifest."""
        person = self.world.people.get(_LEAVER)
        if person is None or person.name in auctioned:
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
        person = self.world.people.get(_LEAVER)
        if person is None:
            return
        vault = self.world.system.vault
        try:
            receipt = vault.transact(person.sender, "claimWithdrawal", person.account, person.key.address, [])
        except Reverted as error:
            self.events.append(f"{person.name} cannot claim: {error.name}")
            return
        self.world.count(receipt)
        paid = self.world.tokens(vault.events(receipt, "Withdrawn")[0].args["paid"])
        self.withdrawn[person.name] += paid
        self.events.append(f"{person.name} withdraws {paid:,.0f}")
