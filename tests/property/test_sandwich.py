"""L <= ES <= U at scale: random books on pages from the keeper's own pipeline, in the compiled contract.

Random prices, surfaces, scenarios, listings and bounds make a page set; on each the contract judges thousands of books
with and without certificates. Every answer is compared to the integer reference to the wei, and to bounds that numpy
computes in integers and holds against the tail risk in the very scenarios the pages were made from.

`SIZES` says how many page sets and books an example profile takes: 100 sets of 10,000 books each in an audit.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

import numpy as np
import pytest
from rich.console import Console
from tests.differential.test_engine_margin import assert_same
from tests.support.engine_world import ACCOUNT, EngineWorld, Scene
from tests.support.page_sets import random_published
from tests.support.published import Published
from tests.support.sandwich import (
    FIRST,
    GROUP,
    MERGED,
    SECOND,
    TWICE,
    Sample,
    only_tail_risk,
    with_factors,
)

from seawall.reference import Certificate, ManifestState, Margin, Price, assess
from seawall.reference.book import account_word
from seawall.reference.engine import DUST_REQUIREMENT

# profile: page sets, groups of four books on each
SIZES = {"dev": (2, 6), "mutants": (2, 6), "ci": (4, 13), "audit": (100, 2_500)}
PROFILE = os.environ.get("SEAWALL_HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev")
SETS, GROUPS = SIZES[PROFILE]

Told = Callable[[int], None]


@pytest.fixture(scope="module")
def told(request: pytest.FixtureRequest) -> Told:
    """Return what tells how far an audit has come, a line a page set; nothing is said otherwise."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    total, started, done = SETS * GROUPS * GROUP, time.monotonic(), 0

    def tell(books: int) -> None:
        nonlocal done
        done += books
        if PROFILE != "audit":
            return
        minutes = (time.monotonic() - started) / 60
        with capture.global_and_fixture_disabled():
            Console(file=sys.__stderr__).print(
                f"sandwich: {done:,} of {total:,} books, {minutes:.1f} min,"
                f" about {minutes * (total - done) / done:.0f} to go"
            )

    return tell


@pytest.fixture(scope="module", params=range(SETS))
def sample(request: pytest.FixtureRequest) -> Sample:
    """Return the books of one page set."""
    seed = int(request.param)
    return Sample.draw(random_published(seed), groups=GROUPS, seed=seed)


def test_INV_06_INV_09_tail_risk_lies_between_the_bounds_whatever_the_certificate(sample: Sample) -> None:
    """The only slack is what double precision may err by in the tail risk itself."""
    lower, upper = sample.bounds
    exact, noise = np.maximum(sample.exact, 0.0), sample.noise
    assert (lower <= exact + noise).all()
    assert (exact <= upper + noise).all()


def test_INV_08_a_book_twice_as_large_needs_exactly_twice_the_margin(sample: Sample) -> None:
    """L deducts half a unit a lot, rounded up to a tick: so twice an odd number of units saves one tick, once."""
    lower, upper = sample.bounds
    alone = sample.shown[FIRST::GROUP] < 0
    assert (upper[TWICE::GROUP] == 2 * upper[FIRST::GROUP])[alone].all()
    once, twice = lower[FIRST::GROUP][alone], lower[TWICE::GROUP][alone]
    odd = (np.abs(sample.lots[FIRST::GROUP][alone]) @ sample.published.units) % 2
    assert (twice - 2 * once == np.where(twice > 0, odd * sample.tick, 0)).all()


def test_INV_08_merging_accounts_raises_neither_bound(sample: Sample) -> None:
    """U with the certificates together. L by lanes, but for the half units deducted from lots that net, rounded."""
    lower, upper = sample.bounds
    first, second, merged = (upper[place::GROUP] for place in (FIRST, SECOND, MERGED))
    assert (merged <= first + second)[sample.whole[MERGED::GROUP]].all()
    halves = [
        -(-(np.abs(sample.lots[place::GROUP]) @ sample.published.units) // 2)
        for place in (FIRST, SECOND, MERGED)
    ]
    given_back = sample.tick * (halves[0] + halves[1] - halves[2])
    alone = sample.shown[FIRST::GROUP] < 0
    first, second, merged = (lower[place::GROUP] for place in (FIRST, SECOND, MERGED))
    assert (merged <= first + second + given_back)[alone].all()


def test_INV_10_INV_06_the_contract_says_the_same_to_the_wei(sample: Sample, told: Told) -> None:
    """Under the current manifest the requirements are U and L alone; under the baseline floors and charges count."""
    published, rng = sample.published, np.random.default_rng(np.abs(sample.lots[0]))
    world = _Staged(published, sample, rng)
    for row in range(len(sample.lots)):
        world.check(row, sample.certificate(row))
        if row % GROUP == FIRST:
            world.check_baseline(row)
    told(len(sample.lots))


class _Staged:
    """An engine with one page set: bare under the current manifest, with floors and charges under the baseline."""

    def __init__(self, published: Published, sample: Sample, rng: np.random.Generator) -> None:
        self.sample, self.world = sample, EngineWorld()
        as_of = published.pages[0].head.as_of
        self.now = as_of + 30
        pages = published.pages.items()
        self.current, self.baseline = (
            ManifestState(
                as_of=as_of,
                activated_at=self.now - 20,
                mature=False,
                pages={i: change(page) for i, page in pages},
                epoch=7,
                book_root=sample.tree.root,
            )
            for change in (only_tail_risk, with_factors)
        )
        self.prices = {
            page.head.underlying: Price(
                ticks=round(page.head.reference_spot * rng.uniform(0.96, 1.04)),
                observed_at=self.now - 5,
                fresh_since=self.now - 9_000,
            )
            for page in published.pages.values()
        }
        self.cash = int(rng.integers(-(10**15), 10**15))
        scene = Scene(
            book=sample.book(0),
            cash=self.cash,
            current=self.current,
            baseline=self.baseline,
            prices=self.prices,
            now=self.now,
        )
        self.world.stage(scene)

    def check(self, row: int, certificate: Certificate) -> None:
        """Hold the contract's answer to the reference's and to numpy's."""
        book, harness = self.sample.book(row), self.world.harness
        harness.setAccount(ACCOUNT, account_word(book, cash=self.cash))
        for page in book.pages:
            harness.setBook(ACCOUNT, page, book.position_words(page))
        found = self.world.assess(certificate=certificate)
        assert_same(found, self.expected(self.current, row, certificate))
        lower, upper = (int(bound[row]) for bound in self.sample.bounds)
        assert found.maintenance == lower
        assert found.initial == (max(upper, lower, DUST_REQUIREMENT) if book else 0)
        if certificate == Certificate():
            gross = self.sample.tick * int(self.sample.published.gross(self.sample.lots[row][None])[0])
            assert upper == gross

    def check_baseline(self, row: int) -> None:
        """Hold the answer without a certificate to the reference's; the account's word and book stand from `check`."""
        found = self.world.assess(baseline=True)
        assert_same(found, self.expected(self.baseline, row, Certificate()))
        assert found.maintenance <= found.initial

    def expected(self, manifest: ManifestState, row: int, certificate: Certificate) -> Margin:
        return assess(
            self.sample.book(row),
            cash=self.cash,
            manifest=manifest,
            prices=self.prices,
            now=self.now,
            open_interest={},
            certificate=certificate,
        )
