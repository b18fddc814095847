"""Compute the margin model: pure functions of arrays, without clock, network, log or environment."""

from seawall.margin.instruments import Dated, Payoff
from seawall.margin.lanes import Coverage, Lanes
from seawall.margin.perpetuals import RiskEstimate, estimate
from seawall.margin.portfolio import PortfolioEstimate, estimate_portfolio
from seawall.margin.settings import AtomSettings, LaneSettings, ModelSettings, SurfaceSettings
from seawall.margin.stress import Role

__all__ = [
    "AtomSettings",
    "Coverage",
    "Dated",
    "LaneSettings",
    "Lanes",
    "ModelSettings",
    "Payoff",
    "PortfolioEstimate",
    "RiskEstimate",
    "Role",
    "SurfaceSettings",
    "estimate",
    "estimate_portfolio",
]
