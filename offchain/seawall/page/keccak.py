"""Keccak-256 of many messages at once: the sponge of FIPS 202 with the old padding, lanes as arrays over messages."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from eth_utils.crypto import keccak

__all__ = ["keccak_many", "keccak_rows"]

Words = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]

_RATE = 136  # bytes a block
_HASH = 32
# Messages hashed at once, so that the state of all of them fits in cache.
_BATCH = 4096
# Fewer messages than this are hashed one by one, which is faster then.
_FEW = 256


def _round_constants() -> list[np.uint64]:
    """Return the constants of the 24 rounds: bits of a linear feedback register, at positions 2^j - 1."""
    found, register = [], 1
    for _ in range(24):
        constant = 0
        for j in range(7):
            if register & 1:
                constant |= 1 << ((1 << j) - 1)
            register = (register << 1) ^ (0x171 if register & 0x80 else 0)
        found.append(np.uint64(constant))
    return found


def _moves() -> list[tuple[tuple[int, int], tuple[int, int], np.uint64, np.uint64]]:
    """Return for every step of rho and pi: lane (x, y) read, lane written, shifts to the left and right."""
    x, y = 1, 0
    found = []
    for t in range(24):
        goal = y, (2 * x + 3 * y) % 5
        bits = (t + 1) * (t + 2) // 2 % 64
        found.append(((x, y), goal, np.uint64(bits), np.uint64(64 - bits)))
        x, y = y, (2 * x + 3 * y) % 5
    return found


_CONSTANTS, _MOVES = _round_constants(), _moves()
_ONE, _LAST = np.uint64(1), np.uint64(63)


def keccak_many(messages: Sequence[bytes]) -> list[bytes]:
    """Return the hash of every message, in their order; fastest when many are of one length."""
    found = [b""] * len(messages)
    by_length: dict[int, list[int]] = {}
    for i, message in enumerate(messages):
        by_length.setdefault(len(message), []).append(i)
    for length, places in by_length.items():
        if len(places) < _FEW:
            for i in places:
                found[i] = keccak(messages[i])
            continue
        rows = np.frombuffer(b"".join([messages[i] for i in places]), dtype=np.uint8)
        digests = keccak_rows(rows.reshape(len(places), length)).tobytes()
        for k, i in enumerate(places):
            found[i] = digests[_HASH * k : _HASH * (k + 1)]
    return found


def keccak_rows(messages: Bytes) -> Bytes:
    """Return the hashes, (N, 32), of messages of one length, (N, L)."""
    count, length = messages.shape
    blocks = length // _RATE + 1
    hashes = np.empty((count, _HASH), dtype=np.uint8)
    for start in range(0, count, _BATCH):
        part = messages[start : start + _BATCH]
        padded = np.zeros((len(part), blocks * _RATE), dtype=np.uint8)
        padded[:, :length] = part
        padded[:, length] ^= 0x01
        padded[:, -1] ^= 0x80
        lanes = np.ascontiguousarray(padded.view("<u8").T.astype(np.uint64))
        state = np.zeros((25, len(part)), dtype=np.uint64)
        for block in range(blocks):
            state[: _RATE // 8] ^= lanes[block * (_RATE // 8) : (block + 1) * (_RATE // 8)]
            _permute(state.reshape(5, 5, -1))
        hashes[start : start + _BATCH] = (
            np.ascontiguousarray(state[: _HASH // 8].T).astype("<u8").view(np.uint8)
        )
    return hashes


def _permute(state: Words) -> None:
    """Apply Keccak-f[1600] to states (5, 5, N), y by x, in place."""
    count = state.shape[2]
    # Columns 5 and 6 repeat 0 and 1, so that neighbours are slices.
    parity, moved = np.empty((7, count), dtype=np.uint64), np.empty((5, 7, count), dtype=np.uint64)
    mixed, spare = np.empty((5, count), dtype=np.uint64), np.empty(count, dtype=np.uint64)
    for constant in _CONSTANTS:
        np.bitwise_xor.reduce(state, axis=0, out=parity[:5])
        parity[5:] = parity[:2]
        np.left_shift(parity[1:6], _ONE, out=mixed)
        mixed |= parity[1:6] >> _LAST
        mixed[1:] ^= parity[:4]
        mixed[0] ^= parity[4]
        state ^= mixed
        for (read_x, read_y), (x, y), left, right in _MOVES:
            lane, goal = state[read_y, read_x], moved[y, x]
            np.left_shift(lane, left, out=goal)
            np.right_shift(lane, right, out=spare)
            np.bitwise_or(goal, spare, out=goal)
        moved[0, 0] = state[0, 0]
        moved[:, 5:] = moved[:, :2]
        np.invert(moved[:, 1:6], out=state)
        state &= moved[:, 2:]
        state ^= moved[:, :5]
        state[0, 0] ^= constant
