"""Tables, choice, promises and report from a whole run on a drawn market."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seawall.backtest.coverage import Side, breaches_in_crises, coverage_table
from seawall.backtest.data import History, Series
from seawall.backtest.methods import chosen, methods_of, read_variants, variant_methods
from seawall.backtest.multiples import multiples_table
from seawall.backtest.regimes import regime_of
from seawall.backtest.report import render
from seawall.backtest.run import Results, run_backtest
from seawall.backtest.settings import CRISES, BacktestSettings
from seawall.backtest.targets import judge
from seawall.errors import ConfigError
from seawall.margin.settings import ModelSettings
from seawall.margin.tails import TailSettings

Make = Callable[..., History]
NAMES = ("seawall", "static", "historical-var", "plain-fhs", "span-16", "deribit-grid")


@pytest.fixture(scope="module")
def variants(short_model: ModelSettings) -> dict[str, tuple[str, ModelSettings]]:
    return {
        "plain": ("the model", short_model),
        "loud": ("the same in another unit", replace(short_model, move_scale=3.0)),
        "jumpy": ("fast only", replace(short_model, fast_weights=(1.0,), slow_weights=(0.0,))),
    }


@pytest.fixture(scope="module")
def results(
    market: Make,
    short_settings: BacktestSettings,
    variants: dict[str, tuple[str, ModelSettings]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Results:
    return run_backtest(
        market("BTC", "ETH", "SOL"),
        short_settings,
        out=tmp_path_factory.mktemp("out"),
        methods=chosen(NAMES, methods_of(short_settings)),
        variants=variant_methods(variants),
        jobs=1,
        progress=lambda *_: None,
    )


def test_tables_hold_every_method_symbol_and_side(results: Results) -> None:
    coverage = results.tables["coverage"]
    assert len(coverage) == len(NAMES) * 3 * 2
    assert coverage["breach_rate"].between(0, 1).all()
    model = coverage[coverage["method"] == "seawall"]
    assert np.isfinite(model[["kupiec_p_median", "independence_p_median", "z2_median"]]).all(axis=None)
    assert coverage[coverage["method"] == "deribit-grid"]["kupiec_p_median"].isna().all()


def test_a_constant_margin_costs_what_the_best_constant_margin_costs(results: Results) -> None:
    cost = results.tables["cost"]
    constant = cost[cost["method"].isin(["static", "deribit-grid"])]
    assert constant["cost_0.05"].tolist() == pytest.approx([1.0] * len(constant))
    assert (constant["peak_to_trough"] == 1.0).all()


def test_years_and_regimes_add_up(results: Results) -> None:
    windows = results.tables["coverage"].groupby("method")["windows"].sum()
    for name in ("years", "regimes"):
        parts = results.tables[name].groupby("method")["windows"].sum()
        pd.testing.assert_series_equal(parts, windows, check_names=False)


def test_the_choice_depends_on_the_first_part_alone(
    results: Results, short_settings: BacktestSettings
) -> None:
    from seawall.backtest.selection import select_variant

    assert results.selection is not None
    names = ["variant:plain", "variant:loud", "variant:jumpy"]
    end = short_settings.selection_end_s

    def disturbed(side: Side) -> Side:
        noise = np.random.default_rng(1).random(len(side.loss))
        return replace(side, loss=np.where(side.times_s >= end, 5.0 * noise, side.loss))

    other = {name: [disturbed(side) for side in sides] for name, sides in results.choice.items()}
    again = select_variant(names, other, short_settings)
    assert again.chosen == results.selection.chosen
    pd.testing.assert_frame_equal(again.before, results.selection.before)
    assert not again.after.equals(results.selection.after)


def test_variants_are_compared_at_more_hours_before_the_choice_than_after_it(
    results: Results, short_settings: BacktestSettings
) -> None:
    end = short_settings.selection_end_s
    for name in ("variant:plain", "plain-fhs"):
        for side in results.choice[name]:
            early = side.times_s < end
            assert set(side.phases[early]) == set(short_settings.selection_phases_h)
            assert set(side.phases[~early]) == set(short_settings.phases_h)


def test_multiples_are_of_moves_before_the_first_window(
    market: Make, short_settings: BacktestSettings
) -> None:
    late = replace(short_settings, first_s=short_settings.first_s + 80 * 86_400)
    history = market("BTC", "ETH")
    found = multiples_table(history, late)
    assert list(found["symbol"]) == ["BTC", "ETH", "pooled"]
    assert (found["falls"] > 0).all()
    pooled = found.set_index("symbol").loc["pooled"]
    assert pooled["moves"] == found["moves"][:2].sum()

    def later(series: Series) -> Series:
        known = series.first_s + 3600 * np.arange(len(series.values)) <= late.first_s
        return replace(series, values=np.where(known, series.values, 3.0 * series.values))

    other = replace(history, spot={name: later(series) for name, series in history.spot.items()})
    pd.testing.assert_frame_equal(multiples_table(other, late), found)
    assert not len(multiples_table(history, short_settings))


def test_a_variant_in_another_unit_scores_no_better(results: Results) -> None:
    assert results.selection is not None
    scores = results.selection.before.set_index("method")
    assert scores.loc["variant:loud", "score"] == pytest.approx(
        scores.loc["variant:plain", "score"], rel=0.15
    )
    best = scores.drop(index="plain-fhs").sort_values(["missed", "score"]).index[0]
    assert results.selection.chosen == best


def test_a_choice_needs_its_reference(
    market: Make,
    short_settings: BacktestSettings,
    variants: dict[str, tuple[str, ModelSettings]],
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigError, match="needs the method plain-fhs"):
        run_backtest(
            market("BTC"),
            short_settings,
            out=tmp_path,
            methods=chosen(["static"], methods_of(short_settings)),
            variants=variant_methods(variants),
            parts=["legs"],
            progress=lambda *_: None,
        )


def side_with(loss: np.ndarray, times_s: np.ndarray, margin: float = 0.1) -> Side:
    return Side(
        method="seawall",
        symbol="BTC",
        side="long",
        times_s=times_s,
        loss=loss,
        margin=np.full(len(loss), margin),
        at_risk=np.full(len(loss), margin / 2),
        is_shortfall=True,
    )


def test_breaches_in_a_crisis_are_counted_phase_by_phase() -> None:
    first = CRISES[0].first_s
    times = first + 86_400 * np.repeat(np.arange(-2, 10), 2) + np.tile([0, 43_200], 12)
    loss = np.zeros(24)
    loss[[0, 4, 5, 7, 9]] = 0.2  # the first before the crisis; then once at midnight, three times at noon
    table = breaches_in_crises([side_with(loss, times)])
    row = table[table["crisis"] == CRISES[0].name].iloc[0]
    assert (row["breaches"], row["phase_h"]) == (3, 12)


def test_coverage_counts_by_hand(short_settings: BacktestSettings) -> None:
    times = short_settings.first_s + 86_400 * np.arange(200)
    loss = np.full(200, -0.01)
    loss[[10, 50, 90, 130]] = 0.15, 0.07, 0.1, 0.101  # the third is as large as the margin: no breach
    row = coverage_table([side_with(loss, times)], short_settings).iloc[0]
    assert row["breach_rate"] == pytest.approx(2 / 200)
    assert row["var_hit_rate"] == pytest.approx(4 / 200)
    assert row["loss_beyond_given_breach"] == pytest.approx((0.05 + 0.001) / 2)
    assert row["largest_loss_over_margin"] == pytest.approx(1.5)
    assert row["z2_median"] == pytest.approx(1 - (1.5 + 0.7 + 1.0 + 1.01) / (200 * 0.01))


def test_regimes_are_crises_and_the_halves_of_the_rest() -> None:
    hours = 24 * 200
    first_s = CRISES[0].first_s - 100 * 86_400
    rng = np.random.default_rng(2)
    size = np.where(np.arange(hours) < hours * 3 // 4, 0.002, 0.01)
    closes = 100 * np.exp(np.cumsum(size * rng.standard_normal(hours)))
    history = History(spot={"BTC": Series(symbol="BTC", first_s=first_s, values=closes)})
    times = first_s + 86_400 * np.arange(40, 190)
    found = np.array(regime_of(times, history))
    inside = (times >= CRISES[0].first_s) & (times < CRISES[0].last_s)
    assert inside.any()
    assert set(found[inside]) == {"crisis"}
    assert set(found[~inside]) == {"volatile", "calm"}
    assert set(found[times > first_s + 86_400 * 175]) == {
        "volatile"
    }  # of these the month was mostly volatile


def test_a_promise_that_is_missed_says_so() -> None:
    coverage = pd.DataFrame(
        {"method": "seawall", "symbol": ["A", "B"], "side": "long", "breach_rate": [0.001, 0.02]}
    )
    summary = pd.DataFrame(
        {"method": ["seawall", "plain-fhs"], "rise_5d": [2.0, 3.0], "peak_to_trough": [4.0, 5.0]}
        | {
            f"{kind}_{rate}": [0.85, 1.0]
            for kind in ("cost", "shortfall")
            for rate in ("0.01", "0.005", "0.002")
        }
    )
    tables = {"coverage": coverage, "cost_summary": summary, "cost_implied": pd.DataFrame({"method": []})}
    found = {t.name: t for t in judge(tables, BacktestSettings())}
    worst = found["breaches at face value, worst symbol and side"]
    assert (worst.met, worst.detail) == (False, "B long")
    assert found["cost at 1.0% breaches over static"].met
    assert not found["shortfall at 1.0% breaches over static"].met
    assert found["5-day rise over that of plain simulation"].measured == pytest.approx(2 / 3)
    assert not found["peak-to-trough"].met


def test_the_report_needs_nothing_else_and_says_what_was_missed(results: Results) -> None:
    page = render(results)
    assert page == render(results)
    assert not re.search(r"<script|<link|src=|@import|url\((?!#)", page)
    assert not re.search(r'href="(?!#)', page)
    assert page.count("<svg") >= 6
    for target in results.targets:
        assert target.name in page
    assert page.count('class="bad">missed') == sum(not t.met for t in results.targets)
    assert results.selection is not None
    assert results.selection.chosen in page


def test_variants_are_read_with_their_settings(tmp_path: Path) -> None:
    path = tmp_path / "variants.yaml"
    path.write_text(
        json.dumps(
            {
                "calm": {
                    "description": "slow",
                    "settings": {
                        "fast_cap": 1.5,
                        "slow_half_lives_h": [900.0],
                        "slow_weights": [0.3],
                        "tails": {"strength": 0.25},
                    },
                }
            }
        )
    )
    text, settings = read_variants(path)["calm"]
    assert (text, settings.fast_cap, settings.slow_half_lives_h) == ("slow", 1.5, (900.0,))
    assert settings.tails == TailSettings(strength=0.25)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no variant"),
        ("a: [", "cannot read variants"),
        ("a: {description: x, settings: {no_such: 1}}", "variant a .*no_such"),
        ("a: {description: x, settings: {tails: {no_such: 1}}}", "variant a .*no_such"),
        ("a: {description: x, settings: {fast_cap: -1}}", "variant a .*must be positive"),
        ("a: {settings: {}}", "variant a .*description"),
        ("a: 3", "variant a"),
    ],
)
def test_malformed_variants_are_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "variants.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message):
        read_variants(path)


def test_unknown_methods_and_parts_are_named(
    short_settings: BacktestSettings, market: Make, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"no method magic.*choose from seawall"):
        chosen(["magic"], methods_of(short_settings))
    with pytest.raises(ConfigError, match=r"no part luck.*choose from legs"):
        run_backtest(
            market("BTC"),
            short_settings,
            out=tmp_path,
            methods=(),
            parts=["luck"],
            progress=lambda *_: None,
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"last_s": 0}, "less than two days"),
        ({"phases_h": ()}, "hours of the day"),
        ({"book_phases_h": (24,)}, "hours of the day"),
        ({"rates": (0.0,)}, "strictly between 0 and 1"),
        ({"history_days": 1}, "minimum_history_days"),
        ({"tier_notional": 0.0}, "must be positive"),
    ],
)
def test_settings_that_make_no_sense_are_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(BacktestSettings(), **change)  # type: ignore[arg-type]
