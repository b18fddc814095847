"""Dated instruments after their expiry: positions become cash. Section 4 of the specification."""

from seawall.reference.book import Position
from seawall.reference.ledger import Vault
from seawall.reference.marks import DATED, payoff
from seawall.reference.rejection import require
from seawall.reference.state import Settling
from seawall.reference.trading import tally

__all__ = ["settle_expired", "store_flat"]


def settle_expired(vault: Vault, key: bytes, page: int) -> int:
    """Turn an account's positions on a page whose settlement price is fixed into cash, and return how many there were.

    Raises
    ------
    Rejected
        `WoundDown`, once the final prices of a wind-down stand.
    """
    with vault.atomic():
        require(not vault.wind_down.priced, "WoundDown")
        account, listing = vault.account(key), vault.world.listing
        held = account.book.pages.get(page, [])
        kept: list[Position] = []
        worth = 0
        for position in held:
            terms = listing.terms_of(page, position.slot, position.generation)
            hour = listing.underlying(page), terms.expiry_hour
            settling = vault.world.settlements.get(hour, Settling())
            if terms.kind not in DATED or not settling.fixed:
                kept.append(position)
                continue
            worth += position.lots * payoff(terms, settling.average) * listing.tick
            tally(vault, listing.underlying(page), position.lots, 0)
        settled = len(held) - len(kept)
        if not settled:
            return 0
        account.book.put(page, kept)
        if account.book:
            account.credit(worth)
        else:
            store_flat(vault, key, worth)
        return settled


def store_flat(vault: Vault, key: bytes, worth: int) -> int:
    """Credit an account whose positions became cash, release its booked loss, and return what it lacks: new deficit."""
    account = vault.account(key)
    hole = max(-(account.cash + worth), 0)
    account.credit(worth + hole)
    account.loss = 0
    if hole:
        vault.deficit += hole
        vault.use_reserve()
        vault.repay_from_fund()
    return hole
