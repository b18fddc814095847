"""One price from several sources: the median of a quorum that agrees, or no price, with a reason.

At every time let m be the median of the closes of the sources that have one. m is the observation if at least `quorum`
sources are within `max_spread` of it, in logarithms; otherwise there is none, and none is guessed. So

* while more than half of the sources present are honest, m lies between the least and the largest honest close;
* while fewer than `quorum` lie, m is within `max_spread` of an honest close, whatever is absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seawall.arrays import Floats, Ints
from seawall.errors import ConfigError, DataError
from seawall.market.findings import Finding, Rule, finding, log_findings
from seawall.market.schema import Candles

__all__ = ["Agreed", "ConsensusSettings", "agree"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ConsensusSettings:
    """Say when sources agree.

    Attributes
    ----------
    quorum
        Sources that must agree; None for more than half of those given.
    max_spread
        Largest distance of a source from the median, in logarithms.
    """

    quorum: int | None = None
    max_spread: float = 0.01

    def __post_init__(self) -> None:
        """Reject limits that make no sense."""
        if (self.quorum is not None and self.quorum < 1) or not 0 < self.max_spread < 1:
            raise ConfigError("consensus: quorum must be at least 1, and max_spread within 0 to 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreed:
    """Hold the bars that sources agree on, and why there are no others.

    Attributes
    ----------
    candles
        Of the underlying, at times at which a quorum agreed.
    abstained
        Starts of the bars there are none of, and the reason of each.
    findings
        The reasons, counted.
    """

    candles: Candles
    abstained: dict[int, Rule]
    findings: tuple[Finding, ...]


def agree(
    underlying: str, sources: Sequence[Candles], *, settings: ConsensusSettings | None = None
) -> Agreed:
    """Return what a quorum of sources says of one underlying.

    Open, high, low and volume are medians too, so that a liar inflates no volume.

    Parameters
    ----------
    underlying
        The symbol of the result.
    sources
        One each, cleaned, of the same quote currency and bar length.

    Raises
    ------
    DataError
        If there are fewer sources than the quorum, their bars differ in length, or one repeats a time.
    """
    limits = settings or ConsensusSettings()
    quorum = limits.quorum or len(sources) // 2 + 1
    if not sources or len(sources) < quorum:
        raise DataError(f"{underlying}: {len(sources)} sources, the quorum is {quorum}: add sources")
    if len({s.bar_s for s in sources}) > 1:
        raise DataError(f"{underlying}: bars of sources differ in length: read all with the same")
    times = np.unique(np.concatenate([s.start_s for s in sources]))
    closes = _spread(times, sources, "close")
    with np.errstate(invalid="ignore"):
        near = np.abs(np.log(closes / _median(closes))) <= limits.max_spread
    present, agreeing = np.isfinite(closes).sum(axis=0), near.sum(axis=0)
    kept = agreeing >= quorum
    short = present < quorum
    values = {
        name: _median(_spread(times, sources, name)[:, kept])
        for name in ("open", "high", "low", "close", "volume")
    }
    reasons = ((Rule.NO_QUORUM, short), (Rule.DISAGREEMENT, ~kept & ~short))
    findings = tuple(finding(rule, underlying, times[where]) for rule, where in reasons if where.any())
    log_findings(findings)
    return Agreed(
        candles=Candles(symbol=underlying, start_s=times[kept], bar_s=sources[0].bar_s, **values),
        abstained={int(t): rule for rule, where in reasons for t in times[where]},
        findings=findings,
    )


def _spread(times: Ints, sources: Sequence[Candles], name: str) -> Floats:
    """Return a column of every source at some times, (sources, T), NaN where it has no bar."""
    found = np.full((len(sources), len(times)), np.nan)
    for row, source in zip(found, sources, strict=True):
        if np.any(np.diff(source.start_s) == 0):
            raise DataError(f"{source.symbol} repeats a time: clean it with clean_candles first")
        row[np.searchsorted(times, source.start_s)] = getattr(source, name)
    return found


def _median(values: Floats) -> Floats:
    """Return the median of the finite values of every column, NaN where there is none."""
    ordered = np.sort(values, axis=0)  # NaN last
    count = np.isfinite(values).sum(axis=0)
    columns = np.arange(values.shape[1])
    low = ordered[np.maximum(count - 1, 0) // 2, columns]
    high = ordered[np.minimum(count // 2, len(values) - 1), columns]
    middle: Floats = np.where(count > 0, (low + high) / 2.0, np.nan)
    return middle
