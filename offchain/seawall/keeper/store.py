"""What a keeper must never forget: which digest it signed for which epoch."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from seawall.errors import EquivocationRisk, StoreError

__all__ = ["SignatureStore"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS signatures (
    chain_id INTEGER NOT NULL,
    contract TEXT NOT NULL,
    signer TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (chain_id, contract, signer, epoch)
)
"""


class SignatureStore:
    """Keep one digest per chain, contract, signer and epoch, on disk before a signature leaves.

    Parameters
    ----------
    path
        SQLite file, made if absent. Two processes may share it: the primary key decides.

    Raises
    ------
    StoreError
        If the file cannot be opened or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._open() as connection:
                connection.execute(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"cannot open the signature store {path}: {error}; fix its folder or permissions"
            ) from error

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=10, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def sign_once(
        self,
        digest: bytes,
        sign: Callable[[bytes], bytes],
        *,
        chain_id: int,
        contract: str,
        signer: str,
        epoch: int,
    ) -> bytes:
        """Return a signature of `digest` after recording it, or refuse if another digest stands for the epoch.

        Signing the same digest again is allowed: after a crash between record and send, nothing is lost.

        Raises
        ------
        EquivocationRisk
            If this signer recorded another digest for this epoch.
        StoreError
            If the record cannot be written; then nothing was signed.
        """
        key = (chain_id, contract.lower(), signer.lower(), epoch)
        try:
            connection = self._open()
            try:
                connection.execute("INSERT OR IGNORE INTO signatures VALUES (?, ?, ?, ?, ?)", (*key, digest))
                row = connection.execute(
                    "SELECT digest FROM signatures WHERE chain_id = ? AND contract = ? AND signer = ? AND epoch = ?",
                    key,
                ).fetchone()
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise StoreError(
                f"cannot write the signature store {self._path}: {error}; nothing was signed"
            ) from error
        if row is None or bytes(row[0]) != digest:
            raise EquivocationRisk(
                f"epoch {epoch} was already signed with another digest: propose a later epoch; keep {self._path}"
            )
        return sign(digest)
