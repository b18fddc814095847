"""What a backtest is told, and the names of what happened in the years it looks at."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from seawall.errors import ConfigError
from seawall.margin.settings import ModelSettings
from seawall.margin.stress import Role

__all__ = ["CRISES", "BacktestSettings", "Crisis", "role_of", "seconds"]

DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Crisis:
    """Name a stretch of days, the last one not included."""

    name: str
    first: date
    last: date

    @property
    def first_s(self) -> int:
        """Return its start, seconds since 1970."""
        return seconds(self.first)

    @property
    def last_s(self) -> int:
        """Return its end, seconds since 1970."""
        return seconds(self.last)


def seconds(day: date) -> int:
    """Return midnight UTC at the start of a day, seconds since 1970."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


CRISES: tuple[Crisis, ...] = (
    Crisis(name="2020-03 pandemic", first=date(2020, 3, 8), last=date(2020, 3, 20)),
    Crisis(name="2021-05 leverage flush", first=date(2021, 5, 12), last=date(2021, 5, 26)),
    Crisis(name="2022-05 Terra", first=date(2022, 5, 5), last=date(2022, 5, 16)),
    Crisis(name="2022-06 lender failures", first=date(2022, 6, 10), last=date(2022, 6, 20)),
    Crisis(name="2022-11 exchange failure", first=date(2022, 11, 5), last=date(2022, 11, 16)),
)

_ROLES = {"BTC": Role.MAJOR, "ETH": Role.LARGE}


def role_of(symbol: str) -> Role:
    """Return which stress moves a symbol takes, as keepers have it by default."""
    return _ROLES.get(symbol, Role.OTHER)


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestSettings:
    """Say what is looked at and when.

    Attributes
    ----------
    first_s, last_s
        The first present, and the end of the last window, seconds since 1970.
    phases_h
        Hours of the day at which margin is taken; windows of one phase do not overlap.
    history_days
        Age of a symbol's prices before it is looked at.
    implied_first_s
        First present of the comparison that uses an index of implied volatility.
    rates
        Breach rates to which every method is scaled.
    least_windows
        Symbols with fewer windows in a phase are left out of tables of cost.
    tier_notional
        Position for which the leverage tiers of an exchange are read, settlement units.
    books_seed, random_books
        Seed and number of the random books of all symbols, of each kind.
    book_phases_h
        Hours of the day at which books of several symbols are set up.
    selection_end_s
        What comes before chooses among variants, what comes after judges the choice.
    selection_phases_h
        Hours of the day at which variants are compared before that: more, as a choice on few of them is one on noise.
    model
        The margin model.
    """

    first_s: int = seconds(date(2020, 1, 1))
    last_s: int = seconds(date(2024, 7, 1))
    phases_h: tuple[int, ...] = (0, 6, 12, 18)
    history_days: int = 365
    implied_first_s: int = seconds(date(2021, 4, 1))
    rates: tuple[float, ...] = (0.01, 0.005, 0.002)
    least_windows: int = 250
    tier_notional: float = 1e6
    books_seed: int = 1
    random_books: int = 60
    book_phases_h: tuple[int, ...] = (0, 12)
    selection_end_s: int = seconds(date(2022, 1, 1))
    selection_phases_h: tuple[int, ...] = tuple(range(0, 24, 3))
    model: ModelSettings = field(default_factory=ModelSettings)

    def __post_init__(self) -> None:
        if self.last_s - self.first_s < 2 * DAY_S:
            raise ConfigError("the backtest ends less than two days after it starts. Fix: widen --from, --to")
        hours = (*self.phases_h, *self.book_phases_h, *self.selection_phases_h)
        if not (self.phases_h and self.book_phases_h and self.selection_phases_h) or any(
            not 0 <= hour < 24 for hour in hours
        ):
            raise ConfigError(f"phases {hours}: give hours of the day, 0 to 23")
        if not self.rates or any(not 0 < rate < 1 for rate in self.rates):
            raise ConfigError(f"breach rates {self.rates}: must lie strictly between 0 and 1")
        if self.history_days < self.model.minimum_history_days or self.least_windows < 1:
            raise ConfigError("history_days must reach the model's minimum_history_days, least_windows 1")
        if self.model.horizon_h != 24.0:
            raise ConfigError("the backtest takes one window a day: the model's horizon_h must be 24")
        if self.tier_notional <= 0 or self.random_books < 0:
            raise ConfigError("tier_notional must be positive and random_books not negative")
