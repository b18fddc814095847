"""What a keeper's log says about the model itself: alarms of structural breaks, and drift of its parameters."""

from __future__ import annotations

from dataclasses import dataclass

from seawall.arrays import Floats
from seawall.errors import DataError
from seawall.keeper.settings import KeeperSettings
from seawall.margin.breaks import alarms, break_scores, parameter_drift
from seawall.margin.volatility import break_strength, log_closes, sigma_path
from seawall.market.bars import Bars

__all__ = ["Watch", "watch_model"]

_HOUR_S = 3600


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """Hold what is watched, by symbol.

    Attributes
    ----------
    strength
        How much of an alarm is remembered: 1 at the alarm, 0 when there is none or it is forgotten.
    pressure
        The detector's sum as a part of its limit.
    dispersion, tail
        Of `margin.breaks.Drift`: 1 if recent moves are as large, and as heavy in the tail, as the model expects.
    correlation
        Change of the mean correlation.
    """

    strength: dict[str, float]
    pressure: dict[str, float]
    dispersion: dict[str, float]
    tail: dict[str, float]
    correlation: float

    @property
    def alarmed(self) -> bool:
        """Return whether an alarm of any underlying is still remembered."""
        return max(self.strength.values(), default=0.0) > 0


def watch_model(bars: Bars, *, settings: KeeperSettings) -> Watch:
    """Return alarms and drift as of the last bar; without enough history drift is empty.

    Parameters
    ----------
    bars
        Of the underlyings of the chain.
    settings
        Of the model and its breaks, which are watched whether or not they are enabled.
    """
    model, bar_h = settings.model, bars.bar_s / _HOUR_S
    logs = log_closes(bars.closes)
    sigma = sigma_path(bars.closes, bar_h=bar_h, settings=model)
    horizon_bars = model.bars(model.horizon_h, bar_h=bar_h)
    _, sums = alarms(break_scores(logs, sigma, horizon_bars=horizon_bars), settings=model.breaks)
    strength = break_strength(bars.closes, bar_h=bar_h, settings=model)[-1]
    try:
        recent = round(model.breaks.recent_days * 24.0 / bar_h)
        drift = parameter_drift(logs, sigma, horizon_bars=horizon_bars, recent_bars=recent)
    except DataError:  # too short a history
        drift = None

    def by_symbol(values: Floats) -> dict[str, float]:
        return {symbol: round(float(value), 3) for symbol, value in zip(bars.symbols, values, strict=True)}

    return Watch(
        strength=by_symbol(strength),
        pressure=by_symbol(sums[-1] / model.breaks.limit),
        dispersion={} if drift is None else by_symbol(drift.dispersion),
        tail={} if drift is None else by_symbol(drift.tail),
        correlation=0.0 if drift is None else round(drift.correlation, 3),
    )
