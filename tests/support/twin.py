"""The whole system on chain and the reference beside it, told the same things and compared after each.

What the reference does not model, `twin_world` does; nothing of either reads the chain after it was made.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.support.evm import Revert, role
from tests.support.market import perpetual
from tests.support.system import EMPTY, GRACE_S, VENUE, System, account_id
from tests.support.twin_world import FeedTwin, Ring, address, authority_of, listing_of

from seawall.page import Page, decode_page, init_code_hash
from seawall.page.layout import POSITIONS_PER_WORD
from seawall.page.merkle import EMPTY_ROOT
from seawall.reference import (
    Health,
    Liquidator,
    ManifestState,
    Margin,
    Rejected,
    Vault,
    World,
    account_word,
)
from seawall.reference.slices import slice_value
from seawall.reference.state import MAX_PRICE_AGE_S

__all__ = ["OPERATOR", "PROTOCOL", "VENUE_ACCOUNT", "Twin", "differences"]

PROTOCOL = account_id(role("protocol"))
VENUE_ACCOUNT = account_id(VENUE)
SLICE_WAD = 10**18 // 3
FUND = role("underwriter")
OPERATOR = role("operator")
DEPLOYED_AT = 1_700_000_000


def plain(margin: Margin) -> tuple[int, ...]:
    """Return a margin in the order of the contract's struct."""
    return (
        margin.equity,
        margin.initial,
        margin.maintenance,
        margin.fresh_since,
        margin.drift_x32,
        int(margin.flags),
        margin.manifest_as_of,
        margin.oldest_price_at,
        margin.quote,
    )


