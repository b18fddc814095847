"""Prices of a Chainlink feed, or of any aggregator of that shape, read back from the newest round.

A round's number is `phase << 64 | round of that phase`. Within a phase numbers count down to 1; the last round of the
phase before is found by bisection, for an aggregator says only which rounds it has. All calls are made at one block.
Left out, and counted in the log: rounds that a phase lacks, answers that are not positive, and times later than the
block's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog
from web3 import Web3

from seawall.chain.contracts import Contract
from seawall.chain.reverts import Reverted
from seawall.chain.rpc import calling
from seawall.errors import ConfigError, DataError, InputError, RpcError
from seawall.market.schema import Rounds

__all__ = ["FeedSettings", "read_feed"]

_PHASE_BITS = 64
_ROUND_MASK = (1 << _PHASE_BITS) - 1
_MOST_DECIMALS = 36
_log = structlog.get_logger()

_ROUND_OUTPUTS = [
    {"name": name, "type": kind}
    for name, kind in (
        ("roundId", "uint80"),
        ("answer", "int256"),
        ("startedAt", "uint256"),
        ("updatedAt", "uint256"),
        ("answeredInRound", "uint80"),
    )
]
_ABI: tuple[dict[str, Any], ...] = tuple(
    {"type": "function", "stateMutability": "view", "name": name, "inputs": inputs, "outputs": outputs}
    for name, inputs, outputs in (
        ("decimals", [], [{"name": "", "type": "uint8"}]),
        ("latestRoundData", [], _ROUND_OUTPUTS),
        ("getRoundData", [{"name": "round", "type": "uint80"}], _ROUND_OUTPUTS),
    )
)


@dataclass(frozen=True, kw_only=True, slots=True)
class FeedSettings:
    """Limit what reading a feed costs; how long one call may take is the connection's affair.

    Attributes
    ----------
    most_rounds
        Calls for rounds, those that are left out included.
    timeout_s
        For all calls together.
    most_absent
        Rounds in a row that a phase may lack.
    """

    most_rounds: int = 5000
    timeout_s: float = 300.0
    most_absent: int = 20

    def __post_init__(self) -> None:
        """Reject limits that make no sense."""
        if self.most_rounds < 1 or self.timeout_s <= 0 or self.most_absent < 0:
            raise ConfigError(
                "feed: most_rounds must be at least 1, timeout_s positive, most_absent not negative"
            )


def read_feed(
    w3: Web3,
    address: str,
    *,
    symbol: str,
    since_s: int,
    settings: FeedSettings | None = None,
    on_round: Callable[[int], None] | None = None,
) -> Rounds:
    """Return what a feed published since a time, and the one price before, oldest first.

    Parameters
    ----------
    w3
        Connected with a time-out, as `seawall.chain.rpc.connect` does.
    address
        Of the feed (the proxy, where there is one).
    symbol
        What to call it, such as ``BTC/USD``.
    since_s
        The newest round at or before this time is the first of the result.
    on_round
        Is told the time of every round that is read.

    Raises
    ------
    DataError
        If the feed has no usable round, is none, or there are more rounds than allowed.
    RpcError
        If the node does not answer, or not all in time.
    """
    limits = settings or FeedSettings()
    with calling("the newest block"):
        block = w3.eth.get_block("latest")
    reader = _Reader(Contract(w3, address, _ABI, name=symbol), int(block["number"]), limits)
    scale = 10 ** reader.decimals()
    found: list[tuple[int, float]] = []
    left_out = 0
    for answer, updated_at in reader.back():
        if answer <= 0 or not 0 < updated_at <= int(block["timestamp"]):
            left_out += 1
            continue
        found.append((updated_at, answer / scale))
        if on_round is not None:
            on_round(updated_at)
        if updated_at <= since_s:
            break
    if left_out or reader.absent:
        _log.warning("feed rounds left out", symbol=symbol, unusable=left_out, absent=reader.absent)
    if not found:
        raise DataError(f"{symbol}: the feed at {address} has no usable round: check the address")
    found.reverse()
    found.sort(key=lambda pair: pair[0])
    return Rounds(
        symbol=symbol,
        times_s=np.array([t for t, _ in found], dtype=np.int64),
        price=np.array([p for _, p in found], dtype=np.float64),
    )


class _Reader:
    """Walks back through the rounds of one feed at one block."""

    def __init__(self, feed: Contract, block: int, limits: FeedSettings) -> None:
        self._feed = feed
        self._block = block
        self._limits = limits
        self._calls = 0
        self._deadline = time.monotonic() + limits.timeout_s
        self.absent = 0

    def decimals(self) -> int:
        """Return the feed's decimals."""
        try:
            decimals = int(self._feed.call("decimals", block=self._block))
        except (Reverted, InputError) as error:
            raise DataError(f"{self._feed} is no price feed: {error}") from error
        if decimals > _MOST_DECIMALS:
            raise DataError(f"{self._feed} has {decimals} decimals: it is no price feed")
        return decimals

    def back(self) -> Any:
        """Yield answer and time of every round there is, newest first."""
        newest = self._call("latestRoundData")
        if newest is None:
            raise DataError(
                f"{self._feed} answers nothing for its newest round: it may be broken, or none yet"
            )
        yield newest[1], newest[3]
        phase, last = newest[0] >> _PHASE_BITS, (newest[0] & _ROUND_MASK) - 1
        while True:
            yield from self._phase(phase, last)
            phase -= 1
            if phase < 0:
                return
            last = self._last_of(phase)

    def _phase(self, phase: int, last: int) -> Any:
        missing = 0
        for number in range(last, 0, -1):
            found = self._call("getRoundData", phase << _PHASE_BITS | number)
            if found is None:
                missing += 1
                self.absent += 1
                if missing > self._limits.most_absent:
                    raise DataError(
                        f"{self._feed} lacks more than {self._limits.most_absent} rounds in a row before round {number}"
                    )
                continue
            missing = 0
            yield found[1], found[3]

    def _last_of(self, phase: int) -> int:
        """Return the last round of an earlier phase, 0 if it has none, by doubling and bisection."""

        def there(number: int) -> bool:
            return self._call("getRoundData", phase << _PHASE_BITS | number) is not None

        if not there(1):
            return 0
        low, high = 1, 2
        while there(high):
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if there(middle) else (low, middle)
        return low

    def _call(self, function: str, *args: int) -> tuple[int, int, int, int, int] | None:
        """Return a round, or None if the feed has none of that number."""
        self._calls += 1
        if self._calls > self._limits.most_rounds:
            raise DataError(
                f"{self._feed}: more than {self._limits.most_rounds} rounds. Fix: ask for less, or raise most_rounds"
            )
        if time.monotonic() > self._deadline:
            raise RpcError(f"{self._feed} was not read within {self._limits.timeout_s:g} s")
        try:
            found = self._feed.call(function, *args, block=self._block)
        except (Reverted, InputError):
            return None
        return None if found[3] == 0 else tuple(found)
