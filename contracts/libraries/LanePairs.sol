// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title Scaled lots and slots, in pairs
library LanePairs {
    /// @dev Room for so many pairs and the empty one that completes the last turn; it holds anything.
    function newPairs(uint256 count) internal pure returns (uint256[] memory pairs) {
        assembly ("memory-safe") {
            pairs := mload(0x40)
            mstore(pairs, add(shl(1, count), 2))
            mstore(0x40, add(pairs, add(shl(6, count), 0x60)))
        }
    }

    /// @dev Memory address of pair i: `scaledLots, 32 slot`.
    function pairAt(uint256[] memory pairs, uint256 i) internal pure returns (uint256 at_) {
        assembly ("memory-safe") {
            at_ := add(add(pairs, 0x20), shl(6, i))
        }
    }
}
