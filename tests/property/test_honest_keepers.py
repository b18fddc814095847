"""Honest keepers whose data differ sign each other's manifests, and how far their data may differ."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from tests.support.listings import AS_OF, QUICK, chain_terms, linear, listed_view, price_bars, with_shifts

from seawall.arrays import Floats
from seawall.errors import ConsistencyError
from seawall.keeper.accounts import AccountBook
from seawall.keeper.books import check_books
from seawall.keeper.check import check_proposal
from seawall.keeper.compute import Computed, compute, propose
from seawall.keeper.view import ChainView
from seawall.margin.certificate import Book
from seawall.margin.pricing import black_price
from seawall.market.bars import Bars
from seawall.market.schema import OptionQuotes

TERMS = chain_terms(days=(3, 30, 120), strikes=(0.75, 0.9, 1.0, 1.1, 1.3))
BARS = price_bars(days=120)
HOURS = 3  # epochs, one an hour
DAYS = np.array([2.0, 4.0, 9.0, 31.0, 60.0, 121.0, 200.0])
DEVIATIONS = np.linspace(-2.5, 2.5, 11)


def quotes(time_s: int, symbol: str, *, level: float, wings: Floats, missing: Floats) -> OptionQuotes:
    """Return a chain with a skew at a level of volatility, each quote off by `wings`; some have no bid."""
    tau = np.repeat(DAYS, len(DEVIATIONS)) / 365
    z = np.tile(DEVIATIONS, len(DAYS))
    k = z * 0.5 * np.sqrt(tau)
    volatility = level * (1 - 0.05 * z + 0.04 * z**2) + wings

    def premium(shift: float) -> Floats:
        return black_price(1.0, np.exp(k), volatility + shift, tau, is_call=k > 0)

    none = np.full(len(k), np.nan)
    return OptionQuotes(
        symbol=symbol,
        times_s=np.full(len(k), time_s, dtype=np.int64),
        expiry_s=np.rint(time_s + tau * 365 * 86_400).astype(np.int64),
        strike=100 * np.exp(k),
        is_call=k > 0,
        forward=np.full(len(k), 100.0),
        index=np.full(len(k), 100.0),
        bid=np.where(missing, np.nan, premium(-0.01)),
        ask=premium(0.01),
        mark=premium(0.0),
        mark_iv=volatility,
        open_interest=none,
        volume_24h=none,
    )


def chains(
    time_s: int, *, seed: int = 0, points: float = 0.0, shift: float = 0.0, gone: float = 0.0
) -> list[OptionQuotes]:
    """Return both chains as one keeper sees them: all off by `shift` points, each quote by `points`, wings by more."""
    rng = np.random.default_rng([seed, time_s])
    found = []
    for u, symbol in enumerate(("BTC", "ETH")):
        size = len(DAYS) * len(DEVIATIONS)
        far = 1 + np.clip(np.abs(np.tile(DEVIATIONS, len(DAYS))) - 1, 0, None)
        wings = (points * far * rng.normal(size=size) + points * rng.normal() + shift) / 100
        level = 0.5 + 0.1 * u + 0.01 * np.sin(time_s / 3600)
        found.append(quotes(time_s, symbol, level=level, wings=wings, missing=rng.random(size) < gone))
    return found


def seen(bars: Bars, *, hours: int, seed: int) -> Bars:
    """Return bars up to some hours before the end at another exchange: 2 bp off each hour, 3 bp all along."""
    rng = np.random.default_rng(seed)
    until = len(bars.known_at) - hours
    off = 2e-4 * rng.normal(size=bars.closes.shape) + 3e-4 * rng.normal(size=(1, 2))
    return replace(
        bars,
        known_at=bars.known_at[:until],
        closes=(bars.closes * np.exp(off))[:until],
        traded_value=bars.traded_value[:until],
    )


def one_leg_books(view: ChainView) -> ChainView:
    """Return the view with accounts that hold one lot of one instrument each, either way."""
    places = [(p.page_id, slot) for p in view.pages for slot in range(len(p.instruments))]
    lots = np.concatenate([np.eye(len(places)), -np.eye(len(places))])
    accounts = []
    for i, row in enumerate(lots):
        (column,) = np.flatnonzero(row)
        page, slot = places[column]
        book = Book()
        book.add(page, (slot, view.pages[page].instruments[slot].generation), int(row[column]))
        accounts.append(AccountBook(account=i.to_bytes(32, "big"), words=book.words()))
    return replace(view, lots=lots, books=tuple(accounts))


@cache
def venue() -> ChainView:
    return one_leg_books(with_shifts(listed_view([(0, TERMS), (1, [linear()])]), BARS)[0])


def refusal(leader: tuple[Computed, Bars], own: Computed) -> str:
    """Return why a follower does not sign, empty if it does."""
    view = venue()
    proposal = propose(view, leader[0], leader[1], epoch=1, settings=QUICK)
    try:
        check_proposal(proposal, own, view, settings=QUICK)
        check_books(proposal, own, view, view.books, settings=QUICK)
    except ConsistencyError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("hours", range(HOURS))
def test_keepers_of_other_exchanges_and_snapshots_sign_what_each_of_them_leads(hours: int) -> None:
    """Snapshots are up to a quarter of an hour apart, quotes half a point, in the wings more, some without a bid."""
    now = AS_OF - 3600 * hours
    found = []
    for keeper, late_s in enumerate((0, 420, 900)):
        bars = seen(BARS, hours=hours, seed=keeper)
        taken = chains(now - late_s, seed=keeper, points=0.5, gone=0.05)
        found.append((compute(venue(), bars, settings=QUICK, chains=taken), bars))
    for leader in found:
        for own in found:
            assert refusal(leader, own[0]) == ""


def level(points: float) -> tuple[Computed, Bars]:
    return compute(venue(), BARS, settings=QUICK, chains=chains(AS_OF, shift=points)), BARS


def test_keepers_whose_volatilities_are_a_point_apart_sign_and_three_points_apart_do_not() -> None:
    """Whoever holds one lot of a far option must not be able to keep them from it: its tail risk moves most."""
    own = level(0.0)
    for points in (-1.0, 1.0):
        other = level(points)
        assert refusal(other, own[0]) == ""
        assert refusal(own, other[0]) == ""
    assert "mark" in refusal(level(3.0), own[0])
