"""Single rules of the reference that properties reach only by chance."""

from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import given
from tests.property.strategies import NOW, books, live_records, manifests, price_maps

from seawall.page import Head, Kind, Page, Record
from seawall.page.layout import RECORD
from seawall.reference import (
    Book,
    Flag,
    ManifestState,
    Position,
    Price,
    Rejected,
    account_word,
    assess,
    funding_at,
    health,
    live_mark,
    spot_state,
)
from seawall.reference.marks import is_expired

SPOT = 1_000_000


def head(**changes: int) -> Head:
    zero = dict.fromkeys(Head.__dataclass_fields__, 0)
    return Head(
        **(zero | {"reference_spot": SPOT, "max_drift_bps": 400, "tick": 1, "lane_words": 1} | changes)
    )


@given(data=st.data(), price=st.integers(1, 4 * SPOT))
def test_an_option_is_worth_at_least_its_intrinsic_value_and_its_tangent(
    data: st.DataObject, price: int
) -> None:
    record = data.draw(live_records(spot=SPOT, kind=data.draw(st.sampled_from((Kind.CALL, Kind.PUT)))))
    state = spot_state(head(), price=price, now=NOW)
    value, _ = live_mark(record, state)
    sign = 1 if record.kind == Kind.CALL else -1
    linear = record.mark + (record.delta_x22 * state.d_s >> 22)
    least = max(0, sign * (price - record.strike), linear)
    most = min(record.mark + max(0, sign * state.d_s), price if sign > 0 else record.strike)
    assert value >= least
    assert value <= max(least, most)


@given(data=st.data())
def test_at_the_reference_spot_every_kind_is_worth_its_mark(data: st.DataObject) -> None:
    record = data.draw(live_records(spot=SPOT))
    inside = record.kind not in (Kind.CALL, Kind.PUT) or (
        max(0, (SPOT - record.strike) * (1 if record.kind == Kind.CALL else -1)) <= record.mark
        and record.mark <= (SPOT if record.kind == Kind.CALL else record.strike)
    )
    value, _ = live_mark(record, spot_state(head(), price=SPOT, now=NOW))
    if inside:
        assert value == (SPOT if record.kind == Kind.SPOT else record.mark)


@pytest.mark.parametrize(("elapsed", "expected"), [(-5, 3), (0, 3), (10, 13), (100, 53), (1000, 53)])
def test_funding_accrues_from_the_page_to_its_cap(elapsed: int, expected: int) -> None:
    page = head(funding_x32=3 << 32, funding_rate_x32=1 << 32, funding_cap_s=50, as_of=NOW)
    assert funding_at(page, now=NOW + elapsed) == expected


def test_funding_is_rounded_down_also_below_zero() -> None:
    assert funding_at(head(funding_x32=-1), now=NOW) == -1


keys = st.tuples(st.integers(0, 5), st.integers(0, 1))


@given(steps=st.lists(st.tuples(st.integers(1, 8), keys, st.integers(-3, 3)), max_size=40))
def test_a_book_holds_the_sum_of_what_was_added(steps: list[tuple[int, tuple[int, int], int]]) -> None:
    book, expected = Book(), {}
    for page, key, lots in steps:
        if lots and page not in book.pages and len(book.pages) == 6:
            with pytest.raises(Rejected, match="TooManyPages"):
                book.add(page, key, lots)
            continue
        book.add(page, key, lots)
        expected[page, key] = expected.get((page, key), 0) + lots
    assert {(page, p.key): p.lots for page, p in book} == {k: v for k, v in expected.items() if v}
    assert Book.from_words(book.words()).pages == book.pages
    word = account_word(book, cash=-1)
    assert word >> 152 == (1 << 104) - 1
    assert sum((word >> low) & 0xFF for low in range(8, 96, 16)) == len(book)


def test_closing_a_position_moves_the_last_one_into_its_place() -> None:
    book = Book()
    for slot in range(3):
        book.add(7, (slot, 1), 1)
    book.add(7, (0, 1), -1)
    assert book.pages == {7: [Position(2, 1, 1), Position(1, 1, 1)]}


@given(data=st.data(), cash=st.integers(-(10**12), 10**15))
def test_INV_12_a_young_manifest_alone_makes_nobody_liquidatable(data: st.DataObject, cash: int) -> None:
    old, new = data.draw(manifests()), data.draw(manifests())
    new = replace(new, mature=False)
    book = data.draw(books(old, strays=False))
    prices = data.draw(price_maps(old, fresh=True)) | data.draw(price_maps(new, fresh=True))
    common = {"cash": cash, "prices": prices, "now": NOW, "open_interest": {}}
    assert not health(book, current=new, baseline=None, **common).liquidatable
    base = assess(book, manifest=old, **common)
    raised = -(-base.maintenance * (2**32 + base.drift_x32) >> 32)
    common["cash"] = cash + raised - base.equity  # so that the account just meets the baseline's requirement
    assert not health(book, current=new, baseline=old, **common).liquidatable


