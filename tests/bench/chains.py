"""What lanes and atoms achieve on real option chains, and what an epoch of large ones costs.

`make bench ARGS=chains` prints it; without the folder of real data it says so and leaves out what needs it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from rich.console import Console
from rich.progress import Progress
from scipy.sparse import csr_array
from tests.bench.cliques import clique, midpoints
from tests.bench.epochs import epoch_report
from tests.bench.simple_lanes import simple_lanes
from tests.support.data import data_folder
from tests.support.families import FAMILIES
from tests.support.real_chain import ALPHA, FILES, SPOT_TICKS, RealChain, real_chain, traders

from seawall.arrays import Floats, Ints
from seawall.margin.atoms import certified_charge, priced_atoms, structure_books
from seawall.margin.design import trader_books
from seawall.margin.lanes import choose_lanes, lane_bound
from seawall.margin.library import hedge_library
from seawall.margin.selection import select_hedges
from seawall.margin.settings import AtomSettings, LaneSettings
from seawall.margin.structures import Legs, structures, verticals

__all__ = ["chains_report", "choose", "lane_table", "upper_table"]

LIVE, UNSEEN, CERTIFIED = 1_000, 4_000, 300
ALIKE = 3_000  # further books, which simpler searches are given
OTHER_DRAWS = (6, 7, 8)  # of unseen books: medians of one differ by .01 to .02 from those of another
OTHER_LIVE = (11, 21, 31, 41)  # of live books, and with the number after it of unseen ones
DESIGN = 8_192  # books as people hold them, by default of the portfolio's model
PAIRED = 500  # live books of which all pairs are looked at: a bound for these is one for all
PAIRED_UNSEEN = 1_000
_BOOK_TICKS = 1e9  # tail risk of a live book
# What the first experiments reached on other scenarios: L/ES live and unseen by lanes, U/ES by atoms an instrument.
LAB_LANES = {32: ".75/.78/.94 .61/.94", 64: ".79/.82/.95 .71/.95", 128: ".91/.92/.98 .71/.98"}
LAB_ATOMS = {0: "2.07/14/31/48", 16: "1.09/2.96/5.0/10", 32: "1.06/2.10/2.8/3.6"}
_SELECTION_BOOKS = 4_000

Step = Callable[[int, int], None]


def drawn(found: RealChain, count: int, *, seed: int) -> tuple[Floats, Ints]:
    """Return so many books of equal tail risk, (N, C), and the family of each."""
    lots, family = traders(found, seed=seed).books(count + count // 20 + 20)
    books = lots[:count] * (_BOOK_TICKS / found.shortfall(lots[:count]))[:, None]
    return books, family[:count]


def choose(found: RealChain, live: Floats, settings: LaneSettings) -> tuple[Floats, float]:
    """Return lanes of one lot, (K, C), chosen as an epoch would, and the seconds it took."""
    unit = found.legs.max(axis=0)
    start = time.perf_counter()
    listed = structures(found.chain, found.delta, np.full(3, SPOT_TICKS), largest_ratio=10, neighbours=3)
    design = structure_books(listed, columns=len(unit))
    design = design[np.arange(400) * design.shape[0] // 400].toarray()
    people = trader_books(
        found.pnl, found.weights, found.owner, spots=3, count=DESIGN, seed=0, chain=found.chain
    )
    lanes = choose_lanes(
        found.pnl / unit,
        found.weights,
        live * unit,
        alpha=ALPHA,
        settings=settings,
        seed=0,
        structures=np.concatenate([design, people]) * unit,
    )
    return lanes.values * unit, time.perf_counter() - start


def quantiles(ratios: Floats, levels: Sequence[float]) -> str:
    """Return quantiles as a person reads them."""
    return " / ".join(f"{q:.3f}" for q in np.quantile(ratios, levels))


def lane_table(found: RealChain) -> None:
    """Print L/ES by lanes on live and unseen books, with and without dust."""
    live, _ = drawn(found, LIVE, seed=1)
    unseen, family = drawn(found, UNSEEN, seed=2)
    print(f"\nL / ES by lanes alone, {len(live):,} live and {len(unseen):,} unseen books of equal tail risk")
    print(
        f"  {'lanes, live books':<34}{'live least/1%/50%':>24}{'unseen 1%/50%':>18}{'s':>6}  first experiments"
    )

    def row(
        name: str, values: Floats, held: Floats, seconds: float, lab: str, against: Floats = unseen
    ) -> tuple[Floats, Floats]:
        seen, other = (lane_bound(values, books) / _BOOK_TICKS for books in (held, against))
        covered = f"{quantiles(seen, (0, 0.01, 0.5)):>24}{quantiles(other, (0.01, 0.5)):>18}"
        print(f"  {name:<34}{covered}{seconds:>6.1f}  {lab}")
        return seen, other

    for count, held in ((32, live), (64, live), (128, live), (64, live[:300])):
        values, seconds = choose(found, held, LaneSettings(lanes=count))
        lab = LAB_LANES[count] if len(held) == LIVE else ".91"
        seen, other = row(f"{count}, {len(held):,}", values, held, seconds, lab)
        if count == 64 and len(held) == LIVE:
            by_family = [
                f"{name} {np.quantile(other[family == i], 0.01):.2f}" for i, name in enumerate(FAMILIES)
            ]
            least = float(seen.min())
    print(f"  unseen 1% by family, 64 lanes: {', '.join(by_family)}")
    for seed in OTHER_LIVE:
        held, others = drawn(found, LIVE, seed=seed)[0], drawn(found, UNSEEN, seed=seed + 1)[0]
        values, seconds = choose(found, held, LaneSettings())
        row(f"64, {LIVE:,} of another draw", values, held, seconds, "", against=others)
    alike = drawn(found, ALIKE, seed=3)[0]
    print(f"  64 lanes by simpler searches: for live books, and for {ALIKE:,} like the unseen ones too")
    for name, values, seconds in simple_lanes(found, live / _BOOK_TICKS, alike / _BOOK_TICKS, count=64):
        row(f"  {name}", values, live, seconds, "")
    for part in (1e-5, 1e-3):
        dust = drawn(found, 400, seed=5)[0] * part
        values, _ = choose(found, np.concatenate([live, dust]), LaneSettings())
        with_dust = float((lane_bound(values, live) / _BOOK_TICKS).min())
        print(
            f"  least of the live books beside 400 books of {part:g} of their size: {with_dust:.3f} against {least:.3f}"
        )


def frontier(found: RealChain) -> None:
    """Print what live and unseen books gain and lose by what design books count, and what each costs."""
    live, unseen = (drawn(found, count, seed=seed)[0] for count, seed in ((LIVE, 1), (UNSEEN, 2)))
    default = LaneSettings().design_level
    print("\nLive against unseen books, 64 lanes, by level of design books; the default is marked")
    for level in sorted({0.1, 0.3, 0.45, 0.6, 0.7, default}):
        for held in (live, live[:300]):
            values, seconds = choose(found, held, LaneSettings(design_level=level))
            seen, other = (lane_bound(values, books) / _BOOK_TICKS for books in (held, unseen))
            print(
                f"  {level:>5.2f}{'*' if level == default else ' '}{len(held):>8,}"
                f"{quantiles(seen, (0, 0.01, 0.5)):>26}{quantiles(other, (0.01, 0.5)):>18}{seconds:>6.1f}"
            )


def _clique_rows(found: RealChain, console: Console) -> None:
    books = drawn(found, LIVE, seed=1)[0][:PAIRED] / _BOOK_TICKS
    with stepping(console, "pairs of books") as step:
        risk = midpoints(found, books, step)
    for held in (PAIRED, 300):
        bounds = {c: clique(risk[:held, :held] < c) for c in (0.8, 0.85, 0.9, 0.95)}
        text = ", ".join(f"{lanes} for {c:g}" for c, lanes in bounds.items())
        print(f"  lanes that {held:,} of the live books need at least: {text}")
    unseen = drawn(found, PAIRED_UNSEEN, seed=2)[0] / _BOOK_TICKS
    with stepping(console, "pairs of unseen books") as step:
        risk = midpoints(found, unseen, step)
    bounds = {c: clique(risk < c) for c in (0.65, 0.7, 0.75, 0.8)}
    spared = len(unseen) // 100
    text = ", ".join(f"{max(lanes - spared, 1)} for {c:g} ({lanes} of all)" for c, lanes in bounds.items())
    print(f"  lanes that {len(unseen):,} unseen books need at least if {spared} may be left out: {text}")


def select(found: RealChain, live: Floats, console: Console) -> list[Legs]:
    """Return hedges selected for books as they are and as people hold them."""
    library = hedge_library(found.chain, found.delta, np.full(3, SPOT_TICKS), largest_ratio=16, neighbours=3)
    people = trader_books(
        found.pnl, found.weights, found.owner, spots=3, count=_SELECTION_BOOKS, seed=11, chain=found.chain
    )
    print(f"  library of {2 * len(library):,} hedges")
    with stepping(console, "books tried") as step:
        return select_hedges(
            found.pnl,
            found.weights,
            found.legs,
            library,
            live,
            people,
            alpha=ALPHA,
            settings=AtomSettings(),
            spots=3,
            always=verticals(found.chain, columns=3),
            progress=step,
        )


def upper_table(found: RealChain, console: Console) -> None:
    """Print U/ES by atoms an instrument, and with a book atom after changes."""
    live, _ = drawn(found, LIVE, seed=1)
    tried, family = drawn(found, CERTIFIED, seed=2)
    columns = len(found.owner)
    print(f"\nU / ES of {len(tried)} unseen books, 50% / 95% / 99% / most")
    start = time.process_time()
    chosen = select(found, live, console)
    print(f"  selected {len(chosen):,} in {time.process_time() - start:.0f} s of one core")
    start = time.perf_counter()
    atoms = priced_atoms(found.pnl, found.weights, found.legs, chosen, alpha=ALPHA)
    print(f"  repriced {len(atoms):,} in {time.perf_counter() - start:.1f} s")
    books = structure_books([atom.legs for atom in atoms], columns=columns)[: len(atoms)]
    tails = np.array([atom.shortfall for atom in atoms])
    others = [drawn(found, CERTIFIED, seed=seed)[0] for seed in OTHER_DRAWS]
    for each in (0, 16, 32):
        some = min(each * columns, len(atoms))
        start = time.process_time()
        ratios = _certified(found, tried, books[:some], tails[:some])
        spent = 1_000 * (time.process_time() - start) / len(tried)
        line = f"{each} atoms an instrument ({some:,}), least {ratios.min():.4f}"
        print(f"  {line:<46}{quantiles(ratios, (0.5, 0.95, 0.99, 1)):>34}{spent:>5.0f} ms  {LAB_ATOMS[each]}")
        if each:
            medians = [f"{name} {np.median(ratios[family == i]):.2f}" for i, name in enumerate(FAMILIES)]
            print(f"    medians: {', '.join(medians)}")
            ratios = np.array([_certified(found, more, books[:some], tails[:some]) for more in others])
            medians = [f"{median:.3f}" for median in np.median(ratios, axis=1)]
            text = f"{quantiles(ratios, (0.5, 0.95, 0.99, 1))}, medians {', '.join(medians)}"
            print(f"    {ratios.size} books of other draws: {text}")
    some = min(16 * columns, len(atoms))
    people = traders(found, seed=4)
    for share in (0.0, 0.02, 0.1):
        ratios = _with_book_atom(found, people, tried, share, books[:some], tails[:some])
        print(
            f"  {f'book atom, hedged change of {share:.0%}, and 16':<46}{quantiles(ratios, (0.5, 0.95, 0.99, 1)):>34}"
        )


def _certified(found: RealChain, tried: Floats, books: csr_array, tails: Floats) -> Floats:
    """Return U/ES of books of equal tail risk."""
    charged = [certified_charge(book, books, tails, found.legs)[1] for book in tried]
    ratios: Floats = np.array(charged) / _BOOK_TICKS
    return ratios


def _with_book_atom(
    found: RealChain, people: object, tried: Floats, share: float, books: csr_array, tails: Floats
) -> Floats:
    """Return U/ES of books after a hedged change of a share of their gross legs, the book before it shown."""
    whole = np.round(tried).astype(np.int64)
    later = np.array([people.changed(book, share=share) for book in whole]) if share else whole  # type: ignore[attr-defined]
    before, exact = found.shortfall(whole), found.shortfall(later)
    upper = [
        certified + certified_charge((new - old).astype(np.float64), books, tails, found.legs)[1]
        for old, new, certified in zip(whole, later, before, strict=True)
    ]
    alone = [certified_charge(new.astype(np.float64), books, tails, found.legs)[1] for new in later]
    ratios: Floats = np.minimum(upper, alone) / exact
    return ratios


class stepping:
    """Show a bar on a terminal, a plain line elsewhere."""

    def __init__(self, console: Console, name: str) -> None:
        self.console, self.name = console, name
        self.bar = Progress(console=console, transient=True, disable=not console.is_terminal)

    def __enter__(self) -> Step:
        if not self.console.is_terminal:
            print(f"  {self.name} ...", flush=True)
        self.bar.start()
        task = self.bar.add_task(self.name, total=None)
        return lambda done, most: self.bar.update(task, completed=done, total=most)

    def __exit__(self, *_: object) -> None:
        self.bar.stop()


def chains_report() -> None:
    """Print everything."""
    console = Console()
    epoch_report()
    folder = data_folder()
    absent = [name for name in FILES if not (folder / name).is_file()]
    if absent:
        print(
            f"\nReal chains are left out: {absent[0]} is absent. Set SEAWALL_DATA to the folder that holds it."
        )
        return
    found = real_chain(folder)
    options = int(found.chain.is_option.sum())
    print(
        f"\nReal chains: {len(found.owner)} instruments, {options} options, {len(found.weights):,} scenarios"
    )
    lane_table(found)
    frontier(found)
    _clique_rows(found, console)
    upper_table(found, console)
