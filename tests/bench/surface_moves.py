"""Whether the numbers in `SurfaceSettings` hold in real data: moves with the spot, smiles, moves by maturity.

`python tests/bench/surface_moves.py` prints three tables, each with the setting beside what is found: a regression of
24-hour log-moves of an index of 30-day volatility on those of Bitcoin; rho and eta of fitted slices by maturity; and by
maturity how far the volatility at the money moves with that of 30 days within a day.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track

from seawall.arrays import Floats
from seawall.margin.calibration import CalibrationSettings, calibrate
from seawall.margin.essvi import Slices, at
from seawall.margin.moves import volatility_response
from seawall.margin.quotes import calibrated_levels
from seawall.margin.settings import SurfaceSettings
from seawall.margin.surface import Levels, moved, volatility

__all__ = ["response_rows", "smile_rows", "tenor_rows"]

ROOT = Path(__file__).resolve().parents[2]
RULE = SurfaceSettings()
HORIZON_H = 24
# Resampled blocks of ten days, so that overlapping moves stay together.
BLOCK_H, RESAMPLES = 240, 200
TENORS_DAYS = np.array([2.0, 3.0, 7.0, 14.0, 30.0, 60.0, 90.0, 180.0])
CHAINS = ("deribit_options_BTC.parquet", "deribit_options_ETH.parquet")
INDEX, SPOT = "dvol_btc_1h.parquet", "binance_spot_1h_BTCUSDT.parquet"

History = list[tuple[pd.Timestamp, Slices]]


def _claim_name() -> None:
    """Let `tests` mean this repository's, though some installed packages bring a `tests` of their own."""
    spec = ModuleSpec("tests", None, is_package=True)
    spec.submodule_search_locations = [str(ROOT / "tests")]
    sys.modules["tests"] = module_from_spec(spec)


def _regressed(design: Floats, moves: Floats) -> Floats:
    found: Floats = np.linalg.lstsq(design, moves, rcond=None)[0]
    return found


