"""Surfaces of implied variance by maturity and strike, one eSSVI slice an expiry, free of arbitrage by construction.

A slice is eSSVI (Hendriks, Martini 2019; Corbetta, Cohort, Laachir, Martini 2019): at log-moneyness k, with total
variance theta at the money, `psi = theta phi` and the skew `chi = rho psi`,

    w(k) = [theta + chi k + sqrt(psi^2 k^2 + 2 chi theta k + theta^2)] / 2

which is `theta/2 [1 + rho phi k + sqrt((phi k + rho)^2 + 1 - rho^2)]`. Slices satisfy, each and from one to the next,

    no butterfly    |chi| <= psi,   psi + |chi| <= 4,   psi + |chi| / 2 <= 2 sqrt(theta)
    no calendar     theta and psi do not fall,   |change of chi| <= change of psi,   psi / theta does not rise

The first line implies Gatheral and Jacquier's `theta phi (1 + |rho|) <= 4` and `theta phi^2 (1 + |rho|) <= 4`, as
`1 + x <= (1 + x/2)^2`; and its three conditions are convex in (theta, psi, chi), so they hold on the straight line
between two slices that satisfy them. So do those of the second line, under which `dw >= 0` for every k: with
`x = psi |k|`, `r = +-rho` and R the root, `2 R psi dw / d psi` is at least `R (theta - x) + (theta - x)^2 +
(1 + r) x theta`, and that is not negative as `R^2 = (theta - x)^2 + 2 (1 + r) x theta`. Hence theta, psi and chi linear
in time between expiries leave no arbitrage anywhere between. Before the first expiry and after the last the
volatility at the money stands and psi goes with `sqrt(theta)` (at most to the limit of the first line), rho standing:
the smile keeps its shape in `k / sqrt(theta)`, and all conditions hold again.
"""

from dataclasses import dataclass

import numpy as np

from seawall.arrays import Floats

__all__ = [
    "WING_LIMIT",
    "Slices",
    "at",
    "nearest_free",
    "scaled",
    "slice_variance",
    "total_variance",
    "variance_and_root",
    "with_knots",
]

# The largest psi + |chi|: strictly below 4, so that wings grow by less than 2 a unit of moneyness.
WING_LIMIT = 4.0 * (1.0 - 1e-9)

# What a projection leaves of the first slice's correlation: strictly less than 1.
_MOST_RHO = 1.0 - 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Slices:
    """Hold a surface: N expiries, the last axis; scenarios may stand before it.

    Attributes
    ----------
    tau_y
        Maturities, years, positive and increasing, (N,).
    theta
        Total variance at the money, (..., N).
    psi
        Slope of the wings, theta phi, (..., N).
    chi
        Their skew, rho psi, (..., N).
    """

    tau_y: Floats
    theta: Floats
    psi: Floats
    chi: Floats

    @property
    def rho(self) -> Floats:
        """Return the correlation by slice, (..., N)."""
        found: Floats = self.chi / self.psi
        return found

    def margins(self) -> Floats:
        """Return what is left of each condition in the module's text, relative to its terms, (..., N, 7).

        None is negative on a surface free of arbitrage. In their order, the |change of chi| as two; what comes before
        the first slice is 0, where `psi / theta` is infinite.
        """
        theta, psi, chi = self.theta, self.psi, self.chi
        more, wider, turned = (np.diff(x, axis=-1, prepend=0.0) for x in (theta, psi, chi))
        steeper = np.ones_like(theta)
        before, after = psi[..., :-1] * theta[..., 1:], psi[..., 1:] * theta[..., :-1]
        steeper[..., 1:] = (before - after) / np.maximum(before, after)
        root = 2.0 * np.sqrt(theta)
        conditions = (
            1.0 - np.abs(chi) / psi,
            1.0 - (psi + np.abs(chi)) / 4.0,
            1.0 - (psi + np.abs(chi) / 2.0) / root,
            more / theta,
            (wider - turned) / psi,
            (wider + turned) / psi,
            steeper,
        )
        return np.stack(conditions, axis=-1)

    def is_free(self, *, tolerance: float = 1e-9) -> bool:
        """Say whether all conditions hold, up to rounding."""
        return bool((self.margins() >= -tolerance).all())


def slice_variance(theta: Floats, psi: Floats, chi: Floats, moneyness: Floats) -> Floats:
    """Return `w(k)` of slices; arguments of shapes that broadcast, moneyness `ln(K / F)`."""
    w: Floats = variance_and_root(theta, psi, chi, moneyness)[0]
    return w


def variance_and_root(theta: Floats, psi: Floats, chi: Floats, k: Floats) -> tuple[Floats, Floats]:
    """Return w and the root in it, neither by a difference: rounding makes neither negative."""
    level, bent = theta + chi * k, (psi - chi) * (psi + chi) * k * k
    root = np.sqrt(level * level + bent)
    size = np.abs(level) + root
    return np.where(level >= 0, 0.5 * size, 0.5 * bent / size), root


