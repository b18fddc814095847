"""Hedges selected before: their file, what is left of them after relisting, and pages and signatures with them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.support.listings import (
    AS_OF,
    QUICK,
    chain_terms,
    linear,
    listed_view,
    option,
    price_bars,
    with_shifts,
)

from seawall import cli
from seawall.arrays import Floats
from seawall.config import load_config
from seawall.errors import ConfigError, ConsistencyError, DataError
from seawall.keeper import hedges as hedges_module
from seawall.keeper import observing, selecting
from seawall.keeper import service as service_module
from seawall.keeper.check import check_proposal
from seawall.keeper.compute import Computed, Proposal, compute, propose
from seawall.keeper.hedges import HedgeFile, HedgeLeg, SelectedHedges, most_hedges, use_hedges
from seawall.keeper.listed_pages import InstrumentTerms
from seawall.keeper.observing import with_hedges
from seawall.keeper.selecting import select_listed
from seawall.keeper.view import ChainView
from seawall.margin.instruments import Chain
from seawall.margin.settings import AtomSettings
from seawall.page.decode import Page, decode_page, pack_page
from seawall.page.layout import MAX_PAGE_BYTES, Kind
from seawall.page.manifest import init_code_hash

PER_INSTRUMENT = 4
ATOMS = AtomSettings(
    selection_books=4, tried_books=24, entering_rounds=2, exchange_rounds=2, per_instrument=PER_INSTRUMENT
)
SETTINGS = replace(QUICK, model=replace(QUICK.model, atoms=ATOMS))
TERMS = chain_terms(days=(7, 30), strikes=(0.9, 1.0, 1.1))
BARS = price_bars(days=120)
RELISTED, EXPIRED = 5, 6  # slots of page 0

Venue = tuple[ChainView, Computed]


@pytest.fixture(scope="module")
def venue() -> Venue:
    return with_shifts(listed_view([(0, TERMS), (1, [linear()])]), BARS, settings=SETTINGS)


@pytest.fixture(scope="module")
def selected(venue: Venue) -> SelectedHedges:
    return select_listed(*venue, settings=SETTINGS, live=4, people=20)


def file_of(path: Path, venue: Venue) -> HedgeFile:
    return HedgeFile(path, chain_id=venue[0].chain_id, oracle=venue[0].oracle)


def computed_with(venue: Venue, selected: SelectedHedges | None) -> Computed:
    return compute(venue[0], BARS, settings=SETTINGS, hedges=selected)


def only(selected: SelectedHedges, hedges: Sequence[tuple[HedgeLeg, ...]]) -> SelectedHedges:
    return replace(selected, hedges=tuple(hedges))


def slots_of(hedge: tuple[HedgeLeg, ...]) -> set[tuple[int, int]]:
    return {leg[:2] for leg in hedge}


def posted(computed: Computed) -> list[frozenset[HedgeLeg]]:
    """Return the atoms of all pages as a selection names them."""
    pages = [decode_page(payload) for payload in computed.payloads]
    found = []
    for page in pages:
        for atom in page.atoms:
            homes = [page.head.page_id if leg.page is None else leg.page for leg in atom.legs]
            found.append(
                frozenset(
                    (home, leg.slot, pages[home].records[leg.slot].generation, leg.ratio)
                    for home, leg in zip(homes, atom.legs, strict=True)
                )
            )
    return found


def relisted(view: ChainView, changes: dict[int, InstrumentTerms]) -> ChainView:
    """Return a view with other terms in some slots of page 0."""
    terms = [changes.get(slot, terms) for slot, terms in enumerate(view.pages[0].instruments)]
    return replace(view, pages=(replace(view.pages[0], instruments=tuple(terms)), *view.pages[1:]))


def content(selected: SelectedHedges, **changes: Any) -> dict[str, Any]:
    given = {
        "version": 1,
        "chainId": selected.chain_id,
        "oracle": selected.oracle,
        "asOf": selected.as_of,
        "hedges": [[list(leg) for leg in hedge] for hedge in selected.hedges[:3]],
    }
    return given | changes


# The file


def test_what_is_written_is_read(venue: Venue, selected: SelectedHedges, tmp_path: Path) -> None:
    path = tmp_path / "folder" / "hedges.json"
    file = file_of(path, venue)
    assert file.read() is None
    file.prepare()
    assert file.read() is None
    for given in (selected, only(selected, [])):
        file.write(given)
        assert file.read() == given
        assert [found.name for found in path.parent.iterdir()] == ["hedges.json"]
    assert json.loads(path.read_text())["oracle"] == venue[0].oracle


@pytest.mark.parametrize("other", [{"chainId": 5}, {"oracle": "0x" + "22" * 20}])
def test_another_chains_file_is_refused(
    venue: Venue, selected: SelectedHedges, tmp_path: Path, other: dict[str, Any]
) -> None:
    path = tmp_path / "hedges.json"
    path.write_text(json.dumps(content(selected, **other)))
    with pytest.raises(
        DataError, match=r"hedges\.json is for oracle .* on chain .* Fix: correct keeper\.hedges"
    ):
        file_of(path, venue).read()


LEG, OTHER = [0, 1, 1, 2], [0, 2, 1, -1]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"version": 2}, "version 2"),
        ({"chainId": True}, "chainId must be"),
        ({"oracle": None}, "oracle must be"),
        ({"asOf": -1}, "asOf must be"),
        ({"hedges": {}}, "hedges a list"),
        ({"hedges": [[LEG]]}, "hedge 0 must have 2 to 3 legs"),
        (
            {"hedges": [[LEG, OTHER], [LEG, OTHER, [0, 3, 1, 1], [0, 4, 1, 1]]]},
            "hedge 1 must have 2 to 3 legs",
        ),
        ({"hedges": [[LEG, [0, 1, 2, 1]]]}, "names a slot twice"),
        ({"hedges": [[LEG, [0, 2, 1]]]}, "page, slot, generation, lots"),
        ({"hedges": [[LEG, [0, 2, 1, 0]]]}, "are 0"),
        ({"hedges": [[LEG, [0, 2, 1, 1.5]]]}, "lots of hedge 0 must be a whole number"),
        ({"hedges": [[LEG, [0, 2, 1, 40_000]]]}, "lots of hedge 0 must be"),
        ({"hedges": [[LEG, [0, -2, 1, 1]]]}, "slot of hedge 0 must be"),
        ({"hedges": [[LEG, [256, 2, 1, 1]]]}, "page of hedge 0 must be"),
        ({"hedges": [[LEG, [0, 2, "1", 1]]]}, "generation of hedge 0 must be"),
    ],
)
def test_a_malformed_file_is_refused_and_the_place_named(
    venue: Venue, selected: SelectedHedges, tmp_path: Path, change: dict[str, Any], complaint: str
) -> None:
    path = tmp_path / "hedges.json"
    path.write_text(json.dumps(content(selected, **change)))
    with pytest.raises(DataError, match=rf"hedges\.json holds no hedges \(.*{complaint}.*Fix: run"):
        file_of(path, venue).read()


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"{}", b"\xff\xfe", b"[" * 100_000],
    ids=["empty", "torn", "list", "no fields", "no text", "deep"],
)
def test_what_is_no_json_is_refused(venue: Venue, tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "hedges.json"
    path.write_bytes(text)
    with pytest.raises(DataError, match="holds no hedges"):
        file_of(path, venue).read()


def test_a_file_that_is_too_large_or_none_is_refused(
    venue: Venue, selected: SelectedHedges, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = file_of(tmp_path / "hedges.json", venue)
    file.write(selected)
    size = (tmp_path / "hedges.json").stat().st_size
    monkeypatch.setattr(hedges_module, "MAX_HEDGE_BYTES", size)
    assert file.read() == selected
    monkeypatch.setattr(hedges_module, "MAX_HEDGE_BYTES", size - 1)
    with pytest.raises(DataError, match=r"has more than .* bytes\. Fix"):
        file.read()
    with pytest.raises(DataError, match="keep fewer"):
        file.write(selected)
    with pytest.raises(DataError, match="cannot read"):
        file_of(tmp_path, venue).read()


def test_a_place_that_cannot_be_written_is_found_before_anything_is_computed(
    venue: Venue, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot write .* Fix: correct keeper\.hedges"):
        file_of(tmp_path / "file" / "hedges.json", venue).prepare()


# What is left of it


def test_a_selection_names_what_is_listed_each_hedge_once(venue: Venue, selected: SelectedHedges) -> None:
    listed = set(venue[0].columns)
    assert len(set(selected.hedges)) == len(selected.hedges) > 20
    assert all(leg[:3] in listed for hedge in selected.hedges for leg in hedge)
    few = replace(SETTINGS, model=replace(SETTINGS.model, atoms=replace(ATOMS, per_instrument=1)))
    most = most_hedges(venue[0], per_instrument=1)
    fewer = select_listed(*venue, settings=few, live=4, people=20)
    assert fewer.hedges == selected.hedges[:most]
    assert len(fewer.hedges) < len(selected.hedges)


def test_hedges_are_tried_on_straddles_of_what_is_listed(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The books are those of a chain: every twelfth holds a call and a put of one expiry, hedged or not."""
    tried: list[Floats] = []

    def noted(*given: Any, **_: Any) -> list[Any]:
        tried.append(given[5])
        return []

    monkeypatch.setattr(selecting, "select_hedges", noted)
    select_listed(*venue, settings=SETTINGS, live=0, people=60)
    chain = Chain.of(venue[1].listing.dated)
    for book in tried[0][11::12, len(venue[0].underlyings) :]:
        call, put = np.flatnonzero(book)
        assert chain.hours[call] == chain.hours[put]
        assert {chain.is_call[call], chain.is_call[put]} == {True, False}


