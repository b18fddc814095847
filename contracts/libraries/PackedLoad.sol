// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IMarginOracle} from "../interfaces/IMarginOracle.sol";
import {IPriceFeed} from "../interfaces/IPriceFeed.sol";

/// @title Words of an oracle or a feed, read where they arrive
/// @dev Assumption about both: what they return is encoded as solc encodes it, so that behind its first word the array stands as in memory.
library PackedLoad {
    /// @dev `oracle.load(packedPages, count, baseline)` without a copy.
    function pages(IMarginOracle oracle, uint256 packedPages, uint256 count, bool baseline)
        internal
        view
        returns (uint256[] memory words)
    {
        return _words(address(oracle), IMarginOracle.load.selector, packedPages, count, baseline ? 1 : 0);
    }

    /// @dev `feed.load(packedUnderlyings, count)` without a copy.
    function prices(IPriceFeed feed, uint256 packedUnderlyings, uint256 count) internal view returns (uint256[] memory words) {
        return _words(address(feed), IPriceFeed.load.selector, packedUnderlyings, count, 0);
    }

    function _words(address source, bytes4 selector, uint256 packed, uint256 count, uint256 third)
        private
        view
        returns (uint256[] memory words)
    {
        assembly ("memory-safe") {
            let answer := mload(0x40)
            mstore(answer, selector)
            mstore(add(answer, 4), packed)
            mstore(add(answer, 36), count)
            mstore(add(answer, 68), third)
            let answered := staticcall(gas(), source, answer, 100, 0, 0)
            returndatacopy(answer, 0, returndatasize())
            if iszero(answered) { revert(answer, returndatasize()) }
            words := add(answer, 0x20)
            mstore(0x40, add(answer, returndatasize()))
        }
    }

    /// @dev `oracle.loadWithBaseline(packedPages, count)` without a copy.
    function bothPages(IMarginOracle oracle, uint256 packedPages, uint256 count) internal view returns (uint256[] memory words) {
        return _words(address(oracle), IMarginOracle.loadWithBaseline.selector, packedPages, count, 0);
    }
}
