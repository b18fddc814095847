"""GARCH with Student residuals, fitted again each month: what a good econometric model asks for a single leg."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import t as student

from seawall.arrays import Floats, Ints
from seawall.errors import ConfigError, DataError

__all__ = ["garch_value_at_risk"]

_HORIZON_H = 24
_FIRST_FIT = 200


def garch_value_at_risk(
    closes: Floats, rows: Ints, times_s: Ints, *, alpha: float, asymmetric: bool
) -> Floats:
    """Return the value at risk of GARCH(1,1) or GJR-GARCH(1,1,1) with Student residuals, (N, 2).

    Fitted to daily log-returns of each hour of the day on the first of each month, on what was known by then.

    Parameters
    ----------
    closes
        (T,), hourly, NaN where missing.
    rows, times_s
        Presents, (N,), and when they are.
    alpha
        Level.
    asymmetric
        Whether falls raise the variance more (Glosten, Jagannathan, Runkle 1993).

    Raises
    ------
    ConfigError
        If the library `arch` is not installed.
    DataError
        If the history before the first row is too short.
    """
    try:
        from arch import arch_model
    except ImportError as error:
        raise ConfigError("GARCH needs the library arch. Fix: install seawall[backtest]") from error
    logs = np.log(closes)
    months = times_s.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
    found = np.full((len(rows), 2), np.nan)
    for phase in np.unique(rows % _HORIZON_H):
        chosen = np.flatnonzero(rows % _HORIZON_H == phase)
        days = np.arange(phase, len(logs), _HORIZON_H)
        days = days[np.isfinite(logs[days])]
        returns = 100.0 * np.diff(logs[days])  # return i ends at days[i + 1]
        for month in np.unique(months[chosen]):
            now = chosen[months[chosen] == month]
            ends = np.searchsorted(days, rows[now])  # as many returns are known at each present
            if ends[0] < _FIRST_FIT:
                raise DataError(f"GARCH needs {_FIRST_FIT} daily returns before the first row, has {ends[0]}")
            found[now] = _forecast(arch_model, returns, ends, asymmetric=asymmetric, tail=1.0 - alpha)
    return found


def _forecast(arch_model: Any, returns: Floats, ends: Ints, *, asymmetric: bool, tail: float) -> Floats:
    """Return long and short value at risk of the day after each of `ends` returns, parameters fitted at the first."""
    known = returns[: int(ends[-1])]
    model = arch_model(known, mean="Zero", vol="GARCH", p=1, o=int(asymmetric), q=1, dist="t", rescale=False)
    fit = model.fit(last_obs=int(ends[0]), disp="off", show_warning=False)
    variance = fit.forecast(start=int(ends[0]) - 1, horizon=1, reindex=True, align="origin").variance
    sigma = np.sqrt(variance.to_numpy()[ends - 1, 0]) / 100.0
    freedom = float(fit.params["nu"])
    quantile = float(student.ppf(tail, freedom)) * np.sqrt((freedom - 2.0) / freedom)
    return np.column_stack([-np.expm1(quantile * sigma), np.expm1(-quantile * sigma)])
