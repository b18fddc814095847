"""How surfaces fit real option chains, whether they and their moves leave arbitrage, and how fast options are valued.

`python tests/bench/surface.py` prints both tables; `--every 10` takes every tenth chain of the large files. Chains
come from the folder named in `tests.support.data`; without it only the second table is printed.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from scipy.optimize import least_squares

from seawall.arrays import Bools, Floats
from seawall.margin.arbitrage import grid_check
from seawall.margin.calibration import CalibrationSettings, Fit, calibrate
from seawall.margin.essvi import slice_variance
from seawall.margin.pricing import black_price, implied_volatility
from seawall.margin.quotes import calibrated_levels
from seawall.margin.settings import SurfaceSettings
from seawall.margin.surface import Levels, moved

__all__ = ["FileFits", "fit_file", "pricing_rows", "surface_rows"]

ROOT = Path(__file__).resolve().parents[2]
LEAST_DAYS = 2.0
MOVES = np.array([-0.73, -0.5, -0.2, 0.2, 0.7, 1.1])
# Chains, evenly spread, that the plain fit is timed on too; files with no more than so many are always taken whole.
PLAIN, FEW = 12, 10


@dataclass(kw_only=True)
class FileFits:
    """Hold what became of one file's chains: failures, and by chain errors, counts, times, arbitrage on grids."""

    name: str
    failures: list[str] = field(default_factory=list)
    rmse: list[float] = field(default_factory=list)
    rmse_even: list[float] = field(default_factory=list)
    worst: list[float] = field(default_factory=list)
    used: list[int] = field(default_factory=list)
    expiries: list[int] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    plain_ratio: list[float] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    points: int = 0
    violations: int = 0
    moved_points: int = 0
    moved_violations: int = 0


def _claim_name() -> None:
    """Let `tests` mean this repository's, though some installed packages bring a `tests` of their own."""
    spec = ModuleSpec("tests", None, is_package=True)
    spec.submodule_search_locations = [str(ROOT / "tests")]
    sys.modules["tests"] = module_from_spec(spec)


def _plain_fit(fit: Fit) -> float:
    """Return seconds of fits slice by slice without conditions, by `scipy.optimize.least_squares`."""
    start = time.thread_time()
    quotes = fit.quotes
    for i, tau in enumerate(fit.slices.tau_y):
        there = np.unique(quotes.expiry)[i] == quotes.expiry
        k, volatility = quotes.moneyness[there], quotes.volatility[there]
        root = np.sqrt(quotes.nearness[there])
        level = float(np.interp(0.0, k, volatility)) ** 2 * tau

        def deviations(
            x: Floats, k: Floats = k, v: Floats = volatility, r: Floats = root, t: float = tau
        ) -> Floats:
            psi = np.exp(x[1])
            w = slice_variance(np.exp(x[0]), psi, psi * np.tanh(x[2]), k)
            found: Floats = (np.sqrt(w / t) - v) * r
            return found

        least_squares(deviations, [np.log(level), np.log(0.8 * np.sqrt(level)), -0.1])
    return time.thread_time() - start


