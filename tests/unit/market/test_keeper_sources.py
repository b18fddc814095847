"""A keeper reads its sources as they are at the time, and hashes the bars it computed from."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
from structlog.testing import capture_logs
from tests.support.histories import books_until
from tests.support.listings import AS_OF, QUICK, linear, listed_view, price_bars

from seawall.config import load_config
from seawall.keeper.compute import propose
from seawall.keeper.keeper import Keeper
from seawall.market.bars import Bars
from seawall.market.perpetuals import PerpetualHistory
from seawall.market.schema import Candles

BARS = price_bars(days=70)
VIEW = listed_view([(0, [linear()]), (1, [linear()])])


def keeper_of(history: Any, depth: Any = None, perpetuals: Any = None) -> Keeper:
    nothing = cast(Any, None)
    return Keeper(
        nothing,
        nothing,
        store=nothing,
        history=history,
        settings=QUICK,
        depth=depth,
        perpetuals=perpetuals,
    )


def test_what_is_proposed_names_the_bars_that_were_computed_from() -> None:
    asked: list[int] = []

    def history(time_s: int) -> Bars:
        asked.append(time_s)
        return BARS if len(asked) == 1 else BARS.until(AS_OF - 3600)  # the source says something else by then

    keeper = keeper_of(history)
    computed = keeper.compute(VIEW, time_s=AS_OF)
    proposal = keeper.propose(VIEW, computed, epoch=1)
    assert asked == [AS_OF]
    same = propose(VIEW, computed, BARS, epoch=1, settings=QUICK)
    assert proposal.manifest.inputs_hash == same.manifest.inputs_hash


def test_a_keeper_takes_liquidity_from_its_order_books() -> None:
    plain = keeper_of(lambda _: BARS).compute(VIEW, time_s=AS_OF)
    books = books_until(AS_OF, half_spread=2e-3, size=10.0)
    deep = keeper_of(lambda _: BARS, lambda: books).compute(VIEW, time_s=AS_OF)
    assert plain.depth is None
    assert deep.liquidity.half_spread[0] > plain.liquidity.half_spread[0]
    assert deep.liquidity.half_spread[1] == plain.liquidity.half_spread[1]


def test_a_keeper_takes_the_basis_from_its_perpetuals_and_commits_to_them() -> None:
    wave = BARS.closes[:, 0] * np.exp(0.01 * np.sin(np.arange(len(BARS.closes)) / 5))
    perpetual = Candles.of_closes("BTC-PERP", BARS.known_at - 3600, wave, bar_s=3600)
    keeper = keeper_of(lambda _: BARS, None, lambda: PerpetualHistory(candles=(perpetual,)))
    with capture_logs() as logs:
        computed = keeper.compute(VIEW, time_s=AS_OF)
    assert computed.perpetuals is not None
    assert [e["missing"] for e in logs if e["event"] == "basis of perpetuals assumed"] == [("ETH",)]
    plain = keeper_of(lambda _: BARS).compute(VIEW, time_s=AS_OF)
    moved = computed.risk.pnl[:, 0] - plain.risk.pnl[:, 0]
    assert float(np.std(moved)) > 0.005
    np.testing.assert_array_equal(computed.risk.pnl[:, 1], plain.risk.pnl[:, 1])
    hashes = {
        propose(VIEW, one, BARS, epoch=1, settings=QUICK).manifest.inputs_hash for one in (plain, computed)
    }
    assert len(hashes) == 2


def test_a_missing_hour_is_a_missing_row_to_the_model_and_not_none() -> None:
    there = np.arange(len(BARS.known_at)) != len(BARS.known_at) - 5
    gapped = Bars(
        symbols=BARS.symbols,
        known_at=BARS.known_at[there],
        closes=BARS.closes[there],
        traded_value=BARS.traded_value[there],
        bar_s=BARS.bar_s,
    )
    closed = Bars(
        symbols=BARS.symbols,
        known_at=BARS.known_at[1:],
        closes=gapped.closes,
        traded_value=gapped.traded_value,
        bar_s=BARS.bar_s,
    )
    found = [
        keeper_of(lambda _, b=bars: b).compute(VIEW, time_s=AS_OF).risk.sigma for bars in (gapped, closed)
    ]
    assert (found[0] < found[1]).all()  # a move of two hours is not one of an hour


def test_paths_of_sources_are_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    path = tmp_path / "seawall.yaml"
    path.write_text("keeper:\n  market_data: sources\n  depth_data: books.csv\n  perpetual_data: perps\n")
    config = load_config(path, environment={})
    assert config.keeper.market_data == tmp_path / "sources"
    assert config.keeper.depth_data == tmp_path / "books.csv"
    assert config.keeper.perpetual_data == tmp_path / "perps"