def differences(found: Mapping[str, Any], expected: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return what differs: (on chain, reference) by name."""
    return {name: (found[name], expected[name]) for name in found if found[name] != expected[name]}


@dataclass(kw_only=True, repr=False)
class Twin:
    """A system and the reference that follows it."""

    system: System
    ring: Ring
    vault: Vault
    liquidator: Liquidator
    accounts: dict[str, bytes] = field(default_factory=dict)  # by role
    dead: set[int] = field(default_factory=set)  # underlyings without prices

    @classmethod
    def deploy(cls, *, liquidator_role: str | None = None) -> Twin:
        """Deploy two underlyings, one of them with two pages and hedges; a mature manifest is in force.

        `liquidator_role` is named the vault's liquidator in place of the contract.
        """
        system = System.deploy(
            underlyings=2, mature=False, timestamp=DEPLOYED_AT, liquidator_role=liquidator_role
        )
        system.feed = FeedTwin(system.feed)
        first = _posted(system)
        twin = cls._beside(system, Ring(current=first, candidate=first))
        if liquidator_role:
            twin.vault.authority.liquidator = address(liquidator_role)
        system.list_instrument(0, perpetual(shift=7))
        system.list_page(replace(system.markets[0], page=2, instruments=[perpetual()]))
        system.markets[0].atoms = [((0, 1), (1, -1)), ((0, -1), (1, 1))]
        twin.advance(12)
        assert twin.publish() is None
        twin.advance(GRACE_S)
        assert twin.publish() is None
        twin.advance(12)
        return twin

    def fresh(self) -> Twin:
        """Return a twin that can go its own way, without accounts; to be used inside `system.isolated()`."""
        system = replace(self.system, markets=copy.deepcopy(self.system.markets))
        system.feed = FeedTwin(system.feed)
        twin = Twin._beside(system, copy.copy(self.ring))
        twin.vault.authority.liquidator = self.vault.authority.liquidator
        return twin

    @classmethod
    def _beside(cls, system: System, ring: Ring) -> Twin:
        """Return the twin of a system without accounts."""
        world = World(now=system.evm.timestamp, listing=listing_of(system))
        vault = Vault(world, authority=authority_of(system), deployed_at=DEPLOYED_AT)
        liquidator = Liquidator(vault, address(system.liquidator.address))
        return cls(system=system, ring=ring, vault=vault, liquidator=liquidator)

    def open(self, name: str, tokens: int) -> bytes:
        """Open an account for a role and deposit whole tokens."""
        key = self.accounts[name] = self.system.open(role(name))
        for venue in (VENUE, self.system.order_venue.address):
            self.vault.authority.approve_venue(key, address(venue), True, sender=address(role(name)))
        if tokens:
            self.system.deposit(key, tokens * 10**6)
            self.vault.deposit(key, tokens * 10**6)
        return key

    def endow(self, tokens: int) -> None:
        """Put whole tokens into the insurance fund."""
        self.system.endow_fund(tokens, FUND)
        self.vault.fund.assets += tokens * 10**6

    # The world

    @property
    def feed(self) -> FeedTwin:
        """Return the feed."""
        assert isinstance(self.system.feed, FeedTwin)
        return self.system.feed

    def advance(self, seconds: int) -> None:
        """Let time pass; prices keep coming but for dead sources."""
        self.system.advance(seconds, every=100, dead=sorted(self.dead))

    def push(self) -> None:
        """Push the prices of all sources that live."""
        if alive := [u for u in self.system.spots if u not in self.dead]:
            self.system.push(alive)

    def publish(self, *, book_root: bytes = EMPTY_ROOT) -> str | None:
        """Publish at the present prices, frozen where there is none; return why the oracle refused, if it did."""
        system, kept = self.system, copy.deepcopy(self.system.markets)
        for market in system.markets.values():
            age = system.evm.timestamp - self.feed.prices[market.underlying].observed_at
            market.frozen = age > MAX_PRICE_AGE_S
            if market.frozen:
                market.spot = self.ring.current.pages[market.page].head.reference_spot
        try:
            manifest = system.publish(book_root=book_root)
        except Revert as revert:
            system.markets = kept
            return revert.name
        payloads = system.payloads(manifest.as_of)
        assert tuple(init_code_hash(payloads[page]) for page in sorted(payloads)) == manifest.pages
        for page, market in system.markets.items():
            market.spot = kept[page].spot
        pages = {page: decode_page(payload) for page, payload in payloads.items()}
        now = system.evm.timestamp
        posted = replace(_manifest(manifest.epoch, manifest.as_of, now, pages), book_root=book_root)
        self.ring.activate(posted, now)
        return None

    def sync(self) -> None:
        """Tell the reference time, prices and manifests."""
        world, system = self.vault.world, self.system
        now = world.now = system.evm.timestamp
        world.block, world.live_seconds = system.evm.number, self.feed.live
        world.prices, world.totals = dict(self.feed.prices), dict(self.feed.totals)
        world.listing = listing_of(system)
        world.settlements = self.feed.settlements(world.listing, now)
        current, baseline = self.ring.current, self.ring.effective(now)
        world.current = replace(current, mature=now >= current.activated_at + GRACE_S)
        world.baseline = replace(baseline, mature=True) if baseline else None

    # Both sides

    def both(
        self, on_chain: Callable[[], Any], reference: Callable[[], Any], claim: str = "one ledger"
    ) -> tuple[Any, Revert | None]:
        """Do one thing on both sides; return what the chain gave, or why it refused.

        Both refuse with the same error and the same values, or return the same.
        """
        self.sync()
        expected, found, rejected, refusal = None, None, None, None
        try:
            expected = reference()
        except Rejected as error:
            rejected = error
        try:
            found = on_chain()
        except Revert as revert:
            refusal = revert
        unlike = f"{claim}: chain says {refusal or 'yes'}, reference {rejected or 'yes'}"
        assert (refusal and refusal.name) == (rejected and rejected.name), unlike
        if refusal and rejected:
            assert tuple(map(_value, refusal.args_)) == rejected.values, unlike
        if expected is not None:
            assert (tuple(found) if isinstance(found, tuple) else found) == expected, (
                f"{claim}: {found}, {expected}"
            )
        return found, refusal

    def governance(self) -> dict[str, Any]:
        """Return what governance has set, who may act for accounts, and how far a wind-down has come, on chain."""
        vault, keys = self.system.vault, list(self.accounts.values())
        return {
            "set": (
                address(vault.liquidator()),
                address(vault.insuranceFund()),
                address(vault.collateralDesk()),
                vault.isVenue(VENUE),
                vault.tradingPaused(),
            ),
            "shares": (vault.fundFeeBps(), vault.protocolFeeBps(), vault.protocolAccount()),
            "authorised": [vault.isAuthorised(key, who) for key in keys for who in (OPERATOR, VENUE)],
            "wind-down": (vault.windDownAt(), vault.windDownPriced()),
            "final": [vault.windDownPriceTicks(u) for u in self.system.spots],
        }

    def expected_governance(self) -> dict[str, Any]:
        """Return the same of the reference."""
        held, closing, keys = self.vault.authority, self.vault.wind_down, list(self.accounts.values())
        callers = address(OPERATOR), address(VENUE)
        return {
            "set": (
                held.liquidator,
                held.insurance_fund,
                held.collateral_desk or bytes(20),
                callers[1] in held.venues,
                held.trading_paused,
            ),
            "shares": (held.fund_fee_bps, held.protocol_fee_bps, held.protocol_account),
            "authorised": [held.is_authorised(key, who) for key in keys for who in callers],
            "wind-down": (closing.started_at, closing.priced),
            "final": [closing.final_ticks.get(u, 0) for u in self.system.spots],
        }

    def on_chain(self, keys: Sequence[bytes]) -> dict[str, Any]:
        """Return all that can be read of the contracts."""
        system, vault = self.system, self.system.vault
        found: dict[str, Any] = self.governance() | {
            "deficit": vault.deficit(),
            "reserve": vault.reserve(),
            "booked": vault.bookedLosses(),
            "tokens": system.token.balanceOf(vault),
            "fees": vault.accruedFees(VENUE),
            "haircut": vault.exitHaircutWad(),
            "holders": vault.accountsWithPositions(),
            "fund": (system.fund.totalAssets(), system.fund.coverable()),
            "interest": {u: vault.openInterest(u) for u in system.spots},
            "live": system.feed.contract.liveSeconds(),
            "manifests": [system.oracle.load(0, 0, baseline)[0] for baseline in (False, True)],
        }
        for name, key in zip(self.names(keys), keys, strict=True):
            held = self.vault.account(key).book.pages
            health = vault.health(key)
            found |= {
                f"{name} word": vault.accountWord(key),
                f"{name} book": {p: _words(vault, key, p, len(held.get(p, ()))) for p in system.markets},
                f"{name} request": tuple(vault.withdrawalRequest(key)),
                f"{name} margin": tuple(vault.margin(key, EMPTY, False)),
                f"{name} baseline": tuple(vault.margin(key, EMPTY, True)),
                f"{name} health": (health[:3], tuple(health[3])),
            }
            if found[f"{name} word"] >> 96 & 1 and key in self.liquidator.auctions:
                found[f"{name} k"] = system.liquidator.premiumFactorWad(key)
                found[f"{name} slice"] = vault.sliceValue(key, SLICE_WAD)
        return found

    def expected(self, keys: Sequence[bytes]) -> dict[str, Any]:
        """Return the same of the reference."""
        self.sync()
        vault, world = self.vault, self.vault.world
        found: dict[str, Any] = self.expected_governance() | {
            "deficit": vault.deficit,
            "reserve": vault.reserve,
            "booked": vault.booked_losses,
            "tokens": vault.tokens,
            "fees": vault.fees.get(address(VENUE), 0),
            "haircut": vault.exit_haircut_wad(),
            "holders": vault.holders,
            "fund": (vault.fund.assets, vault.fund.coverable(now=world.now)),
            "interest": {u: vault.open_interest.get(u, 0) for u in self.system.spots},
            "live": world.live_seconds,
            "manifests": [_word(state) for state in (world.current, world.baseline)],
        }
        for name, key in zip(self.names(keys), keys, strict=True):
            account, health = vault.account(key), vault.health(key)
            word = account_word(
                account.book,
                cash=account.cash,
                last_check_block=account.mark if account.in_auction else account.last_check_block,
                flags=int(account.in_auction) | account.settled << 1,
            )
            request = (account.request.value, account.request.requested_at) if account.request else (0, 0)
            found |= {
                f"{name} word": word,
                f"{name} book": {p: list(account.book.position_words(p)) for p in self.system.markets},
                f"{name} request": request,
                f"{name} margin": plain(vault.margin(key)),
                f"{name} baseline": plain(vault.margin(key, baseline=True)),
                f"{name} health": _health(health),
                f"{name} k": self.liquidator.premium_factor_wad(key)
                if key in self.liquidator.auctions
                else 0,
                f"{name} slice": slice_value(vault, key, SLICE_WAD),
            }
        return found

    def names(self, keys: Sequence[bytes]) -> list[str]:
        """Return the roles of accounts."""
        named = {key: name for name, key in self.accounts.items()} | {
            PROTOCOL: "protocol",
            VENUE_ACCOUNT: "venue",
        }
        return [named[key] for key in keys]


def _value(value: Any) -> Any:
    """Return an argument of an error as the reference has it."""
    return address(value) if isinstance(value, str) else value


def _words(vault: Any, key: bytes, page: int, count: int) -> list[int]:
    """Return the position words in use, after the one behind them was seen to be empty if it would begin a word."""
    used = -(-count // POSITIONS_PER_WORD)
    assert vault.bookWord(key, page, used) == 0
    return [vault.bookWord(key, page, index) for index in range(used)]


def _health(health: Health) -> tuple[tuple[int, int, bool], tuple[int, ...]]:
    return (health.equity, health.maintenance, health.liquidatable), plain(health.current)


def _word(state: ManifestState | None) -> int:
    if state is None:
        return 0
    return state.as_of | state.activated_at << 40 | state.epoch << 80 | state.mature << 120


def _manifest(epoch: int, as_of: int, now: int, pages: dict[int, Page]) -> ManifestState:
    return ManifestState(as_of=as_of, activated_at=now, mature=False, pages=pages, epoch=epoch)


def _posted(system: System) -> ManifestState:
    """Return the only manifest of a new system; its pages are those that were published."""
    word = system.oracle.load(0, 0, False)[0]
    as_of, activated_at, epoch = (word >> bit & (2**40 - 1) for bit in (0, 40, 80))
    pages = {page: decode_page(payload) for page, payload in system.payloads(as_of).items()}
    return _manifest(epoch, as_of, activated_at, pages)