@given(data=st.data(), fall=st.integers(1, 2**38))
def test_INV_12_a_young_manifest_in_which_all_is_worth_less_makes_nobody_liquidatable(
    data: st.DataObject, fall: int
) -> None:
    """The account holds a lot of everything, and just meets what the baseline requires."""
    old = data.draw(manifests())
    book = Book()
    for i, page in old.pages.items():
        for slot, record in enumerate(page.records):
            if record.kind:
                book.add(i, (slot, record.generation), 1)
    pages = {
        i: replace(page, records=tuple(replace(one, mark=max(one.mark - fall, 0)) for one in page.records))
        for i, page in old.pages.items()
    }
    young = replace(old, mature=False, pages=pages)
    common = {"prices": data.draw(price_maps(old, fresh=True)), "now": NOW, "open_interest": {}}
    base = assess(book, manifest=old, cash=0, **common)
    raised = -(-base.maintenance * (2**32 + base.drift_x32) >> 32)
    assert not health(book, cash=raised - base.equity, current=young, baseline=old, **common).liquidatable


def test_an_account_without_a_manifest_is_worth_its_cash_and_requires_nothing() -> None:
    book = Book()
    book.add(0, (0, 1), 5)
    margin = assess(book, cash=9, manifest=None, prices={}, now=NOW, open_interest={})
    assert (margin.equity, margin.initial, margin.maintenance) == (9, 0, 0)
    assert margin.flags == Flag.NO_MANIFEST


@given(data=st.data(), age=st.integers(-100, 300))
def test_flags_follow_the_age_of_the_price(data: st.DataObject, age: int) -> None:
    manifest: ManifestState = data.draw(manifests(max_pages=1))
    book = Book()
    slot = next((s for s, r in enumerate(manifest.pages[0].records) if r.kind), None)
    book.add(0, (slot or 0, manifest.pages[0].records[slot or 0].generation), 1)
    spot = manifest.pages[0].head.reference_spot
    prices = {0: Price(ticks=spot, observed_at=NOW - age)}
    margin = assess(book, cash=0, manifest=manifest, prices=prices, now=NOW, open_interest={})
    waits = slot is not None and is_expired(manifest.pages[0].records[slot], now=NOW)  # for its average
    assert bool(margin.flags & Flag.NOT_FRESH) == (age > 30 or waits)
    assert bool(margin.flags & Flag.STALE) == (age > 120)
    assert bool(margin.flags & Flag.NONE_PRICED) == (age > 120)
    assert bool(margin.flags & Flag.MISSING) == (slot is None)
    assert margin.oldest_price_at == NOW - age


def test_a_baseline_that_lacks_a_key_of_the_book_is_ignored() -> None:
    lossy = Record(
        **dict.fromkeys((field.name for field in RECORD), 0)
        | {"kind": Kind.FUTURE, "generation": 1, "mark": SPOT, "leg_long_scaled": 30_000},
        lanes=(-30_000,) * 16,
    )
    page = Page(head=head(maintenance_factor_bps=8_000), records=(lossy,), atoms=())
    other = replace(page, records=(replace(lossy, generation=2),))
    book = Book()
    book.add(0, (0, 1), 1)
    current, same, lacking = (
        ManifestState(as_of=NOW, activated_at=NOW, mature=False, pages={0: one})
        for one in (page, page, other)
    )
    common = {
        "cash": -SPOT,
        "prices": {0: Price(ticks=SPOT, observed_at=NOW)},
        "now": NOW,
        "open_interest": {},
    }
    for baseline in (same, lacking):
        found = health(book, current=current, baseline=baseline, **common)
        assert (found.liquidatable, found.maintenance) == (True, 23_999)
    safe = replace(page, records=(replace(lossy, lanes=(0,) * 16),))
    young = health(book, current=current, baseline=replace(current, pages={0: safe}), **common)
    assert (young.liquidatable, young.maintenance) == (False, 0)
    worthless = {0: replace(other, head=head(), records=(replace(other.records[0], lanes=(0,) * 16),))}
    ignored = health(book, current=current, baseline=replace(lacking, pages=worthless), **common)
    assert (ignored.liquidatable, ignored.maintenance) == (True, 23_999)
