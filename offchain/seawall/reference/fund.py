"""The insurance fund as the vault sees it: what it can pay, and how much of that in a day."""

from dataclasses import dataclass

__all__ = ["FUND_WINDOW_S", "Fund"]

FUND_WINDOW_S = 24 * 3600
_BPS = 10_000


@dataclass(slots=True)
class Fund:
    """Hold the assets behind the vault and the caps on what they may be asked for.

    Attributes
    ----------
    assets
        Settlement token units.
    event_cap_bps, window_cap_bps
        How much one call, and all calls of a window, may pay, in parts of the assets.
    level, written_at
        What was paid lately, and when that was written: a bucket that drains as fast as it may be filled.
    """

    assets: int = 0
    event_cap_bps: int = 3_000
    window_cap_bps: int = 6_000
    level: int = 0
    written_at: int = 0

    def coverable(self, *, now: int) -> int:
        """Return ``min(eventCap A, windowCap (A + L) - L)``, rounded down."""
        level = self.level_at(now)
        room = max((self.assets + level) * self.window_cap_bps // _BPS - level, 0)
        return min(self.assets * self.event_cap_bps // _BPS, room)

    def cover(self, wanted: int, *, now: int) -> int:
        """Pay up to what is wanted, within the caps, and return it."""
        paid = min(wanted, self.coverable(now=now))
        self.level, self.written_at = self.level_at(now) + paid, now
        self.assets -= paid
        return paid

    def level_at(self, now: int) -> int:
        """Return ``max(0, L - windowCap (A + L) elapsed / 24 h)``, the part that drained rounded down."""
        elapsed = now - self.written_at
        full = (self.assets + self.level) * self.window_cap_bps
        return max(self.level - full * elapsed // (_BPS * FUND_WINDOW_S), 0)
