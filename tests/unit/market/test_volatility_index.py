"""Deribit's index of volatility on loopback: page after page, and what is made of bad answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs
from tests.support.exchanges import NOW_S, LoopbackExchange, deribit

from seawall.errors import ConfigError, DataError, RpcError
from seawall.market.exchange import Exchange
from seawall.market.exchange_settings import ExchangeSettings
from seawall.market.implied import ImpliedSettings
from seawall.market.implied_files import read_implied_volatilities
from seawall.market.recording import record_candles
from seawall.market.volatility_index import volatility_index

HOUR_S = 3600


@pytest.fixture
def served() -> Iterator[LoopbackExchange]:
    with deribit() as exchange:
        yield exchange


def opened(served: LoopbackExchange, **changes: object) -> Exchange:
    values: dict[str, object] = {
        "name": "deribit",
        "urls": {"rest": served.url},
        "first_wait_s": 0.0,
        "least_wait_ms": 1,
    }
    return Exchange(ExchangeSettings(**{**values, **changes}))  # type: ignore[arg-type]


def test_an_index_is_read_back_page_after_page_without_a_bar_twice_or_missing(
    served: LoopbackExchange,
) -> None:
    first_s = NOW_S - 50 * HOUR_S
    pages: list[int] = []
    found = volatility_index(
        opened(served), "BTC", bar_s=HOUR_S, first_s=first_s, last_s=NOW_S, on_page=pages.append
    )
    assert found.symbol == "DVOL_BTC"
    assert found.start_s.tolist() == list(range(first_s, NOW_S, HOUR_S))
    assert found.close == pytest.approx([50.5 + t // HOUR_S % 10 for t in found.start_s.tolist()])
    assert (found.high - found.low == 2).all()
    assert len(pages) == 2
    asked = {"currency": "BTC", "resolution": "3600", "start_timestamp": str(first_s * 1000)}
    assert [path for path, _ in served.asked] == ["/api/v2/public/get_volatility_index_data"] * 3
    assert served.asked[0][1] == asked | {"end_timestamp": str(NOW_S * 1000 - 1)}


def test_days_have_a_resolution_of_their_own(served: LoopbackExchange) -> None:
    day = 86_400
    found = volatility_index(opened(served), "ETH", bar_s=day, first_s=NOW_S - 3 * day, last_s=NOW_S)
    assert len(found.start_s) == 3
    assert served.asked[0][1]["resolution"] == "1D"


def test_what_is_recorded_is_a_level_a_keeper_follows(served: LoopbackExchange, tmp_path: Path) -> None:
    path = tmp_path / "dvol.csv"
    found = volatility_index(
        opened(served), "BTC", bar_s=HOUR_S, first_s=NOW_S - 5 * HOUR_S, last_s=NOW_S + HOUR_S
    )
    assert record_candles(path, found, now_s=NOW_S) == 5  # the sixth is not complete
    quotes = read_implied_volatilities(path)
    times = np.array([NOW_S - 1, NOW_S])
    level = quotes.levels("BTC", 30.0, times, settings=ImpliedSettings(move_per_h=10))[0]
    assert level == pytest.approx(found.close[[3, 4]] / 100)
    other = tmp_path / "quotes.csv"
    other.write_text(f"observed_at,underlying,tenor_days,volatility\n{NOW_S},BTC,30,0.5\n")
    assert (
        read_implied_volatilities(other).levels("BTC", 30.0, times, settings=ImpliedSettings())[0][1] == 0.5
    )
    with pytest.raises(DataError, match="cannot read"):
        read_implied_volatilities(tmp_path / "missing.csv")


def test_candles_out_of_bounds_are_left_out_and_said(served: LoopbackExchange) -> None:
    starts = [1000 * (NOW_S - i * HOUR_S) for i in (1, 2, 3, 4)]
    rows = [[starts[0], 50, 51, 49, 50], [starts[1], 0.5, 51, 0.5, 50], [starts[2], 50, 900, 50, 50]]
    rows += [[starts[3], 40, 41, 39, 40], [starts[0], 50, 51, 49, 50]]
    served.faults = [json.dumps({"result": {"data": rows, "continuation": None}})]
    with capture_logs() as logs:
        found = volatility_index(
            opened(served), "SOL", bar_s=HOUR_S, first_s=NOW_S - 9 * HOUR_S, last_s=NOW_S
        )
    assert found.close.tolist() == [40, 50]
    assert [(entry["rule"], entry["count"]) for entry in logs] == [("bad price", 2)]


@pytest.mark.parametrize(
    "answer",
    [
        "{}",
        '{"result": {"data": [["x", 1, 2, 3, 4]]}}',
        '{"result": {"data": [[1, 2]]}}',
        '{"result": {"data": 3}}',
        "<html>busy</html>",
    ],
)
def test_an_answer_that_is_none_is_an_error_of_data(served: LoopbackExchange, answer: str) -> None:
    served.faults = [answer]
    with pytest.raises(DataError, match="volatility index"):
        volatility_index(opened(served), "BTC", bar_s=HOUR_S, first_s=NOW_S - HOUR_S, last_s=NOW_S)


def test_a_continuation_that_leads_nowhere_ends(served: LoopbackExchange) -> None:
    stuck = json.dumps({"result": {"data": [], "continuation": NOW_S * 1000}})
    served.faults = [stuck, stuck]
    found = volatility_index(opened(served), "BTC", bar_s=HOUR_S, first_s=NOW_S - HOUR_S, last_s=NOW_S)
    assert not len(found.start_s)
    assert len(served.asked) == 1


def test_silence_and_what_there_is_not_are_said(served: LoopbackExchange) -> None:
    served.faults = [503] * 2
    with pytest.raises(RpcError, match="deribit did not answer for volatility index"):
        volatility_index(opened(served, attempts=2), "BTC", bar_s=HOUR_S, first_s=0, last_s=HOUR_S)
    with pytest.raises(ConfigError, match="no bars of 300 s"):
        volatility_index(opened(served), "BTC", bar_s=300, first_s=0, last_s=HOUR_S)
    binance = Exchange(ExchangeSettings(name="binance"))
    with pytest.raises(ConfigError, match="binance has no index"):
        volatility_index(binance, "BTC", bar_s=HOUR_S, first_s=0, last_s=HOUR_S)
