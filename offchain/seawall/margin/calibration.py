"""Surfaces through a chain of option quotes, and what stands in for one that cannot be fitted."""

from dataclasses import dataclass, field

import numpy as np

from seawall.arrays import Floats, Ints
from seawall.errors import ConfigError
from seawall.margin.arbitrage import GridCheck, grid_check
from seawall.margin.essvi import Slices, scaled, slice_variance
from seawall.margin.fitting import Smiles, fitted
from seawall.margin.screening import ChainQuotes, Rule, Screened, ScreeningSettings, screened

__all__ = ["Calibration", "CalibrationSettings", "Fit", "aged", "calibrate"]

_POINTS = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationSettings:
    """Say which quotes count, how much, and what becomes of a chain that cannot be fitted.

    Attributes
    ----------
    screening
        Which quotes are fitted.
    wing_weight
        Weight of quotes without vega; those at the money have 1 more. It costs the rest nothing and tames the wings.
    width_points
        Half spread, in volatility points, at which a quote counts half.
    least_expiries
        Fewer make no surface.
    most_error_points
        A fit has failed if half of the quotes, by vega, are further off, volatility points. A few wrong ones are not
        a reason: they hardly bend the surface.
    widening_per_h, most_widening
        Part by which volatilities of the last good surface are raised for each hour of its age, and at most.
    """

    screening: ScreeningSettings = field(default_factory=ScreeningSettings)
    wing_weight: float = 0.03
    width_points: float = 5.0
    least_expiries: int = 2
    most_error_points: float = 3.0
    widening_per_h: float = 0.02
    most_widening: float = 0.25

    def __post_init__(self) -> None:
        """Reject settings that make no sense."""
        if not (self.wing_weight > 0 and self.width_points > 0 and self.most_error_points > 0):
            raise ConfigError("calibration: wing_weight, width_points and most_error_points must be positive")
        if self.least_expiries < 1 or self.widening_per_h < 0 or not 0 <= self.most_widening <= 1:
            raise ConfigError(
                "calibration: least_expiries must be at least 1, widening_per_h not negative, most_widening 0 to 1"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Hold a fitted surface and how well it goes through its quotes.

    Attributes
    ----------
    slices
        The surface, one slice an expiry, free of arbitrage.
    quotes
        What it was fitted to, (Q,).
    errors
        Model less quoted volatility, points, (Q,).
    check
        What a fine grid shows: no arbitrage, or this is no fit.
    steps
        Of the minimisation.
    """

    slices: Slices
    quotes: Screened
    errors: Floats
    check: GridCheck
    steps: int

    def rmse(self, *, least_days: float = 0.0) -> float:
        """Return the root mean square error weighted by vega, volatility points, from a maturity up; NaN if none."""
        far = self.quotes.tau_y * 365.0 >= least_days
        vega = self.quotes.nearness[far] * np.sqrt(self.quotes.tau_y[far])
        return _root_mean(self.errors[far], vega)

    def rmse_by_expiry(self) -> Floats:
        """Return the same by expiry, (N,), weighted by vega."""
        _, at = np.unique(self.quotes.expiry, return_inverse=True)
        found = [_root_mean(self.errors[at == i], self.quotes.nearness[at == i]) for i in range(at.max() + 1)]
        return np.array(found)

    def median_error(self) -> float:
        """Return the error, volatility points without sign, that half of the quotes by vega do not exceed."""
        size = np.abs(self.errors)
        order = np.argsort(size)
        below = np.cumsum((self.quotes.nearness * np.sqrt(self.quotes.tau_y))[order])
        return float(size[order][np.searchsorted(below, 0.5 * below[-1])])

    def summary(self) -> str:
        """Return a line for an operator: what was fitted, and how closely."""
        return (
            f"{len(self.errors)} quotes, {len(self.slices.tau_y)} expiries, error {self.rmse():.2f} volatility points "
            f"by vega, worst {abs(self.worst()[1]):.1f}; {sum(self.quotes.dropped.values())} quotes left out"
        )

    def worst(self) -> tuple[int, float]:
        """Return where in the chain the quote with the largest error stands, and that error in volatility points."""
        i = int(np.argmax(np.abs(self.errors)))
        return int(self.quotes.index[i]), float(self.errors[i])


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Hold what a chain comes to.

    Attributes
    ----------
    slices
        The surface to use; None where there never was a good one.
    fit
        Of this chain; None if it failed.
    failure
        Why it failed; empty if it did not.
    widening
        Part by which the volatilities of the last good surface were raised; 0 for a new one.
    dropped
        Quotes left out, by rule.
    """

    slices: Slices | None
    fit: Fit | None
    failure: str
    widening: float
    dropped: dict[Rule, int]


def calibrate(
    quotes: ChainQuotes,
    *,
    settings: CalibrationSettings,
    last: Slices | None = None,
    age_h: float = 0.0,
) -> Calibration:
    """Return the surface through a chain, or the last good one, widened, with the reason.

    Parameters
    ----------
    quotes
        One underlying's, of one time.
    settings
        Screening, weights, limits.
    last
        The last good surface as it was fitted, if there is one.
    age_h
        Its age, hours.
    """
    kept = screened(quotes, settings=settings.screening)
    expiries = len(np.unique(kept.expiry))
    if expiries < settings.least_expiries:
        failure = f"{expiries} expiries have enough quotes that pass, {settings.least_expiries} are needed"
        return _without(last, age_h, failure, kept, settings)
    found = _fit(kept, settings)
    error = found.median_error()
    if not found.slices.is_free() or found.check.butterflies or found.check.calendars:
        return _without(last, age_h, "the fitted surface is not free of arbitrage", kept, settings)
    if not error <= settings.most_error_points:
        failure = f"half of the quotes are off by {error:.2f} volatility points, at most {settings.most_error_points}"
        return _without(last, age_h, failure, kept, settings)
    return Calibration(slices=found.slices, fit=found, failure="", widening=0.0, dropped=kept.dropped)


def aged(slices: Slices, *, age_h: float, settings: CalibrationSettings) -> tuple[Slices, float]:
    """Return a surface whose volatilities at the money are raised for its age in hours, and by what part."""
    part = min(settings.widening_per_h * max(age_h, 0.0), settings.most_widening)
    return scaled(slices, 1.0 + part), part


def _without(
    last: Slices | None, age_h: float, failure: str, kept: Screened, settings: CalibrationSettings
) -> Calibration:
    """Return what stands in for a chain that cannot be fitted."""
    stands, part = (None, 0.0) if last is None else aged(last, age_h=age_h, settings=settings)
    return Calibration(
        slices=stands,
        fit=None,
        failure=failure,
        widening=part,
        dropped=kept.dropped,
    )


def _fit(kept: Screened, settings: CalibrationSettings) -> Fit:
    """Return the surface through quotes that pass, by expiry."""
    _, first, row, counts = np.unique(kept.expiry, return_index=True, return_inverse=True, return_counts=True)
    place = np.arange(len(row)) - first[row]
    tau = np.bincount(row, kept.tau_y) / counts
    order = np.argsort(tau, kind="stable")
    rank: Ints = np.empty_like(order)
    rank[order] = np.arange(len(order))
    row = rank[row]
    smiles = Smiles(
        tau_y=tau[order],
        moneyness=np.zeros((len(tau), counts.max())),
        volatility=np.ones((len(tau), counts.max())),
        weight=np.zeros((len(tau), counts.max())),
    )
    width = (_POINTS * kept.half_spread / settings.width_points) ** 2
    smiles.moneyness[row, place] = kept.moneyness
    smiles.volatility[row, place] = kept.volatility
    smiles.weight[row, place] = (kept.nearness + settings.wing_weight) / (1.0 + width)
    slices, steps = fitted(smiles)
    w = slice_variance(slices.theta[row], slices.psi[row], slices.chi[row], kept.moneyness)
    errors = _POINTS * (np.sqrt(w / slices.tau_y[row]) - kept.volatility)
    return Fit(slices=slices, quotes=kept, errors=errors, check=grid_check(slices), steps=steps)


def _root_mean(errors: Floats, weights: Floats) -> float:
    """Return a weighted root mean square; NaN without weight."""
    total = float(weights.sum())
    return float(np.sqrt((weights * errors**2).sum() / total)) if total > 0 else float("nan")
