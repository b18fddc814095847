// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @notice Everything the vault knows of accounts, in one place so that libraries can be handed it.
/// @dev A position is 64 bits, `lots 42 signed | generation 14 | slot 8`, four a word from the top, unsorted and dense: position i of a page is word
/// i / 4, bits 192 - 64 (i % 4) and up. The number of positions of a page stands in the account word (AccountWord.sol).
struct Ledger {
    /// account => account word
    mapping(bytes32 => uint256) accounts;
    /// account => page => position words
    mapping(bytes32 => mapping(uint256 => uint256[32])) books;
    /// underlying => sum of all positive positions other than spot, lots
    mapping(uint256 => uint256) openInterest;
}
