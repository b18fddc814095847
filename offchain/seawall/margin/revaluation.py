"""Marks, sensitivities and joint P&L of dated instruments by full revaluation, as fractions of the reference spot."""

from dataclasses import dataclass

import numpy as np

from seawall.arrays import Floats
from seawall.margin.instruments import Chain, effective_hours
from seawall.margin.moves import JointMoves
from seawall.margin.pricing import black_greeks, black_price
from seawall.margin.settings import SurfaceSettings
from seawall.margin.surface import Levels, moved, volatility
from seawall.margin.volatility import YEAR_H

__all__ = ["Valuation", "revalued_pnl", "value_chain"]

# Instruments revalued at once, so that the work fits in cache.
_BATCH = 16

# Maturity from which forwards take the whole move of the basis, and that of their residual.
_BASIS_Y, _BASIS_RESIDUAL_Y = 90.0 / 365.0, 7.0 / 365.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Valuation:
    """Hold one unit of each dated instrument at the reference spot, (D,) each; once expired, its payoff there.

    Attributes
    ----------
    mark
        Value over the spot, as though the part of the settlement average already known stood at the reference spot.
    delta
        Change of value per change of the spot, the volatility of the strike unchanged.
    gamma_spot
        Second derivative times the spot.
    vega
        Value over the spot for a change of volatility by 1.
    deviation
        `sigma sqrt(tau)` at the strike; at the money for futures.
    """

    mark: Floats
    delta: Floats
    gamma_spot: Floats
    vega: Floats
    deviation: Floats


def value_chain(chain: Chain, levels: Levels, *, settings: SurfaceSettings) -> Valuation:
    """Return marks and sensitivities at the reference spot.

    Parameters
    ----------
    chain
        Instruments, D of them.
    levels
        Of implied variance by underlying, (M,).
    settings
        Smile and carry.
    """
    tau = effective_hours(chain.hours) / YEAR_H
    forward = np.exp(settings.carry * tau)
    held = levels.of(chain.underlying)
    safe = np.maximum(tau, 1e-12)
    money = np.where(chain.is_option, np.log(chain.strike / forward), 0.0)
    implied = volatility(held, money, safe, settings=settings)
    option = black_greeks(forward, chain.strike, implied, tau, is_call=chain.is_call)
    chosen, zero = chain.is_option, np.zeros_like(tau)
    return Valuation(
        mark=np.where(chosen, option.price, forward),
        delta=np.where(chosen, option.delta * forward, forward),
        gamma_spot=np.where(chosen, option.gamma * forward**2, zero),
        vega=np.where(chosen, option.vega, zero),
        deviation=implied * np.sqrt(tau),
    )


def revalued_pnl(
    chain: Chain, moves: JointMoves, levels: Levels, *, horizon_h: float, settings: SurfaceSettings
) -> Floats:
    """Return the P&L of one unit of each instrument in every scenario, (S, D), over the reference spot.

    What outlives the horizon is valued at the new spot and forward, with the moved surface at the new moneyness (the
    smile goes with the forward), that much closer to expiry. What expires before is worth its payoff at the
    settlement price, which takes `sqrt(tau_effective / horizon)` of the scenario's log-return: a path of the
    scenario's size that is as far as variance has come, so a hedge that outlives it stands alone from then on.

    Parameters
    ----------
    chain
        Instruments, D of them; expired ones have no P&L.
    moves
        Joint scenarios.
    levels
        Of implied variance by underlying, (M,).
    horizon_h
        Margin period of risk.
    settings
        Smile, carry, moves.
    """
    now = value_chain(chain, levels, settings=settings).mark
    then = moved(levels, moves.volatility, settings=settings)
    returns = moves.scenarios.log_returns
    pnl = np.zeros((len(returns), len(now)))
    shares = np.sqrt(effective_hours(np.minimum(chain.hours, horizon_h)) / horizon_h)
    settled = chain.alive & (chain.hours <= horizon_h)
    for i in np.flatnonzero(settled):
        pnl[:, i] = _payoff(chain, i, np.exp(shares[i] * returns[:, chain.underlying[i]])) - now[i]
    left = np.flatnonzero(chain.hours > horizon_h)
    for start in range(0, len(left), _BATCH):
        batch = left[start : start + _BATCH]
        u = chain.underlying[batch]
        tau = effective_hours(chain.hours[batch] - horizon_h) / YEAR_H
        part = np.minimum(tau / _BASIS_Y, 1.0) * settings.basis_slope
        basis = part * returns[:, u] + (1.0 - np.exp(-tau / _BASIS_RESIDUAL_Y)) * moves.basis[:, u]
        forward = np.exp(returns[:, u] + settings.carry * tau + basis)
        values = forward.copy()
        options = np.flatnonzero(chain.is_option[batch])
        if len(options):
            o, f, t = batch[options], forward[:, options], np.maximum(tau[options], 1e-12)
            strikes = chain.strike[o]
            held = then.of(u[options])
            implied = volatility(held, np.log(strikes / f), t, settings=settings)
            values[:, options] = black_price(f, strikes, implied, t, is_call=chain.is_call[o])
        pnl[:, batch] = values - now[batch]
    return pnl


def _payoff(chain: Chain, i: int, settlement: Floats) -> Floats:
    """Return what instrument i pays at settlement prices over the reference spot."""
    if not chain.is_option[i]:
        return settlement
    sign = 1.0 if chain.is_call[i] else -1.0
    paid: Floats = np.maximum(sign * (settlement - chain.strike[i]), 0.0)
    return paid
