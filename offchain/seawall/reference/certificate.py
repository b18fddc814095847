"""Hints that lower the initial requirement, never below the true tail risk: section 3 of the specification."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seawall.page.decode import Page, Record
from seawall.page.layout import CERTIFICATE_ENTRY, Kind, pack, pack_entries, unpack_entries
from seawall.page.merkle import EMPTY_ROOT, book_leaf, verify_proof
from seawall.reference.book import Book
from seawall.reference.rejection import require

__all__ = ["EMPTY", "Certificate", "Certificates", "Residual", "certificate_words", "charge", "under"]

Key = tuple[int, int]

_SHORTFALL_END = 1 << 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """Hold what `IMarginVault.Certificate` holds, under the same names.

    A book is shown if any of the last three is not empty; without words it is the account's own, as stored.
    """

    atoms: tuple[int, ...] = ()
    book_shortfall: int = 0
    book: tuple[int, ...] = ()
    proof: tuple[bytes, ...] = ()

    @property
    def shows(self) -> bool:
        """Say whether a book is shown."""
        return bool(self.book or self.proof or self.book_shortfall)

    def shown_words(self, book: Book) -> tuple[int, ...]:
        """Return the words of the book shown to the account that holds `book`; none if none is."""
        return self.book or (book.words() if self.shows else ())

    def as_tuple(self) -> tuple[tuple[int, ...], int, tuple[int, ...], tuple[bytes, ...]]:
        """Return the fields in the order of the struct, for a contract call."""
        return self.atoms, self.book_shortfall, self.book, self.proof


EMPTY = Certificate()

Certificates = Sequence[Certificate]  # for the current manifest, then for the baseline
_MOST_CERTIFICATES = 2


def under(certificates: Certificates, *, baseline: bool) -> Certificate:
    """Return what counts under a manifest: without a second certificate the baseline has the atoms of the first.

    Raises
    ------
    Rejected
        `BadCertificate`, if there are more than two.
    """
    require(len(certificates) <= _MOST_CERTIFICATES, "BadCertificate")
    if not certificates:
        return EMPTY
    if baseline and len(certificates) < _MOST_CERTIFICATES:
        return Certificate(atoms=certificates[0].atoms)
    return certificates[1 if baseline else 0]


def certificate_words(entries: Sequence[tuple[int, int, int]]) -> tuple[int, ...]:
    """Return (page, atom, lots) entries as the words of a certificate.

    Raises
    ------
    PageError
        If a value does not fit its field.
    """
    return pack_entries(
        pack(CERTIFICATE_ENTRY, {"page": page, "atom": atom, "lots": lots}, where="certificate")
        for page, atom, lots in entries
    )


def charge(record: Record, lots: int) -> int:
    """Return ``|q| leg(sign q)``, ticks."""
    return lots * record.leg_long if lots >= 0 else -lots * record.leg_short


class Residual:
    """Hold what is left of a book after its certificate, and what the certified part costs.

    Parameters
    ----------
    pages
        Those that the certificate may name: the account's, and those of its book.
    lots
        Signed lots by page and slot.
    rest, loose
        What parts of lots cost that are in no position here, ticks, and what their opposite would.
    """

    def __init__(
        self, pages: Mapping[int, Page], lots: Mapping[Key, int], *, rest: int = 0, loose: int = 0
    ) -> None:
        self._pages = pages
        self._lots = dict(lots)
        self._atoms_ticks = rest
        self._loose = loose
        self._shown = 0

    def upper(self, *, tick: int) -> int:
        """Return ``U = sum theta ES(b) + sum |r| leg(sign r)``, settlement token units."""
        return self._shown + (self._atoms_ticks + self._charges(sign=1)) * tick

    def _charges(self, *, sign: int) -> int:
        """Return ``U`` of the rest leg by leg, or of its opposite, ticks."""
        return sum(charge(self._record(*key), sign * lots) for key, lots in self._lots.items())

    def _record(self, page: int, slot: int) -> Record:
        require(page in self._pages and slot < len(self._pages[page].records), "BadCertificate")
        record = self._pages[page].records[slot]
        require(record.kind != Kind.NONE, "BadCertificate")
        return record

    def _take(self, page: int, slot: int, lots: int) -> None:
        self._record(page, slot)
        self._lots[page, slot] = self._lots.get((page, slot), 0) - lots

    def subtract_book(
        self, certificate: Certificate, words: tuple[int, ...], *, root: bytes, tick: int
    ) -> int:
        """Take a certified basket out of the rest and return what it proves of L, settlement token units.

        ``ES(w) >= ES(b) - ES(b - w) > shown - 1 - U(b - w)``, where the tail risk shown is ES(b) rounded up.

        Raises
        ------
        Rejected
            `BadCertificate`, if the basket is not under the root or holds what the manifest lacks.
        """
        require(root != EMPTY_ROOT and certificate.book_shortfall < _SHORTFALL_END, "BadCertificate")
        leaf = book_leaf(certificate.book_shortfall, words)
        require(verify_proof(certificate.proof, root=root, leaf=leaf), "BadCertificate")
        shown = Book.from_words(words)
        require(all(page in self._pages for page in shown.pages), "BadCertificate")
        for page, position in shown:
            require(self._record(page, position.slot).generation == position.generation, "BadCertificate")
            self._take(page, position.slot, position.lots)
        self._shown = certificate.book_shortfall
        return max(certificate.book_shortfall - 1 - (self._charges(sign=-1) + self._loose) * tick, 0)

    def subtract_atoms(self, words: Sequence[int]) -> None:
        """Take certified hedges out of the rest; entries without lots are skipped.

        Raises
        ------
        Rejected
            `BadCertificate`, if an atom or one of its legs does not exist.
        """
        for entry in unpack_entries(words):
            home, index, lots = (field.get(entry) for field in CERTIFICATE_ENTRY)
            if not lots:
                continue
            require(home in self._pages and index < len(self._pages[home].atoms), "BadCertificate")
            atom = self._pages[home].atoms[index]
            self._atoms_ticks += lots * atom.shortfall
            for leg in atom.legs:
                self._take(home if leg.page is None else leg.page, leg.slot, leg.ratio * lots)
