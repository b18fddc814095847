"""The state every rule works on, how a step is done on both sides, and what holds after each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from hypothesis import event, note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant
from tests.stateful.books import check_positions
from tests.stateful.claims import INV_01, INV_02, INV_04, INV_07, INV_10, INV_22, INV_25
from tests.stateful.listed import deployed
from tests.support.evm import Revert, role
from tests.support.system import EMPTY, GOVERNOR, GUARDIAN, VENUE, System
from tests.support.twin import OPERATOR, PROTOCOL, VENUE_ACCOUNT, Twin, differences
from tests.support.twin_desk import TwinDesk
from tests.support.twin_world import address

from seawall.page.layout import Kind
from seawall.reference.auction import PREMIUM_MAX_WAD

__all__ = ["CALLERS", "ROLES", "SAVER", "Machine", "Step", "action", "callers", "roles"]

ROLES = ("trader", "dealer", "bidder", "attacker")
SAVER = "saver"  # never trades
roles = st.sampled_from(ROLES)
# Who calls on an account's behalf: mostly its owner, who is nobody in particular here.
CALLERS = {
    "operator": OPERATOR,
    "stranger": role("stranger"),
    "governor": GOVERNOR,
    "guardian": GUARDIAN,
    "venue": VENUE,
}
callers = st.sampled_from(("owner",) * 12 + ("operator", *CALLERS))


def action(**arguments: st.SearchStrategy[Any]) -> Callable[[Any], Any]:
    """Mark something that anybody may do, with its arguments.

    Actions share one rule: hypothesis leaves out some rules in every run, and few runs would reach an auction and all
    that follows from one.
    """

    def mark(function: Any) -> Any:
        function.arguments = st.fixed_dictionaries(arguments)
        return function

    return mark


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a call did: its result, or the error both sides gave."""

    found: Any = None
    refusal: Revert | None = None

    @property
    def done(self) -> bool:
        return self.refusal is None


