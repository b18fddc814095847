"""What the rules for bad data found: counted by rule and symbol, and logged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import structlog

from seawall.arrays import Ints

__all__ = ["ALL_RULES", "Finding", "Rule", "finding", "log_findings"]

_log = structlog.get_logger()


class Rule(StrEnum):
    """Name what is wrong with data."""

    INCOMPLETE = "incomplete"
    LATE = "late"
    LISTING = "listing"
    BAD_PRICE = "bad price"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    SPIKE = "spike"
    UNCONFIRMED = "unconfirmed"
    STUCK = "stuck"
    GAP = "gap"
    ONE_SIDED = "one-sided quote"
    CROSSED = "crossed quote"
    OFF_MARK = "mark off its quotes"
    EXPIRED = "expired option"
    NO_QUORUM = "no quorum of sources"
    DISAGREEMENT = "sources disagree"


ALL_RULES = frozenset(Rule)


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Count what a rule found in a symbol, and when: the times of the first and the last, starts of bars."""

    rule: Rule
    symbol: str
    count: int
    first_s: int
    last_s: int


_logged: set[Finding] = set()


def finding(rule: Rule, symbol: str, times_s: Ints) -> Finding:
    """Return the count of some times, at least one, in order."""
    return Finding(
        rule=rule, symbol=symbol, count=len(times_s), first_s=int(times_s[0]), last_s=int(times_s[-1])
    )


def log_findings(findings: Sequence[Finding]) -> None:
    """Log every finding as a line: once, however often the same history is read, but what is late every time."""
    for f in findings:
        if f in _logged and f.rule is not Rule.LATE:
            continue
        _logged.add(f)
        _log.warning(
            "market data", rule=f.rule.value, symbol=f.symbol, count=f.count, first=f.first_s, last=f.last_s
        )
