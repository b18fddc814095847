"""What the sandwich achieves on a venue with options: tightness by family of books, and what an adversary finds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from tests.support.families import DENSE, FAMILIES, Traders
from tests.support.hunter import least_charged, least_maintained, maintenance
from tests.support.listings import chain_terms, listed_view, price_bars, with_shifts
from tests.support.published import Floats, Lots, Published

from seawall.keeper.compute import compute
from seawall.keeper.settings import KeeperSettings
from seawall.margin.certificate import ShownBook, best_certificate

__all__ = [
    "Adversary",
    "BookAtoms",
    "Venue",
    "adversary",
    "book_atoms",
    "lower_ratios",
    "upper_ratios",
    "venue",
    "venue_report",
]

# Legs of a book add up to a million tokens.
_GROSS_TICKS = 1e10

# The hedged change after which families are told apart, and how many books are tried then and otherwise.
_LARGE_CHANGE, _MOST_CHANGED, _FEW = 0.1, 600, 150

# Dense makers drawn by themselves: the median of the sixty among those above is uncertain by some .07.
_MAKERS, _CONFIDENCE = 500, 1.96


@dataclass(frozen=True, kw_only=True)
class Venue:
    """Hold one epoch of a venue, the books its lanes and atoms were chosen for, and how long it took to compute."""

    published: Published
    live: Lots
    payloads: tuple[bytes, ...]
    seconds: float


def venue(*, days: int = 1_491, live: int = 300) -> Venue:
    """Return two underlyings with a perpetual, a future and thirty options each, under a keeper's own settings."""
    settings, bars, terms = KeeperSettings(), price_bars(days=days), chain_terms()
    listed = [(0, terms), (1, terms)]
    rough, found = with_shifts(listed_view(listed), price_bars(days=120))
    books, _ = Traders(Published(rough, found), seed=1).books(live)
    view, _ = with_shifts(listed_view(listed, lots=books.astype(np.float64)), bars)
    start = time.perf_counter()
    computed = compute(view, bars, settings=settings)
    seconds = time.perf_counter() - start
    published = Published(view, computed, alpha=settings.model.alpha)
    return Venue(published=published, live=books, payloads=computed.payloads, seconds=seconds)


def lower_ratios(published: Published, books: Lots) -> Floats:
    """Return L / ES of books by lanes alone, (N,)."""
    found: Floats = published.lower(books) / published.shortfall(books)
    return found


def upper_ratios(published: Published, books: Lots) -> tuple[Floats, Floats]:
    """Return U / ES of books by legs, and with the best certificate of atoms in whole lots, (N,) each."""
    exact = published.shortfall(books)
    found = [best_certificate(published.book(book), published.pages) for book in books]
    certified = np.array([one.upper for one in found]) / published.view.tick
    return published.gross(books) / exact, certified / exact


@dataclass(frozen=True, kw_only=True)
class BookAtoms:
    """Hold what a book shown with its proof does after a change; arrays of one entry a book.

    Attributes
    ----------
    family
        Of the book.
    upper
        U / ES with the best certificate.
    limit
        (ES of the book + ES of the change) / ES: what U / ES would be if atoms said all about the change.
    change
        (U - ES of the book) / ES of the change: what atoms leave to be said, of changes that add risk.
    lower, lanes
        L / ES with the proof, and by lanes alone.
    """

    family: Lots
    upper: Floats
    limit: Floats
    change: Floats
    lower: Floats
    lanes: Floats


def book_atoms(
    published: Published,
    *,
    count: int,
    share: float,
    seed: int,
    gross_ticks: float,
    families: Sequence[int] = range(len(FAMILIES)),
) -> BookAtoms:
    """Return figures of books after a hedged change of a share of their gross legs."""
    traders, tick = Traders(published, gross_ticks=gross_ticks, seed=seed), published.view.tick
    books, family = traders.books(count, families=families)
    later = np.array([traders.changed(book, share=share) for book in books]) if share else books
    before, exact = published.shortfall(books), published.shortfall(later)
    upper = []
    for old, new, certified in zip(books, later, before, strict=True):
        words = published.book(old).words()
        shown = ShownBook(words=words, shortfall=ceil(certified * tick), proof=())
        upper.append(best_certificate(published.book(new), published.pages, shown=shown).upper / tick)
    lanes = published.lower(later)
    moved = np.maximum(published.shortfall(later - books), 0.0)
    adds = moved > 0
    proven = np.ceil(before * tick) / tick - 1 / tick - published.gross(books - later)
    return BookAtoms(
        family=family,
        upper=np.array(upper) / exact,
        limit=(before + moved) / exact,
        change=(np.array(upper) - before)[adds] / moved[adds],
        lower=np.maximum(lanes, proven) / exact,
        lanes=lanes / exact,
    )


@dataclass(frozen=True, kw_only=True)
class Adversary:
    """Hold the least that an adversary's books are required, over their tail risk.

    Attributes
    ----------
    initial
        With the best certificate.
    maintenance, lower
        By lanes and floors, and L there.
    proven
        The maintenance requirement of that book once it is shown.
    """

    initial: float
    maintenance: float
    lower: float
    proven: float


