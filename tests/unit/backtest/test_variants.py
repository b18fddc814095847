"""The variants that the backtest compares."""

from seawall.backtest.methods import read_variants
from seawall.margin.settings import ModelSettings

VARIANTS = read_variants()


def test_the_first_variant_is_what_keepers_run_by_default() -> None:
    assert next(iter(VARIANTS)) == "chosen"
    assert VARIANTS["chosen"][1] == ModelSettings()


def test_no_two_variants_are_the_same() -> None:
    assert len({repr(settings) for _, settings in VARIANTS.values()}) == len(VARIANTS)


def test_every_variant_is_described_apart() -> None:
    assert len({text for text, _ in VARIANTS.values()}) == len(VARIANTS)


def test_the_curve_has_ends_and_points_between() -> None:
    curve = [settings for name, (_, settings) in VARIANTS.items() if name.startswith("curve-")]
    assert len(curve) >= 5
    assert curve[0].long_run_floor < VARIANTS["chosen"][1].long_run_floor < curve[-1].long_run_floor
