"""Pages as exact integers, and their way from and to bytes."""

from dataclasses import asdict, dataclass, fields

from seawall.errors import PageError
from seawall.page.layout import (
    ATOM,
    ATOM_BYTES,
    ATOM_LEGS,
    HEADS,
    LANE_BIAS,
    LANES_PER_WORD,
    MAX_PAGE_BYTES,
    PAGE_HEAD_BYTES,
    PAGE_VERSION,
    RECORD,
    TERMS,
    WORD_BYTES,
    Kind,
    join_words,
    pack,
    split_words,
    unpack,
)

__all__ = ["Atom", "AtomLeg", "Head", "Page", "Record", "decode_page", "pack_page", "page_bytes"]

_FROZEN = 1
_LEG_FIELDS = tuple(tuple(f"{name}_{leg}" for name in ("slot", "ratio", "page")) for leg in range(ATOM_LEGS))


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """Hold the four head words of a page; units as in `PageLayout.sol`."""

    reference_spot: int
    underlying: int
    flags: int
    page_id: int
    version: int
    lane_words: int
    probe_slot: int
    max_drift_bps: int
    as_of: int
    tick: int
    half_spread_x32: int
    y_volatility_x32: int
    daily_volume: int
    vega_charge: int
    open_interest_divisor: int
    open_interest_cap_percent: int
    lambda_bps: int
    funding_x32: int
    funding_rate_x32: int
    funding_cap_s: int
    maintenance_factor_bps: int
    initial_net_floor_bps: int
    initial_gross_floor_bps: int
    maintenance_net_floor_bps: int
    maintenance_gross_floor_bps: int

    @property
    def frozen(self) -> bool:
        """Say whether the keepers have no price of the underlying."""
        return bool(self.flags & _FROZEN)


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """Hold one instrument: its record word and its lanes, signed and still to be shifted."""

    kind: int
    shift: int
    generation: int
    drift_shift: int
    mark: int
    delta_x22: int
    gamma_spot_x10: int
    leg_long_scaled: int
    leg_short_scaled: int
    strike: int
    expiry_hour: int
    vega: int
    lanes: tuple[int, ...]

    @property
    def leg_long(self) -> int:
        """Return the expected shortfall of one lot held long, ticks."""
        return self.leg_long_scaled << self.shift

    @property
    def leg_short(self) -> int:
        """Return the expected shortfall of one lot held short, ticks."""
        return self.leg_short_scaled << self.shift

    @property
    def word(self) -> int:
        """Return the record word."""
        return pack(RECORD, self.fields(), where="record")

    @property
    def terms(self) -> int:
        """Return the bits that the registry fixes, in place."""
        return pack(RECORD, {name: getattr(self, name) for name in TERMS}, where="record")

    def fields(self) -> dict[str, int]:
        """Return the fields of the record word by name."""
        return {field.name: getattr(self, field.name) for field in RECORD}


@dataclass(frozen=True, kw_only=True, slots=True)
class AtomLeg:
    """Hold one leg of an atom; `page` is None on the atom's own page, `ratio` is lots a lot of the atom."""

    slot: int
    ratio: int
    page: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Atom:
    """Hold a hedge of two or three instruments and its certified expected shortfall."""

    legs: tuple[AtomLeg, ...]
    shift: int
    shortfall_scaled: int

    @property
    def shortfall(self) -> int:
        """Return the expected shortfall of one lot of the atom, ticks."""
        return self.shortfall_scaled << self.shift


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """Hold a whole page; the slot of a record is its place."""

    head: Head
    records: tuple[Record, ...]
    atoms: tuple[Atom, ...]


def page_bytes(*, rows: int, lane_words: int, atoms: int) -> int:
    """Return the length of a page's payload."""
    return PAGE_HEAD_BYTES + WORD_BYTES * rows * (1 + lane_words) + ATOM_BYTES * atoms


def pack_page(page: Page) -> bytes:
    """Return the payload of a page, without the STOP byte.

    Raises
    ------
    PageError
        If a field does not fit, lanes are missing, or the payload is too long.
    """
    head = asdict(page.head) | {"rows": len(page.records), "atoms": len(page.atoms)}
    where = f"page {page.head.page_id}"
    size = page_bytes(rows=len(page.records), lane_words=page.head.lane_words, atoms=len(page.atoms))
    if size > MAX_PAGE_BYTES:
        raise PageError(
            f"{where}: {len(page.records)} records and {len(page.atoms)} atoms take {size} bytes, allowed are"
            f" {MAX_PAGE_BYTES}: drop atoms or move instruments to another page"
        )
    words = [pack(fields_, head, where=f"{where} head {i}") for i, fields_ in enumerate(HEADS)]
    lane_words: list[int] = []
    for slot, record in enumerate(page.records):
        words.append(pack(RECORD, record.fields(), where=f"{where} slot {slot}"))
        lane_words += _lane_words(record, page.head.lane_words, where=f"{where} slot {slot}")
    atoms = b"".join(_pack_atom(atom, where=f"{where} atom {i}") for i, atom in enumerate(page.atoms))
    return join_words(words + lane_words) + atoms


