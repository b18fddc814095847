"""From the model's numbers to page inputs: records, atoms, and what pages of one underlying share."""

from __future__ import annotations

from dataclasses import dataclass

from seawall.arrays import Floats
from seawall.keeper.listed_pages import PageView
from seawall.keeper.listing import Listing
from seawall.keeper.policy import PostedRisk
from seawall.keeper.settings import KeeperSettings
from seawall.keeper.view import ChainView
from seawall.margin.liquidity import LiquidityCoefficients
from seawall.margin.portfolio import PortfolioEstimate
from seawall.page.decode import page_bytes
from seawall.page.encode import accrued_funding_x32, vega_unit_for
from seawall.page.inputs import (
    AtomInput,
    AtomLegInput,
    FundingInput,
    LiquidityInput,
    PageInput,
    RecordInput,
)
from seawall.page.layout import ATOM, ATOM_BYTES, GAMMA_ONE, LANES_PER_WORD, MAX_PAGE_BYTES, RECORD, Kind

__all__ = ["Numbers", "drift_shift_for", "page_inputs"]

_SECONDS_8H = 8 * 3600
_OPTIONS = (Kind.CALL, Kind.PUT)
_FIELDS = {field.name: field for field in (*RECORD, *ATOM)}
_DRIFT_SHIFT_MAX = _FIELDS["drift_shift"].maximum
_GAMMA_MAX = _FIELDS["gamma_spot_x10"].maximum // GAMMA_ONE
_RATIO_MAX = _FIELDS["ratio_0"].maximum
_FOREIGN_PAGE_MAX = _FIELDS["page_0"].maximum - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Numbers:
    """Hold what pages are made of.

    Attributes
    ----------
    as_of
        Time of the newest observation, seconds.
    spots
        Reference spots, whole ticks, (M,).
    listing
        Columns of the arrays.
    estimate
        What the model says.
    posted
        What the oracle would accept of the perpetuals.
    long_es, short_es, lanes
        What is posted of every column, as fractions of spot, (C,), (C,), (K, C).
    liquidity
        Coefficients by underlying; volume in ticks.
    """

    as_of: int
    spots: Floats
    listing: Listing
    estimate: PortfolioEstimate
    posted: PostedRisk
    long_es: Floats
    short_es: Floats
    lanes: Floats
    liquidity: LiquidityCoefficients


def drift_shift_for(max_drift: float, deviation: float, *, deviations: float) -> int:
    """Return by how many halvings a record's drift limit is at most `deviations` standard deviations of its spot.

    Parameters
    ----------
    max_drift
        The page's limit.
    deviation
        `sigma sqrt(tau)`.
    deviations
        How far a mark's expansion in the spot is trusted.
    """
    shift = 0
    while shift < _DRIFT_SHIFT_MAX and max_drift / (1 << shift) > deviations * deviation:
        shift += 1
    return shift


def page_inputs(view: ChainView, numbers: Numbers, *, settings: KeeperSettings) -> list[PageInput]:
    """Return every page of a chain in floats."""
    first = 0
    records: list[list[RecordInput]] = []
    for page in view.pages:
        records.append(_records(page, view, numbers, first=first, settings=settings))
        first += len(page.instruments)
    atoms = _atoms(view, numbers, settings=settings)
    return [
        _page(page, view, numbers, records, atoms[i], settings=settings) for i, page in enumerate(view.pages)
    ]


def _page(
    page: PageView,
    view: ChainView,
    numbers: Numbers,
    records: list[list[RecordInput]],
    atoms: list[AtomInput],
    *,
    settings: KeeperSettings,
) -> PageInput:
    u = page.underlying
    underlying, liquidity, spot = view.underlyings[u], numbers.liquidity, float(numbers.spots[u])
    # Pages of one underlying share the charge for vega, so also its unit.
    beside = [
        record
        for other, found in zip(view.pages, records, strict=True)
        if other.underlying == u
        for record in found
    ]
    has_options = any(record.kind in _OPTIONS for record in beside)
    half_volatility_spread = settings.half_volatility_spread if has_options else 0.0
    carried = 0 if page.head is None else accrued_funding_x32(page.head, at_s=numbers.as_of)
    return PageInput(
        underlying=u,
        page_id=page.page_id,
        as_of_s=numbers.as_of,
        tick=view.tick,
        reference_spot=spot,
        max_drift=settings.max_drift,
        liquidity=LiquidityInput(
            half_spread=float(liquidity.half_spread[u]),
            y_volatility=float(liquidity.impact[u]),
            daily_volume=float(liquidity.daily_volume[u]),
            half_volatility_spread=half_volatility_spread,
        ),
        factors=view.factors,
        records=records[page.page_id],
        atoms=atoms,
        funding=FundingInput(
            cumulative_x32=carried,
            rate=settings.funding_per_8h * spot / _SECONDS_8H,
            cap_s=settings.funding_cap_s,
        ),
        lambda_factor=numbers.posted.lambda_bps / 10_000,
        lane_count=len(numbers.lanes),
        probe_slot=underlying.probe_slot if underlying.probe_page == page.page_id else 0,
        vega_unit=vega_unit_for(beside, half_volatility_spread),
    )


