"""Chains of quotes: which are left out and why, what is fitted to the rest, what stands in where that fails."""

from dataclasses import replace

import numpy as np
import pytest
from tests.support.data import real_data
from tests.support.option_chains import CHAINS, read_chains

from seawall.arrays import Bools, Floats
from seawall.errors import ConfigError, DataError
from seawall.margin.arbitrage import grid_check
from seawall.margin.calibration import Calibration, CalibrationSettings, calibrate
from seawall.margin.essvi import Slices, at, nearest_free, scaled, total_variance
from seawall.margin.pricing import black_price
from seawall.margin.screening import ChainQuotes, Rule, ScreeningSettings, screened

SETTINGS = CalibrationSettings()
DAYS = np.array([3.0, 10.0, 31.0, 94.0, 250.0])
TAU = DAYS / 365


def true_surface(*, level: float = 0.6) -> Slices:
    theta = TAU * (level * (1 + 0.1 * np.exp(-DAYS / 30))) ** 2
    psi = np.linspace(0.95, 0.75, len(TAU)) * np.sqrt(theta / (1 + theta))
    return nearest_free(Slices(tau_y=TAU, theta=theta, psi=psi, chi=np.linspace(-0.1, -0.3, len(TAU)) * psi))


def chain(surface: Slices, *, noise: float = 0.0, half_spread: float = 0.01) -> ChainQuotes:
    """Return quotes of puts and calls up to three deviations from the money; half the spread in volatility."""
    deviations = np.linspace(-3.0, 3.0, 21)
    k = (deviations * np.sqrt(surface.theta)[:, None]).ravel()
    expiry = np.repeat(np.arange(len(surface.tau_y)), len(deviations))
    k, expiry = np.tile(k, 2), np.tile(expiry, 2)
    tau = surface.tau_y[expiry]
    call = np.arange(len(k)) < len(k) / 2
    volatility = np.sqrt(total_variance(surface, k, tau) / tau)
    volatility = volatility + noise * np.random.default_rng(5).normal(size=len(k))

    def price(shift: float) -> Floats:
        return black_price(1.0, np.exp(k), np.maximum(volatility + shift, 0.001), tau, is_call=call)

    forward = 40_000.0 * np.exp(0.05 * tau)
    return ChainQuotes(
        expiry=expiry,
        tau_y=tau,
        strike=forward * np.exp(k),
        forward=forward,
        is_call=call,
        bid=price(-half_spread),
        ask=price(half_spread),
        mark=price(0.0),
        volatility=volatility,
    )


def changed(quotes: ChainQuotes, where: Bools, **values: float) -> ChainQuotes:
    arrays = {
        name: np.where(where, value, getattr(quotes, name)).astype(getattr(quotes, name).dtype)
        for name, value in values.items()
    }
    return replace(quotes, **arrays)


TRUE = true_surface()
CHAIN = chain(TRUE)
OUT = np.where(CHAIN.is_call, CHAIN.strike >= CHAIN.forward, CHAIN.strike <= CHAIN.forward)
SOME = OUT & (np.arange(len(CHAIN)) % 7 == 0)


def test_a_chain_of_a_surface_gives_it_back() -> None:
    found = calibrate(CHAIN, settings=SETTINGS)
    assert found.fit is not None
    assert found.slices is not None
    assert found.failure == ""
    assert found.widening == 0
    np.testing.assert_allclose(found.slices.theta, TRUE.theta, rtol=2e-4)
    np.testing.assert_allclose(found.slices.psi, TRUE.psi, rtol=5e-3)
    assert found.fit.rmse() < 0.02
    assert (found.fit.rmse_by_expiry() < 0.03).all()
    assert abs(found.fit.worst()[1]) < 0.2
    assert found.fit.check.butterflies == found.fit.check.calendars == 0
    assert f"{len(found.fit.errors)} quotes, 5 expiries, error 0.0" in found.fit.summary()
    assert len(found.fit.errors) + sum(found.dropped.values()) == len(CHAIN)


