"""A run's figures are checked, summed up and drawn without a chain."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from seawall.demo.history import AccountEpoch, AuctionRun, Bid, Epoch, Ledger, Outcome
from seawall.demo.report import render, write_report
from seawall.demo.settings import CAST, LOT_SIZES, DemoSettings
from seawall.demo.story import choose_window
from seawall.demo.summary import summarise
from seawall.errors import ConfigError, DataError
from seawall.market import embedded_bars

HOUR_S = 3_600
STEP_S = 8 * HOUR_S


def ledger(**changes: int) -> Ledger:
    values = {
        "vault_tokens": 100,
        "fund_tokens": 10,
        "account_claims": 90,
        "fees": 5,
        "reserve": 7,
        "deficit": 2,
        "fund_claims": 10,
    }
    return Ledger(**{**values, **changes})


def epoch(number: int, *, price: float, ratio: float, events: tuple[str, ...] = ()) -> Epoch:
    return Epoch(
        time_s=number * STEP_S,
        epoch=number,
        prices={"BTC": price, "ETH": price / 10},
        initial_ratio={"BTC": ratio, "ETH": ratio},
        lambda_bps=10_000,
        coverage=0.9,
        bidders_online=number != 2,
        accounts={"levered <long>": AccountEpoch(equity=100.0, initial=90.0, maintenance=70.0)},
        events=events,
        gas=1_000,
    )


@pytest.fixture
def outcome() -> Outcome:
    bid = Bid(
        at_s=600,
        factor=0.05,
        fraction=0.3,
        paid=95.0,
        value=100.0,
        fund_paid=1.0,
        deficit_added=0.0,
        health_after=1.2,
    )
    run = AuctionRun(
        account="levered <long>",
        time_s=2 * STEP_S,
        equity=50.0,
        maintenance=70.0,
        curve=[(0, 0.02), (600, 0.05)],
        bids=[bid],
    )
    name = "levered <long>"
    return Outcome(
        chain="eth-tester",
        first_s=STEP_S,
        last_s=3 * STEP_S,
        symbols=("BTC", "ETH"),
        epochs=(
            epoch(1, price=1_000, ratio=0.2),
            epoch(2, price=800, ratio=0.4, events=(f"{name} is called and deposits 5",)),
            epoch(3, price=900, ratio=0.3),
        ),
        auctions=(run,),
        deposited={name: 100.0},
        withdrawn={name: 0.0},
        final={name: 80.0},
        fund_before=10.0,
        fund_after=9.0,
        ledger=ledger(),
        summary=(),
        transactions=7,
        gas=10_000,
    )


def test_the_ledger_closes_when_tokens_equal_claims() -> None:
    assert ledger().difference == 0


@pytest.mark.parametrize(
    ("field", "sign"),
    [
        ("vault_tokens", 1),
        ("fund_tokens", 1),
        ("deficit", 1),
        ("account_claims", -1),
        ("fees", -1),
        ("reserve", -1),
        ("fund_claims", -1),
    ],
)
def test_a_single_wei_anywhere_shows_in_the_difference(field: str, sign: int) -> None:
    assert ledger(**{field: getattr(ledger(), field) + 1}).difference == sign


def test_the_summary_names_the_fall_the_cured_the_auctioned_and_the_payers(outcome: Outcome) -> None:
    prices, accounts, money = summarise(outcome).summary
    assert "BTC -10.0%" in prices
    assert "down to -20.0%" in prices
    assert "from 20.0% to 40.0%" in prices
    assert "cured: levered <long>" in accounts
    assert "1 slice, to 1.200" in accounts
    assert "still in auction: levered <long>" in accounts
    assert "bidders earned 5 of premium, the insurance fund paid 1" in money


def test_the_same_outcome_gives_the_same_report(outcome: Outcome) -> None:
    assert render(outcome) == render(outcome)


def test_names_in_the_report_are_escaped(outcome: Outcome) -> None:
    text = render(summarise(outcome))
    assert "levered <long>" not in text
    assert "levered &lt;long&gt;" in text


def test_a_report_without_auctions_says_so(outcome: Outcome) -> None:
    assert "Nobody was auctioned" in render(replace(outcome, auctions=()))


def test_a_report_of_a_ledger_that_does_not_close_is_marked(outcome: Outcome) -> None:
    assert '<p class="ok">' in render(outcome)
    assert '<p class="bad">' in render(replace(outcome, ledger=ledger(fees=4)))


def test_a_report_that_cannot_be_written_is_a_config_error(outcome: Outcome, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match="--report"):
        write_report(outcome, tmp_path / "file" / "report.html")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"first_s": 0}, "both --from and --to"),
        ({"first_s": 0, "last_s": 5 * HOUR_S}, "six hours"),
        ({"outage": (0.5, 0.2)}, "outage"),
        ({"symbols": ("BTC", "ETH")}, "not listed"),
    ],
)
def test_settings_that_make_no_story_are_rejected(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        DemoSettings(**changes)  # type: ignore[arg-type]


def test_everything_the_cast_trades_has_a_lot_size() -> None:
    assert {symbol for plan in CAST for symbol in plan.weights} <= LOT_SIZES.keys()


def test_the_window_is_found_around_the_worst_day_and_follows_what_is_asked() -> None:
    bars = embedded_bars()
    first, last = choose_window(bars, DemoSettings())
    assert datetime.fromtimestamp(last, UTC).year == 2018
    assert datetime.fromtimestamp(last, UTC).month in {1, 11}
    closes = bars.between(first, last).closes[:, 0]
    assert closes.min() < 0.85 * closes[0]
    asked = DemoSettings(first_s=first + HOUR_S, last_s=last)
    assert choose_window(bars, asked) == (first + HOUR_S, last)


def test_a_window_outside_the_data_names_the_dates_there_are() -> None:
    settings = DemoSettings(first_s=0, last_s=86_400)
    with pytest.raises(DataError, match=r"between 2017-\d\d-\d\d and 2019-\d\d-\d\d"):
        choose_window(embedded_bars(), settings)
