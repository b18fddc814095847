"""Liquidators: scan accounts, start auctions, bid for slices, close what is healthy again."""

from seawall.liquidator.bot import Bidder, LiquidatorSettings, Purchase

__all__ = ["Bidder", "LiquidatorSettings", "Purchase"]
