"""Options on forwards by Black's formula (1976), vectorised; undiscounted, so in units of the settlement token."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from seawall.arrays import Bools, Floats
from seawall.errors import DataError

__all__ = ["Greeks", "black_greeks", "black_price"]

# Beyond this many deviations the distribution is 0 or 1 in double precision, and its density would underflow.
_FAR = 37.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeks:
    """Hold values and sensitivities of options, all of one shape.

    Attributes
    ----------
    price
        In units of the forward.
    delta, gamma
        First and second derivative by the forward.
    vega
        Derivative by the volatility; 1 is a hundred points.
    """

    price: Floats
    delta: Floats
    gamma: Floats
    vega: Floats


def black_price(
    forward: Floats | float,
    strike: Floats | float,
    volatility: Floats | float,
    tau_y: Floats | float,
    *,
    is_call: Bools | bool,
) -> Floats:
    """Return `E[(F_T - K)+]` (a call) or `E[(K - F_T)+]` (a put) of a log-normal `F_T` with mean F.

    `F N(d1) - K N(d2)` and `K N(-d2) - F N(-d1)`, `d1,2 = ln(F/K) / s +- s/2`, `s = volatility sqrt(tau)`;
    the payoff at F where s is zero. Never outside `[payoff at F, F]` (a put: `[payoff at F, K]`).

    Parameters
    ----------
    forward, strike
        Positive, of any shapes that broadcast, in one unit.
    volatility
        Annualised, not negative.
    tau_y
        Years to expiry, not negative.
    is_call
        A put where false.

    Raises
    ------
    DataError
        If an input is out of range.
    """
    f, k, s, _ = _checked(forward, strike, volatility, tau_y)
    call = np.asarray(is_call, dtype=np.bool_)
    sign = np.where(call, 1.0, -1.0)
    d1, d2 = _deviations(f, k, s)
    value = sign * (f * ndtr(sign * d1) - k * ndtr(sign * d2))
    least = np.maximum(sign * (f - k), 0.0)
    bounded: Floats = np.clip(value, least, np.where(call, f, k))
    return np.where(s > 0, bounded, least)


def black_greeks(
    forward: Floats | float,
    strike: Floats | float,
    volatility: Floats | float,
    tau_y: Floats | float,
    *,
    is_call: Bools | bool,
) -> Greeks:
    """Return values and sensitivities at a fixed volatility; parameters as for `black_price`.

    `delta = +-N(+-d1)`, `gamma = n(d1) / (F s)`, `vega = F n(d1) sqrt(tau)`. Where s is zero delta is that of the
    payoff (a half at the strike), gamma and vega are zero.
    """
    f, k, s, root = _checked(forward, strike, volatility, tau_y)
    sign = np.where(np.asarray(is_call, dtype=np.bool_), 1.0, -1.0)
    d1, _ = _deviations(f, k, s)
    density = np.exp(-0.5 * d1 * d1) / np.sqrt(2.0 * np.pi)
    live = s > 0
    step = 0.5 * (1.0 + np.sign(sign * (f - k)))
    return Greeks(
        price=black_price(forward, strike, volatility, tau_y, is_call=is_call),
        delta=sign * np.where(live, ndtr(sign * d1), step),
        gamma=np.where(live, density / (f * np.where(live, s, 1.0)), 0.0) + 0.0 * sign,
        vega=np.where(live, f * density * root, 0.0) + 0.0 * sign,
    )


def _checked(
    forward: Floats | float, strike: Floats | float, volatility: Floats | float, tau_y: Floats | float
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return forward, strike, `volatility sqrt(tau)` and `sqrt(tau)`."""
    f, k = np.asarray(forward, dtype=np.float64), np.asarray(strike, dtype=np.float64)
    v, t = np.asarray(volatility, dtype=np.float64), np.asarray(tau_y, dtype=np.float64)
    for name, array, sound in (
        ("forward", f, f > 0),
        ("strike", k, k > 0),
        ("volatility", v, v >= 0),
        ("tau_y", t, t >= 0),
    ):
        if not (sound & np.isfinite(array)).all():
            raise DataError(f"{name} must be finite, and positive or for volatility and time not negative")
    root: Floats = np.sqrt(t)
    return f, k, v * root, root


def _deviations(f: Floats, k: Floats, s: Floats) -> tuple[Floats, Floats]:
    """Return d1 and d2, limited to where the distribution is still told from 0 and 1."""
    # A deviation below 1e-9 leaves nothing but the payoff to see; the floor keeps the quotient finite.
    safe = np.maximum(s, 1e-12)
    moneyness = np.log(f / k) / safe
    d1: Floats = np.clip(moneyness + 0.5 * safe, -_FAR, _FAR)
    d2: Floats = np.clip(moneyness - 0.5 * safe, -_FAR, _FAR)
    return d1, d2