def test_all_of_it_stands_while_nothing_is_relisted(venue: Venue, selected: SelectedHedges) -> None:
    view, computed = venue
    use = use_hedges(selected, view, computed.listing, most=1_000)
    assert (len(use.hedges), use.dropped, use.as_of) == (len(selected.hedges), 0, AS_OF)
    named = {place for hedge in selected.hedges for place in slots_of(hedge)}
    assert use.uncovered == sum((0, slot) not in named for slot in range(1, len(TERMS)))
    for hedge, legs in zip(selected.hedges, use.hedges, strict=True):
        places = {computed.listing.places[column]: lots for column, lots in legs}
        assert places == {leg[:2]: leg[3] for leg in hedge}
    assert use_hedges(selected, view, computed.listing, most=5).hedges == use.hedges[:5]


def test_hedges_of_what_was_relisted_or_has_expired_are_dropped_and_the_others_stay(
    venue: Venue, selected: SelectedHedges
) -> None:
    old = venue[0].pages[0].instruments
    view = relisted(
        venue[0],
        {RELISTED: replace(old[RELISTED], generation=2), EXPIRED: option(Kind.PUT, 1.0, -1)},
    )
    computed = compute(view, BARS, settings=SETTINGS, hedges=selected)
    gone = [hedge for hedge in selected.hedges if slots_of(hedge) & {(0, RELISTED), (0, EXPIRED)}]
    assert gone
    assert computed.hedges is not None
    assert computed.hedges.dropped == len(gone)
    assert len(computed.hedges.hedges) == len(selected.hedges) - len(gone)
    assert computed.hedges.uncovered >= 1
    assert set(posted(computed)) & {frozenset(hedge) for hedge in selected.hedges}
    used = {leg[:2] for atom in posted(computed) for leg in atom}
    assert not used & {(0, RELISTED), (0, EXPIRED)}


