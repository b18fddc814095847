"""What an integrator calls before a fill, a withdrawal or a bid: an account's best certificates, ready to send."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from eth_utils.address import to_checksum_address

from seawall.chain.contracts import System
from seawall.keeper.asking import book_after
from seawall.keeper.leaves import LeafStore
from seawall.margin.certificate import MAX_ATOMS, CertifiedPair, ShownBook, best_certificates
from seawall.page.decode import Page, decode_page
from seawall.page.layout import PAGE_PREFIX_BYTES
from seawall.reference.book import Book, Position

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
    basket: bytes | None = None,
) -> CertifiedPair:
    """Return the best certificates for an account's book; `as_tuples()` goes into the call.

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
        Most hedges in each certificate.
    basket
        Key of a basket that was asked for, shown instead of the account's own book where it is certified.

    Raises
    ------
    InputError
        If the changes do not fit the account's book.
    RpcError
        If the node does not answer.
    """
    book = book_after(system, account, changes)
    named = (account,) if basket is None else (basket, account)
    shown = _shown(system, named, leaves, baseline=False)
    pages = pages_of(system, _named(book, shown))
    live = unexpired(book, pages, now_s=int(system.oracle.w3.eth.get_block("latest")["timestamp"]))
    before = _shown(system, named, leaves, baseline=True) if baseline else None
    old = pages_of(system, _named(book, before), baseline=True) if baseline else None
    return best_certificates(
        live, pages, old, shown=shown, shown_before=before, stored=book, max_atoms=max_atoms
    )


def _shown(
    system: System, named: Sequence[bytes], leaves: LeafStore | None, *, baseline: bool
) -> ShownBook | None:
    """Return the first of some books under the root of a manifest that a keeper wrote down."""
    if leaves is None:
        return None
    root = bytes(system.oracle.call("bookRoot", baseline))
    found = (leaves.find(root, name) for name in named) if any(root) else iter(())
    return next((book for book in found if book is not None), None)


def _named(book: Book, shown: ShownBook | None) -> set[int]:
    return {*book.pages, *(() if shown is None else Book.from_words(shown.words).pages)}
