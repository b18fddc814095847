"""What a keeper signs of another's proposal: what it would itself have posted, within tolerance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seawall.errors import ConsistencyError
from seawall.keeper.compute import Computed, Proposal, live_exposures
from seawall.keeper.settings import KeeperSettings
from seawall.keeper.view import ChainView
from seawall.margin.shortfall import book_shortfall
from seawall.page.decode import Page, decode_page
from seawall.page.manifest import init_code_hash

__all__ = ["check_proposal"]

Floats = npt.NDArray[np.float64]


def check_proposal(proposal: Proposal, own: Computed, view: ChainView, *, settings: KeeperSettings) -> None:
    """Pass if a proposal agrees with this keeper's own numbers.

    Marks, spots and legs must agree within tolerance; no lane may exceed this keeper's own expected shortfall of any
    leg or any live book by more than the tolerance; everything else must be exactly what the chain asks for.

    Raises
    ------
    ConsistencyError
        Naming the page, the field and both values.
    PageError
        If a page does not decode.
    """
    manifest = proposal.manifest
    _require(manifest.epoch > view.epoch, f"epoch {manifest.epoch} is not after {view.epoch}")
    _require(manifest.config_digest == view.config_digest, "the proposal is for another configuration")
    _require(
        abs(manifest.as_of - own.as_of) <= settings.as_of_tolerance_s,
        f"asOf {manifest.as_of} is not within {settings.as_of_tolerance_s} s of {own.as_of}",
    )
    _require(len(proposal.payloads) == len(own.payloads), "the proposal has another number of pages")
    _require(
        tuple(init_code_hash(payload) for payload in proposal.payloads) == manifest.pages,
        "the manifest names other pages than were sent",
    )
    theirs = [decode_page(payload) for payload in proposal.payloads]
    ours = [decode_page(payload) for payload in own.payloads]
    for page, mine in zip(theirs, ours, strict=True):
        _check_page(page, mine, settings)
    _check_lanes(theirs, own, view, settings)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConsistencyError(f"will not sign: {message}")


def _close(name: str, given: float, own: float, tolerance: float) -> None:
    _require(
        abs(given - own) <= tolerance * abs(own) + 1,
        f"{name} is {given}, own value {own}, tolerance {tolerance:.2%}",
    )


_EXACT_HEAD = (
    *("underlying", "flags", "page_id", "version", "lane_words", "probe_slot", "max_drift_bps", "tick"),
    *("open_interest_divisor", "open_interest_cap_percent", "funding_cap_s", "maintenance_factor_bps"),
    *(
        "initial_net_floor_bps",
        "initial_gross_floor_bps",
        "maintenance_net_floor_bps",
        "maintenance_gross_floor_bps",
    ),
)
_EXACT_RECORD = ("kind", "shift", "generation", "drift_shift", "strike", "expiry_hour")


def _check_page(page: Page, mine: Page, settings: KeeperSettings) -> None:
    where = f"page {mine.head.page_id}"
    for name in _EXACT_HEAD:
        given, own = getattr(page.head, name), getattr(mine.head, name)
        _require(given == own, f"{where} {name} is {given}, expected {own}")
    _close(
        f"{where} reference spot", page.head.reference_spot, mine.head.reference_spot, settings.mark_tolerance
    )
    for name in ("half_spread_x32", "y_volatility_x32", "daily_volume", "lambda_bps", "funding_rate_x32"):
        _close(f"{where} {name}", getattr(page.head, name), getattr(mine.head, name), settings.leg_tolerance)
    drift = abs(mine.head.funding_rate_x32) * settings.as_of_tolerance_s
    _require(
        abs(page.head.funding_x32 - mine.head.funding_x32) <= drift + 1,
        f"{where} cumulative funding is {page.head.funding_x32}, own value {mine.head.funding_x32}",
    )
    _require(len(page.records) == len(mine.records), f"{where} has {len(page.records)} records")
    _require(page.atoms == mine.atoms, f"{where} has other atoms")
    for slot, (record, expected) in enumerate(zip(page.records, mine.records, strict=True)):
        name = f"{where} slot {slot}"
        for field in _EXACT_RECORD:
            _require(getattr(record, field) == getattr(expected, field), f"{name} {field} differs")
        _close(f"{name} mark", record.mark, expected.mark, settings.mark_tolerance)
        for field in ("leg_long_scaled", "leg_short_scaled", "delta_x22", "gamma_spot_x10", "vega"):
            _close(
                f"{name} {field}", getattr(record, field), getattr(expected, field), settings.leg_tolerance
            )


def _check_lanes(pages: list[Page], own: Computed, view: ChainView, settings: KeeperSettings) -> None:
    """Hold every lane against this keeper's own scenarios: for each leg and each live book, lane <= ES."""
    m = len(view.underlyings)
    factor = own.posted.lambda_bps / 10_000
    lanes = np.zeros((own.posted.lanes.shape[0], m))
    for page in pages:
        for record in page.records:
            lanes[:, page.head.underlying] = np.array(record.lanes, dtype=np.float64) * 2.0**record.shift
    lanes /= own.spots
    books = np.vstack([np.eye(m), -np.eye(m), live_exposures(view, own.spots)])
    books = books[np.abs(books).sum(axis=1) > 0]
    shortfall, _ = book_shortfall(own.risk.pnl, own.risk.scenarios.weights, books, alpha=settings.model.alpha)
    excess = (-(lanes @ books.T)).max(axis=0) - factor * shortfall
    gross = np.abs(books) @ np.maximum(own.posted.long_es, own.posted.short_es)
    worst = int(np.argmax(excess - settings.lane_tolerance * gross))
    _require(
        bool(excess[worst] <= settings.lane_tolerance * gross[worst]),
        f"a lane exceeds the own expected shortfall of book {worst} by {excess[worst]:.6g},"
        f" tolerance {settings.lane_tolerance * gross[worst]:.6g}",
    )
