"""`seawall record`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from seawall.cli.output import json_option, print_json, print_pairs
from seawall.cli.progress import progress_shown
from seawall.errors import InputError

if TYPE_CHECKING:
    from seawall.market.recorder import Kind

__all__ = ["record_command"]

_KINDS = ("candles", "funding", "index", "books", "options")


def _pairs(given: tuple[str, ...], option: str) -> dict[str, str]:
    found = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals or not name or not value:
            raise InputError(f"{option} {pair} is not NAME=VALUE. Fix: write it like {option} currency=BTC")
        found[name] = value
    return found


@click.command("record")
@click.argument("kind", type=click.Choice(_KINDS))
@click.argument("symbol")
@click.option("--exchange", default="deribit", show_default=True, help="As ccxt names it.")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="CSV file; appended to.", metavar="PATH"
)
@click.option(
    "--bar", "bar_s", type=click.IntRange(1), default=3600, show_default=True, help="Of candles, seconds."
)
@click.option(
    "--back", "back_h", type=click.FloatRange(0, min_open=True), default=24.0, show_default=True,
    help="Hours of history at the start of a new file.",
)  # fmt: skip
@click.option(
    "--levels", type=click.IntRange(1), default=100, show_default=True, help="Of a book, on each side."
)
@click.option(
    "--every", "every_s", type=click.FloatRange(0, min_open=True), default=300.0, show_default=True,
    help="Seconds between rounds.",
)  # fmt: skip
@click.option(
    "--for", "lasting_s", type=click.FloatRange(0), default=0.0, show_default=True,
    help="Seconds in all; 0 for one round.",
)  # fmt: skip
@click.option("--market", multiple=True, metavar="NAME=VALUE", help="Limits the markets that are listed.")
@click.option("--type", "types", multiple=True, metavar="NAME", help="Kind of markets to list, as ccxt asks.")
@click.option("--url", multiple=True, metavar="NAME=URL", help="Where its interfaces are, not its own.")
@json_option
def record_command(
    kind: str,
    symbol: str,
    exchange: str,
    out: Path,
    bar_s: int,
    back_h: float,
    levels: int,
    every_s: float,
    lasting_s: float,
    market: tuple[str, ...],
    types: tuple[str, ...],
    url: tuple[str, ...],
    as_json: bool,
) -> None:
    """Record what an exchange publishes into a file that keepers read.

    KIND is candles, funding, index (Deribit's, of volatility), books or options. SYMBOL is a market such as
    BTC/USD:BTC, a currency such as BTC of an index or of options. Uses no key. Goes on where the file ends.
    """
    limits = _pairs(market, "--market")
    urls = _pairs(url, "--url")
    from seawall.market.exchange import Exchange
    from seawall.market.exchange_settings import ExchangeSettings
    from seawall.market.recorder import RecordSettings, record_for
    from seawall.market.recording import last_recorded

    settings = RecordSettings(
        kind=cast("Kind", kind),
        symbol=symbol,
        path=out,
        bar_s=bar_s,
        back_s=max(round(back_h * 3600), 1),
        levels=levels,
        every_s=every_s,
        lasting_s=lasting_s,
    )
    if not out.parent.is_dir():
        raise InputError(f"there is no folder {out.parent}. Fix: make it, or correct --out")
    if out.is_dir():
        raise InputError(f"{out} is a folder. Fix: give --out a file, such as {out / f'{kind}.csv'}")
    last_recorded(out, symbol)  # a file that cannot be appended to is said before anything is asked
    source = Exchange(ExchangeSettings(name=exchange, markets=limits, market_types=types, urls=urls))
    with progress_shown("rounds") as progress:
        rows = record_for(source, settings, progress=progress)
    result = {"file": str(out), "rounds": settings.rounds, "rows": rows}
    if as_json:
        print_json(result)
    else:
        print_pairs("recorded", result)
