"""Lets an account of Ape send what our sender sends, through Ape's provider.

Imports nothing of Ape: keepers do without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from eth_utils.address import to_checksum_address
from web3.types import TxReceipt

from seawall.chain.rpc import calling
from seawall.chain.sender import MAX_TRANSACTION_GAS, Sender
from seawall.errors import SeawallError

__all__ = ["ape_sender", "one_line_errors"]


class _ApeSender(Sender):
    """Signs with an Ape account; Ape counts nonces, sets fees and waits."""

    def __init__(self, provider: Any, account: Any) -> None:
        self.w3 = provider.web3
        self.address = str(account.address)
        self._provider = provider
        self._ape_account = account
        # Ape's test chain answers no call of an account that could not pay the gas.
        self.w3.eth.default_account = to_checksum_address(self.address)

    def send(
        self,
        to: str | None,
        data: bytes,
        *,
        value: int = 0,
        gas: int | None = None,
        what: str = "transaction",
    ) -> TxReceipt:
        """Send a transaction through Ape and return its receipt."""
        limit = min(gas or MAX_TRANSACTION_GAS, MAX_TRANSACTION_GAS)
        fields: dict[str, Any] = {"data": data, "value": value, "gas": limit}
        if to is not None:
            fields["receiver"] = to_checksum_address(to)
        ecosystem = self._provider.network.ecosystem
        with calling(what):
            receipt = self._ape_account.call(ecosystem.create_transaction(**fields))
            return self.w3.eth.get_transaction_receipt(receipt.txn_hash)

    def forget_nonce(self) -> None:
        """Do nothing; Ape asks the node."""


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Show what Seawall raises on purpose as one line, without a traceback."""
    try:
        yield
    except SeawallError as error:
        raise click.ClickException(str(error)) from error


def ape_sender(provider: Any, account: Any) -> Sender:
    """Return a sender for an account of Ape on the connected provider."""
    return _ApeSender(provider, account)
