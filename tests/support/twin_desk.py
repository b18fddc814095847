"""A collateral desk on chain and the reference beside it, told the same things and compared after each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.support.desk import CAP_LOTS, Desk
from tests.support.evm import Revert, role
from tests.support.system import GOVERNOR, GRACE_S, TOKEN, VENUE
from tests.support.twin import OPERATOR, Twin, differences
from tests.support.twin_world import address

from seawall.reference import Fill, Rejected, claim_withdrawal, request_withdrawal, settle
from seawall.reference.collateral import (
    claim_collateral,
    deposit_collateral,
    request_collateral,
    withdraw_collateral,
)
from seawall.reference.debt import (
    accrue_interest,
    clear_debt,
    convert,
    debt_discount_bps,
    flag_debt,
    flagged_at,
    quote_of,
)
from seawall.reference.desk import Desk as Reference

__all__ = ["CONVERTER", "ON_PAGE_0", "ON_PAGE_1", "TwinDesk"]

CONVERTER = role("converter")
ON_PAGE_0, ON_PAGE_1 = 0, 1  # spot instruments of underlyings 0 and 1, with 18 and 6 decimals
PLENTY = 10**30
Outcome = tuple[Any, Revert | None]


@dataclass(kw_only=True, repr=False)
class TwinDesk:
    """Two desks with two tokens each."""

    twin: Twin
    desks: tuple[Desk, Desk]  # of the same contract
    reference: Reference

    @classmethod
    def deploy(cls) -> TwinDesk:
        """Deploy beside two underlyings; the baseline knows both spot instruments and a hedge with the first."""
        twin = Twin.deploy()
        first = Desk.open(twin.system, mature=False)
        second = replace(first, page=1)
        second.list(twin.system.evm.deploy("CollateralToken", 6))
        twin.system.markets[0].atoms += [((0, -1), (first.slot, 1))]
        for seconds in (12, GRACE_S):
            twin.advance(seconds)
            assert twin.publish() is None
        twin.advance(12)
        reference = cls._reference(twin, (first, second))
        return cls(twin=twin, desks=(first, second), reference=reference)

    @staticmethod
    def _reference(twin: Twin, desks: Sequence[Desk]) -> Reference:
        twin.sync()
        reference = Reference(twin.vault, address(desks[0].contract.address))
        governor = address(GOVERNOR)
        twin.vault.authority.set_collateral_desk(reference.address, sender=governor)
        for desk in desks:
            reference.set_deposit_cap(desk.page, desk.slot, CAP_LOTS, sender=governor)
        return reference

    def fresh(self) -> TwinDesk:
        """Return one without accounts that can go its own way; to be used inside `system.isolated()`."""
        twin = self.twin.fresh()
        desks = replace(self.desks[0], system=twin.system), replace(self.desks[1], system=twin.system)
        fresh = TwinDesk(twin=twin, desks=desks, reference=self._reference(twin, desks))
        desks[0].funded(CONVERTER, 10**9)
        return fresh

    @property
    def contract(self) -> Any:
        """Return the contract."""
        return self.desks[0].contract

    def key(self, name: str) -> bytes:
        """Return the account of a role."""
        return self.twin.accounts[name]

    # Governance

    def set_debt_cap(self, tokens: int) -> None:
        """Set the debt cap, whole tokens."""
        self.contract.setDebtCap(tokens * TOKEN, sender=GOVERNOR)
        self.reference.set_debt_cap(tokens * TOKEN, sender=address(GOVERNOR))

    def set_interest_rate(self, rate_bps: int) -> None:
        """Set the rate."""
        self.twin.sync()
        self.contract.setInterestRate(rate_bps, sender=GOVERNOR)
        self.reference.set_interest_rate(rate_bps, sender=address(GOVERNOR))

    # Both sides

    def deposit(self, name: str, lots: int, which: int = ON_PAGE_0) -> Outcome:
        """Deposit lots by the owner, with tokens minted for it."""
        desk, key, owner = self.desks[which], self.key(name), role(name)
        desk.mint(owner, lots)
        at = desk.page, desk.slot
        return self.twin.both(
            lambda: self.contract.deposit(key, *at, lots, sender=owner),
            lambda: deposit_collateral(self.reference, key, *at, lots, sender=address(owner)),
        )

    def withdraw(self, name: str, lots: int, which: int = ON_PAGE_0) -> Outcome:
        """Withdraw at once, to the owner."""
        at, key, owner = (self.desks[which].page, self.desks[which].slot), self.key(name), role(name)
        to = address(owner)
        return self.twin.both(
            lambda: self.contract.withdraw(key, *at, lots, owner, sender=owner),
            lambda: withdraw_collateral(self.reference, key, *at, lots, to=to, sender=to),
        )

    def request(self, name: str, lots: int, which: int = ON_PAGE_0) -> Outcome:
        """Ask for lots."""
        at, key, owner = (self.desks[which].page, self.desks[which].slot), self.key(name), role(name)
        return self.twin.both(
            lambda: self.contract.requestWithdrawal(key, *at, lots, sender=owner),
            lambda: request_collateral(self.reference, key, *at, lots, sender=address(owner)),
        )

    def claim(self, name: str) -> Outcome:
        """Claim a request for lots, without a certificate."""
        key, owner = self.key(name), role(name)
        to = address(owner)
        return self.twin.both(
            lambda: self.contract.claimWithdrawal(key, owner, (), sender=owner),
            lambda: claim_collateral(self.reference, key, to=to, sender=to),
        )

    def debt(self, what: str, name: str) -> Outcome:
        """Flag, clear or accrue."""
        key = self.key(name)
        entry, function = {
            "flag": ("flagDebt", flag_debt),
            "clear": ("clearDebt", clear_debt),
            "accrue": ("accrueInterest", accrue_interest),
        }[what]
        return self.twin.both(
            lambda: getattr(self.contract, entry)(key, sender=CONVERTER),
            lambda: function(self.reference, key),
        )

    def convert(self, name: str, lots: int, which: int = ON_PAGE_0, *, pay: int = PLENTY) -> Outcome:
        """Convert up to so many lots."""
        at, key = (self.desks[which].page, self.desks[which].slot), self.key(name)
        return self.twin.both(
            lambda: self.contract.convert(key, *at, lots, pay, sender=CONVERTER),
            lambda: convert(self.reference, key, *at, max_lots=lots, max_pay=pay),
        )

    def trade(
        self, taker: str, maker: str, *, lots: int, page: int = 0, slot: int = 0, off: int = 0
    ) -> Outcome:
        """Settle a fill so many ticks off the spot."""
        system, keys = self.twin.system, (self.key(taker), self.key(maker))
        price = system.markets[page].spot + off
        fill = Fill(
            taker=keys[0], maker=keys[1], page=page, slot=slot, generation=1, lots=lots, price_ticks=price
        )
        return self.twin.both(
            lambda: system.trade(*keys, lots=lots, page=page, slot=slot, price=price),
            lambda: settle(self.twin.vault, fill, sender=address(VENUE)),
        )

    def cash_out(self, name: str, tokens: int) -> Outcome:
        """Ask for cash, let everything be observed anew, and claim."""
        key, owner, vault = self.key(name), role(name), self.twin.system.vault
        to, value = address(owner), tokens * TOKEN
        self.twin.both(
            lambda: vault.requestWithdrawal(key, value, sender=owner),
            lambda: request_withdrawal(self.twin.vault, key, value, sender=to),
        )
        self.twin.advance(12)
        assert self.twin.publish() is None
        return self.twin.both(
            lambda: vault.claimWithdrawal(key, owner, (), sender=owner),
            lambda: claim_withdrawal(self.twin.vault, key, to=to, sender=to),
        )

    def permit(self, name: str) -> None:
        """Let the operator act for an account."""
        key, owner = self.key(name), role(name)
        self.twin.both(
            lambda: self.twin.system.vault.setOperator(key, OPERATOR, True, sender=owner),
            lambda: self.twin.vault.authority.set_operator(
                key, address(OPERATOR), True, sender=address(owner)
            ),
        )

    # Comparing

    def agree(self) -> None:
        """Hold every account, the ledger and the desk against the reference."""
        keys = list(self.twin.accounts.values())
        assert differences(self.twin.on_chain(keys), self.twin.expected(keys)) == {}
        assert differences(self.on_chain(keys), self.expected(keys)) == {}

    def compare(self) -> None:
        """Do the same, and hold the tokens against the positions."""
        self.agree()
        keys = list(self.twin.accounts.values())
        for desk in self.desks:
            lots, held, units = desk.held(keys)
            assert lots == held, f"INV_25: positions {lots}, desk {held}"
            assert units == held * desk.units_per_lot, f"INV_25: {units} units for {held} lots"

    def on_chain(self, keys: Sequence[bytes]) -> Mapping[str, Any]:
        """Return what can be read of the desk."""
        found: dict[str, Any] = {
            f"holding {desk.page}": tuple(self.contract.holding(desk.page, desk.slot)) for desk in self.desks
        }
        found["terms"] = self.contract.debtCap(), self.contract.interestRateBps()
        for name, key in zip(self.twin.names(keys), keys, strict=True):
            found[f"{name} flagged"] = self.contract.flaggedAt(key)
            found[f"{name} discount"] = self.contract.discountBps(key)
            found[f"{name} request"] = tuple(self.contract.withdrawalRequest(key))
            found[f"{name} owes"] = self.twin.system.vault.windDownDebt(key)
            found[f"{name} quote"] = _or_error(lambda key=key: self.contract.quoteOf(key))
        return found

    def expected(self, keys: Sequence[bytes]) -> Mapping[str, Any]:
        """Return the same of the reference."""
        held, reference = {desk.page: desk.slot for desk in self.desks}, self.reference
        found: dict[str, Any] = {"terms": (self.twin.vault.debt_cap, reference.rate_bps)}
        for page, slot in held.items():
            holding = reference.holding(page, slot)
            found[f"holding {page}"] = (holding.lots, holding.cap)
        for name, key in zip(self.twin.names(keys), keys, strict=True):
            request = reference.requests.get(key)
            asked = (request.page, request.slot, request.lots, request.requested_at) if request else (0,) * 4
            found[f"{name} flagged"] = flagged_at(reference, key)
            found[f"{name} discount"] = debt_discount_bps(reference, key)
            found[f"{name} request"] = asked
            found[f"{name} owes"] = self.twin.vault.account(key).debt
            found[f"{name} quote"] = _or_error(lambda key=key: quote_of(reference, key))
        return found


def _or_error(read: Any) -> Any:
    try:
        return read()
    except (Revert, Rejected) as error:
        return error.name
