"""Pages as the chain has them: what the registry lists, what is in force, and what the oracle holds the next to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_utils.address import to_checksum_address

from seawall.chain.contracts import System
from seawall.page.decode import Head, Page, decode_page
from seawall.page.layout import PAGE_PREFIX_BYTES, RECORD, unpack

__all__ = ["InstrumentTerms", "PageReader", "PageView", "instrument_columns"]


@dataclass(frozen=True, kw_only=True, slots=True)
class InstrumentTerms:
    """Hold an instrument's terms as listed."""

    kind: int
    shift: int
    generation: int
    strike: int
    expiry_hour: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PageView:
    """Hold a page: its instruments, and what was posted of it.

    Attributes
    ----------
    current
        The page in force, if there is one.
    compared
        The page by whose marks the oracle judges the next one's: the baseline's, or the one in force if there is no
        baseline; None if that manifest has no such page.
    """

    page_id: int
    underlying: int
    instruments: tuple[InstrumentTerms, ...]
    current: Page | None
    compared: Page | None = None

    @property
    def head(self) -> Head | None:
        """Return the head in force."""
        return None if self.current is None else self.current.head


class PageReader:
    """Read pages again and again; code and terms, which do not change, are fetched once."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._instruments: dict[tuple[int, bytes], tuple[InstrumentTerms, ...]] = {}
        self._pages: dict[int, Page] = {}

    def read(self) -> tuple[PageView, ...]:
        """Return what is listed and posted now, page by page.

        Raises
        ------
        PageError
            If a posted page does not decode.
        """
        count = int(self._system.registry.call("pageCount"))
        posted, judging = (self._posted(count, baseline=baseline) for baseline in (False, True))
        if judging is None:
            judging = posted
        seen = dict[int, Page]()
        found = []
        for page in range(count):
            underlying, instruments = self._listed(page)
            current, compared = (self._page(words[page] if words else 0, seen) for words in (posted, judging))
            found.append(
                PageView(
                    page_id=page,
                    underlying=underlying,
                    instruments=instruments,
                    current=current,
                    compared=compared,
                )
            )
        self._pages = seen
        return tuple(found)

    def _posted(self, count: int, *, baseline: bool) -> list[int] | None:
        """Return the oracle's words for pages 0 .. count - 1 (at most 32); None if there is no such manifest."""
        packed = sum(page << (8 * page) for page in range(count))
        manifest, *words = self._system.oracle.call("load", packed, count, baseline)
        return [int(word) for word in words] if manifest else None

    def _listed(self, page: int) -> tuple[int, tuple[InstrumentTerms, ...]]:
        registry = self._system.registry
        underlying, rows, terms_hash = registry.call("pageInfo", page)
        key = (page, bytes(terms_hash))
        if key not in self._instruments:
            self._instruments[key] = tuple(_terms(registry.call("terms", page, slot)) for slot in range(rows))
        return int(underlying), self._instruments[key]

    def _page(self, word: int, seen: dict[int, Page]) -> Page | None:
        """Return the page at the address in a word, None without one; what is found is also noted in `seen`."""
        address = word & ((1 << 160) - 1)
        if not address:
            return None
        if address not in seen:
            page = self._pages.get(address)
            if page is None:
                place = to_checksum_address(address.to_bytes(20, "big"))
                code = bytes(self._system.oracle.w3.eth.get_code(place))
                page = decode_page(code[PAGE_PREFIX_BYTES:])
            seen[address] = page
        return seen[address]


def _terms(word: int) -> InstrumentTerms:
    fields = unpack(RECORD, word, where="terms")
    return InstrumentTerms(
        kind=fields["kind"],
        shift=fields["shift"],
        generation=fields["generation"],
        strike=fields["strike"],
        expiry_hour=fields["expiry_hour"],
    )


def instrument_columns(pages: Sequence[PageView]) -> dict[tuple[int, int, int], int]:
    """Return a column for every listed (page, slot, generation), in order of page and slot."""
    listed = ((page.page_id, slot, t.generation) for page in pages for slot, t in enumerate(page.instruments))
    return {instrument: column for column, instrument in enumerate(listed)}