def test_legs_on_two_instruments_of_one_risk_are_no_hedge(venue: Venue, selected: SelectedHedges) -> None:
    view = listed_view([(0, [*TERMS, linear()]), (1, [linear()])])
    found = compute(view, BARS, settings=SETTINGS)
    both = only(selected, [((0, 0, 1, 2), (0, len(TERMS), 1, -1)), ((0, 0, 1, 1), (0, 2, 1, -2))])
    use = use_hedges(both, view, found.listing, most=10)
    assert (len(use.hedges), use.dropped) == (1, 1)


# Pages


def test_pages_carry_the_selection_in_its_order_as_far_as_there_is_room(
    venue: Venue, selected: SelectedHedges
) -> None:
    computed = computed_with(venue, selected)
    found, known = posted(computed), [frozenset(hedge) for hedge in selected.hedges]
    assert found
    assert set(found) <= set(known)
    pages = [decode_page(payload) for payload in computed.payloads]
    assert len(selected.hedges) > PER_INSTRUMENT * len(TERMS)
    assert len(pages[0].atoms) == PER_INSTRUMENT * len(TERMS)
    assert all(len(page.atoms) <= PER_INSTRUMENT * len(page.records) for page in pages)
    assert all(len(payload) <= MAX_PAGE_BYTES for payload in computed.payloads)
    first = [known.index(atom) for atom in posted(computed)[: len(pages[0].atoms)]]
    assert first == sorted(first)
    assert set(found) != set(posted(computed_with(venue, None)))


