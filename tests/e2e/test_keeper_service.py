"""`seawall keeper once` in three processes with one shared folder: epochs go on, also with one keeper dead."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from eth_account import Account

from seawall.chain.anvil import find_anvil, start_anvil
from seawall.chain.contracts import System
from seawall.chain.deploy import deploy
from seawall.chain.devchain import RpcChain
from seawall.chain.plan import AnchorPlan, DeploySettings, InstrumentPlan, ProbePlan, UnderlyingPlan
from seawall.keeper import ChainReader, Keeper, KeeperSettings, SignatureStore
from seawall.keeper.post import push_prices
from seawall.market import embedded_bars

pytestmark = pytest.mark.skipif(
    find_anvil() is None, reason="anvil is missing: its npm package has no build for some machines"
)

NOW = 1_516_060_805  # 2018-01-16 00:00:05 UTC, five seconds after a bar
PASSPHRASE = "loopback only"


@dataclass(frozen=True)
class Network:
    chain: RpcChain
    system: System
    folder: Path

    def config(self, index: int) -> Path:
        return self.folder / f"keeper-{index}.yaml"

    def push_anchor(self) -> None:
        anchor = Keeper(
            self.system,
            self.chain.accounts[5],
            store=SignatureStore(self.folder / "anchor.sqlite"),
            history=embedded_bars().until,
            settings=KeeperSettings(),
        )
        now = self.chain.now()
        view = ChainReader(self.system).read()
        batch = anchor.sign_prices(view, time_s=now, observed_at=now, feed=self.system.anchor_feed.address)
        push_prices(self.system.anchor_feed, self.chain.sender(6), [batch])

    def start(self, *indices: int, extra: tuple[str, ...] = ()) -> list[subprocess.Popen[str]]:
        command = [sys.executable, "-m", "seawall.cli", "keeper", "once", "--json", *extra, "--config"]
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        return [
            subprocess.Popen(
                [*command, str(self.config(i))],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=environment,
            )
            for i in indices
        ]


def results(processes: list[subprocess.Popen[str]]) -> list[dict[str, Any]]:
    found = []
    for process in processes:
        output, errors = process.communicate(timeout=150)
        assert process.returncode == 0, errors
        found.append(json.loads(output))
    return found


def keystore(folder: Path, name: str, key: bytes) -> dict[str, str]:
    (folder / f"{name}.passphrase").write_text(PASSPHRASE)
    (folder / f"{name}.json").write_text(json.dumps(Account.encrypt(key, PASSPHRASE, iterations=2)))
    return {"keystore": f"{name}.json", "passphrase_file": f"{name}.passphrase"}


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    folder = tmp_path_factory.mktemp("keepers")
    with start_anvil(timestamp=NOW) as chain:
        perpetual = (InstrumentPlan(kind="perpetual", shift=13),)
        plan = DeploySettings(
            signers=tuple(sorted((a.address for a in chain.accounts[1:4]), key=str.lower)),
            quorum=2,
            anchor=AnchorPlan(signers=(chain.accounts[5].address,), quorum=1),
            underlyings=tuple(
                UnderlyingPlan(
                    symbol=symbol,
                    lot_size_wad=10**16,
                    bounds=ProbePlan(cap_ppm=900_000),
                    instruments=perpetual,
                )
                for symbol in ("BTC", "ETH")
            ),
            tick=1,
        )
        deployment = deploy(chain.sender(0), plan)
        deployment.save(folder / "deployment.json")
        for i in range(3):
            settings = {
                "chain": {
                    "rpc_urls": [chain.url],
                    "chain_id": chain.chain_id,
                    "deployment": "deployment.json",
                },
                "fees": {"max_fee_gwei": 100, "timeout_s": 60},
                "keys": {
                    "signer": keystore(folder, f"signer-{i}", bytes(chain.accounts[1 + i].key)),
                    "payer": keystore(folder, f"payer-{i}", bytes(chain.accounts[10 + i].key)),
                },
                "keeper": {"store": f"keeper-{i}.sqlite", "mailbox": "mailbox", "leader_timeout_s": 15},
            }
            (folder / f"keeper-{i}.yaml").write_text(yaml.safe_dump(settings))
        yield Network(chain=chain, system=System.connect(chain.w3, deployment), folder=folder)


def test_three_keepers_put_an_epoch_in_force(network: Network) -> None:
    network.push_anchor()
    found = results(network.start(0, 1, 2))
    assert network.system.oracle.call("currentManifest")[0] == 1
    assert sorted(result["role"] for result in found) == ["follower", "follower", "leader"]
    assert network.system.oracle.call("initialMarginRatio", 0) > 10**17


def test_a_dry_run_needs_no_key_and_sends_nothing(network: Network) -> None:
    before = network.chain.w3.eth.block_number
    (result,) = results(network.start(0, extra=("--dry-run",)))
    assert result["epoch in force"] == network.system.oracle.call("currentManifest")[0]
    assert network.chain.w3.eth.block_number == before


def test_with_one_keeper_dead_the_others_go_on(network: Network) -> None:
    epoch = network.system.oracle.call("currentManifest")[0]
    leaders = sorted((network.chain.accounts[1 + i].address for i in range(3)), key=str.lower)
    dead = next(i for i in range(3) if network.chain.accounts[1 + i].address == leaders[(epoch + 1) % 3])
    network.chain.set_time(network.chain.now() + 1_800)
    network.push_anchor()
    results(network.start(*(i for i in range(3) if i != dead)))
    assert network.system.oracle.call("currentManifest")[0] == epoch + 2
