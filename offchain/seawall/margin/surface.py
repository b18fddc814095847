"""Implied volatility by maturity and strike from two numbers an underlying, free of arbitrage, also as it moves.

A slice is SSVI (Gatheral, Jacquier 2014): at log-moneyness k and at-the-money total variance theta,

    w(k) = theta/2 [1 + rho phi k + sqrt((phi k + rho)^2 + 1 - rho^2)],   phi = eta / sqrt(theta (1 + theta))

With `eta (1 + |rho|) <= 2` that satisfies `theta phi (1 + |rho|) < 4` and `theta phi^2 (1 + |rho|) <= 4` for every
theta (no butterfly), and theta increasing in maturity then excludes calendar arbitrage too. Where theta is small the
smile is the same at all maturities in units of `k / sqrt(theta)`. Theta integrates an instantaneous variance
that decays from a short level to a long one,

    theta(T) = v_long T + (v_short - v_long) T0 ln(1 + T / T0)

increasing in T as both levels are positive. Scenarios move the two levels: a moved surface is of the same family.

Where a surface was calibrated to a chain of quotes (`margin.calibration`), its slices stand instead, and the two levels
only say how it moves at each of its maturities (`moved`).
"""

from dataclasses import dataclass, replace

import numpy as np

from seawall.arrays import Floats, Ints
from seawall.margin import essvi
from seawall.margin.essvi import Slices
from seawall.margin.settings import SurfaceSettings

__all__ = ["Levels", "levels_from", "levels_through", "moved", "total_variance", "volatility"]

_DAY_Y = 1.0 / 365.0

# Maturity at which the level is quoted, as an index of volatility is.
_QUOTED_Y = 30.0 * _DAY_Y

# The short variance is at least this multiple of the quoted one, and is at most this part: the long one is positive.
_SHORT_MIN, _SHORT_PART = 0.25, 0.8

# How much faster than the quoted volatility the shortest one falls, in logarithms.
_SHORT_FALL = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """Hold instantaneous variances a year, positive, of one shape: at once, and in the end; and smiles by underlying.

    Attributes
    ----------
    correlation, slope
        rho and eta of the smile, (M,); None: those of the settings.
    slices
        Calibrated surfaces, one an entry of the last axis, None where there is none; empty if there is none at all.
    """

    short: Floats
    long: Floats
    correlation: Floats | None = None
    slope: Floats | None = None
    slices: tuple[Slices | None, ...] = ()

    def of(self, underlyings: Ints) -> "Levels":
        """Return the levels of instruments from those of their underlyings, which are in the last axis."""
        return Levels(
            short=self.short[..., underlyings],
            long=self.long[..., underlyings],
            correlation=None if self.correlation is None else self.correlation[underlyings],
            slope=None if self.slope is None else self.slope[underlyings],
            slices=tuple(self.slices[u] for u in underlyings) if self.slices else (),
        )


def _share(tau_y: Floats, settings: SurfaceSettings) -> Floats:
    """Return the weight of the short level in the mean variance to a maturity, `T0/T ln(1 + T/T0)`."""
    scaled = np.maximum(tau_y / (settings.relaxation_days * _DAY_Y), 1e-9)
    share: Floats = np.log1p(scaled) / scaled
    return share


def levels_from(quoted: Floats, long_run: Floats, *, settings: SurfaceSettings) -> Levels:
    """Return levels with the quoted volatility at 30 days, drawn towards the long-run one beyond.

    Parameters
    ----------
    quoted
        Annualised volatility at the money, 30 days, (M,).
    long_run
        Annualised, (M,): where `settings.reversion` of the way, in logarithms, the longest maturities lie.
    settings
        Relaxation and reversion.
    """
    variance = (settings.premium * quoted) ** 2
    far = variance ** (1.0 - settings.reversion) * (settings.premium * long_run) ** (2.0 * settings.reversion)
    share = float(_share(np.array(_QUOTED_Y), settings))
    short = np.clip(far + (variance - far) / share, _SHORT_MIN * variance, _SHORT_PART / share * variance)
    return Levels(short=short, long=(variance - share * short) / (1.0 - share))


def levels_through(
    quoted: float, tau_y: Floats, volatilities: Floats, *, settings: SurfaceSettings
) -> Levels:
    """Return levels with the quoted volatility at 30 days and closest, in variance, to those of other maturities.

    `v(T) = v + (short - v) (share(T) - share(30 d)) / (1 - share(30 d))` has one unknown: least squares, within the
    limits that keep both levels positive.

    Parameters
    ----------
    quoted
        Annualised volatility at the money, 30 days.
    tau_y, volatilities
        Maturities in years and volatilities there, (N,).
    settings
        Relaxation.
    """
    variance, share = quoted**2, float(_share(np.array(_QUOTED_Y), settings))
    slope = (_share(tau_y, settings) - share) / (1.0 - share)
    size = float(slope @ slope)
    excess = float(slope @ (volatilities**2 - variance)) / size if size > 0 else 0.0
    short = np.clip(np.array([variance + excess]), _SHORT_MIN * variance, _SHORT_PART / share * variance)
    return Levels(short=short, long=(variance - share * short) / (1.0 - share))


