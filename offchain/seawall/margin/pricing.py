"""Options on forwards by Black's formula (1976), vectorised; undiscounted, so in units of the settlement token."""

from dataclasses import dataclass

import numpy as np
from scipy.special import erfcx, ndtr

from seawall.arrays import Bools, Floats
from seawall.errors import DataError

__all__ = ["Greeks", "black_greeks", "black_price", "implied_volatility"]

# Beyond this many deviations the distribution is 0 or 1 in double precision, and its density would underflow.
_FAR = 37.0

# Options priced at once, so that what one step leaves is still in cache for the next.
_BLOCK = 8_192

# Most of Newton's steps in an inversion, and the relative step after which the next would be lost in rounding.
_INVERSION_STEPS, _INVERTED = 24, 1e-9

# The least value over the payoff, in units of `sqrt(F K)`, that has a volatility.
_TINY = 1e-250


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
    given = [np.asarray(x, dtype=np.float64) for x in (forward, strike, volatility, tau_y)]
    call = np.asarray(is_call, dtype=np.bool_)
    shape = np.broadcast_shapes(*(x.shape for x in given), call.shape)
    size = int(np.prod(shape))
    if size <= _BLOCK:
        return _value(*_checked(*given), call)
    found = np.empty(shape)
    aligned = [x.reshape((1,) * (len(shape) - x.ndim) + x.shape) for x in given]
    side = call.reshape((1,) * (len(shape) - call.ndim) + call.shape)
    rows = max(_BLOCK * shape[0] // size, 1)
    for start in range(0, shape[0], rows):
        some = slice(start, start + rows)
        part = _checked(*(x if len(x) == 1 else x[some] for x in aligned))
        found[some] = _value(*part, side if len(side) == 1 else side[some])
    return found


def _value(f: Floats, k: Floats, v: Floats, t: Floats, call: Bools) -> Floats:
    """Return what `black_price` does, of checked arguments."""
    s = v * np.sqrt(t)
    sign = 2.0 * call - 1.0
    d1, d2 = _deviations(f, k, s)
    value = sign * (f * ndtr(sign * d1) - k * ndtr(sign * d2))
    least = np.maximum(sign * (f - k), 0.0)
    bounded: Floats = np.minimum(np.maximum(value, least), np.where(call, f, k))
    return bounded if (s > 0).all() else np.where(s > 0, bounded, least)


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
    f, k, v, t = _checked(forward, strike, volatility, tau_y)
    root = np.sqrt(t)
    s = v * root
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
    """Return the arguments as finite arrays within their ranges."""
    f, k = np.asarray(forward, dtype=np.float64), np.asarray(strike, dtype=np.float64)
    v, t = np.asarray(volatility, dtype=np.float64), np.asarray(tau_y, dtype=np.float64)
    # Extremes of NaN are NaN, which no comparison holds for.
    for name, array in (("forward", f), ("strike", k), ("volatility", v), ("tau_y", t)):
        least, most = (array.min(), array.max()) if array.size else (1.0, 1.0)
        above = least > 0 if name in ("forward", "strike") else least >= 0
        if not (above and most < np.inf):
            raise DataError(f"{name} must be finite, and positive or for volatility and time not negative")
    return f, k, v, t


def _deviations(f: Floats, k: Floats, s: Floats) -> tuple[Floats, Floats]:
    """Return d1 and d2, limited to where the distribution is still told from 0 and 1."""
    # A deviation below 1e-9 leaves nothing but the payoff to see; the floor keeps the quotient finite.
    safe = np.maximum(s, 1e-12)
    moneyness = np.log(f / k) / safe
    d1: Floats = np.clip(moneyness + 0.5 * safe, -_FAR, _FAR)
    d2: Floats = np.clip(moneyness - 0.5 * safe, -_FAR, _FAR)
    return d1, d2


def implied_volatility(
    price: Floats | float,
    forward: Floats | float,
    strike: Floats | float,
    tau_y: Floats | float,
    *,
    is_call: Bools | bool,
) -> Floats:
    """Return the volatility at which `black_price` is the price; NaN where none is.

    The value over the payoff at F is that of the option out of the money, `c = value / sqrt(F K)`, `x = -|ln(F/K)|`:

        b(s) = e^(x/2) N(x/s + s/2) - e^(-x/2) N(x/s - s/2),   convex in s up to sqrt(2|x|), concave beyond.

    Newton's steps solve `ln b(s) = ln c` below that point, from where the asymptote lies, and
    `ln(e^(x/2) - b(s)) = ln(e^(x/2) - c)` above it (Jaeckel 2015 has the forms that lose no digits). Both functions are
    concave, so the steps close in from one side.

    Parameters
    ----------
    price
        In the unit of the forward, of any shape that broadcasts with the rest.
    forward, strike, tau_y
        Positive.
    is_call
        A put where false.

    Raises
    ------
    DataError
        If forward, strike or maturity is out of range. Prices may be anything: without a volatility is what is not
        above the payoff at the forward and below what the option can pay, to rounding, or is NaN.
    """
    f, k, _, t = _checked(*(np.asarray(x, dtype=np.float64) for x in (forward, strike, 0.0, tau_y)))
    if t.size and t.min() == 0:
        raise DataError("tau_y must be positive: an expired option has no volatility")
    given, f, k, t, call = np.broadcast_arrays(np.asarray(price, dtype=np.float64), f, k, t, is_call)
    payoff, unit = np.maximum(np.where(call, f - k, k - f), 0.0), np.sqrt(f * k)
    with np.errstate(under="ignore"):
        c, x = (given - payoff) / unit, -np.abs(np.log(f / k))
    top = np.exp(0.5 * x)
    rounding = 4.0 * np.finfo(np.float64).eps
    sound = (c > np.maximum(_TINY, rounding * payoff / unit)) & (c < top * (1.0 - rounding))
    found = np.full(given.shape, np.nan)
    found[sound] = _deviation_of(c[sound], x[sound]) / np.sqrt(t[sound])
    return found


def _deviation_of(c: Floats, x: Floats) -> Floats:
    """Return s at which `b(s) = c`, of sound arguments, (N,).

    With h = x/s and t = s/2, `b = e^(-(h^2+t^2)/2) [erfcx(-(h+t)/sqrt2) - erfcx(-(h-t)/sqrt2)] / 2`, the complement
    `e^(-(h^2+t^2)/2) [erfcx((h+t)/sqrt2) + erfcx(-(h-t)/sqrt2)] / 2`, and `b' = e^(-(h^2+t^2)/2) / sqrt(2 pi)`.
    """
    turn, flat = np.sqrt(-2.0 * x), np.sqrt(2.0 * np.pi) * c
    top = np.exp(0.5 * x)
    # At the turn h + t = 0.
    low = c < 0.5 * (top - np.exp(-0.25 * turn * turn) * erfcx(turn / np.sqrt(2.0)))
    # Both starts are too small: b <= e^(-h^2/2) / 2 below the turn, b' <= 1 / sqrt(2 pi) above.
    asymptote = turn * turn / np.sqrt(-8.0 * np.log(np.where(low, 2.0 * c, 0.5)))
    s = np.where(low, asymptote, np.maximum(turn, flat))
    side, goal = np.where(low, -1.0, 1.0), np.log(np.where(low, c, top - c))
    for _ in range(_INVERSION_STEPS):
        h, t = x / s, 0.5 * s
        near, far = erfcx(side * (h + t) / np.sqrt(2.0)), erfcx(-(h - t) / np.sqrt(2.0))
        size = 0.5 * (near + side * far)
        ahead = side * (np.log(size) - 0.5 * (h * h + t * t) - goal)
        step = ahead * size * np.sqrt(2.0 * np.pi)
        s = np.maximum(s + step, 0.5 * s)
        if (np.abs(step) <= _INVERTED * s).all():
            break
    return s
