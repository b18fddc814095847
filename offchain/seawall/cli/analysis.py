"""`seawall explain` and `seawall stress`: one book put to the model, away from any chain."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seawall.cli.output import json_option, print_json, print_pairs, print_table

if TYPE_CHECKING:
    from seawall.analysis.book import Book
    from seawall.analysis.breakdown import Breakdown
    from seawall.analysis.portfolio import JudgedBook
    from seawall.keeper.settings import KeeperSettings

__all__ = ["explain_command", "stress_command"]

_FILE = click.Path(path_type=Path)

_book = click.argument("book", type=_FILE)
_data = click.option(
    "--data",
    type=_FILE,
    metavar="PATH",
    help="Prices, in the format of keeper.market_data; real ones of 2017 to 2019 by default.",
)


@click.command("explain")
@_book
@_data
@click.option("--rows", type=click.IntRange(1, 1000), default=10, show_default=True, help="Scenarios shown.")
@json_option
def explain_command(book: Path, data: Path | None, rows: int, as_json: bool) -> None:
    """Say what makes the requirement of a BOOK: positions, hedges, scenarios, lanes, add-ons.

    A BOOK is a YAML file of positions by name, `positions: {BTC-PERP: -1.5, BTC-27SEP19-14000-C: 2}`, with `at:` (a
    time) and `cash:` if you like. The numbers are a keeper's before rounding to lots and ticks.
    """
    from seawall.analysis.book import read_book
    from seawall.analysis.breakdown import break_down
    from seawall.chain.plan import FactorsPlan
    from seawall.keeper.settings import KeeperSettings

    settings = KeeperSettings()
    judged = _judge(read_book(book), data, settings)
    found = break_down(judged, factors=FactorsPlan(), settings=settings)
    if as_json:
        print_json(_as_fields(judged, found, rows))
        return
    _print(judged, found, rows)


@click.command("stress")
@_book
@_data
@click.option("--scenarios", type=_FILE, metavar="PATH", help="A YAML file of further scenarios.")
@click.option(
    "--worst", type=click.IntRange(0, 100), default=5, show_default=True, help="Past days, as they were."
)
@json_option
def stress_command(book: Path, data: Path | None, scenarios: Path | None, worst: int, as_json: bool) -> None:
    """Value a BOOK under named scenarios: historical days, hypothetical ones, its worst past days, your own.

    A file of scenarios lists `name`, `moves` by underlying and, if you like, `volatility`, as simple changes:
    `scenarios: [{name: Ether alone, moves: {ETH: -0.4}}]`.
    """
    from seawall.analysis.book import read_book
    from seawall.analysis.breakdown import break_down
    from seawall.analysis.stresses import named_scenarios, past_scenarios, read_scenarios, stress_book
    from seawall.chain.plan import FactorsPlan
    from seawall.keeper.settings import KeeperSettings

    settings, held = KeeperSettings(), read_book(book)
    own = [] if scenarios is None else read_scenarios(scenarios, symbols=held.symbols, model=settings.model)
    judged = _judge(held, data, settings)
    listed = [*named_scenarios(judged, settings=settings), *own]
    listed += past_scenarios(judged, settings=settings, worst=worst)
    found = stress_book(judged, listed, settings=settings)
    base = break_down(judged, factors=FactorsPlan(), settings=settings)
    if as_json:
        print_json(
            {
                "as_of": base.as_of,
                "equity": base.equity,
                "initial": base.terms.initial,
                "maintenance": base.terms.maintenance,
                "scenarios": [
                    {
                        "name": r.scenario.name,
                        "kind": r.scenario.kind,
                        "pnl": r.pnl,
                        "by_position": dict(zip(_names(judged), r.by_position, strict=True)),
                    }
                    for r in found
                ],
            }
        )
        return
    print_pairs(
        f"Book at {_time(base.as_of)} (settlement tokens)",
        {
            "equity": _money(base.equity),
            "initial margin": _money(base.terms.initial),
            "maintenance margin": _money(base.terms.maintenance),
        },
    )
    print_table(
        f"{len(found)} scenarios, each {settings.model.horizon_h:g} hours later",
        ("scenario", "kind", "profit or loss", "equity after", "of initial margin"),
        [
            (
                r.scenario.name,
                r.scenario.kind,
                _money(r.pnl),
                _money(base.equity + r.pnl),
                f"{r.pnl / base.terms.initial:+.0%}" if base.terms.initial else "",
            )
            for r in sorted(found, key=lambda r: r.pnl)
        ],
    )


def _judge(held: Book, data: Path | None, settings: KeeperSettings) -> JudgedBook:
    from seawall.analysis.portfolio import judge
    from seawall.market.embedded import embedded_bars
    from seawall.market.files import read_bars

    bars = embedded_bars() if data is None else read_bars(data)
    return judge(held, bars, settings=settings)


def _print(judged: JudgedBook, found: Breakdown, rows: int) -> None:
    terms, symbols = found.terms, judged.bars.symbols
    sigma = judged.estimate.risk.sigma
    print_table(
        f"Underlyings at {_time(found.as_of)}",
        ("", "price", "volatility a day", "a year"),
        [
            (s, _money(p), f"{v:.2%}", f"{v * 365**0.5:.0%}")
            for s, p, v in zip(symbols, judged.prices, sigma, strict=True)
        ],
    )
    print_pairs(
        "Requirement (settlement tokens)",
        {
            "equity": _money(found.equity),
            "legs alone": _money(terms.gross),
            "U, legs with the hedges below": _money(terms.certified),
            "ES, full simulation": _money(terms.shortfall),
            "L, by lanes": _money(terms.lanes),
            "charge for liquidity": _money(terms.liquidity),
            "charge for vega": _money(terms.vega),
            "floor of initial margin": _money(terms.initial_floor),
            "floor of maintenance": _money(terms.maintenance_floor),
            "initial margin": _money(terms.initial),
            "maintenance margin": _money(terms.maintenance),
            "the binding lane": "{:.0%} past moves, {:.0%} synthetic, {:.0%} stress".format(
                *found.lane_kinds
            ),
        },
    )
    print_table(
        "Positions",
        ("", "units", "value", "delta notional", "leg alone", "part of ES"),
        [
            (p.name, f"{p.quantity:g}", _money(p.value), _money(p.delta), _money(p.leg), _money(p.tail))
            for p in found.positions
        ],
    )
    if found.hedges:
        print_table(
            "Hedges of the certificate",
            ("units", "of", "expected shortfall"),
            [
                (f"{many:,.4g}", ", ".join(f"{lots:+d} {name}" for name, lots in of), _money(risk))
                for many, of, risk in found.hedges
            ],
        )
    shown = found.tail[:rows]
    print_table(
        f"Tail: {len(shown)} of its {len(found.tail)} scenarios, the largest part of ES first",
        ("scenario", "of the tail", "loss", *symbols),
        [(r.name, f"{r.share:.2%}", _money(r.loss), *(f"{x:+.1%}" for x in r.moves)) for r in shown],
    )


def _as_fields(judged: JudgedBook, found: Breakdown, rows: int) -> dict[str, object]:
    from dataclasses import asdict

    fields = asdict(found)
    fields["tail"] = fields["tail"][:rows]
    fields["symbols"] = judged.bars.symbols
    fields["prices"] = [float(p) for p in judged.prices]
    fields["sigma"] = [float(s) for s in judged.estimate.risk.sigma]
    return fields


def _names(judged: JudgedBook) -> list[str]:
    return [instrument.name for instrument in judged.book.instruments]


def _money(value: float) -> str:
    return f"{value:,.2f}" if abs(value) < 1e4 else f"{value:,.0f}"


def _time(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
