"""What an integrator calls before a fill, a withdrawal or a bid: an account's best certificate, ready to send."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from eth_utils.address import to_checksum_address

from seawall.chain.contracts import System
from seawall.errors import InputError
from seawall.keeper.leaves import LeafStore
from seawall.margin.certificate import MAX_ATOMS, Certified, best_certificate, held_lots
from seawall.page.decode import Page, decode_page
from seawall.page.layout import PAGE_PREFIX_BYTES
from seawall.reference.book import Book, Position
from seawall.reference.rejection import Rejected

__all__ = ["certify_account", "pages_of", "unexpired"]

_PAGES_A_CALL = 32  # page ids in a word
_HOUR_S = 3600


def pages_of(system: System, ids: Iterable[int], *, baseline: bool = False) -> dict[int, Page]:
    """Return the pages of these ids that the current manifest holds, or the baseline.

    Raises
    ------
    PageError
        If one does not decode.
    """
    listed, found = sorted(set(ids)), {}
    for start in range(0, len(listed), _PAGES_A_CALL):
        some = listed[start : start + _PAGES_A_CALL]
        packed = sum(page << (8 * i) for i, page in enumerate(some))
        words = system.oracle.call("load", packed, len(some), baseline)[1:]
        for page, word in zip(some, words, strict=True):
            if address := int(word) & ((1 << 160) - 1):
                place = to_checksum_address(address.to_bytes(20, "big"))
                found[page] = decode_page(bytes(system.oracle.w3.eth.get_code(place))[PAGE_PREFIX_BYTES:])
    return found


def unexpired(book: Book, pages: Mapping[int, Page], *, now_s: int) -> Book:
    """Return a book without expired positions: once settled they are no risk, and hedge none."""

    def live(page: int, position: Position) -> bool:
        records = pages[page].records if page in pages else ()
        expiry_s = records[position.slot].expiry_hour * _HOUR_S if position.slot < len(records) else 0
        return not 0 < expiry_s <= now_s

    kept = {page: [p for p in held if live(page, p)] for page, held in book.pages.items()}
    return Book({page: held for page, held in kept.items() if held})


def certify_account(
    system: System,
    account: bytes,
    *,
    leaves: LeafStore | None = None,
    changes: Sequence[tuple[int, int, int, int]] = (),
    baseline: bool = True,
    max_atoms: int = MAX_ATOMS,
) -> Certified:
    """Return the best certificate for an account's book; `certificate.as_tuple()` goes into the call.

    Parameters
    ----------
    leaves
        Where a keeper wrote the leaves of the book roots; without it no book is shown.
    changes
        (page, slot, generation, signed lots) of what is about to be traded.
    baseline
        Whether the requirement must be met under the baseline too, as for fills and withdrawals; a purchase from an
        auction and a view go by the current manifest alone.
    max_atoms
        Most hedges in the certificate.

    Raises
    ------
    InputError
        If the changes do not fit the account's book.
    RpcError
        If the node does not answer.
    """
    book = Book.from_words(tuple(int(word) for word in system.lens.call("book", account)))
    for page, slot, generation, lots in changes:
        try:
            book.add(page, (slot, generation), lots, account="0x" + account.hex())
        except Rejected as error:
            raise InputError(f"slot {slot} of page {page} cannot change by {lots} lots: {error}") from None
    root = bytes(system.oracle.call("currentManifest")[3])
    shown = None if leaves is None or not any(root) else leaves.find(root, account)
    basket = Book() if shown is None else Book.from_words(shown.words)
    pages = pages_of(system, {*book.pages, *basket.pages})
    book = unexpired(book, pages, now_s=int(system.oracle.w3.eth.get_block("latest")["timestamp"]))
    old = pages_of(system, book.pages, baseline=True) if baseline else {}
    known = len(held_lots(book, old)) == len(book)
    return best_certificate(
        book, pages, shown=shown, baseline=old if baseline and known else None, max_atoms=max_atoms
    )
