from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from seawall.analysis.breakdown import break_down
from seawall.analysis.portfolio import JudgedBook, judge
from seawall.analysis.tail import scenario_names
from seawall.chain.plan import FactorsPlan
from seawall.keeper.settings import KeeperSettings
from seawall.market.embedded import embedded_bars

FACTORS = FactorsPlan()


def test_parts_of_the_tail_risk_add_up_to_a_brute_force_sort(
    judged: JudgedBook, settings: KeeperSettings
) -> None:
    found = break_down(judged, factors=FACTORS, settings=settings)
    loss, weights = -(judged.pnl @ judged.units), judged.estimate.risk.scenarios.weights
    order = np.argsort(-loss)
    before = np.cumsum(weights[order]) - weights[order]
    masses = np.clip(0.01 - before, 0, weights[order]) / 0.01
    assert sum(p.tail for p in found.positions) == pytest.approx(masses @ loss[order], rel=1e-9)
    assert sum(row.share for row in found.tail) == pytest.approx(1)
    assert sum(row.share * row.loss for row in found.tail) == pytest.approx(found.terms.shortfall, rel=1e-9)


def test_terms_stand_in_the_order_they_are_proven_to(judged: JudgedBook, settings: KeeperSettings) -> None:
    terms = break_down(judged, factors=FACTORS, settings=settings).terms
    assert terms.lanes <= terms.shortfall * (1 + 1e-9) <= terms.certified * (1 + 1e-6)
    assert terms.certified < terms.gross
    assert terms.maintenance <= terms.initial
    assert terms.initial == pytest.approx(terms.certified + terms.liquidity + terms.vega)
    assert terms.maintenance == pytest.approx(0.8 * terms.lanes)


def test_floors_and_charges_follow_the_specification(judged: JudgedBook, settings: KeeperSettings) -> None:
    terms = break_down(judged, factors=FACTORS, settings=settings).terms
    btc, eth = judged.prices
    deltas = judged.estimate.valuation.delta
    net = [abs(2 - 1.5 - 4 * deltas[0] + deltas[1]) * btc, 20 * eth]
    gross = [(1.5 + 4 + 1) * btc, 20 * eth]  # collateral is no contract
    assert terms.initial_floor == pytest.approx(0.02 * sum(net) + 0.002 * sum(gross))
    assert terms.maintenance_floor == pytest.approx(0.01 * sum(net) + 0.0007 * sum(gross))
    vega = abs(-4 * judged.estimate.valuation.vega[0]) * btc
    assert terms.vega == pytest.approx(settings.half_volatility_spread * vega)


def test_equity_counts_tokens_and_options_but_no_futures(
    judged: JudgedBook, settings: KeeperSettings
) -> None:
    found = break_down(judged, factors=FACTORS, settings=settings)
    option = judged.estimate.valuation.mark[0] * judged.prices[0]
    assert found.equity == pytest.approx(50_000 + 2 * judged.prices[0] - 4 * option)


def test_twice_the_book_has_twice_the_tail_risk(judged: JudgedBook, settings: KeeperSettings) -> None:
    one = break_down(judged, factors=FACTORS, settings=settings).terms
    double = replace(judged.book, quantities=2 * judged.book.quantities)
    two = break_down(
        judge(double, embedded_bars(), settings=settings), factors=FACTORS, settings=settings
    ).terms
    assert two.shortfall == pytest.approx(2 * one.shortfall, rel=1e-9)
    assert two.gross == pytest.approx(2 * one.gross, rel=1e-9)
    assert two.liquidity > 2 * one.liquidity  # impact grows faster than size


def test_a_scenario_is_named_by_the_hours_it_comes_from(judged: JudgedBook, settings: KeeperSettings) -> None:
    scenarios = judged.estimate.risk.scenarios
    names = scenario_names(judged, settings=settings.model)
    assert len(names) == len(scenarios.weights)
    known = dict(
        zip((np.datetime64(int(t), "s") for t in judged.bars.known_at), judged.bars.closes, strict=True)
    )
    for row in range(0, scenarios.historical, 97):
        start, stop = (np.datetime64(part.replace(" ", "T"), "s") for part in names[row].split(" to "))
        factor = scenarios.log_returns[row] / np.log(known[stop] / known[start])
        low, high = settings.model.rescale_min, settings.model.rescale_max
        assert (factor >= low - 1e-9).all()
        assert (factor <= high + 1e-9).all()
    assert "all double" in names[-18:]
