"""Random pages, books and prices over the whole range of their fields, and a harness that holds them on chain.

Unlike `market.py` nothing here makes financial sense: it is what the engine may meet, not what keepers would sign.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st
from tests.support.evm import Contract, Evm

from seawall.page.decode import Atom, AtomLeg, Head, Page, Record, pack_page
from seawall.page.layout import MAX_LOTS, MAX_PAGE_BYTES, MAX_SCALED_LOTS, Kind
from seawall.page.merkle import EMPTY_ROOT
from seawall.reference.book import Book, Position, account_word
from seawall.reference.certificate import EMPTY, Certificate, certificate_words
from seawall.reference.state import ManifestState, Price, Settling, World

__all__ = ["ACCOUNT", "NOW", "EngineWorld", "Scene", "certificates", "positions", "random_page", "scenes"]

NOW = 1_700_000_000
ACCOUNT = bytes(32)
HOURS = (
    NOW // 3_600,
    NOW // 3_600 + 1,
    NOW // 3_600 - 50,
)  # of expiry; the window of all but the second has begun


@dataclass(frozen=True, kw_only=True)
class Scene:
    """All that one assessment depends on."""

    book: Book
    cash: int
    current: ManifestState | None
    baseline: ManifestState | None
    prices: dict[int, Price]
    open_interest: dict[int, int] = field(default_factory=dict)
    settlements: dict[tuple[int, int], Settling] = field(default_factory=dict)
    now: int = NOW
    seed: int = 0

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Print one line: hypothesis would print every lane."""
        held = {page: len(listed) for page, listed in self.book.pages.items()}
        printer.text(f"Scene(seed={self.seed}, positions={held}, cash={self.cash})")


def _signed(rng: random.Random, bits: int) -> int:
    """Return a signed number of at most so many bits, small ones as likely as large ones."""
    return rng.getrandbits(rng.randint(1, bits - 1)) * rng.choice((-1, 1))


def _record(rng: random.Random, spot: int, lanes: int) -> Record:
    kind = rng.choice((0, 1, 2, 3, 3, 4, 4, 5)) if rng.random() < 0.5 else rng.choice((1, 3, 4))
    return Record(
        kind=kind,
        shift=rng.choice((0, 0, 3, 8, 31)),
        generation=rng.choice((1, 1, 2, 0x3FFF)),
        drift_shift=rng.randrange(4),
        mark=min(max(int(spot * rng.random() * 1.5), 0), 2**40 - 1),
        delta_x22=max(min(_signed(rng, 24), 2**23 - 1), -(2**23)),
        gamma_spot_x10=_signed(rng, 24),
        leg_long_scaled=rng.getrandbits(rng.randint(1, 32)),
        leg_short_scaled=rng.getrandbits(rng.randint(1, 32)),
        strike=min(int(spot * (0.2 + 2 * rng.random())), 2**40 - 1) if kind in {Kind.CALL, Kind.PUT} else 0,
        expiry_hour=rng.choice((0, rng.getrandbits(24), *HOURS)),
        vega=rng.getrandbits(rng.randint(1, 16)),
        lanes=tuple(rng.choice((rng.randint(-500, 500), rng.randint(-0x8000, 0x7FFF))) for _ in range(lanes)),
    )


def _atoms(rng: random.Random, rows: int, room: int, others: Sequence[tuple[int, int]]) -> tuple[Atom, ...]:
    def leg() -> AtomLeg:
        ratio = rng.choice((1, -1, 2, -3, 0x7FFF, -0x8000))
        if others and rng.random() < 0.3:
            page, count = rng.choice(list(others))
            if page < 15 and count:
                return AtomLeg(slot=rng.randrange(count), ratio=ratio, page=page)
        return AtomLeg(slot=rng.randrange(rows), ratio=ratio)

    return tuple(
        Atom(
            legs=tuple(leg() for _ in range(rng.choice((2, 3)))),
            shift=rng.randrange(16),
            shortfall_scaled=rng.getrandbits(rng.randint(1, 40)),
        )
        for _ in range(min(room, rng.randrange(6)))
    )


