"""The Merkle tree of book atoms, as `MerkleProof` verifies it: sorted pairs, double-hashed leaves."""

from collections.abc import Sequence

from eth_utils.crypto import keccak

from seawall.errors import PageError
from seawall.page.layout import BOOK_PAGE, join_words, pack

__all__ = ["EMPTY_ROOT", "MerkleTree", "book_leaf", "book_words", "verify_proof"]

EMPTY_ROOT = bytes(32)
_WORD_END = 1 << 256


def book_words(pages: Sequence[tuple[int, int, Sequence[int]]]) -> tuple[int, ...]:
    """Return a book as a certificate carries it.

    Parameters
    ----------
    pages
        For every page: its id, how many positions the account has on it, its position words as stored.

    Raises
    ------
    PageError
        If the number of words does not follow from the number of positions.
    """
    words: list[int] = []
    for page, count, positions in pages:
        if not count or len(positions) != -(-count // 4):
            raise PageError(f"book: page {page} has {count} positions in {len(positions)} words")
        words += [pack(BOOK_PAGE, {"page": page, "count": count}, where="book"), *positions]
    return tuple(words)


def book_leaf(shortfall: int, words: Sequence[int]) -> bytes:
    """Return ``keccak(keccak(shortfall, words))``; the shortfall in settlement token units, rounded up.

    Raises
    ------
    PageError
        If a value is not a word.
    """
    if any(not 0 <= word < _WORD_END for word in (shortfall, *words)):
        raise PageError("book: a value is not an unsigned word")
    return keccak(keccak(join_words((shortfall, *words))))


def _pair(a: bytes, b: bytes) -> bytes:
    return keccak(a + b if a < b else b + a)


class MerkleTree:
    """Hold a complete binary tree over distinct leaves; the order in which they are given does not matter."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        ordered = sorted(leaves)
        if len(set(ordered)) != len(ordered):
            raise PageError("Merkle tree: a leaf occurs twice")
        count = len(ordered)
        self._nodes = [b""] * max(count - 1, 0) + ordered[::-1]
        for node in range(count - 2, -1, -1):
            self._nodes[node] = _pair(self._nodes[2 * node + 1], self._nodes[2 * node + 2])
        self._place = {leaf: len(self._nodes) - 1 - i for i, leaf in enumerate(ordered)}

    @property
    def root(self) -> bytes:
        """Return the root; 32 zero bytes if there is no leaf."""
        return self._nodes[0] if self._nodes else EMPTY_ROOT

    def proof(self, leaf: bytes) -> tuple[bytes, ...]:
        """Return the siblings from a leaf up to the root.

        Raises
        ------
        PageError
            If the leaf is not in the tree.
        """
        if leaf not in self._place:
            raise PageError(f"Merkle tree: no leaf {leaf.hex()}")
        node, siblings = self._place[leaf], []
        while node:
            siblings.append(self._nodes[node + 1 if node % 2 else node - 1])
            node = (node - 1) // 2
        return tuple(siblings)


def verify_proof(proof: Sequence[bytes], *, root: bytes, leaf: bytes) -> bool:
    """Say whether the siblings lead from a leaf to the root."""
    node = leaf
    for sibling in proof:
        node = _pair(node, sibling)
    return node == root
