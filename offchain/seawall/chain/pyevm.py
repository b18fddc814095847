"""Adapts eth-tester to py-evm: no randomness, no wall clock, revert data as nodes give it, no work done twice."""

from __future__ import annotations

from typing import Any

from seawall.errors import ConfigError

__all__ = ["DEV_BALANCE_WEI", "tester_classes"]

DEV_BALANCE_WEI = 1_000_000 * 1_000_000_000 * 1_000_000_000


def tester_classes() -> tuple[Any, Any, Any]:
    """Return the backend, eth-tester's front and the key type, imported only when somebody wants this chain.

    Raises
    ------
    ConfigError
        When eth-tester or py-evm is not installed.
    """
    try:
        from eth.exceptions import Revert
        from eth.vm.spoof import SpoofTransaction
        from eth_keys.datatypes import PrivateKey
        from eth_tester import EthereumTester
        from eth_tester.backends.pyevm import main as pyevm
        from eth_tester.exceptions import TransactionFailed
    except ImportError as error:
        raise ConfigError(
            f"the in-process chain is not installed ({error.name}). Fix: pip install 'seawall[demo]'"
        ) from error

    class Backend(pyevm.PyEVMBackend):  # type: ignore[misc]
        """py-evm without random numbers in headers, and with revert data in hexadecimal."""

        def mine_blocks(self, num_blocks: int = 1, coinbase: bytes = bytes(20)) -> tuple[bytes, ...]:
            return tuple(self._mine_one(coinbase) for _ in range(num_blocks))

        def _mine_one(self, coinbase: bytes) -> bytes:
            block = self.chain.mine_block(coinbase=coinbase, mix_hash=bytes(32), blob_gas_used=0)
            self.tick_from(block.header.timestamp)
            return bytes(block.hash)

        def tick_from(self, timestamp: int) -> None:
            """Set the pending block's time to a second after this; py-evm would take the machine's clock."""
            self.chain.header = self.chain.header.copy(timestamp=timestamp + 1)

        def send_raw_transaction(self, raw_transaction: bytes) -> bytes:
            sent = (
                pyevm._get_vm_for_block_number(self.chain, "latest")
                .get_transaction_builder()
                .decode(raw_transaction)
            )
            self.chain.apply_transaction(sent)
            self.last_sent = sent
            return bytes(sent.hash)

        def get_transaction_receipt(self, transaction_hash: bytes) -> dict[str, Any]:
            """Serialise a receipt; the newest transaction keeps its sender, whose recovery is half of the work."""
            block, sent, index = pyevm._get_transaction_by_hash(self.chain, transaction_hash)
            newest = getattr(self, "last_sent", sent)
            sent = newest if newest.hash == transaction_hash else sent
            pending = block.number == self.chain.get_block().number
            receipts = block.get_receipts(self.chain.chaindb)
            vm = self.chain.get_vm()
            return dict(pyevm.serialize_transaction_receipt(block, receipts, sent, index, pending, vm))

        def call(self, transaction: dict[str, Any], block_number: Any = "latest") -> bytes:
            request = {"gas": self._max_available_gas(), **transaction}
            unsigned = self._get_normalized_and_unsigned_evm_transaction(request, block_number)
            state = pyevm._get_vm_for_block_number(self.chain, block_number).state
            mark = state.snapshot()
            state.set_balance(request["from"], DEV_BALANCE_WEI)  # a call costs nothing
            done = state.apply_transaction(SpoofTransaction(unsigned, from_=request["from"]))
            state.revert(mark)
            if not done.is_error:
                return bytes(done.output)
            if isinstance(done._error, Revert):
                raise TransactionFailed("0x" + bytes(done.output).hex())
            raise TransactionFailed(f"{type(done._error).__name__}: {done._error}")

    return Backend, EthereumTester, PrivateKey
