// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {STORED_WORDS} from "./PositionWords.sol";

/// @notice Everything the vault knows of accounts, in one place so that libraries can be handed it.
/// @dev How positions are stored stands in PositionWords.sol; how many a page has, in the account word (AccountWord.sol).
struct Ledger {
    /// account => account word
    mapping(bytes32 => uint256) accounts;
    /// account => page => position words
    mapping(bytes32 => mapping(uint256 => uint256[STORED_WORDS])) books;
    /// underlying => sum of all positive positions other than spot, lots
    mapping(uint256 => uint256) openInterest;
}
