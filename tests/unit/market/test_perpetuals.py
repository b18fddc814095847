"""Past prices and funding of perpetuals: what of them is known when, and what a keeper makes of it."""

from pathlib import Path

import numpy as np
import pytest
from tests.support.listings import AS_OF, QUICK, linear, listed_view, price_bars

from seawall.keeper.compute import compute
from seawall.market.bars import Bars
from seawall.market.perpetuals import PerpetualHistory, read_perpetuals, use_perpetuals
from seawall.market.schema import Candles, Funding
from seawall.page.layout import Kind

_HOUR = 3600
BARS = price_bars(days=70)


def history(bars: Bars = BARS, *, width: float = 0.002, seed: int = 5) -> PerpetualHistory:
    """Return a perpetual of the first underlying that wanders about its spot, and funding every eight hours."""
    rng = np.random.default_rng(seed)
    price = bars.closes[:, 0] * np.exp(width * rng.normal(size=len(bars.closes)))
    paid = np.arange(len(price))[bars.known_at % (8 * _HOUR) == 0]
    return PerpetualHistory(
        candles=(Candles.of_closes("BTCUSDT-PERP", bars.known_at - _HOUR, price, bar_s=_HOUR),),
        funding=(
            Funding(
                symbol="BTCUSDT-PERP",
                times_s=bars.known_at[paid],
                rate=rng.normal(size=len(paid)) * 1e-4,
            ),
        ),
    )


def test_a_long_perpetual_gains_what_its_price_does_over_the_spot_less_funding() -> None:
    found = history()
    use = use_perpetuals(found, BARS.symbols, BARS.known_at, BARS.closes)
    first, last = 100, 124
    price, spot = found.candles[0].close, BARS.closes[:, 0]
    (funding,) = found.funding
    within = (funding.times_s > BARS.known_at[first]) & (funding.times_s <= BARS.known_at[last])
    expected = np.log(price[last] / price[first]) - np.log(spot[last] / spot[first])
    assert within.sum() == 3
    assert use.carried[last, 0] - use.carried[first, 0] == pytest.approx(
        expected - funding.rate[within].sum(), abs=1e-12
    )
    assert use.missing == ("ETH",)


def test_what_comes_later_changes_nothing_that_was_known() -> None:
    whole, now = history(), 900
    before = use_perpetuals(whole, BARS.symbols, BARS.known_at[:now], BARS.closes[:now])
    (candles,), (funding,) = whole.candles, whole.funding
    price = candles.close.copy()
    price[now:] *= 2.0
    rate = np.where(funding.times_s > BARS.known_at[now - 1], 1.0, funding.rate)
    changed = PerpetualHistory(
        candles=(Candles.of_closes(candles.symbol, candles.start_s, price, bar_s=_HOUR),),
        funding=(Funding(symbol=funding.symbol, times_s=funding.times_s, rate=rate),),
    )
    after = use_perpetuals(changed, BARS.symbols, BARS.known_at[:now], BARS.closes[:now])
    np.testing.assert_array_equal(after.carried, before.carried)


def test_without_funding_of_a_time_its_basis_is_unknown() -> None:
    whole = history()
    (funding,) = whole.funding
    half = Funding(symbol=funding.symbol, times_s=funding.times_s[60:90], rate=funding.rate[60:90])
    partly = PerpetualHistory(candles=whole.candles, funding=(half,))
    known = np.isfinite(use_perpetuals(partly, BARS.symbols, BARS.known_at, BARS.closes).carried[:, 0])
    times = BARS.known_at[known]
    assert (times[0], times[-1]) == (half.times_s[0], half.times_s[-1] + 86_400)
    prices_alone = PerpetualHistory(candles=whole.candles)
    alone = use_perpetuals(prices_alone, BARS.symbols, BARS.known_at, BARS.closes).carried[:, 0]
    assert np.isfinite(alone[24:]).all()  # a day after a listing is left out by rule


def test_a_spike_of_a_perpetual_is_no_basis() -> None:
    whole = history()
    price = whole.candles[0].close.copy()
    price[500] *= 1.2
    spiked = Candles.of_closes("BTC-PERP", whole.candles[0].start_s, price, bar_s=_HOUR)
    use = use_perpetuals(PerpetualHistory(candles=(spiked,)), BARS.symbols, BARS.known_at, BARS.closes)
    assert np.isnan(use.carried[500, 0])
    assert np.nanmax(np.abs(use.carried)) < 0.02


def test_files_of_a_folder_are_told_apart_and_a_broken_one_is_none(tmp_path: Path) -> None:
    start = AS_OF - 3 * _HOUR
    (tmp_path / "perp.csv").write_text(
        "timestamp,symbol,close,mark_close\n"
        + "".join(f"{start + i * _HOUR},BTCUSDT-PERP,100,10{i}\n" for i in range(3))
    )
    (tmp_path / "paid.csv").write_text(f"timestamp,symbol,funding_rate\n{start},BTCUSDT-PERP,0.0001\n")
    found = read_perpetuals(tmp_path)
    assert found.candles[0].close.tolist() == [100.0, 101.0, 102.0]  # the mark
    assert found.funding[0].rate.tolist() == [0.0001]
    for broken in (tmp_path / "missing", tmp_path / "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        assert read_perpetuals(broken) == PerpetualHistory()


def test_a_wider_past_basis_costs_a_hedged_pair_more_and_a_lone_token_nothing() -> None:
    view = listed_view([(0, [linear(), linear(Kind.SPOT)]), (1, [linear()])])
    calm, wild = (compute(view, BARS, settings=QUICK, perpetuals=history(width=w)) for w in (0.001, 0.004))
    pair = [f.risk.pnl[:, 2] - f.risk.pnl[:, 0] for f in (calm, wild)]
    assert np.std(pair[1]) > 2 * np.std(pair[0])
    assert calm.risk.long_es[2] == wild.risk.long_es[2]
    assert calm.perpetuals is not None
    assert calm.perpetuals.missing == ("ETH",)
