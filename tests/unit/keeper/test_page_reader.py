"""Which pages a keeper reads: those in force, and those by whose marks the oracle judges the next."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.listings import linear, listed_view, price_bars, with_shifts

from seawall.keeper.listed_pages import PageReader
from seawall.page.decode import Page, decode_page
from seawall.page.layout import PAGE_PREFIX_BYTES, RECORD, pack

OLD, NEW = 1, 2  # in the upper half of a page's address


class Chain:
    """Two pages of a perpetual each, in manifests that hold all, some or none of them."""

    def __init__(self, *, current: list[int], baseline: list[int]) -> None:
        view, computed = with_shifts(listed_view([(0, [linear()]), (1, [linear()])]), price_bars(days=80))
        self.payloads = computed.payloads
        self.manifests = {False: current, True: baseline}
        self.asked: Counter[str] = Counter()
        terms = [page.instruments[0] for page in view.pages]
        self._terms = [
            pack(RECORD, {"kind": t.kind, "shift": t.shift, "generation": 1}, where="") for t in terms
        ]
        eth = SimpleNamespace(get_code=self._code)
        oracle = SimpleNamespace(call=self._load, w3=SimpleNamespace(eth=eth))
        self.reader = PageReader(SimpleNamespace(oracle=oracle, registry=SimpleNamespace(call=self._listed)))  # type: ignore[arg-type]

    def _code(self, address: str) -> bytes:
        self.asked["code"] += 1
        page = decode_page(self.payloads[int(address, 16) & 0xFF])
        return bytes(PAGE_PREFIX_BYTES) + self.payloads[page.head.page_id]

    def _load(self, _: str, packed: int, count: int, baseline: bool) -> list[int]:
        kinds = self.manifests[baseline]
        assert packed == 0x0100
        return [bool(kinds), *(kind and kind << 8 | page for page, kind in enumerate(kinds or [0] * count))]

    def _listed(self, name: str, *given: int) -> Any:
        self.asked[name] += 1
        answers = {"pageCount": lambda: 2, "pageInfo": lambda page: (page, 1, bytes(32)), "terms": self._term}
        return answers[name](*given)

    def _term(self, page: int, _: int) -> int:
        return self._terms[page]

    def read(self) -> list[tuple[Page | None, Page | None]]:
        return [(page.current, page.compared) for page in self.reader.read()]


@pytest.mark.parametrize(
    ("current", "baseline", "kept"),
    [
        ([], [], [(0, 0), (0, 0)]),
        ([NEW, NEW], [], [(1, 1), (1, 1)]),  # without a baseline it is the manifest in force
        ([NEW, NEW], [OLD, OLD], [(1, 1), (1, 1)]),
        ([NEW, NEW], [OLD, 0], [(1, 1), (1, 0)]),  # listed after the baseline: no mark to be held to
    ],
)
def test_a_page_is_compared_with_the_baselines_or_else_with_the_one_in_force(
    current: list[int], baseline: list[int], kept: list[tuple[int, int]]
) -> None:
    chain = Chain(current=current, baseline=baseline)
    assert [(int(a is not None), int(b is not None)) for a, b in chain.read()] == kept
    places = {(kind, page) for kinds in (current, baseline) for page, kind in enumerate(kinds) if kind}
    assert chain.asked["code"] == len(places)
    for one, other in chain.read():
        assert (one is other) is (one is None or not any(baseline))


def test_what_does_not_change_is_fetched_once_and_what_is_gone_is_forgotten() -> None:
    chain = Chain(current=[NEW, NEW], baseline=[OLD, OLD])
    first = chain.read()
    assert chain.read() == first
    assert (chain.asked["code"], chain.asked["terms"]) == (4, 2)
    chain.manifests = {False: [NEW, NEW], True: [NEW, NEW]}
    chain.read()
    assert chain.asked["code"] == 4
    chain.manifests = {False: [OLD, OLD], True: [NEW, NEW]}
    chain.read()
    assert chain.asked["code"] == 6