def _lane_words(record: Record, count: int, *, where: str) -> list[int]:
    if len(record.lanes) != count * LANES_PER_WORD:
        raise PageError(f"{where}: {len(record.lanes)} lanes, expected {count * LANES_PER_WORD}")
    words = [0] * count
    for index, lane in enumerate(record.lanes):
        if not -LANE_BIAS <= lane < LANE_BIAS:
            raise PageError(f"{where}: lane {index} is {lane}, allowed are {-LANE_BIAS} to {LANE_BIAS - 1}")
        words[index // LANES_PER_WORD] |= (lane + LANE_BIAS) << (16 * (index % LANES_PER_WORD))
    return words


def _pack_atom(atom: Atom, *, where: str) -> bytes:
    if not 2 <= len(atom.legs) <= ATOM_LEGS:
        raise PageError(f"{where}: {len(atom.legs)} legs, allowed are 2 or {ATOM_LEGS}")
    values = {"shift": atom.shift, "shortfall_scaled": atom.shortfall_scaled}
    for index, leg in enumerate(atom.legs):
        if leg.ratio == 0:
            raise PageError(f"{where}: leg {index} has ratio 0")
        values[f"slot_{index}"] = leg.slot
        values[f"ratio_{index}"] = leg.ratio
        values[f"page_{index}"] = 0 if leg.page is None else 1 + leg.page
    return pack(ATOM, values, where=where).to_bytes(ATOM_BYTES, "big")


def decode_page(payload: bytes) -> Page:
    """Return the exact fields of a payload; `pack_page` gives the same bytes back.

    Raises
    ------
    PageError
        If the payload is not a page of this version.
    """
    if len(payload) < PAGE_HEAD_BYTES:
        raise PageError(f"page of {len(payload)} bytes is shorter than its head of {PAGE_HEAD_BYTES}")
    head: dict[str, int] = {}
    for index, word in enumerate(split_words(payload[:PAGE_HEAD_BYTES])):
        head |= unpack(HEADS[index], word, where=f"head {index}")
    rows, atoms, lane_words = head.pop("rows"), head.pop("atoms"), head["lane_words"]
    where = f"page {head['page_id']}"
    if head["version"] != PAGE_VERSION:
        raise PageError(f"{where}: version is {head['version']}, expected {PAGE_VERSION}")
    size = page_bytes(rows=rows, lane_words=lane_words, atoms=atoms)
    if len(payload) != size or size > MAX_PAGE_BYTES:
        raise PageError(f"{where}: {len(payload)} bytes, but {rows} records and {atoms} atoms take {size}")
    atoms_at = size - ATOM_BYTES * atoms
    words = split_words(payload[PAGE_HEAD_BYTES:atoms_at])
    records = tuple(
        _record(words[slot], words[rows + slot * lane_words :][:lane_words], where=f"{where} slot {slot}")
        for slot in range(rows)
    )
    chunks = (payload[at : at + ATOM_BYTES] for at in range(atoms_at, size, ATOM_BYTES))
    return Page(
        head=Head(**{field.name: head[field.name] for field in fields(Head)}),
        records=records,
        atoms=tuple(_atom(chunk, where=f"{where} atom {i}") for i, chunk in enumerate(chunks)),
    )


def _record(word: int, lane_words: list[int], *, where: str) -> Record:
    values = unpack(RECORD, word, where=where)
    if values["kind"] > max(Kind):
        raise PageError(f"{where}: kind {values['kind']} is unknown")
    lanes = (
        ((lanes_ >> (16 * i)) & 0xFFFF) - LANE_BIAS for lanes_ in lane_words for i in range(LANES_PER_WORD)
    )
    return Record(**values, lanes=tuple(lanes))


def _atom(chunk: bytes, *, where: str) -> Atom:
    values = unpack(ATOM, int.from_bytes(chunk, "big"), where=where)
    legs: list[AtomLeg] = []
    for index, names in enumerate(_LEG_FIELDS):
        slot, ratio, page = (values[name] for name in names)
        if ratio:
            if len(legs) < index:
                raise PageError(f"{where}: leg {index} follows an empty one")
            legs.append(AtomLeg(slot=slot, ratio=ratio, page=page - 1 if page else None))
        elif slot or page:
            raise PageError(f"{where}: leg {index} has ratio 0 but a slot or a page")
    if len(legs) < 2:
        raise PageError(f"{where}: {len(legs)} legs, allowed are 2 or {ATOM_LEGS}")
    return Atom(legs=tuple(legs), shift=values["shift"], shortfall_scaled=values["shortfall_scaled"])
