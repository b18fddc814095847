"""Where prices come from: one schema, and readers that fill it."""

from seawall.market.bars import Bars, worst_window
from seawall.market.embedded import embedded_bars

__all__ = ["Bars", "embedded_bars", "worst_window"]
