"""Pages, manifests and proofs as bytes. `page.encode` is the only place where floats become integers."""

from seawall.page.decode import Atom, AtomLeg, Head, Page, Record, decode_page, pack_page, page_bytes
from seawall.page.encode import accrued_funding_x32, encode_page, quantise_page, shift_for
from seawall.page.inputs import (
    AtomInput,
    AtomLegInput,
    FactorsInput,
    FundingInput,
    LiquidityInput,
    PageInput,
    RecordInput,
)
from seawall.page.layout import Kind
from seawall.page.manifest import Manifest, init_code, init_code_hash, staged_address
from seawall.page.merkle import EMPTY_ROOT, MerkleTree, book_leaf, book_words, verify_proof
from seawall.page.typed_data import (
    Domain,
    Order,
    PriceBatch,
    feed_domain,
    manifest_domain,
    order_domain,
    pack_signatures,
    recover,
    sign,
)

__all__ = [
    "EMPTY_ROOT",
    "Atom",
    "AtomInput",
    "AtomLeg",
    "AtomLegInput",
    "Domain",
    "FactorsInput",
    "FundingInput",
    "Head",
    "Kind",
    "LiquidityInput",
    "Manifest",
    "MerkleTree",
    "Order",
    "Page",
    "PageInput",
    "PriceBatch",
    "Record",
    "RecordInput",
    "accrued_funding_x32",
    "book_leaf",
    "book_words",
    "decode_page",
    "encode_page",
    "feed_domain",
    "init_code",
    "init_code_hash",
    "manifest_domain",
    "order_domain",
    "pack_page",
    "pack_signatures",
    "page_bytes",
    "quantise_page",
    "recover",
    "shift_for",
    "sign",
    "staged_address",
    "verify_proof",
]
