"""Purchases on chain and in the integer reference."""

from __future__ import annotations

from typing import Any

from tests.support.engine_world import EngineWorld
from tests.support.evm import Revert
from tests.support.sale_cases import BUYER, SELLER, SaleCase

from seawall.reference.account import Account
from seawall.reference.book import account_word
from seawall.reference.ledger import Vault
from seawall.reference.rejection import Rejected

__all__ = ["SaleWorld"]

WORDS = 26  # what 128 positions take


def _word(account: Account) -> int:
    return account_word(
        account.book,
        cash=account.cash,
        last_check_block=account.mark if account.in_auction else account.last_check_block,
        flags=int(account.in_auction),
    )


class SaleWorld(EngineWorld):
    """The harness for purchases, over the stubs of the engine's."""

    def __init__(self) -> None:
        super().__init__()
        self.sales = self.evm.deploy("SaleHarness", self.oracle, self.feed)

    def stage_case(self, case: SaleCase) -> None:
        """Put a case on chain."""
        world = case.world
        self.evm.number, self.evm.timestamp = world.block, world.now
        self.stage_sources(world)
        for underlying, lots in case.open_interest.items():
            self.sales.setOpenInterest(underlying, lots)
        for key, account in case.accounts.items():
            self.sales.setAccount(key, _word(account))
            for page in account.book.pages:
                self.sales.setBook(key, page, account.book.position_words(page))

    def sell(self, case: SaleCase) -> Any:
        """Send the purchase."""
        sale = (SELLER, BUYER, case.max_fraction_wad, case.k_wad, case.proven)
        buyer, seller = ([one.as_tuple() for one in given] for given in case.certificates)
        return self.sales.sell(sale, buyer, seller)

    def is_plain(self, case: SaleCase) -> bool:
        """Say whether a purchase that succeeds does so without the engine for all purchases."""
        engine = self.evm.libraries["SaleEngine"]
        code = bytes(self.evm.engine.get_code(engine))
        with self.evm.isolated():
            self.stage_case(case)
            self.evm.put_code(engine, b"\xfe")
            try:
                self.sell(case)
            except Revert:
                return False
            finally:
                self.evm.put_code(engine, code)  # past the journal, which takes nothing of it back
            return True

    def both(self, case: SaleCase) -> str:
        """Send the purchase, and let the reference sell; return what came of it.

        Both refuse with the same error, or both accept and everything returned, every word and the open interest are
        the same.
        """
        vault, refused, revert, sold = case.vault(), None, None, None
        before = vault.holders
        liquidator = fraction = paid = None
        try:
            liquidator, fraction, paid = case.buy(vault)
        except Rejected as rejected:
            refused = rejected
        with self.evm.isolated():
            self.stage_case(case)
            worth = fraction and self.sales.worth(SELLER, fraction)
            try:
                sold = self.sell(case)
            except Revert as error:
                revert = error
            unlike = f"chain says {revert or sold}, reference {refused or (fraction, paid)}"
            assert bool(refused) == bool(revert), unlike
            if refused and revert:
                assert (revert.name, tuple(revert.args_)) == (refused.name, refused.values), unlike
                return refused.name
            assert liquidator is not None
            self._assert_alike(case, vault, sold, unlike)
            ended = SELLER not in liquidator.auctions
            assert (sold.fractionWad, sold.value - sold.premium) == (fraction, paid), unlike
            assert sold.value == worth, f"value before: {unlike}"
            assert (sold.ended, sold.opened) == (ended, vault.holders - before), unlike
            assert sold.premium - sold.fromShare + sold.hole == vault.deficit, unlike
            assert vault.account(SELLER).loss == (0 if ended else max(-sold.equity, 0)), unlike
            health = vault.health(SELLER) if ended and not case.certificates[1] else None
            assert health is None or health.equity == sold.equity, unlike
            if not case.certificates[1]:
                # the requirement that the slice leaves, before its premium is paid
                vault.account(SELLER).cash += sold.fromShare - sold.hole
                assert vault.health(SELLER).maintenance == sold.maintenance, f"maintenance: {unlike}"
        if sold.fractionWad == 10**18 > case.max_fraction_wad:
            raise AssertionError("more than was asked for")
        return f"{'all' if sold.fractionWad == 10**18 else 'part'}, {'ended' if ended else 'goes on'}"

    def _assert_alike(self, case: SaleCase, vault: Vault, sold: Any, unlike: str) -> None:
        for underlying in range(3):
            wanted = vault.open_interest[underlying]
            assert self.sales.openInterest(underlying) == wanted, f"open interest: {unlike}"
        for key, account in vault.accounts.items():
            assert self.sales.accountWord(key) == _word(account), f"account word: {unlike}"
            for page in {*account.book.pages, *case.accounts[key].book.pages}:
                words = list(account.book.position_words(page))
                found = list(self.sales.bookWords(key, page))
                assert found == words + [0] * (WORDS - len(words)), f"book: {unlike}"
