"""`seawall keeper`: takes part in epochs with other keepers through a shared folder, once or until told to stop."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from itertools import islice
from typing import Any

import click
import structlog

from seawall.chain.reverts import Reverted
from seawall.chain.sender import Sender
from seawall.cli.output import print_json, print_pairs
from seawall.cli.session import open_session
from seawall.config import Config
from seawall.errors import (
    ConfigError,
    ConsistencyError,
    EquivocationRisk,
    PageError,
    QuorumError,
    RetryLater,
    SeawallError,
    StopError,
)
from seawall.keeper.compute import Computed, Proposal
from seawall.keeper.expiries import fix_settlements, settle_expired
from seawall.keeper.keeper import Keeper
from seawall.keeper.leaves import LeafStore
from seawall.keeper.mailbox import Mailbox
from seawall.keeper.observing import bars_until, compute_now, keeper_settings
from seawall.keeper.post import activate, push_prices, stage
from seawall.keeper.pricing import gather_prices
from seawall.keeper.report import numbers_of
from seawall.keeper.requests import RequestFolder
from seawall.keeper.reselecting import Reselection, hedge_file, remembering
from seawall.keeper.store import SignatureStore
from seawall.keeper.turns import Turns, pause
from seawall.keeper.view import ChainReader, ChainView
from seawall.market.depth import read_depth
from seawall.market.implied_files import read_implied_volatilities
from seawall.market.perpetuals import read_perpetuals
from seawall.market.surfaces import read_chains
from seawall.page.typed_data import manifest_domain

__all__ = ["KeeperService", "run_keeper"]

_POLL_S = 1.0
_MOST_SETTLED = 30  # accounts' pages in one epoch: an expiry that many hold must not hold it up
_log = structlog.get_logger()


def run_keeper(config: Config, *, dry_run: bool, once: bool, as_json: bool) -> int:
    """Run a keeper as configured; return the exit code.

    Raises
    ------
    SeawallError
        Whatever a single epoch raises when `once`; otherwise only what must stop the process.
    DataError
        If there is a file of selected hedges that is malformed or another chain's.
    """
    session = open_session(config)
    system = session.system()
    settings, stored = keeper_settings(config), hedge_file(config, system)
    selected = None if stored is None else stored.read()
    if stored is not None and selected is None:
        _log.info("no hedges selected yet: atoms are chosen every epoch", path=str(config.keeper.hedges))
    quotes, depth, chains = config.keeper.implied_data, config.keeper.depth_data, config.keeper.chain_data
    perpetuals = config.keeper.perpetual_data
    if dry_run:
        view, computed = compute_now(config, system, settings=settings, hedges=selected)
        _show(numbers_of(view, computed), as_json=as_json)
        return 0
    if config.keys.signer is None:
        raise ConfigError("a keeper needs a key to sign with. Fix: set keys.signer, or pass --dry-run")
    keeper = Keeper(
        system,
        config.keys.signer.unlock(),
        store=SignatureStore(config.keeper.store),
        history=lambda time_s: bars_until(config.keeper.market_data, time_s),
        settings=settings,
        leaves=LeafStore(config.keeper.books),
        requests=RequestFolder(config.keeper.requests, oracle=system.oracle.address),
        implied=None if quotes is None else lambda: read_implied_volatilities(quotes),
        depth=None if depth is None else lambda: read_depth(depth),
        chains=None if chains is None else lambda: read_chains(chains),
        hedges=None if stored is None else remembering(stored.read, selected),
        perpetuals=None if perpetuals is None else lambda: read_perpetuals(perpetuals),
    )
    mailbox = Mailbox(config.keeper.mailbox, oracle=system.oracle.address)
    watched = None if stored is None else Reselection(config=config)
    payer = session.payer(timeout_s=config.keeper.leader_timeout_s)
    service = KeeperService(config, keeper, payer, mailbox, system, watched)
    if once:
        _show(service.step(), as_json=as_json)
        return 0
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    service.run(stop)
    return 0


def _show(values: Mapping[str, Any], *, as_json: bool) -> None:
    show = print_json if as_json else partial(print_pairs, "keeper")
    show(values)
    click.get_text_stream("stdout").flush()


class KeeperService:
    """Walk one keeper through epochs: price, propose or endorse, post."""

    def __init__(
        self,
        config: Config,
        keeper: Keeper,
        payer: Sender,
        mailbox: Mailbox,
        system: Any,
        reselection: Reselection | None = None,
    ) -> None:
        self._config = config
        self._keeper = keeper
        self._payer = payer
        self._mailbox = mailbox
        self._system = system
        self._reader = ChainReader(system)
        self._reselection = reselection
        self._refusals = 0
        self._turns = Turns()

    def run(self, stop: threading.Event) -> None:
        """Step with the others until told to stop; wait out what passes, stop on what must not go on.

        Raises
        ------
        StopError
            If going on could do harm.
        """
        try:
            while not stop.is_set():
                try:
                    _log.info("epoch", **self.step(tend=True))
                except StopError:
                    raise
                except SeawallError as error:
                    _log.warning("epoch failed", reason=str(error))
                stop.wait(pause(time.time(), interval_s=self._config.keeper.interval_s))
        finally:
            if self._reselection is not None:
                self._reselection.close()

    def step(self, *, tend: bool = False) -> dict[str, Any]:
        """Take part in one epoch, with `tend` select hedges anew beside it if it is time; return what came of it.

        Raises
        ------
        QuorumError
            If no leader gathered a quorum in time.
        RetryLater
            If the chain's clock or prices do not allow an epoch now.
        """
        view = self._reader.read()
        self._require_signer(view)
        self._prices(view)
        self._settle(view)
        computed = self._keeper.compute(view, time_s=view.timestamp)
        if computed.as_of <= view.as_of:
            raise RetryLater(
                f"the newest bar is from {computed.as_of}, as is the manifest in force: wait for a bar"
            )
        if self._reselection is not None:
            self._reselection.look(computed.hedges)
            if tend:
                self._reselection.tend(computed.hedges, as_of=computed.as_of)
        watched = self._keeper.watch(view, time_s=view.timestamp)
        (_log.warning if watched.alarmed else _log.info)("model watched", **asdict(watched))
        for epoch, leads in self._turns.after(view, self._keeper.address):
            until = time.monotonic() + self._config.keeper.leader_timeout_s
            turn = self._try_to_lead if leads else self._follow
            result = turn(view, computed, epoch, until)
            if result is not None:
                return {
                    "epoch": epoch,
                    "role": "leader" if leads else "follower",
                    **result,
                    "implied_fallbacks": self._keeper.fallbacks,
                    "refusals": self._refusals,
                }
        raise QuorumError(
            f"no quorum of {view.quorum} for epochs from {view.epoch + 1} on: check the other keepers"
        )

    def _require_signer(self, view: ChainView) -> None:
        if self._keeper.address.lower() not in {s.lower() for s in view.signers}:
            raise ConfigError(
                f"{self._keeper.address} is no signer of the oracle. Fix: correct keys.signer, or ask governance"
            )

    def _prices(self, view: ChainView) -> None:
        """Publish own prices; push a batch if a quorum of fresh ones lies in the mailbox."""
        feed, seconds = self._system.feed, self._config.keeper.leader_timeout_s
        own = self._keeper.sign_prices(
            view, time_s=view.timestamp, observed_at=view.timestamp, feed=feed.address
        )
        batches = gather_prices(feed, self._mailbox, own, view, timeout_s=seconds)
        try:
            push_prices(feed, self._payer, batches)
        except (Reverted, RetryLater) as error:  # another was faster, or no block took it in time
            _log.info("prices not pushed", reason=str(error))

    def _settle(self, view: ChainView) -> None:
        """Fix settlement prices and settle expired positions; another keeper may be faster."""
        try:
            for fixed in fix_settlements(self._system, self._payer, view):
                _log.info("settlement fixed", underlying=fixed.underlying, price_ticks=fixed.price_ticks)
            for page in islice(settle_expired(self._system, self._payer, view), _MOST_SETTLED):
                _log.info("expired positions settled", account="0x" + page.account.hex(), page=page.page)
        except (Reverted, RetryLater) as error:
            _log.info("expiry not settled", reason=str(error))

    def _try_to_lead(
        self, view: ChainView, computed: Computed, epoch: int, until: float
    ) -> dict[str, Any] | None:
        """Lead; a leader whose transactions are not taken stays in the round, or its signature is missing there."""
        try:
            return self._lead(view, computed, epoch, until)
        except (Reverted, RetryLater) as error:
            _log.warning("not led", epoch=epoch, reason=str(error))
            return self._follow(view, computed, epoch, until)

    def _lead(self, view: ChainView, computed: Computed, epoch: int, until: float) -> dict[str, Any] | None:
        proposal = self._keeper.propose(view, computed, epoch=epoch)
        digest = self._digest(view, proposal)
        stage(self._system, self._payer, proposal)
        self._turns.take(epoch)
        try:
            signature = self._keeper.endorse(proposal, computed, view)
        except EquivocationRisk as error:  # it led the epoch before it was started again
            _log.warning("epoch spent", epoch=epoch, reason=str(error))
            self._turns.lose()
            return self._follow(view, computed, epoch, until)
        self._mailbox.put_proposal(proposal)
        self._mailbox.put_signature(epoch, digest, self._keeper.address, signature)
        while time.monotonic() < until:
            found = self._mailbox.signatures(epoch, digest, view.signers)
            if len(found) >= view.quorum:
                chosen = list(found.values())[: view.quorum]
                receipt = activate(self._system, self._payer, proposal, chosen, quorum=view.quorum)
                return {
                    "asOf": computed.as_of,
                    "signers": list(found),
                    "gas": int(receipt["gasUsed"]),
                    "books": len(proposal.books),
                    "baskets": len(proposal.baskets),
                }
            time.sleep(_POLL_S)
        return None

    def _follow(self, view: ChainView, computed: Computed, epoch: int, until: float) -> dict[str, Any] | None:
        signed, refused = False, set[bytes]()
        while time.monotonic() < until:
            in_force = int(self._system.oracle.call("currentManifest")[0])
            if in_force >= epoch:
                return {"asOf": computed.as_of, "signed": signed}
            proposal = None if signed else self._mailbox.proposal(epoch)
            if proposal is not None and proposal.manifest.epoch == epoch:
                digest = self._digest(view, proposal)
                if digest not in refused:
                    signed = self._endorsed(view, computed, proposal, digest, refused)
            time.sleep(_POLL_S)
        return None

    def _endorsed(
        self, view: ChainView, computed: Computed, proposal: Proposal, digest: bytes, refused: set[bytes]
    ) -> bool:
        """Sign and publish, or say why not: whoever can write into the folder must not be able to stop a keeper."""
        epoch = proposal.manifest.epoch
        try:
            signature = self._keeper.endorse(proposal, computed, view)
        except Reverted as error:  # the node may not have seen the pages yet
            _log.warning("proposal not accepted yet", epoch=epoch, reason=str(error))
            return False
        except (ConsistencyError, EquivocationRisk, PageError) as error:
            refused.add(digest)
            self._refusals += 1
            _log.warning("proposal refused", epoch=epoch, reason=str(error), refusals=self._refusals)
            return False
        self._mailbox.put_signature(epoch, digest, self._keeper.address, signature)
        return True

    def _digest(self, view: ChainView, proposal: Proposal) -> bytes:
        return proposal.manifest.digest(manifest_domain(chain_id=view.chain_id, oracle=view.oracle))
