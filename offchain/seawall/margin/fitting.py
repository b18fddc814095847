"""eSSVI surfaces through smiles: least squares in volatility, never outside what excludes arbitrage.

Minimised over theta, psi and chi of all expiries at once is the mean by weight of Huber's loss of the deviations, in
volatility points, plus a logarithmic barrier for every condition c of `margin.essvi`:

    f(x) = sum_q w_q H(100 (sigma_q(x) - sigma_q)) / sum_q w_q - mu sum_c ln c(x),     mu falling to 1e-7

Every iterate satisfies every condition strictly, so whatever it stops at is free of arbitrage. Steps are those of Gauss
and Newton; their matrix couples neighbouring expiries only.
"""

from dataclasses import dataclass

import numpy as np

from seawall.arrays import Floats
from seawall.margin.essvi import WING_LIMIT, Slices

__all__ = ["Smiles", "fitted"]

_POINTS = 100.0

# Points from which a deviation counts in proportion only, so that one wrong quote cannot bend a slice.
_HUBER = 5.0

# The barrier's first and last weight, squared points, and what becomes of it from one step to the next.
_FIRST, _LAST, _FALL = 1.0, 1e-7, 0.15

# A step leaves at least this part of every condition, and is at most halved so often.
_KEPT, _HALVINGS = 0.05, 14

# It is over after so many steps, or at the last weight when no parameter changes by more than this part.
_STEPS, _SETTLED = 80, 1e-5

# The start: rho and `psi / sqrt(theta)` of all slices, and by what part theta at least grows from one to the next.
_RHO, _ETA, _GROWTH = -0.1, 0.8, 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Smiles:
    """Hold quotes by expiry: N rows as long as the longest, what they lack with weight 0.

    Attributes
    ----------
    tau_y
        Years, increasing, (N,).
    moneyness
        `ln(K / F)`, (N, Q).
    volatility
        As quoted, annualised, (N, Q); positive also where the weight is 0.
    weight
        Not negative, some of each row positive, (N, Q).
    """

    tau_y: Floats
    moneyness: Floats
    volatility: Floats
    weight: Floats


def fitted(smiles: Smiles) -> tuple[Slices, int]:
    """Return the surface through the smiles, and the number of steps to it.

    Parameters
    ----------
    smiles
        N expiries.
    """
    x, mu, steps = _start(smiles), _FIRST, 0
    share = smiles.weight / smiles.weight.sum()
    while steps < _STEPS:
        steps += 1
        limits = _limits(x)
        step = _newton(*_model(x, smiles, share), limits, _slopes(x), mu)
        part = _part(x, step, limits, mu, smiles, share)
        settled = float(np.abs(part * step / x)[:, :2].max()) <= _SETTLED
        x = x + part * step
        if mu <= _LAST and settled:
            break
        if part == 0 or part > 0.3:
            mu = max(mu * _FALL, _LAST)
    theta, psi, chi = x.T
    return Slices(tau_y=smiles.tau_y, theta=theta, psi=psi, chi=chi), steps


def _start(smiles: Smiles) -> Floats:
    """Return slices strictly within all conditions, (N, 3), at the money about as quoted, as far as theta rises."""
    tau = smiles.tau_y[:, None]
    far = smiles.moneyness**2 / (smiles.volatility**2 * tau)
    near = smiles.weight / (0.01 + far) ** 2
    theta = (near * smiles.volatility**2).sum(axis=1) / near.sum(axis=1) * smiles.tau_y
    rising = np.log1p(_GROWTH) * np.arange(len(theta))
    theta = np.exp(np.maximum.accumulate(np.log(theta) - rising) + rising)
    psi = _ETA * np.sqrt(theta / (1.0 + theta))
    return np.stack([theta, psi, _RHO * psi], axis=1)


def _deviations(x: Floats, smiles: Smiles) -> tuple[Floats, Floats, Floats, Floats]:
    """Return model less quoted volatility, points, and the slices' volatility, linear part and root, (N, Q) each."""
    theta, psi, chi = (x[:, i, None] for i in range(3))
    k = smiles.moneyness
    level = theta + chi * k
    root = np.sqrt(level * level + (psi - chi) * (psi + chi) * k * k)
    volatility = np.sqrt(0.5 * (level + root) / smiles.tau_y[:, None])
    return _POINTS * (volatility - smiles.volatility), volatility, level, root


