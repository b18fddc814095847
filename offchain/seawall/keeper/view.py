"""What a keeper needs to know of the chain, read in one go, and the accounts it has seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from eth_utils.address import to_checksum_address

from seawall.chain.contracts import System
from seawall.keeper.policy import ProbeRange
from seawall.page.decode import Head, Page, decode_page
from seawall.page.inputs import FactorsInput
from seawall.page.layout import (
    BOOK_PAGE,
    ENTRIES_PER_WORD,
    PAGE_PREFIX_BYTES,
    POSITION,
    RECORD,
    unpack,
    unpack_entries,
)

__all__ = ["AccountIndex", "ChainView", "InstrumentTerms", "PageView", "UnderlyingView", "read_chain"]

Floats = npt.NDArray[np.float64]


# Events after which an account may hold something, and the arguments that name it.
_HOLDERS = {"Deposited": ("account",), "Traded": ("taker", "maker"), "SliceMoved": ("to",)}


@dataclass(frozen=True, kw_only=True, slots=True)
class InstrumentTerms:
    """Hold an instrument's terms as listed."""

    kind: int
    shift: int
    generation: int
    strike: int
    expiry_hour: int


@dataclass(frozen=True, kw_only=True, slots=True)
class UnderlyingView:
    """Hold an underlying: its name, its lot, and what the oracle would accept for its probe."""

    index: int
    symbol: str
    lot_size_wad: int
    probe_page: int
    probe_slot: int
    probe_range: ProbeRange


@dataclass(frozen=True, kw_only=True, slots=True)
class PageView:
    """Hold a page: its instruments, and the page in force, if there is one."""

    page_id: int
    underlying: int
    instruments: tuple[InstrumentTerms, ...]
    current: Page | None

    @property
    def head(self) -> Head | None:
        """Return the head in force."""
        return None if self.current is None else self.current.head


@dataclass(frozen=True, kw_only=True, slots=True)
class ChainView:
    """Hold what the contracts say at one block.

    Attributes
    ----------
    epoch, as_of, activated_at
        Of the manifest in force, zeros if there is none.
    lots
        Signed lots of every account with positions, one column an instrument in order of page and slot, (N, I).
    """

    chain_id: int
    oracle: str
    block_number: int
    timestamp: int
    epoch: int
    as_of: int
    activated_at: int
    config_digest: bytes
    quorum: int
    signers: tuple[str, ...]
    factors: FactorsInput
    tick: int
    token_decimals: int
    underlyings: tuple[UnderlyingView, ...]
    pages: tuple[PageView, ...]
    lots: Floats


class AccountIndex:
    """Remember every account that ever had a deposit or a position, reading each block's events once."""

    def __init__(self, system: System, *, from_block: int = 0) -> None:
        self._system = system
        self._next_block = from_block
        self._accounts: dict[bytes, None] = {}

    def refresh(self) -> tuple[bytes, ...]:
        """Return all accounts known up to the latest block, oldest first."""
        latest = int(self._system.vault.w3.eth.block_number)
        if latest >= self._next_block:
            events = self._system.vault.logs(*_HOLDERS, from_block=self._next_block, to_block=latest)
            for event in events:
                self._accounts.update({bytes(event.args[name]): None for name in _HOLDERS[event.name]})
            self._next_block = latest + 1
        return tuple(self._accounts)