def random_page(
    rng: random.Random,
    *,
    page_id: int,
    underlying: int,
    spot: int,
    lane_words: int,
    rows: int,
    others: Sequence[tuple[int, int]] = (),
) -> Page:
    """Return a page whose every field is random; `others` are (page, rows) that its atoms may reach."""
    reference = max(1, min(int(spot * rng.choice((1.0, 1.001, 0.97, 0.5, 1.7))), 2**40 - 1))
    head = Head(
        reference_spot=reference,
        underlying=underlying,
        flags=int(rng.random() < 0.1),
        page_id=page_id,
        version=1,
        lane_words=lane_words,
        probe_slot=0,
        max_drift_bps=rng.choice((0, 1, 500, 0xFFFF)),
        as_of=NOW + rng.choice((-4_000, -60, 0, 30)),
        tick=rng.choice((1, 100, 2**20)),
        half_spread_x32=rng.getrandbits(32),
        y_volatility_x32=rng.getrandbits(32),
        daily_volume=rng.choice((0, 1, rng.getrandbits(40), rng.getrandbits(64))),
        vega_charge=rng.getrandbits(rng.randint(1, 32)),
        open_interest_divisor=rng.choice((0, 1, 10, 0xFFFF)),
        open_interest_cap_percent=rng.getrandbits(16),
        lambda_bps=10_000,
        funding_x32=_signed(rng, 80),
        funding_rate_x32=_signed(rng, 50),
        funding_cap_s=rng.choice((0, 100, 3_600, 2**32 - 1)),
        maintenance_factor_bps=rng.choice((0, 8_000, 10_000, 0xFFFF)),
        initial_net_floor_bps=rng.choice((0, 200, 0xFFFF)),
        initial_gross_floor_bps=rng.choice((0, 20, 0xFFFF)),
        maintenance_net_floor_bps=rng.choice((0, 100, 0xFFFF)),
        maintenance_gross_floor_bps=rng.choice((0, 5, 0xFFFF)),
    )
    room = (MAX_PAGE_BYTES - 128 - 32 * rows * (1 + lane_words)) // 16
    records = tuple(_record(rng, reference, 16 * lane_words) for _ in range(rows))
    return Page(head=head, records=records, atoms=_atoms(rng, rows, room, others))


def positions(rng: random.Random, page: Page, count: int) -> list[Position]:
    """Return so many positions, some of them on slots or generations that the page lacks."""
    slots = rng.sample(range(min(256, len(page.records) + 2)), min(count, len(page.records)))
    held = []
    for slot in slots:
        record = page.records[slot] if slot < len(page.records) else None
        generation = record.generation if record and rng.random() < 0.93 else 7
        limit = min(MAX_LOTS, MAX_SCALED_LOTS >> (record.shift if record else 0)) - 1
        size = max(
            1, rng.choice((limit, rng.randint(1, max(limit, 1)), rng.randint(1, 50), rng.randint(1, 5)))
        )
        held.append(Position(slot=slot, generation=generation, lots=min(size, limit) * rng.choice((-1, 1))))
    return held


def _price(rng: random.Random, spot: int) -> Price:
    age = rng.choice((-5, 0, 0, 10, 30, 31, 120, 121, 5_000))
    ticks = (
        0 if rng.random() < 0.05 else max(1, min(int(spot * rng.choice((1, 1, 0.93, 1.31, 3.7))), 2**40 - 1))
    )
    return Price(ticks=ticks, observed_at=NOW - age if ticks else 0, fresh_since=NOW - rng.randrange(10_000))


def _settling(rng: random.Random, spot: int) -> Settling:
    weight = rng.choice((0, 1, rng.getrandbits(16), 0xFFFF, 0x10000, 0x10000, 0x10001))
    return Settling(average=rng.choice((0, spot, int(spot * 1.3), 2**41)), weight_x16=weight)


