"""Fills on chain and in the integer reference: two manifests, walked at once, and what two accounts share."""

from __future__ import annotations

from tests.support.engine_world import EngineWorld
from tests.support.evm import Revert
from tests.support.fill_cases import VENUE, VENUE_BYTES, FillCase

from seawall.page.layout import POSITIONS_PER_WORD
from seawall.reference.book import account_word
from seawall.reference.rejection import Rejected
from seawall.reference.trading import settle

__all__ = ["FillWorld"]


class FillWorld(EngineWorld):
    """The harness for fills, over the stubs of the engine's."""

    def __init__(self) -> None:
        super().__init__()
        self.fills = self.evm.deploy("FillHarness", self.oracle, self.feed)

    def stage_case(self, case: FillCase) -> None:
        """Put a case on chain."""
        world = case.world
        self.evm.number, self.evm.timestamp = world.block, world.now
        self.stage_sources(world)
        for underlying, lots in case.open_interest.items():
            self.fills.setOpenInterest(underlying, lots)
        for key, account in case.accounts.items():
            flags = int(account.in_auction)
            self.fills.setAccount(key, account_word(account.book, cash=account.cash, flags=flags))
            self.fills.setPermission(key, VENUE, 2)
            for page in account.book.pages:
                self.fills.setBook(key, page, account.book.position_words(page))
        self.fills.setDebtCap(case.debt_cap)

    def settle(self, case: FillCase) -> None:
        """Send the fill."""
        fill = case.fill
        one = (
            fill.taker,
            fill.maker,
            fill.page,
            fill.slot,
            fill.generation,
            fill.lots,
            fill.price_ticks,
            fill.taker_fee,
            fill.maker_fee,
        )
        shown = [[one_.as_tuple() for one_ in given] for given in case.certificates]
        self.fills.settle(one, *shown, sender=VENUE)

    def both(self, case: FillCase) -> str:
        """Send the fill, and let the reference settle it; return what came of it.

        Both refuse, or both accept and every word, the open interest and the count of holders are the same.
        """
        vault = case.vault()
        holders = vault.holders
        refused, revert = None, None
        try:
            settle(
                vault,
                case.fill,
                sender=VENUE_BYTES,
                taker_certificates=case.certificates[0],
                maker_certificates=case.certificates[1],
            )
        except Rejected as rejected:
            refused = rejected
        with self.evm.isolated():
            self.stage_case(case)
            try:
                self.settle(case)
            except Revert as error:
                revert = error
            unlike = f"chain says {revert or 'yes'}, reference {refused or 'yes'}"
            assert bool(refused) == bool(revert), unlike
            # A baseline on other terms, which no registry allows, may lack a price that the current manifest has:
            # refused all the same.
            named_otherwise = (
                revert and refused and (revert.name, refused.name) == ("PriceNotFresh", "InitialMargin")
            )
            if refused and revert and not named_otherwise:
                assert (revert.name, tuple(revert.args_)) == (refused.name, refused.values), unlike
            if not refused:
                assert self.fills.opened() == vault.holders - holders, "holders"
            for underlying in range(3):
                assert self.fills.openInterest(underlying) == vault.open_interest[underlying], "open interest"
            for key, account in vault.accounts.items():
                word = account_word(
                    account.book,
                    cash=account.cash,
                    last_check_block=account.last_check_block,
                    flags=int(account.in_auction),
                )
                assert self.fills.accountWord(key) == word, "account word"
                for page in {*account.book.pages, *case.accounts[key].book.pages}:
                    words = account.book.position_words(page)
                    for at in range(
                        max(
                            len(words),
                            -(-len(case.accounts[key].book.pages.get(page, ())) // POSITIONS_PER_WORD),
                        )
                        + 1
                    ):
                        wanted = words[at] if at < len(words) else 0
                        assert self.fills.bookWord(key, page, at) == wanted, "book"
        return refused.name if refused else "yes"
