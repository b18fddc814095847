// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {SpotState} from "./LiveMark.sol";
import {IVaultPriceFeed} from "../interfaces/IPriceFeed.sol";

/// @notice What a walk over one page's positions found besides sums.
/// @param pairs Made by `LanePairs.newPairs`; scaled lots and slot of every position that risks anything.
/// @param end Memory address behind the last of them.
/// @param drifts Byte d is not zero if one of them has drift shift d.
/// @param missing Whether the page lacks a position.
/// @param feed What positions in their settlement window are valued by.
/// @param partly Whether positions are missing, settled, or in their window and part of them is.
/// @param loose Charge of the parts of lots that are in no table, held the other way round, ticks.
/// @param state What all marks of the page share, and behind it two words for the loops.
struct Walk {
    uint256[] pairs;
    uint256 end;
    uint256 drifts;
    bool missing;
    IVaultPriceFeed feed;
    bool partly;
    uint256 loose;
    SpotState state;
}

/// @title Walks that begin
library Walks {
    /// @dev One that has found nothing, with a state of zeros. In a list, as Solidity writes zeros word by word into whatever struct a function returns.
    function open(uint256[] memory pairs, IVaultPriceFeed feed) internal pure returns (Walk[] memory one) {
        assembly ("memory-safe") {
            // 8 words, and 12 of its state, star 0x120 of which is an empty list
            one := mload(0x40)
            let found := add(one, 0x40)
            let s := add(one, 0x140)
            mstore(0x40, add(one, 0x300))
            calldatacopy(found, calldatasize(), 0x280)
            mstore(one, 1)
            mstore(add(one, 0x20), found)
            mstore(found, pairs)
            mstore(add(one, 0xc0), feed)
            mstore(add(one, 0x120), s)
            mstore(add(one, 0x260), 0x60)
        }
    }
}
