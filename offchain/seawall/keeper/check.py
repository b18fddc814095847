"""What a keeper signs of another's proposal: what it would itself have posted, within tolerance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from seawall.errors import ConsistencyError
from seawall.keeper.books import leg_sizes, lot_pnl
from seawall.keeper.compute import Computed, Proposal
from seawall.keeper.marks import from_marks_of, mark_at
from seawall.keeper.settings import KeeperSettings
from seawall.keeper.view import ChainView
from seawall.margin.atoms import structure_shortfall
from seawall.margin.shortfall import shortfall_alone
from seawall.page.decode import Head, Page, Record, decode_page
from seawall.page.encode import accrued_funding_x32
from seawall.page.layout import DELTA_ONE, GAMMA_ONE, Kind
from seawall.page.manifest import init_code_hash

__all__ = ["check_proposal"]

Floats = npt.NDArray[np.float64]


def check_proposal(proposal: Proposal, own: Computed, view: ChainView, *, settings: KeeperSettings) -> None:
    """Pass if a proposal agrees with this keeper's own numbers.

    Spots, marks at the own spot, and legs must agree within tolerance; no lane may exceed this keeper's own expected
    shortfall of any leg or any live book by more than the tolerance, nor may lanes together find less than a half of
    what the own ones find of it, nor an atom fall short of its own tail risk by more than a book may; which atoms are
    posted is the proposer's choice; everything else must be exactly what the chain asks for. What the last manifest
    says enters through funding, which must be carried on exactly, and through the oracle's lower limit of a probe,
    above which no tolerance is granted: so no tolerance adds up over epochs.

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
    for page, mine, listed in zip(theirs, ours, view.pages, strict=True):
        _require(
            page.head.as_of == manifest.as_of, f"page {page.head.page_id} has another asOf than the manifest"
        )
        carried = 0 if listed.head is None else accrued_funding_x32(listed.head, at_s=manifest.as_of)
        _require(
            page.head.funding_x32 == carried,
            f"page {page.head.page_id} cumulative funding is {page.head.funding_x32}, carried on it is {carried}",
        )
        _check_page(page, mine, settings)
    _check_probes(theirs, ours, own, view, settings)
    _check_bounds(theirs, from_marks_of(proposal, own), view, settings)


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
# Part of what the own lanes find of a leg or a live book that another's must find: those made for other books do.
_LEAST_FOUND = 0.5
# By how much two keepers may read the oracle's lower limit of a probe apart: it falls by 3% a day.
_LIMIT_TOLERANCE = 0.0005
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
    _require(len(page.records) == len(mine.records), f"{where} has {len(page.records)} records")
    for slot, (record, expected) in enumerate(zip(page.records, mine.records, strict=True)):
        name = f"{where} slot {slot}"
        for field in _EXACT_RECORD:
            _require(getattr(record, field) == getattr(expected, field), f"{name} {field} differs")
        if 0 < record.expiry_hour * _HOUR_S <= mine.head.as_of:
            _require(
                not record.leg_long_scaled + record.leg_short_scaled, f"{name} has expired and has a leg"
            )
            _check_expired(name, record, expected, mine.head, settings)
            continue
        # An option's value and legs move with its volatility, which is small beside the spot and not beside the value.
        spot = settings.option_tolerance * mine.head.reference_spot if record.kind in _OPTIONS else 0.0
        mark = mark_at(record, page.head, mine.head.reference_spot)
        _close(f"{name} mark at the own spot", mark, expected.mark, settings.mark_tolerance, least=spot)
        for field in ("leg_long_scaled", "leg_short_scaled"):
            given, own = getattr(record, field), getattr(expected, field)
            least = spot / (1 << record.shift)
            _close(f"{name} {field}", given, own, settings.leg_tolerance, least=least)
        # Own data may put a limit on either side of the next halving.
        _close(f"{name} drift shift", record.drift_shift, expected.drift_shift, 0.0)
        _check_sensitivities(name, (record, page.head), (expected, mine.head), settings)


def _check_expired(name: str, record: Record, own: Record, head: Head, settings: KeeperSettings) -> None:
    """Hold a record to its payoff: until its average is final it is still worth what its page says.

    At the strike, spots within tolerance have payoffs of either side.
    """
    least = (settings.mark_tolerance + settings.option_tolerance) * head.reference_spot
    _close(f"{name} mark", record.mark, own.mark, 0.0, least=least)
    slope = -record.delta_x22 if record.kind == Kind.PUT else record.delta_x22
    _require(0 <= slope <= DELTA_ONE, f"{name} delta_x22 is {record.delta_x22}, of what has expired")
    for field in ("gamma_spot_x10", "vega"):
        _require(
            getattr(record, field) == getattr(own, field), f"{name} {field} is not that of what has expired"
        )


