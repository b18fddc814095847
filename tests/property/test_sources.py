"""One source, one quote or one order book that lies moves what is posted by no more than docs/keepers.md says."""

from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from tests.support.histories import (
    BARS,
    HOUR_S,
    RULES,
    START_S,
    clean_closes,
    clean_history,
    of_closes,
    posted,
    reference,
)

from seawall.arrays import Floats
from seawall.errors import DataError
from seawall.margin.depth import BookDepth, liquidity_inputs
from seawall.margin.liquidity import liquidity_coefficients
from seawall.margin.pricing import black_price
from seawall.market.chains import QuoteSettings, clean_quotes, expiry_volatilities, tenor_volatilities
from seawall.market.consensus import ConsensusSettings, agree
from seawall.market.depth import use_depth
from seawall.market.findings import Rule
from seawall.market.joining import usable_bars
from seawall.market.schema import Candles, OptionQuotes, OrderBook

SETTINGS = ConsensusSettings(quorum=2, max_spread=0.01)
LEGS_WITH_ONE_LIAR = (-0.05, 0.05)  # where honest sources differ by 5 basis points
NEXT_S = START_S + HOUR_S * BARS

closes = st.floats(1e-3, 1e6)
factors = st.floats(-3.0, 3.0).map(np.exp)


def one_bar(symbol: str, close: float) -> Candles:
    return Candles.of_closes(symbol, np.array([NEXT_S]), np.array([close]), bar_s=HOUR_S)


@given(closes, st.lists(factors, min_size=3, max_size=7), st.lists(factors, min_size=0, max_size=3))
def test_an_honest_majority_bounds_the_price_by_its_own_prices(
    price: float, honest: list[float], lies: list[float]
) -> None:
    lies = lies[: len(honest) - 1]
    prices = [price * f for f in (*honest, *lies)]
    found = agree("X", [one_bar(f"S{i}", p) for i, p in enumerate(prices)], settings=SETTINGS).candles.close
    if len(found):
        assert price * min(honest) * (1 - 1e-12) <= found[0] <= price * max(honest) * (1 + 1e-12)


@given(closes, st.lists(st.floats(-0.02, 0.02), min_size=1, max_size=2), factors)
def test_with_fewer_liars_than_the_quorum_the_price_is_within_the_spread_of_an_honest_one(
    price: float, honest: list[float], lie: float
) -> None:
    honest_prices = [price * float(np.exp(e)) for e in honest]
    sources = [one_bar(f"S{i}", p) for i, p in enumerate([*honest_prices, price * lie])]
    agreed = agree("X", sources, settings=SETTINGS)
    if len(agreed.candles.close):
        away = np.abs(np.log(agreed.candles.close[0] / np.array(honest_prices)))
        assert away.min() <= SETTINGS.max_spread + 1e-12
    else:
        assert agreed.abstained == {NEXT_S: Rule.DISAGREEMENT}
        assert [f.rule for f in agreed.findings] == [Rule.DISAGREEMENT]


@given(closes, factors)
def test_a_source_alone_is_no_quorum_whatever_it_says(price: float, lie: float) -> None:
    silent = Candles.of_closes("S1", np.array([NEXT_S + HOUR_S]), np.array([price]), bar_s=HOUR_S)
    agreed = agree("X", [one_bar("S0", price * lie), silent], settings=SETTINGS)
    assert not len(agreed.candles.close)
    assert agreed.abstained == {NEXT_S: Rule.NO_QUORUM, NEXT_S + HOUR_S: Rule.NO_QUORUM}
    believed = agree("X", [one_bar("S0", price * lie), silent], settings=ConsensusSettings(quorum=1)).candles
    assert believed.close[0] == price * lie


def three_sources(seed: int, lies: Floats) -> list[Candles]:
    """Return two honest sources that differ by noise, and one that lies about one underlying."""
    rng = np.random.default_rng(seed)
    found = []
    for suffix in ("USD", "USDC", "USDT"):
        told = clean_closes(seed) * np.exp(2e-4 * rng.uniform(-1.0, 1.0, (BARS, 2)))
        if suffix == "USDT":
            told[-len(lies) :, 0] *= np.exp(lies)
        found += of_closes(told, (f"BTC{suffix}", f"ETH{suffix}"))
    return found


@given(
    st.integers(0, 5),
    st.sampled_from(["lies", "silent", "stuck"]),
    st.lists(st.floats(-3.0, 3.0), min_size=1, max_size=100),
)
def test_one_source_of_three_whatever_it_does_moves_legs_within_the_bound(
    seed: int, kind: str, lies: list[float]
) -> None:
    sources = three_sources(seed, np.array(lies) if kind == "lies" else np.zeros(len(lies)))
    liar = next(i for i, s in enumerate(sources) if s.symbol == "BTCUSDT")
    last = BARS - len(lies)
    if kind == "silent":
        sources[liar] = sources[liar].rows(slice(0, last))
    elif kind == "stuck":
        close = sources[liar].close.copy()
        close[last:] = close[last - 1]
        high, low = np.maximum(sources[liar].high, close), np.minimum(sources[liar].low, close)
        sources[liar] = replace(sources[liar], close=close, high=high, low=low)
    bars = usable_bars(sources, rules=RULES, consensus=SETTINGS)
    found, clean = posted(bars), reference(seed, int(bars.known_at[-1]))
    assert found.as_of == NEXT_S
    assert np.abs(np.log(found.spots / clean.spots)).max() <= 2e-4 + 1e-12
    change = found.legs / clean.legs - 1.0
    assert LEGS_WITH_ONE_LIAR[0] <= change.min()
    assert change.max() <= LEGS_WITH_ONE_LIAR[1]


