// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title The middle of a few numbers
library Median {
    /// @dev Sorts in place, smallest first. Meant for some ten values.
    function sort(uint256[] memory values) internal pure {
        for (uint256 i = 1; i < values.length; ++i) {
            uint256 value = values[i];
            uint256 j = i;
            for (; j != 0 && values[j - 1] > value; --j) values[j] = values[j - 1];
            values[j] = value;
        }
    }

    /// @dev Middle value, or floor((a + b) / 2) of the two in the middle; at least one value.
    function ofSorted(uint256[] memory values) internal pure returns (uint256) {
        uint256 half = values.length / 2;
        return values.length % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
    }
}
