"""Bars are known when they are complete; files that are missing or broken are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seawall.backtest.data import BAR_S, Series, joint_closes, read_history
from seawall.errors import DataError

FIRST = pd.Timestamp("2020-01-01", tz="UTC")


def bars(symbol: str, hours: int, **changed: object) -> pd.DataFrame:
    columns = {
        "timestamp": FIRST + pd.to_timedelta(np.arange(hours), unit="h"),
        "close": 100.0 + np.arange(hours),
        "symbol": symbol,
    }
    return pd.DataFrame({**columns, **changed})


def spot(folder: Path, table: pd.DataFrame, name: str = "binance_spot_1h_X.parquet") -> Path:
    table.to_parquet(folder / name)
    return folder


def test_a_bar_is_known_once_it_is_complete(tmp_path: Path) -> None:
    history = read_history(spot(tmp_path, bars("BTCUSDT", 60)))
    series = history.spot["BTC"]
    # The first day after the listing is dropped; the bar that starts at hour 24 is known at hour 25.
    assert series.first_s == int(FIRST.timestamp()) + 25 * BAR_S
    assert series.values[0] == 124.0
    assert series.at(np.array([series.first_s + 3 * BAR_S])) == 127.0
    assert np.isnan(series.at(np.array([series.first_s - BAR_S, series.last_s + BAR_S]))).all()


def test_missing_hours_stay_missing(tmp_path: Path) -> None:
    table = bars("BTCUSDT", 60).drop(index=[40, 41])
    series = read_history(spot(tmp_path, table)).spot["BTC"]
    assert np.flatnonzero(np.isnan(series.values)).tolist() == [16, 17]


def test_the_digest_says_whether_the_data_changed(tmp_path: Path) -> None:
    one = read_history(spot(tmp_path, bars("BTCUSDT", 60))).digest
    assert read_history(tmp_path).digest == one
    assert read_history(spot(tmp_path, bars("BTCUSDT", 61))).digest != one


def test_a_value_is_carried_for_so_long_and_no_longer() -> None:
    series = Series(symbol="X", first_s=0, values=np.array([1.0, np.nan, np.nan, np.nan]))
    found = series.carried(BAR_S * np.array([-1, 0, 1, 2, 3, 9]), bars=2)
    np.testing.assert_array_equal(found, [np.nan, 1.0, 1.0, 1.0, np.nan, np.nan])


def test_joint_closes_miss_what_one_symbol_misses(tmp_path: Path) -> None:
    both = pd.concat([bars("BTCUSDT", 80), bars("ETHUSDT", 90).iloc[10:].drop(index=[50])])
    first_s, closes = joint_closes(read_history(spot(tmp_path, both)), ("BTC", "ETH"))
    assert first_s == int(FIRST.timestamp()) + 35 * BAR_S
    assert closes.shape == (46, 2)
    assert np.isnan(closes[16]).all()
    assert np.isfinite(np.delete(closes, 16, axis=0)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"close": 0.0}, "not positive and finite"),
        ({"timestamp": FIRST}, "repeated or not whole hours|say how long"),
        ({"timestamp": FIRST + pd.to_timedelta(np.arange(60) * 3600 + 7, unit="s")}, "not whole hours"),
        ({"timestamp": FIRST + pd.to_timedelta(np.arange(60) * 60, unit="s")}, "60 s long"),
    ],
)
def test_malformed_bars_are_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_history(spot(tmp_path, bars("BTCUSDT", 60, **change)))


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no folder .*Fix: --data"):
        read_history(tmp_path / "nowhere")
    with pytest.raises(DataError, match="holds no binance_spot_1h"):
        read_history(tmp_path)
    (tmp_path / "binance_spot_1h_X.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(DataError, match=r"binance_spot_1h_X\.parquet"):
        read_history(tmp_path)
    spot(tmp_path, bars("BTCUSDT", 60).drop(columns="close"))
    with pytest.raises(DataError, match="close"):
        read_history(tmp_path)


def test_a_symbol_in_two_files_is_named(tmp_path: Path) -> None:
    spot(tmp_path, bars("BTCUSDT", 60))
    spot(tmp_path, bars("BTCUSDT", 60), "binance_spot_1h_Y.parquet")
    with pytest.raises(DataError, match="repeats BTCUSDT"):
        read_history(tmp_path)


def test_what_a_file_gives_at_the_side_is_read(tmp_path: Path) -> None:
    spot(tmp_path, bars("BTCUSDT", 60))
    index = bars("DVOL_BTC", 60)
    index.to_parquet(tmp_path / "dvol_btc_1h.parquet")
    perpetual = bars("BTCUSDT-PERP", 60).rename(columns={"close": "mark_close"})
    perpetual.loc[:4, "mark_close"] = np.nan
    perpetual.to_parquet(tmp_path / "binance_perp_1h.parquet")
    paid = pd.DataFrame(
        {
            "timestamp": FIRST + pd.to_timedelta([8, 16], unit="h"),
            "funding_rate": [0.001, -0.002],
            "symbol": "BTCUSDT-PERP",
        }
    )
    paid.to_parquet(tmp_path / "binance_funding.parquet")
    history = read_history(tmp_path)
    start = int(FIRST.timestamp())
    assert (
        history.implied["BTC"].at(np.array([start + BAR_S])) == 1.0
    )  # 100 points, known at the end of the bar
    assert history.marks["BTC"].first_s == start + 6 * BAR_S
    hours = start + BAR_S * np.arange(7, 18)
    np.testing.assert_array_equal(
        np.nan_to_num(history.funding["BTC"].at(hours)), [0, 0.001, *[0] * 7, -0.002, 0]
    )