class Machine(RuleBasedStateMachine):
    """Four accounts in two markets; every step is done on chain and by the reference."""

    twin: Twin
    desk: TwinDesk
    isolation: AbstractContextManager[System]
    # Whether time may pass for days, after which nothing else happens.
    closing = False

    def begin(self, fund: int, shares: tuple[int, int]) -> None:
        """Open four accounts and endow the fund."""
        self.isolation = deployed().twin.system.isolated()
        self.isolation.__enter__()
        self.desk = deployed().fresh()
        self.twin = self.desk.twin
        self.settled: Counter[tuple[int, int, int]] = Counter()  # lots that became cash at an expiry
        self.agreed: tuple[Any, ...] = ()
        self.factors: dict[bytes, tuple[int, int]] = {}  # account in auction => live seconds, k
        self.granted: dict[bytes, tuple[int, int, int, int]] = {}
        for name, tokens in zip((*ROLES, SAVER), (2_000, 100_000, 20_000, 2_000, 5_000), strict=True):
            self.twin.open(name, tokens)
        if fund:
            self.twin.endow(fund)
        self.desk.set_interest_rate(1_000)
        self.vault.setFeeShares(*shares, PROTOCOL, sender=GOVERNOR)
        self.twin.vault.authority.set_fee_shares(*shares, PROTOCOL, sender=address(GOVERNOR))

    def teardown(self) -> None:
        if hasattr(self, "isolation"):
            self.isolation.__exit__(None, None, None)

    # Shorthands

    @property
    def system(self) -> System:
        return self.twin.system

    @property
    def vault(self) -> Any:
        """Return the contract."""
        return self.twin.system.vault

    @property
    def keys(self) -> list[bytes]:
        return [*self.twin.accounts.values(), PROTOCOL, VENUE_ACCOUNT]

    @property
    def traders(self) -> list[bytes]:
        return [self.twin.accounts[name] for name in ROLES]

    def margin(self, key: bytes, *, baseline: bool = False, certificate: Any = EMPTY) -> Any:
        return self.vault.margin(key, certificate, baseline)

    def in_auction(self, key: bytes) -> bool:
        return bool(self.vault.accountWord(key) >> 96 & 1)

    def pick(self, wanted: Callable[[bytes], bool], choice: int) -> bytes:
        """Return one of the accounts that are wanted, or any if there is none."""
        found = [key for key in self.traders if wanted(key)] or self.traders
        return found[choice % len(found)]

    def positions(self, key: bytes) -> list[tuple[int, int, int]]:
        """Return (page, slot, lots) as the chain has them."""
        slots = (
            (page, slot)
            for page, market in self.system.markets.items()
            for slot in range(len(market.instruments))
        )
        held = ((page, slot, self.system.lots(key, page, slot)) for page, slot in slots)
        return [position for position in held if position[2]]

    def wealth(self) -> int:
        """Return the equity of all accounts and the fund, less the deficit."""
        owned = sum(map(self.system.equity, self.keys))
        return int(owned + self.system.fund.totalAssets() - self.vault.deficit())

    # Steps

    def do(
        self,
        label: str,
        on_chain: Callable[[], Any],
        reference: Callable[[], Any],
        *,
        by: Iterable[bytes] = (),
    ) -> Step:
        """Do one thing on both sides; both refuse it with the same error, or both agree on all that follows.

        `by` are the accounts whose own call it is.
        """
        idle = {key: self.system.cash(key) for key in self.keys if self.is_idle(key) and key not in set(by)}
        found, refusal = self.twin.both(on_chain, reference, INV_10)
        return self.told(label, found, refusal, idle)

    def told(self, label: str, found: Any, refusal: Revert | None, idle: Mapping[bytes, int]) -> Step:
        name = refusal and refusal.name
        note(f"[{label}] {f'refused: {refusal}' if refusal else 'done' if found is None else found}")
        event(f"{label.split()[0]}: {name}" if name else label.split()[0])
        if refusal:
            return Step(refusal=refusal)
        self.agree()
        for key, cash in idle.items():
            assert self.system.cash(key) >= cash, INV_04
        return Step(found=found)

    def acting(self, key: bytes, who: str) -> str:
        """Return the address that calls: the owner's, or that of another role."""
        return CALLERS.get(who) or self.system.owner(key)

    def is_idle(self, key: bytes) -> bool:
        """Say whether an account holds no positions."""
        return bool(self.vault.accountWord(key) % (1 << 96) == 0)

    def is_flat(self, key: bytes) -> bool:
        """Say whether an account holds nothing but collateral."""
        listed = self.system.markets
        return all(listed[page].instruments[slot].kind == Kind.SPOT for page, slot, _ in self.positions(key))

    def agree(self) -> None:
        """Compare all there is to see."""
        self.agreed = self.moment()
        found, expected = self.twin.on_chain(self.keys), self.twin.expected(self.keys)
        unlike = differences(found, expected)
        assert not unlike, f"{INV_10}: {unlike}"
        unlike = differences(self.desk.on_chain(self.keys), self.desk.expected(self.keys))
        assert not unlike, f"{INV_10}, the desk: {unlike}"

    # After every rule

    def moment(self) -> tuple[Any, ...]:
        """Return what changes when anything happens but a step, after which both sides were compared."""
        evm, books = self.system.evm, self.twin.vault
        clock = evm.timestamp, evm.number, dict(self.twin.feed.prices), self.twin.ring.current.epoch
        return *clock, books.tokens, books.fund.assets

    @invariant()
    def the_contracts_equal_the_reference(self) -> None:
        if self.agreed != self.moment():
            self.agree()

    @invariant()
    def the_books_add_up(self) -> None:
        """Positions count once an opposite one was settled, at what that was settled at."""
        vault, token = self.vault, self.system.token
        cash = sum(map(self.system.cash, self.keys))
        opened, longs = check_positions(self.twin, self.traders, self.settled)
        owed = cash + opened + vault.accruedFees(VENUE) + vault.reserve() - vault.deficit()
        assert token.balanceOf(vault) == owed, INV_01
        assert {u: vault.openInterest(u) for u in longs} == longs, INV_02

    @invariant()
    def the_desk_holds_what_the_positions_say(self) -> None:
        for desk in self.desk.desks:
            lots, held, units = desk.held(self.keys)
            assert lots == held, INV_25
            assert units == held * desk.units_per_lot, INV_25
            assert all(desk.lots(key) >= 0 for key in self.traders), INV_25

    @invariant()
    def maintenance_never_exceeds_initial(self) -> None:
        for key in self.traders:
            for baseline in (False, True):
                margin = self.margin(key, baseline=baseline)
                assert margin.maintenance <= margin.initial, INV_07

    @invariant()
    def the_premium_factor_only_grows(self) -> None:
        factors = {}
        for key in filter(self.in_auction, self.traders):
            live, k = self.system.feed.contract.liveSeconds(), self.system.liquidator.premiumFactorWad(key)
            before, least = self.factors.get(key, (live, k))
            assert least <= k <= PREMIUM_MAX_WAD, INV_22
            assert live != before or k == least, INV_22
            factors[key] = live, k
        self.factors = factors

    def any_auction(self) -> bool:
        return any(map(self.in_auction, self.traders))

    def free(self, key: bytes) -> int:
        """Return the equity that carries no position yet, token units."""
        margin = self.margin(key)
        return max(int(margin.equity - margin.initial), 0)

    def units(self, key: bytes, percent: int) -> int:
        """Return a part of an account's equity, at least one unit."""
        return max(self.system.equity(key) * percent // 100, 1)
