"""Where accounts find their proofs: one SQLite file that a keeper writes and anyone may read and copy.

::

    manifests(root, epoch, block, as_of)             those in force, and the newest
    books(root, account, place, shortfall, words)    book words as 32-byte words; shortfall in decimal, token units
    nodes(root, place, hash)                         the tree: root at place 0, children of i at 2i + 1 and 2i + 2

A proof is the siblings of a book's place up to the root. Nothing in the file needs trust: the contract checks it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from seawall.errors import StoreError
from seawall.keeper.accounts import AccountBook
from seawall.keeper.books import BookLeaf
from seawall.margin.certificate import ShownBook
from seawall.page.layout import join_words, split_words
from seawall.page.merkle import MerkleTree, sibling_places

__all__ = ["LeafStore"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS manifests (
    root BLOB PRIMARY KEY, epoch INTEGER NOT NULL, block INTEGER NOT NULL, as_of INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS books (
    root BLOB NOT NULL, account BLOB NOT NULL, place INTEGER NOT NULL, shortfall TEXT NOT NULL, words BLOB NOT NULL,
    PRIMARY KEY (root, account)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS nodes (
    root BLOB NOT NULL, place INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (root, place)
) WITHOUT ROWID;
"""
_KEPT_S = (
    3 * 3600
)  # a manifest takes the grace period to become the baseline, and stays it for another and an epoch


class LeafStore:
    """Keep the books and trees of manifests that are in force or may come to be, and hand out proofs.

    Parameters
    ----------
    path
        SQLite file; made when something is put into it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def put(
        self,
        tree: MerkleTree,
        leaves: Sequence[BookLeaf],
        books: Sequence[AccountBook],
        *,
        epoch: int,
        block: int,
        as_of: int,
        in_force: Sequence[bytes] = (),
    ) -> None:
        """Remember a tree and whose books are in it; those of hours ago that are not in force are forgotten.

        Parameters
        ----------
        as_of
            Of the manifest, seconds since 1970.
        in_force
            Roots of the current manifest and of the baseline.

        Raises
        ------
        StoreError
            If the file cannot be written.
        """
        known = {leaf.words: (tree.place(leaf.digest), str(leaf.shortfall)) for leaf in leaves}
        rows = [
            (tree.root, book.account, *known[book.words], join_words(book.words))
            for book in books
            if book.words in known
        ]
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=10)) as connection, connection:
                connection.executescript(_SCHEMA)
                named = (tree.root, epoch, block, as_of)
                connection.execute("INSERT OR REPLACE INTO manifests VALUES (?, ?, ?, ?)", named)
                connection.executemany("INSERT OR REPLACE INTO books VALUES (?, ?, ?, ?, ?)", rows)
                connection.executemany(
                    "INSERT OR REPLACE INTO nodes VALUES (?, ?, ?)",
                    ((tree.root, place, node) for place, node in enumerate(tree.nodes)),
                )
                listed = connection.execute(
                    "SELECT root FROM manifests WHERE as_of < ?", (as_of - _KEPT_S,)
                ).fetchall()
                old = [(root,) for (root,) in listed if root not in in_force]
                for table in ("books", "nodes", "manifests"):
                    connection.executemany(f"DELETE FROM {table} WHERE root = ?", old)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"cannot write {self._path}: {error}. Fix: correct keeper.books, its folder or permissions"
            ) from error

    def find(self, root: bytes, account: bytes) -> ShownBook | None:
        """Return an account's book under a root with its proof; None if there is none, or no file.

        Raises
        ------
        StoreError
            If there is a file and it cannot be read.
        """
        if not self._path.is_file():
            return None
        try:
            with closing(sqlite3.connect(f"{self._path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
                row = connection.execute(
                    "SELECT place, shortfall, words FROM books WHERE root = ? AND account = ?",
                    (root, account),
                ).fetchone()
                if row is None:
                    return None
                proof = [
                    connection.execute(
                        "SELECT hash FROM nodes WHERE root = ? AND place = ?", (root, place)
                    ).fetchone()[0]
                    for place in sibling_places(int(row[0]))
                ]
        except sqlite3.Error as error:
            raise StoreError(f"cannot read {self._path}: {error}. Fix: correct keeper.books") from error
        return ShownBook(words=tuple(split_words(row[2])), shortfall=int(row[1]), proof=tuple(proof))
