"""Every hypothesis strategy over pages, books and prices, one sentence each."""

from collections.abc import Callable, Sequence
from fractions import Fraction

import hypothesis.strategies as st
import numpy as np
import numpy.typing as npt
from hypothesis.extra.numpy import arrays

from seawall.page import (
    Atom,
    AtomInput,
    AtomLeg,
    AtomLegInput,
    FactorsInput,
    FundingInput,
    Head,
    Kind,
    LiquidityInput,
    Page,
    PageInput,
    Record,
    RecordInput,
)
from seawall.page.layout import HEADS, LANE_BIAS, LANES_PER_WORD, MAX_LOTS, MAX_SCALED_LOTS, RECORD, Field
from seawall.reference import Book, ManifestState, Price, certificate_words

NOW = 1_700_000_000
LIVE_KINDS = (Kind.PERPETUAL, Kind.FUTURE, Kind.CALL, Kind.PUT, Kind.SPOT)
Cube = npt.NDArray[np.int64]


def values(field: Field) -> st.SearchStrategy[int]:
    """Draw any value that a field of a word holds."""
    return st.integers(field.minimum, field.maximum)


@st.composite
def any_pages(draw: st.DrawFn) -> Page:
    """Draw a page of which every field may hold anything that fits."""
    head = {f.name: draw(values(f)) for fields in HEADS for f in fields if f.name not in ("rows", "atoms")}
    head |= {"version": 1, "lane_words": draw(st.integers(0, 3))}
    lanes = st.integers(-LANE_BIAS, LANE_BIAS - 1)
    count = head["lane_words"] * LANES_PER_WORD
    rows = draw(st.integers(0, 4))
    records = [
        Record(
            **{f.name: draw(values(f)) for f in RECORD if f.name != "kind"},
            kind=draw(st.sampled_from(Kind)),
            lanes=tuple(draw(st.lists(lanes, min_size=count, max_size=count))),
        )
        for _ in range(rows)
    ]
    leg = st.builds(
        AtomLeg,
        slot=st.integers(0, 255),
        ratio=st.integers(-(1 << 15), (1 << 15) - 1).filter(bool),
        page=st.none() | st.integers(0, 14),
    )
    atom = st.builds(
        Atom,
        legs=st.lists(leg, min_size=2, max_size=3).map(tuple),
        shift=st.integers(0, 15),
        shortfall_scaled=st.integers(0, (1 << 40) - 1),
    )
    atoms = draw(st.lists(atom, max_size=4))
    return Page(head=Head(**head), records=tuple(records), atoms=tuple(atoms))


@st.composite
def live_records(draw: st.DrawFn, *, spot: int, kind: Kind | None = None, lane_words: int = 1) -> Record:
    """Draw a plausible record of one of the five kinds, its lanes within its legs or not."""
    kind = draw(st.sampled_from(LIVE_KINDS)) if kind is None else kind
    option = kind in (Kind.CALL, Kind.PUT)
    delta_max = 1 << 22
    legs = st.integers(0, (1 << 32) - 1) | st.integers(0, 1000)
    count = LANES_PER_WORD * lane_words
    lanes = st.lists(st.integers(-LANE_BIAS + 1, LANE_BIAS - 1), min_size=count, max_size=count)
    return Record(
        kind=kind,
        shift=draw(st.integers(0, 12)),
        generation=draw(st.integers(0, 3)),
        drift_shift=draw(st.integers(0, 3)),
        mark=draw(st.integers(0, spot if option else 2 * spot)),
        delta_x22=draw(st.integers(-delta_max, delta_max)) if option else delta_max,
        gamma_spot_x10=draw(st.integers(0, 40 << 10)) if option else 0,
        leg_long_scaled=draw(legs),
        leg_short_scaled=draw(legs),
        strike=draw(st.integers(1, 2 * spot)) if option else 0,
        expiry_hour=draw(st.integers(1, (1 << 24) - 1)) if kind != Kind.PERPETUAL else 0,
        vega=draw(st.integers(0, (1 << 16) - 1)) if option else 0,
        lanes=tuple(draw(lanes)),
    )


