"""Where prices come from: one schema, readers and sources that fill it, and rules for what they got wrong."""

from seawall.market.bars import Bars, worst_window
from seawall.market.embedded import embedded_bars
from seawall.market.schema import Candles, Funding, OptionQuotes, OrderBook, Rounds

__all__ = [
    "Bars",
    "Candles",
    "Funding",
    "OptionQuotes",
    "OrderBook",
    "Rounds",
    "embedded_bars",
    "worst_window",
]
