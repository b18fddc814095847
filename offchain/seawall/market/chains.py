"""Option quotes: which may be used, and the volatility at the money that they say.

========== ============================================= =============================================================
rule       leaves out                                    what one bad quote can still do
========== ============================================= =============================================================
expired    options that have ended                       nothing
bad price  a strike, forward or index that is not        nothing
           positive, a mark that is negative or missing
one-sided  quotes without a bid or without an ask        nothing
crossed    a bid above its ask                           nothing
off mark   a mark further from its bid and ask than      at most what an order statistic moves: the volatility of an
           `mark_spreads` times their distance           expiry stays between those of the honest quotes next to it
========== ============================================= =============================================================

An expiry needs `quorum` usable quotes near the money. Their median is its volatility, so that while fewer than half of
them are wrong it lies between the least and the largest honest one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from seawall.arrays import Bools, Floats
from seawall.errors import ConfigError, DataError
from seawall.margin.pricing import implied_volatility
from seawall.market.findings import ALL_RULES, Finding, Rule, finding, log_findings
from seawall.market.schema import OptionQuotes

__all__ = ["CleanedQuotes", "QuoteSettings", "clean_quotes", "expiry_volatilities", "tenor_volatilities"]

_YEAR_S = 365.0 * 86_400.0
_DAY_S = 86_400.0


@dataclass(frozen=True, kw_only=True, slots=True)
class QuoteSettings:
    """Say which quotes of options count.

    Attributes
    ----------
    rules
        Those in force; all by default.
    mark_spreads
        How far beyond its bid or ask a mark may be, in distances between them.
    near_money
        Largest `|ln(K/F)|` of a quote at the money, in square roots of years to expiry.
    quorum
        Least number of quotes at the money of an expiry.
    least_tenor_d
        Expiries that are nearer are left out.
    """

    rules: frozenset[Rule] = ALL_RULES
    mark_spreads: float = 1.0
    near_money: float = 0.3
    quorum: int = 3
    least_tenor_d: float = 1.0

    def __post_init__(self) -> None:
        """Reject limits that make no sense."""
        if min(self.mark_spreads, self.near_money) <= 0 or self.quorum < 1 or self.least_tenor_d < 0:
            raise ConfigError(
                "quotes: mark_spreads, near_money, quorum must be positive, least_tenor_d not negative"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class CleanedQuotes:
    """Hold the quotes that may be used, and what was found."""

    quotes: OptionQuotes
    findings: tuple[Finding, ...]

    def count(self, rule: Rule) -> int:
        """Return how often a rule found something."""
        return sum(f.count for f in self.findings if f.rule is rule)


def clean_quotes(quotes: OptionQuotes, *, settings: QuoteSettings | None = None) -> CleanedQuotes:
    """Return the quotes that may be used, and what was found in the others."""
    limits = settings or QuoteSettings()
    judges: tuple[tuple[Rule, Callable[[OptionQuotes], Bools]], ...] = (
        (Rule.EXPIRED, lambda q: q.expiry_s <= q.times_s),
        (Rule.BAD_PRICE, _bad_prices),
        (Rule.ONE_SIDED, lambda q: ~((q.bid > 0) & (q.ask > 0))),
        (Rule.CROSSED, lambda q: q.bid > q.ask),
        (Rule.OFF_MARK, lambda q: _off_mark(q, limits.mark_spreads)),
    )
    findings = []
    for rule, judge in judges:
        bad = judge(quotes)
        if rule in limits.rules and bad.any():
            findings.append(finding(rule, quotes.symbol, quotes.times_s[bad]))
            quotes = quotes.rows(~bad)
    log_findings(findings)
    return CleanedQuotes(quotes=quotes, findings=tuple(findings))


def expiry_volatilities(
    quotes: OptionQuotes, *, settings: QuoteSettings | None = None
) -> tuple[Floats, Floats]:
    """Return years to expiry and volatility at the money of every expiry that has a quorum, (E,) each, nearest first.

    The volatility is the median of the quotes at the money, each that of its mark: as the source says, or else inverted
    from the premium (Black 1976 on the forward).

    Parameters
    ----------
    quotes
        One snapshot, cleaned.

    Raises
    ------
    DataError
        If the quotes are more than an hour apart.
    """
    limits = settings or QuoteSettings()
    if len(quotes.times_s) and quotes.times_s[-1] - quotes.times_s[0] > 3600:
        raise DataError(f"{quotes.symbol}: quotes are more than an hour apart: take a snapshot of them")
    years = (quotes.expiry_s - quotes.times_s) / _YEAR_S
    near = (years >= limits.least_tenor_d * _DAY_S / _YEAR_S) & (years > 0)
    near &= np.abs(np.log(quotes.strike / quotes.forward)) <= limits.near_money * np.sqrt(
        np.maximum(years, 0.0)
    )
    chosen, years = quotes.rows(near), years[near]
    said = chosen.mark_iv.copy()
    silent = ~np.isfinite(said)
    unit = chosen.forward if chosen.inverse else np.ones(len(said))
    said[silent] = implied_volatility(
        (chosen.mark * unit)[silent],
        chosen.forward[silent],
        chosen.strike[silent],
        years[silent],
        is_call=chosen.is_call[silent],
    )
    found = []
    for expiry in np.unique(chosen.expiry_s):
        there = (chosen.expiry_s == expiry) & np.isfinite(said) & (said > 0)
        if there.sum() >= limits.quorum:
            found.append((float(np.median(years[there])), float(np.median(said[there]))))
    pairs = np.array(found, dtype=np.float64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def tenor_volatilities(years: Floats, volatility: Floats, *, tenors_d: Floats) -> Floats:
    """Return volatilities at some tenors, NaN beyond the expiries; between them total variance is linear in time.

    Parameters
    ----------
    years, volatility
        As `expiry_volatilities` returns them, (E,).
    tenors_d
        Days, (T,).
    """
    wanted = np.asarray(tenors_d, dtype=np.float64) * _DAY_S / _YEAR_S
    if not len(years):
        return np.full(wanted.shape, np.nan)
    variance = np.interp(wanted, years, volatility**2 * years, left=np.nan, right=np.nan)
    found: Floats = np.sqrt(variance / wanted)
    return found


def _bad_prices(quotes: OptionQuotes) -> Bools:
    numbers = np.stack([quotes.strike, quotes.forward, quotes.index])
    bad: Bools = ~(np.all(np.isfinite(numbers) & (numbers > 0), axis=0) & (quotes.mark >= 0))
    return bad


def _off_mark(quotes: OptionQuotes, spreads: float) -> Bools:
    with np.errstate(invalid="ignore"):
        room = spreads * np.abs(quotes.ask - quotes.bid)
        bad: Bools = (quotes.mark < quotes.bid - room) | (quotes.mark > quotes.ask + room)
    return bad
