"""What a keeper's log says of breaks and drift."""

from dataclasses import replace

import numpy as np

from seawall.keeper.settings import KeeperSettings
from seawall.keeper.watch import watch_model
from seawall.market.bars import Bars

SETTINGS = KeeperSettings()
HOURS = 24


def market(days: int, *, last: float = 0.006) -> Bars:
    """Return two underlyings, the second of which moves by `last` an hour in its last two days."""
    rng = np.random.default_rng(0)
    moves = 0.006 * rng.standard_t(5, size=(days * HOURS, 2)) / np.sqrt(5 / 3)
    moves[-2 * HOURS :, 1] *= last / 0.006
    return Bars(
        symbols=("BTC", "ETH"),
        known_at=3600 * np.arange(1, days * HOURS + 1, dtype=np.int64),
        closes=np.exp(np.cumsum(moves, axis=0)),
        traded_value=np.ones((days * HOURS, 2)),
        bar_s=3600,
    )


def test_watch_model__of_an_ordinary_market__is_calm() -> None:
    found = watch_model(market(240), settings=SETTINGS)
    assert found.strength == {"BTC": 0.0, "ETH": 0.0}
    assert not found.alarmed
    assert max(found.pressure.values()) < 0.5
    assert all(0.9 < value < 1.1 for value in found.dispersion.values())
    assert all(0.2 < value < 2.0 for value in found.tail.values())
    assert abs(found.correlation) < 0.1


def test_watch_model__when_moves_grow__names_the_underlying() -> None:
    found = watch_model(market(240, last=0.06), settings=SETTINGS)
    assert found.strength["BTC"] == 0.0
    assert found.strength["ETH"] > 0.9
    assert found.alarmed


def test_watch_model__is_the_same_whether_or_not_breaks_are_enabled() -> None:
    model = SETTINGS.model
    enabled = replace(SETTINGS, model=replace(model, breaks=replace(model.breaks, enabled=True)))
    off, on = (watch_model(market(240, last=0.06), settings=settings) for settings in (SETTINGS, enabled))
    assert off.strength == on.strength


def test_watch_model__of_a_short_history__leaves_drift_out() -> None:
    found = watch_model(market(80), settings=SETTINGS)
    assert (found.dispersion, found.tail, found.correlation) == ({}, {}, 0.0)
