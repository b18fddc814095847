"""Requests for baskets: what is refused and why, which ones an epoch takes, and the folder they lie in."""

from __future__ import annotations

import json
import os
import random
from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import pytest
from eth_account import Account
from hypothesis import given
from tests.support.listings import AS_OF, chain_terms, linear, listed_view

from seawall.errors import ConfigError, ConsistencyError, InputError, RetryLater
from seawall.keeper import requests
from seawall.keeper.baskets import (
    FREE,
    BasketRequest,
    BasketRules,
    basket_books,
    check_baskets,
    choose_baskets,
    request_domain,
    screen,
)
from seawall.keeper.requests import MAX_REQUEST_BYTES, RequestFolder, request_fields, request_of
from seawall.page.typed_data import sign
from seawall.reference import Book

TERMS = chain_terms(days=(7, 30), strikes=(0.9, 1.0, 1.1))
COARSE = len(TERMS)  # slot of an instrument of which few lots may be held
VIEW = listed_view([(0, [*TERMS, replace(linear(), shift=13)]), (1, [linear()])])
RULES = BasketRules(per_epoch=5, per_account=2, life_s=3_600)
END = AS_OF + 600
OWNERS = [Account.from_key(bytes([i]) * 32) for i in range(1, 4)]
ORACLE = "0x" + "11" * 20
DOMAIN = request_domain(chain_id=VIEW.chain_id, oracle=ORACLE)


def account_of(owner: int) -> bytes:
    return bytes.fromhex(OWNERS[owner].address[2:]) + bytes(12)


KNOWN = replace(VIEW, accounts=(account_of(0), account_of(1)))


def free(lots: int = 5, *, slot: int = 0, ends: int = END) -> BasketRequest:
    return BasketRequest(positions=((0, slot, 1, lots),), expires_at=ends)


def signed(owner: int, lots: int, *, by: int | None = None) -> BasketRequest:
    request = BasketRequest(account=account_of(owner), positions=((0, 0, 1, lots),), expires_at=END)
    key = bytes(OWNERS[owner if by is None else by].key)
    return replace(request, signature=sign(request.digest(DOMAIN), key))


def chosen(found: list[BasketRequest], *, epoch: int = 7) -> list[BasketRequest]:
    return list(choose_baskets(found, KNOWN, epoch=epoch, time_s=AS_OF, rules=RULES).requests)


@given(
    lots=st.dictionaries(
        st.tuples(st.integers(0, 4), st.integers(0, 255), st.integers(0, 16_383)),
        st.integers(-(2**28) + 1, 2**28 - 1).filter(bool),
        min_size=1,
        max_size=40,
    )
)
def test_a_baskets_words_are_those_of_the_book_that_holds_it(
    lots: dict[tuple[int, int, int], int],
) -> None:
    request = BasketRequest(positions=tuple((*key, q) for key, q in lots.items()), expires_at=END)
    held = {(page, p.slot, p.generation): p.lots for page, p in Book.from_words(request.words)}
    assert held == lots
    assert request_of(json.loads(json.dumps(request_fields(request)))) == request


@pytest.mark.parametrize(
    ("positions", "says"),
    [
        ((), "0 positions"),
        (tuple((0, i, 1, 1) for i in range(129)), "129 positions"),
        (((0, 0, 1, 0),), "no lots"),
        (((0, 0, 1, 1), (0, 0, 1, 2)), "twice"),
        (((256, 0, 1, 1),), "no page 256"),
        (((0, -1, 1, 1),), "slot -1"),
        (((0, 0, 1 << 14, 1),), "generation 16384"),
        (((0, 0, 1, 1 << 28),), "LotsOutOfRange"),
        (tuple((i, 0, 1, 1) for i in range(7)), "TooManyPages"),
    ],
)
def test_what_no_account_could_hold_is_no_request(positions: tuple[tuple[int, ...], ...], says: str) -> None:
    with pytest.raises(InputError, match=says):
        BasketRequest(positions=positions, expires_at=END)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (free(slot=99), "slot 99 generation 1 is not listed"),
        (BasketRequest(positions=((0, 0, 2, 1),), expires_at=END), "generation 2 is not listed"),
        (free(1 << 26, slot=COARSE), "more than may be held"),
        (free(ends=AS_OF), "ended"),
        (free(ends=AS_OF + RULES.life_s + 1), "at most 3600 s"),
    ],
)
def test_what_cannot_be_certified_is_refused_with_the_reason(request_: BasketRequest, says: str) -> None:
    with pytest.raises(InputError, match=says):
        screen(request_, VIEW.pages, time_s=AS_OF, rules=RULES)
    found = choose_baskets([request_, free()], VIEW, epoch=1, time_s=AS_OF, rules=RULES)
    assert found.requests == (free(),)
    assert says.split()[0] in found.refused[request_.key]
    with pytest.raises(ConsistencyError, match=says):
        check_baskets([free(), request_], VIEW.pages, time_s=AS_OF, rules=RULES)


