"""Print what the contracts cost and how long the model takes; `make bench`.

Gas is exact and the same on every machine. Beside it stands what the closest peer needs for the same, Derive's PMRM_2
with N short options and cash, measured from its public sources.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.system_bench import SystemBench

ROOT = Path(__file__).resolve().parents[2]
# positions: (view, trade, start of an auction, bid), gas
PEER = {
    1: (912_416, 1_259_679, 1_128_807, 816_789),
    8: (3_057_913, 3_412_754, 1_527_947, 2_419_748),
    32: (10_544_521, 10_925_361, 2_955_201, 7_975_190),
    64: (20_835_319, 21_250_881, 5_003_124, 15_529_314),
    128: (42_481_600, 42_966_810, 9_602_771, 31_148_047),
}
PEER_PUSH = {1: 47_684, 3: 71_807}  # one spot price: signatures: gas
COUNTS = (1, 4, 16)
AUCTIONED = (8, 64, 128)
LARGEST_TRADED = 64

Row = tuple[str, int, int | None]


def _claim_name() -> None:
    """Let `tests` mean this repository's, though some installed packages bring a `tests` of their own."""
    spec = ModuleSpec("tests", None, is_package=True)
    spec.submodule_search_locations = [str(ROOT / "tests")]
    sys.modules["tests"] = module_from_spec(spec)


def _gas_table(title: str, rows: Sequence[Row]) -> None:
    print(f"\n{title:<66}{'gas':>11}{'peer':>13}{'of peer':>9}")
    for name, gas, peer in rows:
        beside = f"{peer:>13,}{gas / peer:>9.1%}" if peer else ""
        print(f"  {name:<64}{gas:>11,}{beside}")


def _engine() -> Iterator[Row]:
    from tests.support.engine_bench import sized_scene
    from tests.support.engine_world import EngineWorld

    world = EngineWorld()
    for count, (view, *_) in PEER.items():
        with world.evm.isolated():
            world.stage(sized_scene(count))
            yield (
                f"health view, {count} position{'s' * (count > 1)}, options on pages of full size",
                world.gas(),
                view,
            )


def _users(bench: SystemBench) -> Iterator[Row]:
    for count in COUNTS:
        named = f"{count} perpetual{'s' * (count > 1)}"
        view, trade, _, _ = PEER.get(count, (None,) * 4)
        yield f"health view, {named}", bench.view(count), view
        yield f"margin view, {named}", bench.view(count, name="margin"), view
        yield f"fill of two signed orders that adds, {named}", bench.fill(count, lots=1), trade
        yield f"fill of two signed orders that reduces, {named}", bench.fill(count, lots=-1), trade


def _auctions(bench: SystemBench) -> Iterator[Row]:
    for count in COUNTS:
        named = f"{count} perpetual{'s' * (count > 1)}"
        _, _, start, bid = PEER.get(count, (None,) * 4)
        started, bought = bench.auction(count)
        yield f"start of an auction, {named}", started, start
        yield f"purchase of half of it, {named}", bought, bid


def _option_books() -> Iterator[Row]:
    from tests.support.engine_bench import book_proof, sized_scene
    from tests.support.engine_world import EngineWorld
    from tests.support.option_bench import OptionBench

    from seawall.reference.certificate import EMPTY

    bench = OptionBench()
    for count, (view, trade, start, bid) in PEER.items():
        named = f"{count} option{'s' * (count > 1)}"
        yield f"health view, {named}", bench.view(count), view
        verb = "adds" if count <= LARGEST_TRADED else "reduces"
        yield f"fill that {verb}, eight atoms in the certificate, {named}", bench.fill(count), trade
        if count in AUCTIONED:
            started, empty, maker = bench.auction(count)
            yield f"start of an auction, {named}", started, start
            yield f"buy half, buyer holds nothing, {named}", empty, bid
            yield f"buy half, buyer makes a market in the same instruments, {named}", maker, bid
    first = "the same with one position, either order the first of 128 nonces"
    yield first, bench.fill(1, fresh_nonces=True), None
    world = EngineWorld()
    scene, certificate = book_proof(sized_scene(64), accounts=100_000)
    with world.evm.isolated():
        world.stage(scene)
        proof = world.gas(certificate=certificate) - world.gas(certificate=EMPTY)
    yield "book of 64 options as stored, shown among 100,000, on top of its view", proof, None


