"""The file that says where a deployment's contracts are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from web3 import Web3

from seawall.chain.rpc import calling
from seawall.errors import ConfigError

__all__ = ["Deployment"]

FILE_VERSION = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployment:
    """Addresses and compiled contracts by role: `vault` is a `MarginVault`."""

    chain_id: int
    block: int
    addresses: Mapping[str, str]
    artifacts: Mapping[str, str]
    libraries: Mapping[str, str] = field(default_factory=dict)
    gas_used: Mapping[str, int] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write the file in one step.

        Raises
        ------
        ConfigError
            When it cannot be written.
        """
        values = {
            "version": FILE_VERSION,
            "chainId": self.chain_id,
            "block": self.block,
            "addresses": dict(self.addresses),
            "artifacts": dict(self.artifacts),
            "libraries": dict(self.libraries),
            "gasUsed": dict(self.gas_used),
        }
        partial = path.with_name(path.name + ".partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
            partial.replace(path)
        except OSError as error:
            raise ConfigError(
                f"cannot write {path}: {error.strerror}. Fix: correct chain.deployment"
            ) from error

    @classmethod
    def load(cls, path: Path) -> Deployment:
        """Read a file.

        Raises
        ------
        ConfigError
            When it is missing, damaged or of another version.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if values["version"] != FILE_VERSION:
                raise ConfigError(f"{path.name} has version {values['version']}. Fix: deploy again")
            return cls(
                chain_id=int(values["chainId"]),
                block=int(values["block"]),
                addresses=dict(values["addresses"]),
                artifacts=dict(values["artifacts"]),
                libraries=dict(values["libraries"]),
                gas_used={name: int(gas) for name, gas in values["gasUsed"].items()},
            )
        except OSError as error:
            raise ConfigError(
                f"cannot read the deployment {path}: {error.strerror}. Fix: correct chain.deployment, or deploy first"
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(f"{path.name} is no deployment file ({error}). Fix: deploy again") from error

    def require_chain(self, w3: Web3) -> None:
        """Compare the chain's id with the one deployed on.

        Raises
        ------
        ConfigError
            When they differ.
        """
        with calling("eth_chainId"):
            found = w3.eth.chain_id
        if found != self.chain_id:
            raise ConfigError(
                f"the deployment is on chain {self.chain_id}, the node serves chain {found}. "
                "Fix: correct chain.deployment or chain.rpc_urls"
            )
