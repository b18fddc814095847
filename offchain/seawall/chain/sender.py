"""Signs transactions with a key of ours, broadcasts them, replaces the stuck ones and waits, one at a time a key."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from hexbytes import HexBytes
from web3 import Web3
from web3.exceptions import TransactionNotFound
from web3.types import TxData, TxParams, TxReceipt

from seawall.chain.reverts import Reverted
from seawall.chain.rpc import calling
from seawall.errors import ConfigError, RetryLater, RpcError

__all__ = ["MAX_TRANSACTION_GAS", "FeePolicy", "Sender", "bumped"]

MAX_TRANSACTION_GAS = 2**24  # EIP-7825
MIN_BUMP_PERMILLE = 125  # what nodes ask of a replacement


@dataclass(frozen=True, kw_only=True, slots=True)
class FeePolicy:
    """How much a transaction may cost and how long it may take."""

    max_fee_wei: int = 100_000_000_000
    priority_fee_wei: int = 1_000_000_000
    max_priority_fee_wei: int | None = None  # of a replacement; None: ten times the first, at least a gwei
    bump_permille: int = MIN_BUMP_PERMILLE
    replace_after_s: float = 30.0
    timeout_s: float = 180.0
    poll_s: float = 1.0
    gas_limit: int | None = None  # None: estimate
    gas_margin_permille: int = 200
    ask_base_fee: bool = True  # False: offer the largest fee at once, as a development chain allows

    def __post_init__(self) -> None:
        if self.bump_permille < MIN_BUMP_PERMILLE:
            raise ConfigError(f"fee bump of {self.bump_permille} permille is below {MIN_BUMP_PERMILLE}")
        if not 0 <= self.priority_fee_wei <= self.max_fee_wei:
            raise ConfigError("the priority fee must be between zero and the largest fee")
        if self.priority_fee_wei > self.largest_priority_fee_wei:
            raise ConfigError("the priority fee must not be above the largest of a replacement")
        if self.gas_limit is not None and not 21_000 <= self.gas_limit <= MAX_TRANSACTION_GAS:
            raise ConfigError(f"the gas limit must be between 21000 and {MAX_TRANSACTION_GAS}")

    @property
    def largest_priority_fee_wei(self) -> int:
        """What a replacement may tip at most."""
        most = self.max_priority_fee_wei
        return max(10 * self.priority_fee_wei, 10**9) if most is None else most


def bumped(fee_wei: int, permille: int) -> int:
    """Return a fee raised by so many permille, rounded up, and by at least one wei."""
    return max(fee_wei + 1, -(-fee_wei * (1000 + permille) // 1000))


@dataclass(kw_only=True, slots=True)
class _Sent:
    """A transaction under its nonce: the fees of its last version, the hashes of all, and of what it is to replace."""

    nonce: int
    fee_wei: int
    tip_wei: int
    hashes: list[HexBytes] = field(default_factory=list)
    replaces: tuple[HexBytes, ...] = ()


class Sender:
    """Sends transactions of one key on one chain, one at a time.

    `on_broadcast(hash, raw)` runs before a transaction leaves, so that a caller can put it on disk first. `relays` are
    further endpoints that get every transaction too. What was not mined in time, and which the node still holds, is
    replaced by the next transaction, under its nonce, as far as fees may rise: nothing is to wait behind what nobody
    wants any more. Of the two one at most is mined; if that is the earlier one, the next is not mined in time.
    """

    def __init__(
        self,
        w3: Web3,
        account: LocalAccount,
        *,
        fees: FeePolicy | None = None,
        relays: Sequence[Web3] = (),
        on_broadcast: Callable[[str, bytes], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.w3 = w3
        self.account = account
        self.address: str = account.address
        self.fees = fees or FeePolicy()
        self._relays = tuple(relays)
        self._on_broadcast = on_broadcast
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._nonce: int | None = None
        self._unmined: _Sent | None = None
        self._chain_id: int | None = None

    def send(
        self,
        to: str | None,
        data: bytes,
        *,
        value: int = 0,
        gas: int | None = None,
        what: str = "transaction",
    ) -> TxReceipt:
        """Send a transaction and return its receipt once it is in a block; `to` None creates a contract.

        Raises
        ------
        Reverted
            When it would revert, or did.
        RetryLater
            When fees are above the cap.
        RpcError
            When it was not mined in time, as far as the node says; its hashes are in the message. Look at the chain
            before sending it again.
        """
        with self._lock:
            return self._send(to, data, value=value, gas=gas, what=what)

    def forget_nonce(self) -> None:
        """Ask the node for the nonce next time, after a restored snapshot or a transaction sent by someone else."""
        with self._lock:
            self._nonce = self._unmined = None

    def _send(self, to: str | None, data: bytes, *, value: int, gas: int | None, what: str) -> TxReceipt:
        fields: dict[str, Any] = {"data": data, "value": value, "type": 2, "chainId": self._chain()}
        if to is not None:
            fields["to"] = to_checksum_address(to)
        fields["gas"] = gas or self.fees.gas_limit or self._estimate(fields, what)
        if fields["gas"] > MAX_TRANSACTION_GAS:
            raise ConfigError(
                f"{what} needs {fields['gas']} gas, a transaction may have {MAX_TRANSACTION_GAS}"
            )
        sent = self._placed()
        try:
            receipt = self._until_mined(fields, sent, what)
        except (Reverted, RpcError):
            self._nonce = None
            raise
        self._nonce, self._unmined = sent.nonce + 1, None
        if receipt["status"] != 1:
            raise self._explain(fields, receipt, what)
        return receipt

    def _placed(self) -> _Sent:
        """Return nonce and fees: in place of what was not mined, if those may be raised, else behind the last."""
        fee, tip = self._initial_fees()
        held = self._held()
        if held is not None:
            raised = self._raised(int(held["maxFeePerGas"]), int(held["maxPriorityFeePerGas"]))
            if raised is not None:
                fee, tip = max(fee, raised[0]), max(tip, raised[1])
                replaces = (HexBytes(held["hash"]),)
                return _Sent(nonce=int(held["nonce"]), fee_wei=fee, tip_wei=tip, replaces=replaces)
        if self._nonce is None:
            with calling("eth_getTransactionCount"):
                self._nonce = self.w3.eth.get_transaction_count(to_checksum_address(self.address), "pending")
        return _Sent(nonce=self._nonce, fee_wei=fee, tip_wei=tip)

    def _held(self) -> TxData | None:
        """Return the version of what was not mined in time that the node holds, if no block has one meanwhile."""
        if self._unmined is None:
            return None
        for tx_hash in (*reversed(self._unmined.hashes), *self._unmined.replaces):
            with suppress(TransactionNotFound), calling("eth_getTransactionByHash"):
                found = self.w3.eth.get_transaction(tx_hash)
                return found if found.get("blockNumber") is None else None
        return None

    def _chain(self) -> int:
        if self._chain_id is None:
            with calling("eth_chainId"):
                self._chain_id = self.w3.eth.chain_id
        return self._chain_id

    def _estimate(self, fields: dict[str, Any], what: str) -> int:
        call: dict[str, Any] = {k: fields[k] for k in ("to", "data", "value") if k in fields}
        with calling(what):
            needed = self.w3.eth.estimate_gas(_params({"from": self.address, **call}))
        if needed > MAX_TRANSACTION_GAS:
            return int(needed)
        return int(min(needed * (1000 + self.fees.gas_margin_permille) // 1000, MAX_TRANSACTION_GAS))

    def _initial_fees(self) -> tuple[int, int]:
        cap, tip = self.fees.max_fee_wei, self.fees.priority_fee_wei
        if not self.fees.ask_base_fee:
            return cap, tip
        with calling("eth_getBlockByNumber"):
            base = int(self.w3.eth.get_block("latest").get("baseFeePerGas", 0))
        if base > cap:
            raise RetryLater(
                f"the base fee {base} wei is above the cap of {cap}. Fix: wait, or raise fees.max_fee_wei"
            )
        return min(2 * base + tip, cap), min(tip, cap)

    def _until_mined(self, fields: dict[str, Any], sent: _Sent, what: str) -> TxReceipt:
        self._unmined = sent
        self._broadcast(fields, sent, what)
        started = last = self._clock()
        silent = ""
        while True:
            try:
                receipt = self._mined(sent)
                if receipt is not None:
                    return receipt
            except RpcError as error:  # it may answer later
                silent = f". {error}"
            now = self._clock()
            if now - started > self.fees.timeout_s:
                names = ", ".join(tx_hash.to_0x_hex() for tx_hash in sent.hashes)
                raise RpcError(
                    f"{what} was not mined within {self.fees.timeout_s:.0f} s; still pending: {names}{silent}"
                )
            if now - last > self.fees.replace_after_s:
                last = now
                self._replace(fields, sent, what)
            self._sleep(self.fees.poll_s)

    def _mined(self, sent: _Sent) -> TxReceipt | None:
        """Return the receipt of the version that is in a block."""
        for tx_hash in reversed(sent.hashes):
            with suppress(TransactionNotFound), calling("eth_getTransactionReceipt"):
                return self.w3.eth.get_transaction_receipt(tx_hash)
        return None

    def _raised(self, fee_wei: int, tip_wei: int) -> tuple[int, int] | None:
        """Return the fees at which nodes let a transaction replace another, unless they are above the caps."""
        fee, tip = (bumped(wei, self.fees.bump_permille) for wei in (fee_wei, tip_wei))
        within = fee <= self.fees.max_fee_wei and tip <= self.fees.largest_priority_fee_wei
        return (fee, tip) if within else None

    def _replace(self, fields: dict[str, Any], sent: _Sent, what: str) -> None:
        """Raise both fees of the same nonce and broadcast again, unless that would exceed a cap."""
        raised = self._raised(sent.fee_wei, sent.tip_wei)
        if raised is None:
            return
        sent.fee_wei, sent.tip_wei = raised
        # mined in the meantime, or the node wants more: the loop goes on watching every hash
        with suppress(RpcError, Reverted):
            self._broadcast(fields, sent, what)

    def _broadcast(self, fields: dict[str, Any], sent: _Sent, what: str) -> None:
        fees = {"maxFeePerGas": sent.fee_wei, "maxPriorityFeePerGas": sent.tip_wei}
        signed = self.account.sign_transaction({**fields, **fees, "nonce": sent.nonce})
        tx_hash = HexBytes(signed.hash)
        sent.hashes.append(tx_hash)
        if self._on_broadcast is not None:
            self._on_broadcast(tx_hash.to_0x_hex(), bytes(signed.raw_transaction))
        accepted = False
        first_error: Exception | None = None
        for w3 in (self.w3, *self._relays):
            try:
                with calling(what):
                    w3.eth.send_raw_transaction(signed.raw_transaction)
                accepted = True
            except (RpcError, Reverted) as error:
                known = "already known" in str(error) or "known transaction" in str(error)
                accepted = accepted or known
                first_error = first_error or error
        if not accepted and first_error is not None:
            raise first_error

    def _explain(self, fields: dict[str, Any], receipt: TxReceipt, what: str) -> Reverted:
        """Run the failed call again, after its block and then before it, to learn why it failed."""
        call: dict[str, Any] = {k: fields[k] for k in ("to", "data", "value", "gas") if k in fields}
        call["from"] = self.address
        found = Reverted("", {}, b"", what=what)
        for block in (receipt["blockNumber"], receipt["blockNumber"] - 1):
            try:
                with calling(what):
                    self.w3.eth.call(_params(call), block)
            except Reverted as error:
                found = error
                break
            except RpcError:
                break
        if not found.name and receipt["gasUsed"] >= fields["gas"]:
            found = Reverted("OutOfGas", {"gas": fields["gas"]}, b"", what=what)
        found.gas_used = int(receipt["gasUsed"])
        return found


def _params(call: dict[str, Any]) -> TxParams:
    return call  # type: ignore[return-value]