def test_what_has_expired_is_refused() -> None:
    with pytest.raises(InputError, match="has expired"):
        screen(free(slot=2, ends=AS_OF + 8 * 86_400 + 9), VIEW.pages, time_s=AS_OF + 8 * 86_400, rules=RULES)


@given(order=st.randoms(use_true_random=False), epoch=st.integers(1, 10**6))
def test_keepers_that_see_the_same_requests_choose_the_same_in_the_same_order(
    order: random.Random, epoch: int
) -> None:
    found = [free(i) for i in range(1, 9)]
    shuffled = list(found)
    order.shuffle(shuffled)
    first, second = chosen(found, epoch=epoch), chosen([*shuffled, *shuffled[:2]], epoch=epoch)
    assert first == second
    assert len(first) == RULES.per_epoch


def test_no_request_is_always_the_last() -> None:
    found = [free(i) for i in range(1, 11)]
    taken = [request for epoch in range(30) for request in chosen(found, epoch=epoch)]
    assert {request.positions[0][3] for request in taken} == set(range(1, 11))


def test_owners_of_accounts_come_before_a_flood_and_share_what_there_is() -> None:
    flood = [free(i) for i in range(1, 60)]
    forged = [signed(1, 100 + i, by=2) for i in range(20)]  # somebody else's account
    unknown = [signed(2, 200 + i) for i in range(20)]  # an account without a deposit
    greedy = [signed(0, 300 + i) for i in range(9)]
    found = chosen([*flood, *forged, *unknown, *greedy, signed(1, 1)])
    assert [request.account for request in found[:2]] in (
        [account_of(0), account_of(1)],
        [account_of(1), account_of(0)],
    )
    assert sum(request in greedy for request in found) == RULES.per_account
    assert len(found) == RULES.per_epoch


def test_every_request_is_taken_or_refused_with_a_reason() -> None:
    found = [free(i) for i in range(1, 20)] + [signed(0, i) for i in range(1, 9)]
    result = choose_baskets(found, KNOWN, epoch=3, time_s=AS_OF, rules=RULES)
    assert {request.key for request in result.requests} | set(result.refused) == {r.key for r in found}
    assert {reason.split(".")[0] for reason in result.refused.values()} == {
        "basket: epoch 3 is full with 5",
        "basket: the account asked for more than 2",
    }


def test_a_signature_is_for_one_basket_of_one_deployment_until_one_time() -> None:
    request = signed(0, 5)
    assert request.owner_signed(DOMAIN)
    assert not request.owner_signed(request_domain(chain_id=2, oracle=ORACLE))
    for change in ({"expires_at": END + 1}, {"positions": ((0, 0, 1, 6),)}, {"account": account_of(1)}):
        assert not replace(request, **change).owner_signed(DOMAIN)
    assert not replace(request, account=FREE).owner_signed(DOMAIN)
    assert not replace(request, signature=b"\0" * 64).owner_signed(DOMAIN)


def test_a_proposal_takes_no_more_than_the_rules_allow() -> None:
    check_baskets([free(i) for i in range(1, 6)], VIEW.pages, time_s=AS_OF, rules=RULES)
    with pytest.raises(ConsistencyError, match="6 baskets"):
        check_baskets([free(i) for i in range(1, 7)], VIEW.pages, time_s=AS_OF, rules=RULES)
    with pytest.raises(ConsistencyError, match="twice"):
        check_baskets([free(), free()], VIEW.pages, time_s=AS_OF, rules=RULES)