def test_one_source_of_three_that_is_believed_alone_breaks_the_bound() -> None:
    sources = three_sources(0, np.linspace(0.0, 0.3, 60))
    quiet = [s.rows(slice(0, BARS - 60)) if "USDT" not in s.symbol else s for s in sources]
    alone = ConsensusSettings(quorum=1, max_spread=0.5)
    found = posted(usable_bars(quiet, rules=RULES, consensus=alone))
    assert (found.legs / reference(0, found.as_of).legs).max() > 1 + LEGS_WITH_ONE_LIAR[1]
    held = usable_bars(quiet, rules=RULES, consensus=SETTINGS)
    assert held.known_at[-1] == NEXT_S - 60 * HOUR_S


def test_sources_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(DataError, match="the quorum is 2"):
        agree("X", [one_bar("A", 1.0)], settings=SETTINGS)
    with pytest.raises(DataError, match="differ in length"):
        agree("X", [one_bar("A", 1.0), replace(one_bar("B", 1.0), bar_s=60)], settings=SETTINGS)
    with pytest.raises(DataError, match="repeats a time"):
        agree("X", [one_bar("A", 1.0), clean_history(0)[0].rows(np.array([0, 0]))], settings=SETTINGS)


FORWARD = 50_000.0
STRIKES = np.array([44e3, 46e3, 48e3, 49e3, 50e3, 51e3, 52e3, 54e3, 56e3])
DAYS = 30.0


def chain(volatility: Floats, *, days: float = DAYS) -> OptionQuotes:
    """Return a chain of calls whose quotes straddle the value at these volatilities, in coin."""
    years = days / 365.0
    value = black_price(FORWARD, STRIKES, volatility, years, is_call=True) / FORWARD
    many = len(STRIKES)
    return OptionQuotes(
        symbol="BTC",
        times_s=np.full(many, NEXT_S),
        expiry_s=np.full(many, NEXT_S + round(days * 86_400)),
        strike=STRIKES,
        is_call=np.ones(many, dtype=bool),
        forward=np.full(many, FORWARD),
        index=np.full(many, FORWARD),
        bid=value * 0.99,
        ask=value * 1.01,
        mark=value,
        mark_iv=volatility.copy(),
        open_interest=np.ones(many),
        volume_24h=np.ones(many),
    )


volatilities = st.lists(st.floats(0.3, 1.2), min_size=len(STRIKES), max_size=len(STRIKES)).map(np.array)
faults = st.dictionaries(
    st.integers(0, len(STRIKES) - 1),
    st.tuples(st.sampled_from(["crossed", "no bid", "no ask", "off mark"]), st.floats(0.01, 5.0)),
    max_size=len(STRIKES) - 3,
)


def with_faults(quotes: OptionQuotes, given_faults: dict[int, tuple[str, float]]) -> OptionQuotes:
    columns = {name: getattr(quotes, name).copy() for name in ("bid", "ask", "mark", "mark_iv")}
    for i, (kind, told) in given_faults.items():
        columns["mark_iv"][i] = told
        if kind == "crossed":
            columns["bid"][i], columns["ask"][i] = columns["ask"][i], columns["bid"][i]
        elif kind == "off mark":
            columns["mark"][i] *= 2.0
        else:
            columns["bid" if kind == "no bid" else "ask"][i] = np.nan
    return replace(quotes, **columns)


@given(volatilities, faults)
def test_faulty_quotes_leave_the_volatility_between_those_of_the_others(
    volatility: Floats, given_faults: dict[int, tuple[str, float]]
) -> None:
    cleaned = clean_quotes(with_faults(chain(volatility), given_faults))
    assert len(cleaned.quotes.strike) == len(STRIKES) - len(given_faults)
    near = np.abs(np.log(STRIKES / FORWARD)) <= 0.3 * np.sqrt(DAYS / 365.0)
    honest = [volatility[i] for i in np.flatnonzero(near) if i not in given_faults]
    _, found = expiry_volatilities(cleaned.quotes)
    if len(honest) < 3:
        assert not len(found)
    else:
        assert min(honest) <= found[0] <= max(honest)
        assert found[0] == np.median(honest)