def test_without_volatilities_those_of_the_marks_are_fitted_and_without_marks_those_of_the_middle() -> None:
    none = np.full(len(CHAIN), np.nan)
    given = calibrate(CHAIN, settings=SETTINGS).slices
    assert given is not None
    for quotes, tolerance in (
        (replace(CHAIN, volatility=none), 1e-6),
        (replace(CHAIN, volatility=none, mark=none), 1e-2),
    ):
        found = calibrate(quotes, settings=SETTINGS).slices
        assert found is not None
        np.testing.assert_allclose(found.theta, given.theta, rtol=tolerance)


@pytest.mark.parametrize(
    ("rule", "values"),
    [
        (Rule.MALFORMED, {"strike": 0.0}),
        (Rule.MALFORMED, {"forward": np.nan}),
        (Rule.MALFORMED, {"tau_y": np.nan}),
        (Rule.NEAR, {"tau_y": 0.5 / 365}),
        (Rule.NEAR, {"tau_y": -1.0}),
        (Rule.ONE_SIDED, {"bid": np.nan}),
        (Rule.ONE_SIDED, {"bid": 0.0}),
        (Rule.ONE_SIDED, {"ask": np.nan}),
        (Rule.CROSSED, {"bid": 2.0}),
        (Rule.NO_VOLATILITY, {"volatility": 7.0}),
        (Rule.NO_VOLATILITY, {"volatility": np.nan, "mark": 5.0}),
        (Rule.OFF_MARKET, {"volatility": 4.9}),
    ],
)
def test_a_bad_quote_is_left_out_and_counted_under_its_rule(rule: Rule, values: dict[str, float]) -> None:
    before = screened(CHAIN, settings=SETTINGS.screening)
    found = screened(changed(CHAIN, SOME, **values), settings=SETTINGS.screening)
    assert before.dropped == {Rule.IN_THE_MONEY: int((~OUT).sum())}
    assert found.dropped[rule] == SOME.sum()
    assert set(found.index) == set(np.flatnonzero(OUT & ~SOME))


def test_an_expiry_of_too_few_quotes_is_left_out_as_a_whole() -> None:
    first = CHAIN.expiry == 0
    few = first & OUT & (np.cumsum(first & OUT) > 4)
    found = calibrate(changed(CHAIN, few, bid=0.0), settings=SETTINGS)
    assert found.dropped[Rule.THIN] == 4
    assert found.slices is not None
    assert len(found.slices.tau_y) == len(DAYS) - 1


def test_one_quote_wrong_by_135_points_moves_the_volatility_at_the_money_by_little_more_than_one() -> None:
    """Though its bid and ask agree with it. Plain least squares would move it by 17, and expiries beside it too."""
    one = OUT & (np.abs(np.log(CHAIN.strike / CHAIN.forward)) < 1e-9) & (CHAIN.expiry == 2) & CHAIN.is_call
    assert one.sum() == 1
    tau, ratio = CHAIN.tau_y[one], CHAIN.strike[one] / CHAIN.forward[one]
    low, mark, high = (black_price(1.0, ratio, v, tau, is_call=True).item() for v in (1.99, 2.0, 2.01))
    wrong = changed(CHAIN, one, volatility=2.0, bid=low, mark=mark, ask=high)
    found, right = (calibrate(quotes, settings=SETTINGS).slices for quotes in (wrong, CHAIN))
    assert found is not None
    assert right is not None
    apart = np.sqrt(found.theta / TAU) - np.sqrt(right.theta / TAU)
    assert np.abs(apart[2]) < 0.0125
    assert np.abs(np.delete(apart, 2)).max() < 1e-4


def test_wide_quotes_count_less_than_narrow_ones() -> None:
    low = chain(true_surface(level=0.57))
    both = {
        name: np.concatenate([getattr(CHAIN, name), getattr(low, name)])
        for name in ("expiry", "tau_y", "strike", "forward", "is_call", "bid", "ask", "mark", "volatility")
    }
    wide = np.arange(2 * len(CHAIN)) >= len(CHAIN)
    quotes = ChainQuotes(**both)
    even = calibrate(quotes, settings=SETTINGS).slices
    leaning = calibrate(changed(quotes, wide, ask=0.9, bid=1e-4), settings=SETTINGS).slices
    assert even is not None
    assert leaning is not None
    assert (leaning.theta > even.theta * 1.03).all()