def test_bytes_limit_the_atoms_of_a_page_before_the_setting_does(
    venue: Venue, selected: SelectedHedges
) -> None:
    many = replace(SETTINGS, model=replace(SETTINGS.model, atoms=replace(ATOMS, per_instrument=1_000)))
    more = only(
        selected,
        [
            tuple((page, slot, generation, k * lots) for page, slot, generation, lots in hedge)
            for k in range(1, 40)
            for hedge in selected.hedges
            if max(abs(leg[3]) for leg in hedge) < 800
        ],
    )
    computed = compute(venue[0], BARS, settings=many, hedges=more)
    sizes = [len(payload) for payload in computed.payloads]
    assert max(sizes) <= MAX_PAGE_BYTES < max(sizes) + 32


def test_without_a_selection_or_with_none_that_stands_pages_and_manifest_are_as_ever(
    venue: Venue, selected: SelectedHedges
) -> None:
    gone = only(selected, [((0, 1, 9, 1), (0, 2, 9, -1))])
    plain, none_left = venue[1], computed_with(venue, gone)
    assert none_left.payloads == plain.payloads
    assert none_left.hedges is not None
    assert none_left.hedges.dropped == 1
    manifests = [
        propose(venue[0], computed, BARS, epoch=1, settings=SETTINGS).manifest
        for computed in (plain, none_left, computed_with(venue, selected))
    ]
    assert manifests[0] == manifests[1]
    assert manifests[2].inputs_hash != manifests[0].inputs_hash


# Keepers