@st.composite
def live_heads(
    draw: st.DrawFn, *, page_id: int, underlying: int, tick: int, factors: Sequence[int], lane_words: int = 1
) -> Head:
    """Draw a plausible head; tick, factors and lanes are the manifest's."""
    names = [field.name for field in HEADS[3]]
    return Head(
        reference_spot=draw(st.integers(100, 1 << 34)),
        underlying=underlying,
        flags=draw(st.sampled_from((0, 0, 0, 1))),
        page_id=page_id,
        version=1,
        lane_words=lane_words,
        probe_slot=0,
        max_drift_bps=draw(st.integers(1, 500)),
        as_of=NOW - draw(st.integers(-10, 7200)),
        tick=tick,
        half_spread_x32=draw(st.integers(0, 1 << 26)),
        y_volatility_x32=draw(st.integers(0, 1 << 28)),
        daily_volume=draw(st.integers(0, 1 << 55)),
        vega_charge=draw(st.integers(0, 1 << 12)),
        open_interest_divisor=draw(st.integers(0, 100)),
        open_interest_cap_percent=300,
        lambda_bps=10_000,
        funding_x32=draw(st.integers(-(1 << 60), 1 << 60)),
        funding_rate_x32=draw(st.integers(-(1 << 40), 1 << 40)),
        funding_cap_s=draw(st.integers(0, 7200)),
        **dict(zip(names, factors, strict=True)),
    )


@st.composite
def manifests(draw: st.DrawFn, *, max_pages: int = 3, lane_words: int = 1) -> ManifestState:
    """Draw a manifest of a few pages on fewer underlyings, with atoms within and across pages."""
    tick = draw(st.integers(1, 1000))
    factors = [draw(st.integers(0, 10_000)), *(draw(st.integers(0, 300)) for _ in range(4))]
    pages: dict[int, Page] = {}
    for page_id in range(draw(st.integers(1, max_pages))):
        head = draw(
            live_heads(
                page_id=page_id, underlying=page_id // 2, tick=tick, factors=factors, lane_words=lane_words
            )
        )
        kinds = draw(st.lists(st.sampled_from((*LIVE_KINDS, Kind.NONE)), min_size=1, max_size=6))
        records = [
            draw(live_records(spot=head.reference_spot, kind=kind, lane_words=lane_words)) for kind in kinds
        ]
        pages[page_id] = Page(head=head, records=tuple(records), atoms=())
    slots = [(p, s) for p, page in pages.items() for s, r in enumerate(page.records) if r.kind]
    for page_id, page in pages.items() if len(slots) > 1 else ():
        atoms = draw(st.lists(atoms_over(slots, home=page_id), max_size=3))
        pages[page_id] = Page(head=page.head, records=page.records, atoms=tuple(atoms))
    age = draw(st.integers(0, 10_000))
    return ManifestState(as_of=NOW - age, activated_at=NOW - age, mature=draw(st.booleans()), pages=pages)


@st.composite
def atoms_over(draw: st.DrawFn, slots: Sequence[tuple[int, int]], *, home: int) -> Atom:
    """Draw an atom whose two or three legs are among the given (page, slot) pairs."""
    count = min(3, len(slots))
    chosen = draw(st.lists(st.sampled_from(slots), min_size=2, max_size=count, unique=True))
    ratio = st.integers(-5, 5).filter(bool)
    legs = tuple(AtomLeg(slot=s, ratio=draw(ratio), page=None if p == home else p) for p, s in chosen)
    return Atom(legs=legs, shift=draw(st.integers(0, 15)), shortfall_scaled=draw(st.integers(0, 1 << 32)))


@st.composite
def books(draw: st.DrawFn, manifest: ManifestState, *, strays: bool = True) -> Book:
    """Draw a book over a manifest's slots; with strays some positions have no record, or no page."""
    book = Book()
    for page_id, page in draw(st.permutations(list(manifest.pages.items()))):
        slots = draw(st.lists(st.integers(0, len(page.records) - 1), unique=True, max_size=6))
        for slot in slots:
            record = page.records[slot]
            stray = strays and draw(st.integers(0, 9)) == 0
            generation = (record.generation + stray) & 0x3FFF
            most = min(MAX_LOTS, MAX_SCALED_LOTS >> record.shift) - 1
            lots = draw(st.integers(-most, most) | st.integers(-1000, 1000))
            if record.kind == Kind.SPOT:
                lots = abs(lots)
            if record.kind == Kind.NONE and not strays:
                continue
            book.add(page_id, (slot, generation), lots)
    if strays and len(book.pages) < 6 and draw(st.integers(0, 9)) == 0:
        book.add(31, (0, 1), draw(st.integers(1, 1000)))
    return book


