"""Order books in a keeper: where they count they set its liquidity coefficients, and without them nothing changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.support.data import needs_real_data, real_data
from tests.support.histories import books_until
from tests.support.listings import AS_OF, QUICK, linear, listed_view, price_bars

from seawall.errors import ConfigError, DataError
from seawall.keeper.compute import compute, propose
from seawall.margin.depth import BookDepth, book_depth, liquidity_inputs
from seawall.market.depth import DepthSettings, read_depth, use_depth
from seawall.market.readers import read_order_books

BARS = price_bars(days=70)
VIEW = listed_view([(0, [linear()]), (1, [linear()])])


def test_depth_counts_what_rests_within_the_band_on_the_thinner_side() -> None:
    bids = np.array([[99.0, 1.0], [98.0, 2.0], [90.0, 50.0]])
    asks = np.array([[101.0, 3.0], [102.0, 4.0], [120.0, 9.0]])
    found = book_depth(bids, asks, band=0.025)
    assert found == BookDepth(half_spread=pytest.approx(0.01), band=0.025, depth=99.0 + 196.0)
    # Where the levels end nearer than the band, the band ends there.
    near = book_depth(bids[:2], asks, band=0.05)
    assert near is not None
    assert (near.band, near.depth) == (pytest.approx(0.02), 295.0)
    assert book_depth(bids[:0], asks, band=0.05) is None
    assert book_depth(asks, bids, band=0.05) is None
    with pytest.raises(ConfigError, match="band"):
        book_depth(bids, asks, band=0.0)


def test_without_a_book_spread_and_volume_are_those_that_are_set_and_traded() -> None:
    spread, volume = liquidity_inputs(
        [None], half_spread=5e-4, sigma_day=np.full(1, 0.03), volume=np.full(1, 7.0)
    )
    assert (spread[0], volume[0]) == (1e-3, 7.0)
    with pytest.raises(DataError, match="give one or None each"):
        liquidity_inputs([], half_spread=5e-4, sigma_day=np.full(1, 0.03), volume=np.full(1, 7.0))


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"many": 11}, "too few"), ({"time_s": AS_OF - 3601}, "too old"), ({"time_s": AS_OF + 3600}, "later")],
)
def test_books_that_do_not_count_are_no_depth(change: dict[str, int], reason: str) -> None:
    values = {"time_s": AS_OF, "many": 12} | change
    books = books_until(values["time_s"], half_spread=1e-4, size=10.0, many=values["many"])
    counted = [b for b in books if b.time_s <= AS_OF]
    assert use_depth(books, ["BTC", "ETH"], AS_OF).books == (None, None), reason
    assert len(counted) < 12 or reason == "too old"


def test_a_keeper_without_books_that_count_posts_what_one_without_a_source_does() -> None:
    plain = compute(VIEW, BARS, settings=QUICK)
    old = books_until(AS_OF - 7200, half_spread=1e-3, size=1.0)
    fallback = compute(VIEW, BARS, settings=QUICK, depth=old)
    assert fallback.payloads == plain.payloads
    assert plain.depth is None
    assert fallback.depth is not None
    assert fallback.depth.books == (None, None)


def test_books_set_the_coefficients_of_their_underlying_and_no_other() -> None:
    plain = compute(VIEW, BARS, settings=QUICK)
    traded = plain.liquidity.daily_volume
    sigma = plain.risk.sigma[0]
    # Within 95 basis points rest 1,000 size; half of what the square-root law makes of it is 60% of the traded volume.
    size = 0.6 * traded[0] / plain.spots[0] * (0.0092 / sigma) ** 2 * 100.0 / (0.5 * 1000.0)
    found = compute(
        VIEW, BARS, settings=QUICK, depth=books_until(AS_OF, half_spread=2e-3, size=float(size))
    ).liquidity
    assert found.half_spread[0] == pytest.approx(2e-3)
    assert found.half_spread[1] == plain.liquidity.half_spread[1]
    assert 0.1 * traded[0] < found.daily_volume[0] < 2.0 * traded[0]
    assert found.daily_volume[0] != traded[0]
    assert found.daily_volume[1] == traded[1]
    thin = compute(VIEW, BARS, settings=QUICK, depth=books_until(AS_OF, half_spread=0.5e-4, size=1e-9))
    assert thin.liquidity.daily_volume[0] == pytest.approx(0.1 * traded[0])
    assert thin.liquidity.half_spread[0] == plain.liquidity.half_spread[0]
    thick = compute(VIEW, BARS, settings=QUICK, depth=books_until(AS_OF, half_spread=7e-3, size=1e12))
    assert thick.liquidity.daily_volume[0] == pytest.approx(2.0 * traded[0])
    assert thick.liquidity.half_spread[0] == pytest.approx(10 * QUICK.half_spread)
    wide = compute(VIEW, BARS, settings=QUICK, depth=books_until(AS_OF, half_spread=0.5, size=1e12))
    assert wide.liquidity.daily_volume[0] == pytest.approx(0.1 * traded[0])
    assert wide.liquidity.half_spread[0] == pytest.approx(10 * QUICK.half_spread)


def test_what_was_taken_from_books_is_among_the_hashed_inputs() -> None:
    books = books_until(AS_OF, half_spread=1e-3, size=10.0)
    hashes = []
    for depth in (None, books, books_until(AS_OF, half_spread=2e-3, size=10.0)):
        computed = compute(VIEW, BARS, settings=QUICK, depth=depth)
        hashes.append(propose(VIEW, computed, BARS, epoch=1, settings=QUICK).manifest.inputs_hash)
    assert len(set(hashes)) == 3


def test_a_file_that_cannot_be_read_is_no_depth(tmp_path: Path) -> None:
    assert read_depth(tmp_path / "absent.csv") == ()
    path = tmp_path / "books.csv"
    path.write_text("timestamp,symbol,side,price,qty\n5,BTC,B,-1,1\n")
    assert read_depth(path) == ()
    path.write_text("timestamp,symbol,side,price,qty\n5,BTC,B,1,1\n5,BTC,A,2,1\n")
    assert len(read_depth(path)) == 1


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigError, match="depth"):
        DepthSettings(max_age_s=10, window_s=5)


@needs_real_data
def test_real_books_tell_a_depth_of_the_order_of_a_days_volume() -> None:
    name = "binance_orderbook_snapshots.parquet"
    books = [b for b in read_order_books(real_data(name) / name) if b.symbol == "BTCUSDT-PERP"]
    found = use_depth(books, ["BTC"], books[-1].time_s).books[0]
    assert found is not None
    assert 1e-7 < found.half_spread < 1e-5
    assert 2e-4 < found.band < 1e-3
    _, volume = liquidity_inputs(
        [found], half_spread=5e-4, sigma_day=np.full(1, 0.03), volume=np.full(1, 1e10)
    )
    assert 1e9 < volume[0] < 2e10