def _records(
    page: PageView, view: ChainView, numbers: Numbers, *, first: int, settings: KeeperSettings
) -> list[RecordInput]:
    m, u = len(view.underlyings), page.underlying
    last = m + len(numbers.listing.dated)
    spot, valuation = float(numbers.spots[u]), numbers.estimate.valuation
    found = []
    for slot, terms in enumerate(page.instruments):
        column = int(numbers.listing.columns[first + slot])
        dated, sensitivities = column - m, {}
        is_dated = m <= column < last
        if is_dated:
            sensitivities = {
                "delta": float(valuation.delta[dated]),
                "gamma_spot": min(float(valuation.gamma_spot[dated]), float(_GAMMA_MAX)),
                "vega": float(valuation.vega[dated]) * spot,
            }
        shift = 0
        if terms.kind in _OPTIONS:
            shift = drift_shift_for(
                settings.max_drift, float(valuation.deviation[dated]), deviations=settings.drift_deviations
            )
        found.append(
            RecordInput(
                name=f"{view.underlyings[u].symbol} {Kind(terms.kind).name.lower()} (page {page.page_id}, slot {slot})",
                kind=terms.kind,
                shift=terms.shift,
                generation=terms.generation,
                strike=terms.strike,
                expiry_hour=terms.expiry_hour,
                drift_shift=shift,
                mark=float(valuation.mark[dated]) * spot if is_dated else spot,
                leg_long=float(numbers.long_es[column]) * spot,
                leg_short=float(numbers.short_es[column]) * spot,
                lanes=[float(lane) for lane in numbers.lanes[:, column] * spot],
                **({"delta": 1.0} | sensitivities),
            )
        )
    return found


def _atoms(view: ChainView, numbers: Numbers, *, settings: KeeperSettings) -> list[list[AtomInput]]:
    """Return the atoms of every page: tokens against perpetuals, twins, then the most useful, as room allows.

    An atom over pages stands on the one with most room: whoever uses it holds them all.
    """
    words = len(numbers.lanes) // LANES_PER_WORD
    room = []
    for page in view.pages:
        rows = len(page.instruments)
        free = (MAX_PAGE_BYTES - page_bytes(rows=rows, lane_words=words, atoms=0)) // ATOM_BYTES
        room.append(max(min(free, settings.model.atoms.per_instrument * rows), 0))
    factor = numbers.posted.lambda_bps / 10_000
    atoms: list[list[AtomInput]] = [[] for _ in view.pages]
    for legs, shortfall in (*_carries(view, numbers), *_twins(numbers), *_hedges(numbers)):
        home = max((page for page, _, _ in legs), key=lambda page: (room[page] - len(atoms[page]), -page))
        foreign = any(page != home and page > _FOREIGN_PAGE_MAX for page, _, _ in legs)
        if foreign or len(atoms[home]) >= room[home] or any(abs(lots) > _RATIO_MAX for _, _, lots in legs):
            continue
        named = [
            AtomLegInput(slot=slot, ratio=lots, page=None if page == home else page)
            for page, slot, lots in legs
        ]
        atoms[home].append(AtomInput(legs=named, shortfall=shortfall * factor))
    return atoms


_Placed = tuple[list[tuple[int, int, int]], float]


def _carries(view: ChainView, numbers: Numbers) -> list[_Placed]:
    """Return every token against its perpetual sold short: a token is only ever held long."""
    listing, found = numbers.listing, list[_Placed]()
    first = len(view.underlyings) + len(listing.dated)
    listed = [(page.page_id, slot) for page in view.pages for slot in range(len(page.instruments))]
    for place, column in zip(listed, listing.columns.tolist(), strict=True):
        u = int(listing.underlying[column])
        if column >= first and u in listing.places:
            shortfall = float(numbers.estimate.carry_es[column - first] * numbers.spots[u])
            found.append(([(*place, 1), (*listing.places[u], -1)], shortfall))
    return found


def _twins(numbers: Numbers) -> list[_Placed]:
    """Return an instrument against another of the same risk, either way: no risk at all."""
    listing = numbers.listing
    first = len(listing.underlying) - len(listing.tokens)
    return [
        ([(page, slot, lots), (*listing.places[column], -lots)], 0.0)
        for column, page, slot in listing.twins
        if column < first
        for lots in (1, -1)
    ]


def _hedges(numbers: Numbers) -> list[_Placed]:
    """Return the model's hedges of what has a place, the dated legs first."""
    places = numbers.listing.places
    return [
        ([(*places[column], lots) for column, lots in sorted(atom.legs, reverse=True)], atom.shortfall)
        for atom in numbers.estimate.atoms
        if all(column in places for column, _ in atom.legs)
    ]
