"""Values between two pages: section 2 of the specification."""

from dataclasses import dataclass

from seawall.page.decode import Head, Record
from seawall.page.layout import DELTA_ONE, Kind
from seawall.reference.integers import div_towards_zero
from seawall.reference.state import Settling, Terms

__all__ = [
    "DATED",
    "MAX_SPOT_TICKS",
    "SETTLED_X16",
    "SETTLEMENT_WINDOW_S",
    "SpotState",
    "expiring_mark",
    "funding_at",
    "is_expired",
    "is_settling",
    "live_mark",
    "open_share_x16",
    "payoff",
    "spot_state",
]

DATED = frozenset({Kind.FUTURE, Kind.CALL, Kind.PUT})
MAX_SPOT_TICKS = (1 << 40) - 1
SETTLED_X16 = 1 << 16
SETTLEMENT_WINDOW_S = 30 * 60
_HOUR_S = 3600


@dataclass(frozen=True, kw_only=True, slots=True)
class SpotState:
    """Hold what all marks of one page share at one moment.

    Attributes
    ----------
    spot
        S, ticks; the page's reference spot if there is no price.
    d_s
        ``S - S0``, ticks.
    d_d
        ``dS^2 / (2 S0)``, ticks.
    g_1
        ``dS / S0``, X22.
    funding
        F(t) of one lot of a perpetual, ticks.
    """

    spot: int
    d_s: int
    d_d: int
    g_1: int
    funding: int


def funding_at(head: Head, *, now: int) -> int:
    """Return ``F(t) = (fundingX32 + fundingRateX32 min(t - asOf, fundingCapS)) >> 32``, ticks a lot."""
    elapsed = min(max(now - head.as_of, 0), head.funding_cap_s)
    return (head.funding_x32 + head.funding_rate_x32 * elapsed) >> 32


def spot_state(head: Head, *, price: int, now: int) -> SpotState:
    """Return the state of a page at a price; 0 stands for a feed that never had one."""
    reference = head.reference_spot
    spot = min(price, MAX_SPOT_TICKS) if price else reference
    return _state(reference, spot, funding=funding_at(head, now=now))


def _state(reference: int, spot: int, *, funding: int = 0) -> SpotState:
    d_s = spot - reference
    return SpotState(
        spot=spot,
        d_s=d_s,
        d_d=div_towards_zero(d_s * d_s, 2 * reference),
        g_1=div_towards_zero(d_s << 22, reference),
        funding=funding,
    )


def live_mark(record: Record, state: SpotState) -> tuple[int, int]:
    """Return the live value of one lot, ticks, and its slope in the spot, X22; a perpetual net of funding.

    ``linear = mark + ((delta dS) >> 22)``, ``v = linear + ((gammaSpot dd) >> 10)``. Convexity holds an option above
    ``linear``; its slope, at most 1, holds it below ``mark + max(0, dS)`` (a put: ``-dS``).
    """
    if record.kind == Kind.SPOT:
        return state.spot, DELTA_ONE
    if record.kind not in (Kind.PERPETUAL, Kind.FUTURE, Kind.CALL, Kind.PUT):
        return 0, 0
    linear = record.mark + ((record.delta_x22 * state.d_s) >> 22)
    value = linear + ((record.gamma_spot_x10 * state.d_d) >> 10)
    delta = record.delta_x22 + ((record.gamma_spot_x10 * state.g_1) >> 10)
    if record.kind == Kind.PERPETUAL:
        value -= state.funding
    elif record.kind == Kind.CALL:
        most = min(value, state.spot, record.mark + max(0, state.d_s))
        value = max(state.spot - record.strike, 0, linear, most)
    elif record.kind == Kind.PUT:
        most = min(value, record.strike, record.mark + max(0, -state.d_s))
        value = max(record.strike - state.spot, 0, linear, most)
    return value, delta


def is_settling(record: Record | Terms, *, now: int) -> bool:
    """Say whether an instrument is dated and its settlement window has begun."""
    return (
        record.kind in DATED
        and record.expiry_hour > 0
        and now >= record.expiry_hour * _HOUR_S - SETTLEMENT_WINDOW_S
    )


def is_expired(record: Record | Terms, *, now: int) -> bool:
    """Say whether an instrument is dated and has expired."""
    return is_settling(record, now=now) and now >= record.expiry_hour * _HOUR_S


def expiring_mark(
    record: Record, state: SpotState, *, now: int, settling: Settling | None
) -> tuple[int, int, bool]:
    """Return `live_mark` of any record, in its settlement window at ``S* = S + ((A - S) w >> 16)``; and if settled.

    The slope is what the spot still moves: ``delta' (1 - w)``. At ``w = 1`` the value is the payoff at A.
    """
    if not is_settling(record, now=now):
        return *live_mark(record, state), False
    weight = min(settling.weight_x16, SETTLED_X16) if settling else 0
    average = min(settling.average, MAX_SPOT_TICKS) if settling else 0
    if weight == SETTLED_X16:
        return payoff(record, average), 0, True
    star = state.spot + ((average - state.spot) * weight >> 16)
    value, delta = live_mark(record, _state(state.spot - state.d_s, star))
    return value, delta * (SETTLED_X16 - weight) >> 16, False


def open_share_x16(record: Record, *, as_of: int, now: int, settling: Settling | None) -> int:
    """Return how much of what a page says a lot risks is still open, X16: the rest was averaged since the page's asOf.

    ``min(1, (1 - w) / (1 - wp))``, where ``wp = (asOf - begin) / 1800 s`` is what was averaged by the page's time; a
    page of after the expiry knows itself what is open.
    """
    left = record.expiry_hour * _HOUR_S - as_of
    if not is_settling(record, now=now) or left <= 0:
        return SETTLED_X16
    weight = min(settling.weight_x16, SETTLED_X16) if settling else 0
    known = max((min(left, SETTLEMENT_WINDOW_S) << 16) // SETTLEMENT_WINDOW_S, 1)
    return min(((SETTLED_X16 - weight) << 16) // known, SETTLED_X16)


def payoff(terms: Record | Terms, spot: int) -> int:
    """Return what one lot pays: S, a call ``max(S - K, 0)``, a put ``max(K - S, 0)``."""
    if terms.kind == Kind.CALL:
        return max(spot - terms.strike, 0)
    if terms.kind == Kind.PUT:
        return max(terms.strike - spot, 0)
    return spot
