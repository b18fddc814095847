"""What commands that talk to a chain share: connections, the deployment, senders."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

from web3 import Web3

from seawall.chain.contracts import System
from seawall.chain.deployment import Deployment
from seawall.chain.rpc import connect_any
from seawall.chain.sender import FeePolicy, Sender
from seawall.config import Config, FeesConfig
from seawall.errors import ConfigError

__all__ = ["Session", "fee_policy", "open_session"]

WEI_PER_GWEI = 1_000_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """A chain as the settings describe it; the first connection is read from, all are written to."""

    config: Config
    connections: tuple[Web3, ...]

    @property
    def w3(self) -> Web3:
        """Return the connection that is read from."""
        return self.connections[0]

    def system(self) -> System:
        """Return the deployed contracts.

        Raises
        ------
        ConfigError
            When the deployment file is missing or belongs to another chain.
        """
        deployment = Deployment.load(self.config.chain.deployment)
        deployment.require_chain(self.w3)
        return System.connect(self.w3, deployment)

    def payer(self, *, timeout_s: float = inf) -> Sender:
        """Return a sender for the key that pays gas.

        Parameters
        ----------
        timeout_s
            Seconds after which a transaction is worthless, if that is sooner than the settings give up.

        Raises
        ------
        ConfigError
            When no key is set or it does not open.
        """
        key = self.config.keys.payer
        if key is None:
            raise ConfigError(
                "no key pays for gas. Fix: set keys.payer.keystore and keys.payer.passphrase_file"
            )
        relays = self.connections[1:]
        fees = fee_policy(self.config.fees)
        fees = replace(fees, timeout_s=min(fees.timeout_s, timeout_s))
        return Sender(self.w3, key.unlock(), fees=fees, relays=relays)


def fee_policy(fees: FeesConfig) -> FeePolicy:
    """Return the sender's policy for an operator's settings."""
    most = fees.max_priority_fee_gwei
    return FeePolicy(
        max_fee_wei=round(fees.max_fee_gwei * WEI_PER_GWEI),
        priority_fee_wei=round(fees.priority_fee_gwei * WEI_PER_GWEI),
        max_priority_fee_wei=None if most is None else round(most * WEI_PER_GWEI),
        bump_permille=fees.bump_permille,
        replace_after_s=fees.replace_after_s,
        timeout_s=fees.timeout_s,
    )


def open_session(config: Config) -> Session:
    """Connect to every endpoint of the settings that answers.

    Raises
    ------
    ConfigError
        When none is set or one serves another chain.
    RpcError
        When none answers.
    """
    chain = config.chain
    found = connect_any(chain.rpc_urls, chain_id=chain.chain_id, timeout_s=chain.timeout_s)
    return Session(config=config, connections=tuple(found))