def read_chain(system: System, accounts: tuple[bytes, ...]) -> ChainView:
    """Return what the contracts say now.

    Raises
    ------
    RpcError
        If the node does not answer.
    PageError
        If a page in force does not decode.
    """
    w3 = system.oracle.w3
    block = w3.eth.get_block("latest")
    epoch, as_of, activated_at, _ = system.oracle.call("currentManifest")
    underlyings = tuple(_underlying(system, i) for i in range(system.registry.call("underlyingCount")))
    pages = _pages(system, system.registry.call("pageCount"))
    factors = system.oracle.call("factors")
    return ChainView(
        chain_id=int(w3.eth.chain_id),
        oracle=system.oracle.address,
        block_number=int(block["number"]),
        timestamp=int(block["timestamp"]),
        epoch=epoch,
        as_of=as_of,
        activated_at=activated_at,
        config_digest=bytes(system.oracle.call("configDigest")),
        quorum=system.oracle.call("quorum"),
        signers=tuple(system.oracle.call("signers")),
        factors=FactorsInput(
            maintenance_factor_bps=factors.maintenanceFactorBps,
            initial_net_floor_bps=factors.initialNetFloorBps,
            initial_gross_floor_bps=factors.initialGrossFloorBps,
            maintenance_net_floor_bps=factors.maintenanceNetFloorBps,
            maintenance_gross_floor_bps=factors.maintenanceGrossFloorBps,
            open_interest_divisor=factors.openInterestDivisor,
            open_interest_cap_percent=factors.openInterestCapPercent,
        ),
        tick=system.registry.call("tick"),
        token_decimals=system.token.call("decimals"),
        underlyings=underlyings,
        pages=pages,
        lots=_lots(system, accounts, pages),
    )


def _underlying(system: System, index: int) -> UnderlyingView:
    probe_page, probe_slot = system.registry.call("probe", index)
    least, largest = system.oracle.call("probeRange", index)
    return UnderlyingView(
        index=index,
        symbol=bytes(system.registry.call("symbol", index)).rstrip(b"\0").decode("ascii"),
        lot_size_wad=system.registry.call("lotSizeWad", index),
        probe_page=probe_page,
        probe_slot=probe_slot,
        probe_range=ProbeRange(least_ppm=least, largest_ppm=largest),
    )


def _pages(system: System, count: int) -> tuple[PageView, ...]:
    words = _current_words(system, count)
    found = []
    for page in range(count):
        underlying, rows, _ = system.registry.call("pageInfo", page)
        instruments = tuple(_terms(system.registry.call("terms", page, slot)) for slot in range(rows))
        address = words[page + 1] & ((1 << 160) - 1) if words else 0
        current = None
        if address:
            code = bytes(system.oracle.w3.eth.get_code(to_checksum_address(address.to_bytes(20, "big"))))
            current = decode_page(code[PAGE_PREFIX_BYTES:])
        found.append(PageView(page_id=page, underlying=underlying, instruments=instruments, current=current))
    return tuple(found)


def _current_words(system: System, count: int) -> list[int]:
    """Return the oracle's words for pages 0 .. count - 1 (at most 32), behind the word of the manifest."""
    packed = sum(page << (8 * page) for page in range(count))
    return list(system.oracle.call("load", packed, count, False))


def _terms(word: int) -> InstrumentTerms:
    fields = unpack(RECORD, word, where="terms")
    return InstrumentTerms(
        kind=fields["kind"],
        shift=fields["shift"],
        generation=fields["generation"],
        strike=fields["strike"],
        expiry_hour=fields["expiry_hour"],
    )


def _lots(system: System, accounts: tuple[bytes, ...], pages: tuple[PageView, ...]) -> Floats:
    """Return signed lots by account and instrument, accounts without positions left out."""
    columns: dict[tuple[int, int, int], int] = {}
    for page in pages:
        for slot, terms in enumerate(page.instruments):
            columns[(page.page_id, slot, terms.generation)] = len(columns)
    rows = []
    for words in system.lens.call("books", list(accounts)) if accounts else ():
        row = np.zeros(len(columns))
        for position in _positions(list(words)):
            column = columns.get(position[:3])
            if column is not None:
                row[column] = float(position[3])
        if row.any():
            rows.append(row)
    return np.array(rows) if rows else np.zeros((0, len(columns)))


def _positions(words: list[int]) -> Iterator[tuple[int, int, int, int]]:
    """Yield page, slot, generation and signed lots of a book's words."""
    at = 0
    while at < len(words):
        head = unpack(BOOK_PAGE, words[at], where="book")
        count = head["count"]
        length = -(-count // ENTRIES_PER_WORD)
        for entry in unpack_entries(words[at + 1 : at + 1 + length])[:count]:
            fields = unpack(POSITION, entry, where="position")
            yield head["page"], fields["slot"], fields["generation"], fields["lots"]
        at += 1 + length
