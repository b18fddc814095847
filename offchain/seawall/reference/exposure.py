"""What an account's positions on one underlying risk, and by the lanes on all: section 3 of the specification."""

from dataclasses import dataclass
from math import isqrt

from seawall.page.decode import Head, Record
from seawall.page.layout import Kind
from seawall.reference.certificate import charge
from seawall.reference.integers import ceil_div

__all__ = ["Part", "Sums", "lane_bound", "lane_bound_of_units"]

_X32 = 1 << 32
_MAX_NOTIONAL = (1 << 112) - 1


@dataclass(slots=True)
class Sums:
    """Gather one underlying's positions."""

    head: Head
    spot: int
    priced: bool
    value: int = 0
    spot_value: int = 0
    charged: int = 0
    delta_x22: int = 0
    gross_lots: int = 0
    vega: int = 0

    @property
    def net(self) -> int:
        """Return ``N = ceil(|sum q delta'| S / 2^22)``, at most 2^112 - 1, ticks."""
        return min(ceil_div(abs(self.delta_x22) * self.spot, 1 << 22), _MAX_NOTIONAL)

    @property
    def gross(self) -> int:
        """Return ``G = sum |q| S`` over all kinds but spot, at most 2^112 - 1, ticks."""
        return min(self.gross_lots * self.spot, _MAX_NOTIONAL)

    def liquidity(self, open_interest: int) -> int:
        """Return what closing may cost, ticks; volume and divisor count as at least 1."""
        head = self.head
        crowd = open_interest * self.spot // max(head.open_interest_divisor, 1)
        root = isqrt((min(max(self.net, crowd), _MAX_NOTIONAL) << 64) // max(head.daily_volume, 1))
        rate_x32 = head.half_spread_x32 + ((head.y_volatility_x32 * root) >> 32)
        return ceil_div(self.net * rate_x32, _X32) + abs(self.vega) * head.vega_charge


@dataclass(frozen=True, slots=True)
class Part:
    """Hold what of a position still risks what its page says: all of it but in a settlement window.

    Attributes
    ----------
    lots, units
        Whole signed lots, and lots << shift, both towards zero.
    charged
        ``|q| leg(sign q)``, rounded up, ticks.
    loose
        Charge of the part of a lot that is not in `lots`, held the other way round, rounded up, ticks.
    slack
        What the part that is not in `units` may take off any lane, ticks.
    gross
        Lots of contract notional, rounded up.
    vega
        Towards zero.
    """

    lots: int
    units: int
    charged: int
    loose: int
    slack: int
    gross: int
    vega: int

    @classmethod
    def of(cls, record: Record, lots: int, *, share: int, left: int) -> "Part":
        """Return the share, X16, of a position; `left` is what is not averaged yet, X16."""
        sign, size = (-1 if lots < 0 else 1), abs(lots) * share
        leg, back = charge(record, sign), charge(record, -sign)
        units = size << record.shift
        return cls(
            lots=sign * (size >> 16),
            units=sign * (units >> 16),
            charged=ceil_div(size * leg, 1 << 16),
            loose=ceil_div((size & 0xFFFF) * back, 1 << 16),
            slack=back >> record.shift if units & 0xFFFF else 0,
            gross=ceil_div(abs(lots) * left, 1 << 16) if record.kind != Kind.SPOT else 0,
            vega=sign * (size * record.vega >> 16),
        )


def lane_bound(lanes: list[tuple[Record, int]]) -> int:
    """Return ``L = max(0, -min_k sum q lane_k << shift - ceil(sum |q| << shift / 2))``, ticks."""
    return lane_bound_of_units([(record, lots << record.shift) for record, lots in lanes], slack=0)


def lane_bound_of_units(lanes: list[tuple[Record, int]], *, slack: int) -> int:
    """Return the same of positions in units of their lanes, less a slack."""
    if not lanes:
        return 0
    count = max(len(record.lanes) for record, _ in lanes)
    totals = [0] * count
    for record, scaled in lanes:
        for k, lane in enumerate(record.lanes):
            totals[k] += scaled * lane
    halves = ceil_div(sum(abs(scaled) for _, scaled in lanes), 2)
    return max(0, -min(totals) - halves - slack)
