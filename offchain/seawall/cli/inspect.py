"""`seawall inspect`: pages, the manifest in force, accounts."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from seawall.chain.contracts import System
from seawall.cli.admin import config_option
from seawall.cli.output import json_option, print_json, print_pairs, print_table
from seawall.cli.session import open_session
from seawall.config import Config, load_config
from seawall.errors import InputError, PageError
from seawall.page.decode import Page, decode_page
from seawall.page.layout import (
    ACCOUNT,
    FLAG_AUCTION,
    FLAG_SETTLED,
    MAX_PAGE_BYTES,
    MAX_PAGES,
    POSITION,
    POSITIONS_PER_WORD,
    RECORD,
    Kind,
    unpack,
    unpack_positions,
)

__all__ = ["account_key", "inspect_group", "read_config", "rpc_option"]

MARGIN_FLAGS = {
    1: "stale",
    2: "not fresh",
    4: "drifted",
    8: "frozen",
    16: "missing",
    32: "no manifest",
    64: "none priced",
}
EMPTY_CERTIFICATE: dict[str, Any] = {"atoms": [], "bookShortfall": 0, "book": [], "proof": []}

rpc_option = click.option("--rpc", help="Endpoint; wins over the settings.", metavar="URL")


@click.group("inspect")
def inspect_group() -> None:
    """Show what is on chain, decoded."""


@inspect_group.command("page")
@click.argument("source")
@config_option
@rpc_option
@json_option
def inspect_page(source: str, config_path: Path | None, rpc: str | None, as_json: bool) -> None:
    """Decode a page: a FILE (bytes or hexadecimal), or the ID of a page of the manifest in force."""
    if Path(source).is_file():
        _show_page(_page_of(Path(source)), as_json=as_json)
        return
    if source.isdigit():
        payload = _page_on_chain(_system(config_path, rpc), int(source))
    else:
        raise InputError(f"{source} is neither a file nor a page id. Fix: give a path, or a number such as 0")
    _show_page(decode_page(payload), as_json=as_json)


@inspect_group.command("manifest")
@config_option
@rpc_option
@json_option
def inspect_manifest(config_path: Path | None, rpc: str | None, as_json: bool) -> None:
    """Show the manifest in force, the baseline, signers and what the next proposal may say."""
    system = _system(config_path, rpc)
    oracle, registry = system.oracle, system.registry
    epoch, as_of, activated_at, book_root = oracle.call("currentManifest")
    pages = int(registry.call("pageCount"))
    shown: dict[str, Any] = {
        "epoch": epoch,
        "as_of": _time(as_of),
        "activated_at": _time(activated_at),
        "book_root": book_root,
        "baseline_epoch": _load(system, pages, baseline=True)[0] >> 80 & (1 << 40) - 1,
        "config_digest": oracle.call("configDigest"),
        "quorum": f"{oracle.call('quorum')} of {len(oracle.call('signers'))}",
        "signers": oracle.call("signers"),
        "pages": [_address(word) if word else None for word in _load(system, pages, baseline=False)[1:]],
    }
    for underlying in range(int(registry.call("underlyingCount"))):
        least, largest = oracle.call("probeRange", underlying)
        shown[f"probe_range_ppm_{_symbol(system, underlying)}"] = f"{least} to {largest}"
    if as_json:
        print_json(shown)
    else:
        print_pairs("Manifest in force", shown)


@inspect_group.command("account")
@click.argument("account")
@config_option
@rpc_option
@json_option
def inspect_account(account: str, config_path: Path | None, rpc: str | None, as_json: bool) -> None:
    """Show an ACCOUNT: cash, margin, health, positions.

    32 bytes in hexadecimal, or an owner's address for its account 0.
    """
    from seawall.keeper.certify import certify_account  # imports a solver, which takes a second
    from seawall.keeper.leaves import LeafStore

    key = account_key(account)
    config = read_config(config_path, rpc)
    system = open_session(config).system()
    fields = unpack(ACCOUNT, int(system.vault.call("accountWord", key)), where="account")
    equity, maintenance, liquidatable, current = system.vault.call("health", key)
    margin = system.vault.call("margin", key, EMPTY_CERTIFICATE, False)
    certified = certify_account(system, key, leaves=LeafStore(config.keeper.books), baseline=False)
    hedged = system.vault.call("margin", key, certified.current.certificate.as_tuple(), False)
    positions = _positions(system, key, fields)
    shown: dict[str, Any] = {
        "account": key,
        "cash": fields["cash"],
        "equity": equity,
        "initial_without_certificate": margin.initial,
        "initial_with_certificate": hedged.initial,
        "maintenance": maintenance,
        "liquidatable": liquidatable,
        "in_auction": bool(fields["flags"] & FLAG_AUCTION),
        "settled_in_wind_down": bool(fields["flags"] & FLAG_SETTLED),
        "flags": [name for bit, name in MARGIN_FLAGS.items() if current.flags & bit],
    }
    if as_json:
        print_json({**shown, "positions": positions})
        return
    print_pairs("Account (settlement token units)", shown)
    if positions:
        print_table(
            "Positions",
            ("page", "slot", "kind", "lots", "generation", "waits for"),
            [tuple(row.values()) for row in positions],
        )


def read_config(config_path: Path | None, rpc: str | None) -> Config:
    """Return the settings, under an endpoint given on the command line."""
    return load_config(config_path, overrides={"chain": {"rpc_urls": [rpc]}} if rpc else None)


def _system(config_path: Path | None, rpc: str | None) -> System:
    return open_session(read_config(config_path, rpc)).system()


def account_key(text: str) -> bytes:
    """Return the account that somebody named.

    Raises
    ------
    InputError
        If it is neither an account nor an address.
    """
    match = re.fullmatch(r"0x([0-9a-fA-F]{64}|[0-9a-fA-F]{40})", text)
    if not match:
        raise InputError(
            f"{text} is no account. Fix: give 0x and 64 hexadecimal digits, or an owner's address"
        )
    return bytes.fromhex(match[1]).ljust(32, b"\0")


def _read_payload(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}. Fix: correct the path") from error
    text = raw[: 2 * MAX_PAGE_BYTES + 8].strip()
    if re.fullmatch(rb"(0x)?([0-9a-fA-F]{2})+", text):
        raw = bytes.fromhex(text.decode().removeprefix("0x"))
    return raw[1:] if len(raw) % 16 == 1 else raw  # the STOP byte in front of contract code


def _page_of(path: Path) -> Page:
    try:
        return decode_page(_read_payload(path))
    except PageError as error:
        raise InputError(
            f"{path} holds no page: {error}. Fix: give a page's bytes, or hexadecimal"
        ) from error


def _load(system: System, pages: int, *, baseline: bool) -> list[int]:
    packed = sum(page << 8 * page for page in range(min(pages, 32)))
    return [int(word) for word in system.oracle.call("load", packed, min(pages, 32), baseline)]


def _page_on_chain(system: System, page: int) -> bytes:
    word = int(system.oracle.call("load", page, 1, False)[1]) if page < 256 else 0
    if not word:
        raise InputError(f"the manifest in force has no page {page}. Fix: see `seawall inspect manifest`")
    return bytes(system.oracle.w3.eth.get_code(_address(word)))[1:]  # type: ignore[arg-type]


def _address(word: int) -> str:
    from eth_utils.address import to_checksum_address

    return to_checksum_address((word & (1 << 160) - 1).to_bytes(20, "big"))


def _symbol(system: System, underlying: int) -> str:
    raw = bytes(system.registry.call("symbol", underlying)).rstrip(b"\0")
    return raw.decode("ascii", "replace")


def _time(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC" if seconds else "never"


def _positions(system: System, key: bytes, fields: dict[str, int]) -> list[dict[str, Any]]:
    found = []
    for entry in range(MAX_PAGES):
        page, count = fields[f"page_{entry}"], fields[f"count_{entry}"]
        for index in range(count):
            place = index % POSITIONS_PER_WORD
            if place == 0:
                word = int(system.vault.call("bookWord", key, page, index // POSITIONS_PER_WORD))
                entries = unpack_positions([word])
            position = unpack(POSITION, entries[place], where="position")
            where = page, position["slot"]
            listed = unpack(RECORD, int(system.registry.call("terms", *where)), where="terms")
            replaced = listed["generation"] != position["generation"]
            if replaced:
                terms = int(system.registry.call("termsOf", *where, position["generation"]))
                listed = unpack(RECORD, terms, where="terms")
            kind = Kind(listed["kind"])
            found.append(
                {
                    "page": page,
                    "slot": position["slot"],
                    "kind": kind.name.lower(),
                    "lots": position["lots"],
                    "generation": position["generation"],
                    "waits_for": "settleExpired" if replaced else "",
                }
            )
    return found


def _show_page(page: Page, *, as_json: bool) -> None:
    from dataclasses import asdict

    if as_json:
        print_json(asdict(page))
        return
    head = asdict(page.head)
    head["as_of"] = _time(page.head.as_of)
    print_pairs(f"Page {page.head.page_id}", head)
    columns = ("slot", "kind", "mark", "delta", "long leg", "short leg", "strike", "expiry", "lanes")
    rows = [
        (
            slot,
            Kind(record.kind).name.lower(),
            record.mark,
            f"{record.delta_x22 / 2**22:+.3f}",
            record.leg_long,
            record.leg_short,
            record.strike or "",
            _time(3600 * record.expiry_hour) if record.expiry_hour else "",
            len(record.lanes),
        )
        for slot, record in enumerate(page.records)
    ]
    print_table(f"{len(page.records)} records, {len(page.atoms)} atoms (ticks a lot)", columns, rows)
