"""Where logs go."""

from __future__ import annotations

import io
import sys

import pytest
import structlog

from seawall.cli.logs import configure_logs
from seawall.config import LogConfig


def test_logs_follow_standard_error_when_it_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", first)
    configure_logs(LogConfig())
    log = structlog.get_logger("test")
    log.warning("one")
    monkeypatch.setattr(sys, "stderr", second)
    first.close()
    log.warning("two")
    assert "two" in second.getvalue()
