"""Who may call which restricted function. A function that is missing here stays with the admin."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ADMIN", "GOVERNOR", "GUARDIAN", "RESTRICTED"]

ADMIN = 0
GOVERNOR = 1
GUARDIAN = 2

# Compiled contract, then function, then role. The guardian can only tighten.
RESTRICTED: Mapping[str, Mapping[str, int]] = {
    "AnchoredPriceFeed": {"setSigners": GOVERNOR, "setAnchor": GOVERNOR, "removeSigner": GUARDIAN},
    "IndependentPriceFeed": {"setSigners": GOVERNOR, "removeSigner": GUARDIAN},
    "ChainlinkPriceFeed": {"setAggregator": GOVERNOR},
    "InstrumentRegistry": {
        "listUnderlying": GOVERNOR,
        "addPage": GOVERNOR,
        "listInstrument": GOVERNOR,
        "relistInstrument": GOVERNOR,
        "listCollateral": GOVERNOR,
    },
    "MarginOracle": {
        "setSigners": GOVERNOR,
        "setBounds": GOVERNOR,
        "setFactors": GOVERNOR,
        "unpauseActivation": GOVERNOR,
        "pauseActivation": GUARDIAN,
        "dropCurrent": GUARDIAN,
        "removeSigner": GUARDIAN,
    },
    "MarginVault": {
        "setLiquidator": GOVERNOR,
        "setInsuranceFund": GOVERNOR,
        "setCollateralDesk": GOVERNOR,
        "listVenue": GOVERNOR,
        "setFeeShares": GOVERNOR,
        "unpauseTrading": GOVERNOR,
        "pauseTrading": GUARDIAN,
    },
    "InsuranceFund": {"setCaps": GOVERNOR},
    "CollateralDesk": {
        "setDepositCap": GOVERNOR,
        "setDebtCap": GOVERNOR,
        "setInterestRate": GOVERNOR,
        "stopDeposits": GUARDIAN,
    },
    "OrderVenue": {"setFees": GOVERNOR, "collectFees": GOVERNOR},
}
