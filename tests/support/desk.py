"""A collateral desk beside a system, with one listed token.

::

    desk = Desk.open(system, decimals=18)            # listed, capped, in the next manifest and its baseline
    account = desk.account("borrower", tokens=0, lots=50)
    desk.deposit(account, 5)                         # by its owner
    desk.contract.convert(account, 0, desk.slot, 10, 10**12, sender=role("converter"))
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from eth_utils.abi import function_abi_to_4byte_selector
from tests.support.evm import Contract
from tests.support.market import Instrument
from tests.support.system import GOVERNOR, GOVERNOR_ROLE, GRACE_S, GUARDIAN_ROLE, TOKEN, System, signer

from seawall.page import Kind

__all__ = ["CAP_LOTS", "LOT_SIZE_WAD", "Desk", "spot"]

CAP_LOTS = 1_000_000
LOT_SIZE_WAD = 10**18  # as `System.list_underlying` has it
_GUARDED = ("stopDeposits",)


def spot(shift: int = 4) -> Instrument:
    """Return the terms of collateral."""
    return Instrument(kind=Kind.SPOT, shift=shift)


@dataclass(kw_only=True)
class Desk:
    """The desk, the token of one spot instrument and where that is listed."""

    system: System
    contract: Contract
    token: Contract
    page: int
    slot: int

    @classmethod
    def open(cls, system: System, *, decimals: int = 18, page: int = 0, mature: bool = True) -> Desk:
        """Deploy the desk, list a token on a page, and publish until the baseline knows it."""
        contract = system.evm.deploy(
            "CollateralDesk", system.vault, system.registry, system.feed.contract, system.manager
        )
        for may, guarded in ((GUARDIAN_ROLE, True), (GOVERNOR_ROLE, False)):
            selectors = [
                function_abi_to_4byte_selector(entry)
                for entry in contract.abi
                if entry["type"] == "function"
                and entry["stateMutability"] == "nonpayable"
                and (entry["name"] in _GUARDED) == guarded
                and entry["name"] != "setAuthority"
            ]
            system.manager.setTargetFunctionRole(contract, selectors, may)
        selector = function_abi_to_4byte_selector(system.vault.function("setCollateralDesk", 1))
        system.manager.setTargetFunctionRole(system.vault, [selector], GOVERNOR_ROLE)
        system.vault.setCollateralDesk(contract, sender=GOVERNOR)
        desk = cls(system=system, contract=contract, token=contract, page=page, slot=-1)
        desk.list(system.evm.deploy("CollateralToken", decimals))
        if mature:
            desk.mature()
        return desk

    def list(self, token: Contract, *, cap: int = CAP_LOTS) -> int:
        """List a token in the next slot of the page; the desk then speaks of it."""
        instrument = spot()
        self.token = token
        self.slot = self.system.registry.listCollateral(self.page, instrument.shift, token, sender=GOVERNOR)
        self.system.markets[self.page].instruments.append(instrument)
        self.contract.setDepositCap(self.page, self.slot, cap, sender=GOVERNOR)
        return self.slot

    def mature(self) -> None:
        """Publish, and let time pass until the baseline is of now."""
        self.system.advance(12)
        self.system.publish()
        self.system.advance(GRACE_S)
        self.system.publish()
        self.system.advance(12)

    @property
    def units_per_lot(self) -> int:
        """Return the units of the token that are one lot."""
        units: int = self.system.registry.collateral(self.page, self.slot)[1]
        return units

    def account(self, name: str, *, tokens: int = 0, lots: int = 0, index: int = 0) -> bytes:
        """Open an account of a trader with whole settlement tokens and lots of collateral."""
        account = self.system.open(signer(name), tokens, index=index)
        if lots:
            self.deposit(account, lots)
        return account

    def mint(self, to: str, lots: int) -> None:
        """Give somebody collateral tokens and let the desk take them."""
        self.token.mint(to, lots * self.units_per_lot)
        self.token.approve(self.contract, 2**255, sender=to)

    def deposit(self, account: bytes, lots: int) -> None:
        """Mint collateral for the owner and deposit it."""
        owner = self.system.owner(account)
        self.mint(owner, lots)
        self.contract.deposit(account, self.page, self.slot, lots, sender=owner)

    def lots(self, account: bytes) -> int:
        """Return the collateral of an account, lots."""
        return self.system.lots(account, self.page, self.slot)

    def funded(self, who: str, tokens: int) -> str:
        """Give somebody settlement tokens for conversions."""
        self.system.token.mint(who, tokens * TOKEN)
        self.system.token.approve(self.contract, 2**255, sender=who)
        return who

    def held(self, accounts: Iterable[bytes]) -> tuple[int, int, int]:
        """Return lots of all accounts, lots that the desk counts, and units that it has."""
        return (
            sum(self.lots(account) for account in accounts),
            self.contract.holding(self.page, self.slot)[0],
            self.token.balanceOf(self.contract),
        )