def at(slices: Slices, tau_y: Floats) -> tuple[Floats, Floats, Floats]:
    """Return theta, psi and chi at other maturities, (..., K) each.

    Parameters
    ----------
    slices
        The surface, N expiries.
    tau_y
        Years, positive, (K,).
    """
    known = slices.tau_y
    i = np.clip(np.searchsorted(known, tau_y, side="right") - 1, 0, max(len(known) - 2, 0))
    j = np.minimum(i + 1, len(known) - 1)
    inside = np.clip(tau_y, known[0], known[-1])
    gap = np.where(j > i, known[j] - known[i], 1.0)
    part = (inside - known[i]) / gap
    theta, psi, chi = (
        x[..., i] * (1.0 - part) + x[..., j] * part for x in (slices.theta, slices.psi, slices.chi)
    )
    beyond = tau_y / inside
    if (beyond == 1.0).all():
        return theta, psi, chi
    room = np.maximum(WING_LIMIT / (psi + np.abs(chi)), 1.0)
    factor = np.minimum(np.sqrt(beyond), room)
    return theta * beyond, psi * factor, chi * factor


def total_variance(slices: Slices, moneyness: Floats, tau_y: Floats) -> Floats:
    """Return `w(k)` at log-moneyness, (..., K), and maturities in years, positive, (K,)."""
    return slice_variance(*at(slices, tau_y), moneyness)


def with_knots(slices: Slices, tau_y: Floats) -> Slices:
    """Return the surface with slices at further maturities, years, (K,), where it has none.

    Between its expiries that changes nothing. Before the first and after the last, psi and chi are then linear in time
    from there on, not in `sqrt(theta)`.
    """
    every = np.union1d(slices.tau_y, tau_y)
    theta, psi, chi = at(slices, every)
    return Slices(tau_y=every, theta=theta, psi=psi, chi=chi)


def scaled(slices: Slices, factor: float) -> Slices:
    """Return a surface whose volatilities at the money are a multiple, its smile as wide in them.

    `theta factor^2`, psi and chi `factor`: w over theta is the same function of `k / sqrt(theta)`, but where wings
    would grow too steep.
    """
    return nearest_free(
        Slices(
            tau_y=slices.tau_y,
            theta=slices.theta * factor**2,
            psi=slices.psi * factor,
            chi=slices.chi * factor,
        )
    )


def nearest_free(slices: Slices) -> Slices:
    """Return slices near the given ones, theta the same, on which all conditions of the module hold.

    Slice after slice: the step of (psi, chi) from the slice before is first put into the cone
    `|change of chi| <= change of psi`, then shortened, if need be, until the other conditions hold: they do at its
    start, and they are convex along it. What is free of arbitrage already comes back as it is, but for rounding.

    Parameters
    ----------
    slices
        theta positive and not falling, (..., N); psi and chi of any sign.
    """
    theta = slices.theta
    psi, chi = np.empty_like(theta), np.empty_like(theta)
    last_psi = last_chi = np.zeros(theta.shape[:-1])
    for i in range(theta.shape[-1]):
        # The smile keeps some width, or rho would have no meaning.
        least = 1e-9 * np.sqrt(theta[..., 0]) if i == 0 else 0.0
        wider = np.maximum(slices.psi[..., i] - last_psi, least)
        most_turned = wider * _MOST_RHO if i == 0 else wider
        turned = np.clip(slices.chi[..., i] - last_chi, -most_turned, most_turned)
        part = np.minimum(
            _part(last_psi, last_chi, wider, turned, 1.0, WING_LIMIT),
            _part(last_psi, last_chi, wider, turned, 0.5, 2.0 * np.sqrt(theta[..., i])),
        )
        if i:
            most = last_psi * (theta[..., i] / theta[..., i - 1] - 1.0)
            part = np.minimum(part, most / np.maximum(wider, np.maximum(most, 1e-30)))
        last_psi, last_chi = last_psi + part * wider, last_chi + part * turned
        psi[..., i], chi[..., i] = last_psi, last_chi
    return Slices(tau_y=slices.tau_y, theta=theta, psi=psi, chi=chi)


def _part(
    psi: Floats, chi: Floats, wider: Floats, turned: Floats, share: float, limit: Floats | float
) -> Floats:
    """Return the largest part of a step, at most 1, after which `psi + share |chi| <= limit` by convexity."""
    start = psi + share * np.abs(chi)
    end = psi + wider + share * np.abs(chi + turned)
    room: Floats = np.maximum(limit - start, 0.0) / np.maximum(end - start, 1e-30)
    return np.where(end > limit, np.minimum(room, 1.0), 1.0)
