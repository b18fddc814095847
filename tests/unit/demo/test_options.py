"""The story with options: what is listed and who trades it, and what its figures look like, without a chain."""

from __future__ import annotations

from dataclasses import fields, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from seawall.demo.dated import DatedPlan, LegPlan, listed_instruments
from seawall.demo.history import AccountEpoch, Epoch, Ledger, OptionOutcome, Outcome, Saving, Settled
from seawall.demo.options import HEDGED, OPTION_CAST, book_ratios, option_settings
from seawall.demo.report import render
from seawall.demo.run import option_lines
from seawall.demo.settings import CAST, DemoSettings
from seawall.demo.story import choose_window
from seawall.demo.summary import summarise
from seawall.errors import ConfigError
from seawall.market import embedded_bars

HOUR_S = 3_600
LAST_S = 1_000 * HOUR_S
SPOT = 1_000.0
SHIFT = 5


@pytest.fixture
def plan() -> DatedPlan:
    return DatedPlan(moneyness=(0.9, 1.0, 1.1), before_end_h=3, days=(7, 30))


def test_an_option_stands_in_the_slot_its_leg_names(plan: DatedPlan) -> None:
    hours = plan.expiry_hours(last_s=LAST_S)
    listed = listed_instruments(plan, hours, spot=SPOT, shift=SHIFT)
    seen = set()
    for kind in ("call", "put"):
        for expiry, hour in enumerate(hours):
            for moneyness in plan.moneyness:
                slot = plan.slot(LegPlan(symbol="BTC", kind=kind, moneyness=moneyness, expiry=expiry))
                found = listed[slot - 1]
                assert (found.kind, found.strike, found.expiry_hour) == (kind, round(SPOT * moneyness), hour)
                assert found.shift == SHIFT
                seen.add(slot)
    assert listed[plan.slot(LegPlan(symbol="BTC", kind="future")) - 1].kind == "future"
    assert plan.slot(LegPlan(symbol="BTC", kind="perpetual")) == 0
    assert seen == set(range(2, len(listed) + 1))


@pytest.mark.parametrize(
    "leg",
    [
        LegPlan(symbol="BTC", kind="call", moneyness=1.05),
        LegPlan(symbol="BTC", kind="put", moneyness=1.0, expiry=3),
        LegPlan(symbol="BTC", kind="swap"),
    ],
)
def test_what_is_not_listed_has_no_slot(plan: DatedPlan, leg: LegPlan) -> None:
    with pytest.raises(ConfigError, match="no "):
        plan.slot(leg)


@pytest.mark.parametrize(
    "changes",
    [{"moneyness": ()}, {"moneyness": (0.0,)}, {"days": ()}, {"days": (0,)}, {"before_end_h": 0}],
)
def test_a_plan_without_options_or_with_coinciding_expiries_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        DatedPlan(**changes)


def test_legs_on_what_is_not_listed_are_refused() -> None:
    legs = (LegPlan(symbol="XRP", kind="perpetual", lots=1.0),)
    cast_ = (replace(OPTION_CAST[0], legs=legs),)
    with pytest.raises(ConfigError, match="XRP"):
        DemoSettings(symbols=("BTC", "ETH"), cast=cast_)


@pytest.mark.parametrize("short", [False, True])
def test_the_first_expiry_follows_the_fall_within_the_window(short: bool) -> None:
    settings = option_settings(DemoSettings(), short=short)
    first_s, last_s = choose_window(embedded_bars(settings.symbols), settings)
    assert settings.dated is not None
    near, *later = settings.dated.expiry_hours(last_s=last_s)
    assert first_s % HOUR_S == 0
    assert last_s - settings.after_s <= near * HOUR_S < last_s
    assert min(later) - near >= 7 * 24
    assert 8 <= (last_s - first_s) // HOUR_S + 1 <= 16 or not short
    assert (last_s - first_s) // HOUR_S + 1 <= 16


def test_everything_the_cast_trades_is_listed() -> None:
    settings = option_settings(DemoSettings(), short=False)
    assert settings.dated is not None
    kinds = set()
    for account in settings.cast:
        for leg in account.legs:
            settings.dated.slot(leg)
            kinds.add((leg.symbol, leg.kind))
    assert kinds == {(s, k) for s in ("BTC", "ETH") for k in ("perpetual", "call", "put")} | {
        ("ETH", "future")
    }


def test_the_story_of_perpetuals_lists_nothing_else() -> None:
    assert DemoSettings().dated is None
    assert not any(account.legs for account in CAST)


