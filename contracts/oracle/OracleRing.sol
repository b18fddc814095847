// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IMarginOracle} from "../interfaces/IMarginOracle.sol";
import {OracleConfig} from "./OracleConfig.sol";

/// @dev How long a manifest must have been in force before it counts in anybody's disfavour.
uint256 constant GRACE = 60 minutes;
/// @dev Positions of the ring; position 0 stands for none.
uint256 constant RING_POSITIONS = 3;
/// @dev In the first word that is loaded: the manifest is itself GRACE old.
uint256 constant IS_BASELINE = 1 << 120;

/// @notice Which ring positions matter, and what is needed of the current manifest.
/// @dev Packed 8 + 8 + 8 + 8 + 40 + 40 + 40 + 40 + 40 = 232.
struct RingState {
    uint8 current;
    uint8 candidate;
    uint8 baseline;
    bool paused;
    uint40 asOf;
    uint40 activatedAt;
    uint40 epoch;
    uint40 candidateAt;
    uint40 baselineAt;
}

/// @notice What a manifest must exceed, whatever was dropped since.
struct HighWater {
    uint40 epoch;
    uint40 asOf;
}

/// @title Current manifest, candidate, baseline
/// @dev The candidate becomes the baseline at the first activation that finds it at least GRACE old, and that activation's manifest the
/// next candidate. Between activations the effective baseline is the newest of the three that is GRACE old.
abstract contract OracleRing is OracleConfig {
    /* STORAGE */

    RingState internal ring;
    HighWater internal highWater;
    /// @dev position => `asOf 40 | activatedAt 40 (40) | epoch 40 (80)`
    mapping(uint256 => uint256) internal heads;
    /// @dev position => book root
    mapping(uint256 => bytes32) internal roots;
    /// @dev position << 8 | page => `address 160 | underlying 8 (160) | rows 8 (168)`
    mapping(uint256 => uint256) internal pageWords;
    /// @dev position << 8 | underlying => ProbeWord
    mapping(uint256 => uint256) internal probeWords;

    /* GOVERNANCE */

    /// @inheritdoc IMarginOracle
    function pauseActivation() external restricted {
        ring.paused = true;
        emit ActivationPauseChanged(true);
    }

    /// @inheritdoc IMarginOracle
    function unpauseActivation() external restricted {
        ring.paused = false;
        emit ActivationPauseChanged(false);
    }

    /// @inheritdoc IMarginOracle
    function dropCurrent() external restricted {
        RingState memory state = ring;
        (uint256 position, uint256 since) = _effectiveBaseline(_packedRing());
        require(position != 0 && position != state.current, NoBaseline());
        uint256 head = heads[position];
        uint64 dropped = state.epoch;
        (state.current, state.candidate, state.baseline) = (uint8(position), uint8(position), uint8(position));
        (state.activatedAt, state.candidateAt, state.baselineAt) = (uint40(since), uint40(since), uint40(since));
        (state.asOf, state.epoch) = (uint40(head), uint40(head >> 80));
        ring = state;
        emit CurrentDropped(dropped, state.epoch);
    }

    /* VIEWS */

    /// @inheritdoc IMarginOracle
    function load(uint256 packedPages, uint256 count, bool baseline) external view returns (uint256[] memory) {
        uint256 state = _packedRing();
        if (baseline) {
            (uint256 position,) = _effectiveBaseline(state);
            _answer(heads[position] | (position == 0 ? 0 : IS_BASELINE), packedPages, count, position, 0);
        } else {
            _answer(_currentWord(state), packedPages, count, uint8(state), 0);
        }
    }

    /// @inheritdoc IMarginOracle
    function loadWithBaseline(uint256 packedPages, uint256 count) external view returns (uint256[] memory) {
        uint256 state = _packedRing();
        uint256 first = _currentWord(state);
        uint256 other;
        if (first & IS_BASELINE == 0) (other,) = _effectiveBaseline(state);
        _answer(first, packedPages, count, uint8(state), other);
    }

    /// @inheritdoc IMarginOracle
    function currentManifest() external view returns (uint64 epoch, uint64 asOf, uint64 activatedAt, bytes32 root) {
        RingState memory state = ring;
        return (state.epoch, state.asOf, state.activatedAt, roots[state.current]);
    }

    /// @inheritdoc IMarginOracle
    function bookRoot(bool baseline) external view returns (bytes32 root) {
        RingState memory state = ring;
        uint256 position = state.current;
        if (baseline) (position,) = _effectiveBaseline(_packedRing());
        return roots[position];
    }

    /* INTERNALS */

    /// @dev Makes room in the ring for a manifest that takes effect now; returns its position.
    function _advance(uint64 epoch, uint64 asOf, bytes32 root) internal returns (uint256 position) {
        RingState memory state = ring;
        (uint256 kept, uint256 since) = _effectiveBaseline(_packedRing());
        if (kept != state.baseline) {
            (state.baseline, state.candidate) = (uint8(kept), 0);
            emit BaselineMoved(uint64(heads[kept] >> 80));
        }
        if (kept == state.candidate) state.candidate = 0;
        state.baselineAt = uint40(since);
        position = 1;
        while (position == state.baseline || position == state.candidate) ++position;
        assert(position <= RING_POSITIONS);
        state.current = uint8(position);
        (state.asOf, state.activatedAt, state.epoch) = (uint40(asOf), uint40(block.timestamp), uint40(epoch));
        if (state.candidate == 0) (state.candidate, state.candidateAt) = (uint8(position), uint40(block.timestamp));
        ring = state;
        highWater = HighWater({epoch: uint40(epoch), asOf: uint40(asOf)});
        heads[position] = uint256(asOf) | (block.timestamp << 40) | (uint256(epoch) << 80);
        roots[position] = root;
    }

    /// @dev The first word that is loaded of the current manifest; zero if there is none.
    function _currentWord(uint256 state) private view returns (uint256 word) {
        unchecked {
            word = uint120(state >> 32);
            if (uint8(state) != 0 && block.timestamp >= uint40(state >> 72) + GRACE) word |= IS_BASELINE;
        }
    }

    /// @dev Ends the call with a list of the first word and of the words of pages at one ring position, and at another if that is not zero, encoded where
    /// they are returned from.
    function _answer(uint256 first, uint256 packedPages, uint256 count, uint256 position, uint256 other) private view {
        assembly ("memory-safe") {
            // pageWords[(place << 8) | ((packed >> (8 * i)) & 0xff)] for i < words
            function put(into, place, packed, words) -> end {
                end := add(into, shl(5, words))
                for {} lt(into, end) { into := add(into, 0x20) } {
                    mstore(0, or(shl(8, place), and(packed, 0xff)))
                    mstore(into, sload(keccak256(0, 0x40)))
                    packed := shr(8, packed)
                }
            }
            let at := mload(0x40)
            mstore(0x20, pageWords.slot)
            let end := put(add(at, 0x60), position, packedPages, count)
            if other { end := put(end, other, packedPages, count) }
            mstore(at, 0x20)
            mstore(add(at, 0x20), shr(5, sub(sub(end, at), 0x40)))
            mstore(add(at, 0x40), first)
            return(at, sub(end, at))
        }
    }

    /// @dev RingState as stored: current 8, candidate 8 (8), baseline 8 (16), asOf 40 (32), activatedAt 40 (72), epoch 40 (112), candidateAt 40 (152),
    /// baselineAt 40 (192).
    function _packedRing() internal view returns (uint256 state) {
        assembly ("memory-safe") {
            state := sload(ring.slot)
        }
    }

    /// @dev The newest of the three positions that has been in force for GRACE, and since when; zeros if there is none.
    /// @param state As `_packedRing` returns it.
    function _effectiveBaseline(uint256 state) internal view returns (uint256 position, uint256 since) {
        unchecked {
            (position, since) = (uint8(state), uint40(state >> 72));
            if (position != 0 && block.timestamp >= since + GRACE) return (position, since);
            (position, since) = (uint8(state >> 8), uint40(state >> 152));
            if (position != 0 && block.timestamp >= since + GRACE) return (position, since);
            return (uint8(state >> 16), uint40(state >> 192));
        }
    }
}