def test_a_basket_is_kept_under_its_requests_key() -> None:
    (book,) = basket_books([free()])
    assert (book.account, book.words) == (free().key, free().words)


@pytest.mark.parametrize("wrong", [{"per_epoch": -1}, {"per_account": 0}, {"life_s": 0}])
def test_rules_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        BasketRules(**wrong)


# the folder


@pytest.fixture
def folder(tmp_path: Path) -> RequestFolder:
    return RequestFolder(tmp_path, oracle=ORACLE)


def files(tmp_path: Path) -> Path:
    return tmp_path / ORACLE


def test_what_is_filed_is_found_and_swept_once_it_has_ended(folder: RequestFolder, tmp_path: Path) -> None:
    assert folder.scan(1) == ((), {})
    kept, ended = free(1), free(2, ends=AS_OF)
    for request in (kept, ended, kept):
        assert folder.file(request) == request.key
        assert folder.read(request.key) == request
    found, refused = folder.scan(1)
    assert set(found) == {kept, ended}
    assert not refused
    folder.sweep(found, time_s=AS_OF)
    assert folder.scan(1) == ((kept,), {})
    assert [path.name for path in files(tmp_path).iterdir()] == [f"{kept.key.hex()}.json"]


BAD = {
    "not JSON": b"{",
    "deep": b"[" * 10_000,
    "a list": b"[]",
    "unknown field": json.dumps({**request_fields(free()), "priority": 1}).encode(),
    "fractions": json.dumps({**request_fields(free()), "positions": [[0, 0, 1, 0.5]]}).encode(),
    "truth values": json.dumps({**request_fields(free()), "positions": [[0, 0, True, 5]]}).encode(),
    "no hexadecimal": json.dumps({**request_fields(free()), "account": "0xzz"}).encode(),
    "a time in text": json.dumps({**request_fields(free()), "expires_at": str(END)}).encode(),
    "many digits": b'{"account":"0x","positions":[],"signature":"0x","expires_at":' + b"9" * 9_000 + b"}",
    "another's": json.dumps(request_fields(free(7))).encode(),
    "large": json.dumps(request_fields(free())).encode() + b" " * MAX_REQUEST_BYTES,
    "not text": bytes(range(256)),
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_a_malformed_file_is_refused_with_the_reason_and_nothing_else_is(
    content: bytes, folder: RequestFolder, tmp_path: Path
) -> None:
    folder.file(free(9))
    name = f"{free().key.hex()}.json"
    (files(tmp_path) / name).write_bytes(content)
    found, refused = folder.scan(1)
    assert found == (free(9),)
    assert refused[name].startswith("basket: ")
    with pytest.raises(InputError, match="Fix"):
        folder.read(free().key)


def test_what_is_no_file_or_has_no_name_of_a_request_is_left_alone(
    folder: RequestFolder, tmp_path: Path
) -> None:
    folder.file(free())
    home = files(tmp_path)
    os.mkfifo(home / f"{b'1'.hex() * 32}.json")
    (home / f"{b'2'.hex() * 32}.json").symlink_to("/dev/zero")
    (home / f"{b'3'.hex() * 32}.json").mkdir()
    (home / "Z.json").write_text("{}")
    (home / f"{'AB' * 32}.json").write_text("{}")
    (home / "notes.txt").write_text("hello")
    found, refused = folder.scan(1)
    assert found == (free(),)
    assert len(refused) == 5


def test_a_full_folder_takes_no_more_and_a_flooded_one_is_read_in_part(
    folder: RequestFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "MAX_REQUESTS", 3)
    for lots in (1, 2, 3):
        folder.file(free(lots))
    with pytest.raises(RetryLater, match="3 requests stand"):
        folder.file(free(4))
    folder.file(free(3))
    for lots in range(4, 30):
        text = json.dumps(request_fields(free(lots)))
        (files(tmp_path) / f"{free(lots).key.hex()}.json").write_text(text)
    seen = set()
    for epoch in range(60):
        found, refused = folder.scan(epoch)
        assert len(found) == 3
        assert any("29 requests" in reason for reason in refused.values())
        seen |= {request.positions[0][3] for request in found}
    assert len(seen) > 20
