// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IMarginVault} from "../interfaces/IMarginVault.sol";
import {MAX_POSITIONS} from "./AccountWord.sol";
import {SCALED_LOTS_BITS} from "./Book.sol";
import {PageCopies} from "./PageCopies.sol";
import {KIND_SPOT, PAGE_HEAD_BYTES} from "./PageLayout.sol";
import {KEY, Lots, Slices} from "./Slice.sol";

/// @dev Slots that a page may have.
uint256 constant SLOTS = 256;
/// @dev A smaller shift leaves no room for more lots: SCALED_LOTS_BITS less LOTS_BITS.
uint256 constant LEAST_SHIFT = 11;
/// @dev What is not lots in a word with a position at its top.
uint256 constant NOT_LOTS = (1 << 214) - 1;
/// @dev What stands behind a position in the word at its place.
uint256 constant BEHIND = (1 << 192) - 1;

/// @title Adds positions of one page to others
/// @notice Each is found by its slot in a table, not by a search.
library Merges {
    /// @dev Adds parts, every one of which the page has, to what an account holds on it; neither changes.
    /// @param sum Gets old positions in their order, then new ones; those that end with no lots are gone.
    /// @param head Memory address of the page's head.
    /// @return grown By how much the long lots of all accounts grow, but for spot. A part has the sign of what it is taken from, so what is long there
    /// shrinks by what is long in it.
    function add(bytes32 account, Lots memory held, Lots memory parts, Lots memory sum, uint256 head) internal pure returns (int256 grown) {
        unchecked {
            Slices.room(sum, held.count + parts.count);
            Slices.copy(held.at_, held.count, sum.at_);
            uint256 end = sum.at_ + 8 * held.count;
            bool closes;
            (end, grown, closes) = _addAll(parts, sum.at_, end, head + PAGE_HEAD_BYTES);
            sum.count = closes ? _dense(sum.at_, end) : (end - sum.at_) >> 3;
            require(sum.count <= MAX_POSITIONS, IMarginVault.TooManyPositions(account, MAX_POSITIONS));
        }
    }

    /// @dev Adds parts to positions in room for all of them.
    /// @return newEnd Memory address behind the last.
    /// @return grown As in `add`.
    /// @return closes Whether one of them has no lots now.
    function _addAll(Lots memory parts, uint256 from, uint256 end, uint256 records)
        private
        pure
        returns (uint256 newEnd, int256 grown, bool closes)
    {
        // a word a slot: where a position with this slot stands, zero if none does
        uint256 places = PageCopies.zeroWords(SLOTS);
        uint256 part = parts.at_;
        uint256 last = part + 8 * parts.count;
        int256 wide;
        uint256 shift;
        assembly ("memory-safe") {
            function long(lots) -> positive {
                positive := mul(lots, sgt(lots, 0))
            }
            for { let at_ := from } lt(at_, end) { at_ := add(at_, 8) } { mstore(add(places, and(shr(187, mload(at_)), 0x1fe0)), at_) }
            for {} lt(part, last) { part := add(part, 8) } {
                let position := mload(part)
                let slot := and(shr(187, position), 0x1fe0)
                let at_ := mload(add(places, slot))
                if iszero(at_) {
                    at_ := end
                    mstore(add(places, slot), end)
                    mstore(end, 0)
                }
                // a slot may be held twice, in two generations
                if and(and(xor(mload(at_), position), KEY), sub(0, lt(at_, end))) {
                    for { at_ := from } lt(at_, end) { at_ := add(at_, 8) } {
                        if iszero(and(xor(mload(at_), position), KEY)) { break }
                    }
                }
                if eq(at_, end) {
                    mstore(end, and(position, KEY))
                    end := add(end, 8)
                }
                let word := mload(at_)
                let old := sar(214, word)
                let more := sar(214, position)
                let lots := add(old, more)
                slot := mload(add(records, slot))
                shift := and(shr(3, slot), 31)
                // |lots| << shift < 2^39 and |lots| < 2^28
                let limit := sub(SCALED_LOTS_BITS, xor(LEAST_SHIFT, mul(xor(LEAST_SHIFT, shift), gt(shift, LEAST_SHIFT))))
                let sign := sar(255, lots)
                if shr(limit, sub(xor(lots, sign), sign)) {
                    wide := lots
                    break
                }
                if iszero(lots) { closes := 1 }
                mstore(at_, or(shl(214, lots), and(word, NOT_LOTS)))
                if sub(and(slot, 7), KIND_SPOT) { grown := add(grown, sub(long(lots), add(long(old), long(more)))) }
            }
        }
        require(wide == 0, IMarginVault.LotsOutOfRange(wide, shift));
        return (end, grown, closes);
    }

    /// @dev Drops positions without lots; the order of the others stays.
    function _dense(uint256 from, uint256 end) private pure returns (uint256 count) {
        unchecked {
            uint256 to = from;
            for (uint256 at_ = from; at_ < end; at_ += 8) {
                uint256 word = PageCopies.load(at_);
                if (word >> 214 == 0) continue;
                if (to != at_) PageCopies.store(to, (word >> 192 << 192) | (PageCopies.load(to) & BEHIND));
                to += 8;
            }
            PageCopies.store(to, 0);
            return (to - from) >> 3;
        }
    }
}