def _loss(error: Floats, share: Floats) -> float:
    """Return Huber's loss, weighted."""
    inner = np.minimum(np.abs(error), _HUBER)
    return float((share * inner * (np.abs(error) - 0.5 * inner)).sum())


def _model(x: Floats, smiles: Smiles, share: Floats) -> tuple[Floats, Floats]:
    """Return the gradient of the loss, (N, 3), and Gauss and Newton's matrix by slice, (N, 3, 3)."""
    error, volatility, level, root = _deviations(x, smiles)
    k = smiles.moneyness
    outer = 0.25 * _POINTS / (volatility * smiles.tau_y[:, None] * root)
    slopes = np.stack(
        [(root + level) * outer, x[:, 1, None] * k * k * outer, k * (root + x[:, 0, None]) * outer]
    )
    pulls = slopes * (share * _HUBER / np.maximum(np.abs(error), _HUBER))
    return np.einsum("inq,nq->ni", pulls, error), np.einsum("inq,jnq->nij", pulls, slopes)


def _limits(x: Floats) -> Floats:
    """Return what is left of each condition, (N, 8): positive inside."""
    theta, psi, chi = x.T
    more, wider, turned = np.diff(x, axis=0, prepend=0.0).T
    root = 2.0 * np.sqrt(theta)
    falling = np.ones_like(theta)
    falling[1:] = psi[:-1] * theta[1:] - psi[1:] * theta[:-1]
    return np.stack(
        [
            more,
            wider - turned,
            wider + turned,
            WING_LIMIT - psi - chi,
            WING_LIMIT - psi + chi,
            root - psi - 0.5 * chi,
            root - psi + 0.5 * chi,
            falling,
        ],
        axis=1,
    )


def _slopes(x: Floats) -> Floats:
    """Return the derivatives of each condition by the slice before and by its own, (N, 8, 6)."""
    found = np.zeros((len(x), 8, 6))
    found[:, 0, 3] = found[:, 1, 4] = found[:, 2, 4] = found[:, 2, 5] = 1.0
    found[:, 1, 5] = -1.0
    found[1:, :3, :3] = -found[1:, :3, 3:]
    found[:, 3:7, 4] = -1.0
    found[:, 3:7, 5] = (-1.0, 1.0, -0.5, 0.5)
    found[:, 5:7, 3] = (1.0 / np.sqrt(x[:, 0]))[:, None]
    found[1:, 7, 0], found[1:, 7, 1] = -x[1:, 1], x[1:, 0]
    found[1:, 7, 3], found[1:, 7, 4] = x[:-1, 1], -x[:-1, 0]
    return found


def _newton(gradient: Floats, matrix: Floats, limits: Floats, slopes: Floats, mu: float) -> Floats:
    """Return the step, (N, 3), that minimises the quadratic model of loss and barrier."""
    unit = slopes / limits[:, :, None]
    pull = -mu * unit.sum(axis=1)
    bend = mu * np.einsum("nci,ncj->nij", unit, unit)
    total = gradient + pull[:, 3:]
    total[:-1] += pull[1:, :3]
    own = matrix + bend[:, 3:, 3:]
    own[:-1] += bend[1:, :3, :3]
    n = len(limits)
    i = np.arange(n)
    full = np.zeros((n, 3, n, 3))
    full[i, :, i, :] = own
    full[i[1:], :, i[:-1], :] = bend[1:, 3:, :3]
    full[i[:-1], :, i[1:], :] = bend[1:, :3, 3:]
    square = full.reshape(3 * n, 3 * n)
    # Unit diagonal, and hardly more: rounding must not make it singular.
    scale = 1.0 / np.sqrt(np.diagonal(square))
    square = square * scale * scale[:, None] + 1e-9 * np.eye(3 * n)
    step: Floats = -scale * np.linalg.solve(square, scale * total.ravel())
    return step.reshape(n, 3)


def _part(x: Floats, step: Floats, limits: Floats, mu: float, smiles: Smiles, share: Floats) -> float:
    """Return the part of the step, halved until all conditions keep some room and the sum falls; 0 if it never does."""
    before = _loss(_deviations(x, smiles)[0], share) - mu * float(np.log(limits).sum())
    part = 1.0
    for _ in range(_HALVINGS):
        there = x + part * step
        if (there[:, :2] > 0).all():
            left = _limits(there)
            if (left > _KEPT * limits).all():
                after = _loss(_deviations(there, smiles)[0], share) - mu * float(np.log(left).sum())
                if after <= before:
                    return part
        part *= 0.5
    return 0.0
