"""Settings every test shares: the hypothesis profiles, and which suite Ape's plugin belongs to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import Phase, settings

settings.register_profile("dev", max_examples=50, deadline=None, derandomize=True)
settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True)
# One failure is all that a mutant needs, and the smallest takes longest to find.
settings.register_profile(
    "mutants",
    settings.get_profile("dev"),
    phases=(Phase.explicit, Phase.generate),
    report_multiple_bugs=False,
)
settings.register_profile("audit", max_examples=20_000, deadline=None)
settings.load_profile(os.environ.get("SEAWALL_HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave `tests/ape` to `ape test`, which loads the plugin that suite needs."""
    is_ape_suite = collection_path == Path(__file__).parent / "ape"
    return True if is_ape_suite and not config.pluginmanager.has_plugin("ape_test") else None
