"""The certificates that lower an account's initial requirement most, as exact as the contract.

With a basket shown, its tail risk replaces its legs and hedges are sought for the change since; see `hedges.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from seawall.margin.hedges import HedgeSearch, Lots
from seawall.page.decode import Page
from seawall.page.layout import Kind
from seawall.reference.book import Book
from seawall.reference.certificate import EMPTY, Certificate, Certificates, Residual, certificate_words
from seawall.reference.rejection import Rejected

__all__ = [
    "MAX_ATOMS",
    "Certified",
    "CertifiedPair",
    "ShownBook",
    "best_certificate",
    "best_certificates",
    "held_lots",
    "upper_bound",
]

MAX_ATOMS = 64  # sixteen words of calldata; the engine pays some 3,000 gas an atom


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownBook:
    """Hold a basket under a manifest's book root: its words, its tail risk, settlement token units, and its proof."""

    words: tuple[int, ...]
    shortfall: int
    proof: tuple[bytes, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Certified:
    """Hold a certificate and what it does.

    Attributes
    ----------
    certificate
        Ready for a contract call.
    gross
        U without it, settlement token units.
    upper
        U with it, settlement token units: at most `gross`, never below the tail risk.
    optimum
        U if fractions of lots could be taken, settlement token units; what whole lots cost is the difference.
    """

    certificate: Certificate
    gross: int
    upper: int
    optimum: float


@dataclass(frozen=True, kw_only=True, slots=True)
class CertifiedPair:
    """Hold what serves an account that is judged under two manifests.

    Attributes
    ----------
    current
        Under the current manifest.
    baseline
        Under the baseline; None if it was not asked for, or does not know the book and so does not count.
    certificates
        For a call, as few as do as much: the second is left out where the hedges of the first serve as well.
    """

    current: Certified
    baseline: Certified | None
    certificates: Certificates

    def as_tuples(self) -> list[tuple[tuple[int, ...], int, tuple[int, ...], tuple[bytes, ...]]]:
        """Return the list for a contract call."""
        return [certificate.as_tuple() for certificate in self.certificates]


def held_lots(book: Book, pages: Mapping[int, Page]) -> Lots:
    """Return the signed lots that count: positions whose record is there and of their generation."""
    return {
        (page, position.slot): position.lots
        for page, position in book
        if page in pages
        and position.slot < len(pages[page].records)
        and pages[page].records[position.slot].kind != Kind.NONE
        and pages[page].records[position.slot].generation == position.generation
    }


def upper_bound(book: Book, pages: Mapping[int, Page], certificate: Certificate = EMPTY) -> int:
    """Return U of a book under a certificate as the engine computes it, settlement token units.

    The proof is not checked.

    Raises
    ------
    Rejected
        `BadCertificate`, as the engine would.
    """
    named = set(book.pages)
    lots = held_lots(book, pages)
    shown = Book.from_words(certificate.shown_words(book))
    named |= set(shown.pages)
    for page, position in shown:
        key = (page, position.slot)
        lots[key] = lots.get(key, 0) - position.lots
    residual = Residual({page: pages[page] for page in named if page in pages}, lots)
    without = residual.upper(tick=_tick(book, pages))
    residual.subtract_atoms(certificate.atoms)
    upper = min(without, residual.upper(tick=_tick(book, pages)))
    return upper + (certificate.book_shortfall if shown else 0)


def best_certificate(
    book: Book,
    pages: Mapping[int, Page],
    *,
    shown: ShownBook | None = None,
    stored: Book | None = None,
    max_atoms: int = MAX_ATOMS,
) -> Certified:
    """Return the certificate of least ``U = sum theta ES(b) + sum |r| leg(sign r)`` that was found.

    The program in theta and r is solved with fractions; theta is rounded down and to the nearest, each improved
    atom by atom in whole lots, the better one kept. A certificate that does not help is left out, so the result is
    never above the gross requirement. The same arguments give the same certificate.

    Parameters
    ----------
    book
        What the account will hold: after the fill, if it is for a fill.
    pages
        Of the manifest under which it is to serve.
    shown
        A basket under the manifest's book root, used only if that lowers U.
    stored
        What the account's storage will hold, where that is more than `book`: without its words only this can be shown.
    max_atoms
        Most entries, those that save most.
    """
    bare = _hedged(book, pages, None, (), max_atoms)
    found = [(EMPTY, bare[1]), bare]
    if shown is not None and _showable(shown, pages):
        words = (book if stored is None else stored).words()
        found.append(_hedged(book, pages, shown, words, max_atoms))
    certificate, optimum = min(found, key=lambda pair: upper_bound(book, pages, pair[0]))
    return Certified(
        certificate=certificate,
        gross=upper_bound(book, pages),
        upper=upper_bound(book, pages, certificate),
        optimum=optimum,
    )


def best_certificates(
    book: Book,
    pages: Mapping[int, Page],
    baseline: Mapping[int, Page] | None,
    *,
    shown: ShownBook | None = None,
    shown_before: ShownBook | None = None,
    stored: Book | None = None,
    max_atoms: int = MAX_ATOMS,
) -> CertifiedPair:
    """Return the best certificate under each of two manifests.

    Parameters
    ----------
    book
        What the account will hold.
    pages
        Of the current manifest.
    baseline
        Of the baseline, for what must hold under it too; None for what goes by the current manifest alone.
    shown, shown_before
        Baskets under the book root of either.
    stored
        What the account's storage will hold, where that is more than `book`.
    max_atoms
        Most entries in each.
    """
    current = best_certificate(book, pages, shown=shown, stored=stored, max_atoms=max_atoms)
    first = current.certificate
    alone: Certificates = () if first == EMPTY else (first,)
    if baseline is None or len(held_lots(book, baseline)) < len(book):
        return CertifiedPair(current=current, baseline=None, certificates=alone)
    old = best_certificate(book, baseline, shown=shown_before, stored=stored, max_atoms=max_atoms)
    try:
        serves = upper_bound(book, baseline, Certificate(atoms=first.atoms)) <= old.upper
    except Rejected:
        serves = False
    return CertifiedPair(
        current=current, baseline=old, certificates=alone if serves else (first, old.certificate)
    )


def _showable(shown: ShownBook, pages: Mapping[int, Page]) -> bool:
    """Say whether the manifest has every record of a basket, without which it cannot be shown."""
    basket = Book.from_words(shown.words)
    return bool(basket) and len(held_lots(basket, pages)) == len(basket)


def _hedged(
    book: Book, pages: Mapping[int, Page], shown: ShownBook | None, stored: tuple[int, ...], max_atoms: int
) -> tuple[Certificate, float]:
    """Return the best certificate with or without a basket, and its relaxed optimum, settlement token units."""
    lots, named, certificate = held_lots(book, pages), set(book.pages), EMPTY
    if shown is not None:
        basket = Book.from_words(shown.words)
        words = () if shown.words == stored else shown.words  # the book as stored needs none
        certificate = Certificate(book_shortfall=shown.shortfall, book=words, proof=shown.proof)
        named |= set(basket.pages)
        for page, position in basket:
            key = (page, position.slot)
            lots[key] = lots.get(key, 0) - position.lots
    search = HedgeSearch({page: pages[page] for page in named if page in pages}, lots)
    relaxed, optimum = search.relax()
    theta = search.whole(relaxed, max_atoms=max_atoms)
    entries = [(search.hedges[a].page, search.hedges[a].index, count) for a, count in sorted(theta.items())]
    whole = replace(certificate, atoms=certificate_words(entries))
    return whole, certificate.book_shortfall + optimum * _tick(book, pages)


def _tick(book: Book, pages: Mapping[int, Page]) -> int:
    """Return the tick of the first page that a book has under a manifest, zero without any."""
    return next((pages[page].head.tick for page in book.pages if page in pages), 0)