def _manifest(
    rng: random.Random,
    layout: Sequence[tuple[int, int, int]],
    spots: Sequence[int],
    lane_words: int,
    *,
    mature: bool,
) -> ManifestState:
    tick, factors = rng.choice((1, 100, 2**20)), None
    pages: dict[int, Page] = {}
    for page_id, underlying, rows in layout:
        others = [(other, count) for other, _, count in layout if other != page_id]
        made = random_page(
            rng,
            page_id=page_id,
            underlying=underlying,
            spot=spots[underlying],
            lane_words=lane_words,
            rows=rows,
            others=others,
        )
        factors = factors or made.head
        same = {
            name: getattr(factors, name)
            for name in made.head.__dataclass_fields__
            if name.endswith("_bps") and ("floor" in name or "maintenance" in name)
        }
        pages[page_id] = replace(made, head=replace(made.head, tick=tick, **same))
    return ManifestState(as_of=NOW - 40, activated_at=NOW - 30, mature=mature, pages=pages, epoch=9)


def _same_shifts(page: Page, other: Page) -> Page:
    """Return the page with the other's shifts, which are fixed at listing."""
    pairs = zip(page.records, other.records, strict=True)
    return replace(page, records=tuple(replace(mine, shift=theirs.shift) for mine, theirs in pairs))


