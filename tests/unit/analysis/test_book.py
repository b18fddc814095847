from __future__ import annotations

from pathlib import Path

import pytest

from seawall.analysis.book import parse_instrument, read_book
from seawall.analysis.portfolio import judge
from seawall.errors import DataError, InputError
from seawall.keeper.settings import KeeperSettings
from seawall.margin.instruments import Payoff
from seawall.market.embedded import embedded_bars


def _write(folder: Path, text: str) -> Path:
    path = folder / "book.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_names_say_what_an_instrument_is() -> None:
    call = parse_instrument("BTC-27SEP19-14000-C")
    assert (call.symbol, call.payoff, call.strike) == ("BTC", Payoff.CALL, 14_000)
    assert call.expires_at == 1_569_571_200  # 2019-09-27 08:00 UTC
    assert parse_instrument("XRP-3JAN20-0.25-P").strike == 0.25
    assert parse_instrument("ETH-27SEP19").payoff is Payoff.FUTURE
    assert parse_instrument("ETH-PERP").payoff is None
    assert parse_instrument("ETH-SPOT").spot


@pytest.mark.parametrize(
    "name", ["btc-perp", "BTC", "BTC-31FEB20", "BTC-27SEB19", "BTC-27SEP19-0-C", "BTC-27SEP19-9000"]
)
def test_a_name_that_says_nothing_is_refused_by_name(name: str) -> None:
    with pytest.raises(InputError, match=rf"{name}.*Fix"):
        parse_instrument(name)


def test_spots_and_perpetuals_come_first(book_file: Path) -> None:
    book = read_book(book_file)
    assert [i.name for i in book.instruments] == [
        *("BTC-SPOT", "BTC-PERP", "ETH-PERP"),
        *("BTC-27SEP19-14000-C", "BTC-27SEP19"),
    ]
    assert book.quantities.tolist() == [2, -1.5, -20, -4, 1]
    assert (book.symbols, book.standing, book.cash) == (("BTC", "ETH"), 3, 50_000)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("positions: {}", "lists no positions"),
        ("[1, 2]", "lists no positions"),
        ("positions: {BTC-PERP: 1}\ncahs: 3", "cahs means nothing"),
        ("positions: {BTC-PERP: much}", "BTC-PERP is much"),
        ("positions: {BTC-PERP: .nan}", "finite number"),
        ("positions: {BTC-PERP: true}", "BTC-PERP is True"),
        ("positions: {BTC-SPOT: -1}", "BTC-SPOT is negative"),
        ("positions: {BTC-PERP: 1}\nat: noon", "at is noon"),
        ("positions: [", "cannot read the book"),
    ],
)
def test_a_bad_file_is_refused_with_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_book(_write(tmp_path, text))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read the book"):
        read_book(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("at: 2019-09-27T08:00:00Z\npositions: {BTC-27SEP19: 1}", InputError, "BTC-27SEP19 has expired"),
        ("at: 2016-01-01T00:00:00Z\npositions: {BTC-PERP: 1}", DataError, "no bar was complete"),
        ("at: 2024-01-01T00:00:00Z\npositions: {BTC-PERP: 1}", DataError, "supply newer bars"),
        ("positions: {DOGE-PERP: 1}", DataError, "no bars of DOGE"),
    ],
)
def test_a_book_that_prices_cannot_judge_is_refused(
    tmp_path: Path, text: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        judge(read_book(_write(tmp_path, text)), embedded_bars(), settings=KeeperSettings())
