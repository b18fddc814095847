"""What is posted stays inside the oracle's limits and keeps L <= lambda ES <= U."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seawall.errors import DataError
from seawall.keeper.policy import ProbeRange, post_within

legs = st.lists(st.floats(1e-4, 3.0), min_size=1, max_size=5)
wide = ProbeRange(least_ppm=30_000, largest_ppm=600_000)


def posted_for(long_es: list[float], ranges: list[ProbeRange]):
    long = np.array(long_es)
    short = long[::-1].copy()
    lanes = -np.vstack([long, -short])
    return long, short, lanes, post_within(long, short, lanes, ranges=ranges)


@given(legs)
def test_every_posted_probe_lies_within_its_range(long_es: list[float]) -> None:
    _, _, _, posted = posted_for(long_es, [wide] * len(long_es))
    probe = np.maximum(posted.long_es, posted.short_es)
    assert np.all(probe * 1e6 <= wide.largest_ppm)
    assert np.all(probe * 1e6 >= wide.least_ppm)


@given(legs)
def test_one_factor_scales_every_lane_and_no_leg_falls_below_it(long_es: list[float]) -> None:
    long, short, lanes, posted = posted_for(long_es, [wide] * len(long_es))
    factor = posted.lambda_bps / 10_000
    assert 0 < factor <= 1
    np.testing.assert_allclose(posted.lanes, lanes * factor)
    assert np.all(posted.long_es >= long * factor * (1 - 1e-12))
    assert np.all(posted.short_es >= short * factor * (1 - 1e-12))


def test_nothing_changes_when_no_limit_binds() -> None:
    long, short, lanes, posted = posted_for([0.10, 0.20], [wide, wide])
    assert posted.lambda_bps == 10_000
    np.testing.assert_array_equal(posted.long_es, long)
    np.testing.assert_array_equal(posted.short_es, short)
    np.testing.assert_array_equal(posted.lanes, lanes)


def test_one_binding_cap_scales_all_underlyings() -> None:
    long, _, _, posted = posted_for([0.10, 1.20], [ProbeRange(least_ppm=1, largest_ppm=10**7), wide])
    assert posted.lambda_bps == int(600_000 / 1e6 * 0.997 / 1.20 * 10_000)
    np.testing.assert_allclose(posted.long_es, long * posted.lambda_bps / 10_000)


def test_an_empty_range_is_refused_with_the_fix() -> None:
    with pytest.raises(DataError, match="widen the bounds"):
        posted_for([0.1], [ProbeRange(least_ppm=600_000, largest_ppm=600_000)])


def test_a_missing_range_is_refused() -> None:
    with pytest.raises(DataError, match="give one each"):
        posted_for([0.1, 0.2], [wide])