def test_a_chain_that_cannot_be_fitted_keeps_the_last_good_surface_widened_by_its_age_and_says_why() -> None:
    empty = changed(CHAIN, np.full(len(CHAIN), True), bid=np.nan)
    for age_h, part in ((0.0, 0.0), (2.0, 0.04), (100.0, 0.25)):
        found = calibrate(empty, settings=SETTINGS, last=TRUE, age_h=age_h)
        assert found.fit is None
        assert "0 expiries" in found.failure
        assert found.widening == pytest.approx(part)
        assert found.dropped == {Rule.ONE_SIDED: len(CHAIN)}
        assert found.slices is not None
        np.testing.assert_allclose(found.slices.theta, TRUE.theta * (1 + part) ** 2)
        np.testing.assert_allclose(found.slices.psi, TRUE.psi * (1 + part))
        assert found.slices.is_free()
    assert calibrate(empty, settings=SETTINGS).slices is None


def test_a_fit_that_misses_its_quotes_has_failed() -> None:
    found = calibrate(
        chain(TRUE, noise=0.02, half_spread=0.2), settings=replace(SETTINGS, most_error_points=0.5), last=TRUE
    )
    assert found.fit is None
    assert "volatility points, at most 0.5" in found.failure


def test_widening_by_a_lot_stays_free_of_arbitrage() -> None:
    steep = nearest_free(replace(TRUE, theta=TRUE.theta * 30, psi=TRUE.psi * 5.4, chi=TRUE.chi * 5.4))
    found = scaled(steep, 2.0)
    assert found.is_free()
    assert grid_check(found).butterflies == 0


def test_arrays_of_different_lengths_are_refused() -> None:
    with pytest.raises(DataError, match="one entry a quote in each"):
        replace(CHAIN, bid=CHAIN.bid[:-1])


@pytest.mark.parametrize(
    "values", [{"wing_weight": 0.0}, {"width_points": -1.0}, {"least_expiries": 0}, {"most_widening": 1.5}]
)
def test_settings_that_make_no_sense_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="calibration"):
        CalibrationSettings(**values)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="screening"):
        ScreeningSettings(least_volatility=2.0, most_volatility=1.0)


@pytest.fixture(scope="module")
def fits() -> list[Calibration]:
    """Return fits to real chains: some of each file, from three years and three underlyings."""
    folder = real_data(*CHAINS)
    sizes = {
        name: 48 if "deribit_options_BTC.p" in name or "deribit_options_ETH.p" in name else 1
        for name in CHAINS
    }
    return [
        calibrate(quotes, settings=SETTINGS)
        for name, every in sizes.items()
        for _, quotes in read_chains(folder, name, every=every)
    ]


def test_surfaces_go_through_real_chains_as_closely_as_promised(fits: list[Calibration]) -> None:
    errors = [found.fit.rmse(least_days=2.0) for found in fits if found.fit is not None]
    assert len(errors) == len(fits)
    assert len(fits) >= 20
    assert np.median(errors) <= 1.0
    assert np.quantile(errors, 0.9) <= 1.5


def test_surfaces_through_real_chains_leave_no_arbitrage(fits: list[Calibration]) -> None:
    for found in fits:
        assert found.slices is not None
        assert found.slices.is_free(tolerance=0.0)
        check = grid_check(found.slices, between=8)
        assert (check.butterflies, check.calendars) == (0, 0)


def test_surfaces_through_real_chains_give_the_volatility_at_the_money_that_is_quoted(
    fits: list[Calibration],
) -> None:
    for found in fits:
        assert found.fit is not None
        assert found.slices is not None
        quotes = found.fit.quotes
        near = np.abs(quotes.moneyness) < 0.15 * quotes.volatility * np.sqrt(quotes.tau_y)
        if near.sum() < 10:  # the closes of SPX are few
            continue
        theta, _, _ = at(found.slices, quotes.tau_y[near])
        assert np.median(np.abs(np.sqrt(theta / quotes.tau_y[near]) - quotes.volatility[near])) < 0.01
