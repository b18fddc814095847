"""Bars are joint, ordered, and never known early."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from seawall.errors import DataError
from seawall.market import Bars, embedded_bars, worst_window
from seawall.market.files import read_csv


def bars_of(closes: list[list[float]], *, step_s: int = 1800) -> Bars:
    prices = np.array(closes)
    return Bars(
        symbols=tuple(f"S{i}" for i in range(prices.shape[1])),
        known_at=1_000 + step_s * np.arange(len(prices)),
        closes=prices,
        traded_value=np.ones_like(prices),
        bar_s=step_s,
    )


def test_a_bar_is_unknown_until_it_is_complete() -> None:
    bars = bars_of([[1.0], [2.0], [3.0]])
    assert len(bars.until(999).known_at) == 0
    assert bars.until(1_000).closes[-1, 0] == 1.0
    assert bars.until(1_000 + 1_799).closes[-1, 0] == 1.0
    assert bars.until(1_000 + 1_800).closes[-1, 0] == 2.0


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_a_price_that_is_not_positive_and_finite_is_refused(bad: float) -> None:
    with pytest.raises(DataError, match="positive and finite"):
        bars_of([[1.0], [bad]])


def test_times_that_do_not_increase_are_refused() -> None:
    with pytest.raises(DataError, match="increase"):
        bars_of([[1.0], [2.0]], step_s=0)


@pytest.mark.parametrize(
    "time", [str(10**30), str(-(10**18)), "1700000000000", "-1", "0001-01-01T00:00:00+23:00"]
)
def test_a_row_whose_time_is_none_is_left_out(tmp_path: Path, time: str) -> None:
    """It would be the newest, or be a million years of missing bars before the first."""
    path = tmp_path / "bars.csv"
    rows = ["1700000000,1,1", f"{time},2,1", "1700003600,3,1", "1700000000,4,1"]
    path.write_text("\n".join(["known_at,A.close,A.traded_value", *rows]))
    bars = read_csv(path)
    assert bars.closes.tolist() == [[1.0], [3.0]]
    assert bars.dropped == 2


def test_an_unknown_symbol_is_named() -> None:
    with pytest.raises(DataError, match="DOGE"):
        embedded_bars(["BTC", "DOGE"])


def test_the_worst_window_ends_its_fall_at_the_worst_joint_fall() -> None:
    closes = [[100.0, 10.0]] * 10 + [[90.0, 9.0]] + [[70.0, 8.0]] + [[95.0, 9.5]] * 10
    bars = bars_of(closes)
    first, last = worst_window(bars, ranges=[(0, 10**9)], fall_s=3_600, before_s=0, after_s=0)
    assert last == 1_000 + 1_800 * 11
    assert first == last - 3_600


def test_a_range_without_bars_is_refused() -> None:
    with pytest.raises(DataError, match="inside the data"):
        worst_window(bars_of([[1.0], [1.0]]), ranges=[(5, 6)], fall_s=1800, before_s=0, after_s=0)


def test_embedded_bars_are_known_half_an_hour_after_they_start() -> None:
    bars = embedded_bars()
    assert bars.symbols == ("BTC", "ETH", "LTC", "XRP", "EOS")
    assert bars.known_at[0] == int(datetime(2017, 10, 1, 0, 30, tzinfo=UTC).timestamp())
    assert bars.closes[0, 0] == 4386.3
    assert bars.dropped > 0


def test_unusable_rows_of_a_file_are_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_text(
        "known_at,BTC.close,BTC.traded_value\n"
        "2018-01-01T00:00:00,100,5\n1514766600,101,6\n1514766600,999,6\n1514768400,,6\n1514770200,-3,6\nlate,1,1\n"
        "1514772000,102,0\n"
    )
    bars = read_csv(path)
    assert bars.closes[:, 0].tolist() == [100.0, 101.0, 102.0]
    assert bars.dropped == 4


def test_a_file_without_a_column_names_it(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_text("known_at,BTC.close\n1,2\n")
    with pytest.raises(DataError, match=r"BTC\.traded_value"):
        read_csv(path)


def test_a_missing_file_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"keeper\.market_data"):
        read_csv(tmp_path / "absent.csv")
