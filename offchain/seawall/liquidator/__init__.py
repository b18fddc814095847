"""Liquidators: scan accounts, start auctions, bid for slices, close what is healthy again."""

from seawall.liquidator.bot import Bidder, Purchase
from seawall.liquidator.settings import LiquidatorSettings

__all__ = ["Bidder", "LiquidatorSettings", "Purchase"]
