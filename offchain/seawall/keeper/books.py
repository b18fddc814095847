"""Book atoms: the tail risk of every live account's book, and the tree whose root a manifest carries.

A leaf is ``keccak(keccak(shortfall, book words))`` with ``shortfall = max(0, ceil(lambda ES(book)))`` in settlement
token units, over the scenarios that the page's legs, lanes and atoms come from. A book that holds what the pages lack
has no leaf, as no certificate could show it; equal books share one. Leaves travel with the proposal, so that whoever
endorses it can hold each against its own scenarios, and end in a `LeafStore`, where accounts find their proofs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from seawall.errors import ConsistencyError
from seawall.keeper.accounts import AccountBook, lots_of
from seawall.keeper.entries import entries_of
from seawall.keeper.settings import KeeperSettings
from seawall.margin.shortfall import shortfall_alone
from seawall.page.decode import decode_page
from seawall.page.merkle import MerkleTree, book_leaf, book_leaves
from seawall.page.units import shortfall_units

if TYPE_CHECKING:
    from seawall.keeper.compute import Computed, Proposal
    from seawall.keeper.view import ChainView

__all__ = ["BookLeaf", "book_tree", "certify_books", "check_books", "lot_pnl", "shortfall_of_books"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class BookLeaf:
    """Hold a certified basket: its words, and its tail risk in settlement token units."""

    words: tuple[int, ...]
    shortfall: int
    hashed: list[bytes] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def digest(self) -> bytes:
        """Return the leaf of the tree; it is hashed once."""
        if not self.hashed:
            self.hashed.append(book_leaf(self.shortfall, self.words))
        return self.hashed[0]


def hash_leaves(leaves: Sequence[BookLeaf]) -> None:
    """Hash the leaves that have not been, all at once."""
    bare = [leaf for leaf in leaves if not leaf.hashed]
    for leaf, digest in zip(bare, book_leaves((leaf.shortfall, leaf.words) for leaf in bare), strict=True):
        leaf.hashed.append(digest)


def shortfall_of_books(pnl: Floats, weights: Floats, lots: Floats, *, alpha: float) -> Floats:
    """Return the expected shortfall of books, ticks, (N,); negative for one that gains in its tail.

    Parameters
    ----------
    pnl
        P&L of one lot of each instrument, ticks, (S, I).
    weights
        Scenario probabilities, (S,).
    lots
        Signed lots, (N, I).
    alpha
        Level of the expected shortfall.
    """
    if not len(lots):
        return np.zeros(0)
    return shortfall_alone(pnl, weights, lots, alpha=alpha)


def lot_pnl(view: ChainView, computed: Computed) -> Floats:
    """Return the P&L of one lot of each column's instrument over the keeper's scenarios, ticks, (S, I)."""
    underlyings = [page.underlying for page in view.pages for _ in page.instruments]
    pnl: Floats = computed.risk.pnl[:, computed.listing.columns] * np.rint(computed.spots)[underlyings]
    return pnl


def certify_books(
    view: ChainView,
    computed: Computed,
    books: Iterable[AccountBook],
    *,
    lambda_bps: int,
    settings: KeeperSettings,
) -> tuple[BookLeaf, ...]:
    """Return a leaf for every distinct book whose instruments are all listed, in order of first appearance.

    Parameters
    ----------
    view
        For its columns.
    computed
        Own numbers.
    lambda_bps
        Factor of the manifest that the leaves go into.
    """
    columns = view.columns
    distinct = list(dict.fromkeys(book.words for book in books))
    entries = entries_of(distinct)
    unknown = np.isin(np.arange(len(distinct)), entries.row[entries.columns(columns) < 0])
    listed = [words for words, without in zip(distinct, unknown.tolist(), strict=True) if not without]
    shortfall = shortfall_of_books(
        lot_pnl(view, computed),
        computed.risk.scenarios.weights,
        lots_of(listed, columns),
        alpha=settings.model.alpha,
    )
    return tuple(
        BookLeaf(
            words=words,
            shortfall=shortfall_units(float(ticks), tick=view.tick, lambda_bps=lambda_bps),
        )
        for words, ticks in zip(listed, shortfall, strict=True)
    )


def book_tree(leaves: Sequence[BookLeaf]) -> MerkleTree:
    """Return the tree over leaves; its root is zero if there are none."""
    hash_leaves(leaves)
    return MerkleTree([leaf.digest for leaf in leaves])


def check_books(
    proposal: Proposal,
    own: Computed,
    view: ChainView,
    books: Sequence[AccountBook],
    *,
    settings: KeeperSettings,
) -> MerkleTree:
    """Return the tree of a proposal's leaves if it is what this keeper would sign.

    The baskets must be the books at the snapshot block, each tail risk within what is tolerated of legs (of the
    book's own tail risk) and of marks (of its legs) from this keeper's, and the root the leaves' own.

    Parameters
    ----------
    books
        As this keeper reads them at the proposal's snapshot block.

    Raises
    ------
    ConsistencyError
        Naming the book and both values.
    """
    factors = {decode_page(payload).head.lambda_bps for payload in proposal.payloads}
    _require(len(factors) == 1, f"the pages are scaled by different factors: {sorted(factors)} basis points")
    # By the own factor, as legs are held to own scaled ones: two tolerances would add up.
    expected = certify_books(view, own, books, lambda_bps=own.posted.lambda_bps, settings=settings)
    given = {leaf.words: leaf.shortfall for leaf in proposal.books}
    _require(
        len(given) == len(proposal.books) and given.keys() == {leaf.words for leaf in expected},
        f"{len(proposal.books)} books are certified, {len(expected)} exist at block {proposal.manifest.book_block},"
        " or they differ",
    )
    pnl, weights = lot_pnl(view, own), own.risk.scenarios.weights
    both = np.concatenate([np.eye(pnl.shape[1]), -np.eye(pnl.shape[1])])
    legs = shortfall_of_books(pnl, weights, both, alpha=settings.model.alpha).reshape(2, -1).max(axis=0)
    gross = np.abs(lots_of((leaf.words for leaf in expected), view.columns)) @ (legs * view.tick)
    for leaf, size in zip(expected, gross, strict=True):
        shown = given[leaf.words]
        tolerance = settings.leg_tolerance * leaf.shortfall + settings.mark_tolerance * float(size) + 1
        if abs(shown - leaf.shortfall) > tolerance:  # the message takes longer than the check
            name = book_leaf(0, leaf.words).hex()[:16]
            _require(
                False,
                f"the tail risk of book {name} is {shown}, own value {leaf.shortfall}, tolerance {tolerance:.6g}",
            )
    tree = book_tree(proposal.books)
    _require(tree.root == proposal.manifest.book_root, "the book root is not that of the leaves")
    return tree


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConsistencyError(f"will not sign: {message}")
