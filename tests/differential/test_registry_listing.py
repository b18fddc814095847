"""What may be listed, and what the oracle reads of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from eth_utils import keccak
from tests.support.evm import Contract, Evm, Revert, role
from tests.support.oracle_world import GOVERNOR, GUARDIAN, NOW, TICK, govern, manager

from seawall.page.layout import Kind

NO_PAGE = 2**256 - 1


def symbol(text: str) -> bytes:
    return text.encode().ljust(32, b"\0")


@pytest.fixture(scope="module")
def deployed() -> tuple[Contract, Contract]:
    evm = Evm(timestamp=NOW)
    authority = manager(evm)
    feed = evm.deploy("ScriptedFeed")
    registry = evm.deploy("InstrumentRegistry", feed, TICK, authority)
    govern(authority, registry)
    for underlying in range(40):
        feed.setAnchored(underlying, True)
    registry.listUnderlying(symbol("BTC"), 10**16, sender=GOVERNOR)
    registry.addPage(0, sender=GOVERNOR)
    return registry, feed


@pytest.fixture
def registry(deployed: tuple[Contract, Contract]) -> Iterator[Contract]:
    with deployed[0].evm.isolated():
        yield deployed[0]


def test_listed_terms_are_read_back(registry: Contract) -> None:
    assert registry.tick() == TICK
    assert (registry.underlyingCount(), registry.pageCount()) == (1, 1)
    assert registry.symbol(0) == symbol("BTC")
    assert registry.lotSizeWad(0) == 10**16
    assert registry.listInstrument(0, Kind.PERPETUAL, 7, 0, 0, sender=GOVERNOR) == 0
    assert registry.terms(0, 0) == Kind.PERPETUAL | 7 << 3 | 1 << 8


def test_the_hash_of_a_page_is_over_its_terms_in_order(registry: Contract) -> None:
    assert tuple(registry.pageInfo(0)) == (0, 0, keccak(b""))
    for shift in (3, 0, 31):
        registry.listInstrument(0, Kind.PERPETUAL, shift, 0, 0, sender=GOVERNOR)
    words = b"".join(registry.terms(0, slot).to_bytes(32, "big") for slot in range(3))
    assert tuple(registry.pageInfo(0)) == (0, 3, keccak(words))


def test_the_probe_is_the_first_perpetual_of_its_underlying(registry: Contract) -> None:
    assert tuple(registry.probe(0)) == (NO_PAGE, 0)
    registry.addPage(0, sender=GOVERNOR)
    registry.listInstrument(1, Kind.PERPETUAL, 0, 0, 0, sender=GOVERNOR)
    registry.listInstrument(0, Kind.PERPETUAL, 0, 0, 0, sender=GOVERNOR)
    registry.listInstrument(1, Kind.PERPETUAL, 0, 0, 0, sender=GOVERNOR)
    assert tuple(registry.probe(0)) == (1, 0)


def test_an_underlying_without_an_anchor_is_not_listed(
    deployed: tuple[Contract, Contract], registry: Contract
) -> None:
    deployed[1].setAnchored(1, False)
    with pytest.raises(Revert, match=r"AnchorMissing\(1\)"):
        registry.listUnderlying(symbol("ETH"), 10**18, sender=GOVERNOR)


@pytest.mark.parametrize("kind", [kind for kind in range(9) if kind != Kind.PERPETUAL])
def test_what_nothing_settles_is_not_listed(registry: Contract, kind: int) -> None:
    with pytest.raises(Revert, match=rf"KindNotListable\({kind}\)"):
        registry.listInstrument(0, kind, 0, 0, 0, sender=GOVERNOR)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda r: r.listUnderlying(symbol("BTC"), 1, sender=GOVERNOR), "SymbolTaken"),
        (lambda r: r.listUnderlying(symbol("ETH"), 0, sender=GOVERNOR), "LotSizeOutOfRange"),
        (lambda r: r.listUnderlying(symbol("ETH"), 1 << 128, sender=GOVERNOR), "LotSizeOutOfRange"),
        (lambda r: r.addPage(1, sender=GOVERNOR), "UnknownUnderlying"),
        (lambda r: r.listInstrument(1, 1, 0, 0, 0, sender=GOVERNOR), "UnknownPage"),
        (lambda r: r.listInstrument(0, 1, 32, 0, 0, sender=GOVERNOR), "ShiftOutOfRange"),
        (lambda r: r.listInstrument(0, 1, 0, 1, 0, sender=GOVERNOR), "TermsOutOfRange"),
        (lambda r: r.listInstrument(0, 1, 0, 0, 1, sender=GOVERNOR), "TermsOutOfRange"),
        (lambda r: r.symbol(1), "UnknownUnderlying"),
        (lambda r: r.lotSizeWad(1), "UnknownUnderlying"),
        (lambda r: r.probe(1), "UnknownUnderlying"),
        (lambda r: r.pageInfo(1), "UnknownPage"),
        (lambda r: r.terms(1, 0), "UnknownPage"),
        (lambda r: r.terms(0, 0), "UnknownSlot"),
    ],
)
def test_what_makes_no_sense_is_refused(registry: Contract, call, error: str) -> None:
    with pytest.raises(Revert, match=error):
        call(registry)


def test_counts_are_bounded_by_what_can_be_read_at_once(registry: Contract) -> None:
    for i in range(1, 32):
        registry.listUnderlying(symbol(f"U{i}"), 1, sender=GOVERNOR)
        registry.addPage(i, sender=GOVERNOR)
    with pytest.raises(Revert, match="TooManyUnderlyings"):
        registry.listUnderlying(symbol("U32"), 1, sender=GOVERNOR)
    with pytest.raises(Revert, match="TooManyPages"):
        registry.addPage(0, sender=GOVERNOR)


def test_a_page_holds_110_instruments(registry: Contract) -> None:
    for slot in range(110):
        assert registry.listInstrument(0, Kind.PERPETUAL, 0, 0, 0, sender=GOVERNOR) == slot
    with pytest.raises(Revert, match="PageFull"):
        registry.listInstrument(0, Kind.PERPETUAL, 0, 0, 0, sender=GOVERNOR)


@pytest.mark.parametrize("sender", [GUARDIAN, role("attacker")])
def test_only_the_governor_lists(registry: Contract, sender: str) -> None:
    for call in (
        lambda: registry.listUnderlying(symbol("ETH"), 1, sender=sender),
        lambda: registry.addPage(0, sender=sender),
        lambda: registry.listInstrument(0, 1, 0, 0, 0, sender=sender),
    ):
        with pytest.raises(Revert, match="AccessManagedUnauthorized"):
            call()


@pytest.mark.parametrize("tick", [0, 1 << 64])
def test_a_tick_that_no_page_can_carry_is_refused(registry: Contract, tick: int) -> None:
    with pytest.raises(Revert, match="TickOutOfRange"):
        registry.evm.deploy("InstrumentRegistry", registry, tick, registry)