def _check_probes(
    pages: list[Page], ours: list[Page], own: Computed, view: ChainView, settings: KeeperSettings
) -> None:
    """Let no probe exceed what this keeper's own data say by more than the tolerance, or the oracle's lower limit.

    That limit follows what was posted last: with a tolerance on top of it legs would rise from epoch to epoch.
    """
    for underlying, raised in zip(view.underlyings, own.posted.raised, strict=True):
        if raised <= 1:
            continue  # own legs are the model's, and the tolerance of legs holds
        given, expected = (
            found[underlying.probe_page].records[underlying.probe_slot] for found in (pages, ours)
        )
        leg, limit = max(given.leg_long, given.leg_short), max(expected.leg_long, expected.leg_short)
        most = limit * max(1 + _LIMIT_TOLERANCE, (1 + settings.leg_tolerance) / raised) + (2 << given.shift)
        _require(
            leg <= most,
            f"the probe of {underlying.symbol} has a leg of {leg} ticks, {most:.6g} are allowed: own data say less,"
            f" and the oracle's lower limit is {limit}",
        )


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
    # Vega is rounded to the nearest, the charge a unit up. Of the own numbers alone, at up to twice the own unit: who
    # chooses a coarse one would make all charges nothing, or as high as it likes.
    rounding = 3.0 * expected.vega + 1.5 * mine.vega_charge + 2
    _close(f"{name} charge for vega", charged, expected_charge, tolerance, least=rounding)


def _check_bounds(pages: list[Page], own: Computed, view: ChainView, settings: KeeperSettings) -> None:
    """Hold lanes to the own ES of each leg and live book, from above, and to the own lanes and atoms from below."""
    factor, alpha = own.posted.lambda_bps / 10_000, settings.model.alpha
    pnl, weights = lot_pnl(view, own), own.risk.scenarios.weights
    records = [record for page in pages for record in page.records]
    lanes, mine = _lanes_of(pages), _lanes_of([decode_page(payload) for payload in own.payloads])
    rounding = np.array([2.0**record.shift / 2 for record in records])
    sizes = leg_sizes(view, own, alpha=alpha)
    eye = np.eye(len(records))
    books = np.vstack([eye, -eye, view.lots])
    size, rounded = np.abs(books) @ sizes.largest, np.abs(books) @ rounding
    found = (-(lanes @ books.T)).max(axis=0)
    shortfall = factor * shortfall_alone(pnl, weights, books, alpha=alpha)
    # A lane finds all of some leg's risk: it may differ by as much as that leg does, or the two would not go together.
    tolerance = np.maximum(
        settings.lane_tolerance * size, sizes.tolerance(books, shortfall, settings=settings)
    )
    excess = found - shortfall - rounded - tolerance
    worst = int(np.argmax(excess))
    _require(
        bool(excess[worst] <= 0),
        f"a lane exceeds the own expected shortfall of book {worst} by {excess[worst]:.6g} ticks more than tolerated",
    )
    owned = np.maximum((-(mine @ books.T)).max(axis=0), 0.0)
    wanted = _LEAST_FOUND * owned - rounded - settings.lane_tolerance * size
    found = np.maximum(found, 0.0)
    worst = int(np.argmax(wanted - found))
    _require(
        bool(found[worst] >= wanted[worst]),
        f"lanes find {found[worst]:.6g} ticks of book {worst}, {wanted[worst]:.6g} at least are wanted",
    )
    atoms, given = _atom_books(pages, view)
    if len(atoms):
        shortfall = factor * structure_shortfall(pnl, weights, csr_array(atoms), alpha=alpha)
        missing = shortfall - given - sizes.tolerance(atoms, shortfall, settings=settings) - 1.0
        worst = int(np.argmax(missing))
        _require(
            bool(missing[worst] <= 0),
            f"atom {worst} is certified at {given[worst]:.6g} ticks, own value {shortfall[worst]:.6g}",
        )


def _lanes_of(pages: list[Page]) -> Floats:
    """Return the lanes of all records, ticks, (K, I)."""
    records = [record for page in pages for record in page.records]
    return np.array([np.array(record.lanes, dtype=np.float64) * 2.0**record.shift for record in records]).T


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