@st.composite
def scenes(draw: st.DrawFn, *, largest: int = 40) -> Scene:
    """A book on up to four pages of up to three underlyings under a current manifest and perhaps a baseline."""
    seed = draw(st.integers(0, 2**32))
    rng = random.Random(seed)
    ids = rng.sample(range(12), draw(st.integers(1, 4)))
    lane_words = draw(st.sampled_from((1, 2, 4, 4, 5)))
    spots = [max(1, rng.getrandbits(rng.randint(4, 38))) for _ in range(3)]
    rows_fit = min((MAX_PAGE_BYTES - 128) // (32 * (1 + lane_words)), 2 + largest)
    layout = [(page_id, rng.randrange(3), draw(st.integers(1, rows_fit))) for page_id in ids]
    current = _manifest(rng, layout, spots, lane_words, mature=rng.random() < 0.2)
    older = _manifest(rng, layout, spots, lane_words, mature=True)
    if (
        rng.random() < 0.7
    ):  # the baseline usually resembles the current manifest: one page may differ in its generations
        older = replace(older, pages={i: replace(current.pages[i], head=older.pages[i].head) for i in ids})
        older = replace(
            older,
            pages={
                i: replace(p, head=replace(p.head, tick=current.pages[i].head.tick))
                for i, p in older.pages.items()
            },
        )
    older = replace(older, pages={i: _same_shifts(page, current.pages[i]) for i, page in older.pages.items()})
    held = {i: positions(rng, current.pages[i], draw(st.integers(1, largest))) for i in ids}
    book = Book({i: listed for i, listed in held.items() if listed})
    if rng.random() < 0.1:
        current = replace(current, pages={i: p for i, p in current.pages.items() if i != ids[-1]})
    prices = {u: _price(rng, spots[u]) for u in range(3) if rng.random() < 0.95}
    interest = {u: rng.getrandbits(rng.randint(1, 60)) for u in range(3)}
    settlements = {
        (u, hour): _settling(rng, spots[u]) for u in range(3) for hour in HOURS if rng.random() < 0.9
    }
    return Scene(
        book=book if rng.random() < 0.97 else Book(),
        cash=_signed(rng, 100),
        current=current if rng.random() < 0.96 else None,
        baseline=older if rng.random() < 0.85 else None,
        prices=prices,
        open_interest=interest,
        settlements=settlements,
        seed=seed,
    )


@st.composite
def certificates(draw: st.DrawFn, manifest: ManifestState | None) -> Certificate:
    """Any number of entries on atoms that exist, and now and then on one that does not."""
    listed = [
        (page_id, i)
        for page_id, page in (manifest.pages if manifest else {}).items()
        for i in range(len(page.atoms))
    ]
    if not listed:
        return EMPTY
    sizes = st.one_of(st.integers(0, 9), st.integers(0, 2**40 - 1))
    entries = draw(st.lists(st.tuples(st.sampled_from(listed), sizes), max_size=9))
    words = [
        (page, atom + (1000 if draw(st.integers(0, 60)) == 0 else 0), lots) for (page, atom), lots in entries
    ]
    return Certificate(atoms=certificate_words(words))


class EngineWorld:
    """The harness, a stub of the oracle and one of the feed."""

    def __init__(self) -> None:
        self.evm = Evm(timestamp=NOW)
        self.oracle = self.evm.deploy("StubOracle")
        self.feed = self.evm.deploy("EngineFeed")
        self.harness: Contract = self.evm.deploy("EngineHarness", self.oracle, self.feed)
        self._pages = 0

    def put_page(self, payload: bytes) -> str:
        """Place a page at a new address."""
        self._pages += 1
        address = "0x" + (0xA0000 << 140 | self._pages).to_bytes(20, "big").hex()
        self.evm.put_code(address, b"\0" + payload)
        return address

    def put_broken(self, page: Page, page_id: int, *, baseline: bool) -> None:
        """Let a manifest have a page of which the oracle says another length than it has."""
        address = int(self.put_page(pack_page(page)), 16)
        rows = len(page.records) ^ 1
        self.oracle.setPage(baseline, page_id, address | page.head.underlying << 160 | rows << 168)

    def _put_manifest(self, manifest: ManifestState | None, *, baseline: bool) -> None:
        if manifest is None:
            return
        word = (
            manifest.as_of | manifest.activated_at << 40 | manifest.epoch << 80 | int(manifest.mature) << 120
        )
        self.oracle.setState(baseline, word)
        for page_id, page in manifest.pages.items():
            address = int(self.put_page(pack_page(page)), 16)
            rows = len(page.records)
            self.oracle.setPage(baseline, page_id, address | page.head.underlying << 160 | rows << 168)
        if manifest.book_root != EMPTY_ROOT:
            self.oracle.setBookRoot(baseline, manifest.book_root)

    def stage_sources(self, scene: Scene | World) -> None:
        """Put both manifests, prices and settlements on chain."""
        self._put_manifest(scene.current, baseline=False)
        self._put_manifest(scene.baseline, baseline=True)
        for underlying, price in scene.prices.items():
            self.feed.set(underlying, price.ticks | price.observed_at << 64 | price.fresh_since << 104)
        for key, known in scene.settlements.items():
            self.feed.setSettlement(*key, known.average, known.weight_x16)

    def stage(self, scene: Scene) -> None:
        """Put a scene on chain."""
        self.evm.timestamp = scene.now
        self.stage_sources(scene)
        for underlying, lots in scene.open_interest.items():
            self.harness.setOpenInterest(underlying, lots)
        self.harness.setAccount(ACCOUNT, account_word(scene.book, cash=scene.cash))
        for page in scene.book.pages:
            self.harness.setBook(ACCOUNT, page, scene.book.position_words(page))

    def assess(self, *, certificate: Certificate = EMPTY, baseline: bool = False) -> Any:
        return self.harness.margin(ACCOUNT, certificate.as_tuple(), baseline)

    def health(self, certificates: Sequence[Certificate] = ()) -> Any:
        return self.harness.provenHealth(ACCOUNT, [one.as_tuple() for one in certificates])

    def standing(self, certificates: Sequence[Certificate] = ()) -> Any:
        return self.harness.standing(ACCOUNT, [one.as_tuple() for one in certificates])

    def gas(self, *, certificate: Certificate | None = None) -> int:
        """Return what one health view costs when nothing is warm, or one assessment with a certificate."""
        harness = self.evm.cold().at("EngineHarness", self.harness.address)
        if certificate is None:
            return int(harness.probeHealth(ACCOUNT))
        return int(harness.probeAssess(ACCOUNT, [certificate.as_tuple()]))
