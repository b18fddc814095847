"""Compute the margin model: pure functions of arrays, without clock, network, log or environment."""

from seawall.margin.lanes import Coverage, Lanes
from seawall.margin.perpetuals import RiskEstimate, estimate
from seawall.margin.settings import LaneSettings, ModelSettings
from seawall.margin.stress import Role

__all__ = ["Coverage", "LaneSettings", "Lanes", "ModelSettings", "RiskEstimate", "Role", "estimate"]
