"""Deploys the whole system in order, wires it, lists underlyings, hands over the rights."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eth_utils.address import to_checksum_address

from seawall.chain.artifacts import load_artifact
from seawall.chain.codec import encode_values
from seawall.chain.contracts import Contract
from seawall.chain.deployment import Deployment
from seawall.chain.plan import DeploySettings, UnderlyingPlan
from seawall.chain.roles import ADMIN, GOVERNOR, GUARDIAN, RESTRICTED
from seawall.chain.sender import Sender
from seawall.errors import ConfigError, ConsistencyError

__all__ = ["CONTRACTS", "REQUIRED_CONTRACTS", "deploy", "deploy_contract"]

# Role in a deployment: compiled contract.
CONTRACTS: Mapping[str, str] = {
    "access_manager": "SeawallAccessManager",
    "token": "TestToken",
    "feed": "AnchoredPriceFeed",
    "anchor_feed": "IndependentPriceFeed",
    "registry": "InstrumentRegistry",
    "oracle": "MarginOracle",
    "vault": "MarginVault",
    "desk": "CollateralDesk",
    "liquidator": "Liquidator",
    "fund": "InsuranceFund",
    "venue": "OrderVenue",
    "lens": "MarginLens",
}
REQUIRED_CONTRACTS = tuple(sorted(set(CONTRACTS.values()) | {"ChainlinkPriceFeed", "MarginEngine"}))


@dataclass(slots=True)
class _Builder:
    """Deploys contracts and their libraries, and remembers where they are."""

    sender: Sender
    addresses: dict[str, str] = field(default_factory=dict)
    artifacts: dict[str, str] = field(default_factory=dict)
    libraries: dict[str, str] = field(default_factory=dict)
    gas_used: dict[str, int] = field(default_factory=dict)

    def create(self, role: str, artifact: str, values: Mapping[str, Any]) -> Contract:
        """Deploy a contract, its constructor's parameters taken by name."""
        self.addresses[role] = self._send(artifact, values, role=role)
        self.artifacts[role] = artifact
        return self.bind(role)

    def adopt(self, role: str, artifact: str, address: str) -> Contract:
        """Take a contract that exists."""
        self.addresses[role], self.artifacts[role] = to_checksum_address(address), artifact
        return self.bind(role)

    def bind(self, role: str) -> Contract:
        """Return the contract of a role."""
        return Contract.at(self.sender.w3, self.addresses[role], self.artifacts[role])

    def _send(self, artifact: str, values: Mapping[str, Any], role: str | None = None) -> str:
        code = load_artifact(artifact)
        for library in code.libraries:
            if library not in self.libraries:
                self.libraries[library] = self._send(library, {})
        data = code.creation_code(self.libraries) + _arguments(artifact, values)
        receipt = self.sender.send(None, data, what=f"deployment of {artifact}")
        self.gas_used[role or artifact] = int(receipt["gasUsed"])
        return to_checksum_address(str(receipt["contractAddress"]))


def deploy_contract(
    sender: Sender,
    artifact: str,
    values: Mapping[str, Any] | None = None,
    libraries: Mapping[str, str] | None = None,
) -> Contract:
    """Deploy one contract and the libraries that are not given; constructor arguments by parameter name."""
    builder = _Builder(sender=sender, libraries=dict(libraries or {}))
    return builder.create(artifact, artifact, values or {})


def _arguments(artifact: str, values: Mapping[str, Any]) -> bytes:
    """Encode a constructor's arguments, matched by name without underscores."""
    constructor = next((item for item in load_artifact(artifact).abi if item["type"] == "constructor"), None)
    if constructor is None:
        return b""
    names = [re.sub(r"_", "", str(parameter["name"])) for parameter in constructor["inputs"]]
    if unknown := [name for name in names if name not in values]:
        raise ConsistencyError(f"nobody knows {', '.join(unknown)} of the constructor of {artifact}")
    return encode_values(
        constructor["inputs"], [values[name] for name in names], what=f"constructor of {artifact}"
    )


def deploy(sender: Sender, settings: DeploySettings) -> Deployment:
    """Deploy everything, wire it and hand the rights over.

    Raises
    ------
    ConfigError
        When the plan asks for a test token, or for rights without a delay, where that is dangerous.
    Reverted
        When a step is refused.
    """
    builder = _Builder(sender=sender)
    block = int(sender.w3.eth.block_number)
    access = builder.create("access_manager", CONTRACTS["access_manager"], {"initialAdmin": sender.address})
    for role in (GOVERNOR, GUARDIAN):
        access.transact(sender, "grantRole", role, sender.address, 0)
    _create_contracts(builder, settings)
    _assign_functions(builder)
    _configure(builder, settings)
    for index, underlying in enumerate(settings.underlyings):
        _list_underlying(builder, index, underlying, settings.anchor.max_age_s)
    _hand_over(builder, settings)
    return Deployment(
        chain_id=int(sender.w3.eth.chain_id),
        block=block,
        addresses=builder.addresses,
        artifacts=builder.artifacts,
        libraries=builder.libraries,
        gas_used=builder.gas_used,
    )


