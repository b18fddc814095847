"""Fixtures of the margin unit tests."""

from collections.abc import Iterator

import numpy as np
import pytest

from seawall.arrays import Floats


@pytest.fixture(autouse=True, scope="session")
def float_errors_raise() -> Iterator[None]:
    """Turn silent overflow, invalid operations and division by zero into failures."""
    with np.errstate(all="raise"):
        yield


@pytest.fixture(scope="session")
def closes() -> Floats:
    """Return half a year of hourly prices of five correlated underlyings."""
    rng = np.random.default_rng(11)
    calm = np.exp(0.6 * np.sin(np.arange(24 * 180) / 300.0))[:, None]
    moves = 0.7 * rng.standard_t(4, size=(24 * 180, 1)) + 0.5 * rng.standard_t(4, size=(24 * 180, 5))
    prices: Floats = 100.0 * np.exp(np.cumsum(0.004 * calm * moves, axis=0))
    return prices


@pytest.fixture(scope="session")
def books() -> Floats:
    """Return 300 books of signed exposure, some single, some spread, some hedged."""
    rng = np.random.default_rng(12)
    signs = rng.choice([-1.0, 0.0, 1.0], size=(300, 5), p=[0.3, 0.3, 0.4])
    held: Floats = 1e4 * np.exp(rng.normal(size=(300, 5))) * signs
    return held