def response_rows(folder: Path) -> Iterator[str]:
    """Yield lines of the regression `x = -a r + b |r| + c r^2 + constant`, over all years and by halves."""
    index = pd.read_parquet(folder / INDEX).set_index("timestamp").close.astype("float64")
    spot = pd.read_parquet(folder / SPOT).set_index("timestamp").close.astype("float64")
    joint = pd.concat({"index": index, "spot": spot}, axis=1, join="inner").asfreq("h").transform(np.log)
    moves = (joint.shift(-HORIZON_H) - joint).dropna()
    yield f"{'24-hour log-moves of the index on those of Bitcoin':<55}a{'b':>19}{'c':>19}{'residual':>10}{'R2':>7}"
    told = (RULE.fall_slope, RULE.size_slope, RULE.size_curvature)
    yield f"  {'settings':<34}" + "".join(f"{x:>19.3f}" for x in told) + f"{RULE.residual:>10.4f}"
    rng = np.random.default_rng(7)
    half = "2023-01-01"
    for name, part in (("all", moves), (f"to {half}", moves[:half]), (f"from {half}", moves[half:])):
        r, x = part.spot.to_numpy(), part["index"].to_numpy()
        design = np.stack([-r, np.abs(r), r**2, np.ones(len(r))], axis=1)
        found = _regressed(design, x)
        starts = rng.integers(0, len(r) - BLOCK_H, (RESAMPLES, len(r) // BLOCK_H))
        rows = (starts[:, :, None] + np.arange(BLOCK_H)).reshape(RESAMPLES, -1)
        low, high = np.quantile([_regressed(design[i], x[i]) for i in rows], [0.05, 0.95], axis=0)
        residual = x - design @ found
        cells = "".join(
            f"{f:>7.2f} [{a:>4.1f},{b:>4.1f}]" for f, a, b in zip(found[:3], low[:3], high[:3], strict=True)
        )
        fit = 1 - residual.var() / x.var()
        yield f"  {f'{name}, {len(r):,} hours [90%]':<34}{cells}{residual.std():>10.4f}{fit:>7.3f}"
        own = volatility_response(r, settings=RULE)
        rest = x - x.mean() - (own - own.mean())
        yield f"  {'  with the settings':<34}{'':>57}{rest.std():>10.4f}{1 - rest.var() / x.var():>7.3f}"


def histories(folder: Path, *, every: int = 1) -> dict[str, History]:
    """Return fitted surfaces by underlying, oldest first."""
    from tests.support.option_chains import chain_count, read_chains

    found: dict[str, History] = {}
    console = Console(stderr=True)
    for name in CHAINS:
        chains = read_chains(folder, name, every=every)
        total = chain_count(folder, name) // every
        shown = track(chains, description=name, total=total, console=console, disable=not console.is_terminal)
        for label, quotes in shown:
            symbol, when = label.split(" ", 1)
            made = calibrate(quotes, settings=CalibrationSettings())
            if made.fit is not None:
                found.setdefault(symbol, []).append((pd.Timestamp(when), made.fit.slices))
    return found


def smile_rows(fitted: dict[str, History]) -> Iterator[str]:
    """Yield lines of rho and eta, `psi sqrt((1 + theta) / theta)`, by maturity: 10%, 50%, 90% over chains."""
    yield f"{'Smiles of fitted slices, 10% 50% 90%':<40}{'rho':>21}{'eta':>24}"
    yield f"  {'settings':<38}{RULE.smile_correlation:>21.2f}{RULE.smile_slope:>24.2f}"
    for symbol, history in fitted.items():
        for days in TENORS_DAYS:
            theta, psi, chi = np.array([at(slices, np.array([days / 365])) for _, slices in history])[
                :, :, 0
            ].T
            rho, eta = chi / psi, psi * np.sqrt((1 + theta) / theta)
            cells = "".join(
                "   " + "".join(f"{x:>7.2f}" for x in np.quantile(values, [0.1, 0.5, 0.9]))
                for values in (rho, eta)
            )
            yield f"  {f'{symbol}, {days:g} days':<38}{cells}"


def tenor_rows(fitted: dict[str, History]) -> Iterator[str]:
    """Yield lines of the move of volatility at the money by maturity per move at 30 days, log on log, within a day.

    Beside it stands what the model does with a rise and a fall of 0.1, from the same surfaces, and without any.
    """
    yield f"{'Moves by maturity over that of 30 days':<28}" + "".join(f"{d:>7g}d" for d in TENORS_DAYS)
    flat = Levels(short=np.array([0.3]), long=np.array([0.3]))
    tau = TENORS_DAYS / 365
    for symbol, history in fitted.items():
        times = np.array([when.timestamp() for when, _ in history])
        level = np.array([0.5 * np.log(at(slices, tau)[0] / tau) for _, slices in history])
        later = np.searchsorted(times, times + 86_400 - 3 * 3600)
        near = np.flatnonzero(later < len(times))
        near = near[times[later[near]] - times[near] < 86_400 + 3 * 3600]
        moves = level[later[near]] - level[near]
        month = moves[:, TENORS_DAYS == 30]
        for name, some in (
            ("all", np.full(len(month), True)),
            ("rises", month[:, 0] > 0),
            ("falls", month[:, 0] < 0),
        ):
            x, y = month[some], moves[some]
            slope = (x * y).sum(axis=0) / (x**2).sum()
            yield f"  {f'{symbol}, {name}, {some.sum()} days':<26}" + "".join(f"{s:>8.2f}" for s in slope)
        middle = [history[i][1] for i in range(0, len(history), max(len(history) // 20, 1))]
        for name, told in (("model, a rise", 0.1), ("model, a fall", -0.1)):
            ratios = []
            for slices in middle:
                held = calibrated_levels([slices], flat, settings=RULE)
                before, after = held.slices[0], moved(held, np.array([[told]]), settings=RULE).slices[0]
                assert before is not None
                assert after is not None
                ratios.append(0.5 * np.log(at(after, tau)[0][0] / at(before, tau)[0]) / told)
            yield f"  {f'{symbol}, {name}':<26}" + "".join(f"{s:>8.2f}" for s in np.median(ratios, axis=0))
    for name, told in (("two levels, a rise", 0.1), ("two levels, a fall", -0.1)):
        then = moved(flat, np.full((1, 1), told), settings=RULE)
        at_money, still = (
            np.log(volatility(levels, np.zeros(1), tau, settings=RULE)).ravel() for levels in (then, flat)
        )
        yield f"  {name:<26}" + "".join(f"{s:>8.2f}" for s in (at_money - still) / told)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="take every n-th chain")
    chosen = parser.parse_args(arguments)
    sys.path.insert(0, str(ROOT))
    _claim_name()
    from tests.support.data import data_folder

    folder = data_folder()
    if not folder.is_dir():
        print(f"no real data: {folder} is absent; set SEAWALL_DATA to the folder that holds it")
        return
    for row in response_rows(folder):
        print(row, flush=True)
    fitted = histories(folder, every=max(chosen.every, 1))
    for rows in (smile_rows(fitted), tenor_rows(fitted)):
        print()
        for row in rows:
            print(row, flush=True)


if __name__ == "__main__":
    main()