@st.composite
def price_maps(draw: st.DrawFn, manifest: ManifestState, *, fresh: bool = False) -> dict[int, Price]:
    """Draw a price for every underlying: near its reference spot or far, new or old, or none at all."""
    prices = {}
    for page in manifest.pages.values():
        head = page.head
        if head.underlying in prices:
            continue
        ratio = draw(st.sampled_from((1, 1, 2, 100)))
        spread = head.reference_spot // (100 // ratio)
        ticks = max(1, min(head.reference_spot + draw(st.integers(-spread, spread)), (1 << 40) - 1))
        age = 0 if fresh else draw(st.sampled_from((0, 0, 0, 30, 31, 120, 121, -5, 10**6)))
        absent = not fresh and draw(st.integers(0, 19)) == 0
        since = NOW - age - draw(st.integers(0, 1000))
        observed = NOW - age
        prices[head.underlying] = (
            Price() if absent else Price(ticks=ticks, observed_at=observed, fresh_since=since)
        )
    return prices


@st.composite
def certificates_over(draw: st.DrawFn, manifest: ManifestState, book: Book) -> tuple[int, ...]:
    """Draw certificate words over atoms whose pages the book holds."""
    held = set(book.pages)
    usable = [
        (page_id, index)
        for page_id, page in manifest.pages.items()
        for index, atom in enumerate(page.atoms)
        if page_id in held and all(leg.page is None or leg.page in held for leg in atom.legs)
    ]
    if not usable:
        return ()
    entries = draw(st.lists(st.tuples(st.sampled_from(usable), st.integers(0, 10_000)), max_size=6))
    return certificate_words([(page, index, lots) for (page, index), lots in entries])


@st.composite
def scenario_cubes(draw: st.DrawFn, *, scenarios: int = 16, instruments: int = 4) -> Cube:
    """Draw the P&L of one lot of each instrument in equally likely scenarios, whole ticks, some of them netting."""
    base = draw(arrays(np.int64, (scenarios, instruments), elements=st.integers(-(10**6), 10**6)))
    for column in range(1, instruments):
        if draw(st.booleans()):
            base[:, column] = base[:, column - 1] // draw(st.integers(1, 3)) + base[:, column] // 50
    return base


def shortfall_of(pnl: Sequence[int] | Cube, *, tail: int) -> Fraction:
    """Return the exact expected shortfall of equally likely outcomes: the mean of the `tail` worst losses."""
    worst = sorted(int(outcome) for outcome in pnl)[:tail]
    return Fraction(-sum(worst), tail)


def tail_mean(cube: Cube, by: Cube, *, tail: int) -> list[float]:
    """Return each instrument's mean P&L under the tail measure of a portfolio's P&L; exact for dyadic tails."""
    worst = np.argsort(by, kind="stable")[:tail]
    return [float(v) / tail for v in cube[worst].sum(axis=0)]


FACTORS = FactorsInput(
    maintenance_factor_bps=8_000,
    initial_net_floor_bps=200,
    initial_gross_floor_bps=20,
    maintenance_net_floor_bps=100,
    maintenance_gross_floor_bps=5,
    open_interest_divisor=10,
    open_interest_cap_percent=300,
)
QUIET = LiquidityInput(half_spread=0.0, y_volatility=0.0, daily_volume=1e15, half_volatility_spread=0.0)


def page_from_cube(
    cube: Cube,
    *,
    tail: int,
    lanes: Cube,
    atoms: Sequence[tuple[tuple[int, int], ...]] = (),
    shift: Callable[[int], int] = lambda slot: 6,
    **settings: object,
) -> PageInput:
    """Return a page whose legs, lanes and atoms are the exact tail risk of a scenario cube.

    `lanes` holds one portfolio a lane, whose tail measure it is; `atoms` are (slot, ratio) pairs.
    """
    means = np.array([tail_mean(cube, cube @ portfolio, tail=tail) for portfolio in lanes])
    records = [
        RecordInput(
            name=f"instrument {slot}",
            kind=Kind.FUTURE,
            shift=shift(slot),
            generation=1,
            mark=1_000_000.0,
            delta=1.0,
            leg_long=float(shortfall_of(pnl, tail=tail)),
            leg_short=float(shortfall_of(-pnl, tail=tail)),
            lanes=[float(mean) for mean in means[:, slot]],
        )
        for slot, pnl in enumerate(cube.T)
    ]
    certified = [
        AtomInput(
            legs=[AtomLegInput(slot=slot, ratio=ratio) for slot, ratio in legs],
            shortfall=float(shortfall_of(sum(ratio * cube[:, slot] for slot, ratio in legs), tail=tail)),
        )
        for legs in atoms
    ]
    given: dict[str, object] = {
        "underlying": 0,
        "page_id": 0,
        "as_of_s": NOW,
        "tick": 1,
        "reference_spot": 1_000_000.0,
        "max_drift": 0.05,
        "liquidity": QUIET,
        "factors": FACTORS,
        "funding": FundingInput(),
        "lane_count": len(lanes),
    }
    return PageInput(records=records, atoms=certified, **(given | settings))  # type: ignore[arg-type]
