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


@pytest.mark.parametrize("kind", [0, 5, 6, 7, 8, 9, 10, 12, 2**255 | 1])
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
        lambda: registry.relistInstrument(0, 0, 1, 0, 0, 0, sender=sender),
    ):
        with pytest.raises(Revert, match="AccessManagedUnauthorized"):
            call()


@pytest.mark.parametrize("tick", [0, 1 << 64])
def test_a_tick_that_no_page_can_carry_is_refused(registry: Contract, tick: int) -> None:
    with pytest.raises(Revert, match="TickOutOfRange"):
        registry.evm.deploy("InstrumentRegistry", registry, tick, registry)


HOUR = NOW // 3_600
FAR = HOUR + 730 * 24


@pytest.fixture
def listed(registry: Contract) -> Contract:
    """A registry with a probe."""
    registry.listInstrument(0, Kind.PERPETUAL, 3, 0, 0, sender=GOVERNOR)
    return registry


@pytest.mark.parametrize(
    ("kind", "strike", "hour"),
    [
        (Kind.FUTURE, 0, HOUR + 1),
        (Kind.FUTURE, 0, FAR),
        (Kind.CALL, 1, HOUR + 1),
        (Kind.PUT, 2**40 - 1, FAR),
    ],
)
def test_dated_instruments_are_listed_up_to_two_years_ahead(
    listed: Contract, kind: int, strike: int, hour: int
) -> None:
    assert listed.listInstrument(0, kind, 5, strike, hour, sender=GOVERNOR) == 1
    assert listed.terms(0, 1) == kind | 5 << 3 | 1 << 8 | strike << 176 | hour << 216
    assert tuple(listed.probe(0)) == (0, 0)


@pytest.mark.parametrize(
    ("kind", "strike", "hour"),
    [
        (Kind.FUTURE, 1, HOUR + 1),
        (Kind.FUTURE, 0, HOUR),
        (Kind.FUTURE, 0, FAR + 1),
        (Kind.FUTURE, 0, 2**256 - 1),
        (Kind.CALL, 0, HOUR + 1),
        (Kind.CALL, 2**40, HOUR + 1),
        (Kind.CALL, 1, 0),
        (Kind.PUT, 0, HOUR + 1),
        (Kind.PUT, 1, HOUR),
        (Kind.PERPETUAL, 0, HOUR + 1),
    ],
)
def test_terms_that_cannot_be_settled_are_refused(
    listed: Contract, kind: int, strike: int, hour: int
) -> None:
    with pytest.raises(Revert, match="TermsOutOfRange"):
        listed.listInstrument(0, kind, 0, strike, hour, sender=GOVERNOR)


def test_an_underlying_lists_its_probe_first(registry: Contract) -> None:
    with pytest.raises(Revert, match=r"ProbeMissing\(0\)"):
        registry.listInstrument(0, Kind.CALL, 0, 1, HOUR + 1, sender=GOVERNOR)


def test_a_slot_is_relisted_a_day_after_an_expiry_that_is_settled(
    deployed: tuple[Contract, Contract], listed: Contract
) -> None:
    feed, evm = deployed[1], listed.evm
    listed.listInstrument(0, Kind.CALL, 5, 900, HOUR + 1, sender=GOVERNOR)
    old, later = listed.terms(0, 1), (Kind.PUT, 6, 800, HOUR + 100)
    with pytest.raises(Revert, match=r"UnknownGeneration\(0, 1, 2\)"):
        listed.termsOf(0, 1, 2)
    feed.setFixed(True)
    for slot in (0, 1):  # a perpetual never, a call not yet
        with pytest.raises(Revert, match=rf"SlotInUse\(0, {slot}\)"):
            listed.relistInstrument(0, slot, *later, sender=GOVERNOR)
    evm.timestamp = (HOUR + 1) * 3_600 + 86_399
    with pytest.raises(Revert, match="SlotInUse"):
        listed.relistInstrument(0, 1, *later, sender=GOVERNOR)
    evm.timestamp += 1
    feed.setFixed(False)
    with pytest.raises(Revert, match="SlotInUse"):
        listed.relistInstrument(0, 1, *later, sender=GOVERNOR)
    feed.setFixed(True)
    with pytest.raises(Revert, match="AccessManagedUnauthorized"):
        listed.relistInstrument(0, 1, *later, sender=GUARDIAN)
    assert listed.relistInstrument(0, 1, *later, sender=GOVERNOR) == 2
    new = Kind.PUT | 6 << 3 | 2 << 8 | 800 << 176 | (HOUR + 100) << 216
    assert (listed.terms(0, 1), listed.termsOf(0, 1, 2), listed.termsOf(0, 1, 1)) == (new, new, old)
    words = b"".join(listed.terms(0, slot).to_bytes(32, "big") for slot in range(2))
    assert tuple(listed.pageInfo(0)) == (0, 2, keccak(words))
    with pytest.raises(Revert, match="SlotInUse"):
        listed.relistInstrument(0, 1, *later, sender=GOVERNOR)


def test_a_slot_whose_generations_are_used_up_is_never_relisted(
    deployed: tuple[Contract, Contract], listed: Contract
) -> None:
    feed, evm = deployed[1], listed.evm
    listed.listInstrument(0, Kind.CALL, 5, 900, HOUR + 1, sender=GOVERNOR)
    last = 2**14 - 1
    worn = listed.terms(0, 1) & ~(0x3FFF << 8) | last << 8
    # As after so many relistings: the word is written where `mapping(page => mapping(slot => terms))` keeps it.
    for base in range(16):
        outer = keccak(bytes(32) + base.to_bytes(32, "big"))
        place = int.from_bytes(keccak((1).to_bytes(32, "big") + outer), "big")
        evm.put_storage(listed.address, place, worn)
        if listed.terms(0, 1) == worn:
            break
    assert listed.terms(0, 1) == worn
    feed.setFixed(True)
    evm.timestamp = (HOUR + 1) * 3_600 + 86_400
    with pytest.raises(Revert, match=r"SlotWornOut\(0, 1\)"):
        listed.relistInstrument(0, 1, Kind.PUT, 6, 800, HOUR + 100, sender=GOVERNOR)
