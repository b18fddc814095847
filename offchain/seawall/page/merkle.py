"""The Merkle tree of book atoms, as `MerkleProof` verifies it: sorted pairs, double-hashed leaves."""

from collections.abc import Iterable, Sequence

from eth_utils.crypto import keccak

from seawall.errors import PageError
from seawall.page.keccak import keccak_many
from seawall.page.layout import BOOK_PAGE, join_words, pack

__all__ = [
    "EMPTY_ROOT",
    "MerkleTree",
    "book_leaf",
    "book_leaves",
    "book_words",
    "sibling_places",
    "verify_proof",
]

EMPTY_ROOT = bytes(32)


def book_words(pages: Sequence[tuple[int, int, Sequence[int]]]) -> tuple[int, ...]:
    """Return a book as a certificate carries it.

    Parameters
    ----------
    pages
        For every page: its id, how many positions the account has on it, its positions of 64 bits, four a word.

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
    return keccak(keccak(_packed(shortfall, words)))


def book_leaves(leaves: Iterable[tuple[int, Sequence[int]]]) -> list[bytes]:
    """Return `book_leaf` of many (shortfall, words)."""
    return keccak_many(keccak_many([_packed(shortfall, words) for shortfall, words in leaves]))


def _packed(shortfall: int, words: Sequence[int]) -> bytes:
    try:
        return join_words((shortfall, *words))
    except OverflowError as error:
        raise PageError("book: a value is not an unsigned word") from error


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
        for depth in range(count.bit_length(), -1, -1):
            first, last = (1 << depth) - 1, min((2 << depth) - 1, count - 1)
            if first < last:
                children = self._nodes[2 * first + 1 : 2 * last + 1]
                pairs = zip(children[::2], children[1::2], strict=True)
                self._nodes[first:last] = keccak_many([a + b if a < b else b + a for a, b in pairs])
        self._place = {leaf: len(self._nodes) - 1 - i for i, leaf in enumerate(ordered)}

    @property
    def root(self) -> bytes:
        """Return the root; 32 zero bytes if there is no leaf."""
        return self._nodes[0] if self._nodes else EMPTY_ROOT

    @property
    def nodes(self) -> tuple[bytes, ...]:
        """Return every node by its place: the root at 0, the children of place i at 2i + 1 and 2i + 2."""
        return tuple(self._nodes)

    def place(self, leaf: bytes) -> int:
        """Return the place of a leaf.

        Raises
        ------
        PageError
            If the leaf is not in the tree.
        """
        if leaf not in self._place:
            raise PageError(f"Merkle tree: no leaf {leaf.hex()}")
        return self._place[leaf]

    def proof(self, leaf: bytes) -> tuple[bytes, ...]:
        """Return the siblings from a leaf up to the root.

        Raises
        ------
        PageError
            If the leaf is not in the tree.
        """
        return tuple(self._nodes[place] for place in sibling_places(self.place(leaf)))


def sibling_places(place: int) -> tuple[int, ...]:
    """Return the places of the siblings from a node up to the root."""
    places = []
    while place:
        places.append(place + 1 if place % 2 else place - 1)
        place = (place - 1) // 2
    return tuple(places)


def verify_proof(proof: Sequence[bytes], *, root: bytes, leaf: bytes) -> bool:
    """Say whether the siblings lead from a leaf to the root."""
    node = leaf
    for sibling in proof:
        node = _pair(node, sibling)
    return node == root
