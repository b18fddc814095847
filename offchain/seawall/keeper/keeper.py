"""One keeper: its data, its key, its memory; computes, checks, signs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from eth_account.signers.local import LocalAccount

from seawall.chain.contracts import System
from seawall.keeper.check import check_proposal
from seawall.keeper.compute import Computed, Proposal, compute, propose, spot_ticks
from seawall.keeper.settings import KeeperSettings
from seawall.keeper.store import SignatureStore
from seawall.keeper.view import ChainView
from seawall.market.bars import Bars
from seawall.page.typed_data import PriceBatch, feed_domain, manifest_domain, sign

__all__ = ["Keeper", "SignedBatch", "pack_underlyings"]


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
    """

    def __init__(
        self,
        system: System,
        account: LocalAccount,
        *,
        store: SignatureStore,
        history: Callable[[int], Bars],
        settings: KeeperSettings,
    ) -> None:
        self._system = system
        self._account = account
        self._store = store
        self._history = history
        self._settings = settings

    @property
    def address(self) -> str:
        """Return the signer's address."""
        return str(self._account.address)

    def compute(self, view: ChainView, *, time_s: int) -> Computed:
        """Return this keeper's numbers from its bars known at a time."""
        return compute(view, self._history(time_s), settings=self._settings)

    def propose(self, view: ChainView, computed: Computed, *, epoch: int) -> Proposal:
        """Return the manifest this keeper would post for an epoch."""
        return propose(view, computed, self._history(computed.as_of), epoch=epoch, settings=self._settings)

    def endorse(self, proposal: Proposal, own: Computed, view: ChainView) -> bytes:
        """Return a signature of a proposal that agrees with own numbers and that the oracle would accept.

        Its pages must be staged already, or the preview fails.

        Raises
        ------
        ConsistencyError
            If it differs from own numbers.
        Reverted
            If the oracle would reject it.
        EquivocationRisk
            If another digest was signed for this epoch.
        """
        check_proposal(proposal, own, view, settings=self._settings)
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