def _keepers(bench: SystemBench) -> Iterator[Row]:
    from tests.support.system_bench import QUORUMS, activation_gas

    for prices, signatures in ((1, 1), (1, 3), (2, 2), (2, 3)):
        name = f"push of {prices} price{'s' * (prices > 1)}, {signatures} signature{'s' * (signatures > 1)}"
        gas = bench.push(prices=prices, signatures=signatures)
        yield name, gas, PEER_PUSH[signatures] if prices == 1 else None
    for full in (False, True):
        size, gas = bench.stage(full=full)
        yield f"staging of a page of {size:,} bytes, {gas / size:.1f} a byte", gas, None
    for pages in (1, 3, 5):
        for signatures in QUORUMS:
            name = f"activation of {pages} page{'s' * (pages > 1)}, {signatures} signatures"
            yield name, activation_gas(pages=pages, signatures=signatures), None


def _model() -> None:
    from tests.bench.model import STAGES, encode_seconds, estimate_seconds, shortfall_seconds

    spent, found = estimate_seconds()
    rows, underlyings = found.pnl.shape
    print(
        f"\n{f'Model, {underlyings} underlyings, {rows:,} scenarios, {len(found.lanes.values)} lanes':<66}{'ms':>11}"
    )
    for stage in (*STAGES, "coverage", "total"):
        print(f"  {stage:<64}{1_000 * spent[stage]:>11,.1f}")
    print(f"  coverage of unseen books: {found.unseen}")
    fast, plain = shortfall_seconds(found.pnl, found.scenarios.weights)
    print(f"  {'expected shortfall of 1,000 books':<64}{1_000 * fast:>11,.1f}")
    print(f"  {'the same by sorting':<64}{1_000 * plain:>11,.1f}  {plain / fast:.1f} times as long")
    for count in (8, 110):
        seconds, size = encode_seconds(count)
        print(f"  {f'encoding of a page of {count} perpetuals, {size:,} bytes':<64}{1_000 * seconds:>11,.1f}")


def _options() -> None:
    from tests.bench.model import options_a_second
    from tests.bench.venue import venue_report

    print(f"\n{'options priced a second':<66}{options_a_second():>11,.0f}")
    venue_report()


def _books() -> None:
    from tests.bench.books import ACCOUNTS, POSITIONS, book_seconds

    print(f"\n{f'Keepers, {ACCOUNTS:,} books of {POSITIONS} options':<66}{'s':>11}{'bytes':>13}")
    for stage, seconds, size in book_seconds():
        print(f"  {stage:<64}{seconds:>11,.2f}{'' if size is None else format(size, '>13,')}")


def _report(name: str, *arguments: str) -> None:
    """Print what real option chains say of lanes and hedges, of the surface, or of how surfaces move."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as keepers run: times are of one core
    if name == "chains":
        from tests.bench.chains import chains_report

        chains_report()
    elif name == "surface":
        from tests.bench import surface

        surface.main(arguments)
    elif name == "moves":
        from tests.bench import surface_moves

        surface_moves.main(arguments)
    else:
        sys.exit(
            f"error: no report {name}. Fix: use chains, surface or moves, or nothing for the other tables"
        )


def main() -> None:
    """Measure and print everything but what takes long: `chains`, `surface`, `moves`, which are asked for by name."""
    sys.path.insert(0, str(ROOT))
    _claim_name()
    if asked := sys.argv[1:]:
        _report(*asked)
        return
    from tests.support.system_bench import SystemBench

    bench = SystemBench()
    _gas_table("Engine alone, nothing warm", list(_engine()))
    _gas_table("Accounts, whole system, nothing warm", list(_users(bench)))
    _gas_table("Auctions", list(_auctions(bench)))
    _gas_table("Books of options on full pages, whole system, nothing warm", list(_option_books()))
    _gas_table("Keepers", list(_keepers(bench)))
    _model()
    _options()
    _books()


if __name__ == "__main__":
    main()
