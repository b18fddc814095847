"""Settings refuse what the model cannot mean, and the margin package stays pure."""

import ast
import inspect
from pathlib import Path
from typing import Any

import pytest

from seawall import errors, margin
from seawall.errors import ConfigError
from seawall.margin.settings import BreakSettings, LaneSettings, ModelSettings

SOURCES = sorted(Path(margin.__file__).parent.glob("*.py"))
PURE = {
    "collections",
    # Threads over arrays: what they find does not depend on how many there are.
    "concurrent.futures",
    "dataclasses",
    "enum",
    "fractions",
    "highspy",
    "itertools",
    "numpy",
    "scipy",
    "typing",
    "seawall.arrays",
    "seawall.errors",
    "seawall.margin",
    # What certificates are exact in: decoded pages and the integer engine, as pure as the rest.
    "seawall.page.decode",
    "seawall.page.layout",
    "seawall.reference",
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"horizon_h": 0.0},
        {"alpha": 1.0},
        {"alpha": 0.0},
        {"fast_half_lives_h": (0.0,)},
        {"slow_half_lives_h": (-1.0,)},
        {"fast_weights": (0.5,) * 9},
        {"slow_weights": (0.5,) * 9},
        {"fast_half_lives_h": (12.0,), "fast_weights": (-0.1,)},
        {"implied_weight": -0.1},
        {"long_run_weight": 0.0},
        {"side_share": 1.1},
        {"move_power": 0.9},
        {"move_power": 2.1},
        {"move_scale": 0.0},
        {"long_run_floor": 1.1},
        {"fast_half_lives_h": (12.0,), "fast_weights": (0.0,), "breaks": BreakSettings(enabled=True)},
        {"fast_cap": 0.0},
        {"fall_per_day": 1.0},
        {"step_h": 0.0},
        {"warmup_days": 0.0},
        {"warmup_days": 60.0},
        {"window_days": 59.0},
        {"rescale_min": 1.1},
        {"rescale_max": 0.9},
        {"dependence_share": -0.1},
        {"shuffle_block_rows": 0},
        {"stress_probability": 0.01},
        {"seed": -1},
        {"probe_books": 0},
    ],
)
def test_model_settings__out_of_range__are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        ModelSettings(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"lanes": 0},
        {"lanes": 40},
        {"adversarial_lanes": 7},
        {"adversarial_lanes": 64},
        {"iterations": -1},
        {"sharpness_start": 0.0},
        {"sharpness_start": 70.0},
        {"sharpness_end": 301.0},
        {"reseed_every": 0},
        {"design_level": 1.1},
        {"random_design_books": -1},
        {"minimum_book_es": 0.0},
        {"maximum_gross_over_es": 1.0},
        {"candidate_books": 63},
    ],
)
def test_lane_settings__out_of_range__are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        LaneSettings(**wrong)


def test_error_tree__is_drawn_as_it_is() -> None:
    def drawn(kind: type[Exception], depth: int) -> list[tuple[int, str]]:
        return [
            (depth, kind.__name__),
            *(line for child in kind.__subclasses__() for line in drawn(child, depth + 1)),
        ]

    text = inspect.getdoc(errors) or ""
    tree = []
    for line in text.splitlines():
        words = line.replace("│", " ").replace("├──", "   ").replace("└──", "   ")
        name = words.split()[0] if words.split() else ""
        if name in errors.__all__:
            tree.append(((len(words) - len(words.lstrip()) - 4) // 4, name))
    assert tree == [line for line in drawn(errors.SeawallError, 0) if line[1] in errors.__all__]
    assert sorted(errors.__all__) == sorted(name for _, name in tree)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_margin_imports_nothing_that_knows_a_clock_a_network_or_a_log(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            assert any(name == pure or name.startswith(pure + ".") for pure in PURE), name