def fit_file(folder: Path, name: str, *, every: int = 1, quiet: bool = False) -> FileFits:
    """Fit every n-th chain of a file and check it, and it moved, on a grid."""
    from tests.support.option_chains import chain_count, read_chains

    found, settings, rule = FileFits(name=name), CalibrationSettings(), SurfaceSettings()
    flat = Levels(short=np.array([0.4]), long=np.array([0.4]))
    count = chain_count(folder, name)
    every = every if count > FEW else 1
    total = -(-count // every)
    chains = read_chains(folder, name, every=every)
    console = Console(stderr=True)
    for i, (label, quotes) in enumerate(
        track(
            chains, description=name, total=total, console=console, disable=quiet or not console.is_terminal
        )
    ):
        gc.disable()  # as timeit does: a full collection takes 80 ms, and falls on whatever runs
        start = time.thread_time()
        made = calibrate(quotes, settings=settings)
        spent = time.thread_time() - start
        gc.enable()
        found.dropped.update({rule.value: count for rule, count in made.dropped.items()})
        if made.fit is None or made.slices is None:
            found.failures.append(f"{label}: {made.failure}")
            continue
        found.milliseconds.append(1e3 * spent)
        _note(found, made.fit)
        if i % max(total // PLAIN, 1) == 0:
            found.plain_ratio.append(spent / _plain_fit(made.fit))
        check = made.fit.check
        found.points += 2 * check.points
        found.violations += check.butterflies + check.calendars
        after = moved(
            calibrated_levels([made.slices], flat, settings=rule), MOVES[:, None], settings=rule
        ).slices[0]
        assert after is not None
        check = grid_check(after)
        found.moved_points += 2 * check.points
        found.moved_violations += check.butterflies + check.calendars
    return found


def _note(found: FileFits, fit: Fit) -> None:
    """Add errors and counts of one fit, from `LEAST_DAYS` up."""
    far = fit.quotes.tau_y * 365.0 >= LEAST_DAYS
    weight, errors = fit.quotes.nearness[far], fit.errors[far]
    found.rmse.append(fit.rmse(least_days=LEAST_DAYS))
    found.rmse_even.append(float(np.sqrt((weight * errors**2).sum() / weight.sum())))
    found.worst.append(float(np.abs(errors).max()))
    found.used.append(len(fit.errors))
    found.expiries.append(len(fit.slices.tau_y))


def _quantiles(values: list[float], *, digits: int = 2) -> str:
    return " ".join(f"{np.quantile(values, q):>7.{digits}f}" for q in (0.5, 0.9, 1.0))


def surface_rows(folder: Path, *, every: int = 1, quiet: bool = False) -> Iterator[str]:
    """Yield lines of the table of fits: median, 90th percentile and largest over chains."""
    from tests.support.option_chains import CHAINS

    yield f"{'Surfaces of real chains, maturities from 2 days':<48}{'50%':>9}{'90%':>8}{'100%':>8}"
    every_rmse: list[float] = []
    every_ms: list[float] = []
    for name in CHAINS:
        fits = fit_file(folder, name, every=every, quiet=quiet)
        fitted = len(fits.rmse)
        yield f"  {name}: {fitted} of {fitted + len(fits.failures)} chains fitted"
        yield from (f"    failed: {failure}" for failure in fits.failures)
        if not fitted:
            continue
        yield f"    {'error weighted by vega, points':<44}{_quantiles(fits.rmse)}"
        yield f"    {'the same, all maturities weighing the same':<44}{_quantiles(fits.rmse_even)}"
        yield f"    {'worst quote of a chain, points':<44}{_quantiles(fits.worst)}"
        yield f"    {'ms a chain, of one core':<44}{_quantiles(fits.milliseconds)}"
        yield f"    {'time over that of slices alone, no conditions':<44}{_quantiles(fits.plain_ratio)}"
        yield (
            f"    quotes used a chain: {np.mean(fits.used):.0f} in {np.mean(fits.expiries):.1f} expiries; left out: "
            + (
                ", ".join(
                    f"{count / (fitted + len(fits.failures)):.1f} {rule}"
                    for rule, count in fits.dropped.items()
                )
            )
        )
        yield (
            f"    arbitrage: {fits.violations} of {fits.points:,} points of a grid; moved by {MOVES.min():+.2f} to "
            f"{MOVES.max():+.2f}: {fits.moved_violations} of {fits.moved_points:,}"
        )
        every_rmse += fits.rmse
        every_ms += fits.milliseconds
    if every_rmse:
        yield f"  {f'all {len(every_rmse)} chains: error weighted by vega, points':<46}{_quantiles(every_rmse)}"
        yield f"  {f'all {len(every_ms)} chains: ms of one core':<46}{_quantiles(every_ms)}"


def _best(run: Callable[[], Any], *, times: int = 5, clock: Callable[[], float] = time.thread_time) -> float:
    """Return the shortest of some times, seconds; by default of this thread alone."""
    best = float("inf")
    for _ in range(times):
        start = clock()
        run()
        best = min(best, clock() - start)
    return best


def pricing_rows(count: int = 1_000_000) -> Iterator[str]:
    """Yield lines of how many options are valued and inverted in a second, by others where they are installed."""
    rng = np.random.default_rng(13)
    strike, volatility, tau = (
        np.exp(rng.normal(0, 0.3, count)),
        rng.uniform(0.2, 2, count),
        rng.uniform(0.02, 1, count),
    )
    call = strike > 1
    halves = [slice(0, count // 2), slice(count // 2, count)]

    def value(some: slice = slice(None)) -> Floats:
        return black_price(1.0, strike[some], volatility[some], tau[some], is_call=call[some])

    few = slice(0, count // 20)
    price = value()
    inverse = _best(
        lambda: implied_volatility(price[few], 1.0, strike[few], tau[few], is_call=call[few]), times=3
    )
    yield f"{'Options a second':<66}{'millions':>11}"
    yield f"  {'valued, one core':<64}{count / _best(value) / 1e6:>11.1f}"
    with ThreadPoolExecutor(2) as pool:
        both = _best(lambda: list(pool.map(value, halves)), clock=time.perf_counter)
        yield f"  {'valued, two cores, as far as they are free':<64}{count / both / 1e6:>11.1f}"
    yield f"  {'inverted, one core':<64}{len(strike[few]) / inverse / 1e6:>11.2f}"
    given = _Options(call[few], strike[few], volatility[few], tau[few], price[few])
    yield from _peer_rows("QuantLib", _quantlib, given)
    yield from _peer_rows("vollib", _vollib, given)


@dataclass(frozen=True, slots=True)
class _Options:
    """Hold options on a forward of one, (N,) each, and their values."""

    call: Bools
    strike: Floats
    volatility: Floats
    tau: Floats
    price: Floats


# What values all options, and what inverts all their values.
_Peer = tuple[Callable[[], list[float]], Callable[[], list[float]]]


def _peer_rows(name: str, peer: Callable[[_Options], _Peer], given: _Options) -> Iterator[str]:
    """Yield lines of how many options a second a library values and inverts, one call each."""
    try:
        value, invert = peer(given)
    except ImportError:
        yield f"  {name} is not installed: nothing to compare with. Fix: .venv/bin/pip install {name}"
        return
    np.testing.assert_allclose(value(), given.price, rtol=1e-9, atol=1e-12)
    count = len(given.price)
    yield f"  {f'valued by {name}, one call each':<64}{count / _best(value) / 1e6:>11.2f}"
    yield f"  {f'inverted by {name}, one call each':<64}{count / _best(invert, times=2) / 1e6:>11.2f}"


def _quantlib(given: _Options) -> _Peer:
    import QuantLib as ql

    sides = [ql.Option.Call if call else ql.Option.Put for call in given.call]
    deviations = (given.volatility * np.sqrt(given.tau)).tolist()
    known = list(zip(sides, given.strike.tolist(), strict=True))
    values = list(zip(known, deviations, strict=True))
    prices = list(zip(known, given.price.tolist(), strict=True))
    return (
        lambda: [ql.blackFormula(*option, 1.0, s) for option, s in values],
        lambda: [ql.blackFormulaImpliedStdDev(*option, 1.0, p) for option, p in prices],
    )


def _vollib(given: _Options) -> _Peer:
    from vollib.black import undiscounted_black
    from vollib.black.implied_volatility import implied_volatility_of_undiscounted_option_price as invert

    sides = ["c" if call else "p" for call in given.call]
    known = list(zip(given.strike.tolist(), given.tau.tolist(), sides, strict=True))
    values = list(zip(known, given.volatility.tolist(), strict=True))
    prices = list(zip(known, given.price.tolist(), strict=True))
    return (
        lambda: [undiscounted_black(1.0, k, s, t, side) for (k, t, side), s in values],
        lambda: [invert(p, 1.0, k, t, side) for (k, t, side), p in prices],
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="take every n-th chain of the large files")
    chosen = parser.parse_args(arguments)
    sys.path.insert(0, str(ROOT))
    _claim_name()
    from tests.support.data import data_folder

    folder = data_folder()
    if folder.is_dir():
        for row in surface_rows(folder, every=max(chosen.every, 1)):
            print(row, flush=True)
    else:
        print(f"no real option chains: {folder} is absent; set SEAWALL_DATA to the folder that holds them")
    print()
    for row in pricing_rows():
        print(row, flush=True)


if __name__ == "__main__":
    main()