@given(volatilities, st.lists(st.floats(0.01, 5.0), min_size=0, max_size=3))
def test_fewer_than_half_of_the_quotes_lying_leaves_the_volatility_between_honest_ones(
    volatility: Floats, lies: list[float]
) -> None:
    near = np.flatnonzero(np.abs(np.log(STRIKES / FORWARD)) <= 0.3 * np.sqrt(DAYS / 365.0))
    assert len(near) == 7
    quotes = chain(volatility)
    told = quotes.mark_iv.copy()
    told[near[: len(lies)]] = lies
    _, found = expiry_volatilities(clean_quotes(replace(quotes, mark_iv=told)).quotes)
    honest = volatility[near[len(lies) :]]
    assert honest.min() <= found[0] <= honest.max()


@pytest.mark.parametrize(
    ("rule", "kind"),
    [
        (Rule.CROSSED, "crossed"),
        (Rule.ONE_SIDED, "no bid"),
        (Rule.ONE_SIDED, "no ask"),
        (Rule.OFF_MARK, "off mark"),
    ],
)
def test_without_a_rule_faulty_quotes_would_move_the_volatility(rule: Rule, kind: str) -> None:
    quotes = with_faults(chain(np.full(len(STRIKES), 0.6)), {i: (kind, 3.0) for i in range(2, 7)})
    cleaned = clean_quotes(quotes)
    assert cleaned.count(rule) == 5
    off = QuoteSettings(rules=QuoteSettings().rules - {rule})
    wrong = expiry_volatilities(clean_quotes(quotes, settings=off).quotes)[1]
    assert wrong[0] == 3.0
    right = expiry_volatilities(cleaned.quotes)[1]
    assert (right == 0.6).all()


@given(st.floats(0.2, 2.0), st.floats(2.0, 400.0))
def test_a_volatility_nobody_tells_is_inverted_from_the_premium(level: float, days: float) -> None:
    quotes = chain(np.full(len(STRIKES), level), days=days)
    silent = replace(quotes, mark_iv=np.full(len(STRIKES), np.nan))
    years, found = expiry_volatilities(silent)
    assert years[0] == pytest.approx(days / 365.0, rel=1e-5)
    assert found[0] == pytest.approx(level, rel=1e-4)
    at = tenor_volatilities(years, found, tenors_d=np.array([days, days + 1.0, days - 1.0]))
    assert at[0] == pytest.approx(level, rel=1e-4) or np.isnan(
        at[0]
    )  # to the second the expiry may be beyond
    assert np.isnan(at[1:]).all()


def book(time_s: int, *, half_spread: float, size: float) -> OrderBook:
    """Return a book with `size` of the underlying on each of ten levels a side, one basis point apart."""
    away = half_spread + 1e-4 * np.arange(10)
    level = np.full(10, size)
    return OrderBook(
        symbol="BTCUSDT-SPOT",
        time_s=time_s,
        bids=np.column_stack([100.0 * (1.0 - away), level]),
        asks=np.column_stack([100.0 * (1.0 + away), level]),
    )


@given(
    st.lists(st.tuples(st.floats(1e-6, 0.1), st.floats(1e-6, 1e9)), min_size=0, max_size=11),
    st.floats(0.005, 0.2),
)
def test_fewer_than_half_of_the_books_lying_leaves_depth_between_honest_ones(
    lies: list[tuple[float, float]], sigma: float
) -> None:
    honest = [
        book(NEXT_S - 300 * i, half_spread=2e-4 * (1 + i / 12), size=10.0 * (1 + i / 12)) for i in range(12)
    ]
    lying = [
        book(NEXT_S - 300 * i - 1, half_spread=spread, size=size) for i, (spread, size) in enumerate(lies)
    ]
    found = use_depth([*honest, *lying], ["BTC"], NEXT_S).books[0]
    assert found is not None
    assert 2e-4 * (1 - 1e-9) <= found.half_spread <= 4e-4
    alone = [use_depth([one] * 12, ["BTC"], one.time_s).books[0] for one in honest]
    stands_for = [d.depth / d.band**2 for d in alone if d is not None]
    assert min(stands_for) <= found.depth / found.band**2 <= max(stands_for)


@given(st.floats(0.0, 1.0), st.floats(1e-9, 0.9), st.floats(0.0, 1e15), st.floats(0.005, 0.2))
def test_whatever_books_say_coefficients_stay_within_their_limits(
    half_spread: float, band: float, depth: float, sigma: float
) -> None:
    told = BookDepth(half_spread=half_spread, band=band, depth=depth)
    args = {"half_spread": 5e-4, "sigma_day": np.full(2, sigma), "volume": np.full(2, 1e8)}
    spread, volume = liquidity_inputs([told, None], **args)  # type: ignore[arg-type]
    assert (spread[1], volume[1]) == (1e-3, 1e8)
    assert 1e-3 <= spread[0] <= 1e-2 * (1 + 1e-12)
    assert 1e7 <= volume[0] <= 2e8
    made = liquidity_coefficients(spread=spread, sigma_day=np.full(2, sigma), daily_volume=volume)
    impact = made.impact / np.sqrt(made.daily_volume)
    assert np.sqrt(0.5) * (1 - 1e-9) <= impact[0] / impact[1] <= np.sqrt(10.0) * (1 + 1e-9)
