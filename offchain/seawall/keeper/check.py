"""What a keeper signs of another's proposal: what it would itself have posted, within tolerance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from seawall.errors import ConsistencyError
from seawall.keeper.books import lot_pnl
from seawall.keeper.compute import Computed, Proposal
from seawall.keeper.settings import KeeperSettings
from seawall.keeper.view import ChainView
from seawall.margin.atoms import structure_shortfall
from seawall.margin.shortfall import shortfall_alone
from seawall.page.decode import Head, Page, Record, decode_page
from seawall.page.layout import DELTA_ONE, GAMMA_ONE, Kind
from seawall.page.manifest import init_code_hash

__all__ = ["check_proposal"]

Floats = npt.NDArray[np.float64]


def check_proposal(proposal: Proposal, own: Computed, view: ChainView, *, settings: KeeperSettings) -> None:
    """Pass if a proposal agrees with this keeper's own numbers.

    Marks, spots and legs must agree within tolerance; no lane may exceed this keeper's own expected shortfall of any
    leg or any live book by more than the tolerance, nor may an atom fall short of its own by more; which atoms are
    posted is the proposer's choice; everything else must be exactly what the chain asks for.

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
    _check_bounds(theirs, own, view, settings)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConsistencyError(f"will not sign: {message}")


def _close(name: str, given: float, own: float, tolerance: float, *, least: float = 0.0) -> None:
    _require(
        abs(given - own) <= tolerance * abs(own) + 1 + least,
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
_HOUR_S = 3600
_OPTIONS = (Kind.CALL, Kind.PUT)
# Part of the spot as which an option's legs count at least, in what lanes are allowed.
_LEAST_LEG = 0.02
_EXACT_RECORD = ("kind", "shift", "generation", "strike", "expiry_hour")


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
    for slot, (record, expected) in enumerate(zip(page.records, mine.records, strict=True)):
        name = f"{where} slot {slot}"
        for field in _EXACT_RECORD:
            _require(getattr(record, field) == getattr(expected, field), f"{name} {field} differs")
        if 0 < record.expiry_hour * _HOUR_S <= mine.head.as_of:
            _require(
                not record.leg_long_scaled + record.leg_short_scaled, f"{name} has expired and has a leg"
            )
            continue
        # An option's value and legs move with its volatility, which is small beside the spot and not beside the value.
        spot = settings.option_tolerance * mine.head.reference_spot if record.kind in _OPTIONS else 0.0
        _close(f"{name} mark", record.mark, expected.mark, settings.mark_tolerance, least=spot)
        for field in ("leg_long_scaled", "leg_short_scaled"):
            given, own = getattr(record, field), getattr(expected, field)
            least = spot / (1 << record.shift)
            _close(f"{name} {field}", given, own, settings.leg_tolerance, least=least)
        # Own data may put a limit on either side of the next halving.
        _close(f"{name} drift shift", record.drift_shift, expected.drift_shift, 0.0)
        _check_sensitivities(name, (record, page.head), (expected, mine.head), settings)


def _check_sensitivities(
    name: str, given: tuple[Record, Head], own: tuple[Record, Head], settings: KeeperSettings
) -> None:
    (record, head), (expected, mine) = given, own
    if record.kind not in _OPTIONS:
        for field in ("delta_x22", "gamma_spot_x10", "vega"):
            _close(
                f"{name} {field}", getattr(record, field), getattr(expected, field), settings.leg_tolerance
            )
        return
    # Near expiry a spot within tolerance has another delta, and a gamma that tells little up to the drift limit.
    tolerance, gamma = settings.sensitivity_tolerance, expected.gamma_spot_x10 / GAMMA_ONE
    least = (tolerance + gamma * settings.mark_tolerance) * DELTA_ONE
    _close(f"{name} delta_x22", record.delta_x22, expected.delta_x22, 0.0, least=least)
    limit = settings.max_drift / (1 << expected.drift_shift)
    least = settings.option_tolerance / limit**2 * GAMMA_ONE
    _close(f"{name} gamma_spot_x10", record.gamma_spot_x10, expected.gamma_spot_x10, tolerance, least=least)
    # The unit of vega is the proposer's choice; what is charged is not.
    charged, expected_charge = record.vega * head.vega_charge, expected.vega * mine.vega_charge
    rounding = float(record.vega + head.vega_charge + expected.vega + mine.vega_charge)
    _close(f"{name} charge for vega", charged, expected_charge, tolerance, least=rounding)


def _check_bounds(pages: list[Page], own: Computed, view: ChainView, settings: KeeperSettings) -> None:
    """Hold every lane to the own ES of each leg and live book, from above, and every atom to its own, from below."""
    factor = own.posted.lambda_bps / 10_000
    pnl, weights = lot_pnl(view, own), own.risk.scenarios.weights
    records = [record for page in pages for record in page.records]
    lanes = np.array([np.array(record.lanes, dtype=np.float64) * 2.0**record.shift for record in records]).T
    rounding = np.array([2.0**record.shift / 2 for record in records])
    eye = np.eye(len(records))
    legs = shortfall_alone(pnl, weights, np.vstack([eye, -eye]), alpha=settings.model.alpha)
    legs = np.maximum(legs, 0.0).reshape(2, -1)
    # A far option's legs are small and follow its volatility all the more. What has expired has none, and no excuse.
    least = [
        _LEAST_LEG * page.head.reference_spot * (r.kind in _OPTIONS) for page in pages for r in page.records
    ]
    allowed = settings.lane_tolerance * np.where(legs.any(axis=0), np.maximum(legs.max(axis=0), least), 0.0)
    books = np.vstack([eye, -eye, view.lots])
    shortfall = shortfall_alone(pnl, weights, books, alpha=settings.model.alpha)
    excess = (-(lanes @ books.T)).max(axis=0) - factor * shortfall - np.abs(books) @ rounding
    excess -= np.abs(books) @ allowed
    worst = int(np.argmax(excess))
    _require(
        bool(excess[worst] <= 0),
        f"a lane exceeds the own expected shortfall of book {worst} by {excess[worst]:.6g} ticks more than tolerated",
    )
    atoms, given = _atom_books(pages, view)
    if len(atoms):
        shortfall = structure_shortfall(pnl, weights, csr_array(atoms), alpha=settings.model.alpha)
        missing = factor * shortfall - given - np.abs(atoms) @ allowed - 1.0
        worst = int(np.argmax(missing))
        _require(
            bool(missing[worst] <= 0),
            f"atom {worst} is certified at {given[worst]:.6g} ticks, own value {factor * shortfall[worst]:.6g}",
        )


def _atom_books(pages: list[Page], view: ChainView) -> tuple[Floats, Floats]:
    """Return the lots by instrument of every atom of all pages, (A, I), and what they are certified at, ticks."""
    first = np.cumsum([0, *(len(page.instruments) for page in view.pages)])
    rows, given = [], []
    for page in pages:
        for index, atom in enumerate(page.atoms):
            row = np.zeros(int(first[-1]))
            for leg in atom.legs:
                home = page.head.page_id if leg.page is None else leg.page
                known = home < len(pages) and leg.slot < len(pages[home].records)
                _require(known, f"page {page.head.page_id} atom {index} names page {home} slot {leg.slot}")
                row[first[home] + leg.slot] += leg.ratio
            rows.append(row)
            given.append(float(atom.shortfall))
    return np.array(rows).reshape(len(rows), int(first[-1])), np.array(given)
