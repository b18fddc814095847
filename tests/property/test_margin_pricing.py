"""Black's formula and the surface keep the bounds that need no model."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from tests.property.margin_strategies import float_errors_raise as float_errors_raise

from seawall.arrays import Floats
from seawall.errors import DataError
from seawall.margin.pricing import black_greeks, black_price
from seawall.margin.settings import SurfaceSettings
from seawall.margin.surface import Levels, levels_from, moved, total_variance, volatility

strikes = st.floats(0.01, 100.0)
volatilities = st.just(0.0) | st.floats(1e-6, 5.0)
maturities = st.just(0.0) | st.floats(1e-9, 5.0)
levels = st.floats(0.05, 3.0)
# Moves of less than a billionth would be no numbers of full precision any more.
log_moves = st.floats(-1.1, 1.1).map(lambda x: round(x, 9))
DAY = 1 / 365


@st.composite
def surfaces(draw: st.DrawFn) -> tuple[Levels, SurfaceSettings]:
    """Draw a surface at the limits of what settings allow or inside, perhaps moved."""
    rho = draw(st.integers(-95, 95)) / 100
    slope = draw(st.floats(0.05, 1.0)) * 2 / (1 + abs(rho))
    rule = SurfaceSettings(
        smile_correlation=rho, smile_slope=slope, relaxation_days=draw(st.floats(0.5, 90.0))
    )
    quoted, long_run = (np.array([draw(levels)]) for _ in range(2))
    found = levels_from(quoted, long_run, settings=rule)
    return moved(found, np.array([draw(log_moves)]), settings=rule), rule


def price(strike: float, volatility: float, tau: float, *, is_call: bool) -> float:
    return float(black_price(1.0, strike, volatility, tau, is_call=is_call))


@given(strikes, volatilities, maturities)
def test_a_call_less_a_put_is_the_forward_less_the_strike(strike: float, vol: float, tau: float) -> None:
    call, put = (price(strike, vol, tau, is_call=side) for side in (True, False))
    assert call - put == pytest.approx(1.0 - strike, abs=1e-13 * (1 + strike))


@given(strikes, volatilities, maturities)
def test_no_option_is_worth_less_than_its_payoff_or_more_than_it_can_pay(
    strike: float, vol: float, tau: float
) -> None:
    assert max(1.0 - strike, 0.0) <= price(strike, vol, tau, is_call=True) <= 1.0
    assert max(strike - 1.0, 0.0) <= price(strike, vol, tau, is_call=False) <= strike


@given(strikes, volatilities, maturities, st.floats(1.0, 2.0), st.booleans())
def test_more_volatility_or_time_never_makes_an_option_cheaper(
    strike: float, vol: float, tau: float, factor: float, is_call: bool
) -> None:
    plain, slack = price(strike, vol, tau, is_call=is_call), 1e-14 * (1 + strike)
    assert price(strike, vol * factor, tau, is_call=is_call) >= plain - slack
    assert price(strike, vol, tau * factor, is_call=is_call) >= plain - slack


@given(strikes, volatilities, maturities, st.floats(1.0, 2.0))
def test_a_vertical_spread_is_worth_between_nothing_and_its_width(
    strike: float, vol: float, tau: float, factor: float
) -> None:
    slack = 1e-13 * (1 + strike)
    for is_call in (True, False):
        low, high = (price(k, vol, tau, is_call=is_call) for k in (strike, strike * factor))
        worth = low - high if is_call else high - low
        assert -slack <= worth <= strike * (factor - 1) + slack


@given(st.floats(0.5, 2.0), st.floats(0.1, 2.0), st.floats(0.01, 2.0), st.booleans())
def test_sensitivities_are_the_derivatives_of_the_price(
    strike: float, vol: float, tau: float, is_call: bool
) -> None:
    found = black_greeks(1.0, strike, vol, tau, is_call=is_call)
    h = 1e-4
    up, mid, down = (float(black_price(f, strike, vol, tau, is_call=is_call)) for f in (1 + h, 1.0, 1 - h))
    assert float(found.price) == mid
    assert float(found.delta) == pytest.approx((up - down) / (2 * h), abs=1e-5)
    assert float(found.gamma) == pytest.approx((up - 2 * mid + down) / h**2, rel=1e-2, abs=1e-4)
    more, less = (float(black_price(1.0, strike, vol + s, tau, is_call=is_call)) for s in (h, -h))
    assert float(found.vega) == pytest.approx((more - less) / (2 * h), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
    "wrong", [(0.0, 1.0, 1.0, 1.0), (1.0, -1.0, 1.0, 1.0), (1.0, 1.0, -0.1, 1.0), (1.0, 1.0, 1.0, np.nan)]
)
def test_what_has_no_price_is_refused(wrong: tuple[float, ...]) -> None:
    with pytest.raises(DataError, match="must be finite"):
        black_price(*wrong, is_call=True)


def curve(surface: Levels, rule: SurfaceSettings, money: Floats, tau: float) -> Floats:
    """Return call prices over the forward along a grid of log-strikes."""
    implied = volatility(surface, money, np.full(money.shape, tau), settings=rule)
    return black_price(1.0, np.exp(money), implied, tau, is_call=True)


@given(surfaces(), st.sampled_from([0.02, 1.0, 7.0, 30.0, 365.0, 730.0]))
def test_no_butterfly_of_the_surface_costs_less_than_nothing(
    drawn: tuple[Levels, SurfaceSettings], days: float
) -> None:
    surface, rule = drawn
    tau = days * DAY
    theta = float(total_variance(surface, np.zeros(1), np.array([tau]), settings=rule)[0])
    strike = np.linspace(np.exp(-min(4 * np.sqrt(theta), 3.0)), np.exp(min(4 * np.sqrt(theta), 3.0)), 201)
    calls = curve(surface, rule, np.log(strike), tau)
    assert (np.diff(calls) <= 1e-13).all()
    assert (np.diff(calls, n=2) >= -1e-13).all()


@given(surfaces(), st.integers(-200, 200).map(lambda k: k / 100), st.floats(0.1, 400.0), st.floats(1.0, 3.0))
def test_no_calendar_of_the_surface_costs_less_than_nothing(
    drawn: tuple[Levels, SurfaceSettings], moneyness: float, days: float, factor: float
) -> None:
    surface, rule = drawn
    money = np.array([moneyness])
    near, far = (
        float(total_variance(surface, money, np.array([d * DAY]), settings=rule)[0])
        for d in (days, days * factor)
    )
    assert far >= near * (1 - 1e-9)


@given(levels, levels, log_moves)
def test_a_move_is_that_of_the_thirty_day_volatility(quoted: float, long_run: float, move: float) -> None:
    rule = SurfaceSettings()
    before = levels_from(np.array([quoted]), np.array([long_run]), settings=rule)
    at = np.zeros(1), np.array([30 * DAY])

    def level(surface: Levels) -> float:
        share = float(np.log1p(30 / rule.relaxation_days) * rule.relaxation_days / 30)
        return float(np.sqrt(share * surface.short + (1 - share) * surface.long)[0])

    assert level(before) == pytest.approx(quoted)
    assert float(volatility(before, *at, settings=rule)[0]) == pytest.approx(quoted)
    after = moved(before, np.array([move]), settings=rule)
    assert level(after) == pytest.approx(quoted * np.exp(move))
    assert float(after.short[0]) > 0
    assert float(after.long[0]) > 0
