"""A deployment is complete, wired, and leaves rights only with whom it should."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError
from tests.unit.chain.conftest import plan_for

from seawall.chain.artifacts import Artifact, artifact_names, load_artifact
from seawall.chain.contracts import Contract, System
from seawall.chain.deploy import REQUIRED_CONTRACTS, deploy, deploy_contract
from seawall.chain.deployment import Deployment
from seawall.chain.devchain import EthTesterChain
from seawall.chain.governance import Outcome, govern
from seawall.chain.plan import (
    AnchorPlan,
    CollateralPlan,
    DeploySettings,
    InstrumentPlan,
    UnderlyingPlan,
    load_plan,
)
from seawall.chain.reverts import Reverted
from seawall.chain.roles import ADMIN, GOVERNOR, GUARDIAN, RESTRICTED
from seawall.errors import ConfigError, InputError, StaleError

ROOT = Path(__file__).resolve().parents[3]
DELAY_S = 3_600


def test_every_contract_of_a_deployment_has_an_artifact() -> None:
    assert set(REQUIRED_CONTRACTS) <= set(artifact_names())


def test_every_restricted_function_has_a_role_and_nothing_else_has() -> None:
    found: set[str] = set()
    for path in (ROOT / "contracts").rglob("*.sol"):
        found |= set(re.findall(r"function (\w+)\([^{;]*?\brestricted\b", path.read_text(encoding="utf-8")))
    assert found == {function for functions in RESTRICTED.values() for function in functions}
    for artifact, functions in RESTRICTED.items():
        abi_names = {item.get("name") for item in load_artifact(artifact).abi}
        assert set(functions) <= abi_names


def test_the_system_is_wired(system: System, fresh_chain: EthTesterChain) -> None:
    accounts = fresh_chain.accounts
    assert sorted(system.oracle.call("signers")) == sorted(account.address for account in accounts[1:4])
    assert (system.oracle.call("quorum"), system.feed.call("quorum")) == (2, 2)
    assert system.vault.call("token") == system.token.address
    assert system.vault.call("liquidator") == system.liquidator.address
    assert system.vault.call("insuranceFund") == system.fund.address
    assert system.vault.call("isVenue", system.venue.address) is True
    assert system.fund.call("asset") == system.token.address


def test_underlyings_are_listed_with_probe_bounds_and_anchor(system: System) -> None:
    assert [bytes(system.registry.call("symbol", u)).rstrip(b"\0") for u in (0, 1)] == [b"BTC", b"ETH"]
    for underlying in (0, 1):
        assert system.registry.call("probe", underlying) == (underlying, 0)
        assert system.oracle.call("bounds", underlying).floorPpm == 30_000
        assert system.feed.call("anchor", underlying)[0] == system.anchor_feed.address
    assert system.oracle.call("factors").maintenanceFactorBps == 8_000


def test_every_contract_fits_the_code_size_limit(system: System, fresh_chain: EthTesterChain) -> None:
    for name in System.__dataclass_fields__:
        code = bytes(fresh_chain.w3.eth.get_code(getattr(system, name).address))
        assert 0 < len(code) <= 24_576


def test_collateral_is_listed_behind_the_instruments_and_capped(chain: EthTesterChain) -> None:
    token = deploy_contract(chain.sender(0), "TestToken")
    collateral = CollateralPlan(token=token.address, shift=5, cap_lots=1_000)
    underlying = UnderlyingPlan(symbol="BTC", lot_size_wad=10**16, collateral=(collateral,))
    plan = plan_for(chain, underlyings=(underlying,), debt_cap=10**9, debt_rate_bps=800)
    system = System.connect(chain.w3, deploy(chain.sender(0), plan))
    assert system.vault.call("collateralDesk") == system.desk.address
    assert system.registry.call("collateral", 0, 1) == (token.address, 10**4)
    assert system.registry.call("terms", 0, 1) == 5 | 5 << 3 | 1 << 8
    assert system.desk.call("holding", 0, 1) == (0, 1_000)
    assert (system.desk.call("debtCap"), system.desk.call("interestRateBps")) == (10**9, 800)


def test_a_stranger_may_call_nothing_restricted(system: System, fresh_chain: EthTesterChain) -> None:
    stranger = fresh_chain.accounts[9].address
    with pytest.raises(Reverted) as caught:
        system.vault.call("pauseTrading", sender=stranger)
    assert caught.value.name == "AccessManagedUnauthorized"


def test_with_a_delay_the_deployer_keeps_nothing_and_the_governor_waits(chain: EthTesterChain) -> None:
    deployer, governor, guardian = (chain.accounts[i].address for i in (0, 7, 8))
    plan = plan_for(chain, governor=governor, guardian=guardian, governor_delay_s=DELAY_S)
    system = System.connect(chain.w3, deploy(chain.sender(0), plan))
    access = system.access_manager
    for role in (ADMIN, GOVERNOR, GUARDIAN):
        assert access.call("hasRole", role, deployer)[0] is False
    assert access.call("hasRole", GOVERNOR, governor) == (True, DELAY_S)
    assert access.call("hasRole", ADMIN, governor) == (True, DELAY_S)
    assert access.call("hasRole", GUARDIAN, guardian) == (True, 0)
    with pytest.raises(Reverted):
        system.vault.transact(chain.sender(7), "listVenue", deployer, True)
    call = system.vault.encode("listVenue", deployer, True)
    access.transact(chain.sender(7), "schedule", system.vault.address, call, 0)
    chain.set_time(chain.now() + DELAY_S)
    access.transact(chain.sender(7), "execute", system.vault.address, call)
    assert system.vault.call("isVenue", deployer) is True
    system.vault.transact(chain.sender(8), "pauseTrading")
    with pytest.raises(Reverted):
        system.vault.transact(chain.sender(8), "unpauseTrading")


def test_chainlink_aggregators_can_be_the_anchor(chain: EthTesterChain) -> None:
    aggregator = deploy_contract(chain.sender(0), "MockAggregator", {"decimals": 8})
    underlying = UnderlyingPlan(symbol="BTC", lot_size_wad=10**16, aggregator=aggregator.address)
    plan = plan_for(chain, underlyings=(underlying,), anchor=AnchorPlan())
    system = System.connect(chain.w3, deploy(chain.sender(0), plan))
    assert system.anchor_feed.name == "ChainlinkPriceFeed"
    aggregator.transact(chain.sender(0), "setAnswer", 10_000 * 10**8, chain.now())
    price, observed_at = system.anchor_feed.call("price", 0)
    assert (price, observed_at) == (100 * 10**6 // plan.tick, chain.now() - 1)


def test_a_deployment_file_comes_back_as_it_was_saved(deployed: Deployment, tmp_path: Path) -> None:
    path = tmp_path / "new" / "deployment.json"
    deployed.save(path)
    assert Deployment.load(path) == deployed


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 9}', "nonsense"])
def test_a_damaged_deployment_file_is_one_clear_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "deployment.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match="Fix: deploy again"):
        Deployment.load(path)


def test_a_deployment_of_another_chain_is_refused(deployed: Deployment, chain: EthTesterChain) -> None:
    deployed.require_chain(chain.w3)
    other = Deployment(
        chain_id=1,
        block=0,
        addresses=deployed.addresses,
        artifacts=deployed.artifacts,
        libraries=deployed.libraries,
    )
    with pytest.raises(ConfigError, match="is on chain 1"):
        other.require_chain(chain.w3)


def test_a_wrong_address_is_named(chain: EthTesterChain) -> None:
    with pytest.raises(InputError, match="no such contract"):
        Contract.at(chain.w3, "0x" + "77" * 20, "MarginVault").call("deficit")


def test_functions_and_events_that_do_not_exist_are_named(system: System) -> None:
    with pytest.raises(InputError, match="MarginVault has no function fly"):
        system.vault.call("fly")
    with pytest.raises(InputError, match="has no event Flown"):
        system.vault.logs("Flown", from_block=0)


def test_a_library_that_is_not_given_is_named() -> None:
    reference = {"contracts/A.sol": {"A": [{"start": 1, "length": 20}]}}
    code = "0x73" + "__$" + "0" * 37 + "00"
    artifact = Artifact(
        name="B",
        source_name="B.sol",
        source_hash="",
        abi=(),
        bytecode={"object": code, "linkReferences": reference},
        deployed_bytecode={},
    )
    with pytest.raises(ConfigError, match="library A"):
        artifact.creation_code()
    assert artifact.creation_code({"A": "0x" + "ab" * 20}) == bytes.fromhex("73" + "ab" * 20 + "00")


def test_a_missing_artifact_names_the_fix() -> None:
    with pytest.raises(ConfigError, match="Fix: run `make compile`"):
        load_artifact("NoSuchContract")


ADDRESS = "0x" + "11" * 20
OTHER = "0x" + "22" * 20
BTC = {"symbol": "BTC", "lot_size_wad": 1}


CALL = {"kind": "call", "strike": 5, "expiry_hour": 500_000}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"quorum": 2}, "distinct signers"),
        ({"signers": (ADDRESS, ADDRESS), "quorum": 2}, "distinct signers"),
        ({"anchor": AnchorPlan(signers=(ADDRESS,))}, "shares the signer"),
        ({"anchor": AnchorPlan()}, "signers of its own"),
        ({"underlyings": ()}, "at least 1"),
        ({"underlyings": ({**BTC, "instruments": (CALL,)},)}, "must be its perpetual"),
        ({"underlyings": ({**BTC, "instruments": ({**CALL, "strike": 0},)},)}, "options have one"),
        ({"underlyings": ({**BTC, "instruments": ({**CALL, "expiry_hour": 0},)},)}, "all but perpetuals"),
        ({"underlyings": (BTC, {**BTC, "aggregator": OTHER})}, "every underlying"),
        ({"sygners": ()}, "Extra inputs"),
    ],
)
def test_a_plan_that_contradicts_itself_is_refused(changes: dict[str, object], complaint: str) -> None:
    sound = {
        "signers": (ADDRESS,),
        "quorum": 1,
        "anchor": AnchorPlan(signers=(OTHER,)),
        "underlyings": (UnderlyingPlan(symbol="BTC", lot_size_wad=1),),
    }
    DeploySettings.model_validate(sound)
    with pytest.raises(ValidationError, match=complaint):
        DeploySettings.model_validate({**sound, **changes})


def test_a_plan_with_a_kind_nobody_knows_is_refused() -> None:
    with pytest.raises(ValidationError, match="none of perpetual"):
        InstrumentPlan(kind="swap")


def test_the_example_plan_is_sound_and_a_bad_one_is_one_line(tmp_path: Path) -> None:
    plan = load_plan(ROOT / "docs" / "deployment.example.yaml")
    assert plan.governor_delay_s >= DELAY_S
    bad = tmp_path / "plan.yaml"
    bad.write_text("quorum: 1\nsygners: []\n")
    with pytest.raises(ConfigError, match="sygners: unknown key"):
        load_plan(bad)


def test_a_governed_call_is_made_at_once_without_a_delay(chain: EthTesterChain) -> None:
    system = System.connect(chain.w3, deploy(chain.sender(0), plan_for(chain)))
    assert govern(system, chain.sender(0), system.venue, "setFees", 7, 3) is Outcome.DONE
    assert system.venue.call("takerFeeBps") == 7
    with pytest.raises(ConfigError, match="Fix: use the governor's account"):
        govern(system, chain.sender(9), system.venue, "setFees", 0, 0)


def test_a_governed_call_with_a_delay_is_scheduled_waits_and_is_executed_once(chain: EthTesterChain) -> None:
    plan = plan_for(chain, governor=chain.accounts[7].address, governor_delay_s=DELAY_S)
    system = System.connect(chain.w3, deploy(chain.sender(0), plan))
    sender, call = chain.sender(7), ("setFees", 9, 1)
    assert govern(system, sender, system.venue, *call) is Outcome.SCHEDULED
    with pytest.raises(StaleError, match="Fix: wait"):
        govern(system, sender, system.venue, *call)
    assert system.venue.call("takerFeeBps") == plan.taker_fee_bps
    chain.set_time(chain.now() + DELAY_S)
    assert govern(system, sender, system.venue, *call) is Outcome.DONE
    assert system.venue.call("takerFeeBps") == 9
    assert govern(system, sender, system.venue, *call) is Outcome.SCHEDULED
