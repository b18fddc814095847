"""The golden vectors that tests hold both languages to; the keys in them are public and sign nothing else.

`SEAWALL_WRITE_GOLDEN=1 pytest tests/unit/page/test_golden_files.py` writes tests/golden/*.json anew.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_utils.crypto import keccak
from tests.support.golden_pages import ORACLE, page_vectors

from seawall.page import (
    Domain,
    Manifest,
    MerkleTree,
    Order,
    PriceBatch,
    book_leaf,
    feed_domain,
    init_code_hash,
    manifest_domain,
    order_domain,
    pack_signatures,
    sign,
)
from seawall.reference import Book, Position, account_word, certificate_words

__all__ = ["FOLDER", "read", "vectors"]

FOLDER = Path(__file__).resolve().parents[1] / "golden"
CHAIN_ID = 31_337
FEED, VENUE = (f"0x{byte}" + 18 * "00" + byte for byte in ("b2", "c3"))
KEYS = tuple(keccak(text=f"seawall golden signer {i}") for i in range(4))


def domain_fields(domain: Domain) -> dict[str, Any]:
    """Return a domain with its separator."""
    return {**asdict(domain), "separator": domain.separator.hex()}


def signed(digest: bytes) -> dict[str, Any]:
    """Return a digest, its signatures, and those joined in the order of signers."""
    signatures = [sign(digest, key) for key in KEYS]
    return {
        "digest": digest.hex(),
        "signatures": [
            {"private_key": key.hex(), "signer": Account.from_key(key).address, "signature": signature.hex()}
            for key, signature in zip(KEYS, signatures, strict=True)
        ],
        "packed_signatures": pack_signatures(digest, signatures).hex(),
    }


def readable(fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields with bytes as hex."""
    return {
        name: value.hex()
        if isinstance(value, bytes)
        else [item.hex() if isinstance(item, bytes) else item for item in value]
        if isinstance(value, tuple)
        else value
        for name, value in fields.items()
    }


def manifests() -> dict[str, Any]:
    """Return golden manifests."""
    domain = manifest_domain(chain_id=CHAIN_ID, oracle=ORACLE)
    named = {name: keccak(text=name) for name in ("config", "root", "inputs", "model")}
    listed = [
        Manifest(
            epoch=epoch,
            as_of=1_700_000_000 + epoch,
            valid_until=1_700_001_800 + epoch,
            config_digest=named["config"],
            book_root=named["root"] if epoch else bytes(32),
            book_block=min(19_000_000 * epoch, 2**64 - 1),
            inputs_hash=named["inputs"],
            model_hash=named["model"],
            pages=tuple(init_code_hash(bytes.fromhex(page["payload"])) for page in page_vectors()[:count]),
        )
        for epoch, count in ((0, 0), (1, 1), (2**64 - 1_700_001_801, 3))
    ]
    return {
        "domain": domain_fields(domain),
        "manifests": [
            {
                **readable(asdict(manifest)),
                "struct_hash": manifest.struct_hash().hex(),
                **signed(manifest.digest(domain)),
            }
            for manifest in listed
        ],
    }


def price_batches() -> dict[str, Any]:
    """Return golden price batches."""
    domain = feed_domain(chain_id=CHAIN_ID, feed=FEED)
    listed = (
        PriceBatch(observed_at=1_700_000_000, packed_underlyings=0, prices=(60_000_000,)),
        PriceBatch(observed_at=1_700_000_001, packed_underlyings=0x020100, prices=(60_000_000, 3_000_000, 1)),
        PriceBatch(observed_at=2**64 - 1, packed_underlyings=2**256 - 1, prices=(2**64 - 1,) * 32),
    )
    batches = [
        {**readable(asdict(b)), "struct_hash": b.struct_hash().hex(), **signed(b.digest(domain))}
        for b in listed
    ]
    return {"domain": domain_fields(domain), "batches": batches}


def orders() -> dict[str, Any]:
    """Return golden orders: a sale, and the largest of everything."""
    domain = order_domain(chain_id=CHAIN_ID, venue=VENUE)
    account = bytes.fromhex(Account.from_key(KEYS[0]).address[2:]) + (7).to_bytes(12, "big")
    sale = Order(
        account=account,
        page=2,
        slot=3,
        generation=3,
        lots=-25,
        price_ticks=60_000_000,
        max_fee=1_000_000,
        expiry=1_700_003_600,
        nonce=11,
    )
    largest = Order(
        account=b"\xff" * 32,
        page=255,
        slot=255,
        generation=65_535,
        lots=-(2**63),
        price_ticks=2**64 - 1,
        max_fee=2**128 - 1,
        expiry=2**40 - 1,
        nonce=2**64 - 1,
        reduce_only=True,
    )
    vectors = [
        {**readable(asdict(o)), "struct_hash": o.struct_hash().hex(), **signed(o.digest(domain))}
        for o in (sale, largest)
    ]
    return {"domain": domain_fields(domain), "orders": vectors}


def words() -> dict[str, Any]:
    """Return golden positions, account words, certificate words and book proofs."""
    positions = (
        Position(0, 0, 1),
        Position(255, 16_383, -1),
        Position(7, 3, 2**41 - 1),
        Position(8, 1, -(2**41)),
        Position(9, 2, 25),
    )
    book = Book({3: list(positions), 1: [Position(0, 1, 5)]})
    accounts = [
        {"cash": cash, "last_check_block": block, "flags": flags, "book": listed}
        for cash, block, flags, listed in (
            (0, 0, 0, Book()),
            (-(2**103), 2**40 - 1, 1, book),
            (2**103 - 1, 1, 0, Book({page: [Position(0, 0, 1)] * 128 for page in range(1, 7)})),
        )
    ]
    entries = [(0, 0, 1), (255, 65_535, 2**40 - 1), (2, 1, 100), (3, 7, 5), (4, 8, 6)]
    leaves = [(10**i, book.words() if i == 3 else (1 << 8 | i, i)) for i in range(5)]
    tree = MerkleTree([book_leaf(*leaf) for leaf in leaves])
    return {
        "positions": [{**p._asdict(), "packed": p.packed} for p in positions],
        "book": {"pages": {3: [tuple(p) for p in positions], 1: [(0, 1, 5)]}, "words": book.words()},
        "accounts": [
            {
                **{name: entry[name] for name in ("cash", "last_check_block", "flags")},
                "pages": [[page, len(held)] for page, held in entry["book"].pages.items()],  # type: ignore[attr-defined]
                "word": account_word(**entry),  # type: ignore[arg-type]
            }
            for entry in accounts
        ],
        "certificate": {"entries": entries, "words": certificate_words(entries)},
        "merkle": {
            "root": tree.root.hex(),
            "leaves": [
                {
                    "shortfall": shortfall,
                    "book": listed,
                    "leaf": book_leaf(shortfall, listed).hex(),
                    "proof": [node.hex() for node in tree.proof(book_leaf(shortfall, listed))],
                }
                for shortfall, listed in leaves
            ],
        },
    }


def vectors() -> dict[str, str]:
    """Return the text of every golden file by name."""
    made = {
        "pages": page_vectors(),
        "manifests": manifests(),
        "price_batches": price_batches(),
        "orders": orders(),
        "words": words(),
    }
    return {f"{name}.json": json.dumps(made[name], indent=1) + "\n" for name in made}


def read(name: str) -> Any:
    """Return a golden file as it is written."""
    return json.loads((FOLDER / f"{name}.json").read_text())
