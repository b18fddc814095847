// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @dev One part per million of a level or a value.
uint256 constant PPM = 1e6;

/// @title How far a value may move
/// @notice A bucket holds what a value may still move by. It refills by a share of the value per period, up to that share, and a move
/// takes its size out. However a move is split, all moves within a time t sum to at most the capacity at its start plus the refill in t.
/// @dev Levels are scaled by 2^16, so that updates seconds apart do not round the refill away.
library LeakyBucket {
    /// @dev min(floor(value ratePpm 2^16 / 1e6), 2^40 - 1)
    function capacityX16(uint256 value, uint256 ratePpm) internal pure returns (uint256 levelX16) {
        levelX16 = (value * ratePpm << 16) / PPM;
        if (levelX16 > type(uint40).max) levelX16 = type(uint40).max;
    }

    /// @dev min(levelX16 + floor(value ratePpm elapsedS 2^16 / (1e6 periodS)), capacity)
    function refilledX16(uint256 levelX16, uint256 value, uint256 ratePpm, uint256 periodS, uint256 elapsedS)
        internal
        pure
        returns (uint256)
    {
        uint256 capacity = capacityX16(value, ratePpm);
        levelX16 += (value * ratePpm * elapsedS << 16) / (PPM * periodS);
        return levelX16 < capacity ? levelX16 : capacity;
    }
}
