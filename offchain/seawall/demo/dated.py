"""What is listed beside the perpetuals, and books of it as a plan names them: strikes by the opening price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seawall.chain.plan import InstrumentPlan
from seawall.errors import ConfigError

__all__ = ["DatedPlan", "LegPlan", "listed_instruments"]

_HOUR_S = 3600
_DAY_H = 24
_OPTIONS = ("call", "put")


@dataclass(frozen=True, kw_only=True, slots=True)
class LegPlan:
    """Name an instrument and signed lots of it for every lot of the book.

    Attributes
    ----------
    kind
        ``perpetual``, ``future``, ``call`` or ``put``.
    moneyness
        Strike of an option over the opening price.
    expiry
        Which of the plan's expiries: 0 lies in the window.
    lots
        None, for the perpetual: what offsets the delta of the underlying's other legs.
    """

    symbol: str
    kind: str
    lots: float | None = None
    moneyness: float = 0.0
    expiry: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class DatedPlan:
    """Say which futures and options there are on every underlying.

    Attributes
    ----------
    moneyness
        Strikes over the opening price; a call and a put of each, for each expiry.
    before_end_h
        Hours before the window's end at which the first expiry lies.
    days
        How much later the others expire, the last one with the future.
    """

    moneyness: tuple[float, ...] = (0.8, 0.9, 1.0, 1.1)
    before_end_h: int = 2
    days: tuple[int, ...] = (10,)

    def __post_init__(self) -> None:
        """Reject plans without an option, or whose expiries coincide."""
        if not self.moneyness or min(self.moneyness) <= 0 or not self.days or min(self.days) <= 0:
            raise ConfigError("options need strikes above 0 and a later expiry at least a day ahead")
        if self.before_end_h < 1:
            raise ConfigError("the first expiry must lie an hour or more before the window's end")

    def expiry_hours(self, *, last_s: int) -> tuple[int, ...]:
        """Return the expiries, hours since 1970."""
        first = last_s // _HOUR_S - self.before_end_h
        return (first, *(first + _DAY_H * days for days in self.days))

    def slot(self, leg: LegPlan) -> int:
        """Return the slot of a leg's instrument: perpetual, future, then options by expiry and strike.

        Raises
        ------
        ConfigError
            If nothing of the kind is listed.
        """
        if leg.kind in {"perpetual", "future"}:
            return 0 if leg.kind == "perpetual" else 1
        if leg.kind not in _OPTIONS or leg.moneyness not in self.moneyness or leg.expiry > len(self.days):
            raise ConfigError(f"no {leg.kind} at {leg.moneyness} times the opening price is listed")
        strike = leg.expiry * len(self.moneyness) + self.moneyness.index(leg.moneyness)
        return 2 + 2 * strike + _OPTIONS.index(leg.kind)


def listed_instruments(
    plan: DatedPlan, expiries: Sequence[int], *, spot: float, shift: int
) -> tuple[InstrumentPlan, ...]:
    """Return what is listed behind an underlying's perpetual, in the order of `DatedPlan.slot`.

    Parameters
    ----------
    expiries
        Hours since 1970.
    spot
        Opening price of a lot, ticks.
    shift
        Of the perpetual: no option can lose more than it.
    """
    options = (
        InstrumentPlan(kind=kind, shift=shift, strike=round(spot * multiple), expiry_hour=hour)
        for hour in expiries
        for multiple in plan.moneyness
        for kind in _OPTIONS
    )
    return (InstrumentPlan(kind="future", shift=shift, expiry_hour=expiries[-1]), *options)
