"""Normalised tails lie where they were drawn to, whatever the scale, and keep the order of moves."""

from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, given
from tests.property.margin_strategies import float_errors_raise as float_errors_raise

from seawall.arrays import Floats
from seawall.errors import ConfigError
from seawall.margin.tails import TailSettings, normalise_tails, tail_factors, tail_means

SIDES = (-1.0, 1.0)
strengths = st.floats(0.01, 1.0)
alphas = st.sampled_from([0.5, 0.95, 0.975, 0.99])


@st.composite
def rescaled_moves(draw: st.DrawFn) -> tuple[Floats, Floats, Floats]:
    """Draw past moves of three underlyings with tails of many kinds, and their volatilities of falls and rises."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows, freedom = draw(st.integers(20, 400)), draw(st.sampled_from([1.5, 3.0, 30.0]))
    down, up = rng.uniform(0.005, 0.2, size=(2, 3))
    moves = rng.standard_t(freedom, size=(rows, 3)) * np.exp(rng.normal(0.0, 0.5, size=3))
    return np.where(moves < 0, moves * down, moves * up), down, up


def ends(moves: Floats, alpha: float) -> Floats:
    """Return the mean fall and rise beyond a level, by the weights of a plain loop, (2, M)."""
    found = np.empty((2, moves.shape[1]))
    for i, side in enumerate(SIDES):
        for column in range(moves.shape[1]):
            left = mass = max((1.0 - alpha) * len(moves), 1.0)
            total = 0.0
            for size in sorted(side * moves[:, column], reverse=True):
                total += min(left, 1.0) * size
                left -= min(left, 1.0)
            found[i, column] = total / mass
    return found


@given(rescaled_moves(), alphas)
def test_tail_means_agree_with_a_plain_loop(case: tuple[Floats, Floats, Floats], alpha: float) -> None:
    moves, _, _ = case
    found = np.stack([tail_means(side * moves, alpha=alpha) for side in SIDES])
    np.testing.assert_allclose(found, ends(moves, alpha), rtol=1e-9, atol=1e-12)


# Not 0.5: a tail that deep may reach moves to the other side, which have another factor.
@given(rescaled_moves(), strengths, st.sampled_from([0.975, 0.99]), st.floats(1.0, 8.0), st.floats(1.0, 8.0))
def test_a_normalised_tail_is_its_own_drawn_towards_the_multiple_within_the_limits(
    case: tuple[Floats, Floats, Floats], strength: float, alpha: float, falls: float, rises: float
) -> None:
    moves, down, up = case
    settings = TailSettings(strength=strength, falls=falls, rises=rises)
    before = ends(moves, alpha)
    made = normalise_tails(moves, down=down, up=up, alpha=alpha, settings=settings)
    aims = np.stack([falls * down, rises * up])
    assume((before > 1e-6 * aims).all())
    drawn = before ** (1.0 - strength) * aims**strength
    after = np.clip(drawn, settings.factor_min * before, settings.factor_max * before)
    np.testing.assert_allclose(ends(made, alpha), after, rtol=1e-6)


@given(rescaled_moves(), strengths, alphas)
def test_signs_ranks_and_so_dependence_stay(
    case: tuple[Floats, Floats, Floats], strength: float, alpha: float
) -> None:
    moves, down, up = case
    made = normalise_tails(moves, down=down, up=up, alpha=alpha, settings=TailSettings(strength=strength))
    np.testing.assert_array_equal(np.sign(made), np.sign(moves))
    np.testing.assert_array_equal(
        np.argsort(made, axis=0, kind="stable"), np.argsort(moves, axis=0, kind="stable")
    )


@given(rescaled_moves(), strengths, st.floats(0.01, 100.0))
def test_moves_and_volatilities_in_another_unit_have_the_same_factors(
    case: tuple[Floats, Floats, Floats], strength: float, unit: float
) -> None:
    moves, down, up = case
    settings = TailSettings(strength=strength)
    told = {"alpha": 0.99, "settings": settings}
    np.testing.assert_allclose(
        tail_factors(unit * moves, down=unit * down, up=unit * up, **told),  # type: ignore[arg-type]
        tail_factors(moves, down=down, up=up, **told),  # type: ignore[arg-type]
        rtol=1e-9,
    )


@given(rescaled_moves(), strengths)
def test_one_underlying_never_changes_the_factor_of_another(
    case: tuple[Floats, Floats, Floats], strength: float
) -> None:
    moves, down, up = case
    settings = TailSettings(strength=strength)
    together = tail_factors(moves, down=down, up=up, alpha=0.99, settings=settings)
    for i in range(3):
        one = slice(i, i + 1)
        alone = tail_factors(moves[:, one], down=down[one], up=up[one], alpha=0.99, settings=settings)
        np.testing.assert_allclose(alone, together[:, one], rtol=1e-12)


@given(rescaled_moves())
def test_a_side_without_a_tail_is_left_as_it_is(case: tuple[Floats, Floats, Floats]) -> None:
    moves, down, up = case
    rising = np.abs(moves)
    rising[:, 2] = 0.0
    factors = tail_factors(rising, down=down, up=up, alpha=0.99, settings=TailSettings(strength=1.0))
    np.testing.assert_array_equal(factors[0], 1.0)
    assert factors[1, 2] == 1.0


@given(rescaled_moves())
def test_at_strength_zero_nothing_changes(case: tuple[Floats, Floats, Floats]) -> None:
    moves, down, up = case
    made = normalise_tails(moves, down=down, up=up, alpha=0.99, settings=TailSettings(strength=0.0))
    np.testing.assert_array_equal(made, moves)


@pytest.mark.parametrize(
    "wrong",
    [
        {"strength": -0.1},
        {"strength": 1.1},
        {"falls": 0.0},
        {"rises": -1.0},
        {"factor_min": 0.0},
        {"factor_min": 1.1},
        {"factor_max": 0.9},
    ],
)
def test_tail_settings__out_of_range__are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="tails"):
        replace(TailSettings(), **wrong)  # type: ignore[arg-type]
