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
from seawall.keeper.marks import from_marks_of
from seawall.keeper.settings import KeeperSettings
from seawall.margin.shortfall import shortfall_alone
from seawall.page.decode import decode_page
from seawall.page.layout import Kind
from seawall.page.merkle import MerkleTree, book_leaf, book_leaves
from seawall.page.units import shortfall_units

if TYPE_CHECKING:
    from seawall.keeper.compute import Computed, Proposal
    from seawall.keeper.view import ChainView

__all__ = [
    *("BookLeaf", "LegSizes", "book_tree", "certify_books", "check_books", "leg_sizes", "lot_pnl"),
    "shortfall_of_books",
]

Floats = npt.NDArray[np.float64]

# Part of the spot as which an option's legs count at least: a far one's are small, and follow its volatility the more.
_LEAST_LEG = 0.02
_OPTIONS = (Kind.CALL, Kind.PUT)


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


@dataclass(frozen=True, kw_only=True, slots=True)
class LegSizes:
    """Hold what another's numbers of a book are held to: how large its legs are, by own data.

    Attributes
    ----------
    long, short
        Legs of one lot, ticks, (I,).
    largest
        The larger of them, ticks, (I,), an option's 2% of its spot at least; nothing for what has expired.
    option_spots
        Spot of a live option, ticks, (I,); 0 for everything else.
    """

    long: Floats
    short: Floats
    largest: Floats
    option_spots: Floats

    def tolerance(
        self, lots: Floats, shortfall: Floats, *, settings: KeeperSettings, by_side: bool = False
    ) -> Floats:
        """Return by how much another keeper may find the tail risk of books higher or lower, ticks, (N,).

        ``ES (leg_tolerance + option_tolerance S / G) + mark_tolerance G``: of a book's tail risk the part by which its
        legs `G` may differ (S: the spots of its options), and for hedged ones, whose risk is little beside their legs,
        a part of those. As an option's leg counts as 2% of its spot at least, that is no more than 20% of the tail risk
        and 0.5% of the legs. With `by_side` the first `G` is the sum of legs that margin without a certificate takes:
        then the tail risk may differ by exactly the part by which that sum may.

        Parameters
        ----------
        lots
            Signed lots, (N, I).
        shortfall
            Own tail risk of the books, ticks, (N,).
        """
        gross, spots = (np.abs(lots) @ np.column_stack([self.largest, self.option_spots])).T
        legs = np.maximum(lots, 0.0) @ self.long + np.maximum(-lots, 0.0) @ self.short if by_side else gross
        part = settings.leg_tolerance + settings.option_tolerance * spots / np.maximum(legs, 1.0)
        found: Floats = part * np.maximum(shortfall, 0.0) + settings.mark_tolerance * gross
        return found


def leg_sizes(view: ChainView, own: Computed, *, alpha: float) -> LegSizes:
    """Return the sizes of legs by own scenarios, at level `alpha` of the expected shortfall."""
    pnl, weights = lot_pnl(view, own), own.risk.scenarios.weights
    both = np.concatenate([np.eye(pnl.shape[1]), -np.eye(pnl.shape[1])])
    legs = np.maximum(shortfall_of_books(pnl, weights, both, alpha=alpha), 0.0).reshape(2, -1)
    largest = legs.max(axis=0)
    listed = [(page.underlying, terms.kind) for page in view.pages for terms in page.instruments]
    spots = np.rint(own.spots)[[underlying for underlying, _ in listed]]
    spots = spots * [kind in _OPTIONS for _, kind in listed] * (largest > 0)
    return LegSizes(
        long=legs[0], short=legs[1], largest=np.maximum(largest, _LEAST_LEG * spots), option_spots=spots
    )


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

    The baskets must be the books at the snapshot block, each tail risk within `LegSizes.tolerance` by side of
    this keeper's, and the root the leaves' own. Were it less, a book of one leg would be refused whose leg is signed.

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
    own = from_marks_of(proposal, own)
    # By the own factor, as legs are held to own scaled ones: two tolerances would add up.
    expected = certify_books(view, own, books, lambda_bps=own.posted.lambda_bps, settings=settings)
    given = {leaf.words: leaf.shortfall for leaf in proposal.books}
    _require(
        len(given) == len(proposal.books) and given.keys() == {leaf.words for leaf in expected},
        f"{len(proposal.books)} books are certified, {len(expected)} exist at block {proposal.manifest.book_block},"
        " or they differ",
    )
    sizes = leg_sizes(view, own, alpha=settings.model.alpha)
    own_ticks = np.array([leaf.shortfall for leaf in expected]) / view.tick
    lots = lots_of((leaf.words for leaf in expected), view.columns)
    tolerances = view.tick * sizes.tolerance(lots, own_ticks, settings=settings, by_side=True) + 1
    for leaf, tolerance in zip(expected, tolerances.tolist(), strict=True):
        shown = given[leaf.words]
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
