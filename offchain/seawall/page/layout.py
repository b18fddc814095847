"""Where every field of every packed word stands: mirrors `PageLayout.sol`, `AccountWord.sol`, `PositionWords.sol`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from seawall.errors import PageError

__all__ = [
    "ACCOUNT",
    "ATOM",
    "ATOM_BYTES",
    "ATOM_LEGS",
    "BOOK_PAGE",
    "CERTIFICATE_ENTRY",
    "DELTA_ONE",
    "ENTRIES_PER_WORD",
    "FLAG_AUCTION",
    "FLAG_SETTLED",
    "GAMMA_ONE",
    "HEAD0",
    "HEAD1",
    "HEAD2",
    "HEAD3",
    "HEADS",
    "LANES_PER_WORD",
    "LANE_BIAS",
    "MAX_LOTS",
    "MAX_PAGES",
    "MAX_PAGE_BYTES",
    "MAX_POSITIONS",
    "MAX_SCALED_LOTS",
    "MAX_TRADED_POSITIONS",
    "PAGE_HEAD_BYTES",
    "PAGE_HEAD_WORDS",
    "PAGE_PREFIX_BYTES",
    "PAGE_VERSION",
    "POSITION",
    "POSITIONS_PER_WORD",
    "RECORD",
    "TERMS",
    "TERMS_MASK",
    "WORD_BYTES",
    "Field",
    "Kind",
    "join_words",
    "pack",
    "pack_entries",
    "pack_positions",
    "split_words",
    "unpack",
    "unpack_entries",
    "unpack_positions",
]

WORD_BYTES = 32
PAGE_PREFIX_BYTES = 1
PAGE_HEAD_WORDS = 4
PAGE_HEAD_BYTES = PAGE_HEAD_WORDS * WORD_BYTES
PAGE_VERSION = 1
MAX_PAGE_BYTES = 24_575  # EIP-170 allows 24,576 bytes of code; the first is a STOP
LANES_PER_WORD = 16
LANE_BIAS = 0x8000
ATOM_BYTES = 16
ATOM_LEGS = 3
DELTA_ONE = 1 << 22
GAMMA_ONE = 1 << 10
ENTRIES_PER_WORD = 4  # positions in a book word, entries in a certificate word
POSITIONS_PER_WORD = 5  # positions in a stored word, of 51 bits: their lots have 29
MAX_TRADED_POSITIONS = 64
MAX_POSITIONS = 128
MAX_PAGES = 6
MAX_LOTS = 1 << 28  # |lots| of a position stays below
MAX_SCALED_LOTS = 1 << 39  # |lots| << shift stays below, so that 128 positions fit a 64-bit sub-word
FLAG_AUCTION = 1
FLAG_SETTLED = 2


class Kind(IntEnum):
    """Name the kinds of instrument; NONE is an empty slot."""

    NONE = 0
    PERPETUAL = 1
    FUTURE = 2
    CALL = 3
    PUT = 4
    SPOT = 5


@dataclass(frozen=True)
class Field:
    """Say where a field stands: lowest bit, width, and whether it is two's complement."""

    name: str
    low: int
    width: int
    signed: bool = False

    @cached_property
    def minimum(self) -> int:
        """Return the least value that fits."""
        return -(1 << (self.width - 1)) if self.signed else 0

    @cached_property
    def maximum(self) -> int:
        """Return the largest value that fits."""
        return (1 << (self.width - self.signed)) - 1

    @cached_property
    def bits(self) -> int:
        """Return as many ones as the field is wide."""
        return (1 << self.width) - 1

    @cached_property
    def mask(self) -> int:
        """Return the field's bits, in place."""
        return self.bits << self.low

    def put(self, value: int, *, where: str) -> int:
        """Return the value as bits in place.

        Raises
        ------
        PageError
            Naming the field, the value and the range, if it does not fit.
        """
        if not self.minimum <= value <= self.maximum:
            raise PageError(f"{where}: {self.name} is {value}, allowed are {self.minimum} to {self.maximum}")
        return (value & self.bits) << self.low

    def get(self, word: int) -> int:
        """Return the value that a word holds."""
        value = (word >> self.low) & self.bits
        return value if value <= self.maximum else value - self.bits - 1


