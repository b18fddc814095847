// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @dev Positions in one stored word.
uint256 constant POSITIONS_PER_WORD = 5;
/// @dev Words of storage that the positions of one account on one page take at most.
uint256 constant STORED_WORDS = 26;
/// @dev Bits of a stored position.
uint256 constant POSITION_BITS = 51;
/// @dev `|lots|` of a position stays below two to this power, so that they fit their 29 bits with the sign.
uint256 constant LOTS_BITS = 28;

/// @title Positions as storage has them
/// @notice A stored position is `lots 29 signed | generation 14 | slot 8`, five a word from the top, unsorted and dense; the lowest bit of a word and all
/// that stands behind the last position are zero. Everywhere else a position has 64 bits, its lots 42 of them, four a word.
library PositionWords {
    /// @dev Position `index`, below five, of a stored word, as 64 bits.
    function positionAt(uint256 word, uint256 index) internal pure returns (uint256) {
        unchecked {
            return uint256(int256(word << (POSITION_BITS * index)) >> (256 - POSITION_BITS)) & type(uint64).max;
        }
    }

    /// @dev The stored word with another position at `index`, below five; zero empties its place.
    function withPosition(uint256 word, uint256 index, uint256 position) internal pure returns (uint256) {
        unchecked {
            uint256 low = 256 - POSITION_BITS * (index + 1);
            uint256 mask = (1 << POSITION_BITS) - 1;
            return (word & ~(mask << low)) | ((position & mask) << low);
        }
    }

    /// @dev Reads the positions of a page to memory, 64 bits each; behind the last, up to the end of its word of four, stand zeros.
    function read(uint256[STORED_WORDS] storage book, uint256 count, uint256 into) internal view {
        assembly ("memory-safe") {
            // what the last five may be written over
            let behind := add(into, shl(5, shr(2, add(count, 3))))
            let first := mload(behind)
            let second := mload(add(behind, 0x20))
            let slot := book.slot
            for { let end := add(into, shl(3, count)) } lt(into, end) { into := add(into, 40) } {
                let word := sload(slot)
                mstore(into, sar(13, word))
                mstore(add(into, 8), sar(13, shl(51, word)))
                mstore(add(into, 16), sar(13, shl(102, word)))
                mstore(add(into, 24), sar(13, shl(153, word)))
                mstore(add(into, 32), sar(13, shl(204, word)))
                slot := add(slot, 1)
            }
            mstore(behind, first)
            mstore(add(behind, 0x20), second)
        }
    }

    /// @dev Stores positions of 64 bits, dense in memory, in place of `oldCount` others. A word that stays as it is costs what reading it would.
    function write(uint256[STORED_WORDS] storage book, uint256 oldCount, uint256 from, uint256 count) internal {
        assembly ("memory-safe") {
            function five(at_) -> word {
                let top := shl(205, sub(shl(51, 1), 1))
                word := and(shl(13, mload(at_)), top)
                word := or(word, shr(51, and(shl(13, mload(add(at_, 8))), top)))
                word := or(word, shr(102, and(shl(13, mload(add(at_, 16))), top)))
                word := or(word, shr(153, and(shl(13, mload(add(at_, 24))), top)))
                word := or(word, shr(204, and(shl(13, mload(add(at_, 32))), top)))
            }
            let slot := book.slot
            let last := add(slot, div(add(oldCount, 4), 5))
            for {} count { slot := add(slot, 1) } {
                let word := five(from)
                from := add(from, 40)
                switch lt(count, 5)
                case 0 { count := sub(count, 5) }
                default {
                    word := and(word, not(shr(mul(51, count), not(0))))
                    count := 0
                }
                sstore(slot, word)
            }
            for {} lt(slot, last) { slot := add(slot, 1) } { sstore(slot, 0) }
        }
    }
}
