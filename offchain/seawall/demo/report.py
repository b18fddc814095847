"""One self-contained HTML file: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup

from seawall.demo.history import OptionOutcome, Outcome
from seawall.demo.options import HEDGED
from seawall.demo.pictures import (
    account_picture,
    auction_picture,
    payer_picture,
    price_picture,
    saving_picture,
)
from seawall.errors import ConfigError

__all__ = ["render", "write_report"]


def _when(time_s: int) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M")


def render(outcome: Outcome) -> str:
    """Return the report as HTML. The same outcome gives the same bytes."""
    environment = Environment(
        loader=PackageLoader("seawall.demo", "."), autoescape=select_autoescape(["html", "jinja"])
    )
    environment.filters["when"] = _when
    environment.filters["money"] = lambda value: f"{value:,.0f}"
    environment.filters["percent"] = lambda value: f"{value:.1%}"
    traders = list(outcome.final)
    gains = {
        name: outcome.final[name] + outcome.withdrawn[name] - outcome.deposited[name] for name in traders
    }
    return environment.get_template("report.html.jinja").render(
        outcome=outcome,
        traders=traders,
        gains=gains,
        prices=Markup(price_picture(outcome)),
        accounts=Markup(account_picture(outcome, traders)),
        auctions=Markup(auction_picture(outcome)),
        payers=Markup(payer_picture(outcome)),
        savings=Markup(saving_picture(outcome, HEDGED)) if isinstance(outcome, OptionOutcome) else None,
        hedged=HEDGED,
    )


def write_report(outcome: Outcome, path: Path) -> None:
    """Write the report in one step.

    Raises
    ------
    ConfigError
        If the file cannot be written.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(render(outcome), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise ConfigError(
            f"cannot write the report {path}: {error.strerror}. Fix: choose another --report"
        ) from error
