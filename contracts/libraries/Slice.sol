// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {WAD} from "./AuctionMath.sol";
import {BookWalk} from "./BookWalk.sol";
import {SETTLEMENT_WINDOW} from "./LiveMark.sol";
import {PageCopies} from "./PageCopies.sol";
import {PAGE_HEAD_BYTES} from "./PageLayout.sol";
import {PositionWords, STORED_WORDS} from "./PositionWords.sol";

/// @dev Generation and slot of a position at the top of a word.
uint256 constant KEY = 0x3fffff << 192;

/// @notice Positions of one page in memory, dense, 64 bits each from the top of the first word; zeros behind the last in its word.
/// @param at_ Memory address of the first.
/// @param count How many.
struct Lots {
    uint256 at_;
    uint256 count;
}

/// @title Cuts a fraction off the positions of a page
library Slices {
    /// @dev Cuts positions by the records of a page.
    /// @param kept Gets what stays.
    /// @param part Gets what goes: `sign(q) ceil(f |q|)` lots of every position that the page has.
    /// @param head Memory address of its head; zero if all positions are known to be plain, and then nothing is found of them but both parts.
    /// @param fractionWad f, at most 1e18.
    /// @return widest At least the largest |part| << shift.
    /// @return settling Whether the settlement window of one of them may have begun.
    function cut(Lots memory whole, Lots memory kept, Lots memory part, uint256 head, uint256 rows, uint256 fractionWad)
        internal
        view
        returns (uint256 widest, bool settling)
    {
        room(kept, whole.count);
        room(part, whole.count);
        (uint256 from, uint256 keptAt, uint256 partAt) = (whole.at_, kept.at_, part.at_);
        uint256 bytes_ = 8 * whole.count;
        assembly ("memory-safe") {
            // The loop. It says `leave`, for then the optimizer keeps it a function, with room on the stack. Scratch: where records stand, if any; their bytes.
            function pieces(at_, end, f, keptFrom, partFrom) -> keptEnd, partEnd, wide {
                keptEnd := keptFrom
                partEnd := partFrom
                if iszero(lt(at_, end)) { leave }
                for {} lt(at_, end) { at_ := add(at_, 8) } {
                    // lots 42, generation 14, slot 8 stand at the top of the word at a position's place
                    let position := mload(at_)
                    let lots := sar(214, position)
                    let sign := sar(255, position)
                    let goes := sdiv(add(mul(lots, f), sub(xor(sub(WAD, 1), sign), sign)), WAD)
                    if mload(0) {
                        let rec := and(shr(187, position), 0x1fe0)
                        rec := mul(mload(add(mload(0), rec)), lt(rec, mload(0x20)))
                        if or(iszero(and(rec, 7)), and(xor(shr(8, rec), shr(200, position)), 0x3fff)) {
                            mstore(keptEnd, position)
                            keptEnd := add(keptEnd, 8)
                            continue
                        }
                        wide := or(wide, shl(and(shr(3, rec), 31), sub(xor(goes, sign), sign)))
                        // at the top, above all bits of lots, whether it stands below a word below which, with the expiry at its top, a window has begun
                        let limit := shl(232, div(add(timestamp(), SETTLEMENT_WINDOW), 3600))
                        wide := or(wide, shl(255, lt(sub(shl(16, rec), shl(232, 1)), limit)))
                    }
                    lots := sub(lots, goes)
                    mstore(partEnd, sub(position, shl(214, lots)))
                    partEnd := add(partEnd, 8)
                    if lots {
                        mstore(keptEnd, sub(position, shl(214, goes)))
                        keptEnd := add(keptEnd, 8)
                    }
                }
            }
            mstore(0, mul(add(head, PAGE_HEAD_BYTES), iszero(iszero(head))))
            mstore(0x20, shl(5, rows))
            keptAt, partAt, widest := pieces(from, add(from, bytes_), fractionWad, keptAt, partAt)
            // what stood behind the last
            mstore(keptAt, 0)
            mstore(partAt, 0)
        }
        unchecked {
            kept.count = (keptAt - kept.at_) >> 3;
            part.count = (partAt - part.at_) >> 3;
        }
        return ((widest << 1) >> 1, widest >> 255 != 0);
    }

    /// @dev Gives room for so many positions, and for what a write of the last puts behind it.
    function room(Lots memory lots, uint256 count) internal pure {
        unchecked {
            lots.at_ = PageCopies.allocate(BookWalk.wordsOf(count) + 1);
        }
    }

    /// @dev Copies so many positions, whole words.
    function copy(uint256 from, uint256 count, uint256 to) internal pure {
        uint256 bytes_ = 32 * BookWalk.wordsOf(count);
        assembly ("memory-safe") {
            mcopy(to, from, bytes_)
        }
    }

    /// @dev Stores positions in place of others.
    function store(uint256[STORED_WORDS] storage book, Lots memory old, Lots memory lots) internal {
        PositionWords.write(book, old.count, lots.at_, lots.count);
    }
}
