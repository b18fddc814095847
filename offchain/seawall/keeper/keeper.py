"""One keeper: its data, its key, its memory; computes, checks, signs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import structlog
from eth_account.signers.local import LocalAccount

from seawall.chain.contracts import System
from seawall.errors import ConsistencyError, DataError
from seawall.keeper.accounts import AccountBook, find_holders, read_books
from seawall.keeper.baskets import Chosen, basket_books, check_baskets, choose_baskets
from seawall.keeper.books import book_tree, check_books
from seawall.keeper.check import check_proposal
from seawall.keeper.compute import Computed, Proposal, compute, propose
from seawall.keeper.hedges import SelectedHedges
from seawall.keeper.leaves import LeafStore
from seawall.keeper.observing import with_hedges
from seawall.keeper.requests import RequestFolder
from seawall.keeper.settings import KeeperSettings
from seawall.keeper.store import SignatureStore
from seawall.keeper.view import ChainView, block_time, spot_ticks
from seawall.keeper.watch import Watch, watch_model
from seawall.market.bars import Bars
from seawall.market.implied import ImpliedQuotes
from seawall.market.perpetuals import PerpetualHistory
from seawall.market.schema import OptionQuotes, OrderBook
from seawall.page.typed_data import PriceBatch, feed_domain, manifest_domain, sign

__all__ = ["Keeper", "SignedBatch", "pack_underlyings"]

_log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedBatch:
    """Hold one signer's prices and its signature."""

    signer: str
    batch: PriceBatch
    signature: bytes


def pack_underlyings(count: int) -> int:
    """Return underlyings 0 .. count - 1, one a byte, as feeds take them."""
    return sum(u << (8 * u) for u in range(count))


