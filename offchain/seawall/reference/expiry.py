"""Settlement prices: sums at half hours, averages of the half hour before an expiry. Section 2 of the specification."""

from dataclasses import dataclass, field

from seawall.reference.state import MAX_PRICE_AGE_S, Price, Settling, Total

__all__ = ["CHECKPOINT_PERIOD_S", "MIN_SETTLEMENT_S", "SEAL_DELAY_S", "SETTLEMENT_EXTENSION", "Averages"]

CHECKPOINT_PERIOD_S = 1800
MIN_SETTLEMENT_S = 600
SETTLEMENT_EXTENSION = 48
# So long after a boundary no price can arrive any more whose gap began before it and was live.
SEAL_DELAY_S = 2 * MAX_PRICE_AGE_S
_FULL_X16 = 1 << 16
_HOUR_S = 3600


@dataclass(frozen=True, kw_only=True, slots=True)
class _Point:
    """Hold what was added up by a boundary, and the last price observed before it."""

    total: Total
    ticks: int


@dataclass(slots=True)
class Averages:
    """Hold what a feed adds up of one underlying, and what it had added up at multiples of half an hour."""

    price: Price = field(default_factory=Price)
    total: Total = field(default_factory=Total)
    points: dict[int, _Point] = field(default_factory=dict)
    fixed: dict[int, int] = field(default_factory=dict)

    def observe(self, ticks: int, at: int) -> None:
        """Add a price: over a live gap the one before it counts, over a dead gap nothing does."""
        before, gap = self.price, at - self.price.observed_at
        live = gap <= MAX_PRICE_AGE_S
        boundary = at // CHECKPOINT_PERIOD_S
        if before.observed_at // CHECKPOINT_PERIOD_S != boundary:
            ran = boundary * CHECKPOINT_PERIOD_S - before.observed_at if live else 0
            self.points[boundary] = _Point(total=_added(self.total, before.ticks, ran), ticks=before.ticks)
        self.total = _added(self.total, before.ticks, gap if live else 0)
        self.price = Price(ticks=ticks, observed_at=at, fresh_since=before.fresh_since if live else at)

    def settlement(self, hour: int, *, now: int, steps: int | None = SETTLEMENT_EXTENSION + 2) -> Settling:
        """Return the average of the window of an hour of expiry and its weight.

        Parameters
        ----------
        steps
            Half hours in which to look for the first checkpoint; None for all.
        """
        if hour in self.fixed:
            return Settling(average=self.fixed[hour], weight_x16=_FULL_X16, fixed=True)
        last_price, expiry = self.price.ticks, hour * _HOUR_S // CHECKPOINT_PERIOD_S
        start = self._next(expiry - 1, steps)
        if start is None:
            return Settling(average=last_price)
        last = self.price.observed_at // CHECKPOINT_PERIOD_S
        latest = max((now - SEAL_DELAY_S - 1) // CHECKPOINT_PERIOD_S, last)  # sums there stand
        end = expiry + SETTLEMENT_EXTENSION
        for boundary in range(expiry, min(end - 1, latest) + 1):
            known = self.points.get(boundary) if boundary <= last else self._newest
            if known is not None and (average := _average(start, known)) is not None:
                return Settling(average=average, weight_x16=_FULL_X16)
        if latest >= end:
            point = self._next(end, steps)
            if point is None:
                return Settling(average=last_price)
            average = _average(start, point)
            return Settling(average=point.ticks if average is None else average, weight_x16=_FULL_X16)
        seconds = self.total.seconds - start.total.seconds
        elapsed = self.price.observed_at - (expiry - 1) * CHECKPOINT_PERIOD_S
        if elapsed <= 0 or seconds == 0:
            return Settling(average=last_price)
        average = (self.total.price_seconds - start.total.price_seconds) // seconds
        whole = seconds + max(expiry, latest + 1) * CHECKPOINT_PERIOD_S - self.price.observed_at
        if whole < MIN_SETTLEMENT_S:
            whole += CHECKPOINT_PERIOD_S
        weight = (seconds << 16) // whole
        return Settling(average=average, weight_x16=weight)

    def fix(self, hour: int, *, now: int) -> int | None:
        """Store the settlement price of an hour for ever and return it; None if it may still change."""
        found = self.settlement(hour, now=now, steps=None)
        if found.weight_x16 < _FULL_X16 or not found.average:
            return None
        return self.fixed.setdefault(hour, found.average)

    def _next(self, boundary: int, steps: int | None) -> _Point | None:
        """Return the first checkpoint from a boundary on, the newest sums if there is none, None if it is too far."""
        last = self.price.observed_at // CHECKPOINT_PERIOD_S
        found = min((at for at in self.points if at >= boundary), default=last + 1)
        if steps is not None and max(found, boundary) - boundary > steps - (found <= last):
            return None
        return self.points.get(found, self._newest)

    @property
    def _newest(self) -> _Point:
        return _Point(total=self.total, ticks=self.price.ticks)


def _average(start: _Point, end: _Point) -> int | None:
    """Return the average between two boundaries over live time; None if that is too short."""
    seconds = end.total.seconds - start.total.seconds
    if seconds < MIN_SETTLEMENT_S:
        return None
    return (end.total.price_seconds - start.total.price_seconds) // seconds


def _added(total: Total, ticks: int, seconds: int) -> Total:
    return Total(price_seconds=total.price_seconds + ticks * seconds, seconds=total.seconds + seconds)
