"""EIP-712 domains, structs and digests of everything that is signed apart from manifests."""

from collections.abc import Sequence
from dataclasses import dataclass

from eth_account import Account
from eth_keys.datatypes import PublicKey, Signature
from eth_keys.exceptions import BadSignature
from eth_utils.address import to_canonical_address, to_checksum_address
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError

from seawall.errors import PageError

__all__ = [
    "SIGNATURE_BYTES",
    "Domain",
    "Order",
    "PriceBatch",
    "feed_domain",
    "hash_array",
    "hash_struct",
    "manifest_domain",
    "order_domain",
    "pack_signatures",
    "recover",
    "sign",
    "type_hash",
]

SIGNATURE_BYTES = 65
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
_DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
_ORDER_TYPE = (
    "Order(bytes32 account,uint8 page,uint8 slot,uint16 generation,int64 lots,uint64 priceTicks,"
    "uint128 maxFee,uint40 expiry,uint64 nonce,bool reduceOnly)"
)
_PRICE_BATCH_TYPE = "PriceBatch(uint64 observedAt,uint256 packedUnderlyings,uint64[] prices)"


def type_hash(declaration: str) -> bytes:
    """Return the hash of a struct's declaration."""
    return keccak(text=declaration)


def _word(value: int | bytes, *, bits: int, signed: bool = False, name: str) -> bytes:
    if isinstance(value, bytes):
        if len(value) != bits // 8:
            raise PageError(f"{name} has {len(value)} bytes, expected {bits // 8}")
        return value.rjust(32, b"\0")
    low, high = (-(1 << (bits - 1)), 1 << (bits - 1)) if signed else (0, 1 << bits)
    if not low <= value < high:
        raise PageError(f"{name} is {value}, allowed are {low} to {high - 1}")
    return value.to_bytes(32, "big", signed=signed)


def hash_struct(declaration: str, values: Sequence[int | bytes]) -> bytes:
    """Return the EIP-712 hash of a struct whose dynamic members are already hashed.

    Parameters
    ----------
    declaration
        As in the contract, such as ``Name(uint64 a,bytes32[] b)``.
    values
        One a member, in order.

    Raises
    ------
    PageError
        If a value does not fit its member.
    """
    members = declaration[declaration.index("(") + 1 : -1].split(",")
    words = [type_hash(declaration)]
    for member, value in zip(members, values, strict=True):
        kind, name = member.split()
        if kind.endswith("[]") or kind == "string":
            words.append(_word(value, bits=256, name=name))
            continue
        digits = {"address": "160", "bool": "1", "bytes32": "256"}.get(kind) or kind.lstrip("uint")
        words.append(_word(value, bits=int(digits), signed=kind.startswith("int"), name=name))
    return keccak(b"".join(words))


def hash_array(values: Sequence[int | bytes], *, bits: int = 256, name: str = "array") -> bytes:
    """Return the EIP-712 hash of an array of words."""
    return keccak(b"".join(_word(value, bits=bits, name=f"{name}[{i}]") for i, value in enumerate(values)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Domain:
    """Hold an EIP-712 domain: a signature for it is void on another chain or contract."""

    name: str
    version: str
    chain_id: int
    verifying_contract: str

    @property
    def separator(self) -> bytes:
        """Return the domain separator."""
        names = (keccak(text=self.name), keccak(text=self.version))
        return hash_struct(
            _DOMAIN_TYPE, (*names, self.chain_id, to_canonical_address(self.verifying_contract))
        )

    def digest(self, struct_hash: bytes) -> bytes:
        """Return what is signed: ``keccak(0x1901 separator structHash)``."""
        return keccak(b"\x19\x01" + self.separator + struct_hash)


def manifest_domain(*, chain_id: int, oracle: str) -> Domain:
    """Return the domain in which keepers sign manifests."""
    return Domain(name="Seawall Margin Oracle", version="1", chain_id=chain_id, verifying_contract=oracle)


def feed_domain(*, chain_id: int, feed: str) -> Domain:
    """Return the domain in which price signers sign batches."""
    return Domain(name="Seawall Price Feed", version="1", chain_id=chain_id, verifying_contract=feed)


def order_domain(*, chain_id: int, venue: str) -> Domain:
    """Return the domain in which traders sign orders."""
    return Domain(name="Seawall Order Venue", version="1", chain_id=chain_id, verifying_contract=venue)


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceBatch:
    """Hold one signer's prices: underlying i stands in bits 8 i and up, prices in ticks a lot."""

    observed_at: int
    packed_underlyings: int
    prices: tuple[int, ...]

    def struct_hash(self) -> bytes:
        """Return the EIP-712 hash of the batch."""
        prices = hash_array(self.prices, bits=64, name="prices")
        return hash_struct(_PRICE_BATCH_TYPE, (self.observed_at, self.packed_underlyings, prices))

    def digest(self, domain: Domain) -> bytes:
        """Return what is signed."""
        return domain.digest(self.struct_hash())


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """Hold a limit order, as `IOrderVenue.Order`."""

    account: bytes
    page: int
    slot: int
    generation: int
    lots: int
    price_ticks: int
    max_fee: int
    expiry: int
    nonce: int
    reduce_only: bool = False

    def as_tuple(self) -> tuple[bytes, int, int, int, int, int, int, int, int, bool]:
        """Return the fields in the order of the struct, for a contract call."""
        return (
            *(self.account, self.page, self.slot, self.generation, self.lots),
            *(self.price_ticks, self.max_fee, self.expiry, self.nonce, self.reduce_only),
        )

    def struct_hash(self) -> bytes:
        """Return the EIP-712 hash of the order."""
        return hash_struct(_ORDER_TYPE, (*self.as_tuple()[:-1], int(self.reduce_only)))

    def digest(self, domain: Domain) -> bytes:
        """Return what is signed."""
        return domain.digest(self.struct_hash())


def sign(digest: bytes, private_key: bytes | str) -> bytes:
    """Return the 65-byte signature ``r s v`` of a digest, with the lower s."""
    return bytes(Account.unsafe_sign_hash(digest, private_key).signature)


def recover(digest: bytes, signature: bytes) -> str:
    """Return the checksummed address that signed a digest.

    Raises
    ------
    PageError
        If the signature has a wrong length or v or the upper s, or recovers to nobody.
    """
    if len(signature) != SIGNATURE_BYTES:
        raise PageError(f"signature has {len(signature)} bytes, expected {SIGNATURE_BYTES}")
    r, s = (int.from_bytes(signature[at : at + 32], "big") for at in (0, 32))
    v = signature[64]
    if v not in (27, 28) or s > _HALF_ORDER:
        raise PageError(f"signature is not canonical: v is {v}, s is {s:#x}")
    try:
        key: PublicKey = Signature(vrs=(v - 27, r, s)).recover_public_key_from_msg_hash(digest)
    except (BadSignature, ValidationError) as error:
        raise PageError(f"signature recovers to nobody: {error}") from error
    return to_checksum_address(key.to_canonical_address())


def pack_signatures(digest: bytes, signatures: Sequence[bytes]) -> bytes:
    """Return signatures one after another, signers in strictly increasing order, as contracts want them.

    Raises
    ------
    PageError
        If a signature does not verify or a signer signed twice.
    """
    by_signer: dict[int, bytes] = {}
    for signature in signatures:
        signer = recover(digest, signature)
        if int(signer, 16) in by_signer:
            raise PageError(f"{signer} signed twice")
        by_signer[int(signer, 16)] = signature
    return b"".join(by_signer[signer] for signer in sorted(by_signer))
