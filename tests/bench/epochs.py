"""What one epoch of large chains costs: seconds and memory, and how both grow."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from seawall.arrays import Floats
from seawall.margin.instruments import Chain, Dated, Payoff
from seawall.margin.portfolio import estimate_portfolio
from seawall.margin.settings import ModelSettings
from seawall.margin.stress import Role
from seawall.margin.structures import Legs, structures

__all__ = ["Epoch", "epoch", "epoch_report"]

UNDERLYINGS = 3
_ROLES = (Role.MAJOR, Role.LARGE, Role.OTHER)
_DAYS = (2, 7, 14, 30, 60, 90, 180)


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """Hold the size of an epoch and what it took."""

    scenarios: int
    instruments: int
    books: int
    atoms: int
    wall_s: float
    cpu_s: float
    load: float  # of the machine meanwhile, with this process


def _closes(days: int) -> Floats:
    """Return hourly closes of correlated underlyings with heavy tails."""
    rng = np.random.default_rng(11)
    hours = 24 * days
    moves = 0.7 * rng.standard_t(4, size=(hours, 1)) + 0.5 * rng.standard_t(4, size=(hours, UNDERLYINGS))
    closes: Floats = 100.0 * np.exp(np.cumsum(0.004 * moves, axis=0))
    return closes


def _listed(each: int) -> list[Dated]:
    """Return two futures and options of several expiries, so many instruments an underlying with its perpetual."""
    found = []
    for u in range(UNDERLYINGS):
        options = each - 3
        strikes = -(-options // (2 * len(_DAYS)))
        grid = [
            Dated(underlying=u, payoff=payoff, strike=float(np.exp(z * np.sqrt(day / 365))), hours=24.0 * day)
            for z in np.linspace(-0.9, 0.9, strikes)
            for day in _DAYS
            for payoff in (Payoff.CALL, Payoff.PUT)
        ]
        found += grid[:options]
        found += [Dated(underlying=u, payoff=Payoff.FUTURE, strike=0.0, hours=24.0 * day) for day in (30, 90)]
    return found


def _hedges(dated: Sequence[Dated], columns: int, *, each: int) -> list[Legs]:
    """Return so many hedges an instrument, evenly spaced over all kinds, on both sides."""
    chain = Chain.of(dated)
    delta = np.where(chain.is_option, np.where(chain.is_call, 0.4, -0.4), 1.0)
    listed = structures(chain, delta, np.full(UNDERLYINGS, 1e6), largest_ratio=10, neighbours=6)
    wanted = min(each * columns // 2, len(listed))
    some = [listed[i * len(listed) // wanted] for i in range(wanted)]
    return [*some, *(tuple((column, -lots) for column, lots in legs) for legs in some)]


def epoch(*, scenarios: int = 8_760, each: int = 100, books: int = 1_000, atoms: int = 16) -> Epoch:
    """Run the model once with 64 lanes, atoms selected before, and return what it took."""
    historical = round((scenarios - 18) / 1.1)
    days = -(-historical // 6) + 31
    settings = replace(ModelSettings(), window_days=historical / 6)
    dated = _listed(each)
    columns = UNDERLYINGS + len(dated)
    rng = np.random.default_rng(3)
    lots = np.round(50 * rng.standard_normal((books, columns))) * (rng.random((books, columns)) < 8 / columns)
    closes, hedges = _closes(days), _hedges(dated, columns, each=atoms)
    wall, cpu = time.perf_counter(), time.process_time()
    found = estimate_portfolio(
        closes,
        bar_h=1.0,
        roles=_ROLES,
        settings=settings,
        dated=dated,
        spots=np.full(UNDERLYINGS, 1e6),
        lots=lots,
        lot_value=np.full(UNDERLYINGS, 100.0),
        hedges=hedges,
    )
    return Epoch(
        scenarios=len(found.risk.scenarios.weights),
        instruments=columns,
        books=books,
        atoms=len(found.atoms),
        wall_s=time.perf_counter() - wall,
        cpu_s=time.process_time() - cpu,
        load=os.getloadavg()[0],
    )


def epoch_report() -> None:
    """Print an epoch of three chains of a hundred, and how its cost grows."""
    first = epoch()
    # Kilobytes on Linux.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"\nOne epoch, 64 lanes, peak memory {peak:.2f} GiB")
    print(f"  {'scenarios':>10}{'instruments':>13}{'books':>8}{'atoms':>8}{'s':>8}{'CPU s':>8}{'load':>8}")
    sizes: list[dict[str, int]] = [
        *({"scenarios": n} for n in (2_190, 4_380)),
        *({"each": n} for n in (25, 50)),
        *({"books": n} for n in (250, 4_000)),
    ]
    for found in (first, *(epoch(**size) for size in sizes)):
        print(
            f"  {found.scenarios:>10,}{found.instruments:>13,}{found.books:>8,}{found.atoms:>8,}"
            f"{found.wall_s:>8.1f}{found.cpu_s:>8.1f}{found.load:>8.1f}"
        )
