"""What is due after an expiry, for anyone who pays the gas: settlement prices fixed, positions turned into cash."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from web3.types import TxReceipt

from seawall.chain.contracts import System
from seawall.chain.reverts import Reverted
from seawall.chain.sender import Sender
from seawall.keeper.entries import entries_of
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
    entries = entries_of([book.words for book in view.books])
    held, which = np.unique(
        np.stack([entries.page, entries.slot, entries.generation], axis=1), axis=0, return_inverse=True
    )
    due = []
    for page, slot, generation in held.tolist():
        listed = view.pages[page]
        expiry = listed.underlying, listed.instruments[slot].expiry_hour
        due.append(expiry in fixed or (page, slot, generation) not in columns)
    chosen = np.array(due, dtype=bool)[which.reshape(-1)]
    for row, page in sorted(
        set(zip(entries.row[chosen].tolist(), entries.page[chosen].tolist(), strict=True))
    ):
        account = view.books[row].account
        receipt = system.vault.transact(sender, "settleExpired", account, page)
        yield SettledPage(account=account, page=page, receipt=receipt)


def _expired(view: ChainView) -> set[tuple[int, int]]:
    """Return (underlying, hour) of every listed expiry that lies behind."""
    return {
        (page.underlying, terms.expiry_hour)
        for page in view.pages
        for terms in page.instruments
        if 0 < terms.expiry_hour * _HOUR_S <= view.timestamp
    }
