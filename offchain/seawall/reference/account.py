"""One account of the ledger."""

from dataclasses import dataclass, field, replace

from seawall.reference.book import Book
from seawall.reference.rejection import require

__all__ = ["Account", "Request"]

CASH_BITS = 104


@dataclass(frozen=True, slots=True)
class Request:
    """Hold an asked-for withdrawal."""

    value: int
    requested_at: int


@dataclass(slots=True)
class Account:
    """Hold one account; money in settlement token units.

    Attributes
    ----------
    mark
        What the liquidator wants kept of its auction.
    settled
        Whether a wind-down has settled it and what remains in its book is collateral.
    debt
        What it still owes against that.
    """

    cash: int = 0
    book: Book = field(default_factory=Book)
    last_check_block: int = 0
    in_auction: bool = False
    mark: int = 0
    loss: int = 0
    request: Request | None = None
    settled: bool = False
    debt: int = 0

    @property
    def is_open(self) -> bool:
        """Say whether the account holds positions for which a wind-down would still have to wait."""
        return bool(self.book) and not self.settled

    def leave_auction(self) -> None:
        """Take off the mark of an auction, which stood where the block of the last check does."""
        self.in_auction, self.mark, self.last_check_block = False, 0, 0

    def copy(self) -> "Account":
        """Return an account that can be changed alone."""
        return replace(self, book=self.book.copy())

    def credit(self, value: int) -> None:
        """Add to the cash, or take from it.

        Raises
        ------
        Rejected
            `CashOutOfRange`, if the sum does not fit 104 signed bits.
        """
        cash = self.cash + value
        require(-(1 << CASH_BITS - 1) <= cash < 1 << CASH_BITS - 1, "CashOutOfRange", cash)
        self.cash = cash
