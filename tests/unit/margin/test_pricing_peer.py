"""Values, sensitivities and implied volatilities beside those of QuantLib, an independent implementation."""

import warnings
from typing import Any

import numpy as np
import pytest

from seawall.margin.pricing import black_greeks, black_price, implied_volatility

with warnings.catch_warnings():
    # What wraps its C++ declares types without modules, which some versions of Python warn of.
    warnings.simplefilter("ignore")
    QL: Any = pytest.importorskip("QuantLib", reason="QuantLib is not installed: pip install -e '.[dev]'")

RNG = np.random.default_rng(17)
COUNT = 2_000
FORWARD = np.exp(RNG.uniform(-3, 12, COUNT))
DEVIATION = np.exp(RNG.uniform(np.log(0.01), np.log(3), COUNT))
STRIKE = FORWARD * np.exp(RNG.uniform(-4, 4, COUNT) * DEVIATION)
TAU = RNG.uniform(1e-3, 3, COUNT)
VOLATILITY = DEVIATION / np.sqrt(TAU)


def side(*, is_call: bool) -> Any:
    return QL.Option.Call if is_call else QL.Option.Put


@pytest.mark.parametrize("is_call", [True, False])
def test_values_agree_to_1e_10_of_the_forward(is_call: bool) -> None:
    found = black_price(FORWARD, STRIKE, VOLATILITY, TAU, is_call=is_call)
    given = zip(STRIKE.tolist(), FORWARD.tolist(), DEVIATION.tolist(), strict=True)
    theirs = np.array([QL.blackFormula(side(is_call=is_call), *each) for each in given])
    assert np.abs(found / FORWARD - theirs / FORWARD).max() < 1e-10


@pytest.mark.parametrize("is_call", [True, False])
def test_sensitivities_agree_to_1e_10_of_their_size(is_call: bool) -> None:
    found = black_greeks(FORWARD, STRIKE, VOLATILITY, TAU, is_call=is_call)
    for i in range(0, COUNT, 10):
        payoff = QL.PlainVanillaPayoff(side(is_call=is_call), float(STRIKE[i]))
        theirs = QL.BlackCalculator(payoff, float(FORWARD[i]), float(DEVIATION[i]), 1.0)
        assert found.delta[i] == pytest.approx(theirs.deltaForward(), abs=1e-10)
        assert found.gamma[i] == pytest.approx(theirs.gammaForward(), rel=1e-9, abs=1e-10 / FORWARD[i])
        assert found.vega[i] == pytest.approx(theirs.vega(float(TAU[i])), rel=1e-9, abs=1e-10 * FORWARD[i])


def test_implied_volatilities_agree_where_a_price_has_one() -> None:
    call = STRIKE > FORWARD
    price = black_price(FORWARD, STRIKE, VOLATILITY, TAU, is_call=call)
    found = implied_volatility(price, FORWARD, STRIKE, TAU, is_call=call)
    told = np.flatnonzero(price > 1e-8 * FORWARD)[:300]
    assert len(told) == 300
    for i in told:
        theirs = QL.blackFormulaImpliedStdDevLiRS(
            side(is_call=bool(call[i])), float(STRIKE[i]), float(FORWARD[i]), float(price[i]), 1.0, 0.0,
            float(DEVIATION[i]), 1.0, 1e-12, 100,
        )  # fmt: skip
        assert found[i] * np.sqrt(TAU[i]) == pytest.approx(theirs, rel=1e-6)
    np.testing.assert_allclose(found[told], VOLATILITY[told], rtol=1e-7)
