from __future__ import annotations

from pathlib import Path

import pytest

from seawall.analysis.book import read_book
from seawall.analysis.portfolio import JudgedBook, judge
from seawall.keeper.settings import KeeperSettings
from seawall.market.embedded import embedded_bars

BOOK = """
at: 2019-06-27T00:00:00Z
cash: 50_000
positions:
  BTC-SPOT: 2
  BTC-27SEP19-14000-C: -4
  BTC-PERP: -1.5
  BTC-27SEP19: 1
  ETH-PERP: -20
"""


@pytest.fixture(scope="session")
def settings() -> KeeperSettings:
    return KeeperSettings()


@pytest.fixture(scope="session")
def book_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("book") / "book.yaml"
    path.write_text(BOOK, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def judged(book_file: Path, settings: KeeperSettings) -> JudgedBook:
    return judge(read_book(book_file), embedded_bars(), settings=settings)
