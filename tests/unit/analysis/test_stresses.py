from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seawall.analysis.portfolio import JudgedBook
from seawall.analysis.stresses import (
    Scenario,
    named_scenarios,
    past_scenarios,
    read_scenarios,
    stress_book,
)
from seawall.errors import InputError
from seawall.keeper.settings import KeeperSettings
from seawall.margin.stress import STRESS_ROWS


def test_linear_positions_lose_what_their_spot_does(judged: JudgedBook, settings: KeeperSettings) -> None:
    named = named_scenarios(judged, settings=settings)
    btc, eth = judged.prices
    for row, result in zip(STRESS_ROWS, stress_book(judged, named, settings=settings), strict=False):
        token, perpetual, ether = result.by_position[:3]
        assert token == pytest.approx(2 * btc * row.major)
        assert perpetual == pytest.approx(-1.5 * btc * row.major)
        assert ether == pytest.approx(-20 * eth * row.large)
        assert result.pnl == pytest.approx(sum(result.by_position))


def test_an_option_sold_gains_from_time_alone_and_loses_from_volatility(
    judged: JudgedBook, settings: KeeperSettings
) -> None:
    still = np.zeros(2)
    calm, wild = (
        Scenario(name=str(vol), kind="own", log_returns=still, volatility=np.full(2, vol))
        for vol in (0.0, 0.7)
    )
    quiet, shaken = stress_book(judged, [calm, wild], settings=settings)
    assert 0 < quiet.by_position[3] < 300  # a day's decay of four calls that expire in three months
    assert shaken.by_position[3] < -1_000
    assert quiet.by_position[:3] == (0, 0, 0)


def test_past_days_are_the_worst_that_do_not_overlap(judged: JudgedBook, settings: KeeperSettings) -> None:
    found = past_scenarios(judged, settings=settings, worst=4)
    results = [r.pnl for r in stress_book(judged, found, settings=settings)]
    assert results == sorted(results)
    starts = np.array([np.datetime64(s.name.split(",")[0].replace(" ", "T")) for s in found])
    gaps = np.abs(starts[:, None] - starts[None, :])[~np.eye(4, dtype=bool)]
    assert gaps.min() >= np.timedelta64(24, "h")
    (_, closes), horizon = judged.bars.gridded(), 48
    every = np.log(closes[horizon:] / closes[:-horizon])
    worst = min(
        r.pnl
        for r in stress_book(
            judged,
            [
                Scenario(name="", kind="", log_returns=row, volatility=found[0].volatility)
                for row in every[np.abs(every - found[0].log_returns).sum(axis=1) < 1e-12]
            ],
            settings=settings,
        )
    )
    assert worst == pytest.approx(results[0])
    assert past_scenarios(judged, settings=settings, worst=0) == []


def test_scenarios_of_a_file_move_what_they_name(
    tmp_path: Path, judged: JudgedBook, settings: KeeperSettings
) -> None:
    path = tmp_path / "scenarios.yaml"
    path.write_text(
        "scenarios:\n"
        "  - {name: Ether alone, moves: {ETH: -0.4, DOGE: -0.9}, volatility: {ETH: 0.5}}\n"
        "  - {name: calm, moves: {}, volatility: -0.5}\n"
        "  - {name: by rule, moves: {BTC: -0.3}}\n",
        encoding="utf-8",
    )
    alone, calm, rule = read_scenarios(path, symbols=judged.bars.symbols, model=settings.model)
    assert np.expm1(alone.log_returns) == pytest.approx([0, -0.4])
    assert np.expm1(alone.volatility) == pytest.approx([0, 0.5])
    assert np.expm1(calm.volatility) == pytest.approx([-0.5, -0.5])
    assert rule.volatility[0] > 0.2
    assert rule.volatility[1] == 0
    assert stress_book(judged, [alone], settings=settings)[0].pnl == pytest.approx(
        0.4 * 20 * judged.prices[1] + sum(stress_book(judged, [alone], settings=settings)[0].by_position[3:])
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "lists no scenarios"),
        ("scenarios: []", "lists no scenarios"),
        ("scenarios: [{moves: {}}]", "a name at least"),
        ("scenarios: [{name: a, move: {}}]", "a name at least"),
        ("scenarios: [{name: a, moves: {BTC: -1}}]", "moves of a: BTC is -1"),
        ("scenarios: [{name: a, moves: {BTC: half}}]", "BTC is half"),
        ("scenarios: [{name: a, volatility: -1}]", "volatility of a"),
        ("scenarios: [", "cannot read the scenarios"),
    ],
)
def test_a_bad_file_of_scenarios_is_refused(
    tmp_path: Path, text: str, message: str, settings: KeeperSettings
) -> None:
    path = tmp_path / "scenarios.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_scenarios(path, symbols=("BTC", "ETH"), model=settings.model)