def adversary(published: Published, *, books: int = 2_000, starts: int = 60) -> Adversary:
    """Return what linear programs find from the worst of many books and of all atoms, bought and sold."""
    drawn, _ = Traders(published, seed=3).books(books)
    tried = np.concatenate([drawn, -drawn, 10**5 * published.atoms])
    exact = published.shortfall(tried)
    kept = exact >= 0.01 * published.gross(tried)
    tried, exact = tried[kept], exact[kept]
    ranked = np.argsort(maintenance(published, tried, published.lower(tried)) / exact, kind="stable")
    first = tried[ranked[:starts]]
    found = least_maintained(published, first, rounds=15)
    legs = np.maximum(found.book, 0) @ published.legs[0] + np.maximum(-found.book, 0) @ published.legs[1]
    book = np.round(found.book * (_GROSS_TICKS / float(legs)))[None].astype(np.int64)
    risk, lower = published.shortfall(book), published.lower(book)
    return Adversary(
        initial=least_charged(published, first, rounds=8).ratio,
        maintenance=float((maintenance(published, book, lower) / risk)[0]),
        lower=float((lower / risk)[0]),
        proven=float((maintenance(published, book, np.ceil(risk).astype(np.int64) - 1) / risk)[0]),
    )


def _quantiles(ratios: Floats, levels: Sequence[float] = (0.5, 0.95, 0.99, 1.0)) -> str:
    """Return the quantiles of ratios as a person reads them."""
    return " / ".join(f"{q:.3f}" for q in np.quantile(ratios, levels))


def venue_report() -> None:
    """Print everything about the venue."""
    found = venue()
    published = found.published
    options = sum(bool(record.strike) for record in published.records)
    sizes = " and ".join(f"{len(raw):,}" for raw in found.payloads)
    print(
        f"\nVenue of {len(published.keys)} instruments, {options} of them options, {len(published.places)} atoms,"
        f" {len(published.weights):,} scenarios, pages of {sizes} bytes"
    )
    print(f"  {'one epoch, ms':<64}{1_000 * found.seconds:>11,.1f}")
    unseen, _ = Traders(published, seed=2).books(400)
    for name, books in (("live", found.live), ("unseen", unseen)):
        ratios = lower_ratios(published, books)
        line = f"L / ES of {len(books)} {name} books by lanes alone, least / 1% / 50%"
        print(f"  {line:<64}{_quantiles(ratios, (0.0, 0.01, 0.5)):>31}")
    for name, ratios in zip(("legs", "atoms in whole lots"), upper_ratios(published, unseen), strict=True):
        print(f"  {f'U / ES of unseen books by {name}, 50% / 95% / 99% / most':<64}{_quantiles(ratios):>31}")
    for share in (0.0, 0.02, _LARGE_CHANGE):
        _print_book_atoms(published, _GROSS_TICKS, "1,000,000", share)
    _print_book_atoms(published, _GROSS_TICKS / 1_000, "1,000", _LARGE_CHANGE)
    _print_makers(published)
    worst = adversary(published)
    print("  An adversary's linear programs, least requirement over ES")
    print(f"    {'initial, any certificate':<62}{worst.initial:>31.4f}")
    print(f"    {'maintenance by lanes and floors alone':<62}{worst.maintenance:>31.3f}")
    print(
        f"    {'L / ES of that book, and maintenance over ES when it is shown':<62}"
        f"{f'{worst.lower:.3f} / {worst.proven:.3f}':>31}"
    )


def _print_makers(published: Published) -> None:
    """Print what dense makers shown are charged after a large change, and how much of it no atom could save."""
    shown = book_atoms(
        published, count=_MAKERS, share=_LARGE_CHANGE, seed=4, gross_ticks=_GROSS_TICKS, families=(DENSE,)
    )
    count, levels = len(shown.upper), (0.25, 0.5, 0.75, 0.95)
    half = _CONFIDENCE * 0.5 / np.sqrt(count)
    low, high = np.quantile(shown.upper, (0.5 - half, 0.5 + half))
    print(
        f"  {count} dense makers alone, shown, after a hedged change of {_LARGE_CHANGE:.0%}: 25% / 50% / 75% / 95%"
    )
    for name, ratios in (
        (f"U / ES, its median within {low:.3f} to {high:.3f}", shown.upper),
        ("(ES before + ES of the change) / ES: no atom saves that", shown.limit),
        ("(U - ES before) / ES of the change: atoms", shown.change),
    ):
        print(f"    {name:<62}{_quantiles(ratios, levels):>31}")


def _print_book_atoms(published: Published, size: float, tokens: str, share: float) -> None:
    changed = f"after a hedged change of {share:.0%} of gross legs" if share else "unchanged"
    count = _MOST_CHANGED if share == _LARGE_CHANGE else _FEW
    shown = book_atoms(published, count=count, share=share, seed=4, gross_ticks=size)
    print(f"  Books of {tokens} tokens gross, shown, {changed}: 50% / 95% / 99% / most")
    print(
        f"    {f'U / ES of all {len(shown.family)}, least {shown.upper.min():.3f}':<62}{_quantiles(shown.upper):>31}"
    )
    if share == _LARGE_CHANGE:
        for family, name in enumerate(FAMILIES):
            mine = shown.family == family
            print(f"    {f'  {name} ({mine.sum()})':<62}{_quantiles(shown.upper[mine]):>31}")
    if share:
        print(f"    {'  if atoms said all about the change':<62}{_quantiles(shown.limit):>31}")
        for name, ratios in (("with the proof", shown.lower), ("by lanes alone", shown.lanes)):
            line = f"L / ES {name}, least / 1% / 5% / 50%"
            print(f"    {line:<62}{_quantiles(ratios, (0.0, 0.01, 0.05, 0.5)):>31}")
