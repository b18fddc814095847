// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @dev Largest ratio that fits, parts per million of spot.
uint256 constant MAX_RATIO_PPM = type(uint24).max;

/// @title What an accepted manifest leaves behind for one underlying
/// @notice `ratioPpm 24 | upX16 40 (24) | downX16 40 (64) | fundingX32 96 (104) signed | acceptedAt 40 (200) | maintenanceFactorBps 15 (240)
/// | frozen 1 (255)`: the probe's leg over spot, how far it may still rise and fall, its cumulative funding. Zero if there is none.
library ProbeWord {
    function pack(
        uint256 ratio,
        uint256 riseX16,
        uint256 fallX16,
        int256 funding,
        uint256 timestamp,
        uint256 factorBps,
        bool isFrozen
    ) internal pure returns (uint256) {
        uint256 flag = isFrozen ? 1 << 255 : 0;
        return ratio | (riseX16 << 24) | (fallX16 << 64) | (uint256(uint96(int96(funding))) << 104)
            | ((timestamp & type(uint40).max) << 200) | ((factorBps & 0x7fff) << 240) | flag;
    }

    /// @dev Larger leg over spot, parts per million, rounded up.
    function ratioPpm(uint256 word) internal pure returns (uint256) {
        return word & MAX_RATIO_PPM;
    }

    function upX16(uint256 word) internal pure returns (uint256) {
        return (word >> 24) & type(uint40).max;
    }

    function downX16(uint256 word) internal pure returns (uint256) {
        return (word >> 64) & type(uint40).max;
    }

    function cumulativeX32(uint256 word) internal pure returns (int256) {
        return int256(int96(uint96(word >> 104)));
    }

    function acceptedAt(uint256 word) internal pure returns (uint256) {
        return (word >> 200) & type(uint40).max;
    }

    function maintenanceFactorBps(uint256 word) internal pure returns (uint256) {
        return (word >> 240) & 0x7fff;
    }

    function wasFrozen(uint256 word) internal pure returns (bool) {
        return word >> 255 != 0;
    }
}
