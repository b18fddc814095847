"""Tests of a margin series against what happened: coverage, independence, traffic light, shortfall."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np
from scipy.special import xlogy
from scipy.stats import binom, chi2, t

from seawall.arrays import Bools, Floats, checked
from seawall.errors import ConfigError, DataError

__all__ = [
    "TestResult",
    "Zone",
    "acerbi_szekely_z2",
    "basel_zone",
    "christoffersen_independence",
    "kupiec_pof",
    "z2_critical_value",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """Hold a likelihood ratio and the probability of a larger one if the hypothesis is true."""

    __test__ = False  # not a test of ours

    statistic: float
    p_value: float


class Zone(StrEnum):
    """Name the colour of the Basel traffic light."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


def kupiec_pof(breaches: int, trials: int, *, probability: float) -> TestResult:
    """Test that breaches happen with the probability stated (proportion of failures).

    `LR = -2 ln[((1-p)^(T-x) p^x) / ((1-x/T)^(T-x) (x/T)^x)]`, chi-squared with one degree of freedom
    (Kupiec 1995). Two-sided: too few breaches are rejected as well.

    Parameters
    ----------
    breaches, trials
        x of T, from windows that do not overlap.
    probability
        p, strictly between 0 and 1.

    Raises
    ------
    DataError
        If there is no trial, or there are more breaches than trials.
    ConfigError
        If the probability is out of range.
    """
    if not 0 < probability < 1:
        raise ConfigError(f"probability = {probability}: must lie strictly between 0 and 1")
    if trials < 1 or not 0 <= breaches <= trials:
        raise DataError(
            f"{breaches} breaches in {trials} trials: need at least one trial and no more breaches"
        )
    stated = _log_likelihood(breaches, trials, probability)
    seen = _log_likelihood(breaches, trials, breaches / trials)
    return _ratio(stated, seen)


def christoffersen_independence(hits: Bools) -> TestResult:
    """Test that a breach does not make the next one more likely: a Markov chain against independence.

    `LR = -2 ln[(1-q)^(n00+n10) q^(n01+n11) / ((1-q0)^n00 q0^n01 (1-q1)^n10 q1^n11)]` with n_ij the steps from
    state i to j, chi-squared with one degree of freedom (Christoffersen 1998). With fewer than two breaches
    there is nothing to see and the p-value is 1.

    Parameters
    ----------
    hits
        Whether each of T consecutive windows, none overlapping, was a breach, (T,).

    Raises
    ------
    DataError
        If there are fewer than two windows.
    """
    series = np.asarray(hits, dtype=np.bool_)
    if series.ndim != 1 or len(series) < 2:
        raise DataError("independence needs at least two consecutive windows")
    before, after = series[:-1], series[1:]
    n01, n11 = int((~before & after).sum()), int((before & after).sum())
    calm, hit = int((~before).sum()), int(before.sum())
    if series.sum() < 2:
        return TestResult(statistic=0.0, p_value=1.0)
    together = _log_likelihood(n01 + n11, calm + hit, (n01 + n11) / (calm + hit))
    apart = sum(_log_likelihood(x, n, x / n) for x, n in ((n01, calm), (n11, hit)) if n)
    return _ratio(together, apart)


def basel_zone(breaches: int, trials: int, *, probability: float = 0.01) -> Zone:
    """Return the zone of the supervisory traffic light (Basel Committee 1996, generalised to T trials).

    Yellow from the count at which so many or fewer have a probability of 95% if the stated one is true, red from
    99.99%: 5 and 10 of 250 at 1%.
    """
    if trials < 1 or not 0 <= breaches <= trials:
        raise DataError(
            f"{breaches} breaches in {trials} trials: need at least one trial and no more breaches"
        )
    cumulative = float(binom.cdf(breaches, trials, probability))
    if cumulative >= 0.9999:
        return Zone.RED
    return Zone.YELLOW if cumulative >= 0.95 else Zone.GREEN


def acerbi_szekely_z2(
    pnl: Floats, *, value_at_risk: Floats, expected_shortfall: Floats, alpha: float
) -> float:
    """Return the second statistic of Acerbi and Szekely (2014): 0 if the shortfall is right, negative if too low.

    `Z2 = sum_t X_t 1(X_t + VaR_t < 0) / (T (1 - alpha) ES_t) + 1`.

    Parameters
    ----------
    pnl
        X, (T,), from windows that do not overlap.
    value_at_risk, expected_shortfall
        As forecast for each window, positive for a loss, (T,).
    alpha
        Level of both.

    Raises
    ------
    DataError
        If lengths differ, the series is empty, or a shortfall is not positive.
    """
    moves = checked(pnl, name="pnl", shape=(None,))
    at_risk = checked(value_at_risk, name="value_at_risk", shape=(len(moves),))
    shortfall = checked(expected_shortfall, name="expected_shortfall", shape=(len(moves),))
    if not len(moves) or (shortfall <= 0).any():
        raise DataError("Z2 needs at least one window, and a positive expected shortfall in each")
    beyond = moves + at_risk < 0
    return float((moves / shortfall)[beyond].sum() / (len(moves) * (1.0 - alpha)) + 1.0)


@lru_cache(maxsize=64)
def z2_critical_value(
    trials: int,
    *,
    alpha: float,
    freedom: float = 4.0,
    level: float = 0.05,
    draws: int = 20_000,
    seed: int = 0,
) -> float:
    """Return the quantile of Z2 at `level` if a Student forecast is right, by simulation.

    The number of breaches is binomial and each is drawn from the tail beyond the quantile, which is all that Z2
    looks at. Breaches of windows are taken as independent.

    Parameters
    ----------
    trials
        T.
    alpha
        Level of the forecast.
    freedom
        Degrees of freedom of the Student distribution, above 1.
    level
        Probability of a smaller statistic.
    draws, seed
        Simulations, and their seed.
    """
    if not (freedom > 1 and 0 < level < 1 and 0 < alpha < 1 and trials >= 1 and draws >= 1):
        raise ConfigError(
            "Z2 needs freedom above 1, level and alpha within (0, 1), at least one trial and draw"
        )
    rng = np.random.Generator(np.random.PCG64([seed, trials]))
    tail = 1.0 - alpha
    quantile = float(t.ppf(tail, freedom))
    density = float(t.pdf(quantile, freedom))
    shortfall = density / tail * (freedom + quantile**2) / (freedom - 1.0)
    counts = rng.binomial(trials, tail, size=draws)
    losses = -t.ppf(tail * (1.0 - rng.random(int(counts.sum()))), freedom) / shortfall
    edges = np.concatenate([[0], np.cumsum(counts)])
    sums = np.concatenate([[0.0], np.cumsum(losses)])
    totals = sums[edges[1:]] - sums[edges[:-1]]
    return float(np.quantile(1.0 - totals / (trials * tail), level))


def _log_likelihood(hits: int, trials: int, probability: float) -> float:
    return float(xlogy(hits, probability) + xlogy(trials - hits, 1.0 - probability))


def _ratio(restricted: float, free: float) -> TestResult:
    statistic = max(-2.0 * (restricted - free), 0.0)
    return TestResult(statistic=statistic, p_value=float(chi2.sf(statistic, 1)))