HEAD0 = (
    Field("reference_spot", 0, 40),
    Field("rows", 40, 8),
    Field("atoms", 48, 16),
    Field("underlying", 64, 8),
    Field("flags", 72, 8),
    Field("page_id", 80, 8),
    Field("version", 88, 8),
    Field("lane_words", 96, 8),
    Field("probe_slot", 104, 8),
    Field("max_drift_bps", 112, 16),
    Field("as_of", 128, 40),
    Field("tick", 168, 64),
)
HEAD1 = (
    Field("half_spread_x32", 0, 32),
    Field("y_volatility_x32", 32, 32),
    Field("daily_volume", 64, 64),
    Field("vega_charge", 128, 32),
    Field("open_interest_divisor", 160, 16),
    Field("open_interest_cap_percent", 176, 16),
    Field("lambda_bps", 192, 16),
)
HEAD2 = (
    Field("funding_x32", 0, 96, signed=True),
    Field("funding_rate_x32", 96, 64, signed=True),
    Field("funding_cap_s", 160, 32),
)
HEAD3 = (
    Field("maintenance_factor_bps", 0, 16),
    Field("initial_net_floor_bps", 16, 16),
    Field("initial_gross_floor_bps", 32, 16),
    Field("maintenance_net_floor_bps", 48, 16),
    Field("maintenance_gross_floor_bps", 64, 16),
)
HEADS = (HEAD0, HEAD1, HEAD2, HEAD3)
RECORD = (
    Field("kind", 0, 3),
    Field("shift", 3, 5),
    Field("generation", 8, 14),
    Field("drift_shift", 22, 2),
    Field("mark", 24, 40),
    Field("delta_x22", 64, 24, signed=True),
    Field("gamma_spot_x10", 88, 24, signed=True),
    Field("leg_long_scaled", 112, 32),
    Field("leg_short_scaled", 144, 32),
    Field("strike", 176, 40),
    Field("expiry_hour", 216, 24),
    Field("vega", 240, 16),
)
TERMS = ("kind", "shift", "generation", "strike", "expiry_hour")
TERMS_MASK = sum(field.mask for field in RECORD if field.name in TERMS)
ATOM = (
    *(Field(f"slot_{leg}", 120 - 24 * leg, 8) for leg in range(ATOM_LEGS)),
    *(Field(f"ratio_{leg}", 104 - 24 * leg, 16, signed=True) for leg in range(ATOM_LEGS)),
    *(Field(f"page_{leg}", 52 - 4 * leg, 4) for leg in range(ATOM_LEGS)),
    Field("shift", 40, 4),
    Field("shortfall_scaled", 0, 40),
)
POSITION = (
    Field("slot", 0, 8),
    Field("generation", 8, 14),
    Field("lots", 22, 42, signed=True),
)
_LOTS = POSITION[-1]
_STORED_BITS = _LOTS.low + MAX_LOTS.bit_length()
ACCOUNT = (
    *(
        field
        for entry in range(MAX_PAGES)
        for field in (Field(f"page_{entry}", 16 * entry, 8), Field(f"count_{entry}", 16 * entry + 8, 8))
    ),
    Field("flags", 96, 16),
    Field("last_check_block", 112, 40),
    Field("cash", 152, 104, signed=True),
)
CERTIFICATE_ENTRY = (
    Field("page", 0, 8),
    Field("atom", 8, 16),
    Field("lots", 24, 40),
)
BOOK_PAGE = (  # the word in front of a page's position words in a certificate's book
    Field("page", 0, 8),
    Field("count", 8, 248),
)


def pack(fields: Iterable[Field], values: Mapping[str, int], *, where: str) -> int:
    """Return the word that holds the values; fields not named are zero.

    Raises
    ------
    PageError
        If a value does not fit its field.
    """
    return sum(field.put(values.get(field.name, 0), where=where) for field in fields)


def unpack(fields: tuple[Field, ...], word: int, *, where: str) -> dict[str, int]:
    """Return the fields of a word.

    Raises
    ------
    PageError
        If a bit outside every field is set.
    """
    stray = word & ~sum(field.mask for field in fields)
    if stray:
        raise PageError(f"{where}: reserved bits are set ({stray:#x})")
    return {field.name: field.get(word) for field in fields}


def pack_entries(entries: Iterable[int]) -> tuple[int, ...]:
    """Return 64-bit entries as words, four a word from the top, the rest zero."""
    listed = list(entries)
    words = [0] * -(-len(listed) // ENTRIES_PER_WORD)
    for index, entry in enumerate(listed):
        words[index // ENTRIES_PER_WORD] |= entry << (192 - 64 * (index % ENTRIES_PER_WORD))
    return tuple(words)


def unpack_entries(words: Iterable[int]) -> list[int]:
    """Return the 64-bit entries of words, four a word from the top, zeros included."""
    return [(word >> low) & ((1 << 64) - 1) for word in words for low in (192, 128, 64, 0)]


def pack_positions(entries: Iterable[int]) -> tuple[int, ...]:
    """Return positions of 64 bits as words of storage, five a word from the top, the rest zero.

    Raises
    ------
    PageError
        If a position's lots do not fit.
    """
    listed = list(entries)
    words = [0] * -(-len(listed) // POSITIONS_PER_WORD)
    for index, entry in enumerate(listed):
        lots = _LOTS.get(entry)
        if not -MAX_LOTS < lots < MAX_LOTS:
            raise PageError(f"position {index}: {lots} lots are not below {MAX_LOTS} either way")
        low = 256 - _STORED_BITS * (index % POSITIONS_PER_WORD + 1)
        words[index // POSITIONS_PER_WORD] |= (entry & ((1 << _STORED_BITS) - 1)) << low
    return tuple(words)


def unpack_positions(words: Iterable[int]) -> list[int]:
    """Return the positions of words of storage, 64 bits each, five a word from the top, zeros included."""
    lows = [256 - _STORED_BITS * (place + 1) for place in range(POSITIONS_PER_WORD)]
    stored = [(word >> low) & ((1 << _STORED_BITS) - 1) for word in words for low in lows]
    sign = 1 << (_STORED_BITS - 1)
    return [((entry ^ sign) - sign) & ((1 << 64) - 1) for entry in stored]


def join_words(words: Iterable[int]) -> bytes:
    """Return words as big-endian bytes, 32 each."""
    return b"".join(word.to_bytes(WORD_BYTES, "big") for word in words)


def split_words(payload: bytes) -> list[int]:
    """Return the big-endian words of bytes whose length is a multiple of 32."""
    return [int.from_bytes(payload[i : i + WORD_BYTES], "big") for i in range(0, len(payload), WORD_BYTES)]
