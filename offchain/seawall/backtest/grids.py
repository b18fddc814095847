"""Scenario grids of exchanges and clearing houses for books of options: instantaneous shocks, the worst one counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from seawall.arrays import Bools, Floats, Ints
from seawall.margin.pricing import black_price

__all__ = ["GRIDS", "Grid", "GridCell", "grid_margin", "grid_pnl", "span_grid"]

_VOL_DAYS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GridCell:
    """Hold one shock.

    Attributes
    ----------
    move
        Simple return of every spot of an underlying.
    vol
        Multiple of the implied volatility that is added at 30 days: 0.5 raises it by half.
    share
        Of the loss that counts.
    """

    move: float
    vol: float
    share: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Hold the shocks of a rule, and what it adds.

    Attributes
    ----------
    cells
        Shocks, the same for all underlyings; the worst of each underlying counts, without offsets between them.
    short_power, long_power
        Volatility shocks go with (30 days / time to expiry) to this power below and above 30 days.
    perpetual
        Share of the value of spots and perpetuals that is added.
    short_option
        Share of the notional of options sold that is added.
    net_delta
        Floor, a share of the absolute net delta.
    """

    cells: tuple[GridCell, ...]
    short_power: float = 0.3
    long_power: float = 0.3
    perpetual: float = 0.0
    short_option: float = 0.0
    net_delta: float = 0.0


def _cells(moves: list[float], vols: tuple[float, ...], tails: dict[float, float]) -> tuple[GridCell, ...]:
    inner = [GridCell(move=m, vol=v) for m, v in product(moves, vols)]
    return tuple(inner + [GridCell(move=m, vol=0.0, share=s) for m, s in tails.items()])


_FOURTHS = [i / 4 for i in range(-4, 5)]

# Published parameters; extended rows that are not published are left out.
GRIDS: dict[str, Grid] = {
    "deribit-grid": Grid(cells=_cells([0.16 * x for x in _FOURTHS], (0.5, 0.0, -0.25), {})),
    "derive-pmrm2": Grid(
        cells=_cells(
            [0.18 * x for x in _FOURTHS],
            (0.6, 0.0, -0.3),
            {
                -0.66: 0.21,
                -0.33: 0.42,
                0.5: 0.27,
                1.0: 0.13,
                2.0: 0.069,
                3.0: 0.046,
                4.0: 0.034,
                5.0: 0.027,
            },
        ),
        long_power=0.13,
        perpetual=0.03,
        short_option=0.02,
    ),
    "paradex-grid": Grid(cells=_cells([0.16 * x for x in _FOURTHS], (0.4, 0.0, -0.22), {}), net_delta=0.02),
}


def span_grid(scan_range: float) -> Grid:
    """Return the sixteen scenarios of SPAN: thirds of the scan range with volatility up or down, two extreme moves."""
    thirds = [i / 3 for i in range(-3, 4)]
    inner = _cells([scan_range * x for x in thirds], (0.25, -0.25), {})
    far = tuple(GridCell(move=3.0 * sign * scan_range, vol=0.0, share=0.33) for sign in (1.0, -1.0))
    return Grid(cells=inner + far, short_power=0.0, long_power=0.0)


def grid_pnl(
    grid: Grid, *, strike: Floats, forward: Floats, years: Floats, implied: Floats, is_call: Bools
) -> Floats:
    """Return the change of value of options on one underlying in every shock, over the spot, (cells, D).

    Each option keeps its own volatility but for the shock; time stands still.

    Parameters
    ----------
    grid
        Shocks.
    strike, forward
        Over the spot, (D,).
    years
        To expiry, (D,).
    implied
        Annualised, (D,).
    is_call
        (D,).
    """
    now = black_price(forward, strike, implied, years, is_call=is_call)
    days = years * 365.0
    power = np.where(days < _VOL_DAYS, grid.short_power, grid.long_power)
    reach = (_VOL_DAYS / np.maximum(days, 1.0)) ** power
    found = []
    for cell in grid.cells:
        volatility = implied * np.maximum(1.0 + cell.vol * reach, 0.05)
        then = black_price(forward * max(1.0 + cell.move, 1e-6), strike, volatility, years, is_call=is_call)
        found.append(cell.share * (then - now))
    return np.stack(found)


def grid_margin(
    grids: Sequence[Grid], options: Floats, spots: Floats, owner: Ints, *, pnl: Floats, delta: Floats
) -> Floats:
    """Return what a grid asks of books, (N,): the sum over underlyings of the worst shock, and what it adds.

    Parameters
    ----------
    grids
        Shocks and additions, one an underlying, with as many cells each.
    options
        Notional of the options held, (N, D).
    spots
        Value of each underlying held, (N, M).
    owner
        Underlying of each option, (D,).
    pnl
        `grid_pnl` of each option under the grid of its underlying, (cells, D).
    delta
        Of each option, (D,).
    """
    total = np.zeros(len(options))
    for u, grid in enumerate(grids):
        mine = owner == u
        held = options[:, mine]
        moves = np.array([cell.move * cell.share for cell in grid.cells])
        change = held @ pnl[:, mine].T + spots[:, u : u + 1] * moves
        asked = np.maximum(-change.min(axis=1), 0.0)
        asked = asked + grid.perpetual * np.abs(spots[:, u])
        asked = asked + grid.short_option * np.maximum(-held, 0.0).sum(axis=1)
        net = held @ delta[mine] + spots[:, u]
        total += np.maximum(asked, grid.net_delta * np.abs(net))
    return total