class Keeper:
    """Compute from own data, sign what passes, and never sign two payloads for one epoch.

    Parameters
    ----------
    system
        The contracts.
    account
        The signing key, apart from any key that pays gas.
    store
        Where signed digests are remembered.
    history
        Returns the bars known at a time, and none later.
    settings
        The same for all keepers of one deployment, up to their own data.
    leaves
        Where the leaves of endorsed book roots are kept for accounts to find their proofs; nowhere by default.
    requests
        Where people ask for baskets; without it none are certified when this keeper leads.
    implied
        Returns the quotes of implied volatility there are; without it the surface is the model's own volatility.
    depth
        Returns the order books there are; without it liquidity is taken from traded volume.
    chains
        Returns the option quotes there are; without it no surface is fitted to any.
    hedges
        Returns the hedges selected before, None if there are none; without it atoms are chosen anew every epoch.
    perpetuals
        Returns the past prices of perpetuals there are; without it how they move against their spot is assumed.
    """

    def __init__(
        self,
        system: System,
        account: LocalAccount,
        *,
        store: SignatureStore,
        history: Callable[[int], Bars],
        settings: KeeperSettings,
        leaves: LeafStore | None = None,
        requests: RequestFolder | None = None,
        implied: Callable[[], ImpliedQuotes] | None = None,
        depth: Callable[[], Sequence[OrderBook]] | None = None,
        chains: Callable[[], Sequence[OptionQuotes]] | None = None,
        hedges: Callable[[], SelectedHedges | None] | None = None,
        perpetuals: Callable[[], PerpetualHistory] | None = None,
    ) -> None:
        self._system = system
        self._account = account
        self._store = store
        self._history = history
        self._settings = settings
        self._leaves = leaves
        self._requests = requests
        self._implied = implied
        self._depth = depth
        self._chains = chains
        self._hedges = hedges
        self._perpetuals = perpetuals
        self._proposed: Proposal | None = None
        self._used: tuple[Computed, Bars] | None = None
        self.fallbacks = 0  # epochs and underlyings whose surface had no quote, though there is a source

    @property
    def address(self) -> str:
        """Return the signer's address."""
        return str(self._account.address)

    def compute(self, view: ChainView, *, time_s: int) -> Computed:
        """Return this keeper's numbers from its bars known at a time.

        A source of implied volatilities or a selection of hedges that fails counts as none, with a line in the log.
        """
        quotes = None if self._implied is None else self._quotes(self._implied)
        books = None if self._depth is None else self._depth()
        bars = self._history(time_s)
        chains = None if self._chains is None else self._chains()
        run = partial(
            compute, view, bars, settings=self._settings, implied=quotes, depth=books, chains=chains
        )
        if self._perpetuals is not None:
            run = partial(run, perpetuals=self._perpetuals())
        computed = with_hedges(run, self._hedges)
        if (basis := computed.perpetuals) is not None and basis.missing:
            _log.warning("basis of perpetuals assumed", missing=basis.missing)
        if cramped := computed.lanes.cramped:
            text = "lanes scaled down to fit records: list these instruments again with a larger shift"
            _log.warning(text, lanes=computed.lanes.scaled, instruments=cramped)
        if held := computed.held:
            _log.warning("marks held to what the oracle accepts", held=held)
        self._used = computed, bars
        if computed.surfaces is not None:
            self.fallbacks += sum(note != "" for note in computed.surfaces.notes)
        if (use := computed.implied) is not None:
            self.fallbacks += len(use.missing)
            if use.missing or use.bounded:
                _log.warning(
                    "implied volatility not followed",
                    missing=use.missing,
                    bounded=use.bounded,
                    rows_rejected=use.rejected,
                    fallbacks=self.fallbacks,
                )
        return computed

    def watch(self, view: ChainView, *, time_s: int) -> Watch:
        """Return alarms of structural breaks and drift of the model's parameters, for the log of an operator."""
        symbols = [u.symbol for u in view.underlyings]
        return watch_model(self._history(time_s).select(symbols), settings=self._settings)

    def _quotes(self, source: Callable[[], ImpliedQuotes]) -> ImpliedQuotes:
        try:
            return source()
        except DataError as error:
            _log.warning("no implied volatilities", reason=str(error))
            return ImpliedQuotes(tracks={})

    def propose(self, view: ChainView, computed: Computed, *, epoch: int) -> Proposal:
        """Return the manifest this keeper would post for an epoch."""
        used = self._used if self._used is not None and self._used[0] is computed else None
        self._proposed = propose(
            view,
            computed,
            self._history(computed.as_of) if used is None else used[1],
            epoch=epoch,
            settings=self._settings,
            baskets=self.baskets(view, time_s=computed.as_of, epoch=epoch).requests,
        )
        return self._proposed

    def baskets(self, view: ChainView, *, time_s: int, epoch: int) -> Chosen:
        """Return the baskets that this keeper would certify in an epoch; those that have ended are deleted."""
        if self._requests is None:
            return Chosen()
        found, refused = self._requests.scan(epoch)
        chosen = choose_baskets(found, view, epoch=epoch, time_s=time_s, rules=self._settings.baskets)
        self._requests.sweep(found, time_s=time_s)
        refused |= {key.hex(): reason for key, reason in chosen.refused.items()}
        if refused:
            _log.info(
                "baskets refused", epoch=epoch, count=len(refused), reasons=dict(list(refused.items())[:8])
            )
        return chosen

    def endorse(self, proposal: Proposal, own: Computed, view: ChainView) -> bytes:
        """Return a signature of a proposal that agrees with own numbers and that the oracle would accept.

        Its pages must be staged already, or the preview fails.

        Raises
        ------
        ConsistencyError
            If it differs from own numbers, or its books from those on the chain.
        Reverted
            If the oracle would reject it.
        EquivocationRisk
            If another digest was signed for this epoch.
        """
        check_proposal(proposal, own, view, settings=self._settings)
        self.check_books(proposal, own, view)
        self._note_missing(proposal, view)
        self._system.oracle.call("previewActivate", proposal.manifest.as_tuple())
        digest = proposal.manifest.digest(manifest_domain(chain_id=view.chain_id, oracle=view.oracle))
        return self._store.sign_once(
            digest,
            lambda message: sign(message, bytes(self._account.key)),
            chain_id=view.chain_id,
            contract=view.oracle,
            signer=self.address,
            epoch=proposal.manifest.epoch,
        )

    def check_books(self, proposal: Proposal, own: Computed, view: ChainView) -> None:
        """Pass if a proposal certifies the books at its snapshot block, as this keeper would; keep their proofs.

        Baskets that were asked for must be within the rules; one that this keeper would have taken may be missing.

        Raises
        ------
        ConsistencyError
            If books, tail risks or root differ.
        StoreError
            If the proofs cannot be kept.
        """
        block = proposal.manifest.book_block
        time_s, rules = proposal.manifest.as_of, self._settings.baskets
        check_baskets(proposal.baskets, view.pages, time_s=time_s, rules=rules)
        books = (*self._books_at(block, view), *basket_books(proposal.baskets))
        if proposal is self._proposed and block == view.block_number:
            tree = book_tree(proposal.books)  # it would compute the same again
        else:
            tree = check_books(proposal, own, view, books, settings=self._settings)
        if self._leaves is not None and proposal.books:
            epoch = proposal.manifest.epoch
            roots = [bytes(self._system.oracle.call("bookRoot", old)) for old in (False, True)]
            self._leaves.put(
                tree, proposal.books, books, epoch=epoch, block=block, as_of=time_s, in_force=roots
            )

    def _note_missing(self, proposal: Proposal, view: ChainView) -> None:
        """Say in the log which baskets a proposal leaves out that this keeper would have taken: no reason to refuse."""
        epoch, time_s = proposal.manifest.epoch, proposal.manifest.as_of
        wanted = self.baskets(view, time_s=time_s, epoch=epoch).requests
        missing = {request.key for request in wanted} - {request.key for request in proposal.baskets}
        if missing:
            _log.warning("baskets left out", epoch=epoch, count=len(missing), first=min(missing).hex())

    def _books_at(self, block: int, view: ChainView) -> tuple[AccountBook, ...]:
        """Return the books at the end of a snapshot block, which must not be much older than the view."""
        if block == view.block_number:
            return view.books
        w3 = self._system.oracle.w3
        newest = int(w3.eth.block_number)
        age = view.timestamp - block_time(w3, block) if block <= newest else 0
        if block > newest or age > self._settings.book_age_s:
            raise ConsistencyError(
                f"will not sign: books of block {block} are {age} s old, or not there yet at block {newest}"
            )
        accounts = dict.fromkeys(view.accounts)
        if block > view.block_number:
            found = find_holders(self._system, from_block=view.block_number + 1, to_block=block)
            accounts |= dict.fromkeys(found)
        return read_books(self._system, tuple(accounts), block=block)

    def sign_prices(
        self, view: ChainView, *, time_s: int, observed_at: int, feed: str, dead: frozenset[str] = frozenset()
    ) -> SignedBatch:
        """Return a signed batch of the newest closes known at a time.

        Parameters
        ----------
        observed_at
            Chain time to sign the prices for.
        feed
            Address of the feed.
        dead
            Symbols this keeper has no price of; they are sent as zero.
        """
        bars = self._history(time_s).select([u.symbol for u in view.underlyings])
        ticks = spot_ticks(view, bars.closes[-1])
        prices = tuple(
            0 if u.symbol in dead else round(t) for u, t in zip(view.underlyings, ticks, strict=True)
        )
        batch = PriceBatch(
            observed_at=observed_at, packed_underlyings=pack_underlyings(len(prices)), prices=prices
        )
        digest = batch.digest(feed_domain(chain_id=view.chain_id, feed=feed))
        signature = sign(digest, bytes(self._account.key))
        return SignedBatch(signer=self.address, batch=batch, signature=signature)
