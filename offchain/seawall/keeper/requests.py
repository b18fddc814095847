"""The folder in which people ask for baskets: one small file a request, not trusted, and never in an epoch's way.

::

    REQUESTS/ORACLE/KEY.json    {"account": "0x...", "positions": [[page, slot, generation, lots], ...],
                                 "expires_at": seconds, "signature": "0x..."}

KEY is the hash of account, positions and end, so a file under another's name is refused. Who may write into the folder
is the operators' choice.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak

from seawall.errors import InputError, RetryLater, StoreError
from seawall.keeper.baskets import BasketRequest
from seawall.page.layout import WORD_BYTES

__all__ = ["MAX_REQUESTS", "MAX_REQUEST_BYTES", "RequestFolder", "request_fields", "request_of"]

MAX_REQUEST_BYTES = 16_384  # 128 positions take about 4,000
MAX_REQUESTS = 512  # read in one epoch; a signature takes milliseconds to check
_SUFFIX = ".json"


def request_fields(request: BasketRequest) -> dict[str, Any]:
    """Return a request as JSON takes it."""
    return {
        "account": "0x" + request.account.hex(),
        "positions": [list(position) for position in request.positions],
        "expires_at": request.expires_at,
        "signature": "0x" + request.signature.hex(),
    }


def request_of(fields: object) -> BasketRequest:
    """Return the request that JSON holds.

    Raises
    ------
    InputError
        If it is malformed; the message says in what.
    """
    if not isinstance(fields, dict) or set(fields) != {"account", "positions", "expires_at", "signature"}:
        raise InputError(
            "basket: a field is missing or unknown. Fix: account, positions, expires_at, signature"
        )
    positions = fields["positions"]
    if not isinstance(positions, list) or not all(_is_position(position) for position in positions):
        raise InputError(
            "basket: positions are no list of [page, slot, generation, whole lots]. Fix: correct them"
        )
    if type(fields["expires_at"]) is not int:
        raise InputError("basket: expires_at is no whole number. Fix: give seconds since 1970")
    return BasketRequest(
        account=_hexadecimal(fields["account"], name="account"),
        positions=tuple((page, slot, generation, lots) for page, slot, generation, lots in positions),
        expires_at=fields["expires_at"],
        signature=_hexadecimal(fields["signature"], name="signature"),
    )


def _is_position(value: object) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(type(number) is int for number in value)


def _hexadecimal(text: object, *, name: str) -> bytes:
    try:
        if isinstance(text, str) and text.startswith("0x"):
            return bytes.fromhex(text[2:])
    except ValueError:
        pass
    raise InputError(f"basket: {name} is not 0x and hexadecimal digits. Fix: correct it")


class RequestFolder:
    """File requests, and read them back.

    Parameters
    ----------
    folder
        Shared by keepers and whoever may ask.
    oracle
        Address; every deployment has requests of its own.
    """

    def __init__(self, folder: Path, *, oracle: str) -> None:
        self._folder = folder / oracle.lower()

    def file(self, request: BasketRequest) -> bytes:
        """Write a request and return its key; filing it again changes nothing.

        Raises
        ------
        RetryLater
            If the folder is full: wait until requests have ended.
        StoreError
            If the folder cannot be written.
        """
        path = self._path(request.key)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if not path.exists() and len(self._names()) >= MAX_REQUESTS:
                raise RetryLater(
                    f"basket: {MAX_REQUESTS} requests stand already. Fix: wait until some have ended"
                )
            partial = path.with_suffix(f".{os.getpid()}.partial")
            partial.write_text(json.dumps(request_fields(request)), encoding="utf-8")
            partial.replace(path)
        except OSError as error:
            raise StoreError(
                f"cannot write {path}: {error.strerror}. Fix: correct keeper.requests"
            ) from error
        return request.key

    def read(self, key: bytes) -> BasketRequest:
        """Return the request of a key.

        Raises
        ------
        InputError
            If there is none, or the file is malformed, too large, or not the one its name says.
        """
        path = self._path(key)
        try:
            if not path.is_file() or path.is_symlink():
                raise InputError(f"basket: there is no request {key.hex()[:16]}. Fix: file it first")
            with path.open("rb") as file:
                content = file.read(MAX_REQUEST_BYTES + 1)
        except OSError as error:
            raise InputError(
                f"basket: cannot read {path.name}: {error.strerror}. Fix: file it again"
            ) from error
        if len(content) > MAX_REQUEST_BYTES:
            raise InputError(
                f"basket: {path.name} has more than {MAX_REQUEST_BYTES} bytes. Fix: ask for less"
            )
        try:
            fields = json.loads(content)
        except (ValueError, RecursionError):
            raise InputError(f"basket: {path.name} is not JSON. Fix: file it with seawall") from None
        request = request_of(fields)
        if request.key != key:
            raise InputError(f"basket: {path.name} holds request {request.key.hex()[:16]}. Fix: name it so")
        return request

    def scan(self, epoch: int) -> tuple[tuple[BasketRequest, ...], dict[str, str]]:
        """Return the requests that can be read, and by file name why others cannot; never raises.

        Of more than `MAX_REQUESTS` files those are read whose names come first when hashed with the epoch.
        """
        try:
            names = self._names()
        except OSError as error:
            return (), {str(self._folder): f"cannot be read: {error.strerror}"}
        prefix = epoch.to_bytes(8, "big")
        ordered = sorted(names, key=lambda name: keccak(prefix + os.fsencode(name)))
        found, refused = [], {}
        for name in ordered[:MAX_REQUESTS]:
            try:
                found.append(self.read(_key(name)))
            except InputError as error:
                refused[name] = str(error)
        if len(ordered) > MAX_REQUESTS:
            refused[str(self._folder)] = (
                f"{len(ordered)} requests, {MAX_REQUESTS} are read an epoch: bound who may write there"
            )
        return tuple(found), refused

    def sweep(self, requests: tuple[BasketRequest, ...], *, time_s: int) -> None:
        """Delete those of the requests that have ended."""
        for request in requests:
            if request.expires_at <= time_s:
                with suppress(OSError):
                    self._path(request.key).unlink(missing_ok=True)

    def _names(self) -> list[str]:
        if not self._folder.is_dir():
            return []
        return [name for name in os.listdir(self._folder) if name.endswith(_SUFFIX)]

    def _path(self, key: bytes) -> Path:
        return self._folder / f"{key.hex()}{_SUFFIX}"


def _key(name: str) -> bytes:
    try:
        key = bytes.fromhex(name.removesuffix(_SUFFIX))
    except ValueError:
        key = b""
    if len(key) != WORD_BYTES or name != key.hex() + _SUFFIX:
        raise InputError(f"basket: {name[:80]} is no name of a request. Fix: file it with seawall")
    return key
