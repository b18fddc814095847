"""What is due after an expiry, for anyone who pays the gas: settlement prices fixed, positions turned into cash."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from web3.types import TxReceipt

from seawall.chain.contracts import System
from seawall.chain.reverts import Reverted
from seawall.chain.sender import Sender
from seawall.keeper.accounts import book_entries
from seawall.keeper.view import ChainView

__all__ = ["FixedPrice", "SettledPage", "fix_settlements", "settle_expired"]

_HOUR_S = 3600


@dataclass(frozen=True, kw_only=True, slots=True)
class FixedPrice:
    """Hold a settlement price that was just fixed, ticks a lot."""

    underlying: int
    expiry_hour: int
    price_ticks: int
    receipt: TxReceipt


@dataclass(frozen=True, kw_only=True, slots=True)
class SettledPage:
    """Hold the settlement of an account's expired positions on one page."""

    account: bytes
    page: int
    receipt: TxReceipt


def fix_settlements(system: System, sender: Sender, view: ChainView) -> Iterator[FixedPrice]:
    """Fix the settlement price of every listed expiry that lies behind; yield those fixed now.

    A feed that saw too little of its last half hour wants to see more first: that expiry is left for the next time.

    Raises
    ------
    RpcError
        If the node does not answer.
    Reverted
        If the feed refuses for another reason.
    """
    for underlying, hour in sorted(_expired(view)):
        if system.feed.call("settlement", underlying, hour)[2]:
            continue
        try:
            receipt = system.feed.transact(sender, "fixSettlement", underlying, hour)
        except Reverted as error:
            if error.name != "SettlementTooEarly":
                raise
            continue
        price_ticks = int(system.feed.call("settlement", underlying, hour)[0])
        yield FixedPrice(underlying=underlying, expiry_hour=hour, price_ticks=price_ticks, receipt=receipt)


def settle_expired(system: System, sender: Sender, view: ChainView) -> Iterator[SettledPage]:
    """Turn the expired positions of the view's books into cash, where their price is fixed.

    Positions of instruments that another one replaced in its slot are expired too. Nothing reverts if somebody else
    was faster.

    Raises
    ------
    RpcError
        If the node does not answer.
    """
    columns = view.columns
    fixed = {expiry for expiry in _expired(view) if system.feed.call("settlement", *expiry)[2]}
    for book in view.books:
        due: set[int] = set()
        for (page, slot, generation), _ in book_entries(book.words):
            listed = view.pages[page]
            expiry = listed.underlying, listed.instruments[slot].expiry_hour
            if expiry in fixed or (page, slot, generation) not in columns:
                due.add(page)
        for page in sorted(due):
            receipt = system.vault.transact(sender, "settleExpired", book.account, page)
            yield SettledPage(account=book.account, page=page, receipt=receipt)


def _expired(view: ChainView) -> set[tuple[int, int]]:
    """Return (underlying, hour) of every listed expiry that lies behind."""
    return {
        (page.underlying, terms.expiry_hour)
        for page in view.pages
        for terms in page.instruments
        if 0 < terms.expiry_hour * _HOUR_S <= view.timestamp
    }
