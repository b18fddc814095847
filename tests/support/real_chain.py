"""Real option chains on real joint scenarios: what selection of lanes and atoms is measured on.

Spot moves are the model's own filtered historical scenarios of Bitcoin, Ether and Solana; a chain is one snapshot of an
exchange, each expiry valued at a smile fitted to its own quotes; surfaces move by the model's rule at 30 days, and away
from there by what snapshots a day apart show.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from tests.support.families import Traders
from tests.support.real_surfaces import (
    TENORS_Y,
    Residuals,
    constant_maturity,
    fitted_smile,
    snapshots,
    surface_residuals,
)

from seawall.arrays import Floats, Ints
from seawall.margin.instruments import Chain, Dated, Payoff
from seawall.margin.moves import JointMoves, joint_moves
from seawall.margin.perpetuals import spot_pnl
from seawall.margin.pricing import black_greeks, black_price
from seawall.margin.scenarios import build_scenarios
from seawall.margin.settings import ModelSettings
from seawall.margin.shortfall import leg_shortfall, shortfall_alone
from seawall.margin.stress import Role, stress_log_returns
from seawall.margin.volatility import sigma_path
from seawall.page.layout import Kind

__all__ = ["ALPHA", "FILES", "SPOT_TICKS", "RealChain", "hourly_closes", "real_chain", "traders"]

ALPHA = 0.99
SPOT_TICKS = 1e6  # of one lot of any underlying
FILES = (
    *("binance_spot_1h_BTCUSDT.parquet", "binance_spot_1h_ETHUSDT.parquet", "binance_spot_1h_alts.parquet"),
    *("deribit_options_BTC.parquet", "deribit_options_ETH.parquet"),
)
_SINCE = "2020-08-13"  # the day Solana was listed is wild
_ROLES = (Role.MAJOR, Role.LARGE, Role.OTHER)
_EXPIRIES_DAYS = (2.5, 8, 15, 35, 60, 95, 180)
# Realised volatility is below implied; Solana has no options here.
_REALISED, _SOLANA_OVER_ETHER = 0.9, 1.22


@dataclass(frozen=True, kw_only=True)
class RealChain:
    """Hold listed instruments and their joint P&L.

    Attributes
    ----------
    pnl, weights
        P&L of one lot, ticks, (S, C), and probabilities, (S,); the first three columns are perpetuals.
    legs
        Expected shortfall of one lot long and short, ticks, (2, C).
    chain, delta
        What stands behind the perpetuals, D = C - 3 futures and options; (D,).
    owner
        Underlying of every column, (C,).
    """

    pnl: Floats
    weights: Floats
    legs: Floats
    chain: Chain
    delta: Floats
    owner: Ints

    def gross(self, lots: Floats) -> Floats:
        """Return the sum of legs of books (N, C), ticks, (N,)."""
        found: Floats = np.maximum(lots, 0) @ self.legs[0] + np.maximum(-lots, 0) @ self.legs[1]
        return found

    def shortfall(self, lots: Floats) -> Floats:
        """Return the expected shortfall of books (N, C), ticks, (N,)."""
        return shortfall_alone(self.pnl, self.weights, lots.astype(np.float64), alpha=ALPHA)


def hourly_closes(folder: Path) -> Floats:
    """Return hourly closes of the three underlyings on a full grid, NaN where an hour is missing, (T, 3)."""
    found = []
    for name, symbol in zip(FILES[:3], ("BTCUSDT", "ETHUSDT", "SOLUSDT"), strict=True):
        frame = pd.read_parquet(folder / name, columns=["timestamp", "close", "symbol"])
        frame = frame[frame.symbol == symbol]
        found.append(frame.set_index("timestamp")["close"].astype(float))
    joined = pd.concat(found, axis=1)
    joined = joined[joined.index >= pd.Timestamp(_SINCE, tz="UTC")]
    grid = pd.date_range(joined.index[0], joined.index[-1], freq="1h")
    closes: Floats = joined.reindex(grid).to_numpy(dtype=np.float64)
    return closes


def real_chain(
    folder: Path,
    *,
    options: tuple[int, int] = (8, 7),
    settings: ModelSettings | None = None,
    newest: int | None = None,
) -> RealChain:
    """Return three perpetuals, three futures and about a hundred options on two of the underlyings.

    Parameters
    ----------
    folder
        Where the data lies.
    options
        Most options an expiry, of Bitcoin and of Ether, those of largest open interest.
    settings
        Of the model; its defaults if None.
    newest
        Snapshots to use, the newest; all if None.
    """
    model = ModelSettings() if settings is None else settings
    chains = [snapshots(folder / name, newest=newest) for name in FILES[3:]]
    surfaces = [constant_maturity(frame) for frame in chains]
    both = sorted(set(surfaces[0].index) & set(surfaces[1].index))
    now = both[len(both) // 2]
    level = np.array([np.exp(s.loc[now, "ln1"]) for s in surfaces]) * _REALISED
    closes = hourly_closes(folder)
    sigma = sigma_path(closes, bar_h=1.0, settings=model)
    sigma[-1] = np.append(level, level[1] * _SOLANA_OVER_ETHER) * np.sqrt(model.horizon_h / (365 * 24))
    scenarios = build_scenarios(closes, sigma, bar_h=1.0, settings=model, stress=stress_log_returns(_ROLES))
    moves = joint_moves(scenarios, settings=model)
    residuals = surface_residuals(surfaces, both, moves)
    columns = [_listed(chains[u], now, u, moves, residuals[u], most=options[u]) for u in (0, 1)]
    columns.append([_future(2, 90 / 365, 1.0, moves, residuals[1])])
    listed = [one for group in columns for one in group]
    pnl = SPOT_TICKS * np.column_stack([spot_pnl(moves.scenarios.log_returns), *(one[1] for one in listed)])
    weights = moves.scenarios.weights
    return RealChain(
        pnl=pnl,
        weights=weights,
        legs=np.stack(leg_shortfall(pnl, weights, alpha=ALPHA)),
        chain=Chain.of([one[0] for one in listed]),
        delta=np.array([one[2] for one in listed]),
        owner=np.array([0, 1, 2, *(one[0].underlying for one in listed)]),
    )


def traders(found: RealChain, *, seed: int) -> Traders:
    """Return who draws books of the nine families on a chain, in whole lots."""
    kinds = [Kind.PERPETUAL] * 3
    kinds += [
        Kind.FUTURE if not option else Kind.CALL if call else Kind.PUT
        for option, call in zip(found.chain.is_option, found.chain.is_call, strict=True)
    ]
    strikes = np.concatenate([np.zeros(3), found.chain.strike])
    hours = np.concatenate([np.zeros(3), found.chain.hours])
    deltas = np.concatenate([np.ones(3), found.delta])
    as_published: Any = SimpleNamespace(
        keys=[(int(u), i) for i, u in enumerate(found.owner)],
        pages={u: SimpleNamespace(head=SimpleNamespace(underlying=u, reference_spot=1.0)) for u in range(3)},
        records=[
            SimpleNamespace(kind=k, delta_x22=d * 2**22, strike=s, expiry_hour=h)
            for k, d, s, h in zip(kinds, deltas, strikes, hours, strict=True)
        ],
        legs=found.legs,
        gross=found.gross,
        shortfall=found.shortfall,
    )
    return Traders(as_published, seed=seed)


_Listed = tuple[Dated, Floats, float]


def _listed(
    frame: pd.DataFrame, now: pd.Timestamp, u: int, moves: JointMoves, rest: Residuals, *, most: int
) -> list[_Listed]:
    """Return a future and the options of largest open interest of some expiries."""
    chain = frame[(frame["at"] == now) & frame.bid_price.notna()]
    spot = float(chain.index_price.median())
    smiles: dict[Any, tuple[pd.DataFrame, Callable[[Floats], Floats]]] = {}
    for expiry, quotes in chain.groupby("expiry"):
        outside = quotes[((quotes.cp == "C") == (quotes.k >= 0)) & (quotes.k.abs() < 2 * np.sqrt(quotes.tau))]
        if len(outside) >= 6:
            smiles[expiry] = (quotes, fitted_smile(outside))
    days = np.array([365 * float(quotes.tau.iloc[0]) for quotes, _ in smiles.values()])
    picks = dict.fromkeys(int(np.abs(days - wanted).argmin()) for wanted in _EXPIRIES_DAYS)
    chosen = [list(smiles.values())[i] for i in picks]
    quarter, _ = min(chosen, key=lambda one: abs(float(one[0].tau.iloc[0]) - 95 / 365))
    found = [_future(u, float(quarter.tau.iloc[0]), float(quarter.forward.iloc[0]) / spot, moves, rest)]
    for quotes, smile in chosen:
        liquid = quotes[quotes.ask_price.notna() & quotes.delta.abs().between(0.04, 0.75)]
        liquid = liquid.sort_values(
            ["open_interest", "symbol", "strike", "cp"], ascending=[False, True, True, True]
        )
        # Those of largest open interest, but a call and a put at least.
        sides = [liquid[liquid.cp == cp].index[:1] for cp in ("C", "P")]
        first = sides[0].union(sides[1])
        rest_of = liquid.index.difference(first, sort=False)[: most - len(first)]
        for side in liquid[liquid.index.isin(first.union(rest_of))].itertuples():
            terms = (float(side.tau), float(side.forward) / spot, float(side.strike) / spot, side.cp == "C")
            found.append(_option(u, terms, smile, moves, rest))
    return found


def _future(u: int, tau: float, forward: float, moves: JointMoves, rest: Residuals) -> _Listed:
    moved = forward * np.expm1(moves.scenarios.log_returns[:, u] + rest.carry * tau)
    return Dated(underlying=u, payoff=Payoff.FUTURE, strike=0.0, hours=tau * 365 * 24), moved, forward


def _option(
    u: int,
    terms: tuple[float, float, float, bool],
    smile: Callable[[Floats], Floats],
    moves: JointMoves,
    rest: Residuals,
) -> _Listed:
    """Return an option's P&L a day later: new forward, moved level and skew at the new moneyness."""
    tau, forward, strike, call = terms
    left = max(tau - 1 / 365, 1e-4)
    place = float(np.interp(tau, TENORS_Y, np.arange(4)))
    low = min(int(place), 2)
    mix = np.zeros(4)
    mix[[low, low + 1]] = 1 - (place - low), place - low
    later = forward * np.exp(moves.scenarios.log_returns[:, u] + rest.carry * tau)
    money = np.log(strike / later)
    level = np.interp(tau, TENORS_Y, rest.beta) * moves.volatility[:, u] + rest.level @ mix
    tilt = np.clip(rest.skew @ mix * np.clip(money / np.sqrt(tau), -1.2, 1.2), -0.3, 0.3)
    volatility = np.clip(smile(money) * np.exp(np.clip(level, -1, 1.2)) * (1 + tilt), 0.05, 4)
    now = black_greeks(
        np.array([forward]),
        np.array([strike]),
        smile(np.log(np.array([strike / forward]))),
        np.array([tau]),
        is_call=np.array([call]),
    )
    value = black_price(
        later,
        np.full_like(later, strike),
        volatility,
        np.full_like(later, left),
        is_call=np.full(later.shape, call),
    )
    payoff = Payoff.CALL if call else Payoff.PUT
    dated = Dated(underlying=u, payoff=payoff, strike=strike, hours=tau * 365 * 24)
    return dated, value - float(now.price[0]), float(now.delta[0]) * forward
