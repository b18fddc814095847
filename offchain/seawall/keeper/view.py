"""What a keeper needs to know of the chain, read in one go."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from web3 import Web3
from web3.exceptions import BlockNotFound

from seawall.chain.contracts import System
from seawall.errors import ConsistencyError
from seawall.keeper.accounts import AccountBook, find_holders, lots_of, read_books
from seawall.keeper.listed_pages import PageReader, PageView, instrument_columns
from seawall.keeper.policy import ProbeRange
from seawall.page.inputs import FactorsInput
from seawall.page.units import lot_ticks

__all__ = ["ChainReader", "ChainView", "UnderlyingView", "block_time", "spot_ticks"]

Floats = npt.NDArray[np.float64]

_LAST_PAGE = 255


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
class ChainView:
    """Hold what the contracts say at one block.

    Attributes
    ----------
    epoch, as_of, activated_at
        Of the manifest in force, zeros if there is none.
    accounts
        All that ever had a deposit or a position by this block or shortly after, oldest first.
    books
        Of those that hold positions at the end of this block, in the same order.
    lots
        Signed lots of the accounts that hold a listed instrument, one column an instrument as in `columns`, (N, I).
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
    accounts: tuple[bytes, ...]
    books: tuple[AccountBook, ...]
    lots: Floats

    @property
    def columns(self) -> dict[tuple[int, int, int], int]:
        """Return the column of every listed (page, slot, generation), in order of page and slot."""
        return instrument_columns(self.pages)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Config:
    """Hold what a configuration digest commits to."""

    digest: bytes
    quorum: int
    signers: tuple[str, ...]
    factors: FactorsInput


class ChainReader:
    """Read the chain again and again; what cannot have changed since the last time is not asked again.

    Parameters
    ----------
    from_block
        Block from which accounts are looked for: the deployment's, or earlier.
    """

    def __init__(self, system: System, *, from_block: int = 0) -> None:
        self._system = system
        self._next_block = from_block
        self._accounts: dict[bytes, None] = {}
        self._chain_id = int(system.oracle.w3.eth.chain_id)
        self._tick = int(system.registry.call("tick"))
        self._token_decimals = int(system.token.call("decimals"))
        self._names: dict[int, tuple[str, int]] = {}
        self._probes: dict[int, tuple[int, int]] = {}
        self._pages = PageReader(system)
        self._config: _Config | None = None

    def accounts(self) -> tuple[bytes, ...]:
        """Return all accounts that ever had a deposit or a position, oldest first; each block is searched once."""
        latest = int(self._system.vault.w3.eth.block_number)
        if latest >= self._next_block:
            found = find_holders(self._system, from_block=self._next_block, to_block=latest)
            self._accounts.update(dict.fromkeys(found))
            self._next_block = latest + 1
        return tuple(self._accounts)

    @property
    def chain_id(self) -> int:
        """Return the chain's id."""
        return self._chain_id

    def pages(self) -> tuple[PageView, ...]:
        """Return what is listed now, page by page."""
        return self._pages.read()

    def read(self) -> ChainView:
        """Return what the contracts say now.

        Raises
        ------
        RpcError
            If the node does not answer.
        PageError
            If a page in force does not decode.
        """
        system = self._system
        block = system.oracle.w3.eth.get_block("latest")
        epoch, as_of, activated_at, _ = system.oracle.call("currentManifest")
        pages = self.pages()
        config = self._configuration()
        accounts = self.accounts()
        books = read_books(system, accounts, block=int(block["number"]))
        lots = lots_of((book.words for book in books), instrument_columns(pages))
        return ChainView(
            chain_id=self._chain_id,
            oracle=system.oracle.address,
            block_number=int(block["number"]),
            timestamp=int(block["timestamp"]),
            epoch=epoch,
            as_of=as_of,
            activated_at=activated_at,
            config_digest=config.digest,
            quorum=config.quorum,
            signers=config.signers,
            factors=config.factors,
            tick=self._tick,
            token_decimals=self._token_decimals,
            underlyings=tuple(self._underlying(i) for i in range(system.registry.call("underlyingCount"))),
            pages=pages,
            accounts=accounts,
            books=books,
            lots=lots[lots.any(axis=1)],
        )

    def _configuration(self) -> _Config:
        """Return signers, quorum and factors, which the digest commits to."""
        digest = bytes(self._system.oracle.call("configDigest"))
        if self._config is None or self._config.digest != digest:
            factors = self._system.oracle.call("factors")
            self._config = _Config(
                digest=digest,
                quorum=self._system.oracle.call("quorum"),
                signers=tuple(self._system.oracle.call("signers")),
                factors=FactorsInput(
                    maintenance_factor_bps=factors.maintenanceFactorBps,
                    initial_net_floor_bps=factors.initialNetFloorBps,
                    initial_gross_floor_bps=factors.initialGrossFloorBps,
                    maintenance_net_floor_bps=factors.maintenanceNetFloorBps,
                    maintenance_gross_floor_bps=factors.maintenanceGrossFloorBps,
                    open_interest_divisor=factors.openInterestDivisor,
                    open_interest_cap_percent=factors.openInterestCapPercent,
                ),
            )
        return self._config

    def _underlying(self, index: int) -> UnderlyingView:
        registry = self._system.registry
        if index not in self._names:
            symbol = bytes(registry.call("symbol", index)).rstrip(b"\0").decode("ascii")
            self._names[index] = (symbol, int(registry.call("lotSizeWad", index)))
        symbol, lot_size_wad = self._names[index]
        probe = self._probes.get(index) or tuple(registry.call("probe", index))
        if probe[0] <= _LAST_PAGE:  # listed, which is for good
            self._probes[index] = probe
        least, largest = self._system.oracle.call("probeRange", index)
        return UnderlyingView(
            index=index,
            symbol=symbol,
            lot_size_wad=lot_size_wad,
            probe_page=probe[0],
            probe_slot=probe[1],
            probe_range=ProbeRange(least_ppm=least, largest_ppm=largest),
        )


def spot_ticks(view: ChainView, closes: Floats) -> Floats:
    """Return the price of one lot of every underlying, ticks, (M,)."""
    return np.array(
        [
            lot_ticks(close, lot_size_wad=u.lot_size_wad, token_decimals=view.token_decimals, tick=view.tick)
            for u, close in zip(view.underlyings, closes, strict=True)
        ]
    )


def block_time(w3: Web3, block: int) -> int:
    """Return when a block was made, seconds since 1970.

    Raises
    ------
    ConsistencyError
        If the node does not have it: it is not there yet, or no more.
    """
    try:
        return int(w3.eth.get_block(block)["timestamp"])
    except BlockNotFound as error:
        raise ConsistencyError(f"will not sign: the node has no block {block} to read books of") from error
