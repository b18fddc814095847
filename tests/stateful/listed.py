"""What the machine's markets list beside perpetuals: collateral, and what expires within a run."""

from __future__ import annotations

import functools

from tests.support.market import SPOT, Instrument
from tests.support.system import GRACE_S
from tests.support.twin_desk import TwinDesk

from seawall.page.layout import Kind

__all__ = ["CALL", "DATED", "FUTURE", "HOUR_S", "PUT", "WINDOW_S", "dated_terms", "deployed"]

HOUR_S, WINDOW_S = 3_600, 1_800
HORIZON_H = 2
# Slots of page 0, after two perpetuals and the collateral.
DATED = FUTURE, CALL, PUT = 3, 4, 5


def dated_terms(now: int, spot: int = SPOT) -> list[Instrument]:
    """Return a future, a call in the money and a put out of it, which expire two hours after the next full hour."""
    hour = now // HOUR_S + 1 + HORIZON_H
    return [
        Instrument(kind=Kind.FUTURE, expiry_hour=hour),
        Instrument(kind=Kind.CALL, strike=spot * 98 // 100, expiry_hour=hour),
        Instrument(kind=Kind.PUT, strike=spot * 96 // 100, expiry_hour=hour),
    ]


@functools.cache
def deployed() -> TwinDesk:
    """Return a system with a desk whose baseline knows all that is listed, hedges with dated legs among it."""
    world = TwinDesk.deploy()
    twin = world.twin
    for slot, instrument in zip(DATED, dated_terms(twin.system.evm.timestamp + GRACE_S), strict=True):
        assert twin.system.list_instrument(0, instrument) == slot
    twin.system.markets[0].atoms += [
        ((0, 1), (FUTURE, -1)),
        ((0, -1), (FUTURE, 1)),
        ((0, 1), (CALL, -1)),
        ((0, -1), (CALL, 1), (PUT, -1)),
    ]
    for seconds in (12, GRACE_S):
        twin.advance(seconds)
        assert twin.publish() is None
    twin.advance(12)
    return world