def _create_contracts(builder: _Builder, settings: DeploySettings) -> None:
    known: dict[str, Any] = {"accessManager": builder.addresses["access_manager"], "tick": settings.tick}
    known["authority"] = known["accessManager"]
    if settings.token is None:
        builder.create("token", CONTRACTS["token"], {})
    else:
        builder.adopt("token", CONTRACTS["token"], settings.token)
    known["token"] = known["asset"] = builder.addresses["token"]
    decimals = int(builder.bind("token").call("decimals"))
    known["tokenDecimals"] = decimals
    known["feed"] = builder.create("feed", CONTRACTS["feed"], known).address
    anchor = "ChainlinkPriceFeed" if settings.anchored_by_aggregators else CONTRACTS["anchor_feed"]
    builder.create("anchor_feed", anchor, known)
    for role in ("registry", "oracle", "vault", "desk", "liquidator", "fund", "venue", "lens"):
        known[role] = builder.create(role, CONTRACTS[role], known).address


def _assign_functions(builder: _Builder) -> None:
    access = builder.bind("access_manager")
    for role, artifact in builder.artifacts.items():
        target, functions = builder.bind(role), RESTRICTED.get(artifact, {})
        for right in (GOVERNOR, GUARDIAN):
            selectors = [target.selector(name) for name, needed in functions.items() if needed == right]
            if selectors:
                access.transact(builder.sender, "setTargetFunctionRole", target.address, selectors, right)


def _configure(builder: _Builder, settings: DeploySettings) -> None:
    sender, vault, oracle = builder.sender, builder.bind("vault"), builder.bind("oracle")
    feed_signers, feed_quorum = (
        settings.price_signers or settings.signers,
        settings.price_quorum or settings.quorum,
    )
    builder.bind("feed").transact(sender, "setSigners", _sorted(feed_signers), feed_quorum)
    if not settings.anchored_by_aggregators:
        anchor = settings.anchor
        builder.bind("anchor_feed").transact(sender, "setSigners", _sorted(anchor.signers), anchor.quorum)
    vault.transact(sender, "setLiquidator", builder.addresses["liquidator"])
    vault.transact(sender, "setInsuranceFund", builder.addresses["fund"])
    vault.transact(sender, "setCollateralDesk", builder.addresses["desk"])
    vault.transact(sender, "listVenue", builder.addresses["venue"], True)
    account = bytes.fromhex(settings.protocol_account.removeprefix("0x"))
    vault.transact(sender, "setFeeShares", settings.fund_share_bps, settings.protocol_share_bps, account)
    builder.bind("venue").transact(sender, "setFees", settings.taker_fee_bps, settings.maker_fee_bps)
    for setting, value in (("setDebtCap", settings.debt_cap), ("setInterestRate", settings.debt_rate_bps)):
        if value:
            builder.bind("desk").transact(sender, setting, value)
    oracle.transact(sender, "setSigners", _sorted(settings.signers), settings.quorum)
    oracle.transact(sender, "setFactors", settings.factors.model_dump())


def _list_underlying(builder: _Builder, index: int, plan: UnderlyingPlan, anchor_max_age_s: int) -> None:
    sender, registry = builder.sender, builder.bind("registry")
    anchor_feed = builder.bind("anchor_feed")
    if plan.aggregator is not None:
        anchor_feed.transact(sender, "setAggregator", index, plan.aggregator, plan.lot_size_wad)
    builder.bind("feed").transact(sender, "setAnchor", index, anchor_feed.address, anchor_max_age_s)
    registry.transact(
        sender, "listUnderlying", plan.symbol.encode("ascii").ljust(32, b"\0"), plan.lot_size_wad
    )
    registry.transact(sender, "addPage", index)
    for instrument in plan.instruments:
        terms = (instrument.kind_code, instrument.shift, instrument.strike, instrument.expiry_hour)
        registry.transact(sender, "listInstrument", index, *terms)
    for slot, collateral in enumerate(plan.collateral, start=len(plan.instruments)):
        registry.transact(sender, "listCollateral", index, collateral.shift, collateral.token)
        builder.bind("desk").transact(sender, "setDepositCap", index, slot, collateral.cap_lots)
    builder.bind("oracle").transact(sender, "setBounds", index, plan.bounds.model_dump())


def _hand_over(builder: _Builder, settings: DeploySettings) -> None:
    """Give governor and guardian their roles; with a delay the deployer keeps nothing."""
    sender, access = builder.sender, builder.bind("access_manager")
    governor, guardian = settings.governor or sender.address, settings.guardian or sender.address
    if _number(guardian) != _number(sender.address):
        access.transact(sender, "grantRole", GUARDIAN, guardian, 0)
        access.transact(sender, "revokeRole", GUARDIAN, sender.address)
    if _number(governor) == _number(sender.address):
        if settings.governor_delay_s:
            raise ConfigError(
                "the governor must not be the deployer when it has a delay. Fix: name another governor"
            )
        return
    for role in (GOVERNOR, ADMIN):
        access.transact(sender, "grantRole", role, governor, settings.governor_delay_s)
    access.transact(sender, "revokeRole", GOVERNOR, sender.address)
    access.transact(sender, "renounceRole", ADMIN, sender.address)


def _sorted(addresses: Sequence[str]) -> list[str]:
    return sorted((to_checksum_address(address) for address in addresses), key=_number)


def _number(address: str) -> int:
    return int(address, 16)
