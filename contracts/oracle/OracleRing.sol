// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IMarginOracle} from "../interfaces/IMarginOracle.sol";
import {OracleConfig} from "./OracleConfig.sol";

/// @dev How long a manifest must have been in force before it counts in anybody's disfavour.
uint256 constant GRACE = 60 minutes;
/// @dev Positions of the ring; position 0 stands for none.
uint256 constant RING_POSITIONS = 3;

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
        (uint256 position, uint256 since) = _effectiveBaseline(state);
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
    function load(uint256 packedPages, uint256 count, bool baseline) external view returns (uint256[] memory words) {
        words = new uint256[](count + 1);
        uint256 position;
        uint256 isBaseline = 1;
        if (baseline) {
            (position,) = _effectiveBaseline(ring);
            words[0] = heads[position];
        } else {
            uint256 state;
            assembly ("memory-safe") {
                state := sload(ring.slot)
            }
            // RingState: current 8, asOf 40 (32), activatedAt 40 (72), epoch 40 (112)
            position = uint8(state);
            words[0] = uint120(state >> 32);
            isBaseline = block.timestamp >= uint40(state >> 72) + GRACE ? 1 : 0;
        }
        if (position == 0) return words;
        words[0] |= isBaseline << 120;
        // words[i + 1] = pageWords[(position << 8) | ((packedPages >> (8 * i)) & 0xff)] for i < count
        assembly ("memory-safe") {
            mstore(0x20, pageWords.slot)
            let into := add(words, 0x40)
            for { let end := add(into, shl(5, count)) } lt(into, end) { into := add(into, 0x20) } {
                mstore(0, or(shl(8, position), and(packedPages, 0xff)))
                mstore(into, sload(keccak256(0, 0x40)))
                packedPages := shr(8, packedPages)
            }
        }
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
        if (baseline) (position,) = _effectiveBaseline(state);
        return roots[position];
    }

    /* INTERNALS */

    /// @dev Makes room in the ring for a manifest that takes effect now; returns its position.
    function _advance(uint64 epoch, uint64 asOf, bytes32 root) internal returns (uint256 position) {
        RingState memory state = ring;
        (uint256 kept, uint256 since) = _effectiveBaseline(state);
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

    /// @dev The newest of the three positions that has been in force for GRACE, and since when; zeros if there is none.
    function _effectiveBaseline(RingState memory state) internal view returns (uint256 position, uint256 since) {
        if (state.current != 0 && block.timestamp >= state.activatedAt + GRACE) return (state.current, state.activatedAt);
        if (state.candidate != 0 && block.timestamp >= state.candidateAt + GRACE) return (state.candidate, state.candidateAt);
        return (state.baseline, state.baselineAt);
    }
}