def moved(levels: Levels, moves: Floats, *, settings: SurfaceSettings) -> Levels:
    """Return the levels after log-moves x of the 30-day volatility, which they reproduce exactly.

    A rise goes into the short level alone, which gives the tenors the moves they have on exchanges (2.4 times the
    30-day one at 3 days, 0.3 times at 180). A fall is taken by the short level first, as a rise is, while there is any
    left: it shrinks by `exp(-fall / part)`, part what it has in the variance of 30 days, or by `exp(4 x)` if that is
    less. Both levels stay positive.

    A calibrated surface moves at each of its maturities, by 30-day moves that it reproduces exactly too. A rise adds to
    theta(T) what it adds to the levels', which increases in T. In a fall theta(T) is multiplied by the levels' ratio,
    which increases in T as the short level falls most. So theta stays increasing. psi and chi go with `sqrt(theta)`,
    the smile standing in units of `k / sqrt(theta)`, and are brought back within the conditions of `margin.essvi` where
    that leaves them.

    Parameters
    ----------
    levels
        Of any shape that broadcasts with the moves; with calibrated surfaces (M,).
    moves
        Log-changes.
    settings
        Relaxation.
    """
    short, long = _levels_after(levels.short, levels.long, moves, settings=settings)
    after = replace(levels, short=short, long=long)
    if not levels.slices:
        return after
    slices = [
        None
        if surface is None
        else _moved(
            surface, levels.short[u : u + 1], levels.long[u : u + 1], moves[..., u, None], settings=settings
        )
        for u, surface in enumerate(levels.slices)
    ]
    return replace(after, slices=tuple(slices))


def _levels_after(
    short: Floats, long: Floats, moves: Floats, *, settings: SurfaceSettings
) -> tuple[Floats, Floats]:
    """Return the short and the long level after log-moves of the 30-day volatility."""
    month = float(_share(np.array(_QUOTED_Y), settings))
    now = month * short + (1.0 - month) * long
    then = now * np.exp(2.0 * moves)
    down = np.minimum(moves, 0.0)
    kept = np.minimum(np.exp(now * np.expm1(2.0 * down) / (month * short)), np.exp(2.0 * _SHORT_FALL * down))
    fallen = short * kept
    return (
        np.where(moves > 0, short + (then - now) / month, fallen),
        np.where(moves > 0, long, (then - month * fallen) / (1.0 - month)),
    )


def _moved(
    surface: Slices, short: Floats, long: Floats, moves: Floats, *, settings: SurfaceSettings
) -> Slices:
    """Return a calibrated surface, of two levels, after log-moves (..., 1) of its 30-day volatility; theta (..., N)."""
    share = _share(surface.tau_y, settings)
    short_then, long_then = _levels_after(short, long, moves, settings=settings)
    risen = surface.theta + (short_then - short) * share * surface.tau_y
    ratio = (long_then + (short_then - long_then) * share) / (long + (short - long) * share)
    theta = np.where(moves > 0, risen, surface.theta * ratio)
    root = np.sqrt(theta / surface.theta)
    shifted = Slices(tau_y=surface.tau_y, theta=theta, psi=surface.psi * root, chi=surface.chi * root)
    return essvi.nearest_free(shifted)


def total_variance(levels: Levels, moneyness: Floats, tau_y: Floats, *, settings: SurfaceSettings) -> Floats:
    """Return `w(k)` at log-moneyness `k = ln(K / F)` and a maturity; zero at maturity zero.

    Parameters
    ----------
    levels, moneyness, tau_y
        Of shapes that broadcast; maturity in years, not negative; (K,) where there are calibrated surfaces, K of them.
    settings
        Smile, where the levels have none, and relaxation.
    """
    share = _share(tau_y, settings)
    theta = np.maximum((levels.long + (levels.short - levels.long) * share) * tau_y, 1e-12)
    rho = settings.smile_correlation if levels.correlation is None else levels.correlation
    eta = settings.smile_slope if levels.slope is None else levels.slope
    scaled = eta * moneyness / np.sqrt(theta * (1.0 + theta))
    w: Floats = theta / 2.0 * (1.0 + rho * scaled + np.sqrt((scaled + rho) ** 2 + 1.0 - rho**2))
    found = np.where(tau_y > 0, w, 0.0)
    return _calibrated(levels, moneyness, tau_y, found) if levels.slices else found


def _calibrated(levels: Levels, moneyness: Floats, tau_y: Floats, otherwise: Floats) -> Floats:
    """Return total variances, those of calibrated surfaces where there are any, (..., K)."""
    columns: dict[int, list[int]] = {}
    for i, surface in enumerate(levels.slices):
        if surface is not None:
            columns.setdefault(id(surface), []).append(i)
    for some in columns.values():
        surface = levels.slices[some[0]]
        if surface is not None:
            otherwise[..., some] = essvi.total_variance(surface, moneyness[..., some], tau_y[some])
    return otherwise


def volatility(levels: Levels, moneyness: Floats, tau_y: Floats, *, settings: SurfaceSettings) -> Floats:
    """Return the annualised implied volatility `sqrt(w / T)`; parameters as for `total_variance`, T positive."""
    implied: Floats = np.sqrt(total_variance(levels, moneyness, tau_y, settings=settings) / tau_y)
    return implied
