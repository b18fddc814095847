"""Deposits, withdrawals, trades and fees."""

from __future__ import annotations

from hypothesis import note
from hypothesis import strategies as st
from tests.stateful.claims import INV_02, INV_04, INV_11, INV_12, INV_24
from tests.stateful.machine import ROLES, SAVER, Machine, Step, action, callers, roles
from tests.support.market import TICK
from tests.support.system import EMPTY, TOKEN, VENUE
from tests.support.twin_world import address

from seawall.reference import (
    Certificate,
    Fill,
    certificate_words,
    claim_withdrawal,
    find_instrument,
    request_withdrawal,
    settle,
    withdraw,
)
from seawall.reference.integers import WAD, ceil_div

__all__ = ["TradingRules"]

MAX_MANIFEST_AGE_S = 30 * 60
instruments = st.sampled_from(((0, 0), (0, 1), (1, 0), (2, 0)))
savers = st.just(SAVER) | roles
# Ten-thousandths of the spot off the mark: mostly fair, now and then what an attacker would try.
offsets = st.just(0) | st.integers(-45, 45) | st.sampled_from((-5_000, -400, 400, 5_000))


class TradingRules(Machine):
    """What traders and the attacker do while nothing goes wrong."""

    @action(
        name=savers,
        units=st.integers(0, 30_000 * TOKEN),
        tokens=st.sampled_from((0, 0, 0, 5, 2_000)),
        fees=st.booleans(),
    )
    def pay_in(self, name: str, units: int, tokens: int, fees: bool) -> None:
        """Deposit, endow the fund, distribute fees."""
        if tokens:
            note(f"[FUND] underwriter adds {tokens}")
            self.twin.endow(tokens)
        key = self.twin.accounts[name]
        self.do(
            f"DEPOSIT {name} {units}",
            lambda: self.system.deposit(key, units),
            lambda: self.twin.vault.deposit(key, units),
            by=[key],
        )
        if fees:
            self.distribute()

    def distribute(self) -> Step:
        return self.do(
            "FEES",
            lambda: self.vault.distributeFees(VENUE),
            lambda: self.twin.vault.distribute_fees(address(VENUE)),
        )

    @action(
        name=savers,
        percent=st.integers(1, 40) | st.integers(1, 120),
        who=callers,
        to=st.sampled_from(("owner", "owner", "owner", "operator")),
    )
    def withdraw(self, name: str, percent: int, who: str = "owner", to: str = "owner") -> None:
        self.pay_out(self.twin.accounts[name], percent, who, to)

    def pay_out(self, key: bytes, percent: int, who: str = "owner", to: str = "owner") -> None:
        """Withdraw a part of the cash."""
        caller, payee = self.acting(key, who), self.acting(key, to)
        cash, waiting = self.system.cash(key), self.waiting()
        may = self.vault.isAuthorised(key, caller) and self.system.owner(key) in (caller, payee)
        ready = self.is_idle(key) and not self.in_auction(key) and not waiting
        units, share = max(cash * percent // 100, 0), self.vault.exitHaircutWad()
        step = self.do(
            f"WITHDRAW {self.twin.names([key])[0]} {units} by {who} to {to}",
            lambda: self.vault.withdraw(key, units, payee, sender=caller),
            lambda: withdraw(self.twin.vault, key, units, to=address(payee), sender=address(caller)),
            by=[key] if may else [],
        )
        assert may or not step.done, INV_04
        if may and ready and 0 < units <= cash:
            assert step.done, INV_04
        self.bears_its_share(step, units)
        if step.done and not self.twin.vault.is_open:
            assert step.found == units - ceil_div(units * share, WAD), INV_24

    def waiting(self) -> bool:
        """Say whether a wind-down keeps everybody until the last position is settled."""
        return not self.twin.vault.is_open and bool(self.vault.accountsWithPositions())

    def request(self, name: str, percent: int, who: str = "owner") -> None:
        key = self.twin.accounts[name]
        units, caller = self.units(key, percent), self.acting(key, who)
        may = self.vault.isAuthorised(key, caller)
        step = self.do(
            f"REQUEST {name} {units} by {who}",
            lambda: self.vault.requestWithdrawal(key, units, sender=caller),
            lambda: request_withdrawal(self.twin.vault, key, units, sender=address(caller)),
        )
        assert step.done == may, INV_04

    def claim(self, name: str, who: str = "owner", to: str = "owner") -> None:
        key = self.twin.accounts[name]
        caller, payee = self.acting(key, who), self.acting(key, to)
        may = self.vault.isAuthorised(key, caller) and self.system.owner(key) in (caller, payee)
        units, _ = self.vault.withdrawalRequest(key)
        step = self.do(
            f"CLAIM {name} {units} by {who} to {to}",
            lambda: self.vault.claimWithdrawal(key, payee, (), sender=caller),
            lambda: claim_withdrawal(self.twin.vault, key, to=address(payee), sender=address(caller)),
            by=[key] if may else [],
        )
        assert may or not step.done, INV_04
        self.bears_its_share(step, units)
        if step.done and not self.is_idle(key):
            current, base = self.margin(key), self.margin(key, baseline=True)
            assert current.equity >= current.initial, INV_12
            if self.system.evm.timestamp <= current.manifestAsOf + MAX_MANIFEST_AGE_S:
                assert base.equity >= base.initial, INV_12

    @action(
        name=roles,
        percent=st.integers(1, 9) | st.integers(1, 60),
        steps=st.sampled_from(((), (12,), (60, 7_300), (7_300, 0), (0,))),
        claimed=st.booleans(),
        who=callers,
        to=st.sampled_from(("owner", "owner", "owner", "operator")),
    )
    def leave(
        self, name: str, percent: int, steps: tuple[int, ...], claimed: bool, who: str, to: str
    ) -> None:
        """Ask for cash, wait, let the keepers publish or not, and claim it."""
        self.request(name, percent, who)
        for seconds in steps:
            self.twin.advance(seconds)
            if seconds < 7_300:
                note(f"[PUBLISH] {self.twin.publish() or 'accepted'}")
        if claimed:
            self.claim(name, who, to)

    def bears_its_share(self, step: Step, units: int) -> None:
        """Whoever left bore at least what those who stay would bear."""
        if step.done:
            haircut = self.vault.exitHaircutWad()
            idle = self.system.token.balanceOf(self.vault) + self.vault.deficit() == self.vault.reserve()
            assert idle or (units - step.found) * WAD + units >= units * haircut, INV_24

    @action(
        pair=st.permutations(ROLES),
        instrument=instruments,
        percent=st.integers(-130, 130),
        offset=offsets,
        fee=st.integers(0, 5 * TOKEN),
        hedges=st.integers(0, 30),
    )
    def trade(
        self, pair: list[str], instrument: tuple[int, int], percent: int, offset: int, fee: int, hedges: int
    ) -> None:
        """Trade so many percent of what the taker could carry, fees and the charge for liquidity aside."""
        taker, maker, *_ = (self.twin.accounts[name] for name in pair)
        self.fill(f"TRADE {pair[0]} {pair[1]}", taker, maker, instrument, percent, offset, fee, hedges)

    def fill(
        self,
        label: str,
        taker: bytes,
        maker: bytes,
        instrument: tuple[int, int],
        percent: int,
        offset: int = 0,
        fee: int = 0,
        hedges: int = 0,
        venue: str = VENUE,
        atom: int | None = None,
    ) -> Step:
        page, slot = instrument
        record = self.twin.ring.current.pages[page].records[slot]
        leg = record.leg_long if percent > 0 else record.leg_short
        leg = (
            max(leg, self.system.markets[page].spot // 40) * TICK
        )  # the floors of an option far from the spot
        size = self.free(taker) * abs(percent) // (110 * leg) or 1 + abs(percent) // 30
        return self.settle(
            label,
            taker,
            maker,
            instrument,
            min(size, 10**6) * (1 if percent > 0 else -1),
            offset,
            fee,
            hedges,
            venue,
            atom,
        )

    @action(
        name=roles,
        choice=st.integers(0, 3),
        percent=st.integers(1, 100) | st.just(100),
        offset=offsets,
        counter=st.integers(0, 3),
    )
    def reduce(self, name: str, choice: int, percent: int, offset: int, counter: int) -> None:
        """Close a part of a position against an account that has the opposite one, if there is any."""
        key = self.twin.accounts[name]
        held = self.positions(key)
        if not held:
            return
        page, slot, lots = held[choice % len(held)]
        maker = self.pick(lambda other: self.system.lots(other, page, slot) * lots < 0, counter)
        closed = -(-abs(lots) * percent // 100) * (-1 if lots > 0 else 1)
        self.settle(f"REDUCE {name}", key, maker, (page, slot), closed, offset, 0, 0)

    def settle(
        self,
        label: str,
        taker: bytes,
        maker: bytes,
        instrument: tuple[int, int],
        lots: int,
        offset: int,
        fee: int,
        hedges: int,
        venue: str = VENUE,
        atom: int | None = None,
    ) -> Step:
        self.twin.sync()
        page, slot = instrument
        generation = self.system.markets[page].instruments[slot].generation
        found = find_instrument(self.twin.vault, page, (slot, generation))  # a new one is on no page yet
        price = max(found.mark + found.spot * offset // 10_000, 0) if found else 0
        atoms = certificate_words([(0, hedges % 2 if atom is None else atom, hedges)]) if hedges else ()
        certificate = Certificate(atoms=atoms if page == 0 else ())
        fill = Fill(
            taker=taker,
            maker=maker,
            page=page,
            slot=slot,
            generation=generation,
            lots=lots,
            price_ticks=price,
            taker_fee=fee,
            maker_fee=fee // 3,
        )
        given = certificate.as_tuple()
        values = (taker, maker, page, slot, generation, lots, price, fee, fee // 3)
        before = {key: self.system.lots(key, page, slot) for key in (taker, maker)}
        cash = self.paid()
        step = self.do(
            f"{label} {lots} of {page}:{slot} at {price}",
            lambda: self.vault.settle(values, (given,), (), sender=venue),
            lambda: settle(self.twin.vault, fill, sender=address(venue), taker_certificates=(certificate,)),
            by=[taker, maker],
        )
        moved = {taker: lots, maker: -lots}
        reducing = {k for k, q in before.items() if q * moved[k] < 0 and abs(moved[k]) <= abs(q)}
        if step.done:
            assert self.paid() == cash, INV_02
            for key in {taker, maker} - reducing:
                margin = self.margin(key, certificate=given if key == taker else EMPTY)
                assert margin.equity >= margin.initial, INV_11
        elif step.refusal is not None and step.refusal.name in {
            "InitialMargin",
            "PriceNotFresh",
            "ManifestOld",
        }:
            assert step.refusal.args_[0] not in reducing, INV_11
        return step

    def paid(self) -> int:
        """Return all cash and fees."""
        return int(sum(map(self.system.cash, self.keys)) + self.vault.accruedFees(VENUE))
