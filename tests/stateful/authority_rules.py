"""Who may do what: grants by owners, governance, pauses, and entries that are the liquidator's alone."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from tests.stateful.claims import INV_04
from tests.stateful.machine import CALLERS, SAVER, Step, action, callers, roles
from tests.stateful.trading_rules import TradingRules, instruments
from tests.support.system import GOVERNOR, GUARDIAN, VENUE
from tests.support.twin import OPERATOR, PROTOCOL
from tests.support.twin_world import address

from seawall.reference import slices

__all__ = ["AuthorityRules"]

# Mostly who may, so that what follows from it is seen.
governors = st.sampled_from(("governor",) * 4 + ("guardian", "guardian", "stranger", "venue"))
LIQUIDATORS_OWN = (
    "beginAuction",
    "endAuction",
    "bookLoss",
    "sellSlice",
    "coverLoss",
    "deleverage",
)


class AuthorityRules(TradingRules):
    """Owners, governors, guardians, and strangers who would be one of them."""

    @action(
        name=st.just(SAVER) | roles,
        who=callers,
        grantee=st.sampled_from((OPERATOR, VENUE)),
        operator=st.booleans(),
        approved=st.booleans(),
        instrument=instruments,
        lasting=st.sampled_from((False, False, True)),
    )
    def grant(
        self,
        name: str,
        who: str,
        grantee: str,
        operator: bool,
        approved: bool,
        instrument: tuple[int, int],
        lasting: bool,
    ) -> None:
        """Give or take a right, and let its holder use it; a venue that was forbidden is mostly let in again."""
        key = self.twin.accounts[name]
        may = self.acting(key, who) == self.system.owner(key)
        before = self.permissions(key)
        step = self.permit(key, who, grantee, approved, operator=operator)
        assert step.done == may, INV_04
        if step.done and not operator:
            assert self.permissions(key) == before, INV_04
        if operator:
            self.pay_out(key, 7, "operator" if grantee == OPERATOR else "venue", "owner")
            self.pay_out(key, 5, "operator" if grantee == OPERATOR else "venue", "operator")
        elif name != SAVER:
            partner = self.pick(lambda other: other != key, 0)
            self.fill("TRADE by grantee", key, partner, instrument, 3, venue=grantee)
        if step.done and not approved and not lasting:
            self.permit(key, "owner", grantee, True, operator=operator)

    def permit(self, key: bytes, who: str, grantee: str, approved: bool, *, operator: bool) -> Step:
        caller, rights = self.acting(key, who), self.twin.vault.authority
        on_chain = self.vault.setOperator if operator else self.vault.approveVenue
        reference = rights.set_operator if operator else rights.approve_venue
        return self.do(
            f"{'OPERATOR' if operator else 'APPROVE'} {self.twin.names([key])[0]} {approved} by {who}",
            lambda: on_chain(key, grantee, approved, sender=caller),
            lambda: reference(key, address(grantee), approved, sender=address(caller)),
        )

    def permissions(self, key: bytes) -> list[bool]:
        return [self.vault.isAuthorised(key, caller) for caller in CALLERS.values()]

    @action(
        act=st.sampled_from(("pause", "unlist", "list", "shares", "liquidator", "fund")),
        who=governors,
        back=governors,
        shares=st.tuples(st.integers(0, 10_000), st.integers(0, 1_000) | st.integers(0, 10_001)),
        instrument=instruments,
        percent=st.integers(-20, 20),
    )
    def govern(
        self,
        act: str,
        who: str,
        back: str,
        shares: tuple[int, int],
        instrument: tuple[int, int],
        percent: int,
    ) -> None:
        """Govern, or try to; let others go on; and undo what stops trading."""
        if act == "pause":
            self.guard("pauseTrading", "pause_trading", who if who == "stranger" else "guardian")
        elif act in ("unlist", "list"):
            venue = VENUE if act == "unlist" else OPERATOR
            self.guard("listVenue", "list_venue", who, venue, act == "list")
        elif act == "shares":
            self.guard("setFeeShares", "set_fee_shares", who, *shares, PROTOCOL)
        elif act == "liquidator":
            self.guard("setLiquidator", "set_liquidator", who, CALLERS["stranger"])
        else:
            self.guard("setInsuranceFund", "set_insurance_fund", who, CALLERS["stranger"])
        taker, maker = (self.twin.accounts[name] for name in ("trader", "dealer"))
        self.fill("TRADE while governed", taker, maker, instrument, percent)
        if act in ("pause", "unlist"):  # neither keeps anybody from leaving
            self.withdraw(SAVER, 2)
        for caller in (back, "governor"):
            if self.vault.tradingPaused():
                self.guard("unpauseTrading", "unpause_trading", caller)
            if not self.vault.isVenue(VENUE):
                self.guard("listVenue", "list_venue", caller, VENUE, True)

    def guard(self, entry: str, twin: str, who: str, *values: Any) -> None:
        """Call an entry of governance; its role may, and nobody else."""
        told = [address(v) if isinstance(v, str) else v for v in values]
        call, rights = getattr(self.vault, entry), self.twin.vault.authority
        step = self.do(
            f"GOVERN {entry} by {who}",
            lambda: call(*values, sender=CALLERS[who]),
            lambda: getattr(rights, twin)(*told, sender=address(CALLERS[who])),
        )
        if step.done:
            assert CALLERS[who] == (GUARDIAN if entry == "pauseTrading" else GOVERNOR), INV_04

    @action(
        entry=st.sampled_from(LIQUIDATORS_OWN),
        name=roles,
        who=st.sampled_from(tuple(CALLERS)),
        units=st.integers(1, 99),
    )
    def intrude(self, entry: str, name: str, who: str, units: int) -> None:
        """Call what is the liquidator's alone; nobody else may, not even for an own account."""
        key, vault, system = self.twin.accounts[name], self.twin.vault, self.vault
        other, caller = self.twin.accounts[SAVER], CALLERS[who]
        told = {"sender": address(caller)}
        calls: dict[str, tuple[tuple[Any, ...], Any]] = {
            "beginAuction": (
                (key, units, 0),
                lambda: slices.begin_auction(vault, key, units, 0, **told),
            ),
            "endAuction": ((key,), lambda: slices.end_auction(vault, key, **told)),
            "bookLoss": ((key, units), lambda: slices.book_loss(vault, key, units, **told)),
            "coverLoss": ((key, units), lambda: slices.cover_loss(vault, key, units, **told)),
            "sellSlice": (
                ((key, other, units, 0, False), caller, (), ()),
                lambda: slices.move_slice(vault, key, other, units, **told),
            ),
            "deleverage": (
                (key, other, 0, 0, units),
                lambda: slices.deleverage(vault, key, other, page=0, slot=0, lots=units, **told),
            ),
        }
        values, reference = calls[entry]
        step = self.do(
            f"INTRUDE {entry} by {who}", lambda: getattr(system, entry)(*values, sender=caller), reference
        )
        assert step.refusal is not None, INV_04
        assert step.refusal.name == "NotLiquidator", INV_04