def test_a_file_that_fails_never_stops_an_epoch(
    venue: Venue, selected: SelectedHedges, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(
        observing._log, "warning", lambda _, **fields: said.append(fields.get("reason", "dropped"))
    )
    monkeypatch.setattr(observing._log, "info", lambda *_, **fields: said.append(str(fields["used"])))
    run = partial(compute, venue[0], BARS, settings=SETTINGS)

    def broken() -> SelectedHedges:
        raise DataError("hedges.json is broken")

    plain = only(selected, [((0, 0, 1, 1), (0, 1, 1, -1))])
    for source, reason in (
        (None, None),
        (lambda: None, None),
        (broken, "hedges.json is broken"),
        (lambda: only(selected, []), "dropped"),
    ):
        assert with_hedges(run, source).payloads == venue[1].payloads
        assert said == ([] if reason is None else [reason])
        said.clear()
    assert with_hedges(run, lambda: plain).payloads != venue[1].payloads
    assert said == ["1"]


def test_numbers_that_fail_with_a_selection_are_computed_without_it_and_other_errors_stay(
    venue: Venue, selected: SelectedHedges
) -> None:
    def run(hedges: SelectedHedges | None = None) -> Computed:
        if hedges is not None:
            raise DataError("an atom does not fit the page")
        return venue[1]

    assert with_hedges(run, lambda: selected) is venue[1]
    late = partial(compute, venue[0], BARS.until(0), settings=SETTINGS)
    with pytest.raises(DataError, match="no bars"):
        with_hedges(late, lambda: selected)


def as_posted(venue: Venue, own: Computed) -> Proposal:
    return propose(venue[0], own, BARS, epoch=1, settings=SETTINGS)


def certified_at(proposal: Proposal, shortfall: float) -> Proposal:
    """Return a proposal with the riskiest atom of page 0 certified at a part of its tail risk."""
    page: Page = decode_page(proposal.payloads[0])
    worst = max(range(len(page.atoms)), key=lambda i: page.atoms[i].shortfall)
    atom = page.atoms[worst]
    low = replace(atom, shortfall_scaled=int(atom.shortfall_scaled * shortfall))
    page = replace(page, atoms=(*page.atoms[:worst], low, *page.atoms[worst + 1 :]))
    payloads = (pack_page(page), *proposal.payloads[1:])
    manifest = replace(proposal.manifest, pages=tuple(init_code_hash(p) for p in payloads))
    return replace(proposal, manifest=manifest, payloads=payloads)


def test_keepers_of_different_selections_sign_each_others_pages(
    venue: Venue, selected: SelectedHedges
) -> None:
    halves = [only(selected, selected.hedges[0::2]), only(selected, selected.hedges[1::2]), None]
    numbers = [computed_with(venue, half) for half in halves]
    assert not set(posted(numbers[0])) & set(posted(numbers[1]))
    for leader in numbers:
        for follower in numbers:
            check_proposal(as_posted(venue, leader), follower, venue[0], settings=SETTINGS)


@pytest.mark.parametrize("kept", [0, 1])
def test_an_atom_is_held_to_the_followers_own_tail_risk_of_its_legs_whatever_it_selected_itself(
    venue: Venue, selected: SelectedHedges, kept: int
) -> None:
    leader = computed_with(venue, only(selected, selected.hedges[0::2]))
    follower = computed_with(venue, only(selected, selected.hedges[kept::2]))
    with pytest.raises(ConsistencyError, match=r"atom \d+ is certified at"):
        check_proposal(certified_at(as_posted(venue, leader), 0.5), follower, venue[0], settings=SETTINGS)


# Commands


@pytest.fixture
def chain(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for a node that serves the venue."""
    oracle = SimpleNamespace(
        address=venue[0].oracle, w3=SimpleNamespace(eth=SimpleNamespace(chain_id=venue[0].chain_id))
    )
    session = SimpleNamespace(system=lambda: SimpleNamespace(oracle=oracle))
    reader = SimpleNamespace(chain_id=venue[0].chain_id, read=lambda: venue[0])
    monkeypatch.setattr("seawall.cli.session.open_session", lambda _: session)
    monkeypatch.setattr(service_module, "open_session", lambda _: session)
    for module in (service_module, observing):
        monkeypatch.setattr(module, "ChainReader", lambda _: reader)
        monkeypatch.setattr(module, "keeper_settings", lambda _: SETTINGS)
    monkeypatch.setattr(observing, "bars_until", lambda *_: BARS)
    monkeypatch.setattr(selecting, "select_listed", partial(select_listed, live=4, people=20))


def test_the_command_writes_a_file_that_a_dry_run_uses(
    chain: None, venue: Venue, selected: SelectedHedges, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "seawall.yaml"
    config.write_text("keeper: {hedges: hedges.json}")
    assert cli.main(["keeper", "hedges", "--config", str(config), "--json"]) == 0
    said = capsys.readouterr()
    shown = json.loads(said.out)
    assert shown["hedges"] == len(selected.hedges)
    assert "books tried" in said.err
    assert file_of(tmp_path / "hedges.json", venue).read() == selected
    assert cli.main(["keeper", "once", "--dry-run", "--config", str(config), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["selected hedges"].startswith(
        f"{len(selected.hedges)} used, 0 dropped"
    )


def test_a_bad_file_ends_a_keeper_at_its_start_with_one_clear_line(
    chain: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "hedges.json").write_text("{}")
    config = tmp_path / "seawall.yaml"
    config.write_text("keeper: {hedges: hedges.json}")
    assert cli.main(["keeper", "once", "--dry-run", "--config", str(config)]) == cli.EXIT_USAGE
    assert "hedges.json holds no hedges" in capsys.readouterr().err
    (tmp_path / "hedges.json").unlink()
    assert cli.main(["keeper", "once", "--dry-run", "--config", str(config), "--json"]) == 0
    assert "selected hedges" not in json.loads(capsys.readouterr().out)


def test_where_nothing_can_be_hedged_the_command_says_so_and_leaves_the_file_alone(
    chain: None,
    selected: SelectedHedges,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(selecting, "select_listed", lambda *_, **__: only(selected, []))
    config = tmp_path / "seawall.yaml"
    config.write_text("keeper: {hedges: hedges.json}")
    assert cli.main(["keeper", "hedges", "--config", str(config)]) == cli.EXIT_USAGE
    assert "nothing was written" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["seawall.yaml"]


def test_perpetuals_alone_of_which_nobody_holds_any_have_no_hedges() -> None:
    view = listed_view([(0, [linear()]), (1, [linear()])])
    found = select_listed(view, compute(view, BARS, settings=SETTINGS), settings=SETTINGS)
    assert found.hedges == ()


def test_the_command_needs_the_setting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "seawall.yaml"
    config.write_text("keeper: {}")
    assert load_config(config).keeper.hedges is None
    assert cli.main(["keeper", "hedges", "--config", str(config)]) == cli.EXIT_USAGE
    assert "Fix: set keeper.hedges" in capsys.readouterr().err
