"""What somebody does who wants a basket certified before a trade: ask, wait an epoch, fetch the proof."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from eth_account.signers.local import LocalAccount

from seawall.chain.contracts import System
from seawall.errors import InputError, RetryLater
from seawall.keeper.baskets import FREE, BasketRequest, BasketRules, Position, request_domain, screen
from seawall.keeper.leaves import LeafStore
from seawall.keeper.requests import RequestFolder
from seawall.keeper.view import ChainReader
from seawall.page.typed_data import sign
from seawall.reference.book import Book
from seawall.reference.rejection import Rejected

__all__ = ["ask_for_basket", "book_after", "require_proof"]


def book_after(system: System, account: bytes, changes: Sequence[Position]) -> Book:
    """Return the book an account has after changes, (page, slot, generation, signed lots), as it will be stored.

    Raises
    ------
    InputError
        If the changes do not fit the account's book.
    """
    book = Book.from_words(tuple(int(word) for word in system.lens.call("book", account)))
    for page, slot, generation, lots in changes:
        try:
            book.add(page, (slot, generation), lots, account="0x" + account.hex())
        except Rejected as error:
            raise InputError(f"slot {slot} of page {page} cannot change by {lots} lots: {error}") from None
    return book


def ask_for_basket(
    system: System,
    folder: RequestFolder,
    account: bytes,
    *,
    changes: Sequence[Position],
    lasts_s: int,
    free: bool = False,
    owner: LocalAccount | None = None,
    rules: BasketRules | None = None,
) -> BasketRequest:
    """File a request for the book an account will have after changes, and return it.

    Parameters
    ----------
    folder
        Where keepers look for requests.
    changes
        (page, slot, generation, signed lots) of what is about to be traded; the basket itself if `free`.
    lasts_s
        Seconds from now until which it is to be certified. Long enough to become the baseline, if the trade is to be
        judged by it there too.
    free
        Whether the changes alone are the basket, nobody's in particular.
    owner
        A key; it signs if it is the account's owner's, and the request goes before unsigned ones.

    Raises
    ------
    InputError
        If keepers would refuse it; the message says why.
    RetryLater
        If the folder is full.
    """
    if free:
        positions = tuple(changes)
    else:
        book = book_after(system, account, changes)
        positions = tuple((page, p.slot, p.generation, p.lots) for page, p in book)
    reader = ChainReader(system)
    now_s = int(system.oracle.w3.eth.get_block("latest")["timestamp"])
    request = BasketRequest(
        account=FREE if free else account, positions=positions, expires_at=now_s + lasts_s
    )
    screen(request, reader.pages(), time_s=now_s, rules=rules or BasketRules())
    if owner is not None and not free:
        domain = request_domain(chain_id=reader.chain_id, oracle=system.oracle.address)
        signed = replace(request, signature=sign(request.digest(domain), bytes(owner.key)))
        request = signed if signed.owner_signed(domain) else request
    folder.file(request)
    return request


def require_proof(
    system: System, folder: RequestFolder, leaves: LeafStore, key: bytes, *, rules: BasketRules | None = None
) -> None:
    """Pass if a basket that was asked for is certified under the manifest in force.

    Raises
    ------
    InputError
        If it was never asked for, or keepers refuse it; the message says why.
    RetryLater
        If it is only a matter of time.
    """
    root = bytes(system.oracle.call("bookRoot", False))
    if any(root) and leaves.find(root, key) is not None:
        return
    request = folder.read(key)
    now_s = int(system.oracle.w3.eth.get_block("latest")["timestamp"])
    screen(request, ChainReader(system).pages(), time_s=now_s, rules=rules or BasketRules())
    epoch = int(system.oracle.call("currentManifest")[0])
    raise RetryLater(
        f"basket {key.hex()[:16]} is not under the manifest in force, of epoch {epoch}, or its proof not in"
        " keeper.books: wait for the next epoch"
    )
