"""Random venues through the keeper's own pipeline: prices, volatilities, surfaces, listings and bounds at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from tests.support.listings import AS_OF, listed_view, price_bars, with_shifts
from tests.support.published import Published

from seawall.keeper.listed_pages import InstrumentTerms
from seawall.keeper.policy import ProbeRange
from seawall.keeper.settings import KeeperSettings
from seawall.keeper.view import ChainView
from seawall.margin.settings import AtomSettings, LaneSettings, ModelSettings, SurfaceSettings
from seawall.page.layout import Kind

__all__ = ["random_published"]

_LOTS = (10**17, 10**18, 10**19)  # of an underlying: a spot of 100,000 to 10,000,000 ticks
_DAYS = (0.3, 1, 2, 7, 14, 30, 60, 90, 180)
_STRIKES = (0.6, 0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.25, 1.5)


def random_published(seed: int) -> Published:
    """Return one epoch of a venue of two underlyings on two or three pages; the same seed gives the same.

    Perpetuals, futures, calls and puts, now and then collateral; one of three venues is so wild that everything is
    scaled by lambda, one so calm that its legs are raised to the oracle's floor.
    """
    rng = np.random.default_rng([seed, 77])
    lot_sizes = [int(size) for size in rng.choice(_LOTS, size=2)]
    ticks = [1e6 * size / 1e18 for size in lot_sizes]
    listed = [(0, _listed(rng, ticks[0])), (1, _listed(rng, ticks[1]))]
    if rng.random() < 0.5:
        owner = int(rng.integers(2))
        listed.append((owner, _options(rng, ticks[owner])))
    columns = sum(len(terms) for _, terms in listed)
    lots = np.round(30 * rng.standard_normal((20, columns))) * (rng.random((20, columns)) < 0.2)
    view = _bounded(listed_view(listed, lots=lots), lot_sizes, wild=seed % 3 == 1, calm=seed % 3 == 2)
    bars = price_bars(days=int(rng.integers(70, 120)), level=float(rng.uniform(0.001, 0.004)), seed=seed)
    return Published(*with_shifts(view, bars, settings=_settings(rng)))


def _listed(rng: np.random.Generator, spot: float) -> list[InstrumentTerms]:
    """Return a perpetual, futures, options, and perhaps collateral."""
    futures = [
        _terms(Kind.FUTURE, 0.0, day, spot) for day in rng.choice(_DAYS, rng.integers(0, 3), replace=False)
    ]
    spots = [_terms(Kind.SPOT, 0.0, None, spot)] * int(rng.random() < 0.4)
    return [_terms(Kind.PERPETUAL, 0.0, None, spot), *futures, *_options(rng, spot), *spots]


def _options(rng: np.random.Generator, spot: float) -> list[InstrumentTerms]:
    """Return calls and puts of one to three expiries, some without their counterpart."""
    found = []
    for day in rng.choice(_DAYS, rng.integers(1, 4), replace=False):
        for strike in sorted(rng.choice(_STRIKES, rng.integers(1, 4), replace=False)):
            kinds = [kind for kind in (Kind.CALL, Kind.PUT) if rng.random() < 0.85] or [Kind.CALL]
            found += [_terms(kind, float(strike), float(day), spot) for kind in kinds]
    return found


def _terms(kind: Kind, strike: float, days: float | None, spot: float) -> InstrumentTerms:
    hour = 0 if days is None else int(AS_OF / 3600 + 24 * days)
    return InstrumentTerms(kind=kind, shift=6, generation=1, strike=round(strike * spot), expiry_hour=hour)


def _bounded(view: ChainView, lot_sizes: Sequence[int], *, wild: bool, calm: bool) -> ChainView:
    """Return the view with these lots, and with bounds that bind a wild or a calm venue."""
    bounds = ProbeRange(least_ppm=250_000 if calm else 30_000, largest_ppm=45_000 if wild else 600_000)
    return replace(
        view,
        underlyings=tuple(
            replace(u, lot_size_wad=size, probe_range=bounds)
            for u, size in zip(view.underlyings, lot_sizes, strict=True)
        ),
    )


def _settings(rng: np.random.Generator) -> KeeperSettings:
    correlation = float(rng.uniform(-0.7, 0.4))
    surface = SurfaceSettings(
        premium=float(rng.uniform(0.7, 1.6)),
        relaxation_days=float(rng.uniform(2, 20)),
        reversion=float(rng.uniform(0, 1)),
        smile_correlation=correlation,
        smile_slope=float(rng.uniform(0.2, 1.9) / (1 + abs(correlation))),
        carry=float(rng.uniform(-0.1, 0.2)),
        fall_slope=float(rng.uniform(0, 0.8)),
        size_slope=float(rng.uniform(0, 1)),
        residual=float(rng.uniform(0, 0.15)),
        basis_slope=float(rng.uniform(0, 0.1)),
        basis_residual=float(rng.uniform(0, 0.01)),
    )
    model = ModelSettings(
        lanes=LaneSettings(lanes=16, adversarial_lanes=8, iterations=3, random_design_books=16),
        surface=surface,
        atoms=AtomSettings(selection_books=4, largest_ratio=int(rng.choice((5, 10, 20)))),
        probe_books=16,
        seed=int(rng.integers(1 << 30)),
    )
    return KeeperSettings(model=model)
