"""Writes logs to standard error: text on a terminal, JSON lines elsewhere."""

from __future__ import annotations

import logging
import sys

import structlog

from seawall.config import LogConfig

__all__ = ["configure_logs"]


def configure_logs(settings: LogConfig) -> None:
    """Set level and format for the whole process."""
    as_json = settings.format == "json" or (settings.format == "auto" and not sys.stderr.isatty())
    renderer: structlog.typing.Processor = structlog.dev.ConsoleRenderer()
    if as_json:
        renderer = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, settings.level.upper())),
        # Looked up for every message: whoever replaces standard error may close the one there was.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