def test_a_book_is_hedged_to_no_delta_and_of_equal_value_by_underlying() -> None:
    plan = DatedPlan(moneyness=(1.0,))
    deltas = {"BTC": (1.0, 1.0, 0.55, -0.45, 0.6, -0.4), "ETH": (1.0, 1.0, 0.5, -0.5, 0.5, -0.5)}
    spots = {"BTC": 2_000, "ETH": 500}
    view: Any = SimpleNamespace(
        underlyings=[SimpleNamespace(symbol=s) for s in deltas],
        pages=[SimpleNamespace(page_id=i, underlying=i) for i in range(2)],
    )
    pages: Any = {
        page: SimpleNamespace(
            head=SimpleNamespace(reference_spot=spots[symbol]),
            records=[SimpleNamespace(delta_x22=round(delta * (1 << 22))) for delta in deltas[symbol]],
        )
        for page, symbol in enumerate(deltas)
    }
    legs = tuple(
        leg
        for symbol in deltas
        for leg in (
            LegPlan(symbol=symbol, kind="call", moneyness=1.0, expiry=1, lots=2.0),
            LegPlan(symbol=symbol, kind="put", moneyness=1.0, expiry=0, lots=-1.0),
            LegPlan(symbol=symbol, kind="perpetual"),
        )
    )
    ratios = book_ratios(replace(OPTION_CAST[0], legs=legs), view, pages, plan)
    for page, symbol in enumerate(deltas):
        held = {slot: lots for (home, slot), lots in ratios.items() if home == page}
        assert sum(lots * deltas[symbol][slot] for slot, lots in held.items()) == pytest.approx(0, abs=1e-5)
    assert ratios[1, 4] * spots["ETH"] == pytest.approx(ratios[0, 4] * spots["BTC"])


@pytest.fixture
def told() -> OptionOutcome:
    epochs = tuple(
        Epoch(
            time_s=number * HOUR_S,
            epoch=number,
            prices={"BTC": 1_000.0 - 50 * number, "ETH": 100.0},
            initial_ratio={"BTC": 0.2, "ETH": 0.2},
            lambda_bps=10_000,
            coverage=0.9,
            bidders_online=True,
            accounts={HEDGED: AccountEpoch(equity=100.0, initial=30.0, maintenance=20.0)},
            events=(),
            gas=1,
        )
        for number in (1, 2)
    )
    savings = tuple(
        Saving(
            time_s=number * HOUR_S,
            account=HEDGED,
            gross=400.0,
            certified=certified,
            shortfall=90.0,
            atoms=3,
            book_shown=number == 2,
        )
        for number, certified in ((1, 120.0), (2, 90.0))
    )
    paid = Settled(
        time_s=HOUR_S,
        account="long <put>",
        instrument="BTC 950 put 01 Jan",
        lots=7,
        settlement_price=917.25,
        last_price=900.0,
        cash=1_234.0,
    )
    outcome = OptionOutcome(
        chain="eth-tester",
        first_s=HOUR_S,
        last_s=2 * HOUR_S,
        symbols=("BTC", "ETH"),
        epochs=epochs,
        auctions=(),
        deposited={HEDGED: 100.0},
        withdrawn={HEDGED: 0.0},
        final={HEDGED: 100.0},
        fund_before=10.0,
        fund_after=10.0,
        ledger=Ledger(
            vault_tokens=100, fund_tokens=10, account_claims=100, fees=0, reserve=0, deficit=0, fund_claims=10
        ),
        summary=(),
        transactions=9,
        gas=5,
        savings=savings,
        settled=(paid, replace(paid, account="market maker", lots=-7)),
    )
    return cast(OptionOutcome, summarise(outcome))


def test_what_a_certificate_saves_is_a_share_of_the_gross_requirement(told: OptionOutcome) -> None:
    assert [saving.saved for saving in told.savings] == pytest.approx([0.7, 0.775])
    assert replace(told.savings[0], gross=0.0, certified=0.0).saved == 0.0


def test_the_terminal_says_what_was_saved_and_what_expired(told: OptionOutcome) -> None:
    opened, end, expired = option_lines(told)
    assert "opened: gross 400, certified 120 (70% saved), expected shortfall 90" in opened
    assert "at the end: gross 400, certified 90 (78% saved, book shown), expected shortfall 90" in end
    assert "+7 lots of BTC 950 put 01 Jan settled at 917.25 (last price 900.00) for +1,234" in expired
    assert len(told.summary) == 3


def test_the_report_shows_savings_and_expiries_of_this_story_alone(told: OptionOutcome) -> None:
    page = render(told)
    assert page.count("<svg") == 5
    assert "77.5%" in page
    assert "917.25" in page
    assert "long &lt;put&gt;" in page
    plain = Outcome(**{field.name: getattr(told, field.name) for field in fields(Outcome)})
    without = render(plain)
    assert without.count("<svg") == 4
    assert "certificate" not in without.lower()
    assert option_lines(plain) == []


def test_the_same_outcome_gives_the_same_report(told: OptionOutcome) -> None:
    assert render(told) == render(told)
