"""What keepers sign, and where the pages it names are staged."""

from dataclasses import dataclass

from eth_utils.address import to_canonical_address, to_checksum_address
from eth_utils.crypto import keccak

from seawall.errors import PageError
from seawall.page.layout import MAX_PAGE_BYTES, PAGE_PREFIX_BYTES
from seawall.page.typed_data import Domain, hash_array, hash_struct

__all__ = ["MANIFEST_TYPE", "Manifest", "init_code", "init_code_hash", "staged_address"]

MANIFEST_TYPE = (
    "Manifest(uint64 epoch,uint64 asOf,uint64 validUntil,bytes32 configDigest,bytes32 bookRoot,"
    "uint64 bookBlock,bytes32 inputsHash,bytes32 modelHash,bytes32[] pages)"
)

# PUSH2 length, DUP1, PUSH1 10, RETURNDATASIZE, CODECOPY, RETURNDATASIZE, RETURN: deploys what follows.
_CREATION = "61{length:04x}80600a3d393df3"


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """Hold what `IMarginOracle.Manifest` holds, under the same names."""

    epoch: int
    as_of: int
    valid_until: int
    config_digest: bytes
    book_root: bytes
    book_block: int
    inputs_hash: bytes
    model_hash: bytes
    pages: tuple[bytes, ...]

    def as_tuple(self) -> tuple[int, int, int, bytes, bytes, int, bytes, bytes, tuple[bytes, ...]]:
        """Return the fields in the order of the struct, for a contract call."""
        return (
            *(self.epoch, self.as_of, self.valid_until, self.config_digest, self.book_root),
            *(self.book_block, self.inputs_hash, self.model_hash, self.pages),
        )

    def struct_hash(self) -> bytes:
        """Return the EIP-712 hash of the manifest.

        Raises
        ------
        PageError
            If a field does not fit its type.
        """
        pages = hash_array(self.pages, name="pages")
        return hash_struct(MANIFEST_TYPE, (*self.as_tuple()[:-1], pages))

    def digest(self, domain: Domain) -> bytes:
        """Return what keepers sign."""
        return domain.digest(self.struct_hash())


def init_code(payload: bytes) -> bytes:
    """Return the creation code that stores a STOP byte and the payload.

    Raises
    ------
    PageError
        If the payload is longer than contract code may be.
    """
    if len(payload) > MAX_PAGE_BYTES:
        raise PageError(f"page has {len(payload)} bytes, allowed are {MAX_PAGE_BYTES}")
    creation = bytes.fromhex(_CREATION.format(length=len(payload) + PAGE_PREFIX_BYTES))
    return creation + b"\0" * PAGE_PREFIX_BYTES + payload


def init_code_hash(payload: bytes) -> bytes:
    """Return the hash that names a page in a manifest."""
    return keccak(init_code(payload))


def staged_address(code_hash: bytes, *, oracle: str) -> str:
    """Return where the oracle stages creation code of this hash: CREATE2 with salt 0."""
    preimage = b"\xff" + to_canonical_address(oracle) + bytes(32) + code_hash
    return to_checksum_address(keccak(preimage)[-20:])
