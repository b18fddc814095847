"""Recording for a while: what every round adds, what goes on where it ended, and what stops it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs
from tests.support.exchanges import NOW_S, LoopbackExchange, deribit

import seawall.market.recorder as recorder
from seawall.cli import main
from seawall.errors import ConfigError, DataError, RpcError
from seawall.market.exchange import Exchange
from seawall.market.exchange_settings import ExchangeSettings
from seawall.market.readers import (
    read_candles,
    read_funding,
    read_options,
    read_order_books,
    read_volatility_index,
)
from seawall.market.recorder import RecordSettings, record_for

HOUR_S = 3600
PERPETUAL = "BTC/USD:BTC"


@pytest.fixture
def served() -> Iterator[LoopbackExchange]:
    with deribit() as exchange:
        yield exchange


def opened(served: LoopbackExchange) -> Exchange:
    return Exchange(
        ExchangeSettings(
            name="deribit",
            markets={"currency": "BTC"},
            urls={"rest": served.url},
            first_wait_s=0.0,
            least_wait_ms=1,
            attempts=1,
        )
    )


class Clock:
    """A time that waits move."""

    def __init__(self) -> None:
        self.now = float(NOW_S)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def run(served: LoopbackExchange, settings: RecordSettings) -> tuple[int, list[tuple[int, int, str]]]:
    clock, told = Clock(), list[tuple[int, int, str]]()
    rows = record_for(
        opened(served),
        settings,
        progress=lambda *said: told.append(said),
        clock=clock,
        sleep=clock.sleep,
    )
    return rows, told


@pytest.mark.parametrize("kind", ["candles", "funding", "index"])
def test_what_has_a_history_goes_on_where_the_file_ends(
    served: LoopbackExchange, tmp_path: Path, kind: recorder.Kind
) -> None:
    path = tmp_path / "recorded.csv"
    symbol = "BTC" if kind == "index" else PERPETUAL
    settings = RecordSettings(
        kind=kind, symbol=symbol, path=path, back_s=5 * HOUR_S, every_s=HOUR_S / 2, lasting_s=3 * HOUR_S
    )
    rows, told = run(served, settings)
    assert [done for done, _, _ in told] == list(range(1, 8))
    assert told[1][2].startswith("0 rows")  # half an hour later no other bar is complete
    if kind == "funding":
        times = read_funding(path)[0].times_s
    else:
        (candles,) = read_candles(path)
        times = candles.start_s
        assert times[-1] == NOW_S + 2 * HOUR_S
    assert len(times) == rows == 5 + 3 + (kind == "funding")  # a payment is known when it is made
    assert (np.diff(times) == HOUR_S).all()
    later = replace(settings, lasting_s=0.0)
    clock = Clock()
    clock.now += 10 * HOUR_S
    assert record_for(opened(served), later, progress=lambda *_: None, clock=clock) == 7
    if kind == "index":
        assert ("BTC", 30.0) in read_volatility_index(path).tracks


def test_books_and_options_are_recorded_every_round_as_they_are(
    served: LoopbackExchange, tmp_path: Path
) -> None:
    books, chains = tmp_path / "books.csv", tmp_path / "chains.csv"
    settings = RecordSettings(kind="books", symbol=PERPETUAL, path=books, levels=5, lasting_s=600)
    assert run(served, settings)[0] == 10
    (book,) = read_order_books(books)  # three rounds of one moment
    assert len(book.bids) == 5
    exchange = opened(served)
    assert run(served, RecordSettings(kind="options", symbol="BTC", path=chains, lasting_s=600))[0] == 8
    (found,), whole = read_options(chains), exchange.option_chain("BTC")
    for name in ("times_s", "expiry_s", "strike", "is_call", "forward", "bid", "mark_iv", "open_interest"):
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name), err_msg=name)


def test_a_round_that_is_not_answered_is_passed_and_made_up_for(
    served: LoopbackExchange, tmp_path: Path
) -> None:
    settings = RecordSettings(
        kind="index",
        symbol="BTC",
        path=tmp_path / "i.csv",
        back_s=4 * HOUR_S,
        every_s=HOUR_S,
        lasting_s=3 * HOUR_S,
    )
    empty = json.dumps({"result": {"data": [], "continuation": None}})
    served.faults = [empty, 503, 503]
    with capture_logs() as logs:
        rows, told = run(served, settings)
    assert rows == 4  # of the hours since, all are there in the last round
    assert [said for _, _, said in told][1:3] == ["not answered"] * 2
    assert sum(entry["event"] == "nothing recorded" for entry in logs) == 2
    served.faults = [503] * 4
    with pytest.raises(RpcError):
        run(served, replace(settings, path=tmp_path / "new.csv"))


def test_settings_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    good = {"kind": "candles", "symbol": "BTC/USD", "path": tmp_path / "c.csv"}
    for wrong in ({"kind": "ticks"}, {"symbol": ""}, {"every_s": 0.0}, {"lasting_s": -1.0}, {"levels": 0}):
        with pytest.raises(ConfigError):
            RecordSettings(**{**good, **wrong})  # type: ignore[arg-type]


def test_a_file_of_parquet_or_of_something_else_is_left_alone(
    served: LoopbackExchange, tmp_path: Path
) -> None:
    parquet = RecordSettings(kind="index", symbol="BTC", path=tmp_path / "c.parquet")
    with pytest.raises(DataError, match=r"record to a \.csv file"):
        run(served, parquet)
    other = tmp_path / "funding.csv"
    other.write_text("timestamp,funding_rate,symbol\n1,0.1,BTC\n")
    with pytest.raises(DataError, match="has the columns timestamp,funding_rate,symbol"):
        run(served, RecordSettings(kind="index", symbol="BTC", path=other))
    assert other.read_text().count("\n") == 2


def test_the_command_records_and_says_what_it_did(
    served: LoopbackExchange, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "dvol.csv"
    given = ["record", "index", "BTC", "--out", str(path), "--url", f"rest={served.url}"]
    assert main([*given, "--every", "0.2", "--for", "0.2", "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {"file": str(path), "rounds": 2, "rows": 24}
    assert "2/2 rounds" in shown.err
    assert len(read_candles(path)[0].start_s) == 24


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ticks", "BTC", "--out", "x.csv"], "'ticks' is not one of"),
        (["index", "BTC"], "Missing option '--out'"),
        (["index", "BTC", "--out", "nowhere/x.csv"], "there is no folder"),
        (["index", "BTC", "--out", "."], "is a folder"),
        (["index", "BTC", "--out", "x.parquet"], "record to a .csv file"),
        (["index", "BTC", "--out", "x.csv", "--url", "rest"], "--url rest is not NAME=VALUE"),
        (["index", "BTC", "--out", "x.csv", "--exchange", "nowhere"], "no exchange 'nowhere'"),
        (["index", "BTC", "--out", "x.csv", "--exchange", "binance"], "binance has no index"),
        (["index", "BTC", "--out", "x.csv", "--bar", "7"], "no bars of 7 s"),
        (["index", "BTC", "--out", "x.csv", "--every", "0"], "0.0 is not in the range"),
    ],
)
def test_what_cannot_be_recorded_is_one_line_with_the_fix(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["record", *arguments]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("error:") == 1
    assert "Fix:" in said
